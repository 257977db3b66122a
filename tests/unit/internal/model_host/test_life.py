"""The life of a worker under every order of events: never two processes, never a forgotten restart."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from internal.model_host.life import (
    FIRST_BACKOFF_S,
    HEALTHY_S,
    LAST_BACKOFF_S,
    PROBE_FAILURES,
    Event,
    Exited,
    Kill,
    Life,
    Phase,
    Probed,
    Report,
    Reported,
    Spawn,
    Start,
    StartLater,
    Stop,
    Terminate,
    TookTooLong,
    step,
)


class WorkerLife(RuleBasedStateMachine):
    """The world around a worker: at most one real process, timers that fire late, news that come twice."""

    def __init__(self) -> None:
        super().__init__()
        self.life = Life()
        self.now_s = 100.0
        self.running: int | None = None  # the real process
        self.due: list[StartLater] = []
        self.killed = self.terminated = self.stopping = False
        self.spawned = 0

    def feed(self, event: Event) -> None:
        self.life, actions = step(self.life, event, self.now_s)
        for action in actions:
            match action:
                case Spawn(process):
                    assert self.running is None, "two processes at once"
                    assert not self.stopping, "started after stop"
                    assert process == self.spawned + 1
                    self.running, self.spawned = process, process
                    self.killed = self.terminated = False
                case Kill():
                    assert self.running is not None
                    self.killed = True
                case Terminate():
                    assert self.running is not None
                    self.terminated = True
                case StartLater(_, delay_s):
                    assert FIRST_BACKOFF_S <= delay_s <= LAST_BACKOFF_S
                    assert self.running is None
                    self.due.append(action)

    @initialize()
    def start(self) -> None:
        self.feed(Start())

    @rule(seconds=st.sampled_from([0.1, 2.0, 61.0]))
    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    @precondition(lambda self: self.running is not None)
    @rule()
    def report(self) -> None:
        self.feed(Reported(self.running, Report(port=1)))

    @precondition(lambda self: self.running is not None)
    @rule(answered=st.booleans())
    def probe(self, answered: bool) -> None:
        self.feed(Probed(self.running, answered))

    @precondition(lambda self: self.running is not None)
    @rule()
    def exit(self) -> None:
        ended, self.running = self.running, None
        self.feed(Exited(ended, "crashed"))

    @precondition(lambda self: self.due)
    @rule()
    def restart_due(self) -> None:
        self.feed(Start(self.due.pop(0).process))

    @rule(phase=st.sampled_from([Phase.LOADING, Phase.DRAINING]))
    def deadline(self, phase: Phase) -> None:
        self.feed(TookTooLong(self.life.process, phase))

    @rule(age=st.integers(1, 3), answered=st.booleans())
    def late_news(self, age: int, answered: bool) -> None:
        """Whatever is heard of an earlier process changes nothing."""
        old, before = self.life.process - age, self.life
        late: list[Event] = [Start(old), Reported(old, Report(port=2)), Probed(old, answered), Exited(old, "late")]
        for event in [*late, TookTooLong(old, before.phase)]:
            self.feed(event)
        assert self.life == before

    @rule()
    def stop(self) -> None:
        serving = self.life.phase is Phase.READY
        first, self.stopping = not self.stopping, True
        self.feed(Stop())
        if first and self.running is not None:
            assert self.terminated if serving else self.killed

    @invariant()
    def the_state_tells_the_truth(self) -> None:
        life = self.life
        assert life.alive == (self.running is not None)
        if life.phase in (Phase.READY, Phase.LOADING, Phase.DRAINING):
            assert self.running is not None
        if life.phase is Phase.READY:
            assert life.report is not None and life.error == ""
        if life.phase is Phase.ERROR:
            assert life.error
            assert self.spawned == 0 or self.killed or self.due, "nobody will start it again"
        if self.stopping:
            assert life.phase in (Phase.DRAINING, Phase.STOPPED)
            assert life.phase is Phase.DRAINING or self.running is None
        assert life.restarts == max(0, self.spawned - 1)


TestWorkerLife = WorkerLife.TestCase


def run(events: list[tuple[float, Event]]) -> tuple[Life, list[object]]:
    life, done = Life(), []
    for now_s, event in events:
        life, actions = step(life, event, now_s)
        done += actions
    return life, done


@given(crashes=st.integers(1, 12))
def test_backoff_doubles_and_is_forgotten_after_a_healthy_minute(crashes: int) -> None:
    events: list[tuple[float, Event]] = []
    for number in range(crashes):
        events += [(0.0, Start(number)), (0.0, Exited(number + 1, "boom"))]
    life, done = run(events)
    delays = [action.delay_s for action in done if isinstance(action, StartLater)]
    assert delays == [min(0.2 * 2**n, 10.0) for n in range(crashes)]
    assert life.failures == crashes
    revived = [(1.0, Start(crashes)), (1.0, Reported(crashes + 1, Report(port=1)))]
    _, soon = run([*events, *revived, (2.0, Exited(crashes + 1, "again"))])
    assert soon[-1] == StartLater(crashes + 1, min(0.2 * 2**crashes, 10.0)), "a flapping worker stays slow"
    _, later = run([*events, *revived, (1.0 + HEALTHY_S, Exited(crashes + 1, "again"))])
    assert later[-1] == StartLater(crashes + 1, 0.2)


@given(answers=st.lists(st.booleans(), max_size=30))
def test_only_unanswered_probes_in_a_row_kill(answers: list[bool]) -> None:
    probes: list[tuple[float, Event]] = [(1.0, Probed(1, answered)) for answered in answers]
    life, done = run([(0.0, Start()), (0.0, Reported(1, Report(port=1))), *probes])
    hung = "nnn" in "".join("y" if a else "n" for a in answers)
    assert done.count(Kill()) == hung
    assert (life.phase is Phase.ERROR) == hung
    assert PROBE_FAILURES == 3


@given(attempts=st.integers(0, 5), served=st.booleans(), crashes=st.integers(1, 6))
def test_what_was_never_ready_has_failed_after_so_many_attempts(attempts: int, served: bool, crashes: int) -> None:
    life = Life(attempts=attempts)
    for number in range(1, crashes + 1):
        life, actions = step(life, Start(number - 1), 0.0)
        if life.phase is Phase.FAILED:
            assert not actions
            break
        if served and number == 1:
            life, _ = step(life, Reported(number, Report(port=1)), 0.0)
        life, actions = step(life, Exited(number, "boom"), 0.0)
    over = 0 < attempts <= crashes and not served
    assert life.phase is (Phase.FAILED if over else Phase.ERROR)
    assert life.restarts == (attempts if over else crashes) - 1
    assert bool(actions) != over


def test_a_process_that_was_killed_is_over_and_the_next_one_begins_anew() -> None:
    """Whatever is still heard of it; and what the last one owed is not asked of the next."""
    ready: list[tuple[float, Event]] = [(0.0, Start()), (0.0, Reported(1, Report(port=1)))]
    hung: list[tuple[float, Event]] = [*ready, *[(1.0, Probed(1, False))] * PROBE_FAILURES, (1.0, Exited(1, "killed"))]
    again: list[tuple[float, Event]] = [(2.0, Start(1)), (2.0, Reported(2, Report(port=2))), (3.0, Probed(2, False))]
    assert run([*hung, *again])[0].phase is Phase.READY
    late: list[tuple[float, Event]] = [(0.0, Start()), (60.0, TookTooLong(1, Phase.LOADING)), (61.0, ready[1][1])]
    life, done = run(late)
    assert (life.phase, life.error) == (Phase.ERROR, "took too long to load, killed")
    assert done == [Spawn(1), Kill()]
    assert run([*late, (62.0, Exited(1, "signal 9"))])[0].error == life.error
