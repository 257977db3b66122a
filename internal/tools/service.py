"""ToolExecutionService over the registry."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator
from typing import Any

from gen import tool_execution_pb2 as pb
from gen import tool_execution_pb2_grpc as rpc

from internal.tools.registry import Registry

log = logging.getLogger("novai.tools")

SERVICE = pb.DESCRIPTOR.services_by_name["ToolExecutionService"].full_name


class ToolExecution(rpc.ToolExecutionServiceServicer):
    def __init__(self, registry: Registry) -> None:
        self._registry = registry

    async def ListTools(self, request: pb.ListToolsRequest, context: Any) -> AsyncIterator[pb.ToolList]:  # noqa: N802 (gRPC's name)
        async for tools in self._registry.listings():
            yield pb.ToolList(
                tools=[
                    pb.Tool(
                        name=tool.name,
                        description=tool.description,
                        parameters_json=tool.parameters,
                        server=tool.server,
                    )
                    for tool in tools
                ]
            )

    async def ExecuteTool(self, request: pb.ExecuteToolRequest, context: Any) -> pb.ExecuteToolResponse:  # noqa: N802 (as above)
        result = await self._registry.execute(request.name, request.arguments)
        log.info("%s %s %s", request.request_id, request.name, "failed" if result.failed else "answered")
        return pb.ExecuteToolResponse(output=result.output, failed=result.failed)
