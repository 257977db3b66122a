"""What a worker generated → a message of Anthropic's form, whole or as named events, exactly by the wire contract."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import msgspec

from api.answers.errors import message_error
from api.clients.session import FINISH_NAMES, Delta
from api.domain import TokenUsage
from api.errors import ApiError
from api.generated import schemas as s
from api.services.generation_stream import GenerationStream

encode = msgspec.json.Encoder().encode

MakeBlock = Callable[[str], s.MessageContentBlock]  # of all that it says

STOP_REASONS: dict[str, s.MessageStopReason] = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "content_filter": "refusal",
}


class MessageAnswer:
    """A whole answer, put together from its deltas: the blocks of the stream, in their order."""

    def __init__(self, stream: GenerationStream, body: s.MessageRequest) -> None:
        self._stream = stream
        self._body = body
        self._blocks: list[tuple[MakeBlock, list[str]]] = []  # each with the parts of what it says
        self._calls: list[list[str]] = []  # the parts of those that are calls
        self._last = Delta()  # the one that says why it ended

    def add(self, delta: Delta) -> None:
        if delta.reasoning:
            self._within(self._thinking).append(delta.reasoning)
        if delta.text:
            self._within(text_block).append(delta.text)
        for part in delta.tool_calls:
            if part.id:
                self._calls.append(self._within(partial(call_block, part.id, part.name)))
            self._calls[part.index].append(part.arguments)
        if delta.finish:
            self._last = delta

    def whole(self) -> s.Message:
        """Once the stream was read to its end."""
        content = [make("".join(parts)) for make, parts in self._blocks]
        return message_of(self._stream, content, ending(self._stream, self._body, self._last))

    def _within(self, make: MakeBlock) -> list[str]:
        """The parts of the last block, which is one of this kind: the one before goes on, or a new one begins."""
        if not self._blocks or self._blocks[-1][0] != make:
            self._blocks.append((make, []))
        return self._blocks[-1][1]

    def _thinking(self, text: str) -> s.MessageContentBlock:
        return s.MessageThinkingBlock(
            thinking=text if shows_thinking(self._body) else "", signature=message_id(self._stream)
        )


def text_block(text: str) -> s.MessageContentBlock:
    return s.MessageTextBlock(text=text)


def call_block(call_id: str, name: str, arguments: str) -> s.MessageContentBlock:
    return s.MessageToolUseBlock(id=call_id, name=name, input=written(arguments))


def written(arguments: str) -> Any:
    """As the model wrote them. Of those that are no JSON object, as an upstream's that the end cut off, there are none:
    they would make the whole answer no JSON."""
    try:
        msgspec.json.decode(arguments, type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        return {}
    return msgspec.Raw(arguments.encode())


class MessageEncoder:
    """Implements `streaming.Encoder`. One block is open at a time; text costs its escaping."""

    def __init__(self, stream: GenerationStream, body: s.MessageRequest) -> None:
        self._stream = stream
        self._body = body
        self._shows_thinking = shows_thinking(body)
        self._index = -1  # of the block that is open, or was last
        self._open: type[msgspec.Struct] | None = None
        self._text = b""  # how an event of the open block of text begins
        self._last = Delta()  # the one that says why it ended

    def start(self) -> bytes:
        return event(s.MessageStartEvent(message=message_of(self._stream, [], None)))

    def delta(self, delta: Delta) -> bytes:
        plain = delta.text and not (delta.reasoning or delta.tool_calls or delta.finish)
        if plain and self._open is s.MessageTextBlock:
            return self._text + encode(delta.text) + b"}}\n\n"
        return b"".join(self._events(delta))

    def failed(self, error: ApiError) -> bytes:
        return b"event: error\ndata: " + encode(message_error(error, self._stream.request_id)) + b"\n\n"

    def end(self) -> bytes:
        usage = usage_of(self._stream.usage(), self._stream.exhausted)
        last = s.MessageDeltaEvent(delta=ending(self._stream, self._body, self._last), usage=usage)
        return self._closed() + event(last) + event(s.MessageStopEvent())

    def _events(self, delta: Delta) -> list[bytes]:
        events = []
        if delta.reasoning:
            events.append(self._within(s.MessageThinkingBlock(thinking="", signature="")))
            if self._shows_thinking:
                events.append(self._changed(s.MessageThinkingDelta(thinking=delta.reasoning)))
        if delta.text:
            events.append(self._within(s.MessageTextBlock(text="")))
            events.append(self._changed(s.MessageTextDelta(text=delta.text)))
        for part in delta.tool_calls:
            if part.id:
                events += [self._closed(), self._opened(s.MessageToolUseBlock(id=part.id, name=part.name, input={}))]
            if part.arguments:
                events.append(self._changed(s.MessageInputJsonDelta(partial_json=part.arguments)))
        if delta.finish:
            self._last = delta
        return events

    def _within(self, block: s.MessageContentBlock) -> bytes:
        """So that a block of this kind is open."""
        return b"" if self._open is type(block) else self._closed() + self._opened(block)

    def _opened(self, block: s.MessageContentBlock) -> bytes:
        self._index += 1
        self._open = type(block)
        head = b'event: content_block_delta\ndata: {"type":"content_block_delta","index":%d,' % self._index
        self._text = head + b'"delta":{"type":"text_delta","text":'
        return event(s.MessageBlockStartEvent(index=self._index, content_block=block))

    def _changed(self, delta: s.MessageBlockDelta) -> bytes:
        return event(s.MessageBlockDeltaEvent(index=self._index, delta=delta))

    def _closed(self) -> bytes:
        """The open block, if there is one, ends."""
        if self._open is None:
            return b""
        signature = b""
        if self._open is s.MessageThinkingBlock:
            signature = self._changed(s.MessageSignatureDelta(signature=message_id(self._stream)))
        self._open = None
        return signature + event(s.MessageBlockStopEvent(index=self._index))


def event(data: s.MessageStreamEvent) -> bytes:
    """Named as its data are tagged: clients skip events without a name."""
    name = str(data.__struct_config__.tag).encode()
    return b"event: " + name + b"\ndata: " + encode(data) + b"\n\n"


def message_of(stream: GenerationStream, content: list[s.MessageContentBlock], end: s.MessageEnd | None) -> s.Message:
    """`end` None: it has only begun."""
    return s.Message(
        id=message_id(stream),
        type="message",
        role="assistant",
        model=stream.model,
        content=content,
        stop_reason=None if end is None else end.stop_reason,
        stop_sequence=None if end is None else end.stop_sequence,
        usage=usage_of(stream.usage(), stream.exhausted),
    )


def message_id(stream: GenerationStream) -> str:
    return "msg_" + stream.request_id.removeprefix("req_")


def ending(stream: GenerationStream, body: s.MessageRequest, last: Delta) -> s.MessageEnd:
    tokens = stream.usage().completion_tokens
    return end_of(last, tokens, tokens if stream.exhausted else body.max_tokens)


def end_of(last: Delta, tokens: int, most_tokens: int) -> s.MessageEnd:
    """What ended for length before `most_tokens`, allowed by the request or its money, met the end of the context."""
    if last.stop_sequence:
        return s.MessageEnd(stop_reason="stop_sequence", stop_sequence=last.stop_sequence)
    reason = STOP_REASONS[FINISH_NAMES.get(last.finish, "stop")]
    if reason == "max_tokens" and tokens < most_tokens:
        reason = "model_context_window_exceeded"
    return s.MessageEnd(stop_reason=reason, stop_sequence=None)


def usage_of(usage: TokenUsage, exhausted: bool) -> s.MessageUsage:
    """Cached tokens are counted apart here, not as a part of the input. `exhausted`: the money ended it."""
    shown = s.MessageUsage(
        input_tokens=usage.prompt_tokens - usage.cached_tokens,
        cache_creation_input_tokens=0,
        cache_read_input_tokens=usage.cached_tokens,
        output_tokens=usage.completion_tokens,
        output_tokens_details=s.MessageOutputTokensDetails(thinking_tokens=usage.reasoning_tokens),
        service_tier="standard",
    )
    if exhausted:
        shown.code = "budget_exhausted"
    return shown


def shows_thinking(body: s.MessageRequest) -> bool:
    return getattr(body.thinking, "display", None) != "omitted"
