"""Pure ASGI middleware, outermost first: request_id → access_log → cors → body_limit → authenticate → idempotency
→ errors.

No BaseHTTPMiddleware: it costs more per streamed chunk than everything else together. A `send` that is wrapped here
is a plain function that hands on the inner awaitable, so that a chunk meets no further coroutine.
"""

from __future__ import annotations

import msgspec
from starlette.types import Send

from api.errors import ApiError

_encode = msgspec.json.Encoder().encode


async def reject(send: Send, error: ApiError) -> None:
    """Answers with an error before the application was asked."""
    body = _encode(error.body())
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    headers += [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in error.headers().items()]
    await send({"type": "http.response.start", "status": error.status, "headers": headers})
    await send({"type": "http.response.body", "body": body})
