"""`responses.parse()` and `.stream()`: output of a type, and the server's events with the response so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Generic, TypeVar, overload

from .. import types
from .._runtime.assembling import AssembledStream, AsyncAssembledStream, AsyncStreamContext, StreamContext
from .._runtime.errors import APIConnectionError, ContentFilterFinishReasonError, LengthFinishReasonError
from .._runtime.objects import Object, plain
from .._runtime.omit import Omit, omit
from .._runtime.structured import Form, Tool, arguments_of, models_of

if TYPE_CHECKING:
    from typing_extensions import Unpack

    from ..params import ResponsesCreateOptions

T = TypeVar("T")
CUT_SHORT = {"max_output_tokens": LengthFinishReasonError, "content_filter": ContentFilterFinishReasonError}


class ParsedResponse(types.Response, Generic[T]):
    """`output_parsed`: the output's text as the type that was asked for; None where there is none."""

    __slots__ = ("arguments_parsed", "output_parsed")
    output_parsed: T | None
    arguments_parsed: dict[str, Any]  # by `call_id`, of the tools made with `pydantic_function_tool`


class ResponseState(Generic[T]):
    """Events of a stream → the response they make. The events are handed on as they came."""

    def __init__(self, form: Form[T] | None = None, tools: Any = None) -> None:
        self._form, self._models = form, models_of(tools)
        self._response: dict[str, Any] = {}
        self._ended = False

    def add(self, event: types.ResponseStreamEvent) -> Iterable[types.ResponseStreamEvent]:
        data = event.to_dict()
        if "response" in data:  # created, in progress, and the three ends: they carry all of it
            self._response = data["response"]
            self._ended = event.type in ("response.completed", "response.incomplete", "response.failed")
        elif event.type in ("response.output_item.added", "response.output_item.done"):
            put(self._response["output"], data["output_index"], data["item"])
        elif grows := GROWS.get(event.type):
            grows(self._response["output"][data["output_index"]], data)
        return (event,)

    def snapshot(self) -> ParsedResponse[T]:
        return parsed(self._response, None, {})

    def final(self) -> ParsedResponse[T]:
        if not self._ended:
            raise APIConnectionError("The stream ended before the response did.")
        return parsed(self._response, self._form, self._models)


def put(items: list[Any], index: int, item: Any) -> None:
    """Replaces or appends."""
    items[index : index + 1] = [item]


def place(item: dict[str, Any], event: dict[str, Any]) -> tuple[list[Any], int]:
    """Of the part that an event is about: the list that it is in, and its index."""
    field = "summary" if "summary_index" in event else "content"
    return item[field], event[f"{field}_index"]


def grow_text(item: dict[str, Any], event: dict[str, Any]) -> None:
    parts, index = place(item, event)
    parts[index]["text"] += event["delta"]


def grow_arguments(item: dict[str, Any], event: dict[str, Any]) -> None:
    item["arguments"] += event["delta"]


def add_part(item: dict[str, Any], event: dict[str, Any]) -> None:
    put(*place(item, event), event["part"])


GROWS = {
    "response.content_part.added": add_part,
    "response.content_part.done": add_part,
    "response.reasoning_summary_part.added": add_part,
    "response.reasoning_summary_part.done": add_part,
    "response.output_text.delta": grow_text,
    "response.reasoning_text.delta": grow_text,
    "response.reasoning_summary_text.delta": grow_text,
    "response.function_call_arguments.delta": grow_arguments,
    "response.mcp_call_arguments.delta": grow_arguments,
}


def parsed(data: dict[str, Any], form: Form[T] | None, models: dict[str, Any]) -> ParsedResponse[T]:
    """Raises where something is to be read, and the output was cut before it was complete."""
    response: ParsedResponse[T] = ParsedResponse.from_dict(plain(data))
    calls = [item for item in response.output or () if item.type == "function_call" and item.name in models]
    cut = CUT_SHORT.get(response.incomplete_details.reason if response.incomplete_details else "")
    if cut and (form is not None or calls):
        raise cut(response)
    response.arguments_parsed = {call.call_id: arguments_of(call.arguments, models[call.name]) for call in calls}
    response.output_parsed = None
    if form is not None:
        response.output_parsed = form.read(response.output_text) if response.output_text else None
    return response


class ResponseStream(AssembledStream[types.ResponseStreamEvent, ParsedResponse[T]]):
    @property
    def current_response_snapshot(self) -> ParsedResponse[T]:
        return self._snapshot()

    def get_final_response(self) -> ParsedResponse[T]:
        """The whole response; reads the rest of the stream. Raises what `parse()` raises."""
        return self._final()


class AsyncResponseStream(AsyncAssembledStream[types.ResponseStreamEvent, ParsedResponse[T]]):
    @property
    def current_response_snapshot(self) -> ParsedResponse[T]:
        return self._snapshot()

    async def get_final_response(self) -> ParsedResponse[T]:
        """The whole response; reads the rest of the stream. Raises what `parse()` raises."""
        return await self._final()


def asked(text_format: Any, params: dict[str, Any]) -> tuple[Form[Any] | None, dict[str, Any]]:
    """The form, and the parameters of `create` that ask for it."""
    tools = params.get("tools")
    body = {**params, "tools": [flat(tool) for tool in tools]} if tools else params
    if text_format is omit:
        return None, body
    form: Form[Any] = Form(text_format)
    schema = {"type": "json_schema", "name": form.name, "schema": form.schema, "strict": True}
    return form, {**body, "text": {**(params.get("text") or {}), "format": schema}}


def flat(tool: Any) -> Any:
    """A tool of `pydantic_function_tool` in the form of this API."""
    return {"type": "function", **tool["function"]} if isinstance(tool, Tool) else tool


def with_request_id(made: ParsedResponse[T], response: Object) -> ParsedResponse[T]:
    made._request_id = response._request_id
    return made


class ResponsesHelpers:
    create: Any

    @overload
    def parse(self, *, text_format: type[T], **params: Unpack[ResponsesCreateOptions]) -> ParsedResponse[T]: ...

    @overload
    def parse(self, **params: Unpack[ResponsesCreateOptions]) -> ParsedResponse[None]: ...

    def parse(self, *, text_format: Any = omit, **params: Any) -> ParsedResponse[Any]:
        """A response whose text has the form of a type: `output_parsed`; `arguments_parsed` of tools' calls.

        Raises LengthFinishReasonError or ContentFilterFinishReasonError when it was cut before it had that form.
        """
        form, body = asked(text_format, params)
        response = self.create(**body)
        return with_request_id(parsed(response.to_dict(), form, models_of(params.get("tools"))), response)

    @overload
    def stream(
        self, *, text_format: type[T], **params: Unpack[ResponsesCreateOptions]
    ) -> StreamContext[ResponseStream[T]]: ...

    @overload
    def stream(self, **params: Unpack[ResponsesCreateOptions]) -> StreamContext[ResponseStream[None]]: ...

    def stream(self, *, text_format: type[T] | Omit = omit, **params: Any) -> StreamContext[ResponseStream[Any]]:
        """A context with the stream of events; `get_final_response()` is what `parse()` would have given."""
        form, body = asked(text_format, params)
        state: ResponseState[Any] = ResponseState(form, params.get("tools"))
        return StreamContext(lambda: ResponseStream(self.create(**body, stream=True), state))


class AsyncResponsesHelpers:
    create: Any

    @overload
    async def parse(self, *, text_format: type[T], **params: Unpack[ResponsesCreateOptions]) -> ParsedResponse[T]: ...

    @overload
    async def parse(self, **params: Unpack[ResponsesCreateOptions]) -> ParsedResponse[None]: ...

    async def parse(self, *, text_format: Any = omit, **params: Any) -> ParsedResponse[Any]:
        """As `ResponsesHelpers.parse`."""
        form, body = asked(text_format, params)
        response = await self.create(**body)
        return with_request_id(parsed(response.to_dict(), form, models_of(params.get("tools"))), response)

    @overload
    def stream(
        self, *, text_format: type[T], **params: Unpack[ResponsesCreateOptions]
    ) -> AsyncStreamContext[AsyncResponseStream[T]]: ...

    @overload
    def stream(self, **params: Unpack[ResponsesCreateOptions]) -> AsyncStreamContext[AsyncResponseStream[None]]: ...

    def stream(
        self, *, text_format: type[T] | Omit = omit, **params: Any
    ) -> AsyncStreamContext[AsyncResponseStream[Any]]:
        """As `ResponsesHelpers.stream`."""
        form, body = asked(text_format, params)
        state: ResponseState[Any] = ResponseState(form, params.get("tools"))

        async def opened() -> AsyncResponseStream[Any]:
            return AsyncResponseStream(await self.create(**body, stream=True), state)

        return AsyncStreamContext(opened)
