"""The reader agrees with the JSON of Python, and completes every beginning of a value."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from internal.inference.json_stream import MAX_DEPTH, WHITESPACE, JsonValue, Verdict

values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
written = st.builds(
    lambda value, indent, ascii_only: json.dumps(value, indent=indent, ensure_ascii=ascii_only),
    values, st.sampled_from([None, 1]), st.booleans(),
)  # fmt: skip
jsonish = st.text(alphabet='{}[]",:\\u0019-+.eEtrufalsn \n', max_size=30)


def _damaged(text: str, position: int, character: str) -> str:
    return text[:position] + character + text[position + 1 :]


def read(text: str) -> tuple[JsonValue, Verdict, int]:
    value, verdict = JsonValue(), Verdict.MORE
    for position, character in enumerate(text):
        verdict = value.feed(character)
        if verdict is not Verdict.MORE:
            return value, verdict, position
    return value, verdict, len(text)


def completed(value: JsonValue, accepted: str) -> str:
    if value.after_comma:
        accepted = accepted.rstrip(WHITESPACE).removesuffix(",")
    return accepted + value.closing()


@given(written)
def test_takes_whole_values(text: str) -> None:
    _, verdict, position = read(text + " ")
    assert (verdict, position) in ((Verdict.DONE, len(text) - 1), (Verdict.DONE_BEFORE, len(text)))


@given(written, st.integers(0, 200))
def test_every_beginning_can_be_completed(text: str, length: int) -> None:
    beginning = text[:length]
    value, verdict, _ = read(beginning)
    if verdict is Verdict.MORE:
        json.loads(completed(value, beginning))


@given(jsonish | st.builds(_damaged, written, st.integers(0, 60), st.sampled_from(list('{}[]",:\\u0-.etn '))))
def test_agrees_with_python_about_what_is_json(text: str) -> None:
    """Even when a value breaks, what was read before can be completed."""
    value, verdict, position = read(text)
    if verdict is Verdict.BROKEN:
        json.loads(completed(value, text[:position]))
    if verdict is Verdict.DONE:
        json.loads(text[: position + 1])
    if _loads(text):  # a number ends before the white space behind it
        assert verdict in (Verdict.DONE, Verdict.MORE) or (verdict is Verdict.DONE_BEFORE and text[position:].isspace())


def _loads(text: str) -> bool:
    try:
        json.loads(text, parse_constant=int)
    except ValueError:
        return False
    return True


def test_depth_is_bounded() -> None:
    _, verdict, position = read("[" * (MAX_DEPTH + 1))
    assert (verdict, position) == (Verdict.BROKEN, MAX_DEPTH)


def test_numbers_that_readers_refuse_are_broken() -> None:
    _, verdict, _ = read("1" * 5000)
    assert verdict is Verdict.BROKEN


def test_brackets_close_without_assertions_too() -> None:
    program = "from internal.inference.json_stream import *; v = JsonValue(); print([v.feed(c).name for c in '[{}]'])"
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    said = subprocess.check_output([sys.executable, "-O", "-c", program], text=True, env=environment)
    assert said == "['MORE', 'MORE', 'MORE', 'DONE']\n"
