"""What a server owes to strangers: bounds on heads, one form of errors, and no other protocol."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from uvicorn import Config
from uvicorn.server import ServerState

from api.protocol import MOST_HEAD_BYTES, Protocol

Ask = Callable[..., Awaitable[bytes]]
NEXT = b"GET /next HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n"


async def app(scope: dict[str, Any], receive: Callable[[], Awaitable[dict[str, Any]]], send: Any) -> None:
    """Says what it was asked; a path with `slow` begins, and never ends; one with `whole` has no length."""
    body, more = b"", True
    while more:
        message = await receive()
        body, more = body + message.get("body", b""), message.get("more_body", False)
    said = b"%s %s %s" % (scope["method"].encode(), scope["path"].encode(), body)
    slow = "slow" in scope["path"]
    headers = [] if slow or "whole" in scope["path"] else [(b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said, "more_body": slow})
    while slow and (await receive())["type"] != "http.disconnect":
        pass


@pytest.fixture
async def port() -> AsyncIterator[int]:
    config = Config(app, http=Protocol, ws="none", lifespan="off", log_config=None)  # type: ignore[arg-type]
    state = ServerState()
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Protocol(config, state, {}), "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
        for connection in list(state.connections):
            connection.transport.abort()  # type: ignore[union-attr]


@pytest.fixture
async def ask(port: int) -> Ask:
    """Sends parts, each when the one before has been looked at, and reads to the end of the connection."""

    async def asked(*parts: bytes) -> bytes:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            for part in parts:
                writer.write(part)
                await writer.drain()
                await asyncio.sleep(0.01)
            return await asyncio.wait_for(reader.read(), 10)
        finally:
            writer.close()

    return asked


def post(*headers: bytes, path: bytes = b"/asked", body: bytes = b"{}") -> bytes:
    lines = [b"POST %s HTTP/1.1" % path, b"host: x", *headers, b"content-length: %d" % len(body), b"", body]
    return b"\r\n".join(lines)


def check_refused(answer: bytes, status: int, code: str | None) -> None:
    head, _, body = answer.partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status), head
    assert b"content-type: application/json" in head and b"\r\nx-request-id: req_" in head
    error = json.loads(body)["error"]
    assert (error["type"], error["code"]) == ("timeout_error" if status == 408 else "invalid_request_error", code)


@pytest.mark.parametrize("other", [b"h2c", b"websocket"])
async def test_a_wish_for_another_protocol_is_not_heard(ask: Ask, other: bytes) -> None:
    """As Java's HttpClient asks (RFC 9110, 7.8)."""
    wish = [b"connection: Upgrade, HTTP2-Settings", b"upgrade: " + other, b"http2-settings: AAA"]
    answer = await ask(post(*wish, body=b"one") + post(*wish, body=b"two") + NEXT)
    assert [answer.count(each) for each in (b"HTTP/1.1 200", b"POST /asked one", b"POST /asked two", b"GET /next")] == [
        3,
        1,
        1,
        1,
    ]


async def test_the_body_of_such_a_wish_is_no_request(ask: Ask) -> None:
    asked = post(b"connection: upgrade, close", b"upgrade: h2c", body=NEXT)
    answer = await ask(asked[: -len(NEXT)], NEXT)
    assert answer.count(b"HTTP/1.1 200") == 1 and b"POST /asked GET /next" in answer


@pytest.mark.parametrize(
    "asked",
    [
        b"FOOBAR / HTTP/1.1\r\n\r\n",
        b"CONNECT other:443 HTTP/1.1\r\nhost: other:443\r\n\r\n",
        post(b"content-length: 7"),
        post(b"transfer-encoding: chunked"),
        b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
    ],
)
async def test_what_is_no_request_gets_an_error_of_the_usual_form(ask: Ask, asked: bytes) -> None:
    check_refused(await ask(asked), 400, None)


@pytest.mark.parametrize("path", [b"/asked", b"/whole"])
async def test_a_client_of_http_1_0_gets_no_chunks(ask: Ask, path: bytes) -> None:
    """The end of the connection is the end of the answer (RFC 9112, 6.1)."""
    head, _, body = (await ask(b"GET %s HTTP/1.0\r\n\r\n" % path)).partition(b"\r\n\r\n")
    assert b"transfer-encoding" not in head and b"connection: close" in head
    assert body == b"GET %s " % path


async def test_nothing_is_written_into_an_answer_that_is_under_way(ask: Ask) -> None:
    answer = await ask(post(path=b"/slow"), b"GARBAGE\r\n\r\n")
    assert answer.count(b"HTTP/1.1") == 1 and b"error" not in answer


@pytest.mark.parametrize(
    "parts",
    [
        [b"GET / HTTP/1.1\r\nx: ", b"a" * MOST_HEAD_BYTES],
        [b"GET / HTTP/1.1\r\n", b"a: b\r\n" * (MOST_HEAD_BYTES // 6 + 1)],
        [b"GET / HTTP/1.1\r\nx: " + b"a" * MOST_HEAD_BYTES + b"\r\n\r\n"],
        [b"GET /" + b"a" * MOST_HEAD_BYTES + b" HTTP/1.1\r\n\r\n"],
        [b"\r\n" * (MOST_HEAD_BYTES // 2 + 1)],
    ],
)
async def test_a_head_that_is_too_large_is_refused(ask: Ask, parts: list[bytes]) -> None:
    check_refused(await ask(*parts), 431, "headers_too_large")


async def test_what_stands_between_the_parts_of_a_body_is_bounded_like_a_head(ask: Ask) -> None:
    chunked = b"POST / HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n0\r\n"
    check_refused(await ask(chunked, b"x: " + b"a" * MOST_HEAD_BYTES), 431, "headers_too_large")


async def test_a_large_body_is_not_a_head(ask: Ask) -> None:
    answer = await ask(post(b"connection: close", body=b"a" * 10 * MOST_HEAD_BYTES))
    assert answer.startswith(b"HTTP/1.1 200") and answer.endswith(b"a" * MOST_HEAD_BYTES)


async def test_a_head_that_comes_too_slowly_is_not_waited_for(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.protocol.HEAD_WAIT_S", 0.05)
    check_refused(await ask(b"GET / HTTP/1.1\r\nx"), 408, "request_timeout")
    first, _, second = (await ask(post(), b"GET / HT")).rpartition(b"HTTP/1.1")
    assert b"POST /asked {}" in first
    check_refused(b"HTTP/1.1" + second, 408, "request_timeout")


async def test_who_says_nothing_is_told_nothing(ask: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.protocol.HEAD_WAIT_S", 0.05)
    assert await ask() == b""


async def test_a_slow_head_behind_an_answer_leaves_that_alone(port: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("api.protocol.HEAD_WAIT_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(post(path=b"/slow"))
    await asyncio.wait_for(reader.readuntil(b"{}\r\n"), 10)
    writer.write(b"GET / HT")
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(reader.read(100), 0.3)
    writer.close()
