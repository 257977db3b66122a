"""What is kept is found by what it begins with, and no more is kept than there is room for."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from internal.inference.backends.batching.kv_cache import common_prefix
from internal.inference.backends.batching.library import DecodeError, Parcel
from internal.inference.backends.llamacpp import prompt_cache
from internal.inference.backends.llamacpp.prompt_cache import BLOCK_BYTES, WIDTH, PromptCache, SavedPrompt, pack

BLOCK = BLOCK_BYTES // WIDTH


class Memory:
    """What it says that a sequence holds has as many bytes as its number says."""

    def __init__(self) -> None:
        self.fails = False
        self.fails_to_remove = False

    def copy(self, source: int, target: int, end: int) -> None:
        raise NotImplementedError

    def remove(self, sequence: int, start: int) -> None:
        assert start == 0
        if self.fails_to_remove:
            raise DecodeError("no")

    def save(self, sequence: int) -> Parcel:
        if self.fails:
            raise DecodeError("no")
        return np.zeros(sequence, np.uint8)

    def restore(self, sequence: int, parcel: Parcel) -> None:
        if self.fails:
            raise DecodeError("no")


def cache(room: int = 1000) -> PromptCache:
    return PromptCache(Memory(), lambda _held: room)


def put(prompts: PromptCache, tokens: list[int], salt: str = "", size: int = 10) -> SavedPrompt | None:
    """What is found of these tokens afterwards."""
    prompts.save(salt, pack(tokens), size)
    return prompts.find(salt, pack(tokens))[0]


def test_the_one_that_shares_the_most_is_found() -> None:
    prompts = cache()
    short = put(prompts, [1] * BLOCK + [2] * BLOCK)
    long = put(prompts, [1] * BLOCK * 2 + [3] * 10)
    assert prompts.find("", pack([1] * BLOCK * 3)) == (long, 2 * BLOCK)
    assert prompts.find("", pack([1] * BLOCK + [2] * 50)) == (short, 2 * BLOCK)
    assert prompts.find("", pack([1] * BLOCK * 2 + [3] * 4 + [9] * BLOCK)) == (long, 2 * BLOCK + 4)


def test_salts_share_nothing() -> None:
    prompts = cache()
    put(prompts, [1] * 100, "a")
    assert prompts.find("b", pack([1] * 100)) == (None, 0)
    assert not prompts.holds("b", pack([1] * 100))


def test_a_prompt_takes_the_place_of_its_beginning() -> None:
    prompts = cache(room=25)
    put(prompts, [1] * 100)
    put(prompts, [2] * 100)
    second = put(prompts, [1] * 150)
    assert prompts.find("", pack([1] * 100))[0] is second
    assert prompts.holds("", pack([2] * 100))


def test_the_least_recently_used_goes_first() -> None:
    prompts = cache(room=35)
    kept = [put(prompts, [number] * BLOCK) for number in range(3)]
    assert kept[0] is not None
    prompts.use(kept[0])
    kept.append(put(prompts, [3] * BLOCK))
    assert [prompts.find("", pack([number] * BLOCK))[0] for number in range(4)] == [kept[0], None, kept[2], kept[3]]


def test_what_is_too_large_or_too_short_is_not_kept() -> None:
    prompts = cache(room=25)
    kept = put(prompts, [1] * 100)
    assert put(prompts, [2] * 100, size=26) is None
    assert put(prompts, [3] * (BLOCK - 1), size=20) is None
    assert prompts.find("", pack([1] * 100))[0] is kept


def test_it_gives_way_when_there_is_less_room() -> None:
    room = 100
    prompts = PromptCache(Memory(), lambda _held: room)
    for number in range(8):
        put(prompts, [number] * 100)
    room = 20
    put(prompts, [8] * 100)
    assert [prompts.holds("", pack([number] * 100)) for number in range(9)] == [False] * 7 + [True] * 2


def test_there_are_never_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(prompt_cache, "MOST_PROMPTS", 2)
    prompts = cache()
    for number in range(4):
        put(prompts, [number] * 100)
    assert [prompts.holds("", pack([number] * 100)) for number in range(4)] == [False, False, True, True]


@pytest.mark.parametrize("what", ["save", "restore"])
def test_what_fails_once_is_not_tried_again(what: str) -> None:
    memory = Memory()
    prompts = PromptCache(memory, lambda _held: 1000)
    kept = put(prompts, [1] * 100)
    assert kept is not None and prompts.restore(kept, 5)
    memory.fails = True
    if what == "save":
        put(prompts, [2] * 100)
    else:
        assert not prompts.restore(kept, 5)
    assert not prompts.takes
    assert prompts.find("", pack([1] * 100)) == (None, 0)


def test_a_memory_that_cannot_even_be_emptied_breaks_one_step_only() -> None:
    """What it owes to others cannot be copied away."""
    memory = Memory()
    prompts = PromptCache(memory, lambda _held: 1000)
    kept = put(prompts, [1] * 100)
    assert kept is not None
    memory.fails = memory.fails_to_remove = True
    with pytest.raises(DecodeError):
        prompts.restore(kept, 5)
    assert prompts.find("", pack([1] * 100)) == (None, 0)


texts = st.lists(st.sampled_from([0, 1]), min_size=1, max_size=5).map(
    lambda blocks: [token for block in blocks for token in [block] * BLOCK]
)


@given(st.lists(st.tuples(texts, st.sampled_from("ab"), st.integers(1, 30), st.booleans()), max_size=30), texts)
def test_as_if_all_were_compared(steps: list[tuple[list[int], str, int, bool]], wanted: list[int]) -> None:
    prompts, bound = cache(room=60), 60
    for tokens, salt, size, use in steps:
        found, _ = prompts.find(salt, pack(tokens))
        if use and found is not None:
            prompts.use(found)
        else:
            prompts.save(salt, pack(tokens), size)
        held = list(prompts._prompts)
        assert sum(each.parcel.nbytes for each in held) == prompts._bytes <= bound
        for each in held:
            assert prompts.holds(each.salt, each.packed)
        for of in "ab":
            most = max((common_prefix(each.packed, pack(wanted)) for each in held if each.salt == of), default=0)
            assert prompts.find(of, pack(wanted))[1] == most // BLOCK_BYTES * BLOCK
    assert set(prompts._latest.values()) <= set(prompts._prompts)
