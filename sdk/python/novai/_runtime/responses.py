"""Answers with what HTTP said about them: `with_raw_response`, `with_streaming_response`, and bodies that are files."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import (
    TYPE_CHECKING,
    Any,
    Generic,
    ParamSpec,
    TypeVar,
    cast,
)

from .failures import Translated

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
P = ParamSpec("P")


class Lines:
    """Text in pieces → its lines, which LF or CRLF end. httpx ends them wherever Unicode has a break, and such breaks
    stand within the strings of JSON.
    """

    def __init__(self) -> None:
        self._pieces: list[str] = []  # of a line whose end has not come

    def feed(self, piece: str) -> list[str]:
        """The lines that this piece completes."""
        *lines, rest = piece.split("\n")
        if lines:
            lines[0] = "".join([*self._pieces, lines[0]])
            self._pieces.clear()
        self._pieces.append(rest)
        return [line.removesuffix("\r") for line in lines]

    def end(self) -> list[str]:
        """The last line, if nothing ended it."""
        rest = "".join(self._pieces)
        return [rest] if rest else []


class Answer(Generic[T]):
    """An HTTP answer of 2xx."""

    def __init__(self, response: httpx.Response, read: Callable[[httpx.Response], T]) -> None:
        self.http_response = response
        self._read = read

    @property
    def headers(self) -> httpx.Headers:
        return self.http_response.headers

    @property
    def status_code(self) -> int:
        return self.http_response.status_code

    @property
    def request_id(self) -> str | None:
        request_id: str | None = self.headers.get("x-request-id")
        return request_id

    @property
    def retries_taken(self) -> int:
        return int(self.http_response.extensions["novai_retries"])

    @property
    def elapsed(self) -> timedelta:
        """From the request until the body was read; not before that."""
        return self.http_response.elapsed


class RawResponse(Answer[T]):
    """What `with_raw_response` gives: the body has been read, unless it is a stream."""

    def parse(self) -> T:
        """What the method gives by itself."""
        return self._read(self.http_response)

    @property
    def content(self) -> bytes:
        return self.http_response.content

    @property
    def text(self) -> str:
        return self.http_response.text


class StreamedResponse(Answer[T]):
    """What `with_streaming_response` gives: the body is read by one of these methods, within the `with`."""

    def parse(self) -> T:
        if "text/event-stream" not in self.headers.get("content-type", ""):
            self.read()
        return self._read(self.http_response)

    def read(self) -> bytes:
        with Translated(self.http_response.request):
            return self.http_response.read()

    def text(self) -> str:
        self.read()
        return self.http_response.text

    def iter_bytes(self, chunk_size: int | None = None) -> Iterator[bytes]:
        with Translated(self.http_response.request):
            yield from self.http_response.iter_bytes(chunk_size)

    def iter_text(self, chunk_size: int | None = None) -> Iterator[str]:
        with Translated(self.http_response.request):
            yield from self.http_response.iter_text(chunk_size)

    def iter_lines(self) -> Iterator[str]:
        lines = Lines()
        for piece in self.iter_text():
            yield from lines.feed(piece)
        yield from lines.end()

    def stream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        with Path(file).open("wb") as opened:
            for piece in self.iter_bytes(chunk_size):
                opened.write(piece)


class AsyncStreamedResponse(Answer[T]):
    """As `StreamedResponse`."""

    async def parse(self) -> T:
        if "text/event-stream" not in self.headers.get("content-type", ""):
            await self.read()
        return self._read(self.http_response)

    async def read(self) -> bytes:
        with Translated(self.http_response.request):
            return await self.http_response.aread()

    async def text(self) -> str:
        await self.read()
        return self.http_response.text

    async def iter_bytes(self, chunk_size: int | None = None) -> AsyncIterator[bytes]:
        with Translated(self.http_response.request):
            async for piece in self.http_response.aiter_bytes(chunk_size):
                yield piece

    async def iter_text(self, chunk_size: int | None = None) -> AsyncIterator[str]:
        with Translated(self.http_response.request):
            async for piece in self.http_response.aiter_text(chunk_size):
                yield piece

    async def iter_lines(self) -> AsyncIterator[str]:
        lines = Lines()
        async for piece in self.iter_text():
            for line in lines.feed(piece):
                yield line
        for line in lines.end():
            yield line

    async def stream_to_file(self, file: str | os.PathLike[str], *, chunk_size: int | None = None) -> None:
        with Path(file).open("wb") as opened:  # noqa: ASYNC230  its writes are short beside the network
            async for piece in self.iter_bytes(chunk_size):
                opened.write(piece)


class BinaryResponse:
    """A body that is a file. Large ones are better read with `with_streaming_response`."""

    def __init__(self, response: httpx.Response) -> None:
        self.response = response

    @property
    def content(self) -> bytes:
        return self.response.content

    @property
    def text(self) -> str:
        return self.response.text

    def read(self) -> bytes:
        return self.content

    def write_to_file(self, file: str | os.PathLike[str]) -> None:
        Path(file).write_bytes(self.content)


class ResponseContext(Generic[T]):
    """Sends on entering, closes on leaving."""

    def __init__(self, send: Callable[[], Any]) -> None:
        self._send = send

    def __enter__(self) -> StreamedResponse[T]:
        answer: StreamedResponse[T] = self._send()
        self._answer = answer
        return answer

    def __exit__(self, *_: object) -> None:
        self._answer.http_response.close()


class AsyncResponseContext(Generic[T]):
    """As `ResponseContext`."""

    def __init__(self, send: Callable[[], Awaitable[Any]]) -> None:
        self._send = send

    async def __aenter__(self) -> AsyncStreamedResponse[T]:
        answer: AsyncStreamedResponse[T] = await self._send()
        self._answer = answer
        return answer

    async def __aexit__(self, *_: object) -> None:
        await self._answer.http_response.aclose()


# The methods of a resource whose client presents answers in another way, with their types told.


def raw(method: Callable[P, T]) -> Callable[P, RawResponse[T]]:
    return cast("Callable[P, RawResponse[T]]", method)


def async_raw(method: Callable[P, Awaitable[T]]) -> Callable[P, Awaitable[RawResponse[T]]]:
    return cast("Callable[P, Awaitable[RawResponse[T]]]", method)


def streamed(method: Callable[P, T]) -> Callable[P, ResponseContext[T]]:
    return lambda *args, **options: ResponseContext(lambda: method(*args, **options))


def async_streamed(method: Callable[P, Awaitable[T]]) -> Callable[P, AsyncResponseContext[T]]:
    return lambda *args, **options: AsyncResponseContext(lambda: method(*args, **options))
