"""Streams that are put together while they are read: events for what happens, and the whole at the end.

What differs from form to form is the state: it takes an item, says what happened, and knows the answer so far.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

if TYPE_CHECKING:
    import httpx

    from .streaming import AsyncStream, Stream

Item_contra = TypeVar("Item_contra", contravariant=True)
Event_co = TypeVar("Event_co", covariant=True)
Whole_co = TypeVar("Whole_co", covariant=True)


class State(Protocol[Item_contra, Event_co, Whole_co]):
    def add(self, item: Item_contra, /) -> Iterable[Event_co]:
        """What this item of the stream brought."""
        ...

    def snapshot(self) -> Whole_co:
        """The answer so far."""
        ...

    def final(self) -> Whole_co:
        """The answer, once the stream has ended. Raises what `parse()` raises."""
        ...


class AssembledStream(Generic[Event_co, Whole_co]):
    """Iterate it for events. What is asked for afterwards reads the rest of the stream first."""

    def __init__(self, stream: Stream[Any], state: State[Any, Event_co, Whole_co]) -> None:
        self._stream, self._state = stream, state
        self._events = (event for item in stream for event in state.add(item))

    @property
    def response(self) -> httpx.Response:
        return self._stream.response

    def __iter__(self) -> Iterator[Event_co]:
        return self._events

    def __next__(self) -> Event_co:
        return next(self._events)

    def until_done(self) -> None:
        for _ in self._events:
            pass

    def close(self) -> None:
        """Stops the server too."""
        self._stream.close()

    def _snapshot(self) -> Whole_co:
        return self._state.snapshot()

    def _final(self) -> Whole_co:
        self.until_done()
        return self._state.final()


class AsyncAssembledStream(Generic[Event_co, Whole_co]):
    """As `AssembledStream`."""

    def __init__(self, stream: AsyncStream[Any], state: State[Any, Event_co, Whole_co]) -> None:
        self._stream, self._state = stream, state
        self._events = self._read()

    async def _read(self) -> AsyncIterator[Event_co]:
        async for item in self._stream:
            for event in self._state.add(item):
                yield event

    @property
    def response(self) -> httpx.Response:
        return self._stream.response

    def __aiter__(self) -> AsyncIterator[Event_co]:
        return self._events

    async def __anext__(self) -> Event_co:
        return await self._events.__anext__()

    async def until_done(self) -> None:
        async for _ in self._events:
            pass

    async def close(self) -> None:
        """Stops the server too."""
        await self._stream.close()

    def _snapshot(self) -> Whole_co:
        return self._state.snapshot()

    async def _final(self) -> Whole_co:
        await self.until_done()
        return self._state.final()


Opened = TypeVar("Opened", bound="AssembledStream[Any, Any]")
AsyncOpened = TypeVar("AsyncOpened", bound="AsyncAssembledStream[Any, Any]")


class StreamContext(Generic[Opened]):
    """Sends on entering, closes on leaving."""

    def __init__(self, opened: Callable[[], Opened]) -> None:
        self._open = opened

    def __enter__(self) -> Opened:
        self._stream = self._open()
        return self._stream

    def __exit__(self, *_: object) -> None:
        self._stream.close()


class AsyncStreamContext(Generic[AsyncOpened]):
    """As `StreamContext`."""

    def __init__(self, opened: Callable[[], Awaitable[AsyncOpened]]) -> None:
        self._open = opened

    async def __aenter__(self) -> AsyncOpened:
        self._stream = await self._open()
        return self._stream

    async def __aexit__(self, *_: object) -> None:
        await self._stream.close()
