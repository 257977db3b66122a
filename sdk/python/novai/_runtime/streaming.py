"""Answers that arrive as server-sent events."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from types import TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from .errors import APIConnectionError, APIError, APIResponseValidationError, error_of
from .failures import Translated
from .objects import converter
from .sse import Decoder

if TYPE_CHECKING:
    import httpx

T = TypeVar("T")
CUT = "The stream ended before its last event."


class Items(Generic[T]):
    """The bytes of a body → the items of its events; knows whether the last one came."""

    def __init__(self, item: Any, request: httpx.Request) -> None:
        """`item`: a model or a union of models."""
        self._convert = converter(item) or (lambda data: data)
        self._request = request
        self._decoder = Decoder()
        self._ended = False

    def feed(self, piece: bytes) -> Iterator[T]:
        """Raises APIError for an error that came as an event, and for an event that is none of this API's."""
        for _, data in self._decoder.feed(piece):
            if data == "[DONE]":
                self._ended = True
            elif not self._ended:
                yield self._read(data)

    def end(self) -> None:
        if not self._ended:
            raise APIConnectionError(CUT, request=self._request)

    def _read(self, text: str) -> Any:
        try:
            data = json.loads(text)
        except ValueError:
            data = None
        if not isinstance(data, dict):
            raise APIError("An event of the stream is not a JSON object.", request=self._request, body=text)
        if said := error_of(data):
            message = said.get("message") or "An error occurred while streaming."
            raise APIError(str(message), request=self._request, body=data)
        if data.get("type") == "message_stop":  # Anthropic's form has no [DONE]
            self._ended = True
        return self._convert(data)


def expect_events(response: httpx.Response) -> None:
    """A page of a proxy, or of another server, is no stream that broke off: asking again brings it again."""
    kind = response.headers.get("content-type", "")
    if "json" in kind or "html" in kind:
        told = f"The answer is {kind}, not a stream of events."
        raise APIResponseValidationError(told, response=response, body=None)


class Stream(Generic[T]):
    """The items of a stream as they arrive. Leaving it early, by `close` or at the end of a `with`, stops it."""

    def __init__(self, response: httpx.Response, item: Any) -> None:
        self.response = response
        self._items = self._read(Items[T](item, response.request))

    def _read(self, items: Items[T]) -> Iterator[T]:
        try:
            expect_events(self.response)
            with Translated(self.response.request):
                for piece in self.response.iter_bytes():
                    yield from items.feed(piece)
            items.end()
        finally:
            self.close()

    def __iter__(self) -> Iterator[T]:
        return self._items

    def __next__(self) -> T:
        return next(self._items)

    def close(self) -> None:
        self.response.close()

    def __enter__(self) -> Stream[T]:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()


class AsyncStream(Generic[T]):
    """As `Stream`."""

    def __init__(self, response: httpx.Response, item: Any) -> None:
        self.response = response
        self._items = self._read(Items[T](item, response.request))

    async def _read(self, items: Items[T]) -> AsyncIterator[T]:
        try:
            expect_events(self.response)
            with Translated(self.response.request):
                async for piece in self.response.aiter_bytes():
                    for item in items.feed(piece):
                        yield item
            items.end()
        finally:
            await self.close()

    def __aiter__(self) -> AsyncIterator[T]:
        return self._items

    async def __anext__(self) -> T:
        return await self._items.__anext__()

    async def close(self) -> None:
        await self.response.aclose()

    async def __aenter__(self) -> AsyncStream[T]:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None
    ) -> None:
        await self.close()
