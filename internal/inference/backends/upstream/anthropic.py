"""Messages in Anthropic's form."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping
from typing import Any

import msgspec
from gen import inference_pb2 as pb

from internal.errors import InvalidRequestError
from internal.inference.backends.upstream.forms import (
    Calls,
    StreamError,
    counted,
    decimal,
    effort_for,
    image_type,
    offered,
    parameters,
)
from internal.upstream.options import UpstreamOptions, line
from internal.upstream.secrets import Secret

VERSION = line("anthropic-version", "2023-06-01")
MAX_TOKENS = 8192  # of output, when nobody says: the API wants a number
FINISHES: Mapping[str, pb.FinishReason.ValueType] = {
    "end_turn": pb.STOP,
    "stop_sequence": pb.STOP,
    "pause_turn": pb.STOP,
    "max_tokens": pb.LENGTH,
    "model_context_window_exceeded": pb.LENGTH,
    "tool_use": pb.TOOL_CALLS,
    "refusal": pb.CONTENT_FILTER,
}
CHOICES: Mapping[pb.ToolChoice.Mode.ValueType, str] = {
    pb.ToolChoice.AUTO: "auto",
    pb.ToolChoice.NONE: "none",
    pb.ToolChoice.REQUIRED: "any",
}
EFFORTS = {"minimal": "low"}  # ours → theirs, where they differ


class Anthropic:
    """Implements `forms.Form`."""

    path = "/v1/messages"
    count_path = "/v1/messages/count_tokens"

    @staticmethod
    def authorization(key: Secret | None) -> bytes:
        return VERSION + (line("x-api-key", key.reveal()) if key is not None else b"")

    @staticmethod
    def body(request: pb.GenerateRequest, options: UpstreamOptions) -> dict[str, Any]:
        chat = request.chat
        body: dict[str, Any] = {
            "model": options.model,
            "max_tokens": request.max_tokens or options.max_tokens or MAX_TOKENS,
            "messages": messages(chat.messages),
        }
        if system := [text_block(part.text) for item in chat.messages if item.role == "system" for part in item.parts]:
            body["system"] = system
        if request.stop:
            body["stop_sequences"] = list(request.stop)
        return body | sampling(request.sampling) | tools(chat) | thinking(request, options)

    @staticmethod
    def reader(request: pb.GenerateRequest) -> EventReader:
        return EventReader()


# ---------------------------------------------------------------- request


def messages(items: Iterable[pb.Message]) -> list[dict[str, Any]]:
    """Turns: neighbours of one role are one, so that the results of parallel calls stand together behind the calls."""
    turns: list[dict[str, Any]] = []
    for item in items:
        if item.role == "system":
            continue
        role = "assistant" if item.role == "assistant" else "user"
        if not turns or turns[-1]["role"] != role:
            turns.append({"role": role, "content": []})
        turns[-1]["content"] += blocks(item)
    return [turn for turn in turns if turn["content"]]


def blocks(item: pb.Message) -> list[dict[str, Any]]:
    said = [block(part) for part in item.parts if part.WhichOneof("kind") == "image" or part.text]
    if item.role == "tool":
        return [{"type": "tool_result", "tool_use_id": item.tool_call_id, "content": said}]
    calls = [
        {"type": "tool_use", "id": call.id, "name": call.name, "input": arguments_of(call)} for call in item.tool_calls
    ]
    return said + calls


def arguments_of(call: pb.ToolCall) -> dict[str, Any]:
    try:
        return msgspec.json.decode(call.arguments or "{}", type=dict[str, msgspec.Raw])
    except (msgspec.MsgspecError, RecursionError):
        raise InvalidRequestError(
            f"the arguments of the call {call.id!r} are no JSON object, which this model needs", "messages"
        ) from None


def block(part: pb.Part) -> dict[str, Any]:
    if part.WhichOneof("kind") == "image":
        data = base64.b64encode(part.image.data).decode()
        return {"type": "image", "source": {"type": "base64", "media_type": image_type(part.image.data), "data": data}}
    return text_block(part.text)


def text_block(text: str) -> dict[str, Any]:
    return {"type": "text", "text": text}


def sampling(given: pb.Sampling) -> dict[str, Any]:
    """What is not as the API has it anyway."""
    said: dict[str, Any] = {}
    if given.temperature != 1.0:
        said["temperature"] = decimal(given.temperature)
    if given.top_p != 1.0:
        said["top_p"] = decimal(given.top_p)
    if given.top_k:
        said["top_k"] = given.top_k
    return said


def tools(chat: pb.Chat) -> dict[str, Any]:
    if not (given := offered(chat)):
        return {}
    choice: dict[str, Any] = {"type": CHOICES[chat.tool_choice.mode]}
    if not chat.parallel_tool_calls and chat.tool_choice.mode != pb.ToolChoice.NONE:
        choice["disable_parallel_tool_use"] = True
    return {"tools": [tool(item) for item in given], "tool_choice": choice}


def tool(item: pb.Tool) -> dict[str, Any]:
    said: dict[str, Any] = {"name": item.name, "input_schema": parameters(item)}
    if item.description:
        said["description"] = item.description
    if item.strict:
        said["strict"] = True
    return said


def thinking(request: pb.GenerateRequest, options: UpstreamOptions) -> dict[str, Any]:
    """How much it thinks, and the form that the answer has to have."""
    said: dict[str, Any] = {}
    output: dict[str, Any] = {}
    effort = effort_for(request.chat, options)
    if effort == "none":
        said["thinking"] = {"type": "disabled"}
    elif effort:
        said["thinking"] = {"type": "adaptive"}
        output["effort"] = EFFORTS.get(effort, effort)
    if request.HasField("constraint"):
        output["format"] = {"type": "json_schema", "schema": msgspec.Raw(request.constraint.json_schema.encode())}
    return said | ({"output_config": output} if output else {})


# ---------------------------------------------------------------- answer


class OutputDetails(msgspec.Struct):
    thinking_tokens: int | None = None


class Usage(msgspec.Struct):
    input_tokens: int | None = None
    cache_creation_input_tokens: int | None = None
    cache_read_input_tokens: int | None = None
    output_tokens: int | None = None
    output_tokens_details: OutputDetails | None = None


class Message(msgspec.Struct):
    usage: Usage | None = None


class Block(msgspec.Struct):
    type: str = ""
    id: str = ""
    name: str = ""
    text: str = ""


class Change(msgspec.Struct):
    """Of a block, or of the message: each has some of these."""

    type: str = ""
    text: str = ""
    thinking: str = ""
    partial_json: str = ""
    stop_reason: str | None = None
    stop_sequence: str | None = None


class Event(msgspec.Struct):
    type: str
    index: int = 0
    message: Message | None = None
    content_block: Block | None = None
    delta: Change | None = None
    usage: Usage | None = None


decode = msgspec.json.Decoder(Event).decode


class EventReader:
    """Implements `forms.Reader`."""

    def __init__(self) -> None:
        self.done = False
        self.usage: pb.Usage | None = None
        self.finishes: dict[int, pb.Delta] = {}
        self._calls = Calls()
        self._counted: dict[str, int] = {}  # what has been said of usage; what comes later counts

    def read(self, data: bytes) -> list[pb.Delta]:
        try:
            event = decode(data)
        except (ValueError, RecursionError):
            raise StreamError("an event that is not in Anthropic's form") from None
        change = event.delta or Change()
        match event.type:
            case "content_block_delta":
                return self._changed(event.index, change)
            case "content_block_start":
                return self._begun(event.index, event.content_block or Block())
            case "message_start":
                self._count(event.message.usage if event.message else None)
            case "message_delta":
                return self._ended(event.usage, change)
            case "message_stop":
                self.done = True
            case "error":
                raise StreamError("an error in the middle of the answer")
        return []  # what else there is (`ping`) is no part of the answer

    def _changed(self, index: int, change: Change) -> list[pb.Delta]:
        if change.partial_json:
            return [pb.Delta(tool_calls=self._calls.take(index, "", "", change.partial_json))]
        if change.text or change.thinking:
            return [pb.Delta(text=change.text, reasoning=change.thinking)]
        return []

    def _begun(self, index: int, block: Block) -> list[pb.Delta]:
        if block.type == "tool_use":
            return [pb.Delta(tool_calls=self._calls.take(index, block.id, block.name, ""))]
        return [pb.Delta(text=block.text)] if block.text else []

    def _ended(self, usage: Usage | None, change: Change) -> list[pb.Delta]:
        self._count(usage)
        if not change.stop_reason:
            return []
        reason = FINISHES.get(change.stop_reason, pb.STOP)
        self.finishes[0] = pb.Delta(finish=reason, stop_sequence=change.stop_sequence or "")
        rest = self._calls.end()
        return [pb.Delta(tool_calls=rest)] if rest else []

    def _count(self, usage: Usage | None) -> None:
        """Counts of input come at the start, those of output at the end; each stands for all until then."""
        if usage is None:
            return
        self._counted |= {
            name: value for name in usage.__struct_fields__ if isinstance(value := getattr(usage, name), int)
        }
        if usage.output_tokens_details and (thought := usage.output_tokens_details.thinking_tokens):
            self._counted["thinking_tokens"] = thought
        said = self._counted.get
        cached = said("cache_read_input_tokens", 0)
        prompt = said("input_tokens", 0) + said("cache_creation_input_tokens", 0) + cached
        self.usage = counted(prompt, cached, said("output_tokens", 0), said("thinking_tokens", 0))
