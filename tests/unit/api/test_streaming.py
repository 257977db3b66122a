"""Bytes that are passed on: as fast as they are taken, to whoever is still there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message

from api.config import Settings
from api.errors import StorageUnavailableError
from api.streaming import ByteStream
from tests.unit.api.middleware.asgi import LEFT, call, scope_of

SETTINGS = Settings(key_pepper="x", write_timeout_s=0.1)


class Pieces:
    """Three of them; `broken`: at which one the storage fails."""

    def __init__(self, broken: int | None = None, pause_s: float = 0.0) -> None:
        self.read = 0
        self._broken = broken
        self._pause_s = pause_s

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for number in range(3):
            if number == self._broken:
                raise StorageUnavailableError("away")
            self.read += 1
            yield b"piece"
            await asyncio.sleep(self._pause_s)


def stream(pieces: Pieces) -> ByteStream:
    return ByteStream(aiter(pieces), 15, {}, SETTINGS)


async def test_a_file_is_passed_on() -> None:
    answer = await call(stream(Pieces()))
    assert (answer.status, answer.body, answer.headers) == (200, b"piece" * 3, {"content-length": "15"})
    assert not answer.messages[-1]["more_body"]


async def test_an_empty_file_is_an_answer() -> None:
    async def nothing() -> AsyncIterator[bytes]:
        return
        yield b""

    answer = await call(ByteStream(nothing(), 0, {}, SETTINGS))
    assert (answer.status, answer.body) == (200, b"")


async def test_a_file_is_not_read_for_its_head() -> None:
    pieces = Pieces()
    answer = await call(stream(pieces), scope_of("HEAD"))
    assert (answer.status, answer.body, answer.headers, pieces.read) == (200, b"", {"content-length": "15"}, 1)


async def test_a_storage_that_fails_at_once_has_a_status() -> None:
    answer = await call(stream(Pieces(broken=0)))
    assert answer.messages == [] and isinstance(answer.error, StorageUnavailableError)


async def test_one_that_fails_later_ends_the_connection() -> None:
    """Before the announced length: no client takes it for the whole."""
    answer = await call(stream(Pieces(broken=2)))
    assert answer.body == b"piece" * 2 and answer.messages[-1]["more_body"]
    assert isinstance(answer.error, StorageUnavailableError)


async def test_nothing_is_read_for_a_client_that_left() -> None:
    pieces = Pieces(pause_s=0.2)
    await call(stream(pieces), incoming=[LEFT])
    assert pieces.read < 3


@pytest.mark.parametrize(("taken", "pause_s"), [(0, 0.0), (2, 0.08)])
async def test_a_client_that_takes_nothing_is_left(taken: int, pause_s: float) -> None:
    """Nothing at all, or nothing any more, when it has been looked at before."""
    pieces = Pieces(pause_s=pause_s)

    async def receive() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: Message) -> None:
        if message["type"] == "http.response.body" and pieces.read > taken:
            await asyncio.Event().wait()

    with pytest.raises(ClientDisconnect):
        async with asyncio.timeout(30):
            await stream(pieces)(scope_of(), receive, send)
