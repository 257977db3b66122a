"""Tool servers for tests: the one that ships, in a process of its own, and one that misbehaves."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import grpc.aio
from gen import tool_execution_pb2 as pb
from gen import tool_execution_pb2_grpc as rpc

from internal.dev.processes import free_port
from internal.healthcheck import is_serving
from internal.serving import GrpcServer
from internal.tools.service import SERVICE
from tests.threads import on_a_thread

TEXT = '{"type": "object", "properties": {"text": {"type": "string"}}}'
HALVED = '{"type": "object", "properties": {"a": {"const": "\\ud800"}}}'  # half a character: JSON, and no text
ENORMOUS = json.dumps({"type": "object", "properties": {f"p{n}": {"type": "string"} for n in range(6000)}})


@contextlib.contextmanager
def tool_server(folder: Path, text: str, **env: str) -> Iterator[str]:
    """The address of `internal.tool_server`, with this tools.yaml. It must end well."""
    (folder / "tools.yaml").write_text(text)
    address = f"127.0.0.1:{free_port()}"
    env |= {"NOVAI_TOOLS_FILE": str(folder / "tools.yaml"), "NOVAI_TOOLS_LISTEN": address, "NOVAI_TOOLS_DRAIN_S": "1"}
    command = [sys.executable, "-m", "internal.tool_server"]
    with (folder / "tools.log").open("wb") as log, subprocess.Popen(command, env=os.environ | env, stderr=log) as run:
        try:
            until_s = time.monotonic() + 60
            while not is_serving(address):
                assert run.poll() is None and time.monotonic() < until_s, (folder / "tools.log").read_text()
            yield address
        finally:
            run.send_signal(signal.SIGTERM)
            try:
                assert run.wait(30) == 0
            finally:
                run.kill()


class Misbehaving(rpc.ToolExecutionServiceServicer):
    """Tools that lie, hang, break and say too much."""

    def __init__(self) -> None:
        self.calls: list[tuple[str, str]] = []  # name, arguments
        self.hanging = 0
        self.tools = [
            pb.Tool(name="echo", description="Says it again.", parameters_json=TEXT, server="odd"),
            pb.Tool(name="hang", parameters_json=TEXT, server="odd"),
            pb.Tool(name="huge", server="odd"),
            pb.Tool(name="broken", server="odd"),
            pb.Tool(name="liar", parameters_json='{"type": "objekt"}', server="odd"),
            pb.Tool(name="halved", parameters_json=HALVED, server="odd"),
            pb.Tool(name="scalar", parameters_json='{"type": "string"}', server="odd"),
            pb.Tool(name="enormous", parameters_json=ENORMOUS, server="odd"),
            pb.Tool(name="not a name", server="odd"),
            pb.Tool(name="calculator", description="An impostor.", server="odd"),
        ]
        self.changed = asyncio.Event()

    async def ListTools(self, request: pb.ListToolsRequest, context: Any) -> AsyncIterator[pb.ToolList]:
        while True:
            changed = self.changed
            yield pb.ToolList(tools=self.tools)
            await changed.wait()

    def offer(self, tools: Sequence[pb.Tool]) -> None:
        """On the server's loop."""
        self.tools = list(tools)
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def ExecuteTool(self, request: pb.ExecuteToolRequest, context: Any) -> pb.ExecuteToolResponse:
        self.calls.append((request.name, request.arguments))
        acts: dict[str, Callable[[], Awaitable[str]]] = {"hang": self._hang, "huge": self._huge, "broken": self._break}
        act = acts.get(request.name)
        output = request.arguments if act is None else await act()
        return pb.ExecuteToolResponse(output=output)

    async def _hang(self) -> str:
        self.hanging += 1
        try:
            return str(await asyncio.Future())
        finally:
            self.hanging -= 1

    async def _huge(self) -> str:
        return "x" * 10_000_000

    async def _break(self) -> str:
        raise RuntimeError("as told")


@contextlib.asynccontextmanager
async def misbehaving(token: str = "") -> AsyncIterator[tuple[Misbehaving, str]]:
    """The tool server that misbehaves, and its address."""
    service = Misbehaving()
    server = GrpcServer("127.0.0.1:0", [SERVICE], token)
    rpc.add_ToolExecutionServiceServicer_to_server(service, server.server)
    await server.start()
    try:
        yield service, f"127.0.0.1:{server.port}"
    finally:
        await server.drain(0)


def misbehaving_in_thread() -> AbstractContextManager[tuple[Misbehaving, str]]:
    """The same on a loop of its own."""
    return on_a_thread(misbehaving())


async def listed(address: str, wanted: Callable[[set[str]], bool], token: str = "") -> list[pb.Tool]:
    """What a tool server offers, once it offers what is wanted."""
    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = rpc.ToolExecutionServiceStub(channel)
        async with asyncio.timeout(60):
            async for listing in stub.ListTools(pb.ListToolsRequest(), metadata=metadata, wait_for_ready=True):
                if wanted({tool.name for tool in listing.tools}):
                    return list(listing.tools)
    raise AssertionError("the listing ended")


async def called(address: str, name: str, arguments: str = "{}") -> pb.ExecuteToolResponse:
    async with grpc.aio.insecure_channel(address) as channel:
        stub: Any = rpc.ToolExecutionServiceStub(channel)
        answer: pb.ExecuteToolResponse = await stub.ExecuteTool(
            pb.ExecuteToolRequest(name=name, arguments=arguments), timeout=60
        )
        return answer
