"""How words are declared, what their arguments may be, and how answers are printed."""

from __future__ import annotations

import argparse
import contextlib
import json
import math
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import asdict, is_dataclass
from datetime import datetime
from typing import Any

from api.config import Settings
from api.errors import LedgerUnavailableError
from api.ledger.pricing import parse_usd
from api.storage.session import Database, NotMigratedError, describe, open_pool

Run = Callable[[Settings, argparse.Namespace], Awaitable[None]]


class AdminError(Exception):
    """A request that cannot be carried out. The message says why and what to do."""


class Words:
    """The words at one place of the command line: `novai WORD`, or `novai GROUP WORD`."""

    def __init__(self, parser: argparse.ArgumentParser, metavar: str = "WORD") -> None:
        self._parsers = parser.add_subparsers(required=True, metavar=metavar)

    def word(self, name: str, run: Run, text: str) -> argparse.ArgumentParser:
        made = self._parsers.add_parser(name, help=text, description=text)
        made.set_defaults(run=run)
        made.add_argument("--json", action="store_true", help="print JSON")
        return made

    def group(self, name: str, text: str) -> Words:
        return Words(self._parsers.add_parser(name, help=text, description=text), "VERB")


@contextlib.asynccontextmanager
async def opened(settings: Settings) -> AsyncIterator[Database]:
    """The database for one word. Raises AdminError when it cannot be reached."""
    database = await open_pool(settings.database_url, 1, settings.db_timeout_s)
    try:
        await database.hear_clock()
        yield database
    except NotMigratedError as error:
        raise error.__cause__ or error from None  # as the server said it: what to do about it is told with it
    except LedgerUnavailableError as error:
        raise AdminError(
            f"PostgreSQL cannot be reached: {describe(error.__cause__ or error)}. Check DATABASE_URL."
        ) from None
    finally:
        await database.aclose()


# ---------------------------------------------------------------- arguments


def text(given: str) -> str:
    if not (1 <= len(given) <= 100 and given.isprintable() and given == given.strip()):
        raise argparse.ArgumentTypeError("expected 1 to 100 printable characters")
    return given


def names(given: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text(name.strip()) for name in given.split(",")))


def not_negative(given: str) -> float:
    try:
        number = float(given)
    except ValueError:
        number = math.nan
    if not 0 <= number <= 1e6:  # never so for what is no number
        raise argparse.ArgumentTypeError("expected a number between 0 and 1000000")
    return number


def positive(given: str) -> float:
    if not_negative(given) == 0:
        raise argparse.ArgumentTypeError("expected a number above 0")
    return float(given)


def amount(given: str) -> int:
    """Nano-USD."""
    try:
        return parse_usd(given)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


# ---------------------------------------------------------------- showing


def show(options: argparse.Namespace, value: Any, said: str | None = None) -> None:
    """With --json the value; otherwise the sentence, or a table of the rows."""
    if options.json:
        print(json.dumps(_plain(value), indent=2))
    elif said is not None:
        print(said)
    else:
        print(table([_plain(row) for row in value]) if value else "None.")


def table(rows: Sequence[dict[str, Any]]) -> str:
    """Columns as wide as their widest cell."""
    cells = [list(rows[0])] + [[_cell(value) for value in row.values()] for row in rows]
    widths = [max(len(line[i]) for line in cells) for i in range(len(cells[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() for line in cells
    )


def _plain(value: Any) -> Any:
    if isinstance(value, list | tuple):
        return [_plain(entry) for entry in value]
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if isinstance(value, dict):
        return {name: _plain(entry) for name, entry in value.items()}
    return value.isoformat(timespec="seconds") if isinstance(value, datetime) else value


def _cell(value: Any) -> str:
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "-" if value is None else str(value)
