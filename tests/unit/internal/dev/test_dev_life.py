"""The life of a process of the stack under every order of events."""

from __future__ import annotations

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from internal.dev.life import (
    FIRST_BACKOFF_S,
    LAST_BACKOFF_S,
    Answered,
    Ask,
    Event,
    Exited,
    Kill,
    Life,
    Spawn,
    Start,
    StartLater,
    State,
    Stop,
    TookTooLong,
    step,
)


class ProcessLife(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.life = Life(once=False)
        self.now_s = 100.0
        self.running: int | None = None
        self.due: list[StartLater] = []
        self.asked = self.killed = self.stopping = False
        self.spawned = 0

    @initialize(once=st.booleans())
    def begin(self, once: bool) -> None:
        self.life = Life(once=once)

    def feed(self, event: Event) -> None:
        self.life, actions = step(self.life, event, self.now_s)
        for action in actions:
            match action:
                case Spawn(process):
                    assert self.running is None and not self.stopping
                    assert process == self.spawned + 1
                    self.running = self.spawned = process
                    self.killed = False
                case Ask():
                    assert self.running is not None and self.stopping
                    self.asked = True
                case Kill():
                    assert self.running is not None
                    self.killed = True
                case StartLater(_, delay_s):
                    assert FIRST_BACKOFF_S <= delay_s <= LAST_BACKOFF_S
                    self.due.append(action)

    @rule(seconds=st.sampled_from([0.1, 5.0, 31.0]))
    def pass_time(self, seconds: float) -> None:
        self.now_s += seconds

    @rule()
    def dependencies_are_ready(self) -> None:
        self.feed(Start())

    @precondition(lambda self: self.running is not None and not self.life.once)
    @rule()
    def answer(self) -> None:
        self.feed(Answered(self.running))

    @precondition(lambda self: self.running is not None)
    @rule(code=st.sampled_from([0, 1, -9]))
    def exit(self, code: int) -> None:
        ended, self.running = self.running, None
        self.feed(Exited(ended, code, "why"))

    @precondition(lambda self: self.due)
    @rule()
    def restart_due(self) -> None:
        self.feed(Start(self.due.pop(0).process))

    @rule(state=st.sampled_from([State.STARTING, State.STOPPING]))
    def deadline(self, state: State) -> None:
        self.feed(TookTooLong(self.life.process, state))

    @rule(age=st.integers(1, 3))
    def late_news(self, age: int) -> None:
        old, before = self.life.process - age, self.life
        late: list[Event] = [Start(old), Answered(old), Exited(old, 0, "late"), TookTooLong(old, before.state)]
        for event in late:
            self.feed(event)
        assert self.life == before

    @rule()
    def stop(self) -> None:
        self.stopping = True
        self.feed(Stop())

    @invariant()
    def the_state_tells_the_truth(self) -> None:
        life = self.life
        assert life.alive == (self.running is not None)
        if life.state in (State.READY, State.STARTING, State.STOPPING):
            assert self.running is not None
        if life.state is State.RESTARTING:
            assert life.was_ready and self.due and not life.once
        if life.state is State.FAILED:
            assert not life.was_ready, "what was ready once is tried again for ever"
            assert life.error and (self.killed or self.running is None)
        if life.state is State.DONE:
            assert life.once and self.spawned == 1
        if self.stopping:
            assert life.state in (State.STOPPING, State.STOPPED)
            assert life.state is State.STOPPED or self.asked


TestProcessLife = ProcessLife.TestCase
