from __future__ import annotations

import asyncio
import contextlib
import itertools
import time
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.auth.keys import PREFIX, KeyRing, digest, holder, is_well_formed, masked, mint
from api.errors import AuthenticationError, LedgerUnavailableError, PermissionDeniedError
from api.storage import keys, tenants
from api.storage.keys import KeyRecord
from api.storage.session import Database, open_pool
from api.storage.tenants import Project
from tests.unit.api.tcp_proxy import proxied

PEPPER = "a pepper"
PLAIN, _ = mint(PEPPER, "proj_1", "sample")
BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"

# ---------------------------------------------------------------- pure


def test_a_key_has_its_shape_and_its_record_has_no_key() -> None:
    plain, record = mint(PEPPER, "proj_1", "n", scopes=("admin",), models=("m",))
    prefix, brand, key_id, secret = plain.split("-")
    assert (prefix, brand, key_id) == ("sk", "novai", record.id)
    assert len(key_id) == 16 and len(secret) >= 38
    assert is_well_formed(plain)
    assert record.digest == digest(PEPPER, plain) != digest("another pepper", plain)
    assert record.last4 == plain[-4:]
    assert secret not in repr(record)


@given(st.integers(len(PREFIX), len(PLAIN) - 1), st.sampled_from(BASE62))
def test_one_wrong_character_is_noticed_without_asking_anyone(place: int, character: str) -> None:
    mistyped = PLAIN[:place] + character + PLAIN[place + 1 :]
    assert is_well_formed(mistyped) == (mistyped == PLAIN)


@given(st.text(max_size=200))
def test_nothing_else_is_a_key(text: str) -> None:
    assert not is_well_formed(text)
    assert not is_well_formed(PLAIN + text) or not text


@given(st.text(max_size=200))
def test_masking_shows_at_most_seven_characters_of_a_foreign_secret(text: str) -> None:
    shown = masked(text)
    assert shown.isprintable()
    if text.startswith(PREFIX):
        shown = shown.removeprefix(PREFIX[:-1])
    assert len(shown) <= 8
    assert len(text) >= 20 or shown == "…"


def test_masking_our_own_keys() -> None:
    assert masked(PLAIN) == f"sk-novai…{PLAIN[-4:]}"


# ---------------------------------------------------------------- against PostgreSQL


@pytest.fixture
async def ring(store: Database) -> AsyncIterator[KeyRing]:
    async with open_ring(store) as opened:
        yield opened


@contextlib.asynccontextmanager
async def open_ring(database: Database, ttl_s: float = 60.0) -> AsyncIterator[KeyRing]:
    """A ring that hears changes."""
    async with contextlib.aclosing(KeyRing(database, PEPPER, ttl_s)) as opened:
        await opened.start()
        async with asyncio.timeout(30):
            while not opened._listening:
                await asyncio.sleep(0.01)
        yield opened


async def added(database: Database, **fields: object) -> tuple[str, KeyRecord]:
    plain, record = mint(PEPPER, "proj_1", "k", **fields)  # type: ignore[arg-type]
    await keys.add(database, record)
    return plain, record


async def refused(ring: KeyRing, plain: str) -> str:
    with pytest.raises(AuthenticationError) as caught:
        await ring.authenticate(plain)
    assert caught.value.status == 401
    assert caught.value.code == "invalid_api_key"
    assert plain not in caught.value.message
    return caught.value.message


async def seconds_until_refused(ring: KeyRing, plain: str) -> float:
    started = time.monotonic()
    async with asyncio.timeout(30):
        while True:
            try:
                await ring.authenticate(plain)
            except AuthenticationError:
                return time.monotonic() - started
            await asyncio.sleep(0.005)


async def works_within_a_second(ring: KeyRing, plain: str) -> None:
    async with asyncio.timeout(1):
        while True:
            with contextlib.suppress(AuthenticationError):
                await ring.authenticate(plain)
                return
            await asyncio.sleep(0.005)


async def test_a_key_stands_for_its_principal(ring: KeyRing, store: Database, project: Project) -> None:
    plain, record = await added(store, scopes=("inference", "usage"), models=("a", "b"))
    for _ in range(2):
        principal = await ring.authenticate(plain)
        assert (principal.organisation_id, principal.project_id, principal.key_id) == ("org_1", project.id, record.id)
        assert principal.scopes == {"inference", "usage"}
        assert principal.may_use("a") and not principal.may_use("c")


async def test_nothing_in_the_database_is_the_key(store: Database, project: Project) -> None:
    plain, _ = await added(store)
    rows = await store.fetch("SELECT k::text AS everything FROM api_keys k")
    assert rows and plain.split("-")[3] not in str(rows)
    assert plain.encode().hex() not in str(rows)


async def test_another_pepper_is_told_of_once(
    store: Database, project: Project, caplog: pytest.LogCaptureFixture
) -> None:
    """As after a restart without the secret of before: every key is refused then, and only the log can say why."""
    first, second = await added(store), await added(store)
    await refused(KeyRing(store, PEPPER), PLAIN)
    assert not caplog.messages
    restarted = KeyRing(store, "another pepper")
    for plain, _ in (first, second):
        await refused(restarted, plain)
    [message] = caplog.messages
    assert first[1].id in message and "KEY_PEPPER" in message


async def test_an_unknown_key_names_itself_masked(ring: KeyRing, project: Project) -> None:
    stranger, _ = mint(PEPPER, "proj_1", "k")
    message = await refused(ring, stranger)
    assert message.startswith(f"Incorrect API key provided: sk-novai…{stranger[-4:]}. ")


@pytest.mark.parametrize(
    "attack",
    [
        "",
        "sk-novai-",
        "' OR '1'='1",
        "sk-novai-' OR 1=1; DROP TABLE api_keys; --",
        f"{PLAIN[:-1]}'",
        PLAIN.replace("sk-", "SK-"),
        PLAIN + " ",
        PLAIN + "\n",
        "\0" * 75,
        "é" * 75,
        "\ud800" * 75,
        "x" * 100_000,
        "%00" * 25,
    ],
    ids=itertools.count(),  # the key is another one in every process
)
async def test_attacks_are_refused_without_a_query(attack: str, store: Database, project: Project) -> None:
    """Reliability S01, S02. The ring's database is not there: a lookup would answer 503."""
    async with contextlib.aclosing(await open_pool("postgresql://x@127.0.0.1:1/x", 1, 1.0)) as nowhere:
        ring = KeyRing(nowhere, PEPPER)
        with pytest.raises(AuthenticationError) as caught:
            await ring.authenticate(attack)
        assert caught.value.code == "invalid_api_key"
        assert len(attack) < 5 or attack not in caught.value.message
    assert await store.fetch("SELECT 1 FROM api_keys") == []


async def test_revocation_is_in_force_everywhere_within_a_second(store: Database, project: Project) -> None:
    plain, record = await added(store)
    async with open_ring(store) as here, open_ring(store) as there:
        await asyncio.gather(here.authenticate(plain), there.authenticate(plain))
        assert await keys.revoke(store, record.id)
        assert max(await asyncio.gather(*(seconds_until_refused(r, plain) for r in (here, there)))) < 1.0
        assert "revoked" in await refused(here, plain)
        assert not await keys.revoke(store, record.id)


async def test_scopes_and_archived_projects_follow_within_a_second(
    ring: KeyRing, store: Database, project: Project
) -> None:
    plain, record = await added(store, scopes=("inference", "admin"))
    assert "admin" in (await ring.authenticate(plain)).scopes
    await store.execute("UPDATE api_keys SET scopes = '{inference}' WHERE id = $1", record.id)
    async with asyncio.timeout(1):
        while "admin" in (await ring.authenticate(plain)).scopes:
            await asyncio.sleep(0.005)
    await store.execute("UPDATE projects SET archived_at = now()")
    assert await seconds_until_refused(ring, plain) < 1.0
    assert "archived" in await refused(ring, plain)
    await store.execute("UPDATE projects SET archived_at = NULL")
    await works_within_a_second(ring, plain)


async def test_a_key_made_after_it_was_refused_works_at_once(ring: KeyRing, store: Database, project: Project) -> None:
    plain, record = mint(PEPPER, "proj_1", "k")
    await refused(ring, plain)
    await keys.add(store, record)
    await works_within_a_second(ring, plain)


async def test_expiry_needs_no_notice(ring: KeyRing, store: Database, project: Project) -> None:
    plain, _ = await added(store, expires_at=datetime.now(UTC) + timedelta(seconds=0.5))
    await ring.authenticate(plain)
    assert await seconds_until_refused(ring, plain) < 1.0
    assert "expired at" in await refused(ring, plain)


@pytest.mark.parametrize("jump_s", [-86_400, 86_400])
async def test_keys_expire_by_the_clock_of_postgresql(
    jump_s: float, migrated_url: str, store: Database, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What is presented, and what asked for a batch."""
    now = datetime.now(UTC)
    expired, old = await added(store, expires_at=now - timedelta(hours=1))
    good, record = await added(store, expires_at=now + timedelta(hours=1))
    ours = time.time
    monkeypatch.setattr(time, "time", lambda: ours() + jump_s)
    async with contextlib.aclosing(await open_pool(migrated_url, 2)) as database, open_ring(database) as ring:
        assert "expired at" in await refused(ring, expired)
        with pytest.raises(PermissionDeniedError):
            await holder(database, old.id)
        for who in (await ring.authenticate(good), await holder(database, record.id)):
            assert who.key_id == record.id


async def test_rotation_leaves_both_keys_for_the_overlap(ring: KeyRing, store: Database, project: Project) -> None:
    plain, old = await added(store)
    await ring.authenticate(plain)
    fresh, successor = mint(PEPPER, "proj_1", "k")
    assert await keys.succeed(store, old.id, successor, overlap_s=0.6)
    assert (await ring.authenticate(fresh)).key_id == successor.id
    assert (await ring.authenticate(plain)).key_id == old.id
    assert 0.2 < await seconds_until_refused(ring, plain) < 2.0
    await ring.authenticate(fresh)
    # A key has one successor; what is not in force has none.
    _, third = mint(PEPPER, "proj_1", "k")
    assert not await keys.succeed(store, old.id, third, overlap_s=60)
    assert await keys.find(store, third.id) is None


async def test_keys_of_a_name_are_revoked_and_those_that_were_stay_as_they_are(
    store: Database, project: Project
) -> None:
    (_, before), (_, now) = await added(store), await added(store)
    await store.execute("UPDATE api_keys SET revoked_at = '2026-01-01' WHERE id = $1", before.id)
    _, other = mint(PEPPER, "proj_1", "other")
    await keys.add(store, other)
    await keys.revoke_named(store, "proj_1", "k")
    dates = {record.id: record.revoked_at for record in await keys.list_keys(store)}
    assert dates[before.id] == datetime(2026, 1, 1, tzinfo=UTC) and dates[other.id] is None
    assert dates[now.id] is not None


async def test_pages_of_keys_are_all_of_them_the_oldest_first(store: Database, project: Project) -> None:
    await tenants.add_organisation(store, "org_2", "other")
    for project_id, organisation_id in (("proj_2", "org_1"), ("proj_3", "org_2")):
        assert await tenants.add_project(store, project_id, organisation_id, project_id) is not None
    made = [mint(PEPPER, f"proj_{1 + n % 3}", "k")[1] for n in range(12)]
    for record in made:
        await keys.add(store, record)
    for place, record in enumerate(made):  # later ones are older, and some as old as others
        older = "UPDATE api_keys SET created_at = '2026-01-31'::date - $2::int WHERE id = $1"
        await store.execute(older, record.id, place // 4)
    made = [record for place, record in sorted(enumerate(made), key=lambda each: (-(each[0] // 4), each[1].id))]
    for projects, asked in (
        (("proj_1", "proj_2", "proj_3"), (None, None)),
        (("proj_2",), ("proj_2", None)),
        (("proj_1", "proj_2"), (None, "org_1")),
        ((), ("proj_1", "org_2")),
    ):
        found: list[str] = []
        while page := await keys.list_keys(store, *asked, after=found[-1] if found else None, limit=3):
            found += [record.id for record in page]
        assert found == [record.id for record in made if record.project_id in projects]


async def test_what_a_key_asked_for_goes_on_under_the_newest_of_its_line(store: Database, project: Project) -> None:
    line = [(await added(store))[1], *(mint(PEPPER, "proj_1", "k", models=("m",))[1] for _ in range(2))]
    _, beside = await added(store)
    for old, new in itertools.pairwise(line):
        assert await keys.succeed(store, old.id, new, overlap_s=0)
    for record in line:
        who = await holder(store, record.id)
        assert (who.key_id, who.models, who.first_key_id) == (line[-1].id, {"m"}, line[0].id)
    assert (await holder(store, beside.id)).key_id == beside.id
    assert await keys.revoke(store, line[0].id)
    with pytest.raises(PermissionDeniedError):  # what leaked is over, whoever follows
        await holder(store, line[0].id)
    assert (await holder(store, line[1].id)).key_id == line[-1].id
    assert await keys.revoke(store, line[-1].id)
    for record in line:
        with pytest.raises(PermissionDeniedError):
            await holder(store, record.id)


async def test_rotation_never_lengthens_a_key(store: Database, project: Project) -> None:
    soon = datetime.now(UTC) + timedelta(minutes=1)
    _, old = await added(store, expires_at=soon)
    assert await keys.succeed(store, old.id, mint(PEPPER, "proj_1", "k")[1], overlap_s=3600)
    stored = await keys.find(store, old.id)
    assert stored is not None and stored.expires_at == soon


async def test_without_postgresql_known_keys_go_on_and_unknown_ones_are_not_called_wrong(
    migrated_url: str, store: Database, project: Project
) -> None:
    plain, record = await added(store)
    stranger, _ = await added(store)
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 2, 1.0)) as database:
        async with open_ring(database, ttl_s=0.05) as ring:
            await ring.authenticate(plain)
            await proxy.cut()
            await asyncio.sleep(0.1)  # what is cached is older than its ttl
            assert (await ring.authenticate(plain)).key_id == record.id
            with pytest.raises(LedgerUnavailableError):
                await ring.authenticate(stranger)
            await refused(ring, "sk-novai-nonsense")
            # Revoked meanwhile: no notice can come, but the first thing that the ring does with the server is to ask.
            assert await keys.revoke(store, record.id)
            await proxy.restore()
            assert await seconds_until_refused(ring, plain) < 5.0
            await ring.authenticate(stranger)


async def test_what_was_missed_while_not_listening_is_asked_again(
    migrated_url: str, store: Database, project: Project
) -> None:
    plain, record = await added(store)
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 2, 1.0)) as database:
        async with open_ring(database, ttl_s=60) as ring:
            await ring.authenticate(plain)
            await proxy.cut()
            await keys.revoke(store, record.id)
            await proxy.restore()
            async with asyncio.timeout(30):
                while not ring._listening or database._suspect:
                    with contextlib.suppress(LedgerUnavailableError):
                        await database.ping()
                    await asyncio.sleep(0.01)
            assert "revoked" in await refused(ring, plain)


async def test_a_silent_server_does_not_hold_known_keys_up(
    migrated_url: str, store: Database, project: Project
) -> None:
    plain, _ = await added(store)
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 2, 1.0)) as database:
        async with open_ring(database, ttl_s=0.01) as ring:
            await ring.authenticate(plain)
            proxy.silence()
            await asyncio.sleep(0.02)
            for _ in range(20):
                started = time.monotonic()
                await ring.authenticate(plain)
                assert time.monotonic() - started < 0.6


async def test_without_notices_belief_lasts_half_a_second(store: Database, project: Project) -> None:
    """The second wall: a ring that never listened hears nothing, and still stops within a second."""
    plain, record = await added(store)
    async with contextlib.aclosing(KeyRing(store, PEPPER, ttl_s=60)) as deaf:
        await deaf.authenticate(plain)
        await keys.revoke(store, record.id)
        assert await seconds_until_refused(deaf, plain) < 1.0


async def test_an_answer_from_before_a_change_is_not_kept(ring: KeyRing, store: Database, project: Project) -> None:
    """The row was read, then the key was revoked and the notice came, then the answer arrived."""
    plain, record = await added(store)
    reading = asyncio.create_task(ring.authenticate(plain))
    while ring._lookup_task is None:
        await asyncio.sleep(0)
    ring._on_notice(record.digest.hex())
    await reading
    assert record.digest not in ring._known


async def test_a_flood_of_unknown_keys_is_bounded_and_shares_queries(store: Database, project: Project) -> None:
    """Reliability S09, S10: constant memory, one connection, nobody else's identity."""
    plain, record = await added(store)
    strangers = [mint(PEPPER, "proj_1", "k")[0] for _ in range(600)]
    async with open_ring(store) as ring:
        answers = await asyncio.gather(*map(ring.authenticate, [*strangers, plain]), return_exceptions=True)
        assert all(isinstance(answer, AuthenticationError) for answer in answers[:-1])
        principal = answers[-1]
        assert not isinstance(principal, BaseException) and principal.key_id == record.id
        assert len(ring._unknown) == 600 and len(ring._known) == 1
        assert store.pool.get_size() <= 2


async def test_what_is_remembered_has_bounds_and_the_oldest_makes_room(
    store: Database, project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("api.auth.keys._MAX_KNOWN", 2)
    monkeypatch.setattr("api.auth.keys._MAX_UNKNOWN", 2)
    first, second, third = [(await added(store))[0] for _ in range(3)]
    ring = KeyRing(store, PEPPER, ttl_s=0.0)  # which asks again each time
    for plain in (first, second, second):
        await ring.authenticate(plain)
    assert ring.knows(first)
    await ring.authenticate(third)
    assert len(ring._known) == len(ring._digests) == 2
    assert [ring.knows(plain) for plain in (first, second, third)] == [False, True, True]
    for _ in range(3):
        await refused(ring, mint(PEPPER, "proj_1", "k")[0])
    assert len(ring._unknown) == 2
    await ring.aclose()


async def test_a_caller_who_leaves_takes_nobodys_answer_along(ring: KeyRing, store: Database, project: Project) -> None:
    plain, record = await added(store)
    first, second = (asyncio.create_task(ring.authenticate(plain)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).key_id == record.id


async def test_closing_a_ring_frees_those_who_wait(store: Database, migrated_url: str, project: Project) -> None:
    plain, _ = await added(store)
    async with proxied(migrated_url) as (proxy, url), contextlib.aclosing(await open_pool(url, 2, 1.0)) as database:
        await database.ping()
        proxy.silence()
        ring = KeyRing(database, PEPPER)
        waiting = asyncio.create_task(ring.authenticate(plain))
        while ring._lookup_task is None:
            await asyncio.sleep(0)
        await ring.aclose()
        with pytest.raises(LedgerUnavailableError):
            await waiting
