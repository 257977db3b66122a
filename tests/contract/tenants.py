"""Projects of their own for tests of what is counted: made over HTTP, as an administrator makes them."""

from __future__ import annotations

import contextlib
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import httpx

from api.auth.keys import mint
from api.storage import keys
from api.storage import tenants as stored
from tests.edge import PEPPER, Edge
from tests.workers import MODEL

CHAT = "/v1/chat/completions"


@dataclass
class Tenant:
    """A project, one of its keys, and a client that sends it."""

    project: str
    key_id: str
    key: str
    http: httpx.Client

    def chat(self, said: str = "one two three", model: str = MODEL) -> httpx.Response:
        """Asks for an answer of so many words: as many tokens."""
        body = {"model": model, "messages": [{"role": "user", "content": f'script:[{{"say": "{said}"}}]'}]}
        return self.http.post(CHAT, json=body)


def client(edge: Edge, key: str) -> httpx.Client:
    return httpx.Client(base_url=edge.url, headers={"authorization": f"Bearer {key}"}, timeout=20)


def ok(answer: httpx.Response) -> Any:
    """The body of an answer that must be 200."""
    assert answer.status_code == 200, answer.text
    return answer.json()


def refused(answer: httpx.Response, status: int, code: str | None = None) -> dict[str, Any]:
    """The error of an answer that must have this status, and code."""
    assert answer.status_code == status, answer.text
    error: dict[str, Any] = answer.json()["error"]
    if code is not None:
        assert error["code"] == code
    return error


@contextlib.contextmanager
def tenant(edge: Edge, admin: httpx.Client, project: str | None = None, **fields: Any) -> Iterator[Tenant]:
    """A key of a new project, or of the given one. `fields` are the key's."""
    if project is None:
        project = ok(admin.post("/admin/v1/projects", json={"name": f"p {secrets.token_hex(6)}"}))["id"]
    made = ok(admin.post("/admin/v1/keys", json={"project": project, "name": "k"} | fields))
    with client(edge, made["key"]) as http:
        yield Tenant(project, made["info"]["id"], made["key"], http)


def until(condition: Callable[[], bool], timeout_s: float = 60.0) -> float:
    """Waits for what other processes and connections bring about; how many seconds it took."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() - began_s < timeout_s
        time.sleep(0.005)  # the condition may be anything, so nobody tells when it holds
    return time.monotonic() - began_s


@contextlib.contextmanager
def stranger(edge: Edge) -> Iterator[Tenant]:
    """An administrator of another organisation."""
    name = secrets.token_hex(6)
    plain, record = mint(PEPPER, f"proj_{name}", "admin", scopes=["inference", "usage", "admin"])

    async def add() -> None:
        await stored.add_organisation(edge.state.database, f"org_{name}", name)
        await stored.add_project(edge.state.database, record.project_id, f"org_{name}", name)
        await keys.add(edge.state.database, record)

    edge.run(add())
    with client(edge, plain) as http:
        yield Tenant(record.project_id, record.id, plain, http)
