from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from prometheus_client import generate_latest
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from api import metrics
from api.domain import Principal
from api.errors import OverloadedError
from api.middleware.access_log import AccessLogMiddleware
from api.middleware.request_id import RequestIdMiddleware
from tests.unit.api.middleware.asgi import LEFT, call, hello, scope_of


@pytest.fixture
def lines() -> Iterator[list[dict[str, Any]]]:
    """What the access log says, as fields."""
    found: list[dict[str, Any]] = []

    class Collect(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            found.append(record.fields)  # type: ignore[attr-defined]

    logger, handler = logging.getLogger("novai.access"), Collect()
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(logging.INFO)
    yield found
    logger.removeHandler(handler)
    logger.setLevel(before)


async def test_one_line_per_request(lines: list[dict[str, Any]]) -> None:
    async def service(scope: Scope, receive: Receive, send: Send) -> None:
        scope["state"]["principal"] = Principal("o", "p", "key_7", frozenset())
        scope["state"]["log"]["model"] = "tiny"
        await hello(scope, receive, send)

    answer = await call(RequestIdMiddleware(AccessLogMiddleware(service)), scope_of("POST", "/v1/x"))
    [line] = lines
    assert line.pop("duration_ms") >= 0
    assert line == {
        "method": "POST",
        "path": "/v1/x",
        "status": 200,
        "bytes_sent": 5,
        "request_id": answer.headers["x-request-id"],
        "key_id": "key_7",
        "model": "tiny",
    }
    assert "query" not in str(line)


async def test_a_client_that_leaves_is_499(lines: list[dict[str, Any]]) -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"data", "more_body": True})
        assert (await receive())["type"] == "http.disconnect"

    await call(AccessLogMiddleware(stream), incoming=[LEFT])
    assert (lines[0]["status"], lines[0]["bytes_sent"]) == (499, 4)


async def test_a_client_that_leaves_before_the_body_is_499_and_no_bug(lines: list[dict[str, Any]]) -> None:
    async def reads(scope: Scope, receive: Receive, send: Send) -> None:
        await receive()
        raise ClientDisconnect

    answer = await call(AccessLogMiddleware(reads), incoming=[LEFT])
    assert lines[0]["status"] == 499 and answer.error is None


async def test_a_stream_that_was_read_to_its_end_is_200(lines: list[dict[str, Any]]) -> None:
    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await hello(scope, receive, send)
        await receive()  # servers say `disconnect` after the answer, too

    await call(AccessLogMiddleware(stream), incoming=[LEFT])
    assert lines[0]["status"] == 200


async def test_a_bug_is_a_500_without_its_trace(lines: list[dict[str, Any]], caplog: pytest.LogCaptureFixture) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        raise KeyError("a detail")

    answer = await call(RequestIdMiddleware(AccessLogMiddleware(broken)))
    assert answer.status == 500 and answer.error is None
    assert answer.error_body["type"] == "server_error"
    assert answer.headers["x-request-id"] in answer.error_body["message"]
    assert b"a detail" not in answer.body
    assert "KeyError: 'a detail'" in caplog.text
    assert lines[0]["status"] == 500


async def test_an_error_that_nobody_rendered_is_rendered(lines: list[dict[str, Any]]) -> None:
    async def refuses(scope: Scope, receive: Receive, send: Send) -> None:
        raise OverloadedError("full", retry_after_ms=1500)

    answer = await call(AccessLogMiddleware(refuses))
    assert answer.status == lines[0]["status"] == 503
    assert answer.headers["retry-after"] == "2" and answer.headers["retry-after-ms"] == "1500"


async def test_a_bug_in_the_middle_of_an_answer_cuts_it(lines: list[dict[str, Any]]) -> None:
    async def broken(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise KeyError("late")

    answer = await call(AccessLogMiddleware(broken))
    assert isinstance(answer.error, KeyError) and len(answer.messages) == 1
    assert lines[0]["status"] == 499


async def test_a_cancelled_request_is_logged_and_stays_cancelled(lines: list[dict[str, Any]]) -> None:
    async def slow(scope: Scope, receive: Receive, send: Send) -> None:
        await asyncio.Event().wait()

    in_flight = metrics.REQUESTS_IN_FLIGHT._value.get()
    task = asyncio.create_task(call(AccessLogMiddleware(slow)))
    await asyncio.sleep(0)
    assert metrics.REQUESTS_IN_FLIGHT._value.get() == in_flight + 1
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert lines[0]["status"] == 499
    assert metrics.REQUESTS_IN_FLIGHT._value.get() == in_flight


async def test_requests_are_counted_by_the_route_and_not_by_what_callers_invent(lines: list[dict[str, Any]]) -> None:
    inner = FastAPI()

    @inner.get("/things/{name}")
    async def thing(name: str) -> str:
        return name

    app = AccessLogMiddleware(inner)
    paths = ["/things/a", "/things/b", "/nowhere", "/elsewhere"]
    for method, path in [*(("GET", path) for path in paths), ("BREW", "/things/a")]:
        await call(app, scope_of(method, path))
    text = generate_latest(metrics.REGISTRY).decode()
    assert 'novai_requests_total{method="GET",route="/things/{name}",status="200"} 2.0' in text
    assert 'novai_requests_total{method="GET",route="unmatched",status="404"} ' in text
    assert "nowhere" not in text and "BREW" not in text
    assert [line["path"] for line in lines] == [*paths, "/things/a"]


async def test_long_paths_are_cut_in_the_log(lines: list[dict[str, Any]]) -> None:
    await call(AccessLogMiddleware(hello), scope_of(path="/" + "x" * 10_000))
    assert len(lines[0]["path"]) == 256
