"""The layers of the edge, put together."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.responses import Response

from api.config import Settings
from api.main import create_app
from tests.unit.api.middleware.asgi import call, scope_of


async def test_a_page_of_another_origin_can_read_what_a_bug_is_told_as(caplog: pytest.LogCaptureFixture) -> None:
    def broken(request: Request) -> Response:
        raise KeyError("a detail")

    app = create_app(Settings(key_pepper="x", auth_mode="off", cors_origins="https://a.example"))
    app.add_route("/broken", broken)
    answer = await call(app, scope_of(path="/broken", headers=[("Origin", "https://a.example")]))
    assert (answer.status, answer.error) == (500, None)
    assert answer.headers["access-control-allow-origin"] == "https://a.example"
    assert answer.headers["x-request-id"] in answer.error_body["message"]
    assert caplog.text.count("KeyError: 'a detail'") == 1
