"""`Idempotency-Key`: the same request again gets the same answer, a finished stream included."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import msgspec
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.dependencies import need
from api.domain import Principal
from api.errors import ApiError
from api.json_text import BOM
from api.middleware import reject
from api.services.catalog import Catalog
from api.services.idempotency import MAX_BODY_BYTES, Answer, Claim, Headers, Idempotency

SCOPES = {  # that a key needs for what was asked for there
    "/admin/v1/credits": "admin",
    "/v1/batches": "inference",
    "/v1/chat/completions": "inference",
    "/v1/completions": "inference",
    "/v1/embeddings": "inference",
    "/v1/messages": "inference",
    "/v1/rerank": "inference",
    "/v1/responses": "inference",
}
_KEPT_HEADERS = (
    *(b"content-type", b"cache-control", b"x-accel-buffering"),
    *(b"x-novai-ignored-params", b"x-mapped-model", b"x-novai-upstream"),
)
_REPLAYED = (b"idempotent-replayed", b"true")


class Asked(msgspec.Struct):
    model: str | None = None


read_model = msgspec.json.Decoder(Asked).decode


class IdempotencyMiddleware:
    """After authentication: an Idempotency-Key is the project's own, and whoever sends it again must be allowed what it
    asks for. Requests without the header pass untouched."""

    def __init__(self, app: ASGIApp, idempotency: Callable[[], Idempotency], catalog: Callable[[], Catalog]) -> None:
        self._app = app
        self._idempotency = idempotency
        self._catalog = catalog

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] != "POST" or scope["path"] not in SCOPES:
            await self._app(scope, receive, send)
            return
        keys = [value for name, value in scope["headers"] if name == b"idempotency-key"]
        if not keys:
            await self._app(scope, receive, send)
            return
        state, path = scope["state"], scope["path"]
        principal: Principal = state["principal"]
        try:
            body = await _whole(receive)
            claim = await self._idempotency().claim(principal.project_id, path, keys, body, state["request_id"])
            if isinstance(claim, Answer):
                need(principal, SCOPES[path])
                if (model := read_model(body.removeprefix(BOM)).model) is not None:
                    self._catalog().allow(model, principal)
        except ApiError as error:
            await reject(scope, send, error)
            return
        if isinstance(claim, Answer):
            await _replay(claim, send)
            return
        keeper = _Keeper(claim, body, send, state)
        try:
            await self._app(scope, keeper.receive, keeper.send)
        finally:
            await keeper.aclose()


class _Keeper:
    """Copies an answer on its way to the client, and keeps it before the last of it leaves."""

    def __init__(self, claim: Claim, body: bytes, send: Send, state: dict[str, Any]) -> None:
        self._claim: Claim | None = claim
        self._body: bytes | None = body
        self._send = send
        self._state = state
        self._status = 0
        self._headers: Headers = []
        self._parts: list[bytes] = []
        self._size = 0

    async def receive(self) -> Message:
        """The body, once. That the client left is not told: the request runs to its end."""
        if self._body is not None:
            body, self._body = self._body, None
            return {"type": "http.request", "body": body, "more_body": False}
        never: asyncio.Future[Message] = asyncio.get_running_loop().create_future()
        return await never

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            self._headers = [pair for pair in message.get("headers", ()) if pair[0] in _KEPT_HEADERS]
        elif message["type"] == "http.response.body":
            part = message.get("body", b"")
            self._size += len(part)
            if self._size <= MAX_BODY_BYTES:
                self._parts.append(part)
            # A stream that we broke is free, and may be asked for again.
            if not message.get("more_body", False) and self._claim is not None and "broken" not in self._state:
                claim, self._claim = self._claim, None
                fits = self._size <= MAX_BODY_BYTES
                original = (b"original-request", self._state["request_id"].encode())  # its bill is found by that
                await claim.keep(self._status, [*self._headers, original], b"".join(self._parts) if fits else None)
        await self._send(message)

    async def aclose(self) -> None:
        """An answer that never began is none, and what we broke is free. One that the client did not take to its end
        was charged: its key stays used."""
        if self._claim is None:
            return
        claim, self._claim = self._claim, None
        if self._status and "broken" not in self._state:
            await claim.keep(self._status, self._headers, None)
        else:
            await claim.drop()


async def _whole(receive: Receive) -> bytes:
    """The request's body. Raises ClientDisconnect, and what the body limit raises."""
    parts = []
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientDisconnect
        parts.append(message.get("body", b""))
        if not message.get("more_body", False):
            return b"".join(parts)


async def _replay(answer: Answer, send: Send) -> None:
    headers = [*answer.headers, _REPLAYED, (b"content-length", b"%d" % len(answer.body))]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
