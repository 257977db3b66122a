"""Stored responses: their conversation, their items, and when they are gone."""

from __future__ import annotations

import pytest

from api.ledger.retention import Retention
from api.storage import responses
from api.storage.responses import Item, Stored, TooLargeError
from api.storage.session import Database

PLENTY = 1 << 20


async def keep(
    store: Database, name: str, previous: str | None = None, project: str = "proj_1", days: int = 30, size: int = 10
) -> None:
    """One item each way, of `size` bytes together."""
    asked, answered = (Item(f"{side}_{name}", name[0].encode() * (size // 2)) for side in ("in", "out"))
    await responses.keep(store, Stored(name, project, previous, b"{}", [asked], [answered]), days, 5.0)


async def test_a_conversation_is_read_from_its_beginning(store: Database) -> None:
    for name, previous in (("a", None), ("b", "a"), ("c", "b"), ("d", "b")):
        await keep(store, name, previous, size=2)
    assert await responses.history(store, "proj_1", "c", PLENTY) == [b"a", b"a", b"b", b"b", b"c", b"c"]
    assert await responses.history(store, "proj_1", "d", PLENTY) == [b"a", b"a", b"b", b"b", b"d", b"d"]


async def test_a_conversation_without_its_beginning_is_none(store: Database) -> None:
    for name, previous in (("a", None), ("b", "a"), ("c", "b")):
        await keep(store, name, previous)
    assert await responses.remove(store, "proj_1", "a")
    assert not await responses.remove(store, "proj_1", "a")
    assert await responses.history(store, "proj_1", "c", PLENTY) is None
    assert await responses.history(store, "proj_1", "unknown", PLENTY) is None


async def test_a_conversation_is_bounded(store: Database) -> None:
    for name, previous in (("a", None), ("b", "a"), ("c", "b")):
        await keep(store, name, previous, size=10)
    found = await responses.history(store, "proj_1", "c", 30)
    assert found is not None
    assert len(found) == 6
    for most in (29, 15, 9):
        with pytest.raises(TooLargeError):
            await responses.history(store, "proj_1", "c", most)


async def test_items_are_found_by_their_ids_and_bounded(store: Database) -> None:
    await keep(store, "a", size=10)
    ids = ["in_a", "out_a", "unknown"]
    assert await responses.find(store, "proj_1", ids, 10) == {"in_a": b"aaaaa", "out_a": b"aaaaa"}
    with pytest.raises(TooLargeError):
        await responses.find(store, "proj_1", ids, 9)


async def test_of_two_items_with_one_id_the_newest_counts(store: Database) -> None:
    for name in ("a", "b"):
        await responses.keep(store, Stored(name, "proj_1", None, b"{}", [Item("same", name.encode())], []), 30, 5.0)
    assert await responses.find(store, "proj_1", ["same"], PLENTY) == {"same": b"b"}


async def test_another_project_finds_nothing(store: Database) -> None:
    await keep(store, "a", project="proj_2")
    await keep(store, "b", previous="a")
    assert await responses.read(store, "proj_1", "a") is None
    assert not await responses.remove(store, "proj_1", "a")
    assert await responses.find(store, "proj_1", ["in_a"], PLENTY) == {}
    assert await responses.history(store, "proj_1", "a", PLENTY) is None
    assert await responses.history(store, "proj_1", "b", PLENTY) is None, "not even as somebody's beginning"
    assert await responses.read(store, "proj_2", "a") == b"{}"


async def test_input_by_pages(store: Database) -> None:
    asked = [Item(f"i{number}", b"%d" % number) for number in range(5)]
    await responses.keep(store, Stored("a", "proj_1", None, b"{}", asked, [Item("o", b"o")]), 30, 5.0)
    assert await responses.position(store, "a", "o") is None, "what was answered is no input"
    middle = await responses.position(store, "a", "i2")
    for after, ascending, ids in (
        (None, True, ["i0", "i1", "i2"]),
        (None, False, ["i4", "i3", "i2"]),
        (middle, True, ["i3", "i4"]),
        (middle, False, ["i1", "i0"]),
    ):
        assert [item.id for item in await responses.page(store, "a", after, ascending, 3)] == ids


async def test_what_has_expired_is_not_there_and_then_removed(store: Database) -> None:
    await keep(store, "a", days=30)
    await keep(store, "b", days=0)
    await keep(store, "c", previous="b")
    assert await responses.read(store, "proj_1", "b") is None
    assert await responses.find(store, "proj_1", ["in_b"], PLENTY) == {}
    assert await responses.history(store, "proj_1", "c", PLENTY) is None
    await Retention(store, 0).run()
    assert [row["id"] for row in await store.fetch("SELECT id FROM responses ORDER BY id")] == ["a", "c"]
    assert {row["response_id"] for row in await store.fetch("SELECT response_id FROM response_items")} == {"a", "c"}


async def test_what_has_expired_goes_in_pieces_that_are_quick_even_when_each_is_megabytes(store: Database) -> None:
    await store.execute("""
        INSERT INTO responses (id, project_id, body, item_bytes, expires_at)
        SELECT 'resp_' || n, 'proj_1', '', 0, now() FROM generate_series(1, 150) n
    """)
    assert await responses.expire(store)
    assert len(await store.fetch("SELECT FROM responses")) == 50
    assert await responses.expire(store) and not await responses.expire(store)
