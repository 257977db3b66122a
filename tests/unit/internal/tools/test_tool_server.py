"""The tool server as it ships, with a tool server that misbehaves and real MCP servers behind it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import grpc
import grpc.aio
import psutil
import pytest
from gen import tool_execution_pb2 as pb
from gen import tool_execution_pb2_grpc as rpc

from internal.dev.processes import free_port
from tests.processes import program
from tests.tool_servers import Misbehaving, called, listed, misbehaving, tool_server

MCP = json.dumps([sys.executable, "-m", "tests.mcp_server"])
FILE = """
tools: [calculator, current_time]
limits: {{max_argument_bytes: 2000}}
servers:
  - {{name: slow, address: "{address}", tools: [hang], limits: {{timeout_s: 0.3}}}}
  - {{name: odd, address: "{address}", limits: {{max_result_bytes: 1000}}}}
  - name: mcp
    command: {command}
    env: {{COLOUR: env:TEST_COLOUR}}
    prefix: mcp_
  - name: web
    url: http://127.0.0.1:{port}/mcp
    tools: [add, hang, huge]
    prefix: web_
    limits: {{timeout_s: 3, max_result_bytes: 1000}}
"""
OFFERED = {"calculator", "current_time", "echo", "hang", "huge", "broken", "web_add", "web_hang", "web_huge"}
OFFERED |= {f"mcp_{name}" for name in ("add", "environment", "measured", "hang", "huge", "flood", "broken", "end")}


@pytest.fixture(scope="module")
async def behind(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[tuple[Misbehaving, str]]:
    """The tool server that misbehaves, and the address of the one before it."""
    folder, port = tmp_path_factory.mktemp("tools"), free_port()
    with program("tests.mcp_server", {}, str(port)):
        async with misbehaving() as (service, odd):
            file = FILE.format(address=odd, command=MCP, port=port)
            with tool_server(folder, file, TEST_COLOUR="green") as address:
                await listed(address, lambda names: names >= OFFERED)
                yield service, address


@pytest.fixture(scope="module")
def address(behind: tuple[Misbehaving, str]) -> str:
    return behind[1]


async def test_what_is_in_order_is_offered_and_nothing_else(address: str) -> None:
    tools = {tool.name: tool for tool in await listed(address, lambda names: names >= OFFERED)}
    assert set(tools) == OFFERED
    assert {name: tool.server for name, tool in tools.items()}["calculator"] == "novai"
    assert tools["mcp_add"].server == "mcp"
    assert tools["mcp_add"].description == "Adds."
    assert set(json.loads(tools["mcp_add"].parameters_json)["properties"]) == {"a", "b"}


@pytest.mark.parametrize(
    ("name", "arguments", "output"),
    [
        ("calculator", '{"expression": "6 * 7"}', "42"),
        ("echo", '{"text": "ä 👋"}', '{"text":"ä 👋"}'),
        ("mcp_add", '{"a": 2, "b": 3}', "5"),
        ("web_add", '{"a": 2, "b": 3}', "5"),
        ("mcp_environment", '{"name": "COLOUR"}', "green"),
        ("mcp_environment", '{"name": "TEST_COLOUR"}', "not there"),
        ("mcp_measured", "", '{\n  "metres": 7\n}'),
    ],
)
async def test_calls(address: str, name: str, arguments: str, output: str) -> None:
    answer = await called(address, name, arguments)
    assert (answer.output, answer.failed) == (output, False)


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        ("compass", "{}", "There is no tool 'compass'."),
        ("liar", "{}", "There is no tool 'liar'."),
        ("calculator", '{"expression": "1 / 0"}', "division by zero"),
        ("calculator", "{}", '"expression" is a required property'),
        ("calculator", '{"expression": 7}', "Invalid arguments at expression: 7 is not of type"),
        ("calculator", '{"expression": "1", "x": 1}', "Additional properties"),
        ("calculator", '{"expression": "1"', "not a JSON object"),
        ("calculator", "[1]", "not a JSON object"),
        ("calculator", "[" * 1000, "not a JSON object"),
        ("calculator", json.dumps({"expression": "1" * 3000}), "longer than 2000 bytes"),
        ("hang", "{}", "did not answer within 0.3 s"),
        ("web_hang", "{}", "did not answer within 3 s"),
        ("broken", "{}", "The server of this tool failed."),
        ("huge", "{}", "more than 4 MiB"),
        ("mcp_broken", "{}", "the disk is on fire"),
    ],
)
async def test_calls_that_fail_are_answers(address: str, name: str, arguments: str, why: str) -> None:
    answer = await called(address, name, arguments)
    assert answer.failed
    assert why in answer.output
    assert len(answer.output) < 1000


async def test_invalid_arguments_reach_no_tool(behind: tuple[Misbehaving, str]) -> None:
    service, address = behind
    await called(address, "echo", '{"text": "it"}')
    await called(address, "echo", '{"text": 1}')
    assert [arguments for name, arguments in service.calls if name == "echo"][-1] == '{"text":"it"}'


async def test_ten_megabytes_are_cut(address: str) -> None:
    answer = await called(address, "web_huge")
    assert answer.output == "x" * 1000 + "\n[cut off: 1000 of 10000000 bytes]"
    assert not answer.failed


async def test_a_call_whose_caller_leaves_is_cancelled(behind: tuple[Misbehaving, str]) -> None:
    service, address = behind
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = rpc.ToolExecutionServiceStub(channel)
        call = stub.ExecuteTool(pb.ExecuteToolRequest(name="hang"))
        while not service.hanging:
            await asyncio.sleep(0.005)
        call.cancel()
    while service.hanging:
        await asyncio.sleep(0.005)


@pytest.mark.parametrize("name", ["mcp_end", "mcp_huge"])
async def test_an_mcp_server_that_ends_or_says_too_much_is_started_again(address: str, name: str) -> None:
    answer = await called(address, name)
    assert answer.failed
    assert "The server of this tool failed" in answer.output
    async with asyncio.timeout(60):
        while (await called(address, "mcp_add", '{"a": 1, "b": 1}')).output != "2":
            await asyncio.sleep(0.05)


async def test_an_mcp_server_at_a_url_that_says_too_much_is_cut_off_and_its_url_is_told_nobody(tmp_path: Path) -> None:
    port = free_port()
    url = f"http://127.0.0.1:{port}/mcp?key=sk-secret"
    with (
        program("tests.mcp_server", {}, str(port)),
        tool_server(tmp_path, f"servers: [{{name: web, url: '{url}', tools: [add, flood]}}]\n") as address,
    ):
        await listed(address, lambda names: names >= {"add", "flood"})
        answer = await called(address, "flood")
        assert answer.failed
        assert "The server of this tool failed" in answer.output
        async with asyncio.timeout(60):
            while (await called(address, "add", '{"a": 1, "b": 1}')).output != "2":
                await asyncio.sleep(0.05)
    log = (tmp_path / "tools.log").read_text()
    assert "an answer of more than 24 MiB" in log
    assert "sk-secret" not in log


async def test_a_listing_follows_its_source(behind: tuple[Misbehaving, str]) -> None:
    service, address = behind
    before = list(service.tools)
    service.offer([*before, pb.Tool(name="later")])
    await listed(address, lambda names: "later" in names)
    service.offer(before)
    await listed(address, lambda names: "later" not in names)


async def test_tools_that_are_too_long_to_be_listed_take_no_other_away(tmp_path: Path) -> None:
    """Two servers, each of which says what still fits into a message."""
    values = json.dumps({"type": "object", "properties": {"a": {"enum": [f"{n:060}" for n in range(900)]}}})
    async with misbehaving() as (one, first), misbehaving() as (two, second):
        one.offer([pb.Tool(name=f"long{n}", parameters_json=values) for n in range(64)])
        two.offer([pb.Tool(name=f"longer{n}", parameters_json=values) for n in range(64)])
        servers = "".join(f"\n  - {{name: {name}, address: '{at}'}}" for name, at in (("one", first), ("two", second)))
        with tool_server(tmp_path, f"tools: [calculator]\nservers:{servers}\n") as address:
            await listed(address, lambda names: "calculator" in names and len(names) > 40)
            while "too long to be listed" not in (tmp_path / "tools.log").read_text():
                await asyncio.sleep(0.05)
            assert await listed(address, lambda names: "calculator" in names)


async def test_a_server_that_is_away_keeps_its_tools_and_says_so(tmp_path: Path) -> None:
    async with contextlib.AsyncExitStack() as stack:
        _, odd = await stack.enter_async_context(misbehaving("secret"))
        file = f'servers: [{{name: odd, address: "{odd}", token: env:TEST_TOKEN, tools: [echo]}}]'
        with tool_server(tmp_path, file, TEST_TOKEN="secret") as address:
            await listed(address, lambda names: names == {"echo"})
            assert (await called(address, "echo")).output == "{}"
            await stack.aclose()
            answer = await called(address, "echo")
            assert (answer.output, answer.failed) == ("The server of this tool is away.", True)
            await listed(address, lambda names: names == {"echo"})


async def test_nothing_is_left_behind(tmp_path: Path) -> None:
    """An MCP server dies with the tool server, even when that is killed."""
    env = {"NOVAI_TOOLS_FILE": str(tmp_path / "tools.yaml"), "NOVAI_TOOLS_LISTEN": f"127.0.0.1:{free_port()}"}
    (tmp_path / "tools.yaml").write_text(f"servers: [{{name: mcp, command: {MCP}}}]")
    with program("internal.tool_server", env) as process:
        await listed(env["NOVAI_TOOLS_LISTEN"], lambda names: "add" in names)
        children = psutil.Process(process.pid).children(recursive=True)
        assert children
    while any(child.is_running() and child.status() != psutil.STATUS_ZOMBIE for child in children):
        await asyncio.sleep(0.01)


async def test_who_listens_does_not_keep_it_from_ending(tmp_path: Path) -> None:
    address = f"127.0.0.1:{free_port()}"
    (tmp_path / "tools.yaml").write_text("tools: [calculator]")
    env = {"NOVAI_TOOLS_FILE": str(tmp_path / "tools.yaml"), "NOVAI_TOOLS_LISTEN": address}
    with program("internal.tool_server", env | {"NOVAI_TOOLS_DRAIN_S": "600"}) as process:
        async with grpc.aio.insecure_channel(address) as channel:
            stub: Any = rpc.ToolExecutionServiceStub(channel)
            listings = aiter(stub.ListTools(pb.ListToolsRequest(), wait_for_ready=True))
            while not (await anext(listings)).tools:
                continue
            process.terminate()
            with pytest.raises(StopAsyncIteration):
                await anext(listings)
            assert await asyncio.to_thread(process.wait, 60) == 0


def test_a_file_that_cannot_work_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tools.yaml").write_text("tools: [compass]")
    env = {"NOVAI_TOOLS_FILE": str(tmp_path / "tools.yaml"), "PATH": "", "PYTHONPATH": ":".join(sys.path)}
    command = [sys.executable, "-m", "internal.tool_server"]
    run = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert run.returncode == 1
    assert run.stderr.startswith("error: ")
    assert "there is no tool 'compass'" in run.stderr
    assert run.stderr.count("\n") == 1
