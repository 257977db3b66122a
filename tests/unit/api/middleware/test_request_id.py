from __future__ import annotations

import re

import pytest
from starlette.types import Receive, Scope, Send

from api.middleware.request_id import RequestIdMiddleware
from tests.unit.api.middleware.asgi import call, hello, scope_of

app = RequestIdMiddleware(hello)


async def test_every_answer_has_an_id_of_ours() -> None:
    ids = set()
    for _ in range(50):
        answer = await call(app, scope_of(headers=[("X-Request-Id", "theirs")]))
        request_id = answer.headers["x-request-id"]
        assert re.fullmatch(r"req_[A-Za-z0-9_-]{24}", request_id)
        assert answer.scope["state"]["request_id"] == request_id
        assert int(answer.headers["openai-processing-ms"]) >= 0
        assert answer.body == b"hello" and answer.headers["content-type"] == "text/plain"
        ids.add(request_id)
    assert len(ids) == 50


@pytest.mark.parametrize("client_id", ["a", "A-Z_09", "x" * 128])
async def test_a_harmless_client_id_is_echoed(client_id: str) -> None:
    answer = await call(app, scope_of(headers=[("X-Client-Request-Id", client_id)]))
    assert answer.headers["x-client-request-id"] == client_id


@pytest.mark.parametrize("client_id", ["", "x" * 129, "a b", "a\r\nset-cookie: x", "../x", "tcp://1.2.3.4", "é", "a\n"])
async def test_a_strange_client_id_is_not(client_id: str) -> None:
    """Reliability S29."""
    answer = await call(app, scope_of(headers=[("X-Client-Request-Id", client_id)]))
    assert "x-client-request-id" not in answer.headers


async def test_chunks_pass_through_untouched() -> None:
    chunks = [{"type": "http.response.body", "body": b"x", "more_body": True} for _ in range(3)]

    async def stream(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": 200})
        for chunk in chunks:
            await send(chunk)

    answer = await call(RequestIdMiddleware(stream))
    assert [id(message) for message in answer.messages[1:]] == [id(chunk) for chunk in chunks]
    assert "x-request-id" in answer.headers


async def test_other_protocols_pass_through() -> None:
    answer = await call(RequestIdMiddleware(hello), {"type": "lifespan"})
    assert answer.scope == {"type": "lifespan"} and len(answer.messages) == 2


async def test_anthropics_clients_find_it_under_their_name() -> None:
    answer = await call(app, scope_of(path="/v1/messages/count_tokens"))
    assert answer.headers["request-id"] == answer.headers["x-request-id"]
    assert "request-id" not in (await call(app, scope_of(path="/v1/models"))).headers
