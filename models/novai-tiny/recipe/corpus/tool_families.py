"""The tools of ``topics/tools.toml`` and the small language in which their values are written."""

import re
import tomllib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any

from .words import CITIES, DAYS, ITEMS, city, clause, code, first_name, invented, thing

_MAKERS: Mapping[str, Callable[[Random], str]] = {
    "brand": lambda rng: invented(rng, 2, 2).capitalize(),
    "city": city,
    "clause": clause,
    "code": code,
    "day": lambda rng: rng.choice(DAYS),
    "first_name": first_name,
    "item": lambda rng: rng.choice(ITEMS),
    "known_city": lambda rng: rng.choice(CITIES),
    "login": lambda rng: first_name(rng).lower(),
    "long_word": lambda rng: invented(rng, 2, 2),
    "short_word": lambda rng: invented(rng, 1, 2),
    "symbol": lambda rng: invented(rng, 1, 2).upper()[:4] + "X",
    "thing": thing,
    "word": invented,
}
_HOLE = re.compile(r"\{([^}]*)\}")
_RANGE = re.compile(r"(-?\d+)\.\.(\d+)")


@dataclass(frozen=True)
class Argument:
    """An argument of a tool: the names it may go by, its JSON type and how to draw a value."""

    names: tuple[str, ...]
    kind: str
    value: str
    about: str
    options: tuple[str, ...]


@dataclass(frozen=True)
class Family:
    """One tool under several names."""

    names: tuple[str, ...]
    about: tuple[str, ...]
    arguments: tuple[Argument, ...]
    requests: tuple[str, ...]
    result: dict[str, Any]
    answers: tuple[str, ...]


def _fill(rng: Random, hole: str) -> str:
    if number := _RANGE.fullmatch(hole):
        low, high = number.groups()
        width = len(low) if low.startswith("0") and len(low) > 1 else 0
        return str(rng.randint(int(low), int(high))).zfill(width)
    if "|" in hole:
        return rng.choice(hole.split("|"))
    return _MAKERS[hole](rng)


def draw_value(rng: Random, spec: Any) -> Any:
    """A text with its holes filled; a number where the whole text is one range; anything else as it is."""
    if not isinstance(spec, str):
        return spec
    text = _HOLE.sub(lambda hole: _fill(rng, hole.group(1)), spec)
    return int(text) if _RANGE.fullmatch(spec[1:-1]) else text


def _family(row: dict[str, Any]) -> Family:
    arguments = tuple(
        Argument(tuple(a["names"]), a["type"], a["value"], a["about"], tuple(a.get("enum", ())))
        for a in row["argument"]
    )
    about, requests, answers = tuple(row["about"]), tuple(row["requests"]), tuple(row["answers"])
    return Family(tuple(row["names"]), about, arguments, requests, row["result"], answers)


FAMILIES = tuple(
    _family(row) for row in tomllib.loads((Path(__file__).parent / "topics" / "tools.toml").read_text())["tool"]
)
