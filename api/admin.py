"""Administration from the command line: `python -m api.admin …`, or `novai keys|projects|limits|tiers|migrate …`.

Needs DATABASE_URL and KEY_PEPPER in the environment. Expected failures are one line on stderr and exit status 1.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import sys
from collections.abc import Mapping, Sequence

from api.administration import audit, keys, limits, money, setup, tenancy
from api.administration.words import AdminError, Words
from api.config import Settings, SettingsError
from api.errors import ApiError
from api.storage.session import describe

GROUPS = (setup, keys, tenancy, limits, money, audit)
# What to do about errors of the database, by words of their names.
ADVICE = {
    "UndefinedTable": "Run `novai migrate` first.",
    "LockNotAvailable": "A table is in use for long, e.g. by a dump: nothing was changed. Migrate when it has ended.",
    "Can't locate revision": "Is DATABASE_URL that of NovAI?",
}


def main(arguments: Sequence[str] | None = None, env: Mapping[str, str] | None = None) -> int:
    """The exit status. Without arguments, those of the process."""
    options = parser().parse_args(arguments)
    try:
        asyncio.run(options.run(Settings.from_env(env), options))
    except (AdminError, SettingsError, ApiError, ValueError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130  # as shells say it
    except BrokenPipeError:
        raise  # whoever reads has read enough
    except OSError as error:
        print(f"error: {describe(error)}. Is DATABASE_URL right, and does the server run?", file=sys.stderr)
        return 1
    except Exception as error:
        # Errors of the libraries below, without importing them for `--help`.
        if type(error).__module__.partition(".")[0] not in ("alembic", "asyncpg", "sqlalchemy"):
            raise
        cause = getattr(getattr(error, "orig", None), "__cause__", None) or error  # SQLAlchemy wraps asyncpg's twice
        told = str(cause).splitlines()[0]
        advice = next((row for name, row in ADVICE.items() if name in f"{type(cause).__name__} {told}"), "")
        print(f"error: the database refused: {told}. {advice}".rstrip(), file=sys.stderr)
        return 1
    return 0


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(prog="novai", description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    words = Words(top)
    for group in GROUPS:
        group.add_words(words)
    return top


if __name__ == "__main__":
    logging.basicConfig(level=logging.CRITICAL)  # what went wrong is said once, by `main`
    sys.exit(main())
