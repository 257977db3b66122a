"""What HTTP said: `with_raw_response`, `with_streaming_response`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from novai import AsyncNovAI, NotFoundError, NovAI, Page, Stream, types

from tests.sdk.fault_server import Answer, FaultServer, events

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}
MODEL = {"id": "m", "object": "model"}


def test_raw(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [
        Answer(500, {}, {"retry-after-ms": "1"}),
        Answer(200, MODEL, {"x-request-id": "req_1", "x-a": "b"}),
    ]
    answer = misled.models.with_raw_response.retrieve("m")
    assert (answer.status_code, answer.headers["x-a"], answer.request_id) == (200, "b", "req_1")
    assert answer.retries_taken == 1
    assert answer.elapsed.total_seconds() > 0
    assert answer.content == answer.text.encode() == b'{"id": "m", "object": "model"}'
    assert isinstance(answer.parse(), types.Model)
    assert answer.parse()._request_id == "req_1"


async def test_raw_async(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [Answer(200, MODEL)]
    answer = await amisled.models.with_raw_response.retrieve("m")
    assert answer.parse().id == "m"


def test_raw_streams_and_pages(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=events({"choices": []}))]
    stream = misled.chat.completions.with_raw_response.create(**ASK, stream=True).parse()
    assert isinstance(stream, Stream)
    assert len(list(stream)) == 1
    faults.answers = [Answer(200, {"data": [MODEL]})]
    page = misled.models.with_raw_response.list().parse()
    assert isinstance(page, Page)
    assert [model.id for model in page] == ["m"]


def test_raw_answers_raise_too(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(404, {"error": {"message": "no"}})]
    with pytest.raises(NotFoundError):
        misled.models.with_raw_response.retrieve("m")
    with pytest.raises(NotFoundError), misled.models.with_streaming_response.retrieve("m"):
        pass


def test_piece_by_piece(faults: FaultServer, misled: NovAI, tmp_path: Path) -> None:
    lines = [b"one\n", b"two\n", b"thr", b"ee\n"]
    faults.answers = [Answer(pieces=lines)]
    asked = misled.models.with_streaming_response
    with asked.retrieve("m") as answer:
        assert list(answer.iter_lines()) == ["one", "two", "three"]
    with asked.retrieve("m") as answer:
        assert b"".join(answer.iter_bytes()) == b"".join(lines)
    with asked.retrieve("m") as answer:
        assert "".join(answer.iter_text()) == "one\ntwo\nthree\n"
    with asked.retrieve("m") as answer:
        answer.stream_to_file(tmp_path / "file")
        assert (tmp_path / "file").read_bytes() == answer.http_response.request.read() + b"".join(lines)
    with asked.retrieve("m") as answer:
        assert answer.text() == "one\ntwo\nthree\n"
    faults.answers = [Answer(200, MODEL)]
    with asked.retrieve("m") as answer:
        assert answer.parse().id == "m"


BREAKS = "a\u2028b\u2029c\x85d\x0be\x0cf\x1cg\rh"  # of lines, for Unicode; JSON lets most of them stand in strings


@pytest.mark.parametrize("size", [1, 2, 1000])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("last", ["", "\n"])
async def test_lines_end_with_line_feeds_only(
    faults: FaultServer, misled: NovAI, amisled: AsyncNovAI, size: int, end: str, last: str
) -> None:
    body = f"{BREAKS}{end}{end}{BREAKS}{last}".encode()
    faults.answers = [Answer(pieces=[body[at : at + size] for at in range(0, len(body), size)])]
    expected = [BREAKS, "", BREAKS]
    with misled.models.with_streaming_response.retrieve("m") as answer:
        assert list(answer.iter_lines()) == expected
    async with amisled.models.with_streaming_response.retrieve("m") as of_async:
        assert [line async for line in of_async.iter_lines()] == expected


async def test_piece_by_piece_async(faults: FaultServer, amisled: AsyncNovAI, tmp_path: Path) -> None:
    faults.answers = [Answer(pieces=[b"one\ntw", b"o\n"])]
    asked = amisled.models.with_streaming_response
    async with asked.retrieve("m") as answer:
        assert [line async for line in answer.iter_lines()] == ["one", "two"]
    async with asked.retrieve("m") as answer:
        assert "".join([text async for text in answer.iter_text()]) == "one\ntwo\n"
    async with asked.retrieve("m") as answer:
        await answer.stream_to_file(tmp_path / "file")
    assert (tmp_path / "file").read_bytes() == b"one\ntwo\n"
    async with asked.retrieve("m") as answer:
        assert await answer.text() == "one\ntwo\n"
    faults.answers = [Answer(200, {"data": [MODEL]})]
    async with amisled.models.with_streaming_response.list() as answer:
        assert [model.id async for model in await answer.parse()] == ["m"]


def test_leaving_closes_it(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=[b"x" * 1000] * 100_000)]
    with misled.models.with_streaming_response.retrieve("m") as answer:
        next(answer.iter_bytes())
    assert answer.http_response.is_closed
    assert faults.left.wait(10)
