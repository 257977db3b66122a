from __future__ import annotations

from typing import Any

import msgspec
import pytest

from api.bodies import MOST_UNKNOWN, parse, refuse
from api.errors import InvalidRequestError
from api.generated import schemas as s

MESSAGES = [{"role": "user", "content": "x"}]


def raw(**more: Any) -> bytes:
    return msgspec.json.encode({"model": "m", "messages": MESSAGES} | more)


def test_a_field_that_would_change_the_answer_is_not_overlooked_among_thousands_that_are_made_up() -> None:
    made_up = {f"field_{number}": number for number in range(3 * MOST_UNKNOWN)}
    _, unknown = parse(raw(**made_up, functions=[], audio=None), s.ChatCompletionRequest)
    assert len(unknown) <= MOST_UNKNOWN + 1
    with pytest.raises(InvalidRequestError, match="'functions'"):
        refuse(unknown)


@pytest.mark.parametrize(
    ("message", "said"),
    [
        ({"role": "user", "content": [{"type": "v\u00efdeo"}]}, "'messages[1].content[0].type': \"vïdeo\". Supported"),
        ({"role": ["x" * 70]}, "'messages[1].role': [\"" + "x" * 55 + ".... Supported"),
        ({"role": "ä" * 40_000}, "'messages[1].role': \"" + "ä" * 28 + ".... Supported"),
        ({"role": "user", "content": 7}, "'messages[1].content': expected `str | array`, got `int` instead."),
    ],
)
def test_what_came_is_said_and_no_more_of_it_than_a_line(message: Any, said: str) -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse(raw(messages=[*MESSAGES, message]), s.ChatCompletionRequest)
    assert said in refused.value.message


def test_nothing_is_said_of_a_body_that_is_no_json_behind_its_first_fault() -> None:
    with pytest.raises(InvalidRequestError) as refused:
        parse(b'{"n": 0, "x": ', s.ChatCompletionRequest)
    assert refused.value.message.endswith("Expected a value >= 1.")
