from __future__ import annotations

import pytest

from internal.errors import OverloadedError
from internal.upstream import faults
from internal.upstream.chain import FAILURES_TO_OPEN, OPEN_MOST_S, OPEN_S, Chain, Rest, Target, Upstream, backoff_s
from internal.upstream.faults import AttemptError, Blame

FAILED = faults.cut("m", "cut")
USED_UP = AttemptError(Blame.KEY, OverloadedError("later", retry_after_ms=1000), "HTTP 429", rest_s=20)
WRONG_KEY = faults.of_answer(401, {}, b"", "m")
ABSENT = faults.of_answer(404, {}, b"", "m")
BAD = faults.of_answer(400, {}, b"", "m")


def chain(*keys: int) -> Chain[str]:
    """Upstreams a, b, … with so many keys: a0, a1, …"""
    upstreams: list[Upstream[str]] = []
    for name, count in zip("abc", keys, strict=False):
        upstream: Upstream[str] = Upstream(name)
        upstream.targets = [Target(upstream, f"{name}{number}") for number in range(count)]
        upstreams.append(upstream)
    return Chain(upstreams)


def chosen(links: Chain[str], now_s: float = 0.0, spent: list[Target[str]] | None = None) -> Target[str]:
    found = links.choose(now_s, spent or [])
    assert isinstance(found, Target), found
    return found


def test_keys_take_turns_and_fallbacks_wait_for_theirs() -> None:
    links = chain(3, 1)
    assert [chosen(links).of for _ in range(5)] == ["a0", "a1", "a2", "a0", "a1"]


def test_a_key_that_is_used_up_rests_as_long_as_it_was_told() -> None:
    links = chain(2)
    first = chosen(links)
    assert links.failed(first, USED_UP, 0.0) == [first]
    assert {chosen(links, 19.9).of for _ in range(4)} == {"a1"}
    assert {chosen(links, 20.1).of for _ in range(4)} == {"a0", "a1"}


def test_who_was_sent_before_a_key_was_refused_says_nothing_of_it() -> None:
    links = chain(1, 1)
    long, refused = chosen(links), chosen(links)
    links.failed(refused, USED_UP, 0.0)
    links.worked(long, 10.0)
    assert chosen(links, 19.9).of == "b0"
    assert chosen(links, 20.1).of == "a0"


def test_a_key_that_works_is_forgiven() -> None:
    links = chain(1)
    (key,) = links.upstreams[0].targets
    for now_s, rest_s in ((0.0, 1.0), (10.0, 2.0), (20.0, 1.0)):
        links.failed(key, AttemptError(Blame.KEY, OverloadedError("later"), "HTTP 429"), now_s)
        assert links.choose(now_s, []) == rest_s
        if now_s == 10.0:
            links.worked(key, 12.0)
    links.failed(key, WRONG_KEY, 30.0)
    assert links.refused
    links.worked(key, 30.0 + faults.REFUSED_KEY_S)
    assert not links.refused


def test_keys_of_which_one_is_spent_keep_their_order() -> None:
    links = chain(3, 1)
    spent = [links.upstreams[0].targets[1]]
    assert [chosen(links, spent=spent).of for _ in range(4)] == ["a0", "a2", "a0", "a2"]


def test_where_all_rest_the_soonest_is_told() -> None:
    links = chain(1, 1)
    links.failed(chosen(links), USED_UP, 0.0)
    links.failed(chosen(links), USED_UP, 5.0)
    assert links.choose(6.0, []) == pytest.approx(14.0)
    assert not links.refused


def test_wrong_keys_are_something_that_waiting_does_not_mend() -> None:
    links = chain(1, 1)
    links.failed(chosen(links), WRONG_KEY, 0.0)
    assert not links.refused
    links.failed(chosen(links), WRONG_KEY, 0.0)
    assert links.refused
    assert links.choose(10.0, []) == pytest.approx(faults.REFUSED_KEY_S - 10)


def test_an_upstream_that_failed_a_request_gets_it_again_only_when_there_is_nobody_else() -> None:
    links = chain(2, 1)
    spent = links.failed(chosen(links), FAILED, 0.0)
    assert [target.of for target in spent] == ["a0", "a1"]
    fallback = chosen(links, spent=spent)
    assert fallback.of == "b0"
    spent += links.failed(fallback, FAILED, 0.0)
    assert links.choose(0.0, spent) == float("inf")


def test_a_circuit_opens_lets_one_try_and_opens_for_longer() -> None:
    links = chain(1, 1)
    for _ in range(FAILURES_TO_OPEN):
        target = chosen(links)
        assert target.of == "a0"
        links.failed(target, FAILED, 0.0)
    assert chosen(links, OPEN_S - 0.1).of == "b0"
    trial = chosen(links, OPEN_S)
    assert trial.of == "a0"
    assert chosen(links, OPEN_S).of == "b0"  # one finds out, the others go elsewhere
    links.failed(trial, FAILED, OPEN_S)
    assert chosen(links, 3 * OPEN_S - 0.1).of == "b0"
    trial = chosen(links, 3 * OPEN_S)
    links.worked(trial, 3 * OPEN_S)
    assert [chosen(links, 3 * OPEN_S).of for _ in range(3)] == ["a0"] * 3


def test_a_trial_that_failed_or_worked_is_over() -> None:
    links = chain(1, 1)
    for _ in range(FAILURES_TO_OPEN):
        links.failed(chosen(links), FAILED, 0.0)
    trial = chosen(links, OPEN_S)
    for number in range(3):  # of those that had been sent before
        links.failed(trial, FAILED, OPEN_S + number)
    assert chosen(links, 3 * OPEN_S) is trial
    links.worked(trial, 3 * OPEN_S)
    trial.upstream.circuit.begun()
    for _ in range(FAILURES_TO_OPEN - 1):
        assert chosen(links, 3 * OPEN_S) is trial
        links.failed(trial, FAILED, 3 * OPEN_S)
    assert chosen(links, 3 * OPEN_S) is trial


@pytest.mark.parametrize("fault", [BAD, ABSENT, USED_UP])
def test_an_upstream_that_says_no_is_well(fault: AttemptError) -> None:
    links = chain(1)
    for now_s in (0.0, 100.0):
        for _ in range(FAILURES_TO_OPEN - 1):
            links.failed(chosen(links, now_s), FAILED, now_s)
        links.failed(chosen(links, now_s), fault, now_s)
    assert chosen(links, 200.0).of == "a0"


def test_a_circuit_closes_when_an_answer_begins_and_opens_at_the_next_failure() -> None:
    links = chain(1, 1)
    for _ in range(FAILURES_TO_OPEN):
        links.failed(chosen(links), FAILED, 0.0)
    trial = chosen(links, OPEN_S)
    trial.upstream.circuit.begun()
    assert [chosen(links, OPEN_S).of for _ in range(3)] == ["a0"] * 3
    links.failed(trial, FAILED, OPEN_S)
    assert chosen(links, OPEN_S).of == "b0"


@pytest.mark.parametrize("fault", [BAD, ABSENT])
def test_what_one_request_causes_opens_no_circuit(fault: AttemptError) -> None:
    links = chain(1)
    for _ in range(3 * FAILURES_TO_OPEN):
        links.failed(chosen(links), fault, 0.0)


def test_a_model_that_one_upstream_has_not_another_may_have() -> None:
    links = chain(2, 1)
    assert [target.of for target in links.failed(chosen(links), ABSENT, 0.0)] == ["a0", "a1"]


def test_failures_that_come_together_are_one() -> None:
    rest = Rest(OPEN_S, OPEN_MOST_S)
    for _ in range(1000):
        rest.failed(0.0)
    assert rest.until_s == OPEN_S


def test_rest_has_an_end() -> None:
    rest = Rest(OPEN_S, OPEN_MOST_S)
    for number in range(2000):
        rest.failed(number * 1000.0)
    assert rest.until_s - 1999 * 1000.0 == OPEN_MOST_S


def test_pauses_double_and_are_spread() -> None:
    for failures, middle_s in ((1, 0.2), (2, 0.4), (3, 0.8), (50, 2.0)):
        pauses = {backoff_s(failures) for _ in range(50)}
        assert len(pauses) > 40
        assert 0.5 * middle_s <= min(pauses) <= max(pauses) <= 1.5 * middle_s
