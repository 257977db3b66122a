from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.errors import InvalidRequestError
from api.json_text import BOM
from api.services.lines import Lines

MOST, LINE_BYTES = 5, 60

# Lines that are as they should be, that are left out, and that are wrong.
good = st.dictionaries(st.text(max_size=3), st.integers() | st.text(max_size=5), max_size=2).map(
    lambda value: json.dumps(value, ensure_ascii=False).encode(errors="replace")
)
empty = st.sampled_from([b"", b" ", b"\r"])
wrong = st.sampled_from(
    [b"{", b"[1]", b"1", b'{"a": NaN}', b'{"a": "\xff"}', b'{"a": 1}{}', b"x" * 61, b"null", BOM + BOM]
)
files = st.tuples(
    st.sampled_from([b"", BOM]), st.lists(good | empty | wrong, max_size=9), st.sampled_from([b"\n", b"\r\n"])
).map(lambda file: file[0] + file[2].join(file[1]))


def looked_at(*pieces: bytes) -> int | str:
    """How many lines there are, or what is wrong."""
    lines = Lines(MOST, LINE_BYTES)
    try:
        for piece in pieces:
            lines.feed(piece)
        lines.end()
    except InvalidRequestError as error:
        return error.message
    return lines.fault or lines.count


def expected(file: bytes) -> int | str:
    """The same in one go, as the contract says it: how many, or the beginning of what is wrong."""
    for number, line in enumerate(file.split(b"\n"), 1):
        if len(line) > LINE_BYTES:
            return f"Line {number} is longer"
    count = 0
    for number, line in enumerate(file.split(b"\n"), 1):
        text = line.removeprefix(BOM) if number == 1 else line
        if not text.strip():
            continue
        count += 1
        if count > MOST:
            return f"Line {number}: a batch has at most"
        try:
            assert isinstance(json.loads(text.decode(), parse_constant=lambda _name: 1 / 0), dict)
        except (ValueError, AssertionError, ZeroDivisionError):
            return f"Line {number} is not a JSON object"
    return count or "The file has no lines"


@given(files)
def test_a_file_is_what_its_lines_are(file: bytes) -> None:
    seen, known = looked_at(file), expected(file)
    assert str(seen).startswith(str(known)), (seen, known)


@given(files)
def test_wherever_it_is_cut_it_is_the_same_file(file: bytes) -> None:
    whole = looked_at(file)
    for cut in range(len(file) + 1):
        assert looked_at(file[:cut], file[cut:]) == whole
    assert looked_at(*(file[at : at + 1] for at in range(len(file)))) == whole


def test_a_line_without_an_end_is_refused_while_it_comes() -> None:
    lines = Lines(MOST, LINE_BYTES)
    lines.feed(b"{}\n" + b"x" * LINE_BYTES)
    with pytest.raises(InvalidRequestError, match="Line 2 is longer than 60 bytes"):
        lines.feed(b"x")


def test_a_deep_line_is_an_error_and_not_a_crash() -> None:
    lines = Lines(MOST, 1 << 20)
    lines.feed(b'{"a":' + b"[" * 500_000 + b"\n")
    assert lines.fault is not None and lines.fault.startswith("Line 1 is not a JSON object")
