from __future__ import annotations

import time

import pytest

from internal.upstream import sse
from internal.upstream.sse import EventReader, TooLongError

STREAM = (
    ': hello\n\nevent: message_start\ndata: {"a": "wörld 👋"}\n\n'
    'id: 7\r\ndata:{"b": 2}\r\n\r\nretry: 5\n\ndata: one\nid: 8\ndata: two\n\ndata: [DONE]\n\n'
).encode()
EVENTS = ['{"a": "wörld 👋"}'.encode(), b'{"b": 2}', b"one\ntwo", b"[DONE]"]


def test_events_are_the_same_wherever_the_bytes_are_cut() -> None:
    for size in range(1, len(STREAM) + 1):
        reader = EventReader()
        pieces = [STREAM[start : start + size] for start in range(0, len(STREAM), size)]
        assert [event for piece in pieces for event in reader.feed(piece)] == EVENTS


def test_a_line_in_small_pieces_costs_no_more_than_its_length() -> None:
    reader, pieces = EventReader(), [b"data: ", *[b"x" * 16] * 200_000, b"\n\n"]
    started_s = time.thread_time()
    events = [event for piece in pieces for event in reader.feed(piece)]
    assert [len(event) for event in events] == [3_200_000]
    assert time.thread_time() - started_s < 5  # a quarter of a second; joined anew with every piece, it took minutes


def test_an_event_that_is_not_whole_is_not_told() -> None:
    reader = EventReader()
    assert reader.feed(b"data: half") == []
    assert reader.feed(b" of it\n") == []
    assert reader.feed(b"\n") == [b"half of it"]


@pytest.mark.parametrize("piece", [b"x" * (1 << 20), b"data: " + b"x" * (1 << 20) + b"\n"])
def test_an_event_without_an_end_is_bounded(piece: bytes) -> None:
    reader = EventReader()
    with pytest.raises(TooLongError):
        for _ in range(sse.MOST_EVENT_BYTES // (1 << 20) + 1):
            reader.feed(piece)


def test_a_stream_without_an_end_is_not_an_event_without_one() -> None:
    reader, piece = EventReader(), b"data: " + b"x" * (4 << 20) + b"\n\n"
    assert [len(reader.feed(piece)) for _ in range(sse.MOST_EVENT_BYTES // (4 << 20) + 1)] == [1] * 5
