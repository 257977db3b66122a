"""An upstream that costs next to nothing, to see what a gateway adds: OpenAI's form, raw ASGI, no framework.

uvicorn bench.mock_upstream:app --port 9100 --no-access-log

A streamed answer has MOCK_TOKENS chunks (64), or `max_tokens` where that is less, as fast as the socket takes them.
"""

from __future__ import annotations

import json
import os
from collections.abc import Awaitable, Callable
from typing import Any

Message = dict[str, Any]
TOKENS = int(os.environ.get("MOCK_TOKENS", "64"))


def chunk(choices: list[Any], **more: Any) -> bytes:
    head = {"id": "chatcmpl-mock", "object": "chat.completion.chunk", "created": 1700000000, "model": "mock"}
    body = head | {"choices": choices} | more
    return b"data: " + json.dumps(body, separators=(",", ":")).encode() + b"\n\n"


def said(delta: Message, finish: str | None = None) -> bytes:
    return chunk([{"index": 0, "delta": delta, "finish_reason": finish}])


FIRST, TOKEN, LAST = said({"role": "assistant", "content": ""}), said({"content": " tok"}), said({}, "stop")


async def app(
    scope: Message, receive: Callable[[], Awaitable[Message]], send: Callable[[Message], Awaitable[None]]
) -> None:
    if scope["type"] == "lifespan":
        while (await receive())["type"] != "lifespan.shutdown":
            await send({"type": "lifespan.startup.complete"})
        return await send({"type": "lifespan.shutdown.complete"})
    body, more = b"", True
    while more:
        part = await receive()
        body, more = body + part.get("body", b""), part.get("more_body", False)
    asked = json.loads(body or b"{}")
    tokens = min(TOKENS, asked.get("max_tokens") or TOKENS)
    usage = {"prompt_tokens": 16, "completion_tokens": tokens, "total_tokens": 16 + tokens}
    if not asked.get("stream"):
        message = {"role": "assistant", "content": " tok" * tokens}
        choice = {"index": 0, "message": message, "finish_reason": "stop"}
        whole = {"id": "chatcmpl-mock", "object": "chat.completion", "created": 1700000000, "model": "mock"}
        said_whole = json.dumps(whole | {"choices": [choice], "usage": usage}).encode()
        await send(start(b"application/json", (b"content-length", b"%d" % len(said_whole))))
        return await send(piece(said_whole, last=True))
    await send(start(b"text/event-stream"))
    await send(piece(FIRST))
    for _ in range(tokens):
        await send(piece(TOKEN))
    await send(piece(LAST))
    if (asked.get("stream_options") or {}).get("include_usage"):
        await send(piece(chunk([], usage=usage)))
    return await send(piece(b"data: [DONE]\n\n", last=True))


def start(kind: bytes, *more: tuple[bytes, bytes]) -> Message:
    return {"type": "http.response.start", "status": 200, "headers": [(b"content-type", kind), *more]}


def piece(data: bytes, last: bool = False) -> Message:
    return {"type": "http.response.body", "body": data, "more_body": not last}
