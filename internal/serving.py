"""How every gRPC server behind the edge is run: options, health, reflection, the shared token, draining on SIGTERM."""

from __future__ import annotations

import asyncio
import hmac
import logging
import signal
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from internal.config import ConfigError

log = logging.getLogger("novai.serving")

# Dead and hung peers are noticed in about a second, not after gRPC's default minute: all three are needed.
KEEPALIVE: list[tuple[str, int]] = [
    ("grpc.keepalive_time_ms", 2000),
    ("grpc.keepalive_timeout_ms", 1000),
    ("grpc.http2.ping_timeout_ms", 1000),
    ("grpc.keepalive_permit_without_calls", 1),
    ("grpc.http2.max_pings_without_data", 0),
]
SERVER_OPTIONS: list[tuple[str, int]] = [
    *KEEPALIVE,
    # A peer may ping as often as KEEPALIVE says; by default a server cuts off whoever pings an idle connection.
    ("grpc.http2.min_ping_interval_without_data_ms", 500),
    ("grpc.http2.max_ping_strikes", 0),
    ("grpc.max_receive_message_length", 32 << 20),
    ("grpc.max_send_message_length", 64 << 20),
    ("grpc.max_concurrent_streams", 256),
    ("grpc.so_reuseport", 0),
]
OPEN_SERVICES = ("/grpc.health.v1.Health/",)


class TokenInterceptor(grpc.aio.ServerInterceptor):
    """Refuses calls without the shared token; health stays open for probes."""

    def __init__(self, token: str) -> None:
        self._expected = f"Bearer {token}".encode()

        async def refuse(_requests: Any, context: grpc.aio.ServicerContext[Any, Any]) -> None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "another NOVAI_GRPC_TOKEN than this server's, or none")

        # Of streams, whatever is called: such a handler waits for no message.
        self._refusal: grpc.RpcMethodHandler[Any, Any] = grpc.stream_stream_rpc_method_handler(refuse)

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler[Any, Any] | None]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler[Any, Any] | None:
        if handler_call_details.method.startswith(OPEN_SERVICES):
            return await continuation(handler_call_details)
        metadata = dict(handler_call_details.invocation_metadata or ())
        given = metadata.get("authorization", "")
        if hmac.compare_digest(given.encode() if isinstance(given, str) else given, self._expected):
            return await continuation(handler_call_details)
        return self._refusal


class GrpcServer:
    """One listening server. `health` says NOT_SERVING until `ready()` and again from `drain()` on."""

    def __init__(self, listen: str, services: Sequence[str], token: str = "") -> None:
        self.server = grpc.aio.server(options=SERVER_OPTIONS, interceptors=[TokenInterceptor(token)] if token else None)
        self._services = ["", *services]
        self._health = health.aio.HealthServicer()
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self.server)
        reflection.enable_server_reflection((*services, health.SERVICE_NAME, reflection.SERVICE_NAME), self.server)
        self.port = self.server.add_insecure_port(listen)

    async def start(self) -> None:
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self.server.start()

    async def ready(self) -> None:
        await self._say(health_pb2.HealthCheckResponse.SERVING)

    async def drain(self, grace_s: float) -> None:
        """Stops taking calls, lets running ones end for `grace_s` seconds, then cuts them."""
        await self._say(health_pb2.HealthCheckResponse.NOT_SERVING)
        await self.server.stop(grace_s)

    async def _say(self, status: health_pb2.HealthCheckResponse.ServingStatus.ValueType) -> None:
        for service in self._services:
            await self._health.set(service, status)


def listening(setting: str, listen: str, service: str, token: str) -> GrpcServer:
    """A server at the address that a setting says. Raises ConfigError."""
    try:
        return GrpcServer(listen, [service], token)
    except RuntimeError:
        raise ConfigError(f"{setting}={listen}: cannot listen there (taken, or not ours)") from None


def stop_signal() -> asyncio.Event:
    """Set at SIGTERM or SIGINT. Call on the running loop."""
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, event.set)
    return event


def setup_logging(process: str) -> None:
    """One line per event on stderr. Prompts and secrets are never logged."""
    logging.basicConfig(
        level=logging.INFO, format=f"%(asctime)s %(levelname)s {process} %(name)s %(message)s", datefmt="%H:%M:%S"
    )
    logging.getLogger("httpx2").setLevel(logging.WARNING)  # it logs whole URLs, and some have a key in them
