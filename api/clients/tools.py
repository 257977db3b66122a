"""The tool server: which tools there are, calls of them, and what a model reads of these.

What it offers is kept while it is away: calls fail then, each with a reason for the model, and nothing else does.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Collection, Iterable, Sequence

import grpc
import grpc.aio
from gen import inference_pb2, tool_execution_pb2_grpc
from gen import tool_execution_pb2 as pb

from api.clients.channel import CHANNEL_OPTIONS, bearer
from api.clients.session import STOP, TOOL_CALLS, Chat, Delta, GenerateRequest
from api.domain import ToolCall, ToolResult, WantedTool
from api.errors import InvalidRequestError, OverloadedError

log = logging.getLogger("novai.tools")

RETRY_S = 0.5
MAX_MESSAGE_BYTES = 4 << 20  # of a listing, or a result
OPTIONS = list((dict(CHANNEL_OPTIONS) | {"grpc.max_receive_message_length": MAX_MESSAGE_BYTES}).items())

REASONS = {
    grpc.StatusCode.DEADLINE_EXCEEDED: "The tool did not answer in time.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: f"The tool returned more than {MAX_MESSAGE_BYTES >> 20} MiB.",
    grpc.StatusCode.UNAVAILABLE: "The tool server is away.",
}
BROKEN = "The tool server failed."


class ToolServer:
    """`start` → `offer`, `execute`* → `aclose`. An empty address: there are no tools."""

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._metadata = bearer(token)
        self._tools: dict[str, pb.Tool] | None = None  # by name; None: it has not said yet
        self._following: asyncio.Task[None] | None = None

    async def start(self) -> None:
        if self._address:
            self._channel = grpc.aio.insecure_channel(self._address, options=OPTIONS)
            self._stub = tool_execution_pb2_grpc.ToolExecutionServiceStub(self._channel)
            self._following = asyncio.create_task(self._follow())

    async def aclose(self) -> None:
        if self._following is not None:
            self._following.cancel()
            await asyncio.gather(self._following, return_exceptions=True)
            await self._channel.close()

    def offer(self, chat: Chat, asked: Iterable[WantedTool]) -> dict[str, str]:
        """Adds tools to what the model may call; which server runs each, by its name.

        Raises InvalidRequestError for a tool that there is not, OverloadedError while nobody knows.
        """
        servers = {}
        for wanted in asked:
            tool = self._known(wanted.param).get(wanted.name)
            if tool is None or wanted.server not in ("", tool.server):
                raise self._unknown(wanted)
            chat.tools.add(name=tool.name, description=tool.description, parameters_json=tool.parameters_json)
            servers[tool.name] = tool.server
        return servers

    async def execute(self, call: ToolCall, request_id: str, timeout_s: float) -> ToolResult:
        """What the model reads. Whatever goes wrong is a result that failed."""
        request = pb.ExecuteToolRequest(name=call.name, arguments=call.arguments, request_id=request_id)
        try:
            answer = await self._stub.ExecuteTool(request, timeout=timeout_s, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            log.warning("%s: the tool %s: %s", request_id, call.name, error.code().name)
            return ToolResult(REASONS.get(error.code(), BROKEN), failed=True)
        return ToolResult(answer.output, answer.failed)

    def _known(self, param: str) -> dict[str, pb.Tool]:
        if not self._address:
            raise InvalidRequestError(
                "This server has no tools of its own. Offer functions, and run them yourself.",
                param=param,
                code="unsupported_value",
            )
        if self._tools is None:
            raise OverloadedError("The tool server has not answered yet. Please try again in 1s.", retry_after_ms=1000)
        return self._tools

    def _unknown(self, wanted: WantedTool) -> InvalidRequestError:
        known = (self._tools or {}).values()
        there = ", ".join(f"'{tool.name}' of '{tool.server}'" for tool in known) or "none"
        of = f" of '{wanted.server}'" if wanted.server else ""
        return InvalidRequestError(
            f"There is no tool '{wanted.name}'{of} here. There are: {there}.",
            param=wanted.param,
            code="unknown_tool",
        )

    async def _follow(self) -> None:
        told = ""
        while True:
            try:
                async for listing in self._stub.ListTools(pb.ListToolsRequest(), metadata=self._metadata):
                    self._tools = {tool.name: tool for tool in listing.tools}
                    told = ""
            except grpc.aio.AioRpcError as error:
                if (reason := error.code().name) != told:  # a long outage is told of once
                    log.warning("the tool server at %s: %s %s", self._address, reason, error.details())
                told = reason
            await asyncio.sleep(RETRY_S)


class Round:
    """What a model says in one round: calls of the server's tools are kept here, everything else is its caller's."""

    def __init__(self, servers: Collection[str]) -> None:
        """`servers`: names of the tools that the server runs."""
        self.finish = inference_pb2.FINISH_UNSPECIFIED  # why it ended
        self._stop_sequence = ""
        self._own = servers
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._calls: dict[int, inference_pb2.ToolCall] = {}  # by the model's index
        self._handed: dict[int, int] = {}  # of calls that are the caller's: the model's index → theirs

    @property
    def calls(self) -> Sequence[inference_pb2.ToolCall]:
        return list(self._calls.values())

    @property
    def handed_over(self) -> bool:
        """The caller has calls to answer."""
        return bool(self._handed)

    def take(self, delta: Delta) -> bool:
        """Takes out of a delta what is not the caller's, its end too; whether anything is left."""
        if delta.text:
            self._text.append(delta.text)
        if delta.reasoning:
            self._reasoning.append(delta.reasoning)
        if delta.tool_calls:
            self._sort(delta)
        if delta.finish:
            self.finish, self._stop_sequence = delta.finish, delta.stop_sequence
            delta.ClearField("finish")
        return bool(delta.text or delta.reasoning or delta.logprobs or delta.tool_calls)

    @property
    def end(self) -> Delta:
        """The end, for its caller, who has no calls to answer where all were of the server's tools."""
        only_ours = self.finish == TOOL_CALLS and not self.handed_over
        return Delta(finish=STOP if only_ours else self.finish, stop_sequence=self._stop_sequence)

    def continued(self, request: GenerateRequest, results: Sequence[ToolResult]) -> GenerateRequest:
        """The request of the next round: the model has seen the results, and is held to no tool any more."""
        following = GenerateRequest()
        following.CopyFrom(request)
        chat = following.chat
        said = chat.messages[-1] if chat.continue_final_message else chat.messages.add(role="assistant")
        said.reasoning = "".join(self._reasoning)
        if self._text:
            said.parts.add(text="".join(self._text))
        said.tool_calls.extend(self.calls)
        for call, result in zip(self.calls, results, strict=True):
            chat.messages.add(role="tool", tool_call_id=call.id).parts.add(text=result.output)
        chat.continue_final_message = False
        if chat.tool_choice.forced:
            chat.ClearField("tool_choice")
        elif chat.tool_choice.mode == inference_pb2.ToolChoice.REQUIRED:
            chat.tool_choice.mode = inference_pb2.ToolChoice.AUTO
        return following

    def _sort(self, delta: Delta) -> None:
        parts = list(delta.tool_calls)
        del delta.tool_calls[:]
        for part in parts:
            if part.id and part.name in self._own:
                self._calls[part.index] = inference_pb2.ToolCall(id=part.id, name=part.name)
            if part.index in self._calls:
                self._calls[part.index].arguments += part.arguments
            else:
                part.index = self._handed.setdefault(part.index, len(self._handed))
                delta.tool_calls.append(part)


def withdraw(chat: Chat, names: Collection[str]) -> None:
    """Tools that may not be called any more. Where no others may be, all stay in the prompt, whose beginning is
    cached."""
    others = [tool for tool in chat.tools if tool.name not in names]
    allowed = [name for name in chat.tool_choice.allowed if name not in names]
    if others and (allowed or not chat.tool_choice.allowed):
        del chat.tools[:]
        chat.tools.extend(others)
        chat.tool_choice.allowed[:] = allowed
    else:
        chat.tool_choice.CopyFrom(inference_pb2.ToolChoice(mode=inference_pb2.ToolChoice.NONE))
