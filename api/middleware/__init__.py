"""Pure ASGI middleware, outermost first: request_id → access_log → cors → body_limit → authenticate → idempotency
→ errors.

No BaseHTTPMiddleware: it costs more per streamed chunk than everything else together. A `send` that is wrapped here
is a plain function that hands on the inner awaitable, so that a chunk meets no further coroutine.
"""

from __future__ import annotations

import logging

import msgspec
from starlette.types import Scope, Send

from api.answers.errors import shown
from api.errors import ApiError, InternalError

log = logging.getLogger("novai.http")

_encode = msgspec.json.Encoder().encode


def told(scope: Scope, error: Exception) -> ApiError:
    """What the client hears of an error. A fault of ours is logged with its trace and told without it."""
    if isinstance(error, ApiError):
        return error
    request_id = scope["state"].get("request_id", "")
    log.error("unhandled error in %s", request_id, exc_info=error)
    return InternalError(f"Something broke on our side. Please report the request id {request_id}.")


async def reject(scope: Scope, send: Send, error: ApiError) -> None:
    """Answers with an error, in the form of the request's path."""
    status, said = shown(error, scope["path"], scope["state"].get("request_id", ""))
    body = _encode(said)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers().items()]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
