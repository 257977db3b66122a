"""The decoder of server-sent events, with pieces that end anywhere."""

from __future__ import annotations

from pathlib import Path

import pytest
from novai._runtime.sse import Decoder, Event

GOLDEN = Path(__file__).parents[2] / "golden"
# What an event stream may hold, and the events it makes.
RULES = {
    b"data: one\n\ndata: two\n\n": [Event(None, "one"), Event(None, "two")],
    b"data: one\r\n\r\ndata: two\r\n\r\n": [Event(None, "one"), Event(None, "two")],
    b"event: e\r\ndata: one\r\ndata: two\r\n\r\n": [Event("e", "one\ntwo")],
    b"data: one\r\n\ndata: two\r\n\n": [Event(None, "one"), Event(None, "two")],
    b"data: one\r\rdata: two\r\r": [Event(None, "one"), Event(None, "two")],
    b": comment\n\ndata: one\n\n:\n\n": [Event(None, "one")],
    b"event: ping\ndata: {}\n\n": [Event("ping", "{}")],
    b"event: nothing\n\ndata: one\n\n": [Event(None, "one")],
    b"data: one\ndata: two\n\n": [Event(None, "one\ntwo")],
    b"data:one\ndata\n\n": [Event(None, "one\n")],
    b"data:  two spaces\n\n": [Event(None, " two spaces")],
    b"id: 1\nretry: 5\nunknown: 2\ndata: one\n\n": [Event(None, "one")],
    "\ufeffdata: bom\n\n".encode(): [Event(None, "bom")],
    "data: żółć 語 🎈\n\n".encode(): [Event(None, "żółć 語 🎈")],
    "data: a\u2028b\x0bc\x85\n\n".encode(): [Event(None, "a\u2028b\x0bc\x85")],
    b"data: cut": [],
    b"data: cut\n": [],
    b"\n\n\n": [],
}


def decoded(*pieces: bytes) -> list[Event]:
    decoder = Decoder()
    return [event for piece in pieces for event in decoder.feed(piece)]


@pytest.mark.parametrize("stream", RULES)
def test_rules(stream: bytes) -> None:
    assert decoded(stream) == RULES[stream]
    assert decoded(*(stream[at : at + 1] for at in range(len(stream)))) == RULES[stream]


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("*.sse")), ids=lambda file: file.stem)
def test_golden_transcripts_cut_at_every_byte(file: Path) -> None:
    transcript = file.read_bytes()
    whole = decoded(transcript)
    assert len(whole) > 3
    for at in range(len(transcript) + 1):
        assert decoded(transcript[:at], transcript[at:]) == whole


def test_a_long_event_costs_no_more_than_its_length() -> None:
    """Pieces of a line are joined once, not every time one comes."""
    piece, pieces = b"x" * 1_000, 100_000
    decoder = Decoder()
    assert not list(decoder.feed(b"data: "))
    for _ in range(pieces):
        assert not list(decoder.feed(piece))
    assert [len(event.data) for event in decoder.feed(b"\n\n")] == [len(piece) * pieces]
