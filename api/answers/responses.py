"""What a worker generated → a response, whole or as events, exactly by the wire contract.

A whole answer is the same items, its events unread. Clients check the events: an item is announced before it says
anything, its id, call id and place stay, and it is done before the next one is announced.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import UNSET

from api.answers.chat import logprobs_of
from api.answers.chunks import DONE
from api.clients.generate_request import given
from api.clients.session import FINISH_NAMES, Delta, TokenLogprob
from api.domain import ToolResult, ToolRun
from api.errors import ApiError
from api.generated import schemas as s
from api.services.answering import AnswerStream
from api.services.responses import Turn, new_id

encode = msgspec.json.Encoder().encode

Emit = Callable[..., bytes]  # (kind of event, **its fields) → the event, with the next sequence number


class Message:
    """A message while it is generated. `begun` and `ended` are the events around what it says; `seal` comes before
    `ended`: nothing is added any more."""

    def __init__(self, emit: Emit, index: int) -> None:
        self.item = s.ResponseOutputMessage(id=new_id("msg_"), role="assistant", status="in_progress", content=[])
        self._emit = emit
        self._at = {"item_id": self.item.id, "output_index": index, "content_index": 0}
        self._text: list[str] = []
        self._logprobs: list[s.TokenLogprob] = []

    def begun(self) -> bytes:
        return self._emit(s.ResponseContentPartAddedEvent, part=output_text("", []), **self._at)

    def add(self, text: str, logprobs: Sequence[TokenLogprob]) -> bytes:
        shown = logprobs_of(logprobs).content or []
        self._text.append(text)
        self._logprobs += shown
        return self._emit(s.ResponseTextDeltaEvent, delta=text, logprobs=shown, **self._at)

    def seal(self, status: s.ResponseItemStatus) -> None:
        self.item.status = status
        self.item.content = [output_text("".join(self._text), self._logprobs)]

    def ended(self) -> bytes:
        [part] = self.item.content
        done = self._emit(s.ResponseTextDoneEvent, text=part.text, logprobs=part.logprobs, **self._at)
        return done + self._emit(s.ResponseContentPartDoneEvent, part=part, **self._at)


@dataclass(frozen=True, slots=True)
class Place:
    """Where reasoning is told: which of an item's lists, and the events that fill it."""

    field: Literal["content", "summary"]
    part: Callable[..., s.ResponseReasoningText | s.ResponseSummaryText]
    added: type[msgspec.Struct]
    delta: type[msgspec.Struct]
    done: type[msgspec.Struct]
    part_done: type[msgspec.Struct]


CONTENT = Place(
    "content",
    s.ResponseReasoningText,
    s.ResponseContentPartAddedEvent,
    s.ResponseReasoningTextDeltaEvent,
    s.ResponseReasoningTextDoneEvent,
    s.ResponseContentPartDoneEvent,
)
SUMMARY = Place(
    "summary",
    partial(s.ResponseSummaryText, type="summary_text"),
    s.ResponseReasoningSummaryPartAddedEvent,
    s.ResponseReasoningSummaryTextDeltaEvent,
    s.ResponseReasoningSummaryTextDoneEvent,
    s.ResponseReasoningSummaryPartDoneEvent,
)


class Reasoning:
    """What a model thinks, like `Message`."""

    def __init__(self, emit: Emit, index: int, place: Place) -> None:
        self.item = s.ResponseReasoning(
            id=new_id("rs_"), summary=[], content=[], encrypted_content=None, status="in_progress"
        )
        self._emit = emit
        self._place = place
        self._at = {"item_id": self.item.id, "output_index": index, f"{place.field}_index": 0}
        self._text: list[str] = []

    def begun(self) -> bytes:
        return self._emit(self._place.added, part=self._place.part(text=""), **self._at)

    def add(self, text: str) -> bytes:
        self._text.append(text)
        return self._emit(self._place.delta, delta=text, **self._at)

    def seal(self, status: s.ResponseItemStatus) -> None:
        self.item.status = status
        setattr(self.item, self._place.field, [self._place.part(text="".join(self._text))])

    def ended(self) -> bytes:
        [part] = getattr(self.item, self._place.field)
        done = self._emit(self._place.done, text=part.text, **self._at)
        return done + self._emit(self._place.part_done, part=part, **self._at)


class FunctionCall:
    """A call, like `Message`."""

    def __init__(self, emit: Emit, index: int, call_id: str, name: str) -> None:
        self.item = s.ResponseFunctionCall(
            id=new_id("fc_"), call_id=call_id, name=name, arguments="", status="in_progress"
        )
        self._emit = emit
        self._at = {"item_id": self.item.id, "output_index": index}
        self._arguments: list[str] = []

    def begun(self) -> bytes:
        return b""

    def add(self, arguments: str) -> bytes:
        self._arguments.append(arguments)
        return self._emit(s.ResponseFunctionCallArgumentsDeltaEvent, delta=arguments, **self._at)

    def seal(self, status: s.ResponseItemStatus) -> None:
        self.item.status = status
        self.item.arguments = "".join(self._arguments)

    def ended(self) -> bytes:
        kind = s.ResponseFunctionCallArgumentsDoneEvent
        return self._emit(kind, name=self.item.name, arguments=self.item.arguments, **self._at)


class ServerCall:
    """A call of a tool that the server runs, like `Message`; `add` when it is over."""

    def __init__(self, emit: Emit, index: int, run: ToolRun) -> None:
        call = run.call
        self.item = s.ResponseServerToolCall(
            id=new_id("mcp_"),
            server_label=call.server,
            name=call.name,
            arguments="",
            output=None,
            error=None,
            status="in_progress",
            approval_request_id=None,
        )
        self._emit = emit
        self._at = {"item_id": self.item.id, "output_index": index}
        self._arguments = call.arguments

    def begun(self) -> bytes:
        self.item.arguments = self._arguments
        events = self._emit(s.ResponseServerToolInProgressEvent, **self._at)
        events += self._emit(s.ResponseServerToolArgumentsDeltaEvent, delta=self._arguments, **self._at)
        return events + self._emit(s.ResponseServerToolArgumentsDoneEvent, arguments=self._arguments, **self._at)

    def add(self, result: ToolResult) -> None:
        if result.failed:
            text = s.TextPart(text=result.output)
            self.item.error = s.ResponseToolError(type="mcp_tool_execution_error", content=[text])
        else:
            self.item.output = result.output

    def seal(self, status: s.ResponseItemStatus) -> None:
        self.item.status = "failed" if self.item.error else status

    def ended(self) -> bytes:
        failed = self.item.status == "failed"
        kind = s.ResponseServerToolFailedEvent if failed else s.ResponseServerToolCompletedEvent
        return self._emit(kind, **self._at)


Growing = Message | Reasoning | FunctionCall | ServerCall

# How a generation ended → why its response is not whole.
INCOMPLETE = {
    "length": s.ResponseIncompleteDetails(reason="max_output_tokens"),
    "content_filter": s.ResponseIncompleteDetails(reason="content_filter"),
}


class ResponseAnswer:
    """Implements `streaming.Encoder`. `response` is all that can be said of the response after `finish`."""

    def __init__(self, stream: AnswerStream[Any], response: s.Response) -> None:
        self.response = response
        self._stream = stream
        self._events = 0
        self._growing: Growing | None = None
        self._reason = ""  # why the generation ended

    def start(self) -> bytes:
        created = self._emit(s.ResponseCreatedEvent, response=self.response)
        return created + self._emit(s.ResponseInProgressEvent, response=self.response)

    def delta(self, delta: Delta | ToolRun, /) -> bytes:
        if isinstance(delta, ToolRun):
            return self._run(delta)
        events = b""
        if delta.reasoning:
            events += self._think(delta.reasoning)
        # Tokens of reasoning and of calls have log probabilities, too: with nothing said, they begin no message.
        if delta.text or (delta.logprobs and isinstance(self._growing, Message)):
            events += self._say(delta.text, delta.logprobs)
        for part in delta.tool_calls:
            if part.id:
                events += self._begin(FunctionCall(self._emit, self._next(), part.id, part.name))
            if part.arguments:
                assert isinstance(self._growing, FunctionCall)
                events += self._growing.add(part.arguments)
        if delta.finish and not self._stream.left:
            events += self._conclude(FINISH_NAMES[delta.finish])
        return events

    def finish(self, error: ApiError | None) -> None:
        """All is read and settled, or `error` broke it: the response gets its status and its usage."""
        response = self.response
        if self._growing is not None:
            self._growing.seal("incomplete")
        if error is not None:
            response.status = "failed"
            response.error = s.ResponseError(code=error.code or error.type, message=error.message, type=error.type)
            return
        response.usage = usage_of(self._stream)
        if not self._reason:
            response.status = "cancelled"
        elif self._reason in INCOMPLETE:
            response.status = "incomplete"
            response.incomplete_details = INCOMPLETE[self._reason]
        else:
            response.status = "completed"
            response.completed_at = int(time.time())

    def failed(self, error: ApiError) -> bytes:
        told: dict[str, Any] = {"message": error.message, "param": error.param, "code": error.code}
        events = self._emit(s.ResponseErrorEvent, error=s.Error(type=error.type, **told), **told)
        return events + self._emit(s.ResponseFailedEvent, response=self.response) + DONE

    def end(self) -> bytes:
        kind = s.ResponseCompletedEvent if self.response.status == "completed" else s.ResponseIncompleteEvent
        return self._emit(kind, response=self.response) + DONE

    # ------------------------------------------------------------------ items, one after the other

    def _think(self, text: str) -> bytes:
        began = b""
        if not isinstance(self._growing, Reasoning):
            place = SUMMARY if self.response.reasoning.summary else CONTENT
            began = self._begin(Reasoning(self._emit, self._next(), place))
        assert isinstance(self._growing, Reasoning)
        return began + self._growing.add(text)

    def _say(self, text: str, logprobs: Sequence[TokenLogprob]) -> bytes:
        began = b""
        if not isinstance(self._growing, Message):
            began = self._begin(Message(self._emit, self._next()))
        assert isinstance(self._growing, Message)
        return began + self._growing.add(text, logprobs)

    def _run(self, run: ToolRun) -> bytes:
        if run.result is None:
            return self._begin(ServerCall(self._emit, self._next(), run))
        assert isinstance(self._growing, ServerCall)
        self._growing.add(run.result)
        return self._done("completed")

    def _next(self) -> int:
        return len(self.response.output)

    def _begin(self, growing: Growing) -> bytes:
        """The item before it is done, this one is announced."""
        events = self._done("completed")
        self._growing = growing
        events += self._emit(s.ResponseOutputItemAddedEvent, output_index=self._next(), item=growing.item)
        self.response.output.append(growing.item)
        return events + growing.begun()

    def _done(self, status: s.ResponseItemStatus) -> bytes:
        growing, self._growing = self._growing, None
        if growing is None:
            return b""
        growing.seal(status)
        index = self._next() - 1
        return growing.ended() + self._emit(s.ResponseOutputItemDoneEvent, output_index=index, item=growing.item)

    def _conclude(self, reason: str) -> bytes:
        """A response has an item, if only a message that says nothing."""
        self._reason = reason
        began = b"" if self.response.output else self._begin(Message(self._emit, 0))
        return began + self._done("incomplete" if reason in INCOMPLETE else "completed")

    def _emit(self, kind: type[msgspec.Struct], **fields: Any) -> bytes:
        event = kind(sequence_number=self._events, **fields)
        self._events += 1
        return b"event: %b\ndata: %b\n\n" % (str(kind.__struct_config__.tag).encode(), encode(event))


def begun(body: s.ResponseRequest, turn: Turn, stream: AnswerStream[Any]) -> s.Response:
    """A response before its first token: what was asked, with the defaults in place."""
    text = given(body.text, s.ResponseTextConfig())
    reasoning = given(body.reasoning, s.ResponseReasoningConfig())
    return s.Response(
        id=new_id("resp_"),
        object="response",
        created_at=stream.created_s,
        completed_at=None,
        status="in_progress",
        incomplete_details=None,
        error=None,
        model=stream.model,
        previous_response_id=turn.previous_id,
        instructions=given(body.instructions, None),
        output=[],
        usage=None,
        tools=[shown(tool) for tool in given(body.tools, [])],
        tool_choice=given(body.tool_choice, "auto"),
        parallel_tool_calls=given(body.parallel_tool_calls, True),
        max_tool_calls=given(body.max_tool_calls, None),
        truncation="disabled",
        text=s.ResponseTextConfig(format=text.format or s.ResponseFormatText(), verbosity=text.verbosity or "medium"),
        reasoning=s.ResponseReasoningConfig(
            effort=reasoning.effort or None, summary=reasoning.summary or reasoning.generate_summary or None
        ),
        temperature=given(body.temperature, 1.0),
        top_p=given(body.top_p, 1.0),
        presence_penalty=given(body.presence_penalty, 0.0),
        frequency_penalty=given(body.frequency_penalty, 0.0),
        top_logprobs=given(body.top_logprobs, 0),
        max_output_tokens=given(body.max_output_tokens, None),
        store=given(body.store, True),
        background=False,
        service_tier="default",
        metadata=given(body.metadata, {}),
        user=given(body.user, None),
        safety_identifier=given(body.safety_identifier, None),
        prompt_cache_key=given(body.prompt_cache_key, None),
    )


def shown(tool: s.ResponseTool) -> s.ResponseTool:
    """With null for what was left out: clients look for every key."""
    if isinstance(tool, s.ResponseServerTools):
        return tool
    return msgspec.structs.replace(
        tool,
        description=given(tool.description, None),
        parameters=given(tool.parameters, None),
        strict=given(tool.strict, None),
    )


def output_text(text: str, logprobs: list[s.TokenLogprob]) -> s.ResponseOutputText:
    return s.ResponseOutputText(text=text, annotations=[], logprobs=logprobs)


def usage_of(stream: AnswerStream[Any]) -> s.ResponseUsage:
    """Details are sub-counts, never extra."""
    usage = stream.usage()
    return s.ResponseUsage(
        input_tokens=usage.prompt_tokens,
        input_tokens_details=s.ResponseInputTokensDetails(cached_tokens=usage.cached_tokens, cache_write_tokens=0),
        output_tokens=usage.completion_tokens,
        output_tokens_details=s.ResponseOutputTokensDetails(reasoning_tokens=usage.reasoning_tokens),
        total_tokens=usage.prompt_tokens + usage.completion_tokens,
        code="budget_exhausted" if stream.exhausted else UNSET,
    )
