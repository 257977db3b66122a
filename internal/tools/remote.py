"""Tools of another tool server that speaks `proto/tool_execution.proto`."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from functools import partial
from typing import Any

import grpc
import grpc.aio
import msgspec
from gen import tool_execution_pb2 as pb
from gen import tool_execution_pb2_grpc as rpc

from internal.serving import KEEPALIVE
from internal.tools.base import Offer, Tool, ToolError

log = logging.getLogger("novai.tools")

RETRY_S = 1.0
MAX_MESSAGE_BYTES = 4 << 20  # of a listing, or a result
BROKEN = "The server of this tool failed."
REASONS = {
    grpc.StatusCode.UNAVAILABLE: "The server of this tool is away.",
    grpc.StatusCode.RESOURCE_EXHAUSTED: f"The tool returned more than {MAX_MESSAGE_BYTES >> 20} MiB.",
}


class RemoteTools:
    """Implements `base.Source`. Calls run within whatever deadline their caller has, and are cancelled with it."""

    def __init__(self, name: str, address: str, token: str) -> None:
        self._name = name
        self._address = address
        self._metadata = (("authorization", f"Bearer {token}"),) if token else ()

    async def run(self, offer: Offer) -> None:
        options = [*KEEPALIVE, ("grpc.max_receive_message_length", MAX_MESSAGE_BYTES)]
        async with grpc.aio.insecure_channel(self._address, options=options) as channel:
            stub: Any = rpc.ToolExecutionServiceStub(channel)
            while True:
                try:
                    async for listing in stub.ListTools(pb.ListToolsRequest(), metadata=self._metadata):
                        offer(self._tools(stub, listing.tools))
                except grpc.aio.AioRpcError as error:
                    log.warning("%s at %s: %s", self._name, self._address, error.code().name)
                await asyncio.sleep(RETRY_S)

    def _tools(self, stub: Any, tools: Sequence[pb.Tool]) -> list[Tool]:
        return [
            Tool(tool.name, tool.description, tool.parameters_json, partial(self._call, stub, tool.name))
            for tool in tools
        ]

    async def _call(self, stub: Any, name: str, arguments: dict[str, Any]) -> str:
        """Raises ToolError."""
        request = pb.ExecuteToolRequest(name=name, arguments=msgspec.json.encode(arguments).decode())
        try:
            answer = await stub.ExecuteTool(request, metadata=self._metadata)
        except grpc.aio.AioRpcError as error:
            raise ToolError(REASONS.get(error.code(), BROKEN)) from None
        if answer.failed:
            raise ToolError(answer.output)
        return str(answer.output)
