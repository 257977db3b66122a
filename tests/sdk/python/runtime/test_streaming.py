"""Streams: how they end, well and otherwise."""

from __future__ import annotations

import json
import time
from typing import Any

import novai
import pytest
from novai import AsyncNovAI, NovAI

from tests.sdk.fault_server import Answer, FaultServer, events

ASK: dict[str, Any] = {"model": "m", "messages": [{"role": "user", "content": "hi"}], "stream": True}


def chunk(text: str) -> dict[str, Any]:
    choice = {"index": 0, "delta": {"content": text}, "logprobs": None, "finish_reason": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}


def text_of(chunks: Any) -> str:
    return "".join(chunk.choices[0].delta.content for chunk in chunks)


def test_items_come_as_they_arrive(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=events(*map(chunk, "abcde")), pause_s=0.1)]
    stream = misled.chat.completions.create(**ASK)
    next(stream)
    first = time.monotonic()
    assert text_of(stream) == "bcde"
    assert time.monotonic() - first > 0.3


def test_slow_bytes(faults: FaultServer, misled: NovAI) -> None:
    whole = b"".join(events(chunk("żółć 🎈"), chunk("語")))
    faults.answers = [Answer(pieces=[whole[at : at + 1] for at in range(len(whole))], pause_s=0.0001)]
    assert text_of(misled.chat.completions.create(**ASK)) == "żółć 🎈語"


CUT = [
    Answer(pieces=events(chunk("a"), end=""), cut=True),
    Answer(pieces=events(chunk("a"), end="")),  # the body ends as it should, the stream does not
    Answer(pieces=[*events(chunk("a"), end=""), b'data: {"id": "chatc']),
]


@pytest.mark.parametrize("answer", CUT)
def test_a_cut_stream_is_an_error(faults: FaultServer, misled: NovAI, answer: Answer) -> None:
    faults.answers = [answer]
    got = []
    with pytest.raises(novai.APIConnectionError):
        got += misled.chat.completions.create(**ASK)
    assert len(faults.requests) == 1


@pytest.mark.parametrize("answer", CUT)
async def test_a_cut_stream_is_an_error_async(faults: FaultServer, amisled: AsyncNovAI, answer: Answer) -> None:
    faults.answers = [answer]
    got = []
    with pytest.raises(novai.APIConnectionError):
        async for each in await amisled.chat.completions.create(**ASK):
            got.append(each)  # noqa: PERF401  what came before the cut is kept
    assert text_of(got) == "a"


def test_a_silent_stream_times_out(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=events(chunk("a"), chunk("b")), pause_s=5)]
    with pytest.raises(novai.APITimeoutError):
        list(misled.chat.completions.create(**ASK, timeout=0.1))


ERRORS = [
    {"error": {"message": "broke", "type": "server_error", "param": None, "code": "upstream_error"}},
    {"type": "error", "error": {"message": "broke", "type": "server_error", "code": "upstream_error"}},
]


@pytest.mark.parametrize("error", ERRORS)
def test_an_error_within_a_stream(faults: FaultServer, misled: NovAI, error: dict[str, Any]) -> None:
    faults.answers = [Answer(pieces=events(chunk("a"), error))]
    stream = misled.chat.completions.create(**ASK)
    assert next(stream).choices[0].delta.content == "a"
    with pytest.raises(novai.APIError, match="broke") as caught:
        next(stream)
    assert type(caught.value) is novai.APIError
    assert (caught.value.code, caught.value.type) == ("upstream_error", "server_error")
    assert len(faults.requests) == 1


@pytest.mark.parametrize("odd", ["{oops", "null", "[1]", ""])
def test_an_event_that_is_none_of_this_api(faults: FaultServer, misled: NovAI, odd: str) -> None:
    faults.answers = [Answer(pieces=[*events(chunk("a"))[:1], f"data: {odd}\n\n".encode()])]
    stream = misled.chat.completions.create(**ASK)
    assert next(stream).choices[0].delta.content == "a"
    with pytest.raises(novai.APIError, match="not a JSON object") as caught:
        next(stream)
    assert caught.value.body == odd


async def test_a_closed_stream_says_so(faults: FaultServer, misled: NovAI, amisled: AsyncNovAI) -> None:
    faults.answers = [Answer(pieces=events(chunk("a")))]
    stream = misled.chat.completions.create(**ASK)
    stream.close()
    with pytest.raises(novai.NovAIError, match="closed"):
        next(stream)
    astream = await amisled.chat.completions.create(**ASK)
    await astream.close()
    with pytest.raises(novai.NovAIError, match="closed"):
        await anext(astream)


def test_leaving_early_tells_the_server(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=events(*map(chunk, "a" * 10_000)), pause_s=0.002)]
    with misled.chat.completions.create(**ASK) as stream:
        for _ in stream:
            break
    assert faults.left.wait(10)


async def test_leaving_early_tells_the_server_async(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [Answer(pieces=events(*map(chunk, "a" * 10_000)), pause_s=0.002)]
    async with await amisled.chat.completions.create(**ASK) as stream:
        async for _ in stream:
            break
    assert faults.left.wait(10)


def test_the_connection_is_used_again(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=events(chunk("a")))]
    for _ in range(3):
        list(misled.chat.completions.create(**ASK))
    assert len({request.connection for request in faults.requests}) == 1


def test_comments_keep_it_alive(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=[b": keepalive\n\n", *events(chunk("a")), b": bye\n\n"])]
    assert text_of(misled.chat.completions.create(**ASK)) == "a"


def test_unknown_events_are_handed_on(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=events({"type": "response.of_tomorrow", "x": {"y": 1}}))]
    (event,) = misled.responses.create(model="m", input="hi", stream=True)
    assert json.loads(event.to_json()) == {"type": "response.of_tomorrow", "x": {"y": 1}}


def test_anthropics_streams_end_without_done(faults: FaultServer, misled: NovAI) -> None:
    ask: dict[str, Any] = {"model": "m", "max_tokens": 1, "messages": [{"role": "user", "content": "hi"}]}
    faults.answers = [Answer(pieces=events({"type": "ping"}, {"type": "message_stop"}, end=""))]
    assert [event.type for event in misled.messages.create(**ask, stream=True)] == ["ping", "message_stop"]
    faults.answers = [Answer(pieces=events({"type": "ping"}, end=""))]
    with pytest.raises(novai.APIConnectionError, match="last event"):
        list(misled.messages.create(**ask, stream=True))
