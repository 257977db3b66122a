"""One line per request, the in-flight count, and the last net under bugs.

The line goes to the logger `novai.access`, as `record.fields`; `api.logs` writes it as JSON without ever blocking.
Never logged: query strings, headers, bodies.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable
from functools import lru_cache
from typing import Any

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api import metrics
from api.middleware import reject, told

access = logging.getLogger("novai.access")

CLIENT_LEFT = 499  # never sent; what the log and the metrics say of a request whose client did not stay
_MAX_PATH_CHARS = 256
# Making a record asks for the thread, the process and the caller: a third of what all middleware costs a request.
_RECORD = vars(logging.LogRecord("novai.access", logging.INFO, __file__, 0, "request", None, None))


class AccessLogMiddleware:
    """Services put what they want logged into `scope["state"]["log"]` (for example the model).

    What nobody handled ends here.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(receive, send)
        state = scope.setdefault("state", {})
        state["log"], state["exchange"] = {}, exchange
        started_s = time.perf_counter()
        metrics.REQUESTS_IN_FLIGHT.inc()
        try:
            await self._app(scope, exchange.receive, exchange.send)
        except ClientDisconnect:
            exchange.left = True
        except Exception as error:  # noqa: BLE001 — the last net
            await self._answer_failure(scope, exchange, error)
        except asyncio.CancelledError:
            exchange.left = True  # the server gave the request up
            raise
        finally:
            metrics.REQUESTS_IN_FLIGHT.dec()
            _write(scope, exchange, time.perf_counter() - started_s)

    async def _answer_failure(self, scope: Scope, exchange: _Exchange, error: Exception) -> None:
        failure = told(scope, error)
        if not exchange.status:
            await reject(scope, exchange.send, failure)
        elif failure is not error:
            raise error  # too late to say it: the server cuts the connection


class _Exchange:
    """What passed between client and application."""

    __slots__ = ("_receive", "_send", "bytes_sent", "complete", "left", "status")

    def __init__(self, receive: Receive, send: Send) -> None:
        self._receive = receive
        self._send = send
        self.status = 0  # 0: nothing sent yet
        self.bytes_sent = 0
        self.complete = False
        self.left = False

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.disconnect" and not self.complete:
            self.left = True
        return message

    def send(self, message: Message) -> Awaitable[None]:
        if message["type"] == "http.response.body":
            self.bytes_sent += len(message.get("body", b""))
            if not message.get("more_body", False):
                self.complete = True
        elif message["type"] == "http.response.start":
            self.status = message["status"]
        return self._send(message)


def _write(scope: Scope, exchange: _Exchange, elapsed_s: float) -> None:
    status = exchange.status if exchange.complete and not exchange.left else CLIENT_LEFT
    metrics.count_request(_template(scope.get("endpoint"), scope.get("app")), scope["method"], status)
    if not access.isEnabledFor(logging.INFO):
        return
    state = scope["state"]
    fields: dict[str, Any] = {
        "method": scope["method"],
        "path": scope["path"][:_MAX_PATH_CHARS],
        "status": status,
        "duration_ms": round(elapsed_s * 1e3, 3),
        "bytes_sent": exchange.bytes_sent,
        "request_id": state.get("request_id"),
        "key_id": getattr(state.get("principal"), "key_id", None),
    }
    record = logging.LogRecord.__new__(logging.LogRecord)
    record.__dict__.update(_RECORD, created=time.time(), fields=fields | state["log"])
    access.handle(record)


@lru_cache(1024)
def _template(endpoint: object, app: Any) -> str:
    """The path, as the spec writes it, of the route that was found. Routes that are not FastAPI's tell their endpoint
    only, and each has its own."""
    paths = (
        (route.path_format for route in app.routes if getattr(route, "endpoint", None) is endpoint) if endpoint else ()
    )
    return next(iter(paths), "unmatched")
