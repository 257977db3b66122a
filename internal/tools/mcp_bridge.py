"""Tools of an MCP server: one that is started here, or one at a URL. Which, only `tools.yaml` says.

Of the protocol this uses tools alone: a server gets no sampling, no roots and no answers to questions. Results are not
held against the schemas that servers give for them, since the model reads them either way.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from internal.tools import mcp_http
from internal.tools.base import Offer, Tool, ToolError
from internal.tools.file import ServerConfig
from internal.tools.mcp_stdio import started
from internal.upstream.secrets import is_reference, read_secret

log = logging.getLogger("novai.tools")

CONNECT_S = 30.0  # `npx` may have to fetch the server first
LIST_S = 10.0
LIST_EVERY_S = 30.0
RETRY_FIRST_S, RETRY_MOST_S = 0.5, 30.0
MAX_PAGES = 16  # of a listing


class McpTools:
    """Implements `base.Source`. A server that ends or breaks is started, or connected to, again."""

    def __init__(self, config: ServerConfig, pause: Callable[[float], Awaitable[None]] = asyncio.sleep) -> None:
        """Raises ConfigError for a secret that is not there."""
        self._pause = pause
        self._name = config.name
        self._command = config.command
        self._env = revealed(config.env)
        self._url = config.url
        self._headers = revealed(config.headers)
        self._client: Client | None = None  # None: away
        self._doubted = asyncio.Event()  # a call failed: is the server still there?

    async def run(self, offer: Offer) -> None:
        retry_s = RETRY_FIRST_S
        while True:
            try:
                async with contextlib.AsyncExitStack() as stack:
                    async with asyncio.timeout(CONNECT_S):
                        client = await self._connect(stack)
                    await self._serve(client, offer)
            except Exception as error:  # noqa: BLE001 (whatever a stranger's server does, it is tried again)
                log.warning("the MCP server %s is away: %s", self._name, first_cause(error))
            finally:
                if self._client is not None:  # it had listed its tools
                    self._client, retry_s = None, RETRY_FIRST_S
            await self._pause(retry_s)
            retry_s = min(2 * retry_s, RETRY_MOST_S)

    async def _connect(self, stack: contextlib.AsyncExitStack) -> Client:
        if self._command:
            return await stack.enter_async_context(Client(started(self._command, self._env)))
        http = await stack.enter_async_context(mcp_http.client(self._headers, CONNECT_S))
        return await stack.enter_async_context(Client(streamable_http_client(self._url, http_client=http)))

    async def _serve(self, client: Client, offer: Offer) -> None:
        """Until the server does not answer any more; raises what it says instead."""
        while True:
            self._doubted.clear()
            async with asyncio.timeout(LIST_S):
                listed = await every_tool(client)
            offer([self._tool(tool) for tool in listed])
            self._client = client
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LIST_EVERY_S):
                    await self._doubted.wait()

    def _tool(self, tool: types.Tool) -> Tool:
        return Tool(tool.name, tool.description or "", json.dumps(tool.input_schema), partial(self._call, tool.name))

    async def _call(self, name: str, arguments: dict[str, Any]) -> str:
        """Raises ToolError."""
        if self._client is None:
            raise ToolError("The server of this tool is away.")
        request = types.CallToolRequest(params=types.CallToolRequestParams(name=name, arguments=arguments))
        try:
            result = await self._client.session.send_request(request, types.CallToolResult)
        except (MCPError, ValueError, RuntimeError) as error:
            self._doubted.set()
            raise ToolError(f"The server of this tool failed: {error}") from None
        if result.is_error:
            raise ToolError(said(result))
        return said(result)


async def every_tool(client: Client) -> list[types.Tool]:
    """All pages of the listing, as far as anyone looks."""
    tools: list[types.Tool] = []
    cursor = None
    for _ in range(MAX_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="refresh")
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            break
    return tools


def said(result: types.CallToolResult) -> str:
    """What of a result a model can read."""
    texts = [
        block.text if isinstance(block, types.TextContent) else f"[{block.type}, which is not shown]"
        for block in result.content
    ]
    if not texts and result.structured_content is not None:
        return json.dumps(result.structured_content, ensure_ascii=False)
    return "\n".join(texts)


def revealed(given: dict[str, str]) -> dict[str, str]:
    """With what references stand for. Raises ConfigError."""
    return {name: read_secret(text).reveal() if is_reference(text) else text for name, text in given.items()}


def first_cause(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return f"{type(error).__name__}: {error}"[:500]
