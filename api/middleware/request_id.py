"""A name for every request, and how long we took to begin its answer."""

from __future__ import annotations

import re
import time
from collections.abc import Awaitable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.answers.errors import speaks_messages
from api.domain import new_request_id

_ECHOED = re.compile(rb"[A-Za-z0-9_-]{1,128}")


class RequestIdMiddleware:
    """Sets `scope["state"]["request_id"]`, always one of ours, and the headers `x-request-id` and
    `openai-processing-ms` on every response, `request-id` where Anthropic's clients look for it; echoes a harmless
    `X-Client-Request-Id`."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = time.perf_counter()
        request_id = new_request_id()
        scope.setdefault("state", {})["request_id"] = request_id

        def answer(message: Message) -> Awaitable[None]:
            if message["type"] == "http.response.start":
                elapsed_ms = (time.perf_counter() - started_s) * 1e3
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", request_id.encode()),
                    (b"openai-processing-ms", b"%d" % elapsed_ms),
                    *([(b"request-id", request_id.encode())] if speaks_messages(scope["path"]) else ()),
                    *_echo(scope),
                ]
            return send(message)

        await self._app(scope, receive, answer)


def _echo(scope: Scope) -> list[tuple[bytes, bytes]]:
    for name, value in scope["headers"]:
        if name == b"x-client-request-id" and _ECHOED.fullmatch(value):
            return [(name, value)]
    return []
