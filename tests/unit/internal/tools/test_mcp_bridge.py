"""When an MCP server is started again."""

from __future__ import annotations

import asyncio
import sys

from internal.tools.file import ServerConfig
from internal.tools.mcp_bridge import McpTools

SERVER = """
import sys
from mcp.server.mcpserver import MCPServer

class Shy(MCPServer):
    async def list_tools(self):
        raise RuntimeError("not today")

Shy("shy").run()
"""


async def test_who_never_lists_its_tools_is_started_less_and_less_often() -> None:
    pauses: asyncio.Queue[float] = asyncio.Queue()
    tools = McpTools(ServerConfig(name="shy", command=[sys.executable, "-c", SERVER]), pauses.put)
    running = asyncio.create_task(tools.run(lambda _: None))
    try:
        async with asyncio.timeout(60):
            assert [await pauses.get() for _ in range(3)] == [0.5, 1.0, 2.0]
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
