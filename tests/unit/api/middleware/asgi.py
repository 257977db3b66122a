"""An application server in a few lines: what a middleware receives and sends, message by message."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

LEFT: Message = {"type": "http.disconnect"}


def scope_of(
    method: str = "GET",
    path: str = "/v1/models",
    headers: Sequence[tuple[str, str]] = (),
    client: tuple[str, int] | None = None,
) -> Scope:
    return {
        "type": "http",
        "asgi": {"version": "3.0", "spec_version": "2.3"},
        "http_version": "1.1",
        "method": method,
        "path": path,
        "raw_path": path.encode(),
        "query_string": b"secret=query",
        "headers": [(name.lower().encode(), value.encode("latin-1")) for name, value in headers],
        "state": {},
        "client": client,
    }


def body(*parts: bytes) -> list[Message]:
    last = len(parts) - 1
    return [{"type": "http.request", "body": part, "more_body": i < last} for i, part in enumerate(parts)]


@dataclass
class Answer:
    """What was sent, and how the application ended."""

    scope: Scope
    messages: list[Message] = field(default_factory=list)
    received: int = 0
    error: BaseException | None = None

    @property
    def status(self) -> int:
        return int(self.messages[0]["status"])

    @property
    def headers(self) -> dict[str, str]:
        pairs = [(name.decode(), value.decode("latin-1")) for name, value in self.messages[0]["headers"]]
        assert len(pairs) == len(dict(pairs)), "a header came twice"
        return dict(pairs)

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self.messages[1:])

    @property
    def error_body(self) -> dict[str, Any]:
        assert self.headers["content-type"] == "application/json"
        assert int(self.headers["content-length"]) == len(self.body)
        error: dict[str, Any] = json.loads(self.body)["error"]
        assert error.keys() == {"message", "type", "param", "code"}
        return error


async def call(app: ASGIApp, scope: Scope | None = None, incoming: Sequence[Message] = ()) -> Answer:
    """One request. After `incoming` the client stays and says nothing more."""
    answer = Answer(scope_of() if scope is None else scope)
    waiting = list(incoming)

    async def receive() -> Message:
        if not waiting:
            await asyncio.Event().wait()
        answer.received += 1
        return waiting.pop(0)

    async def send(message: Message) -> None:
        answer.messages.append(message)

    try:
        await app(answer.scope, receive, send)
    except Exception as error:  # noqa: BLE001 — told to the test
        answer.error = error
    return answer


async def hello(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that answers without reading."""
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/plain")]})
    await send({"type": "http.response.body", "body": b"hello"})


async def echo(scope: Scope, receive: Receive, send: Send) -> None:
    """An application that reads the whole body and sends it back."""
    whole, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        whole += message["body"]
        more = message["more_body"]
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": whole})
