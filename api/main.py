"""The edge: middleware, routers, lifespan. No logic.

`python -m api.main` runs one process; add processes behind a load balancer for more.
"""

from __future__ import annotations

import contextlib
import gc
import signal
import sys
from collections.abc import AsyncIterator

import uvicorn
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Receive, Scope, Send
from uvicorn.config import STARTUP_FAILURE
from uvicorn.middleware.proxy_headers import ProxyHeadersMiddleware

from api import metrics
from api.auth.guard import Guard
from api.config import UPLOAD_BYTES_PER_S, Settings, SettingsError
from api.dependencies import JsonCodec
from api.generated import routes, schemas
from api.logs import json_lines
from api.middleware.access_log import AccessLogMiddleware
from api.middleware.authenticate import AuthenticateMiddleware
from api.middleware.body_limit import BodyLimit, BodyLimitMiddleware
from api.middleware.errors import ErrorsMiddleware
from api.middleware.idempotency import IdempotencyMiddleware
from api.middleware.request_id import RequestIdMiddleware
from api.protocol import Protocol
from api.routers.admin import Admin
from api.routers.batches import Batches
from api.routers.chat import Chat
from api.routers.completions import Completions
from api.routers.docs import add_docs
from api.routers.embeddings import Embeddings
from api.routers.files import PATH as FILES
from api.routers.files import Files
from api.routers.health import Health
from api.routers.lifecycle import Lifecycle
from api.routers.limits import Limits
from api.routers.messages import Messages
from api.routers.models import Models
from api.routers.rerank import Rerank
from api.routers.responses import Responses, tolerate
from api.routers.tokens import Tokens
from api.routers.usage import Usage
from api.server import Server
from api.state import AppState, check, open_state

RATE_LIMITS = [
    *(f"x-ratelimit-{told}-{unit}" for told in ("limit", "remaining", "reset") for unit in ("requests", "tokens")),
    *(f"x-ratelimit-{told}-{name}" for told in ("limit", "remaining") for name in ("rpm", "tpm")),
]
EXPOSED = [
    *("x-request-id", "request-id", "openai-processing-ms", "retry-after", "retry-after-ms", "x-should-retry"),
    *("x-novai-ignored-params", "x-mapped-model", "x-novai-upstream", "idempotent-replayed", "original-request"),
    *("x-novai-degraded", "x-novai-next-after", "content-disposition"),
    *RATE_LIMITS,
]


class Edge(FastAPI):
    """FastAPI without the layers it puts around every request that nothing here uses: its own telemetry, a second
    body limit, an exit stack for uploaded files, two layers of error handlers. They cost a fifth of a request, and four
    calls per chunk."""

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        await Starlette.__call__(self, scope, receive, send)

    def build_middleware_stack(self) -> ASGIApp:
        app: ASGIApp = self.router
        for layer in reversed(self.user_middleware):
            app = layer.cls(app, *layer.args, **layer.kwargs)
        return app


def create_app(settings: Settings) -> FastAPI:
    """The application. Everything it opens is opened by its lifespan, and closed by it."""

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        async with open_state(settings) as state:
            mount(app, state)
            app.state.novai = state
            yield

    app = Edge(title="NovAI", openapi_url=None, docs_url=None, redoc_url=None, lifespan=lifespan)
    app.router.redirect_slashes = False  # a path is there or it is not: callers are sent nowhere, least of all by Host
    # The last one added is the first one to see a request.
    app.add_middleware(ErrorsMiddleware)
    app.add_middleware(
        IdempotencyMiddleware,
        idempotency=lambda: app.state.novai.idempotency,
        catalog=lambda: app.state.novai.catalog,
    )
    app.add_middleware(AuthenticateMiddleware, settings=settings, keys=lambda: app.state.novai.keys, guard=Guard())
    limit = BodyLimit(settings.max_body_bytes, settings.body_timeout_s, "MAX_BODY_BYTES")
    uploads = BodyLimit(settings.max_upload_bytes, settings.body_timeout_s, "FILE_MAX_BYTES", UPLOAD_BYTES_PER_S)
    app.add_middleware(BodyLimitMiddleware, limit=limit, limits={FILES: uploads})
    if origins := settings.origins:
        app.add_middleware(
            CORSMiddleware, allow_origins=origins, allow_methods=["*"], allow_headers=["*"], expose_headers=EXPOSED
        )
    app.add_middleware(AccessLogMiddleware)
    app.add_middleware(RequestIdMiddleware)
    if settings.proxies:
        app.add_middleware(ProxyHeadersMiddleware, trusted_hosts=settings.proxies)
    return app


def mount(app: FastAPI, state: AppState) -> None:
    """One router per tag of the spec. An operation without an implementation is a TypeError here."""
    bodies = schemas.ChatCompletionRequest, schemas.CompletionRequest, schemas.EmbeddingRequest, schemas.MessageRequest
    codec = JsonCodec(*bodies, tolerances={schemas.ResponseRequest: tolerate, schemas.ResponsePrompt: tolerate})
    routes.add_chat(app.router, Chat(state), codec)
    routes.add_completions(app.router, Completions(state), codec)
    routes.add_responses(app.router, Responses(state), codec)
    routes.add_embeddings(app.router, Embeddings(state), codec)
    routes.add_messages(app.router, Messages(state), codec)
    routes.add_rerank(app.router, Rerank(state), codec)
    routes.add_tokens(app.router, Tokens(state), codec)
    routes.add_files(app.router, Files(state), codec)
    routes.add_batches(app.router, Batches(state), codec)
    routes.add_models(app.router, Models(state), codec)
    routes.add_usage(app.router, Usage(state), codec)
    routes.add_limits(app.router, Limits(state), codec)
    routes.add_admin(app.router, Admin(state), codec)
    routes.add_lifecycle(app.router, Lifecycle(state), codec)
    routes.add_health(app.router, Health(state), codec)
    add_docs(app.router)


def main() -> None:
    try:
        settings = Settings.from_env()
        check(settings)
        exposed = metrics.exposed(settings.metrics_host, settings.metrics_port)
    except (SettingsError, OSError) as error:
        sys.exit(f"error: {error}")
    # uvicorn raises again the signal that it has heeded. By default that ends the process where it stands, with the
    # last log lines unwritten; this goes the way out through the blocks below.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    spare_the_collector()
    with json_lines(on_drop=metrics.LOG_LINES_DROPPED.inc), exposed:
        app = create_app(settings)
        config = uvicorn.Config(
            app,
            host=settings.api_host,
            port=settings.api_port,
            loop="uvloop",
            http=Protocol,
            ws="none",
            access_log=False,
            server_header=False,
            proxy_headers=False,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=int(settings.drain_s),
            log_config=None,
        )
        server = Server(config, settings.lame_duck_s, lambda: leave(app))
        with contextlib.suppress(KeyboardInterrupt):
            server.run()
        if not server.started:
            sys.exit(STARTUP_FAILURE)


def leave(app: FastAPI) -> None:
    """Readiness says no from now on."""
    app.state.novai.draining = True


def spare_the_collector() -> None:
    """What was loaded until now stays for ever: the garbage collector need not walk it again and again. Requests leave
    no cycles behind, so it may also look less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 50)


if __name__ == "__main__":
    main()
