"""Lines of a batch's files: those that ask, and those that answer."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import NamedTuple

import msgspec

from api.domain import LineAnswer
from api.errors import ApiError
from api.services.lines import said

encode = msgspec.json.Encoder().encode


class Line(NamedTuple):
    """A line of a file that is not empty, without its end; its bytes are from `start` up to `end`."""

    number: int  # in the file, from 1 on
    start: int
    end: int
    text: bytes


class Request(msgspec.Struct, frozen=True):
    """What a valid line asks."""

    custom_id: str
    method: str
    url: str
    body: msgspec.Raw


read_request = msgspec.json.Decoder(Request).decode


async def lines_in(chunks: AsyncIterable[bytes], number: int = 1, start: int = 0) -> AsyncIterator[Line]:
    """The lines of a file from a line on, whose bytes begin at `start`. Holds one chunk and one line."""
    rest = b""
    async for chunk in chunks:
        *whole, rest = (rest + chunk).split(b"\n")
        for text in whole:
            if (line := line_at(number, start, text)) is not None:
                yield line
            number += 1
            start += len(text) + 1
    if (line := line_at(number, start, rest)) is not None:
        yield line


def line_at(number: int, start: int, text: bytes) -> Line | None:
    """None for an empty one."""
    whole = said(number, text)
    return None if whole is None else Line(number, start, start + len(text), whole)


def answer_line(batch_id: str, number: int, custom_id: str, request_id: str, status: int, body: bytes) -> bytes:
    """What an endpoint answered, well or not. `body`: JSON."""
    response = {"status_code": status, "request_id": request_id, "body": msgspec.Raw(body)}
    return _line(batch_id, number, custom_id, response, None)


def unanswered_line(batch_id: str, number: int, custom_id: str, code: str, message: str) -> bytes:
    """It did not run."""
    return _line(batch_id, number, custom_id, None, {"code": code, "message": message})


def refusal(batch_id: str, shard_id: int, number: int, custom_id: str, request_id: str, error: ApiError) -> LineAnswer:
    """What a request is told that fails for good."""
    body = encode(error.body())
    line = answer_line(batch_id, number, custom_id, request_id, error.status, body)
    return LineAnswer(shard_id, number, failed=True, body=line)


def _line(batch_id: str, number: int, custom_id: str, response: object, error: object) -> bytes:
    name = f"batch_req_{batch_id.removeprefix('batch_')}_{number}"
    return encode({"id": name, "custom_id": custom_id, "response": response, "error": error})
