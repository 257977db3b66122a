"""What a key is after a request that did not end as it should; how requests go on is in tests/faults."""

from __future__ import annotations

import asyncio

import pytest
from starlette.types import Receive, Scope, Send

from api.clients.hosts import Hosts
from api.clients.lifecycle import HostCommands
from api.domain import Principal
from api.middleware.idempotency import IdempotencyMiddleware
from api.services.catalog import Catalog
from api.services.idempotency import Claim, Idempotency
from api.storage.session import Database
from tests.unit.api.middleware.asgi import Answer, body, call, hello, scope_of


@pytest.mark.parametrize(
    ("begins", "breaks", "is_free"),
    [
        (False, False, True),  # nothing ran
        (True, False, False),  # the client took a part of it, and pays
        (True, True, True),  # that is ours, and free
    ],
)
async def test_an_answer_that_did_not_end(store: Database, begins: bool, breaks: bool, is_free: bool) -> None:
    await store.execute("TRUNCATE idempotency")
    service = Idempotency(store)
    asked = 0

    async def ends_early(scope: Scope, receive: Receive, send: Send) -> None:
        nonlocal asked
        asked += 1
        if asked > 1:
            await hello(scope, receive, send)
            return
        if begins:
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hel", "more_body": True})
        if breaks:
            scope["state"]["broken"] = True
        raise ConnectionResetError

    hosts = Hosts({}, "")
    catalog = Catalog(hosts, HostCommands(hosts), 1)
    app = IdempotencyMiddleware(ends_early, lambda: service, lambda: catalog)

    async def ask(number: int) -> Answer:
        scope = scope_of("POST", "/v1/rerank", [("Idempotency-Key", "k")])
        scope["state"] = {
            "principal": Principal("org", "proj", "key", frozenset({"inference"})),
            "request_id": f"req_{number}",
        }
        return await call(app, scope, body(b'{"model": "m"}'))

    assert isinstance((await ask(1)).error, ConnectionResetError) and not service.running
    again = await ask(2)
    if is_free:
        assert (again.status, again.body, asked, again.error) == (200, b"hello", 2, None)
        assert (await ask(3)).headers["idempotent-replayed"] == "true"
    else:
        assert (again.status, again.error_body["code"], asked) == (409, "idempotency_answer_not_kept", 1)


async def test_a_place_is_renewed_until_its_answer_is_kept(store: Database) -> None:
    await store.execute("TRUNCATE idempotency")
    service = Idempotency(store)
    claim = await service.claim("proj", "/v1/rerank", [b"k"], b"", "req_1")
    assert isinstance(claim, Claim)
    async with store.transaction() as other:
        await other.fetch("SELECT FROM idempotency FOR UPDATE")
        keeping = asyncio.create_task(claim.keep(200, [], b"hello"))
        async with asyncio.timeout(10):
            while not await other.fetch("SELECT FROM pg_locks WHERE NOT granted"):
                await asyncio.sleep(0.005)
        assert service.running
    await keeping
    assert not service.running


async def test_places_are_renewed_and_old_ones_go_until_it_is_closed(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("RENEW_S", "EXPIRE_S"):
        monkeypatch.setattr(f"api.services.idempotency.{name}", 0.01)
    await store.execute("TRUNCATE idempotency")
    service, before = Idempotency(store), asyncio.all_tasks()
    for key in (b"young", b"old"):
        await service.claim("proj", "/v1/rerank", [key], b"", f"req_{key.decode()}")
    await store.execute("UPDATE idempotency SET lease_until = now()")
    await store.execute("UPDATE idempotency SET created_at = now() - interval '25 hours' WHERE key = 'old'")
    await service.start()
    async with asyncio.timeout(10):
        while [tuple(row) for row in await store.fetch("SELECT key, lease_until > now() FROM idempotency")] != [
            ("young", True)
        ]:
            await asyncio.sleep(0.005)
    await service.aclose()
    assert asyncio.all_tasks() <= before
