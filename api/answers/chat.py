"""What a worker generated → a chat completion, whole or as events, exactly by the wire contract."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import msgspec

from api.answers.chunks import Chunks, usage_of
from api.clients.session import FINISH_NAMES, Delta, TokenLogprob, ToolCallDelta
from api.domain import ToolResult, ToolRun
from api.generated import schemas as s
from api.services.answering import AnswerStream

encode = msgspec.json.Encoder().encode


class ChoiceCollector:
    """One choice of a whole answer, put together from its deltas."""

    def __init__(self, index: int) -> None:
        self._index = index
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: list[s.ToolCall] = []
        self._runs: list[s.ServerToolCall] = []
        self._logprobs: list[TokenLogprob] = []
        self._finish: int = 0

    def add(self, delta: Delta) -> None:
        if delta.text:
            self._text.append(delta.text)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        if delta.logprobs:
            self._logprobs.extend(delta.logprobs)
        for part in delta.tool_calls:
            if part.id:
                call = s.FunctionCall(name=part.name, arguments=part.arguments)
                self._calls.append(s.ToolCall(id=part.id, type="function", function=call))
            else:
                self._calls[part.index].function.arguments += part.arguments
        if delta.finish:
            self._finish = delta.finish

    def ran(self, run: ToolRun) -> None:
        if (result := run.result) is not None:
            call = s.ServerToolCall(
                id=run.call.id,
                name=run.call.name,
                arguments=run.call.arguments,
                status=status_of(result),
                output=result.output,
            )
            self._runs.append(call)

    def choice(self, with_logprobs: bool) -> s.Choice:
        text = "".join(self._text)
        message = s.ChatCompletionMessage(
            role="assistant", content=text if text or not self._calls else None, refusal=None, annotations=[]
        )
        if self._reasoning:
            message.reasoning_content = "".join(self._reasoning)
        if self._calls:
            message.tool_calls = self._calls
        if self._runs:
            message.novai_tool_calls = self._runs
        return s.Choice(
            index=self._index,
            message=message,
            logprobs=logprobs_of(self._logprobs) if with_logprobs else None,
            finish_reason=FINISH_NAMES.get(self._finish, "stop"),
        )


class ChatAnswer:
    """A whole answer, put together from the deltas of its stream."""

    def __init__(self, stream: AnswerStream[Any], body: s.ChatCompletionRequest) -> None:
        self._stream = stream
        self._body = body
        self._choices = [ChoiceCollector(index) for index in range(stream.choices)]

    def add(self, said: Delta | ToolRun) -> None:
        if isinstance(said, ToolRun):
            self._choices[0].ran(said)
        else:
            self._choices[said.choice].add(said)

    def whole(self) -> s.ChatCompletion:
        """Once the stream was read to its end."""
        stream = self._stream
        completion = s.ChatCompletion(
            id=completion_id(stream.request_id),
            object="chat.completion",
            created=stream.created_s,
            model=stream.model,
            choices=[choice.choice(with_logprobs=self._body.logprobs is True) for choice in self._choices],
            usage=usage_of(stream),
            service_tier="default",
            system_fingerprint=None,
        )
        if isinstance(self._body.metadata, dict):
            completion.metadata = self._body.metadata
        return completion


class ChunkEncoder(Chunks):
    """Implements `streaming.Encoder`. What does not change between events is encoded once per choice, so a token costs
    the escaping of its text."""

    def __init__(self, stream: AnswerStream[Any], include_usage: bool) -> None:
        head = {
            "id": completion_id(stream.request_id),
            "object": "chat.completion.chunk",
            "created": stream.created_s,
            "model": stream.model,
            "service_tier": "default",
            "system_fingerprint": None,
        }
        super().__init__(stream, head, include_usage)
        self._tail = b'},"logprobs":null,"finish_reason":null}' + self._end
        self._choice = [self._head + b'{"index":%d,"delta":{' % index for index in range(stream.choices)]
        self._text = [choice + b'"content":' for choice in self._choice]

    def start(self) -> bytes:
        """The first event of every choice, in order."""
        return b"".join(c + b'"role":"assistant","content":"","refusal":null' + self._tail for c in self._choice)

    def delta(self, delta: Delta | ToolRun, /) -> bytes:
        if isinstance(delta, ToolRun):
            return self._choice[0] + b'"novai_tool_calls":[' + encode(server_call_delta(delta)) + b"]" + self._tail
        if delta.text and not delta.finish and not delta.logprobs and not delta.reasoning and not delta.tool_calls:
            return self._text[delta.choice] + encode(delta.text) + self._tail
        return b"".join(self._events(delta))

    def _events(self, delta: Delta) -> list[bytes]:
        choice = self._choice[delta.choice]
        events = []
        if delta.reasoning:
            events.append(choice + b'"reasoning_content":' + encode(delta.reasoning) + self._tail)
        if delta.text or delta.logprobs:
            logprobs = encode(logprobs_of(delta.logprobs)) if delta.logprobs else b"null"
            # Without text no content, not even an empty one: none comes after a tool call has begun.
            text = b'"content":' + encode(delta.text) if delta.text else b""
            events.append(choice + text + b'},"logprobs":' + logprobs + b',"finish_reason":null}' + self._end)
        calls = (encode(tool_call_delta(call)) for call in delta.tool_calls)
        events.extend(choice + b'"tool_calls":[' + call + b"]" + self._tail for call in calls)
        if delta.finish:
            reason = encode(FINISH_NAMES[delta.finish])
            events.append(choice + b'},"logprobs":null,"finish_reason":' + reason + b"}" + self._end)
        return events


def tool_call_delta(call: ToolCallDelta) -> dict[str, Any]:
    """Id, type and name once per call; clients glue together what is repeated."""
    if call.id:
        function = {"name": call.name, "arguments": call.arguments}
        return {"index": call.index, "id": call.id, "type": "function", "function": function}
    return {"index": call.index, "function": {"arguments": call.arguments}}


def server_call_delta(run: ToolRun) -> dict[str, Any]:
    """What is new of a call: clients put it together by its index, and glue together what is repeated."""
    call, result = run.call, run.result
    if result is None:
        return {"index": call.index, "id": call.id, "name": call.name, "arguments": call.arguments}
    return {"index": call.index, "status": status_of(result), "output": result.output}


def status_of(result: ToolResult) -> s.ServerToolStatus:
    return "failed" if result.failed else "completed"


def completion_id(request_id: str) -> str:
    return "chatcmpl-" + request_id.removeprefix("req_")


def logprobs_of(tokens: Iterable[TokenLogprob]) -> s.ChoiceLogprobs:
    content = [
        s.TokenLogprob(
            token=text_of(token.token),
            logprob=token.logprob,
            bytes=list(token.token),
            top_logprobs=[
                s.TopLogprob(token=text_of(top.token), logprob=top.logprob, bytes=list(top.token)) for top in token.top
            ],
        )
        for token in tokens
    ]
    return s.ChoiceLogprobs(content=content, refusal=None)


def text_of(token: bytes) -> str:
    return token.decode("utf-8", errors="replace")
