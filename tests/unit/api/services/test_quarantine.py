from __future__ import annotations

import asyncio

import pytest

from api.errors import PoisonRequestError, WorkerDiedError
from api.services import quarantine
from api.services.quarantine import Asked, Quarantine


class Host:
    """It saw all its workers die, but for those that went with it. Of `late` ones it says so when it is waited for."""

    def __init__(self, lost: str = "", late: str = "") -> None:
        self._silent = {lost, late}
        self._late = late

    def died(self, target: str) -> bool:
        return target not in self._silent

    async def hear_of(self, target: str, _patience_s: float) -> None:
        await asyncio.sleep(0)
        self._silent -= {target} & {self._late}


def request(text: str, organisation: str = "org_1") -> Asked:
    return f"{organisation}: {text}".encode


async def free(suspects: Quarantine, text: str) -> None:
    """A suspect, whose turn it may be."""
    turn = await suspects.turn("m", request(text))
    assert turn is not None
    turn.over()


async def test_what_ran_at_two_crashes_is_refused_for_a_while() -> None:
    now = [0.0]
    suspects = Quarantine(Host(), lambda: now[0])
    assert await suspects.crashed(request("a"), "w:1") is None
    assert await suspects.crashed(request("a"), "w:1") is None  # another client's, at the same crash
    await free(suspects, "a")
    said = await suspects.crashed(request("a"), "w:2")
    assert said is not None and (said.status, said.code) == (500, "poison_request")
    with pytest.raises(PoisonRequestError):
        await suspects.turn("m", request("a"))
    assert await suspects.turn("m", request("b")) is None
    assert await suspects.turn("m", request("a", "org_2")) is None
    now[0] = quarantine.KEPT_S
    assert await suspects.turn("m", request("a")) is None
    assert await suspects.crashed(request("a"), "w:3") is None


async def test_only_what_the_worker_died_of_counts() -> None:
    """Not what its host did, with all that ran on it; but those are suspects all the same."""
    suspects = Quarantine(Host(lost="w:1", late="w:3"))
    for worker in ("w:1", "w:2"):
        assert await suspects.crashed(request("a"), worker) is None
        await free(suspects, "a")
    assert await suspects.crashed(request("a"), "w:3") is not None
    with pytest.raises(PoisonRequestError):
        await suspects.turn("m", request("a"))


async def test_whoever_is_answered_is_not_suspect() -> None:
    suspects = Quarantine(Host())
    await suspects.crashed(request("a"), "w:1")
    suspects.answered(request("a"))
    assert await suspects.turn("m", request("a")) is None
    assert await suspects.crashed(request("a"), "w:2") is None
    await free(suspects, "a")


async def test_suspects_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "KEPT_AT_MOST", 2)
    suspects = Quarantine(Host())
    for text in "abc":
        await suspects.crashed(request(text), "w:1")
        await suspects.crashed(request(text), "w:2")
    assert await suspects.turn("m", request("a")) is None  # forgotten
    with pytest.raises(PoisonRequestError):
        await suspects.turn("m", request("c"))


async def test_suspects_of_a_model_take_turns() -> None:
    suspects = Quarantine(Host())
    for text in "abc":
        await suspects.crashed(request(text), "w:1")
    await suspects.crashed(other := request("of n"), "w:9")
    first = await suspects.turn("m", request("a"))
    assert first is not None
    second, third = (asyncio.ensure_future(suspects.turn("m", request(text))) for text in "bc")
    assert await suspects.turn("m", request("d")) is None  # who is not suspect does not wait
    assert await suspects.turn("n", other) is not None  # nor do those of another model
    await asyncio.sleep(0)
    assert not second.done()
    first.over()
    first.over()
    turn = await second
    assert turn is not None and not third.done()
    turn.over()
    assert await third is not None


async def test_after_waiting_they_may_not_be_suspect_any_more_or_be_guilty() -> None:
    suspects = Quarantine(Host())
    for text in "ab":
        await suspects.crashed(request(text), "w:1")
    first = await suspects.turn("m", request("a"))
    assert first is not None
    twins = [asyncio.ensure_future(suspects.turn("m", request(text))) for text in "aab"]
    await asyncio.sleep(0)
    suspects.answered(request("a"))
    await suspects.crashed(request("b"), "w:2")
    first.over()
    assert [await twins[0], await twins[1]] == [None, None]
    with pytest.raises(PoisonRequestError):
        await twins[2]
    await suspects.crashed(request("a"), "w:3")
    await free(suspects, "a")


async def test_a_turn_ends_by_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "TURN_S", 0.01)
    suspects = Quarantine(Host())
    await suspects.crashed(request("a"), "w:1")
    kept = [await suspects.turn("m", request("a")) for _ in range(2)]
    assert None not in kept


async def test_whoever_waits_too_long_is_asked_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "TURN_WAIT_S", 0.01)
    suspects = Quarantine(Host())
    await suspects.crashed(request("a"), "w:1")
    turn = await suspects.turn("m", request("a"))
    assert turn is not None
    with pytest.raises(WorkerDiedError):
        await suspects.turn("m", request("a"))
    turn.over()
    await free(suspects, "a")
