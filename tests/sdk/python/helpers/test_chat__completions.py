"""`chat.completions.parse()` and `.stream()`: against a running NovAI, and against streams of every shape."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Annotated, Any, Literal

import novai
import pytest
from novai import AsyncNovAI, NovAI, types
from novai.helpers.chat__completions import ChatCompletionState
from pydantic import BaseModel, ConfigDict, Field

from tests.sdk.fault_server import Answer, FaultServer, events
from tests.workers import MODEL

SAY: list[Any] = [{"role": "user", "content": "hi"}]


class Ticket(BaseModel):
    """What was reported."""

    title: str
    priority: Literal["low", "high"]


class Weather(BaseModel):
    """The weather of a city."""

    city: str


@dataclass
class Point:
    x: int
    y: int = 0


TICKET = Ticket(title="ż 🎈", priority="low")


def completion(content: str | None, finish: str = "stop", **message: Any) -> dict[str, Any]:
    said = {"role": "assistant", "content": content, "refusal": None, **message}
    choice = {"index": 0, "message": said, "logprobs": None, "finish_reason": finish}
    return {"id": "chatcmpl-1", "object": "chat.completion", "choices": [choice]}


def chunk(delta: dict[str, Any], finish: str | None = None, index: int = 0, **more: Any) -> types.ChatCompletionChunk:
    choice = {"index": index, "delta": delta, "logprobs": None, "finish_reason": finish, **more}
    return types.ChatCompletionChunk.from_dict(
        {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice]}
    )


def tool_delta(index: int, arguments: str, name: str | None = None) -> dict[str, Any]:
    first = {"id": f"call_{index}", "type": "function"} if name else {}
    function = {"arguments": arguments} | ({"name": name} if name else {})
    return {"tool_calls": [{"index": index, "function": function, **first}]}


def test_parse(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(200, completion(TICKET.model_dump_json()), {"x-request-id": "req_1"})]
    answer = misled.chat.completions.parse(model="m", messages=SAY, response_format=Ticket)
    assert answer.choices[0].message.parsed == TICKET
    assert answer._request_id == "req_1"
    asked = faults.requests[0].json["response_format"]
    assert asked["json_schema"]["name"] == "Ticket"
    assert asked["json_schema"]["strict"] is True
    assert asked["json_schema"]["schema"]["required"] == ["title", "priority"]
    assert "parsed" not in answer.to_dict()["choices"][0]["message"]  # it can be sent back


class Part(BaseModel):
    """A part of a machine."""

    name: str
    of: Annotated[Part, Field(description="what it is a part of")] | None = None


def test_a_type_may_contain_itself(faults: FaultServer, misled: NovAI) -> None:
    part = Part(name="wheel", of=Part(name="cart"))
    faults.answers = [Answer(200, completion(part.model_dump_json()))]
    answer = misled.chat.completions.parse(model="m", messages=SAY, response_format=Part)
    assert answer.choices[0].message.parsed == part
    asked = faults.requests[0].json["response_format"]["json_schema"]["schema"]
    inner = {"$ref": "#/$defs/Part", "description": "what it is a part of"}
    assert asked["properties"]["of"] == {"anyOf": [inner, {"type": "null"}]}
    assert asked["$defs"]["Part"]["required"] == ["name", "of"]


async def test_parse_a_dataclass_async(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [Answer(200, completion('{"x": 1, "y": 2}'))]
    answer = await amisled.chat.completions.parse(model="m", messages=SAY, response_format=Point)
    assert answer.choices[0].message.parsed == Point(1, 2)
    assert faults.requests[0].json["response_format"]["json_schema"]["schema"]["additionalProperties"] is False


@pytest.mark.parametrize(
    ("finish", "error"),
    [("length", novai.LengthFinishReasonError), ("content_filter", novai.ContentFilterFinishReasonError)],
)
def test_what_was_cut_is_not_parsed(
    faults: FaultServer, misled: NovAI, finish: str, error: type[novai.NovAIError]
) -> None:
    faults.answers = [Answer(200, completion('{"tit', finish))]
    with pytest.raises(error) as caught:
        misled.chat.completions.parse(model="m", messages=SAY, response_format=Ticket)
    assert caught.value.completion.choices[0].message.content == '{"tit'  # type: ignore[attr-defined]


def test_calls_of_pydantic_tools(faults: FaultServer, misled: NovAI) -> None:
    calls = [
        {"id": "call_0", "type": "function", "function": {"name": name, "arguments": '{"city": "Oslo"}'}}
        for name in ("Weather", "other")
    ]
    faults.answers = [Answer(200, completion(None, "tool_calls", tool_calls=calls))]
    tool = novai.pydantic_function_tool(Weather)
    answer = misled.chat.completions.parse(model="m", messages=SAY, tools=[tool])
    made = answer.choices[0].message.tool_calls
    assert made
    assert [call.function.parsed_arguments for call in made] == [Weather(city="Oslo"), None]
    sent = faults.requests[0].json["tools"][0]
    assert (sent["type"], sent["function"]["name"]) == ("function", "Weather")
    assert sent["function"]["description"] == "The weather of a city."
    assert sent["function"]["strict"] is True


class Delivery(BaseModel):
    model_config = ConfigDict(strict=True)
    on: date


def test_a_strict_model_reads_what_json_has_no_type_for(faults: FaultServer, misled: NovAI) -> None:
    function = {"name": "Delivery", "arguments": '{"on": "2030-01-31"}'}
    call = {"id": "call_0", "type": "function", "function": function}
    faults.answers = [Answer(200, completion(None, "tool_calls", tool_calls=[call]))]
    answer = misled.chat.completions.parse(model="m", messages=SAY, tools=[novai.pydantic_function_tool(Delivery)])
    [made] = answer.choices[0].message.tool_calls or []
    assert made.function.parsed_arguments == Delivery(on=date(2030, 1, 31))


def test_calls_that_were_cut_are_not_read(faults: FaultServer, misled: NovAI) -> None:
    """Their arguments may be JSON all the same: the server closes what it cuts."""
    call = {"id": "call_0", "type": "function", "function": {"name": "Weather", "arguments": "{}"}}
    asked: dict[str, Any] = {"model": "m", "messages": SAY, "tools": [novai.pydantic_function_tool(Weather)]}
    faults.answers = [Answer(200, completion(None, "length", tool_calls=[call]))]
    with pytest.raises(novai.LengthFinishReasonError):
        misled.chat.completions.parse(**asked)
    pieces = [chunk(tool_delta(0, "{}", "Weather")), chunk({}, "length")]
    faults.answers = [Answer(pieces=events(*(piece.to_dict() for piece in pieces)))]
    with misled.chat.completions.stream(**asked) as stream:
        done = [event for event in stream if event.type == "tool_calls.function.arguments.done"]
        assert [(event.arguments, event.parsed_arguments) for event in done] == [("{}", None)]
        with pytest.raises(novai.LengthFinishReasonError):
            stream.get_final_completion()


def test_events_of_a_live_stream(client: NovAI) -> None:
    whole = client.chat.completions.create(model=MODEL, messages=SAY)
    with client.chat.completions.stream(model=MODEL, messages=SAY) as stream:
        happened = list(stream)
        final = stream.get_final_completion()
    deltas = [event for event in happened if event.type == "content.delta"]
    assert "".join(event.delta for event in deltas) == whole.choices[0].message.content
    assert deltas[-1].snapshot == final.choices[0].message.content == whole.choices[0].message.content
    assert final.choices[0].finish_reason == whole.choices[0].finish_reason
    assert final.object == "chat.completion"
    assert [event.content for event in happened if event.type == "content.done"] == [deltas[-1].snapshot]


async def test_events_of_a_live_stream_async(aclient: AsyncNovAI) -> None:
    async with aclient.chat.completions.stream(model=MODEL, messages=SAY) as stream:
        async for event in stream:
            if event.type == "content.delta":
                assert stream.current_completion_snapshot.choices[0].message.content == event.snapshot
        final = await stream.get_final_completion()
    assert final.choices[0].message.content


def test_a_form_while_it_streams(faults: FaultServer, misled: NovAI) -> None:
    text = TICKET.model_dump_json()
    pieces = [
        chunk({"role": "assistant", "content": ""}),
        *(chunk({"content": letter}) for letter in text),
        chunk({}, "stop"),
    ]
    faults.answers = [Answer(pieces=events(*(piece.to_dict() for piece in pieces)))]
    with misled.chat.completions.stream(model="m", messages=SAY, response_format=Ticket) as stream:
        done = [event.parsed for event in stream if event.type == "content.done"]
        assert done == [TICKET]
        assert stream.get_final_completion().choices[0].message.parsed == TICKET


def test_what_is_said_before_a_call_has_no_form(faults: FaultServer, misled: NovAI) -> None:
    pieces = [chunk({"content": "Let me look."}), chunk(tool_delta(0, "{}", "other")), chunk({}, "tool_calls")]
    faults.answers = [Answer(pieces=events(*(piece.to_dict() for piece in pieces)))]
    with misled.chat.completions.stream(model="m", messages=SAY, response_format=Ticket) as stream:
        done = [(event.content, event.parsed) for event in stream if event.type == "content.done"]
        assert done == [("Let me look.", None)]
        assert stream.get_final_completion().choices[0].message.parsed is None


def test_a_cut_form_is_an_error_at_the_end(faults: FaultServer, misled: NovAI) -> None:
    pieces = [chunk({"content": '{"tit'}), chunk({}, "length")]
    faults.answers = [Answer(pieces=events(*(piece.to_dict() for piece in pieces)))]
    with misled.chat.completions.stream(model="m", messages=SAY, response_format=Ticket) as stream:
        stream.until_done()
        with pytest.raises(novai.LengthFinishReasonError):
            stream.get_final_completion()


def test_everything_at_once() -> None:
    """Reasoning, text, two calls, logprobs and a second choice, from chunks alone."""
    logprob = {"token": "a", "logprob": -1.0, "bytes": None, "top_logprobs": []}
    state: ChatCompletionState[Any] = ChatCompletionState(None, [novai.pydantic_function_tool(Weather)])
    chunks = [
        chunk({"role": "assistant", "content": ""}),
        chunk({"role": "assistant", "content": ""}, index=1),
        chunk({"reasoning_content": "hm"}),
        chunk({"content": "a"}, logprobs={"content": [logprob], "refusal": None}),
        chunk({"refusal": "no"}, index=1),
        chunk({"content": "b"}, logprobs={"content": [logprob], "refusal": None}),
        chunk(tool_delta(0, "", "Weather")),
        chunk(tool_delta(0, '{"city": ')),
        chunk(tool_delta(0, '"Oslo"}')),
        chunk(tool_delta(1, "{}", "other")),
        chunk({}, "stop", index=1),
        chunk({}, "tool_calls"),
        types.ChatCompletionChunk.from_dict({"choices": [], "usage": {"total_tokens": 9}}),
    ]
    happened = [event for each in chunks for event in state.add(each) if event.type != "chunk"]
    assert [event.type for event in happened] == [
        "reasoning.delta", "reasoning.done", "content.delta", "logprobs.content.delta", "refusal.delta",
        "content.delta", "logprobs.content.delta", "content.done", *["tool_calls.function.arguments.delta"] * 3,
        "tool_calls.function.arguments.done", "tool_calls.function.arguments.delta", "refusal.done",
        "tool_calls.function.arguments.done", "logprobs.content.done",
    ]  # fmt: skip
    final = state.final()
    first, second = final.choices
    assert (first.message.content, first.message.reasoning_content) == ("ab", "hm")
    assert first.message.tool_calls is not None
    calls = [(call.id, call.function.name, call.function.arguments) for call in first.message.tool_calls]
    assert calls == [("call_0", "Weather", '{"city": "Oslo"}'), ("call_1", "other", "{}")]
    assert first.message.tool_calls[0].function.parsed_arguments == Weather(city="Oslo")
    assert first.logprobs is not None
    assert len(first.logprobs.content or []) == 2
    assert (second.message.refusal, second.finish_reason) == ("no", "stop")
    assert final.usage.total_tokens == 9


def test_calls_that_the_server_makes() -> None:
    """Each comes in two parts."""
    state: ChatCompletionState[None] = ChatCompletionState()
    for delta in (
        {"index": 0, "id": "call_a", "name": "calculator", "arguments": "{}"},
        {"index": 0, "status": "completed", "output": "42"},
        {"index": 1, "id": "call_b", "name": "clock", "arguments": "{}"},
        {"index": 1, "status": "failed", "output": "away"},
    ):
        list(state.add(chunk({"novai_tool_calls": [delta]})))
    first, second = state.final().choices[0].message.novai_tool_calls or []
    assert (first.id, first.name, first.arguments, first.status, first.output) == (
        "call_a", "calculator", "{}", "completed", "42",
    )  # fmt: skip
    assert (second.id, second.status, second.output) == ("call_b", "failed", "away")


def test_leaving_a_helper_early_stops_the_server(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=events(*[chunk({"content": "a"}).to_dict()] * 10_000), pause_s=0.002)]
    with misled.chat.completions.stream(model="m", messages=SAY) as stream:
        next(stream)
    assert faults.left.wait(10)
