"""Process: the tool server. `python -m internal.tool_server`, settings in `internal/tools/settings.py`.

Reads tools.yaml and offers what it names: tools of its own, of other tool servers, of MCP servers. Health says SERVING
from the start; servers that are away come when they come. SIGTERM lets running calls end; a setting that cannot work
ends with one line on stderr and code 1.
"""

from __future__ import annotations

import asyncio
import sys

from gen import tool_execution_pb2_grpc as rpc

from internal.config import ConfigError
from internal.serving import listening, setup_logging, stop_signal
from internal.tools.base import Source
from internal.tools.file import OWN, ServerConfig, ToolsFile, load_tools
from internal.tools.mcp_bridge import McpTools
from internal.tools.registry import Origin, Registry
from internal.tools.remote import RemoteTools
from internal.tools.service import SERVICE, ToolExecution
from internal.tools.settings import ToolServerSettings
from internal.tools.shipped import Shipped
from internal.upstream.secrets import read_secret


async def serve(settings: ToolServerSettings) -> None:
    """Runs until SIGTERM. Raises ConfigError."""
    stop = stop_signal()
    registry = Registry(origins(load_tools(settings.file)))
    server = listening("NOVAI_TOOLS_LISTEN", settings.listen, SERVICE, settings.grpc_token)
    rpc.add_ToolExecutionServiceServicer_to_server(ToolExecution(registry), server.server)
    following = asyncio.create_task(registry.run())
    try:
        await server.start()
        await server.ready()
        await stop.wait()
    finally:
        registry.close()
        await server.drain(settings.drain_s)
        following.cancel()
        await asyncio.gather(following, return_exceptions=True)


def origins(file: ToolsFile) -> list[Origin]:
    """Raises ConfigError."""
    return [Origin(OWN, Shipped(file.tools), file.limits), *map(origin, file.servers)]


def origin(server: ServerConfig) -> Origin:
    chosen = None if server.tools is None else frozenset(server.tools)
    return Origin(server.name, source(server), server.limits, chosen, server.prefix)


def source(server: ServerConfig) -> Source:
    if server.address:
        token = read_secret(server.token).reveal() if server.token else ""
        return RemoteTools(server.name, server.address, token)
    return McpTools(server)


def main() -> None:
    setup_logging("tools")
    try:
        asyncio.run(serve(ToolServerSettings.from_env()))
    except ConfigError as error:
        sys.exit(f"error: {error}")


if __name__ == "__main__":
    main()
