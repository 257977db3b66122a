"""`messages.stream()`: the events of Anthropic's form, and what they add up to."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from .. import types
from .._runtime.assembling import AssembledStream, AsyncAssembledStream, AsyncStreamContext, StreamContext
from .._runtime.errors import APIConnectionError
from .._runtime.objects import plain

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..params import MessagesCreateOptions


@dataclass
class TextEvent:
    """More of a block's text, after the delta that brought it. `snapshot` is all of it so far."""

    text: str
    snapshot: str
    type: Literal["text"] = "text"


@dataclass
class ThinkingEvent:
    thinking: str
    snapshot: str
    type: Literal["thinking"] = "thinking"


@dataclass
class InputJsonEvent:
    """`snapshot`: the JSON text of a tool's input so far."""

    partial_json: str
    snapshot: str
    type: Literal["input_json"] = "input_json"


class BlockStopEvent(types.MessageBlockStopEvent):
    """With the block, which is complete."""

    content_block: types.MessageContentBlock


class StopEvent(types.MessageStopEvent):
    """With the message, which is complete."""

    message: types.Message


MessageHelperEvent = types.MessageStreamEvent | TextEvent | ThinkingEvent | InputJsonEvent


class MessageState:
    """Events of a stream → events of a message that grows, and the message."""

    def __init__(self) -> None:
        self._message: dict[str, Any] = {}
        self._inputs: dict[int, str] = {}  # of tools, while they come: JSON texts by block
        self._ended = False

    def add(self, event: types.MessageStreamEvent) -> Iterator[MessageHelperEvent]:
        data = event.to_dict()
        match data["type"]:
            case "message_start":
                self._message = data["message"]
                yield event
            case "content_block_start":
                self._message["content"].append(data["content_block"])
                yield event
            case "content_block_delta":
                yield event
                yield from self._grow(data["index"], data["delta"])
            case "content_block_stop":
                yield BlockStopEvent.from_dict(data | {"content_block": plain(self._whole(data["index"]))})
            case "message_delta":
                self._message.update(data["delta"])
                self._message["usage"].update(data["usage"])
                yield event
            case "message_stop":
                self._ended = True
                yield StopEvent.from_dict(data | {"message": plain(self._message)})
            case _:  # of a newer server
                yield event

    def snapshot(self) -> types.Message:
        return types.Message.from_dict(plain(self._message))

    def final(self) -> types.Message:
        if not self._ended:
            raise APIConnectionError("The stream ended before the message did.")
        return self.snapshot()

    def _grow(self, index: int, delta: dict[str, Any]) -> Iterator[MessageHelperEvent]:
        """What a delta brought to its block."""
        block = self._message["content"][index]
        match delta["type"]:
            case "text_delta":
                block["text"] += delta["text"]
                yield TextEvent(delta["text"], block["text"])
            case "thinking_delta":
                block["thinking"] += delta["thinking"]
                yield ThinkingEvent(delta["thinking"], block["thinking"])
            case "signature_delta":
                block["signature"] += delta["signature"]
            case "input_json_delta":
                self._inputs[index] = self._inputs.get(index, "") + delta["partial_json"]
                yield InputJsonEvent(delta["partial_json"], self._inputs[index])
            case _:
                pass

    def _whole(self, index: int) -> dict[str, Any]:
        block: dict[str, Any] = self._message["content"][index]
        if text := self._inputs.pop(index, ""):
            block["input"] = json.loads(text)
        return block


class MessageStream(AssembledStream[MessageHelperEvent, types.Message]):
    @property
    def text_stream(self) -> Iterator[str]:
        """The text alone, as it arrives."""
        return (event.text for event in self if isinstance(event, TextEvent))

    @property
    def current_message_snapshot(self) -> types.Message:
        return self._snapshot()

    def get_final_message(self) -> types.Message:
        """The whole message; reads the rest of the stream."""
        return self._final()

    def get_final_text(self) -> str:
        """The text of all its blocks; reads the rest of the stream."""
        return text_of(self._final())


class AsyncMessageStream(AsyncAssembledStream[MessageHelperEvent, types.Message]):
    """As `MessageStream`."""

    @property
    def text_stream(self) -> AsyncIterator[str]:
        return self._texts()

    async def _texts(self) -> AsyncIterator[str]:
        async for event in self:
            if isinstance(event, TextEvent):
                yield event.text

    @property
    def current_message_snapshot(self) -> types.Message:
        return self._snapshot()

    async def get_final_message(self) -> types.Message:
        return await self._final()

    async def get_final_text(self) -> str:
        return text_of(await self._final())


def text_of(message: types.Message) -> str:
    return "".join(block.text for block in message.content if block.type == "text")


class MessagesHelpers:
    create: Any

    def stream(self, **params: Unpack[MessagesCreateOptions]) -> StreamContext[MessageStream]:
        """A context with the events of a stream, `text_stream` with its text, and `get_final_message()`."""
        return StreamContext(lambda: MessageStream(self.create(**params, stream=True), MessageState()))


class AsyncMessagesHelpers:
    """As `MessagesHelpers`."""

    create: Any

    def stream(self, **params: Unpack[MessagesCreateOptions]) -> AsyncStreamContext[AsyncMessageStream]:
        async def opened() -> AsyncMessageStream:
            return AsyncMessageStream(await self.create(**params, stream=True), MessageState())

        return AsyncStreamContext(opened)
