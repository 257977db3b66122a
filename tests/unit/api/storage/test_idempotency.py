"""Places of running requests among those of a whole day."""

from __future__ import annotations

import itertools

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

HOLD = """
INSERT INTO holds (request_id, organisation_id, project_id, key_id, operation, model, price_version, amount_nusd, state,
    account, budget_ids, month, owner, started_at, closed_at)
SELECT $1, '', '', '', '', '', 1, 0, $2, 'credits', '{}', now(), '', now(), CASE WHEN $2 <> 'open' THEN now() END
"""
BATCH = """
INSERT INTO batches (id, organisation_id, project_id, key_id, endpoint, input_file_id, status, total, expires_at)
VALUES ($1, '', '', '', '', '', 'validating', 1, now())
"""
DAY_S = 86400.0


async def test_a_place_is_free_when_it_is_a_day_old_or_its_request_is_gone_and_did_not_charge(store: Database) -> None:
    """Places whose names differ in one part, and what became of their requests."""
    await store.execute("TRUNCATE idempotency")

    async def claimed(place: Place, owner: str, lease_s: float = 60.0) -> idempotency.Kept | None:
        return await idempotency.claim(store, place, owner.encode(), owner, lease_s, DAY_S)

    fates = ("nothing", "open", "settled", "released", "batch")
    places = [Place(*names) for names in itertools.product(fates, ("lives", "gone"), ("young", "old"))]
    for place in places:
        name = f"{place.project_id}_{place.route}_{place.key}"
        assert await claimed(place, f"req_{name}", 60.0 if place.route == "lives" else -60.0) is None
        if place.project_id == "batch":
            await store.execute(BATCH, f"batch_{name}")
        elif place.project_id != "nothing":
            await store.execute(HOLD, f"req_{name}", place.project_id)
    await store.execute("UPDATE idempotency SET created_at = now() - interval '23 hours'")
    await store.execute("UPDATE idempotency SET created_at = now() - interval '25 hours' WHERE key = 'old'")
    for place in places:
        lapsed, charged = place.route == "gone", place.project_id in ("settled", "batch")
        free = place.key == "old" or (lapsed and place.project_id in ("nothing", "released"))
        owner, found = f"req_{place}", await claimed(place, f"req_{place}")
        assert (found is None) is free
        if found is not None:
            assert (found.status, found.body) == (200 if lapsed and charged else None, None)
            owner = found.body_digest.decode()
            await idempotency.drop(store, place, f"req_{place}")  # which is not its owner
            assert await claimed(place, "req_other") == found
            await idempotency.drop(store, place, owner)
            assert (await claimed(place, owner, 60.0) is None) is (place.project_id != "batch")
        running = await claimed(place, "req_other")
        assert running is not None and running.body_digest == owner.encode()
        for number, who in enumerate(("req_other", owner, owner)):
            await idempotency.finish(store, place, who, 200 + number, b"", str(place).encode())
        await idempotency.drop(store, place, owner)
    for place in places:
        kept = await claimed(place, "req_other")
        assert kept is not None and (kept.status, kept.body) == (201, str(place).encode())
    await store.execute("UPDATE idempotency SET created_at = now() - interval '25 hours'")
    assert await claimed(places[0], "req_again", -60.0) is None
    await store.execute(HOLD, "req_again", "settled")
    assert await claimed(places[0], "req_other") == idempotency.Kept(b"req_again", 200, None, None)


async def test_leases_are_renewed_without_a_look_at_every_answer(store: Database) -> None:
    await store.execute("TRUNCATE idempotency")
    await store.execute(A_DAY)
    places = {f"req_{name}": Place("proj_1", "/v1/x", name) for name in "abcd"}
    for owner, place in places.items():
        assert await idempotency.claim(store, place, b"x" * 32, owner, 10.0, DAY_S) is None
    await store.execute("ANALYZE idempotency")
    other = places.pop("req_c")
    await idempotency.finish(store, places["req_d"], "req_d", 200, b"", b"")  # as it is about to be renewed
    async with store.transaction() as inside:
        await idempotency.renew(inside, places | {"req_somebody": other}, 3600.0)
        assert [row["rows"] for row in await inside.fetch(READ)] == [0]
    assert [tuple(row) for row in await store.fetch(LEFT)] == [("a", True), ("b", True), ("c", False)]


async def test_what_has_expired_goes_in_pieces_that_are_quick_even_when_each_is_a_megabyte(store: Database) -> None:
    await store.execute("TRUNCATE idempotency")
    await store.execute("""
        INSERT INTO idempotency (project_id, route, key, body_digest, owner, status, created_at)
        SELECT 'proj_1', '/v1/x', 'key ' || n, '', '', 200, now() - interval '1 h' * CASE n WHEN 0 THEN 23 ELSE 25 END
        FROM generate_series(0, 150) n
    """)
    assert await idempotency.expire(store, DAY_S)
    assert len(await store.fetch("SELECT FROM idempotency")) == 51
    assert await idempotency.expire(store, DAY_S) and not await idempotency.expire(store, DAY_S)
    assert [row["key"] for row in await store.fetch("SELECT key FROM idempotency")] == ["key 0"]
