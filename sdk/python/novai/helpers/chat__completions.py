"""`chat.completions.parse()` and `.stream()`: answers of a type, and events with the answer so far."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, overload

from .. import types
from .._runtime.assembling import (
    AssembledStream,
    AsyncAssembledStream,
    AsyncStreamContext,
    StreamContext,
)
from .._runtime.errors import ContentFilterFinishReasonError, LengthFinishReasonError
from .._runtime.objects import plain
from .._runtime.omit import Omit, omit
from .._runtime.structured import Form, arguments_of, models_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..params import ChatCompletionsCreateOptions

T = TypeVar("T")
CUT_SHORT = {"length": LengthFinishReasonError, "content_filter": ContentFilterFinishReasonError}


class ParsedFunction(types.FunctionCall):
    """`parsed_arguments`: the model of a tool made with `pydantic_function_tool`."""

    __slots__ = ("parsed_arguments",)
    parsed_arguments: Any


class ParsedToolCall(types.ToolCall):
    function: ParsedFunction  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedMessage(types.ChatCompletionMessage, Generic[T]):
    """`parsed`: the content as the type that was asked for; None without content."""

    __slots__ = ("parsed",)
    parsed: T | None
    tool_calls: list[ParsedToolCall] | None  # type: ignore[assignment]  # of a message that nobody changes


class ParsedChoice(types.Choice, Generic[T]):
    message: ParsedMessage[T]  # pyright: ignore[reportIncompatibleVariableOverride]


class ParsedChatCompletion(types.ChatCompletion, Generic[T]):
    choices: list[ParsedChoice[T]]  # type: ignore[assignment]  # as above


@dataclass
class ChunkEvent:
    """Each chunk as it came, after what it did to the answer."""

    chunk: types.ChatCompletionChunk
    type: Literal["chunk"] = "chunk"


@dataclass
class DeltaEvent:
    """More of a text. `snapshot` is all of it so far."""

    delta: str
    snapshot: str
    index: int  # of the choice
    type: Literal["content.delta", "refusal.delta", "reasoning.delta"] = "content.delta"


@dataclass
class ContentDoneEvent(Generic[T]):
    content: str
    parsed: T | None
    index: int
    type: Literal["content.done"] = "content.done"


@dataclass
class TextDoneEvent:
    text: str
    index: int
    type: Literal["refusal.done", "reasoning.done"] = "refusal.done"


@dataclass
class ArgumentsDeltaEvent:
    """`index` is that of the call."""

    name: str
    index: int
    arguments: str
    arguments_delta: str
    type: Literal["tool_calls.function.arguments.delta"] = "tool_calls.function.arguments.delta"


@dataclass
class ArgumentsDoneEvent:
    name: str
    index: int
    arguments: str
    parsed_arguments: Any
    type: Literal["tool_calls.function.arguments.done"] = "tool_calls.function.arguments.done"


@dataclass
class LogprobsEvent:
    """Of a chunk's tokens; when done, of all."""

    tokens: list[dict[str, Any]]
    index: int
    type: Literal[
        "logprobs.content.delta", "logprobs.content.done", "logprobs.refusal.delta", "logprobs.refusal.done"
    ] = "logprobs.content.delta"


ChatCompletionStreamEvent = (
    ChunkEvent
    | DeltaEvent
    | ContentDoneEvent[T]
    | TextDoneEvent
    | ArgumentsDeltaEvent
    | ArgumentsDoneEvent
    | LogprobsEvent
)
# The fields of a message that grow as text, then those of its logprobs; the names of their events.
TEXTS: dict[str, tuple[Any, Any]] = {
    "reasoning_content": ("reasoning.delta", "reasoning.done"),
    "content": ("content.delta", "content.done"),
    "refusal": ("refusal.delta", "refusal.done"),
}
LOGPROBS: dict[str, tuple[Any, Any]] = {
    "content": ("logprobs.content.delta", "logprobs.content.done"),
    "refusal": ("logprobs.refusal.delta", "logprobs.refusal.done"),
}


@dataclass
class Growing:
    """A choice while it grows. `open`: the text, or the index of the call, that the last delta was of."""

    data: dict[str, Any]
    open: str | int | None = None


class ChatCompletionState(Generic[T]):
    """Chunks → events, and the completion they make. `tools` are those whose arguments are read."""

    def __init__(self, form: Form[T] | None = None, tools: Any = None) -> None:
        self._form, self._models = form, models_of(tools)
        self._head: dict[str, Any] = {}
        self._choices: dict[int, Growing] = {}

    def add(self, chunk: types.ChatCompletionChunk) -> Iterator[ChatCompletionStreamEvent[T]]:
        data = chunk.to_dict()
        choices = data.pop("choices", None) or []
        self._head.update({name: value for name, value in data.items() if value is not None})
        happened: list[ChatCompletionStreamEvent[T]] = []
        for choice in choices:
            happened += self._grow(choice)
        yield ChunkEvent(chunk)
        yield from happened

    def snapshot(self) -> ParsedChatCompletion[T]:
        return self._completion(parse=False)

    def final(self) -> ParsedChatCompletion[T]:
        """Raises LengthFinishReasonError or ContentFilterFinishReasonError where a form was asked for."""
        return self._completion(parse=True)

    def _completion(self, parse: bool) -> ParsedChatCompletion[T]:
        choices = [self._choices[index].data for index in sorted(self._choices)]
        data: dict[str, Any] = {**self._head, "object": "chat.completion", "choices": plain(choices)}
        return parsed(data, self._form if parse else None, self._models if parse else {})

    def _grow(self, delta: dict[str, Any]) -> Iterator[ChatCompletionStreamEvent[T]]:
        """What the delta of a choice brought."""
        index = delta["index"]
        empty = {"index": index, "message": {"role": "assistant", "content": None, "refusal": None}, "logprobs": None}
        growing = self._choices.setdefault(index, Growing({**empty, "finish_reason": None}))
        message, brought = growing.data["message"], delta.get("delta") or {}
        for name, (kind, _) in TEXTS.items():
            if (text := brought.get(name)) is not None:
                message[name] = (message.get(name) or "") + text
                if text:
                    yield from self._turn(growing, name)
                    yield DeltaEvent(text, message[name], index, kind)
        for call in brought.get("tool_calls") or ():
            grown = self._grow_call(message, call)
            yield from self._turn(growing, call["index"])
            yield grown
        for call in brought.get("novai_tool_calls") or ():
            grow_server_call(message.setdefault("novai_tool_calls", []), call)
        yield from self._grow_logprobs(growing.data, delta.get("logprobs"))
        if delta.get("finish_reason") is not None:
            growing.data["finish_reason"] = delta["finish_reason"]
            yield from self._turn(growing, None)
            for name, tokens in (growing.data["logprobs"] or {}).items():
                if tokens:
                    yield LogprobsEvent(tokens, index, LOGPROBS[name][1])

    def _grow_call(self, message: dict[str, Any], delta: dict[str, Any]) -> ArgumentsDeltaEvent:
        calls = message.setdefault("tool_calls", [])
        at, function = delta["index"], delta.get("function") or {}
        if at == len(calls):
            calls.append({"id": None, "type": "function", "function": {"name": "", "arguments": ""}})
        call = calls[at]
        call["id"] = delta.get("id") or call["id"]
        call["function"]["name"] += function.get("name") or ""
        call["function"]["arguments"] += function.get("arguments") or ""
        so_far = call["function"]
        return ArgumentsDeltaEvent(so_far["name"], at, so_far["arguments"], function.get("arguments") or "")

    def _grow_logprobs(self, choice: dict[str, Any], delta: dict[str, Any] | None) -> Iterator[LogprobsEvent]:
        for name, (kind, _) in LOGPROBS.items():
            if tokens := (delta or {}).get(name):
                kept = choice["logprobs"] = choice["logprobs"] or {"content": None, "refusal": None}
                kept[name] = (kept[name] or []) + tokens
                yield LogprobsEvent(tokens, choice["index"], kind)

    def _turn(self, growing: Growing, to: str | int | None) -> Iterator[ChatCompletionStreamEvent[T]]:
        """A delta of something else than the last one: what that was of is complete."""
        done, growing.open = growing.open, to
        message, index = growing.data["message"], growing.data["index"]
        if done is None or done == to:
            return
        cut = growing.data["finish_reason"] in CUT_SHORT
        if isinstance(done, int):
            function = message["tool_calls"][done]["function"]
            read = None if cut else arguments_of(function["arguments"], self._models.get(function["name"]))
            yield ArgumentsDoneEvent(function["name"], done, function["arguments"], read)
        elif done == "content":
            form = None if cut or message.get("tool_calls") else self._form  # what is said beside calls has none
            yield ContentDoneEvent(message["content"], None if form is None else form.read(message["content"]), index)
        else:
            yield TextDoneEvent(message[done], index, TEXTS[done][1])


def grow_server_call(calls: list[dict[str, Any]], delta: dict[str, Any]) -> None:
    """Calls that the server makes come in two parts, which have nothing in common but the index."""
    at = delta["index"]
    calls[at : at + 1] = [{**(calls[at] if at < len(calls) else {}), **delta}]
    del calls[at]["index"]


def parsed(data: dict[str, Any], form: Form[T] | None, models: dict[str, Any]) -> ParsedChatCompletion[T]:
    """Raises where something is to be read, and the answer was cut before it was complete."""
    completion: ParsedChatCompletion[T] = ParsedChatCompletion.from_dict(data)
    for choice in completion.choices:
        message = choice.message
        is_read = form is not None or any(call.function.name in models for call in message.tool_calls or ())
        if is_read and (error := CUT_SHORT.get(choice.finish_reason)):
            raise error(completion)
        if form is not None:
            message.parsed = form.read(message.content) if message.content and not message.tool_calls else None
        for call in message.tool_calls or ():
            call.function.parsed_arguments = arguments_of(call.function.arguments, models.get(call.function.name))
    return completion


class ChatCompletionStream(AssembledStream[ChatCompletionStreamEvent[T], ParsedChatCompletion[T]]):
    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[T]:
        return self._snapshot()

    def get_final_completion(self) -> ParsedChatCompletion[T]:
        """The whole answer; reads the rest of the stream. Raises what `parse()` raises."""
        return self._final()


class AsyncChatCompletionStream(AsyncAssembledStream[ChatCompletionStreamEvent[T], ParsedChatCompletion[T]]):
    @property
    def current_completion_snapshot(self) -> ParsedChatCompletion[T]:
        return self._snapshot()

    async def get_final_completion(self) -> ParsedChatCompletion[T]:
        """The whole answer; reads the rest of the stream. Raises what `parse()` raises."""
        return await self._final()


def asked(response_format: Any, params: Any) -> tuple[Form[Any] | None, dict[str, Any]]:
    """The form, and the parameters of `create` that ask for it."""
    if response_format is omit:
        return None, dict(params)
    form: Form[Any] = Form(response_format)
    schema = {"name": form.name, "schema": form.schema, "strict": True}
    return form, {**params, "response_format": {"type": "json_schema", "json_schema": schema}}


class ChatCompletionsHelpers:
    create: Any

    @overload
    def parse(
        self, *, response_format: type[T], **params: Unpack[ChatCompletionsCreateOptions]
    ) -> ParsedChatCompletion[T]: ...

    @overload
    def parse(self, **params: Unpack[ChatCompletionsCreateOptions]) -> ParsedChatCompletion[None]: ...

    def parse(self, *, response_format: Any = omit, **params: Any) -> ParsedChatCompletion[Any]:
        """An answer in the form of a type: `message.parsed`, and `parsed_arguments` of tools' calls.

        Raises LengthFinishReasonError or ContentFilterFinishReasonError when it was cut before it had that form.
        """
        form, body = asked(response_format, params)
        completion = self.create(**body)
        made = parsed(completion.to_dict(), form, models_of(body.get("tools")))
        made._request_id = completion._request_id
        return made

    @overload
    def stream(
        self, *, response_format: type[T], **params: Unpack[ChatCompletionsCreateOptions]
    ) -> StreamContext[ChatCompletionStream[T]]: ...

    @overload
    def stream(self, **params: Unpack[ChatCompletionsCreateOptions]) -> StreamContext[ChatCompletionStream[None]]: ...

    def stream(
        self, *, response_format: type[T] | Omit = omit, **params: Any
    ) -> StreamContext[ChatCompletionStream[Any]]:
        """A context with a stream of events; `get_final_completion()` is what `parse()` would have given."""
        form, body = asked(response_format, params)
        state: ChatCompletionState[Any] = ChatCompletionState(form, body.get("tools"))
        return StreamContext(lambda: ChatCompletionStream(self.create(**body, stream=True), state))


class AsyncChatCompletionsHelpers:
    create: Any

    @overload
    async def parse(
        self, *, response_format: type[T], **params: Unpack[ChatCompletionsCreateOptions]
    ) -> ParsedChatCompletion[T]: ...

    @overload
    async def parse(self, **params: Unpack[ChatCompletionsCreateOptions]) -> ParsedChatCompletion[None]: ...

    async def parse(self, *, response_format: Any = omit, **params: Any) -> ParsedChatCompletion[Any]:
        """As `ChatCompletionsHelpers.parse`."""
        form, body = asked(response_format, params)
        completion = await self.create(**body)
        made = parsed(completion.to_dict(), form, models_of(body.get("tools")))
        made._request_id = completion._request_id
        return made

    @overload
    def stream(
        self, *, response_format: type[T], **params: Unpack[ChatCompletionsCreateOptions]
    ) -> AsyncStreamContext[AsyncChatCompletionStream[T]]: ...

    @overload
    def stream(
        self, **params: Unpack[ChatCompletionsCreateOptions]
    ) -> AsyncStreamContext[AsyncChatCompletionStream[None]]: ...

    def stream(
        self, *, response_format: type[T] | Omit = omit, **params: Any
    ) -> AsyncStreamContext[AsyncChatCompletionStream[Any]]:
        """As `ChatCompletionsHelpers.stream`."""
        form, body = asked(response_format, params)
        state: ChatCompletionState[Any] = ChatCompletionState(form, body.get("tools"))

        async def opened() -> AsyncChatCompletionStream[Any]:
            return AsyncChatCompletionStream(await self.create(**body, stream=True), state)

        return AsyncStreamContext(opened)
