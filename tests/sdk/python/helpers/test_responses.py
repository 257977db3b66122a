"""`responses.parse()` and `.stream()`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import novai
import pytest
from novai import AsyncNovAI, NovAI
from pydantic import BaseModel

from tests.sdk.fault_server import Answer, FaultServer, events
from tests.workers import MODEL

GOLDEN = Path(__file__).parents[2] / "golden"


class Ticket(BaseModel):
    title: str


def response(text: str, reason: str | None = None, *more: dict[str, Any]) -> dict[str, Any]:
    message = {"type": "message", "id": "msg_1", "content": [{"type": "output_text", "text": text}]}
    cut = {"reason": reason} if reason else None
    return {"id": "resp_1", "object": "response", "output": [message, *more], "incomplete_details": cut}


def test_parse(faults: FaultServer, misled: NovAI) -> None:
    call = {"type": "function_call", "call_id": "call_1", "name": "Ticket", "arguments": '{"title": "c"}'}
    faults.answers = [Answer(200, response('{"title": "t"}', None, call))]
    tool = novai.pydantic_function_tool(Ticket)
    answer = misled.responses.parse(model="m", input="hi", text_format=Ticket, text={"verbosity": "low"}, tools=[tool])
    assert answer.output_parsed == Ticket(title="t")
    assert answer.arguments_parsed == {"call_1": Ticket(title="c")}
    sent = faults.requests[0].json
    assert sent["text"]["verbosity"] == "low"
    assert sent["text"]["format"]["name"] == "Ticket"
    assert sent["tools"][0]["name"] == "Ticket"


async def test_what_was_cut_is_not_parsed(faults: FaultServer, amisled: AsyncNovAI) -> None:
    faults.answers = [Answer(200, response('{"tit', "max_output_tokens"))]
    with pytest.raises(novai.LengthFinishReasonError):
        await amisled.responses.parse(model="m", input="hi", text_format=Ticket)


def test_a_live_stream(client: NovAI) -> None:
    with client.responses.stream(model=MODEL, input="hello there") as stream:
        text = ""
        for event in stream:
            if event.type == "response.output_text.delta":
                text += event.delta
                assert stream.current_response_snapshot.output_text == text
        final = stream.get_final_response()
    assert final.output_text == text
    assert final.status == "completed"
    assert client.responses.retrieve(final.id).output_text == text


def test_a_live_stream_of_thoughts(client: NovAI) -> None:
    said = 'script:[{"think": "one "}, {"think": "two"}, {"say": "x"}]'
    with client.responses.stream(model=MODEL, input=said, reasoning={"summary": "auto"}) as stream:
        text = ""
        for event in stream:
            if event.type == "response.reasoning_summary_text.delta":
                text += event.delta
                [thoughts] = stream.current_response_snapshot.output
                assert [part.text for part in thoughts.summary] == [text]
    assert text == "one two"


async def test_a_live_stream_async(aclient: AsyncNovAI) -> None:
    async with aclient.responses.stream(model=MODEL, input="hello there") as stream:
        assert (await stream.get_final_response()).output_text


@pytest.mark.parametrize("file", sorted(GOLDEN.glob("response_*.sse")), ids=lambda file: file.stem)
def test_the_state_agrees_with_the_last_event(faults: FaultServer, misled: NovAI, file: Path) -> None:
    faults.answers = [Answer(pieces=[file.read_bytes()])]
    with misled.responses.stream(model="m", input="hi") as stream:
        before: dict[str, Any] = {}
        for event in stream:
            if event.type == "response.completed":
                assert before == event.response.to_dict()["output"]
            before = stream.current_response_snapshot.to_dict()["output"]


def test_a_form_while_it_streams(faults: FaultServer, misled: NovAI) -> None:
    whole = response('{"title": "t"}')
    created = {"type": "response.created", "response": whole | {"output": []}}
    faults.answers = [Answer(pieces=events(created, {"type": "response.completed", "response": whole}))]
    with misled.responses.stream(model="m", input="hi", text_format=Ticket) as stream:
        assert stream.get_final_response().output_parsed == Ticket(title="t")


def test_a_response_that_did_not_end(faults: FaultServer, misled: NovAI) -> None:
    faults.answers = [Answer(pieces=events({"type": "response.created", "response": response("")}))]
    with misled.responses.stream(model="m", input="hi") as stream, pytest.raises(novai.APIConnectionError):
        stream.get_final_response()
