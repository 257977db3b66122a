"""Keepalive pings on a silent stream are allowed: a server that counts them as abuse ends every idle Session."""

from __future__ import annotations

import asyncio

import grpc.aio
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from internal.serving import KEEPALIVE, GrpcServer

PING_MS = 600  # often enough for a server that does not permit it to say "too many pings" within two seconds
SILENT_S = 3.0


async def test_a_silent_stream_stays_open() -> None:
    server = GrpcServer("127.0.0.1:0", [])
    await server.start()
    options = [*(dict(KEEPALIVE) | {"grpc.keepalive_time_ms": PING_MS}).items()]
    try:
        async with grpc.aio.insecure_channel(f"127.0.0.1:{server.port}", options=options) as channel:
            watch = health_pb2_grpc.HealthStub(channel).Watch(health_pb2.HealthCheckRequest())
            assert await watch.read() is not grpc.aio.EOF
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(watch.read(), SILENT_S)
    finally:
        await server.drain(0)
