"""Chats that come back when others have had their streams: what they said is not computed again."""

from __future__ import annotations

import mmap
from pathlib import Path
from typing import Any

import pytest

from bench.make_mmproj import Eye, write_mmproj
from internal.inference.backends.llamacpp.context import Context
from tests.pictures import picture
from tests.unit.internal.inference.backends.llamacpp.conftest import TINY, Start
from tests.unit.internal.inference.backends.llamacpp.house import check_nothing_leaked
from tests.unit.internal.inference.backends.llamacpp.test_engine import prompt
from tests.unit.internal.inference.backends.llamacpp.test_vision import chat
from tests.unit.internal.inference.backends.running import TOLD, Engine, same_but_for_ties

CHATS = 5


@pytest.fixture
def few(layout: str) -> dict[str, Any]:
    """Options with room for two chats."""
    room = {"cells": 1300, "context_length": 640} if layout == "unified" else {}
    return {"slots": 2, "prefix_sequences": 0, **room}


async def cached(engine: Engine, chats: int = CHATS, length: int = 200) -> list[int]:
    """Tokens of each chat that were there, but for a first one that is the same by chance."""
    answers = [await engine.run(prompt(length, number)) for number in range(chats)]
    return [answer.usage.cached_tokens if answer.usage.cached_tokens > 1 else 0 for answer in answers]


async def test_more_chats_than_streams_are_told_the_same(start: Start, few: dict[str, Any]) -> None:
    engine = await start(**few)
    cold = [await engine.run(prompt(200, number), **TOLD) for number in range(CHATS)]
    answers = [engine.submit(prompt(200, number), **TOLD) for number in range(CHATS)]
    for answer, expected in zip(answers, cold, strict=True):
        same_but_for_ties(await answer.end(), expected)
        assert answer.usage.cached_tokens == 199
    check_nothing_leaked(engine)


async def test_salts_are_strangers(start: Start, few: dict[str, Any]) -> None:
    engine = await start(**few)
    assert await cached(engine) == [0] * CHATS
    assert (await engine.run(prompt(200), cache_salt="other")).usage.cached_tokens == 0


async def test_with_no_memory_for_it_they_are_computed(start: Start, few: dict[str, Any]) -> None:
    engine = await start(**few, prompt_cache_mb=0)
    for _ in range(2):
        assert await cached(engine) == [0] * CHATS


async def test_those_that_fit_are_kept(start: Start, few: dict[str, Any]) -> None:
    """A token has 2 layers of 64 keys and 64 values of 4 bytes: 1 MB are 1 000 of them."""
    engine = await start(**few, prompt_cache_mb=1)
    for expected in (0, 599):
        assert await cached(engine, chats=3, length=600) == [expected] * 3
    for _ in range(2):
        assert await cached(engine, chats=6, length=600) != [599] * 6
    check_nothing_leaked(engine)


async def test_pictures_come_back_too(start: Start, few: dict[str, Any], tmp_path: Path) -> None:
    write_mmproj(tmp_path / "mmproj.gguf", Eye(embedding=TINY.dim))
    engine = await start(mmproj=tmp_path / "mmproj.gguf", **few)
    prompts = [chat("a" * 60, picture(color), "b" * 60) for color in ("red", "blue", "green", "white")]
    cold = [await engine.run(each, **TOLD) for each in prompts]
    for each, expected in zip(prompts, cold, strict=True):
        warm = await engine.run(each, **TOLD)
        same_but_for_ties(warm, expected)
        assert warm.usage.cached_tokens == warm.usage.prompt_tokens - 1


async def test_no_memory_costs_nobody_an_answer(
    start: Start, few: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_args: object, **_options: object) -> mmap.mmap:
        raise OSError("no")

    engine = await start(**few)
    monkeypatch.setattr(mmap, "mmap", none_left)
    assert await cached(engine) == [0] * CHATS
    monkeypatch.undo()
    assert await cached(engine) == [0] * CHATS  # it has been given up
    check_nothing_leaked(engine)


async def test_what_cannot_be_brought_back_is_computed(
    start: Start, few: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = await start(**few)
    cold = [await engine.run(prompt(200, number), **TOLD) for number in range(CHATS)]
    monkeypatch.setattr(Context, "restore", lambda self, sequence, parcel: self._set_state(sequence, parcel[:-8]))
    for number, expected in enumerate(cold):
        same_but_for_ties(await engine.run(prompt(200, number), **TOLD), expected)
    check_nothing_leaked(engine)
