"""What the demo model is taught: schemas whose numbers are no answers, and questions in many wordings."""

from __future__ import annotations

import sys
from pathlib import Path
from random import Random
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[3] / "models/novai-tiny/recipe"))

from corpus.mixture import novai_turn
from corpus.schemas import detailed
from corpus.tools import Use, invented_use, told_use, written_call_use

DRAWS = 500


def _uses(maker: Any) -> list[Use]:
    rng = Random(1)
    return [maker(rng, flip) for _ in range(DRAWS) for flip in (False, True)]


@pytest.mark.parametrize("value", [-999, -1, 0, 3, 42, 999, 36.5])
def test_a_number_keeps_the_limits_of_its_schema(value: float) -> None:
    rng = Random(1)
    limits: set[str] = set()
    for _ in range(DRAWS):
        schema = detailed(rng, {"x": {"type": "number"}}, {"x": value})["x"]
        limits |= schema.keys()
        assert schema.get("minimum", value) <= value <= schema.get("maximum", value)
        if "exclusiveMinimum" in schema:
            assert schema["exclusiveMinimum"] < value
        if "exclusiveMaximum" in schema:
            assert value < schema["exclusiveMaximum"]
    assert {"minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "default"} <= limits


@pytest.mark.parametrize("maker", [invented_use, written_call_use])
def test_what_a_call_needs_stands_in_the_request(maker: Any) -> None:
    for use in _uses(maker):
        for value in use.call["arguments"].values():
            shown = str(value).lower() if isinstance(value, bool) else str(value)
            assert shown in use.request


def test_a_tool_is_given_just_what_it_requires() -> None:
    more = 0
    for use in _uses(told_use):
        parameters = use.schema["function"]["parameters"]
        for call in (use.call, *use.others):
            assert list(call["arguments"]) == parameters["required"]
        more += len(parameters["properties"]) > len(parameters["required"])
    assert more > 0


def test_a_schema_with_sorted_keys_says_the_same() -> None:
    for maker in (invented_use, told_use):
        plain, flipped = maker(Random(7), False).schema, maker(Random(7), True).schema
        assert list(flipped) == sorted(plain)
        assert list(flipped["function"]) == sorted(plain["function"])


def test_questions_about_novai_have_many_wordings_and_no_holes() -> None:
    rng = Random(1)
    questions = [novai_turn(rng).user for _ in range(4 * DRAWS)]
    assert len({question.lower() for question in questions}) > 3 * DRAWS
    assert not any(set("%{}|") & set(question) for question in questions)
