"""What is kept, and what leaves first."""

from __future__ import annotations

from internal.inference.kept import Kept


def test_what_was_used_last_stays() -> None:
    kept: Kept[str] = Kept(10)
    for key in "abc":
        kept.put(key, key.upper(), 3)
    assert kept.get("a") == "A"
    kept.put("d", "D", 3)
    assert [kept.get(key) for key in "abcd"] == ["A", None, "C", "D"]


def test_a_value_that_comes_again_counts_once() -> None:
    kept: Kept[str] = Kept(10)
    for value in ("first", "second"):
        kept.put("a", value, 6)
    kept.put("b", "other", 4)
    assert (kept.get("a"), kept.get("b")) == ("second", "other")


def test_one_stays_however_large() -> None:
    kept: Kept[str] = Kept(10)
    kept.put("a", "small", 1)
    kept.put("b", "large", 100)
    assert (kept.get("a"), kept.get("b")) == (None, "large")
    kept.put("c", "small", 1)
    assert (kept.get("b"), kept.get("c")) == (None, "small")
