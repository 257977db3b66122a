"""What is kept is found by what it begins with, and no more is kept than there is room for."""

from __future__ import annotations

from array import array

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from internal.inference.backends.batching.kv_cache import common_prefix
from internal.inference.backends.llamacpp.prompt_cache import BLOCK_BYTES, Prompt, PromptCache

WIDTH = 4
BLOCK = BLOCK_BYTES // WIDTH


def pack(tokens: list[int]) -> bytes:
    return array("i", tokens).tobytes()


def prompt(tokens: list[int], salt: str = "", size: int = 10) -> Prompt:
    return Prompt(salt, pack(tokens), np.zeros(size, np.uint8))


def cache(room: int = 1000) -> PromptCache:
    return PromptCache(lambda _held: room)


def test_the_one_that_shares_the_most_is_found() -> None:
    prompts = cache()
    short, long = prompt([1] * BLOCK + [2] * BLOCK), prompt([1] * BLOCK * 2 + [3] * 10)
    for each in (short, long):
        prompts.put(each)
    assert prompts.find("", pack([1] * BLOCK * 3)) == (long, 2 * BLOCK_BYTES)
    assert prompts.find("", pack([1] * BLOCK + [2] * 50)) == (short, 2 * BLOCK_BYTES)
    assert prompts.find("", pack([1] * BLOCK * 2 + [3] * 4 + [9] * BLOCK)) == (long, 2 * BLOCK_BYTES + 4 * WIDTH)


def test_salts_share_nothing() -> None:
    prompts = cache()
    prompts.put(prompt([1] * 100, "a"))
    assert prompts.find("b", pack([1] * 100)) == (None, 0)
    assert not prompts.holds("b", pack([1] * 100))


def test_a_prompt_takes_the_place_of_its_beginning() -> None:
    prompts = cache(room=25)
    first, other, second = prompt([1] * 100), prompt([2] * 100), prompt([1] * 150)
    for each in (first, other, second):
        prompts.put(each)
    assert prompts.find("", pack([1] * 100))[0] is second
    assert prompts.holds("", pack([2] * 100))


def test_the_least_recently_used_goes_first() -> None:
    prompts = cache(room=35)
    kept = [prompt([number] * BLOCK) for number in range(4)]
    for each in kept[:3]:
        prompts.put(each)
    prompts.use(kept[0])
    prompts.put(kept[3])
    assert [prompts.find("", each.packed)[0] for each in kept] == [kept[0], None, kept[2], kept[3]]


def test_what_is_too_large_or_too_short_is_not_kept() -> None:
    prompts = cache(room=25)
    kept = prompt([1] * 100)
    for each in (kept, prompt([2] * 100, size=26), prompt([3] * (BLOCK - 1))):
        prompts.put(each)
    assert [prompts.find("", pack([number] * 100))[0] for number in (1, 2, 3)] == [kept, None, None]


def test_it_gives_way_when_there_is_less_room() -> None:
    room = 100
    prompts = PromptCache(lambda held: room)
    for number in range(8):
        prompts.put(prompt([number] * 100))
    room = 20
    prompts.put(prompt([8] * 100))
    assert [prompts.holds("", pack([number] * 100)) for number in range(9)] == [False] * 7 + [True] * 2


def test_closed_it_holds_nothing() -> None:
    prompts = cache()
    prompts.put(prompt([1] * 100))
    prompts.close()
    assert not prompts.takes and not prompts.holds("", pack([1] * 100))


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
            prompts.put(prompt(tokens, salt, size))
        held = list(prompts._prompts)
        assert sum(each.parcel.nbytes for each in held) == prompts._bytes <= bound
        for each in held:
            assert prompts.holds(each.salt, each.packed)
        for of in "ab":
            most = max((common_prefix(each.packed, pack(wanted)) for each in held if each.salt == of), default=0)
            assert prompts.find(of, pack(wanted))[1] == most // BLOCK_BYTES * BLOCK_BYTES
    assert set(prompts._latest.values()) <= set(prompts._prompts)
