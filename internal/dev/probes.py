"""How the stack knows that a process can be used: a question with a yes or a no, asked until it is yes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

PROBE_TIMEOUT_S = 2.0

# Asked with the pid of the process; any exception but cancellation means "not yet".
Probe = Callable[[int], Awaitable[bool]]


def http_ok(host: str, port: int, path: str) -> Probe:
    """A GET is answered with 200."""

    async def ask(_pid: int) -> bool:
        reader, writer = await asyncio.open_connection(host, port)
        try:
            writer.write(f"GET {path} HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: close\r\n\r\n".encode())
            return (await reader.readline()).split(b" ")[1:2] == [b"200"]
        finally:
            writer.close()

    return ask


def grpc_serving(address: str) -> Probe:
    """grpc.health.v1 says SERVING."""

    async def ask(_pid: int) -> bool:
        import grpc.aio  # 0.1 s that nobody should wait for before the first process is started
        from grpc_health.v1 import health_pb2, health_pb2_grpc

        async with grpc.aio.insecure_channel(address) as channel:
            answer: Any = await health_pb2_grpc.HealthStub(channel).Check(
                health_pb2.HealthCheckRequest(), timeout=PROBE_TIMEOUT_S
            )
        return bool(answer.status == health_pb2.HealthCheckResponse.SERVING)

    return ask


def tcp_open(host: str, port: int) -> Probe:
    async def ask(_pid: int) -> bool:
        _, writer = await asyncio.open_connection(host, port)
        writer.close()
        return True

    return ask


def says(look: Callable[[int], bool]) -> Probe:
    """A quick synchronous look."""

    async def ask(pid: int) -> bool:
        return look(pid)

    return ask


async def answered(probe: Probe, pid: int) -> bool:
    """One question with a deadline. A connection refused, an answer cut short: not yet."""
    try:
        return await asyncio.wait_for(probe(pid), PROBE_TIMEOUT_S)
    except Exception:  # noqa: BLE001 (every library has its own way to say that nobody answers yet)
        return False
