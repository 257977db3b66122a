"""Places of running requests among those of a whole day."""

from __future__ import annotations

from api.storage import idempotency
from api.storage.idempotency import Place
from api.storage.session import Database

A_DAY = """
INSERT INTO idempotency (project_id, route, key, body_digest, owner, status)
SELECT 'proj_1', '/v1/x', 'key ' || n, '', 'req_' || n, 200 FROM generate_series(1, 20000) n
"""
READ = "SELECT seq_tup_read AS rows FROM pg_stat_xact_user_tables WHERE relname = 'idempotency'"
LEFT = """
SELECT key, lease_until > now() + interval '1 minute' AS renewed FROM idempotency WHERE status IS NULL ORDER BY key
"""


async def test_leases_are_renewed_without_a_look_at_every_answer(store: Database) -> None:
    await store.execute("TRUNCATE idempotency")
    await store.execute(A_DAY)
    places = {f"req_{name}": Place("proj_1", "/v1/x", name) for name in "abc"}
    for owner, place in places.items():
        assert await idempotency.claim(store, place, b"x" * 32, owner, 10.0, 86400.0) is None
    await store.execute("ANALYZE idempotency")
    other = places.pop("req_c")
    async with store.transaction() as inside:
        await idempotency.renew(inside, places | {"req_somebody": other}, 3600.0)
        assert [row["rows"] for row in await inside.fetch(READ)] == [0]
    assert [tuple(row) for row in await store.fetch(LEFT)] == [("a", True), ("b", True), ("c", False)]


async def test_what_has_expired_goes_in_pieces_that_are_quick_even_when_each_is_a_megabyte(store: Database) -> None:
    await store.execute("TRUNCATE idempotency")
    await store.execute("""
        INSERT INTO idempotency (project_id, route, key, body_digest, owner, status, created_at)
        SELECT 'proj_1', '/v1/x', 'key ' || n, '', '', 200, now() - interval '25 hours' FROM generate_series(1, 150) n
    """)
    assert await idempotency.expire(store, 86400.0)
    assert len(await store.fetch("SELECT FROM idempotency")) == 50
    assert await idempotency.expire(store, 86400.0) and not await idempotency.expire(store, 86400.0)
