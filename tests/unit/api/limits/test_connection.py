from __future__ import annotations

import asyncio
import contextlib
import time
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from api.limits.connection import Connection, Redis, RedisAwayError, Script
from internal.dev import redis_server
from internal.dev.redis_server import RedisServer
from tests.unit.api.limits.conftest import until
from tests.unit.api.tcp_proxy import proxied

PROBE = Script("acquire")


async def opened(url: str, timeout_s: float = 5.0) -> tuple[Redis, list[Exception | None]]:
    changes: list[Exception | None] = []

    async def on_up(connection: Connection) -> None:
        assert await connection.call("PING") == b"PONG"

    redis = Redis(url, timeout_s, (PROBE,), on_up, changes.append)
    await redis.start()
    return redis, changes


async def test_many_calls_leave_at_once_and_each_has_its_answer(redis_url: str) -> None:
    redis, _ = await opened(redis_url)
    call = redis.connection.call
    answers = await asyncio.gather(*(call("ECHO", f"{n}") for n in range(2000)))
    assert answers == [b"%d" % n for n in range(2000)]
    await redis.aclose()


async def test_an_answer_that_nobody_waits_for_goes_to_no_other(redis_url: str) -> None:
    redis, _ = await opened(redis_url)
    orphans: list[object] = []
    futures = [redis.connection.call("ECHO", f"{n}", orphan=orphans.append) for n in range(100)]
    for future in futures[::2]:
        future.cancel()
    assert await asyncio.gather(*futures[1::2]) == [b"%d" % n for n in range(1, 100, 2)]
    assert orphans == [b"%d" % n for n in range(0, 100, 2)]
    await redis.aclose()


async def test_the_database_is_the_one_of_the_url(redis_url: str) -> None:
    redis, _ = await opened(urlsplit(redis_url)._replace(path="/3").geturl())
    assert b"db=3 " in await redis.connection.call("CLIENT", "INFO")
    assert b"name=novai-api " in await redis.connection.call("CLIENT", "INFO")
    await redis.aclose()


async def test_a_socket_of_the_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(redis_server.SETTINGS, "unixsocket", str(tmp_path / "redis.sock"))
    with RedisServer(tmp_path / "redis") as server:
        password = urlsplit(server.url).password
        redis, _ = await opened(f"unix://:{password}@{tmp_path}/redis.sock?db=2")
        assert b"db=2 " in await redis.connection.call("CLIENT", "INFO")
        await redis.aclose()


async def test_a_wrong_password_is_no_connection(redis_url: str) -> None:
    redis, changes = await opened(
        urlsplit(redis_url)._replace(netloc=f":wrong@127.0.0.1:{urlsplit(redis_url).port}").geturl()
    )
    assert not redis.connected and "WRONGPASS" in str(changes[0])
    with pytest.raises(RedisAwayError):
        _ = redis.connection
    await redis.aclose()


async def test_silence_ends_every_call_after_the_timeout(redis_url: str) -> None:
    async with proxied(redis_url) as (proxy, url):
        redis, changes = await opened(url, timeout_s=0.1)
        proxy.silence()
        started_s = time.monotonic()
        calls = [redis.connection.call("PING") for _ in range(50)]
        ended = await asyncio.gather(*calls, return_exceptions=True)
        assert all(isinstance(each, RedisAwayError) and each.asked for each in ended)
        assert 0.09 < time.monotonic() - started_s < 2.0
        assert not redis.connected and "100 ms" in str(changes[-1])
        await proxy.restore()
        await until(lambda: redis.connected)
        assert await redis.connection.call("PING") == b"PONG"
        await redis.aclose()


async def test_a_server_that_speaks_something_else_is_no_redis() -> None:
    async def greet(_reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await writer.drain()
        writer.close()

    async with await asyncio.start_server(greet, "127.0.0.2", 0) as server:
        redis, changes = await opened(f"redis://127.0.0.2:{server.sockets[0].getsockname()[1]}")
        assert not redis.connected and "not the protocol of Redis" in str(changes[0])
        await redis.aclose()


async def test_who_ends_while_it_connects_leaves_no_connection() -> None:
    greeted, left = asyncio.Event(), asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"novai-api")
        greeted.set()
        with contextlib.suppress(ConnectionResetError):
            await reader.read()
        left.set()
        writer.close()

    async with await asyncio.start_server(listen, "127.0.0.1", 0) as server:
        opening = asyncio.create_task(opened(f"redis://127.0.0.1:{server.sockets[0].getsockname()[1]}"))
        await greeted.wait()
        opening.cancel()
        async with asyncio.timeout(2.0):
            await left.wait()


async def test_closing_ends_what_waits(redis_url: str) -> None:
    async with proxied(redis_url) as (proxy, url):
        redis, changes = await opened(url)
        proxy.silence()
        waiting = redis.connection.call("PING")
        await redis.aclose()
        with pytest.raises(RedisAwayError):
            await waiting
        assert changes == [None]  # who closes it need not be told
