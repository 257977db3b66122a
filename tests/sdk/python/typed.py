"""What type checkers must say of the SDK, as test_types.py asks them. Lines marked `wrong` must be refused."""

from __future__ import annotations

from typing import TYPE_CHECKING

from novai import AsyncNovAI, AsyncPage, AsyncStream, NovAI, Page, RawResponse, Stream, types
from novai.helpers.chat__completions import ParsedChatCompletion
from novai.helpers.responses import ParsedResponse
from pydantic import BaseModel
from typing_extensions import assert_type  # noqa: UP035  in `typing` from 3.11 on

if TYPE_CHECKING:
    from novai import params


class Ticket(BaseModel):
    title: str


def sync(client: NovAI, either: bool) -> None:
    say: list[params.ChatMessage] = [{"role": "user", "content": "hi"}]
    create = client.chat.completions.create
    assert_type(create(model="m", messages=say), types.ChatCompletion)
    assert_type(create(model="m", messages=say, stream=False), types.ChatCompletion)
    assert_type(create(model="m", messages=say, stream=True), Stream[types.ChatCompletionChunk])
    assert_type(
        create(model="m", messages=say, stream=either), types.ChatCompletion | Stream[types.ChatCompletionChunk]
    )
    whole = create(model="m", messages=[{"role": "user", "content": "hi"}], temperature=None, extra_headers={"a": "b"})
    assert_type(whole.choices[0].message.content, str | None)
    create(model="m", messages=[{"role": "user", "content": "hi"}, whole.choices[0].message])

    parsed = client.chat.completions.parse(model="m", messages=say, response_format=Ticket)
    assert_type(parsed, ParsedChatCompletion[Ticket])
    assert_type(parsed.choices[0].message.parsed, Ticket | None)
    with client.chat.completions.stream(model="m", messages=say, response_format=Ticket) as stream:
        for event in stream:
            if event.type == "content.done":
                assert_type(event.parsed, Ticket | None)
        assert_type(stream.get_final_completion(), ParsedChatCompletion[Ticket])
    assert_type(client.responses.parse(model="m", input="hi", text_format=Ticket), ParsedResponse[Ticket])

    with client.messages.stream(model="m", max_tokens=1, messages=[{"role": "user", "content": "hi"}]) as message:
        for part in message:
            if part.type == "text":
                assert_type(part.snapshot, str)
            elif part.type == "content_block_stop":
                assert_type(part, types.MessageBlockStopEvent)
        assert_type(message.get_final_message(), types.Message)
    assert_type(client.embeddings.create(model="m", input="hi").data[0].embedding, list[float])

    assert_type(client.models.list(), Page[types.Model])
    assert_type(next(iter(client.models.list())), types.Model)
    assert_type(client.models.with_raw_response.retrieve("m"), RawResponse[types.Model])
    with client.models.with_streaming_response.retrieve("m") as answer:
        assert_type(answer.parse(), types.Model)
    for item in client.responses.create(model="m", input="hi").output:
        if item.type == "function_call":
            assert_type(item, types.ResponseFunctionCall)

    create(model="m", messages=[{"role": "boss", "content": "hi"}])  # wrong
    create(model="m", messages=[{"role": "tool", "content": "hi"}])  # wrong
    create(model="m", messages=say, temprature=1)  # wrong
    create(model="m", messages=say, tool_choice="sometimes")  # wrong
    create(model="m")  # wrong
    whole.choices[0].message.contents  # noqa: B018  # wrong
    client.chat.completions.parse(model="m", messages=say, stream=True, response_format=Ticket)  # wrong


async def asynchronous(client: AsyncNovAI) -> None:
    say: list[params.ChatMessage] = [{"role": "user", "content": "hi"}]
    assert_type(await client.chat.completions.create(model="m", messages=say), types.ChatCompletion)
    stream = await client.chat.completions.create(model="m", messages=say, stream=True)
    assert_type(stream, AsyncStream[types.ChatCompletionChunk])
    assert_type(await client.models.list(), AsyncPage[types.Model])
    async for model in client.models.list():
        assert_type(model, types.Model)
    assert_type(await client.models.with_raw_response.retrieve("m"), RawResponse[types.Model])
    async with client.chat.completions.stream(model="m", messages=say, response_format=Ticket) as events:
        assert_type(await events.get_final_completion(), ParsedChatCompletion[Ticket])
