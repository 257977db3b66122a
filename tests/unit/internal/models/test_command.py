"""`novai models` against an API that two hosts are behind."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from internal.api_client import ApiFailure
from internal.models.client import Client
from internal.models.command import arguments
from internal.progress import Line


def told(states: dict[str, str]) -> dict[str, Any]:
    """A model as the API tells it: its state is that of the host that is furthest, the first one here."""
    fixed = {"size_bytes": 0, "needs_bytes": 0, "path": "", "pinned": False, "idle_ttl_s": 0, "workers": []}
    hosts = [{"host": host, "state": state} | fixed for host, state in states.items()]
    return {"id": "m", "kind": "chat", "backend": "scripted", "state": hosts[0]["state"], "hosts": hosts}


@pytest.fixture
def answers() -> Iterator[tuple[Client, list[dict[str, str]]]]:
    """A client, and the states that it is told one after the other."""
    states: list[dict[str, str]] = []

    class Handler(BaseHTTPRequestHandler):
        def log_message(self, *_arguments: object) -> None: ...

        def do_GET(self) -> None:
            self.rfile.read(int(self.headers["content-length"] or 0))
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(told(states.pop(0))).encode())

        do_POST = do_GET  # noqa: N815 (the library's name)

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        with Client(f"http://127.0.0.1:{server.server_port}/v1", "sk-admin") as client:
            yield client, states
        server.shutdown()
        thread.join()


@pytest.mark.parametrize(
    ("word", "states", "status", "said"),
    [
        ("unload", [{"b": "ready", "a": "draining"}, {"b": "ready", "a": "unloaded"}], 0, "m unloaded\n"),
        ("load", [{"b": "ready", "a": "loading"}, {"b": "ready", "a": "failed"}], 1, "m failed\n"),
        ("load", [{"b": "loading", "a": "ready"}], 0, "m ready\n"),
    ],
)
def test_of_one_host_the_others_are_not_waited_for_nor_believed(
    answers: tuple[Client, list[dict[str, str]]], word: str, states: list[dict[str, str]], status: int, said: str
) -> None:
    client, told_next = answers
    told_next += states
    out = io.StringIO()
    given = arguments().parse_args([word, "m", "--host", "a"])
    assert given.run(client, given, Line(out, live=False)) == status
    assert out.getvalue().endswith(said) and not told_next


def test_a_host_that_goes_meanwhile(answers: tuple[Client, list[dict[str, str]]]) -> None:
    client, told_next = answers
    told_next += [{"b": "ready", "a": "loading"}, {"b": "ready"}]
    given = arguments().parse_args(["load", "m", "--host", "a"])
    with pytest.raises(ApiFailure, match="a is gone"):
        given.run(client, given, Line(io.StringIO(), live=False))
