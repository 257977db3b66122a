"""A real MCP server for tests: `python -m tests.mcp_server [PORT]`, over stdio, or HTTP on a port."""

from __future__ import annotations

import os
import sys
from typing import Any

import anyio
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.exceptions import ToolError

server = MCPServer("test")


@server.tool(description="Adds.")
def add(a: int, b: int) -> str:
    return str(a + b)


@server.tool()
def environment(name: str) -> str:
    return os.environ.get(name, "not there")


@server.tool()
def measured() -> dict[str, Any]:
    return {"metres": 7}


@server.tool()
async def hang() -> str:
    await anyio.sleep_forever()
    return ""


@server.tool()
def huge() -> str:
    return "x" * 10_000_000


@server.tool()
def flood() -> str:
    return "x" * 20_000_000


@server.tool()
def broken() -> str:
    raise ToolError("the disk is on fire")


@server.tool()
def end() -> str:
    os._exit(1)


if __name__ == "__main__":
    if len(sys.argv) > 1:
        server.run("streamable-http", port=int(sys.argv[1]))
    else:
        server.run()
