"""Answers leave in as few socket writes as they have turns of the event loop."""

from __future__ import annotations

import asyncio

import pytest

from api.protocol import _Gathering


class Sink(asyncio.Transport):
    """A transport that keeps what is written."""

    def __init__(self) -> None:
        super().__init__({"peername": ("127.0.0.1", 1)})
        self.written: list[bytes] = []
        self.closed = False
        self.aborted = asyncio.Event()
        self.unsent = 0

    def get_write_buffer_size(self) -> int:
        return self.unsent

    def abort(self) -> None:
        self.aborted.set()

    def write(self, data: bytes) -> None:  # type: ignore[override]
        assert not self.closed
        self.written.append(data)

    def close(self) -> None:
        self.closed = True

    def is_closing(self) -> bool:
        return self.closed


async def test_writes_of_one_turn_leave_together_and_in_order() -> None:
    sink = Sink()
    transport = _Gathering(sink, asyncio.get_running_loop())
    transport.write(b"head ")
    transport.write(b"body")
    assert sink.written == []
    await asyncio.sleep(0)
    transport.write(b"next")
    await asyncio.sleep(0)
    assert sink.written == [b"head body", b"next"]


async def test_what_was_written_leaves_before_the_transport_closes() -> None:
    sink = Sink()
    transport = _Gathering(sink, asyncio.get_running_loop())
    transport.write(b"last words")
    transport.close()
    await asyncio.sleep(0)
    assert (sink.written, sink.closed) == ([b"last words"], True)


async def test_a_peer_that_does_not_take_the_last_words_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.protocol.CLOSE_WAIT_S", 0.01)
    sink = Sink()
    sink.unsent = 1
    _Gathering(sink, asyncio.get_running_loop()).close()
    assert not sink.aborted.is_set()
    await asyncio.wait_for(sink.aborted.wait(), 5)


async def test_a_peer_that_has_gone_by_then_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.protocol.CLOSE_WAIT_S", 0.01)
    sink = Sink()
    sink.unsent = 1
    transport = _Gathering(sink, asyncio.get_running_loop())
    transport.close()
    transport.lost()
    later = asyncio.Event()
    asyncio.get_running_loop().call_later(0.02, later.set)
    await later.wait()
    assert not sink.aborted.is_set()


async def test_nothing_is_written_after_the_peer_is_gone() -> None:
    sink = Sink()
    transport = _Gathering(sink, asyncio.get_running_loop())
    transport.write(b"too late")
    sink.close()
    await asyncio.sleep(0)
    assert sink.written == []


async def test_everything_else_is_the_transports_own() -> None:
    transport = _Gathering(Sink(), asyncio.get_running_loop())
    assert transport.get_extra_info("peername") == ("127.0.0.1", 1)
    assert not transport.is_closing()
