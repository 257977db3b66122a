"""What counts as a right answer of the demo model."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

sys.path.append(str(Path(__file__).parents[3] / "models/novai-tiny/recipe"))

pytest.importorskip("llama_cpp")

from corpus import Conversation
from evaluating import judge


def _call(name: str, **arguments: Any) -> dict[str, Any]:
    return {"name": name, "arguments": arguments}


def _written(*calls: dict[str, Any]) -> str:
    return "\n".join(f"<tool_call>\n{json.dumps(call)}\n</tool_call>" for call in calls)


FIRST, OTHER = _call("Joke", setup="Why?", punchline="Because."), _call("Joke", setup="What?", punchline="That.")
MORE = _call("Joke", setup="Why?", punchline="Because.", rating="good")
ASKED = Conversation(
    "tool call",
    [{"role": "assistant", "content": "", "tool_calls": [{"type": "function", "function": FIRST}]}],
    "tool Joke",
    accepts=(json.dumps(OTHER),),
    check="call",
)


@pytest.mark.parametrize(
    ("answer", "formed", "right"),
    [
        (_written(FIRST), True, True),
        (_written(OTHER), True, True),
        (_written(MORE), True, False),
        (_written(FIRST, OTHER), False, False),
        (_written(_call("Poem", setup="Why?", punchline="Because.")), False, False),
        ("<tool_call>\n{\n</tool_call>", False, False),
        ("Because.", False, False),
    ],
)
def test_a_call_is_right_if_it_is_one_that_is_accepted(answer: str, formed: bool, right: bool) -> None:
    assert judge(ASKED, answer) == (formed, right)
