"""Files of lines: cut anywhere, wrong in every way, and in shards that leave nothing out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.batches import validation
from api.batches.lines import Line, lines_in
from api.batches.validation import MOST_ERRORS, SHARD_BYTES, SHARD_LINES, Validation
from api.errors import ModelNotFoundError, OverloadedError

ENDPOINT = "/v1/chat/completions"


def find_model(name: str) -> None:
    if name != "tiny":
        raise ModelNotFoundError(f"The model `{name}` does not exist.", param="model")


def line(custom_id: object, **other: Any) -> bytes:
    return json.dumps(
        {"custom_id": custom_id, "method": "POST", "url": ENDPOINT, "body": {"model": "tiny"}} | other
    ).encode()


async def chunks(pieces: Iterable[bytes]) -> AsyncIterator[bytes]:
    for piece in pieces:
        yield piece


def read(pieces: Iterable[bytes], number: int = 1, start: int = 0) -> list[Line]:
    async def collect() -> list[Line]:
        return [found async for found in lines_in(chunks(pieces), number, start)]

    return asyncio.run(collect())


def checked(content: bytes, most_lines: int = 1000) -> Validation:
    check = Validation(ENDPOINT, find_model, most_lines)
    for found in read([content]):
        if not check.take(found):
            break
    check.end()
    return check


@given(st.lists(st.sampled_from([b"", b" ", b"{}", b'{"a": "b"}', b"\r"])), st.data())
def test_lines_are_the_same_wherever_the_file_is_cut(texts: list[bytes], data: st.DataObject) -> None:
    content = b"\n".join(texts)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(content)))))
    pieces = [content[a:b] for a, b in zip([0, *cuts], [*cuts, len(content)], strict=True)]
    found = read(pieces)
    assert found == read([content])
    assert [content[item.start : item.end] for item in found] == [item.text for item in found]
    assert [item.number for item in found] == [n for n, text in enumerate(texts, 1) if text.strip()]


@given(st.lists(st.booleans(), max_size=450))
def test_shards_leave_nothing_out(blank: list[bool]) -> None:
    """Each shard's bytes, read by themselves, are its lines with their numbers in the file."""
    content = b"".join((b"" if empty else line(str(n))) + b"\n" for n, empty in enumerate(blank))
    check = checked(content)
    found = []
    for number, shard in enumerate(check.shards):
        assert shard.number == number and shard.lines <= SHARD_LINES
        lines = read([content[shard.start_byte : shard.end_byte]], shard.first_line, shard.start_byte)
        assert len(lines) == shard.lines
        found += lines
    assert found == read([content])


def test_a_shard_is_no_more_than_a_piece_of_the_file() -> None:
    body = {"model": "tiny", "padding": "x" * (SHARD_BYTES // 3)}
    check = checked(b"\n".join(line(str(n), body=body) for n in range(10)))
    assert sum(shard.lines for shard in check.shards) == 10
    assert all(shard.end_byte - shard.start_byte <= SHARD_BYTES for shard in check.shards)


@pytest.mark.parametrize(
    ("wrong", "code"),
    [
        (b"{", "invalid_json_line"),
        (b"[]", "invalid_json_line"),
        (b'{"custom_id": "\xff"}', "invalid_json_line"),
        (b"[" * 20_000, "invalid_json_line"),
        (line(""), "missing_custom_id"),
        (line(7), "missing_custom_id"),
        (line("x" * 513), "missing_custom_id"),
        (line("first"), "duplicate_custom_id"),
        (line("a", method="GET"), "invalid_method"),
        (line("a", url="/v1/embeddings"), "invalid_url"),
        (line("a", body=[]), "invalid_body"),
        (line("a", body=None), "invalid_body"),
        (line("a", body={}), "missing_required_parameter"),
        (line("a", body={"model": "nobody"}), "model_not_found"),
    ],
)
def test_what_is_wrong_is_said_with_its_line(wrong: bytes, code: str) -> None:
    check = checked(line("first") + b"\n\n" + wrong + b"\n" + line("last"))
    assert [(error["line"], error["code"]) for error in check.errors] == [(3, code)]
    assert check.errors[0]["message"]


def test_files_without_lines_and_with_too_many() -> None:
    assert [error["code"] for error in checked(b"\n \n").errors] == ["empty_file"]
    many = checked(b"\n".join(line(str(n)) for n in range(20)), most_lines=10)
    assert [(error["line"], error["code"]) for error in many.errors] == [(11, "too_many_lines")]


def test_it_stops_looking_when_everything_is_wrong() -> None:
    assert len(checked(b"x\n" * 500).errors) == MOST_ERRORS


def test_a_model_that_nobody_knows_of_at_the_moment_is_no_fault_of_its_line() -> None:
    """A host goes out of sight while the file is read: it is to be read again."""

    def nobody_knows(_name: str) -> None:
        raise OverloadedError("A model host is away.")

    check = Validation(ENDPOINT, nobody_knows, 1000)
    with pytest.raises(OverloadedError):
        check.take(read([line("1")])[0])
    assert not check.errors


def test_a_model_is_asked_for_once() -> None:
    asked: list[str] = []
    check = Validation(ENDPOINT, asked.append, 1000)
    for found in read([b"\n".join(line(str(n)) for n in range(5))]):
        check.take(found)
    assert asked == ["tiny"] and check.model == "tiny" and check.tokens == 5 * (len(b'{"model": "tiny"}') // 4)
    assert validation.SHARD_LINES > 5 and check.shards == []
    check.end()
    assert len(check.shards) == 1
