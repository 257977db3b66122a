from __future__ import annotations

import asyncio

import httpx
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from api.config import Settings
from api.domain import Principal
from api.errors import RequestTimeoutError, RequestTooLargeError
from api.middleware import body_limit
from api.middleware.access_log import AccessLogMiddleware
from api.middleware.body_limit import BodyLimit, BodyLimitMiddleware
from tests.edge import serving
from tests.unit.api.middleware.asgi import LEFT, body, call, echo, hello, scope_of


def limited(app: ASGIApp, max_bytes: int, timeout_s: float) -> BodyLimitMiddleware:
    """`/uploads` has a limit of its own."""
    uploads = BodyLimit(max_bytes * 2, timeout_s, "FILE_MAX_BYTES", bytes_per_s=100)
    return BodyLimitMiddleware(app, BodyLimit(max_bytes, timeout_s, "MAX_BODY_BYTES"), {"/uploads": uploads})


app = limited(echo, max_bytes=100, timeout_s=0.2)


def post(*headers: tuple[str, str]) -> Scope:
    return scope_of("POST", "/v1/x", headers)


@pytest.mark.parametrize("parts", [(b"",), (b"x" * 100,), (b"x" * 50, b"y" * 50), (b"x",) * 100])
async def test_a_body_within_the_limit_arrives_whole(parts: tuple[bytes, ...]) -> None:
    size = sum(map(len, parts))
    for header in (("Content-Length", str(size)), ("Transfer-Encoding", "chunked")):
        answer = await call(app, post(header), body(*parts))
        assert answer.status == 200 and answer.body == b"".join(parts)


@pytest.mark.parametrize("announced", ["101", "800", "801", "99999999999", "1" * 19])
async def test_an_announced_body_is_refused_unread(announced: str) -> None:
    answer = await call(app, post(("Content-Length", announced)), body(b"x" * 101))
    assert answer.status == 413 and answer.received == 0
    assert answer.error_body["code"] == "request_too_large"
    assert "at most 100 bytes" in answer.error_body["message"]
    # A little too much may be sent to its end, so that the client reads the answer; anything else is cut off.
    assert ("connection" in answer.headers) == (int(announced) > 800)


async def test_an_endless_body_is_refused_at_the_limit() -> None:
    """Reliability S23: never more than the limit and one piece."""
    app = AccessLogMiddleware(limited(echo, max_bytes=100, timeout_s=5))
    answer = await call(app, post(("Transfer-Encoding", "chunked")), body(*[b"x" * 30] * 1000))
    assert answer.status == 413 and answer.received == 4
    assert answer.headers["connection"] == "close"


async def test_a_content_length_that_lies_changes_nothing() -> None:
    answer = await call(app, post(("Content-Length", "5")), body(b"x" * 101))
    assert isinstance(answer.error, RequestTooLargeError)


async def test_a_slow_body_is_a_408() -> None:
    """It drips: every piece in time, the whole is not."""

    async def dripping() -> dict[str, object]:
        await asyncio.sleep(0.05)
        return {"type": "http.request", "body": b"x", "more_body": True}

    messages: list[dict[str, object]] = []

    async def send(message: object) -> None:
        messages.append(message)  # type: ignore[arg-type]

    started = asyncio.get_running_loop().time()
    with pytest.raises(RequestTimeoutError) as caught:
        await app(post(("Transfer-Encoding", "chunked")), dripping, send)
    assert 0.15 < asyncio.get_running_loop().time() - started < 2
    assert caught.value.status == 408 and caught.value.headers()["connection"] == "close"


class Client:
    """Sends a body in two halves, the second one when it is told to."""

    def __init__(self, app: ASGIApp, project: str, size: int) -> None:
        self.begun, self.go_on = asyncio.Event(), asyncio.Event()
        self._halves = [b"x" * (size // 2)] * 2
        scope = post(("Content-Length", str(size)))
        scope["state"] = {"principal": Principal("org", project, "key", frozenset())}
        self.call = asyncio.create_task(app(scope, self._receive, self._send))

    async def _receive(self) -> Message:
        if self.begun.is_set():
            await self.go_on.wait()
        self.begun.set()
        return {"type": "http.request", "body": self._halves.pop(), "more_body": bool(self._halves)}

    async def _send(self, message: Message) -> None:
        pass


async def test_a_project_has_room_for_so_many_bodies_that_are_not_whole() -> None:
    """Others stay with their clients until one is whole or has left; small ones pass, and those of other projects."""
    size = 2 * body_limit.SMALL_BYTES
    app = limited(echo, max_bytes=size, timeout_s=30)
    first = [Client(app, "ours", size) for _ in range(body_limit.LARGEST_AT_ONCE)]
    await asyncio.gather(*(client.begun.wait() for client in first))
    late = [Client(app, "ours", size) for _ in range(2)]
    for passing in (Client(app, "ours", body_limit.SMALL_BYTES), Client(app, "theirs", size)):
        passing.go_on.set()
        await passing.call
    assert not any(client.begun.is_set() for client in late)
    first[0].go_on.set()
    await first[0].call
    first[1].call.cancel()
    await asyncio.gather(*(client.begun.wait() for client in late))
    for client in [*first, *late]:
        client.go_on.set()
    await asyncio.gather(*(client.call for client in [*first[2:], *late]))


async def test_a_body_that_is_whole_makes_room_while_it_is_answered() -> None:
    ended = asyncio.Event()

    async def answers(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive())["more_body"]:
            pass
        await ended.wait()

    size = 2 * body_limit.SMALL_BYTES
    app = limited(answers, max_bytes=size, timeout_s=30)
    clients = [Client(app, "ours", size) for _ in range(body_limit.LARGEST_AT_ONCE + 1)]
    clients[0].go_on.set()
    async with asyncio.timeout(10):
        await clients[-1].begun.wait()
    assert not clients[0].call.done()
    for client in clients:
        client.go_on.set()
    ended.set()
    await asyncio.gather(*(client.call for client in clients))


def upload(piece: bytes, pause_s: float, pieces: int) -> Receive:
    """A client that sends so many pieces, and then nothing more."""
    sent = 0

    async def receive() -> dict[str, object]:
        nonlocal sent
        await asyncio.sleep(pause_s if sent < pieces else 60)
        sent += 1
        return {"type": "http.request", "body": piece, "more_body": True}

    return receive


@pytest.mark.parametrize(
    ("piece", "pause_s", "pieces", "bytes_read"),
    [
        (b"x" * 20, 0.05, 5, 100),  # in time for its size, and then it stalls
        (b"", 0.05, 1000, 0),  # every piece in time, the whole is not
    ],
)
async def test_an_upload_has_time_for_its_size(piece: bytes, pause_s: float, pieces: int, bytes_read: int) -> None:
    read = 0

    async def reads(_scope: Scope, receive: Receive, _send: Send) -> None:
        nonlocal read
        while True:
            read += len((await receive())["body"])

    scope = scope_of("POST", "/uploads", (("Transfer-Encoding", "chunked"),))
    with pytest.raises(RequestTimeoutError):
        async with asyncio.timeout(10):
            await limited(reads, 100, 0.2)(scope, upload(piece, pause_s, pieces), never_sent)
    assert read == bytes_read


async def never_sent(_message: object) -> None:
    raise AssertionError


async def test_an_upload_may_be_larger() -> None:
    for path, status in (("/uploads", 200), ("/v1/x", 413)):
        answer = await call(app, scope_of("POST", path, (("Content-Length", "200"),)), body(b"x" * 200))
        assert answer.status == status
    answer = await call(app, scope_of("POST", "/uploads", (("Content-Length", "201"),)), body(b"x" * 201))
    assert answer.status == 413 and "FILE_MAX_BYTES" in answer.error_body["message"]


async def test_after_the_body_there_is_no_hurry() -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        assert (await receive())["more_body"] is False
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(receive(), 0.4)  # twice the limit for a body
        await hello(scope, receive, send)

    answer = await call(limited(slow, 100, 0.2), post(("Content-Length", "1")), body(b"x"))
    assert answer.status == 200 and answer.error is None


async def test_a_client_that_leaves_is_told_as_ever() -> None:
    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        assert await receive() == LEFT
        await hello(scope, receive, send)

    answer = await call(limited(reads, 100, 1), post(("Content-Length", "9")), [LEFT])
    assert answer.status == 200


@pytest.mark.parametrize(
    ("encoding", "status"), [("gzip", 415), ("BR", 415), ("gzip, identity", 415), ("identity", 200)]
)
async def test_encoded_bodies_are_refused(encoding: str, status: int) -> None:
    scope = post(("Content-Encoding", encoding), ("Content-Length", "1"))
    answer = await call(app, scope, body(b"x"))
    assert answer.status == status
    if status == 415:
        assert answer.error_body["code"] == "unsupported_content_type" and answer.received == 0


@pytest.mark.parametrize("length", ["-1", "+5", "1e3", "", "0x10", "9" * 20, "5, 5"])
async def test_a_content_length_that_is_no_number_is_refused(length: str) -> None:
    answer = await call(app, post(("Content-Length", length)), body(b"x"))
    assert answer.status == 400 and answer.received == 0


async def test_a_client_gets_to_read_its_413_while_it_still_sends() -> None:
    """Over a real socket: an answer that comes with a reset connection is no answer."""
    app = limited(echo, max_bytes=1 << 20, timeout_s=5)
    async with serving(app, Settings(key_pepper="x")) as url, httpx.AsyncClient() as client:  # type: ignore[arg-type]
        for _ in range(5):
            answer = await client.post(url, content=b"x" * (4 << 20))
            assert answer.status_code == 413
        assert (await client.post(url, content=b"ok")).text == "ok"
