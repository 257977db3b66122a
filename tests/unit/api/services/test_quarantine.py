from __future__ import annotations

import pytest
from gen import inference_pb2 as pb

from api.errors import PoisonRequestError
from api.services import quarantine
from api.services.quarantine import Quarantine
from tests.workers import say


def request(text: str, organisation: str = "org_1") -> pb.GenerateRequest:
    return say(text, model="m", cache_salt=organisation)


def test_what_ran_at_two_crashes_is_refused_for_a_while() -> None:
    now = [0.0]
    suspects = Quarantine(lambda: now[0])
    assert suspects.crashed(request("a"), "w:1") is None
    assert suspects.crashed(request("a"), "w:1") is None  # another client's, at the same crash
    suspects.check(request("a"))
    said = suspects.crashed(request("a"), "w:2")
    assert said is not None and (said.status, said.code) == (500, "poison_request")
    with pytest.raises(PoisonRequestError):
        suspects.check(request("a"))
    suspects.check(request("b"))
    suspects.check(request("a", "org_2"))
    now[0] = quarantine.KEPT_S
    suspects.check(request("a"))
    assert suspects.crashed(request("a"), "w:3") is None


def test_whoever_is_answered_is_not_suspect() -> None:
    suspects = Quarantine()
    suspects.crashed(request("a"), "w:1")
    suspects.answered(request("a"))
    assert suspects.crashed(request("a"), "w:2") is None
    suspects.check(request("a"))


def test_suspects_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(quarantine, "KEPT_AT_MOST", 2)
    suspects = Quarantine()
    for text in "abc":
        suspects.crashed(request(text), "w:1")
        suspects.crashed(request(text), "w:2")
    suspects.check(request("a"))  # forgotten
    with pytest.raises(PoisonRequestError):
        suspects.check(request("c"))
