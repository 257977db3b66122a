"""The edge's side of tools: a tool server that cannot be believed, and what belongs to whom in a round."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import grpc
import pytest
from gen import inference_pb2 as pb
from gen import tool_execution_pb2_grpc as rpc

from api.clients.tools import Round, ToolServer, withdraw
from api.domain import ToolCall, ToolResult, WantedTool
from api.errors import InvalidRequestError, OverloadedError
from internal.dev.processes import free_port
from internal.serving import GrpcServer
from tests.tool_servers import Misbehaving, misbehaving


@asynccontextmanager
async def connected(address: str, token: str = "") -> AsyncIterator[ToolServer]:
    """Once it knows the tools."""
    server = ToolServer(address, token)
    await server.start()
    try:
        while offered(server) is None:
            await asyncio.sleep(0.005)
        yield server
    finally:
        await server.aclose()


def offered(server: ToolServer, name: str = "echo") -> pb.Chat | None:
    chat = pb.Chat()
    try:
        server.offer(chat, [WantedTool(name, "tools[0].name")])
    except OverloadedError:
        return None
    return chat


def calling(name: str, arguments: str = "{}") -> ToolCall:
    return ToolCall(0, "call_1", "odd", name, arguments)


@pytest.fixture
async def odd() -> AsyncIterator[tuple[Misbehaving, str]]:
    async with misbehaving("secret") as running:
        yield running


async def test_what_is_offered(odd: tuple[Misbehaving, str]) -> None:
    async with connected(odd[1], "secret") as server:
        chat = pb.Chat(tools=[pb.Tool(name="weather")])
        assert server.offer(chat, [WantedTool("echo", "p"), WantedTool("hang", "q", "odd")]) == {
            "echo": "odd",
            "hang": "odd",
        }
        assert [tool.name for tool in chat.tools] == ["weather", "echo", "hang"]
        assert chat.tools[1].description == "Says it again."
        for wanted in (WantedTool("compass", "p"), WantedTool("echo", "p", "other")):
            with pytest.raises(InvalidRequestError, match="'echo' of 'odd'") as caught:
                server.offer(chat, [wanted])
            assert (caught.value.param, caught.value.code) == ("p", "unknown_tool")


async def test_results_of_a_server_that_cannot_be_believed(odd: tuple[Misbehaving, str]) -> None:
    async with connected(odd[1], "secret") as server:
        assert await server.execute(calling("echo", '{"a": 1}'), "req_1", 60) == ToolResult('{"a": 1}', failed=False)
        assert await server.execute(calling("hang"), "req_1", 0.05) == ToolResult(
            "The tool did not answer in time.", failed=True
        )
        assert (await server.execute(calling("huge"), "req_1", 60)).output == "The tool returned more than 4 MiB."
        assert await server.execute(calling("broken"), "req_1", 60) == ToolResult(
            "The tool server failed.", failed=True
        )


async def test_a_call_that_is_given_up_is_cancelled_there(odd: tuple[Misbehaving, str]) -> None:
    service, address = odd
    async with connected(address, "secret") as server:
        call = asyncio.create_task(server.execute(calling("hang"), "req_1", 60))
        while not service.hanging:
            await asyncio.sleep(0.005)
        call.cancel()
        while service.hanging:
            await asyncio.sleep(0.005)
        with pytest.raises(asyncio.CancelledError):
            await call


async def test_a_server_that_goes_away_keeps_its_tools() -> None:
    async with misbehaving() as (_, address):
        server = ToolServer(address, "")
        await server.start()
        while offered(server) is None:
            await asyncio.sleep(0.005)
    assert offered(server) is not None
    assert await server.execute(calling("echo"), "req_1", 60) == ToolResult("The tool server is away.", failed=True)
    await server.aclose()


async def test_until_the_server_has_spoken_nobody_knows_its_tools() -> None:
    server = ToolServer(f"127.0.0.1:{free_port()}", "")
    await server.start()
    with pytest.raises(OverloadedError, match="has not answered yet"):
        server.offer(pb.Chat(), [WantedTool("echo", "p")])
    assert server.offer(pb.Chat(), []) == {}
    await server.aclose()


class Refusing(rpc.ToolExecutionServiceServicer):
    calls = 0

    async def ListTools(self, request: Any, context: Any) -> None:
        self.calls += 1
        await context.abort(grpc.StatusCode.UNAUTHENTICATED, "another token")


async def test_a_server_that_refuses_us_is_told_of_once(caplog: pytest.LogCaptureFixture) -> None:
    service, listener = Refusing(), GrpcServer("127.0.0.1:0", [])
    rpc.add_ToolExecutionServiceServicer_to_server(service, listener.server)
    await listener.start()
    server = ToolServer(f"127.0.0.1:{listener.port}", "wrong")
    await server.start()
    try:
        async with asyncio.timeout(10):
            while service.calls < 3:
                await asyncio.sleep(0.005)
    finally:
        await server.aclose()
        await listener.drain(0)
    assert [message for message in caplog.messages if "another token" in message] == [
        f"the tool server at 127.0.0.1:{listener.port}: UNAUTHENTICATED another token"
    ]


async def test_without_a_server_there_are_no_tools() -> None:
    server = ToolServer("", "")
    await server.start()
    with pytest.raises(InvalidRequestError, match="no tools of its own"):
        server.offer(pb.Chat(), [WantedTool("echo", "p")])
    await server.aclose()


# ---------------------------------------------------------------- rounds


def part(index: int, name: str = "", arguments: str = "") -> pb.ToolCallDelta:
    return pb.ToolCallDelta(index=index, id=f"call_{index}" if name else "", name=name, arguments=arguments)


def test_calls_are_sorted_by_whose_they_are() -> None:
    """The caller's are numbered anew, from 0 on, and come as they were said; ours are kept."""
    spoken = Round({"ours"})
    handed = []
    for said in (
        [part(0, "ours", '{"a":')],
        [part(0, arguments=" 1}"), part(1, "theirs", "{")],
        [part(1, arguments="}")],
        [part(2, "ours", "{}"), part(3, "theirs", "[]")],
    ):
        delta = pb.Delta(tool_calls=said, tokens=1)
        if spoken.take(delta):
            handed.append([(call.index, call.id, call.arguments) for call in delta.tool_calls])
    assert handed == [[(0, "call_1", "{")], [(0, "", "}")], [(1, "call_3", "[]")]]
    assert [(call.id, call.name, call.arguments) for call in spoken.calls] == [
        ("call_0", "ours", '{"a": 1}'),
        ("call_2", "ours", "{}"),
    ]
    assert spoken.handed_over


def test_the_end_is_kept_back() -> None:
    spoken = Round({"ours"})
    last = pb.Delta(text="so", finish=pb.STOP, stop_sequence="\n")
    assert spoken.take(last)
    assert not last.finish
    assert not spoken.take(pb.Delta(finish=pb.STOP))
    assert spoken.finish == pb.STOP
    assert not spoken.handed_over


def asked(**chat: object) -> pb.GenerateRequest:
    messages = [pb.Message(role="user", parts=[pb.Part(text="x")])]
    return pb.GenerateRequest(chat=pb.Chat(**({"messages": messages} | chat)))  # type: ignore[arg-type]


def spoken_round() -> Round:
    spoken = Round({"ours"})
    spoken.take(pb.Delta(reasoning="hm", text="wait"))
    spoken.take(pb.Delta(tool_calls=[part(0, "ours", "{}"), part(1, "ours", "[]")], finish=pb.TOOL_CALLS))
    return spoken


def test_the_next_round_has_seen_the_results() -> None:
    request = asked(tool_choice=pb.ToolChoice(mode=pb.ToolChoice.REQUIRED))
    following = spoken_round().continued(request, [ToolResult("one", False), ToolResult("no", True)])
    _, said, first, second = following.chat.messages
    assert (said.role, said.reasoning, said.parts[0].text) == ("assistant", "hm", "wait")
    assert [call.id for call in said.tool_calls] == ["call_0", "call_1"]
    assert [(m.role, m.tool_call_id, m.parts[0].text) for m in (first, second)] == [
        ("tool", "call_0", "one"),
        ("tool", "call_1", "no"),
    ]
    assert following.chat.tool_choice.mode == pb.ToolChoice.AUTO
    assert len(request.chat.messages) == 1


@pytest.mark.parametrize(
    ("choice", "later"),
    [
        (pb.ToolChoice(mode=pb.ToolChoice.REQUIRED, allowed=["ours"], forced=True), pb.ToolChoice()),
        (pb.ToolChoice(mode=pb.ToolChoice.REQUIRED, allowed=["ours"]), pb.ToolChoice(allowed=["ours"])),
        (pb.ToolChoice(allowed=["ours"]), pb.ToolChoice(allowed=["ours"])),
    ],
    ids=["a named tool", "required of those allowed", "those allowed"],
)
def test_a_forced_choice_holds_for_the_first_round_and_allowed_tools_for_all(
    choice: pb.ToolChoice, later: pb.ToolChoice
) -> None:
    following = spoken_round().continued(
        asked(tool_choice=choice), [ToolResult("one", False), ToolResult("two", False)]
    )
    assert following.chat.tool_choice == later


def test_a_message_that_was_continued_stays_one() -> None:
    messages = [
        pb.Message(role="user", parts=[pb.Part(text="x")]),
        pb.Message(role="assistant", parts=[pb.Part(text="Well, ")]),
    ]
    request = asked(messages=messages, continue_final_message=True)
    chat = spoken_round().continued(request, [ToolResult("one", False), ToolResult("no", True)]).chat
    assert [message.role for message in chat.messages] == ["user", "assistant", "tool", "tool"]
    assert [item.text for item in chat.messages[1].parts] == ["Well, ", "wait"]
    assert not chat.continue_final_message


def test_tools_that_are_withdrawn() -> None:
    chat = pb.Chat(tools=[pb.Tool(name="ours"), pb.Tool(name="theirs")])
    withdraw(chat, {"ours"})
    assert [tool.name for tool in chat.tools] == ["theirs"]
    assert chat.tool_choice.mode == pb.ToolChoice.AUTO
    alone = pb.Chat(tools=[pb.Tool(name="ours")])
    withdraw(alone, {"ours"})
    assert [tool.name for tool in alone.tools] == ["ours"]
    assert alone.tool_choice.mode == pb.ToolChoice.NONE


def test_a_choice_names_no_tools_that_are_withdrawn() -> None:
    """Workers refuse a choice of tools that are not there."""
    tools = [pb.Tool(name="ours"), pb.Tool(name="theirs")]
    chat = pb.Chat(tools=tools, tool_choice=pb.ToolChoice(allowed=["ours", "theirs"]))
    withdraw(chat, {"ours"})
    assert ([tool.name for tool in chat.tools], list(chat.tool_choice.allowed)) == (["theirs"], ["theirs"])
    held = pb.Chat(tools=tools, tool_choice=pb.ToolChoice(mode=pb.ToolChoice.REQUIRED, allowed=["ours"]))
    withdraw(held, {"ours"})
    assert [tool.name for tool in held.tools] == ["ours", "theirs"]
    assert held.tool_choice == pb.ToolChoice(mode=pb.ToolChoice.NONE)
