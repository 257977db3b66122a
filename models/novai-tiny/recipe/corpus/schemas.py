"""What generators of JSON schemas add to a property: descriptions, limits, defaults, enums.

None of it is an answer: the value that is wanted always stands in the request, and keeps every limit.
"""

from collections.abc import Callable, Mapping
from random import Random
from typing import Any

from .words import thing

Details = dict[str, Any]


def number(rng: Random) -> int:
    """As often short as long, sometimes negative."""
    return rng.choice((1, 1, 1, 1, -1)) * rng.randrange(10 ** rng.choice((1, 1, 2, 2, 3)))


def _number_details(rng: Random, value: float) -> Details:
    power = 10 ** rng.randint(3, 5)
    low = rng.choice((-power, -power, -power, int(value) - rng.randint(1, 99), -1 if value >= 0 else -power))
    high = rng.choice((power, power, power, int(value) + rng.randint(2, 99)))
    exclusive = rng.random() < 0.5
    names = ("exclusiveMinimum", "exclusiveMaximum") if exclusive else ("minimum", "maximum")
    limits = [(name, limit) for name, limit in zip(names, (low, high), strict=True) if rng.random() < 0.8]
    return dict(limits) | ({"default": number(rng)} if rng.random() < 0.2 else {})


def _text_details(rng: Random, value: str) -> Details:
    options = [value, *(thing(rng) for _ in range(rng.randint(1, 3)))]
    rng.shuffle(options)
    return rng.choice(
        (
            {"minLength": rng.randint(1, 3)},
            {"minLength": 1, "maxLength": rng.choice((64, 100, 255, 1000))},
            {"default": thing(rng)},
            {"examples": [thing(rng), thing(rng)]},
            {"enum": options},
        )
    )


def _switch_details(rng: Random, value: bool) -> Details:
    return {"default": rng.random() < 0.5}


_DETAILS: Mapping[type, tuple[Callable[[Random, Any], Details], float]] = {
    int: (_number_details, 0.7),
    float: (_number_details, 0.7),
    str: (_text_details, 0.15),
    bool: (_switch_details, 0.3),
}


def detailed(rng: Random, properties: Mapping[str, Details], values: Mapping[str, Any]) -> dict[str, Details]:
    """The properties with some of these additions, in any order."""
    found: dict[str, Details] = {}
    for name, given in properties.items():
        one = dict(given)
        if "description" not in one and rng.random() < 0.3:
            what = rng.choice(("The", "Name of the", "Description of the"))
            one["description"] = f"{what} {name} of the {thing(rng)}."
        maker, share = _DETAILS.get(type(values[name]), (None, 0.0))
        if maker and "enum" not in one and rng.random() < share:
            one |= maker(rng, values[name])
        if rng.random() < 0.15:
            one["title"] = name.replace("_", " ").title()
        items = list(one.items())
        if rng.random() < 0.3:
            rng.shuffle(items)
        found[name] = dict(items)
    return found
