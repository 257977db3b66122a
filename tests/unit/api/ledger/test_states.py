"""The life of holds as a state machine on a real PostgreSQL: whatever happens in whatever order, after every step the
ledger breaks no invariant, and every budget is what a model of a few lines says it is."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from api.domain import Outcome, TokenUsage
from api.errors import InsufficientQuotaError, InternalError
from api.ledger.holds import PAYS, Hold, Ledger
from api.ledger.price_book import PriceBook
from api.ledger.pricing import cost_nusd
from api.ledger.reconcile import verify
from api.ledger.sweeper import Heard, Receipt, Sweeper
from api.storage import budgets, holds, prices
from api.storage.session import open_pool
from tests.conftest import execute
from tests.unit.api.conftest import EMPTY
from tests.unit.api.ledger.conftest import A_MONTH_PASSES, PRICE, principal, record, request

pytestmark = pytest.mark.timeout(300)  # hundreds of commits
T = TypeVar("T")
PROJECTS = ("proj_1", "proj_2")  # the first one is prepaid
KEYS = ("key_1", "key_2")
AMOUNTS = st.integers(0, 6_000)
PICKS = st.integers(0, 1000)
TOKENS = st.builds(lambda p, c, o: TokenUsage(p, min(p, c), o), *(st.integers(0, 12),) * 3)
OUTCOMES: st.SearchStrategy[Outcome] = st.sampled_from(tuple(PAYS))


@dataclass
class Purse:
    """A budget as it should be."""

    kind: str
    limit: int
    floor: int = 0
    spent: int = 0
    held: int = 0
    month: int = 0

    def at(self, month: int) -> None:
        """What it is when it is next drawn on."""
        if self.kind == "month" and self.month < month:
            self.spent = self.held = self.floor = 0
            self.month = month


@dataclass
class Held:
    """A hold as it should be."""

    hold: Hold
    owner: str
    purses: list[Purse]
    amount: int
    month: int  # that monthly budgets count it for
    began: int  # the month that its usage is summed up in
    state: str = "open"

    def due(self, purse: Purse, amount: int, month: int) -> int:
        """What more it draws when it is raised to an amount."""
        moves = purse.kind == "month" and self.month < month
        return max(0, amount - (0 if moves else self.amount))

    def close(self, state: str, charge: int) -> None:
        self.state = state
        for purse in self.purses:
            if purse.kind != "month" or purse.month == self.month:
                purse.held -= self.amount
                purse.spent += min(charge, self.amount)


@dataclass
class World:
    """What the database should hold."""

    purses: dict[tuple[str, str], Purse] = field(default_factory=dict)  # by scope and kind
    rolled_up: dict[tuple[str, str], int] = field(default_factory=dict)  # charged ever, by project and key
    rolled_up_month: dict[tuple[str, str], int] = field(default_factory=dict)
    holds: dict[str, Held] = field(default_factory=dict)
    month: int = 0

    def drawn_by(self, project: str, key: str) -> list[Purse]:
        return [purse for (scope, _), purse in self.purses.items() if scope in (project, key)]


class Lives(RuleBasedStateMachine):
    url = ""  # of a migrated database; set by the test

    def __init__(self) -> None:
        super().__init__()
        execute(self.url, EMPTY)
        self.loop = asyncio.new_event_loop()
        self.world = World()
        self.credits = 0
        self.store = self.run(open_pool(self.url, 2))
        self.book = PriceBook(self.store)
        self.run(self.add_price())
        self.ledgers = [self.run(self.open_ledger()) for _ in range(2)]

    def run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(coroutine)

    async def add_price(self) -> None:
        p = PRICE
        await prices.add(self.store, p.model, p.input_nusd_per_mtok, p.cached_nusd_per_mtok, p.output_nusd_per_mtok)
        await self.book.refresh()
        await budgets.add_credits(self.store, "proj_1", 30_000, "cred_0", (50, 100))
        self.world.purses["proj_1", "credits"] = Purse("credits", 30_000)
        await budgets.set_budget(self.store, "proj_1", "proj_1", "month", 20_000, (50, 100))
        self.world.purses["proj_1", "month"] = Purse("month", 20_000)

    async def open_ledger(self) -> Ledger:
        ledger = Ledger(await holds.open_ledger_pool(self.url))
        await holds.renew(ledger.database, ledger.owner, ledger.lease_s)  # `start` would go on doing so by the clock
        return ledger

    def teardown(self) -> None:
        for ledger in self.ledgers:
            self.run(ledger.aclose())
            self.run(ledger.database.aclose())
        self.run(self.store.aclose())
        self.loop.close()

    # ------------------------------------------------------------------ the life of a hold

    @rule(
        number=st.integers(0, 1),
        project=st.sampled_from(PROJECTS),
        key=st.sampled_from(KEYS),
        amounts=st.lists(AMOUNTS, min_size=1, max_size=4),
    )
    def hold(self, number: int, project: str, key: str, amounts: list[int]) -> None:
        for amount in amounts:
            self.hold_one(self.ledgers[number], project, key, amount)

    def hold_one(self, ledger: Ledger, project: str, key: str, amount: int) -> None:
        world = self.world
        asked = request(amount, who=principal(project, f"{project}_{key}"))
        who = asked.principal
        purses = world.drawn_by(who.project_id, who.key_id)
        fits = all(amount <= self.left(purse) for purse in purses)
        try:
            made = self.run(ledger.hold(asked))
        except InsufficientQuotaError:
            assert not fits
            return
        assert fits
        for purse in purses:
            purse.at(world.month)
            purse.held += amount
        world.holds[asked.request_id] = Held(made, ledger.owner, purses, amount, world.month, world.month)

    def left(self, purse: Purse) -> int:
        stale = purse.kind == "month" and purse.month < self.world.month
        return purse.limit - (0 if stale else purse.spent + purse.held)

    @rule(pick=PICKS)
    def hold_again(self, pick: int) -> None:
        ledger, one = self.one(pick)
        if one is None:
            return
        if one.state == "open":
            assert self.run(ledger.hold(one.hold.request)) is one.hold
        else:
            with pytest.raises(InternalError):
                self.run(ledger.hold(one.hold.request))

    @rule(pick=PICKS, more=AMOUNTS)
    def extend(self, pick: int, more: int) -> None:
        ledger, one = self.one(pick)
        if one is None:
            return
        world, amount = self.world, one.amount + more
        fits = all(one.due(purse, amount, world.month) <= self.left(purse) for purse in self.present(one))
        extended = self.run(ledger.extend(one.hold, more))
        assert extended == (one.state == "open" and (fits or more == 0))
        if extended and more:
            for purse in self.present(one):
                purse.at(world.month)
                purse.held += one.due(purse, amount, world.month)
            one.amount, one.month = amount, world.month

    @rule(picks=st.lists(PICKS, min_size=1, max_size=3), outcome=OUTCOMES, tokens=TOKENS)
    def settle(self, picks: list[int], outcome: Outcome, tokens: TokenUsage) -> None:
        for pick in picks:
            ledger, one = self.one(pick)
            if one is not None:
                self.run(self.settled(ledger, one, outcome, tokens))

    async def settled(self, ledger: Ledger, one: Held, outcome: Outcome, tokens: TokenUsage) -> None:
        first, second = (ledger.settle(one.hold, record(one.hold, outcome, tokens)) for _ in range(2))
        await asyncio.gather(first, second)
        self.expect_closed(one, outcome, tokens)

    def expect_closed(self, one: Held, outcome: Outcome, tokens: TokenUsage) -> None:
        if one.state != "open":
            return
        charge = min(one.amount, cost_nusd(PRICE, tokens)) if PAYS[outcome] else 0
        one.purses = self.present(one)
        one.close("settled" if PAYS[outcome] else "released", charge)
        who = one.hold.request.principal
        this_month = one.began == self.world.month
        for sums in (self.world.rolled_up, *([self.world.rolled_up_month] if this_month else [])):
            sums[who.project_id, who.key_id] = sums.get((who.project_id, who.key_id), 0) + charge

    @rule(pick=PICKS)
    def release(self, pick: int) -> None:
        ledger, one = self.one(pick)
        if one is not None:
            self.run(self.released(ledger, one))

    async def released(self, ledger: Ledger, one: Held) -> None:
        await ledger.release(one.hold)
        if one.state == "open":
            one.purses = self.present(one)
            one.close("released", 0)

    # ------------------------------------------------------------------ death, and what follows

    @rule(number=st.integers(0, 1), project=st.sampled_from(PROJECTS), count=st.integers(0, 3), turns=st.integers(0, 8))
    def crash(self, number: int, project: str, count: int, turns: int) -> None:
        """The process is gone without a word, with holds on their way: each is made or not, nothing in between."""
        ledger = self.ledgers[number]
        asked = [request(700, who=principal(project, f"{project}_key_1")) for _ in range(count)]

        async def begin() -> None:
            tasks = [asyncio.create_task(ledger.hold(each)) for each in asked]
            for _ in range(turns):
                await asyncio.sleep(0)
            # What was sent is done even if PostgreSQL reads it only after the connection is gone, so wait for its end.
            cut = [each._con.get_server_pid() for each in ledger.database.pool._holders if each.is_connected()]
            ledger.database.pool.terminate()
            await asyncio.gather(*tasks, return_exceptions=True)
            ledger._settlements._retry_task and ledger._settlements._retry_task.cancel()
            while await self.store.fetch("SELECT 1 FROM pg_stat_activity WHERE pid = ANY ($1)", cut):
                await asyncio.sleep(0.001)

        self.run(begin())
        self.ledgers[number] = self.run(self.open_ledger())
        names = [each.request_id for each in asked]
        made = self.run(self.store.fetch("SELECT request_id, owner FROM holds WHERE request_id = ANY ($1)", names))
        for row in made:
            [each] = [each for each in asked if each.request_id == row["request_id"]]
            purses = self.world.drawn_by(project, each.principal.key_id)
            for purse in purses:
                purse.at(self.world.month)
                purse.held += each.amount_nusd
            self.world.holds[each.request_id] = Held(
                Hold(each), ledger.owner, purses, 700, self.world.month, self.world.month
            )

    @rule(number=st.integers(0, 1), known=st.lists(st.none() | st.tuples(st.booleans(), TOKENS), max_size=8))
    def sweep(self, number: int, known: list[tuple[bool, TokenUsage] | None]) -> None:
        """Leases of those that are gone lapse, and one of the others closes what they held, with what workers know."""
        ledger = self.ledgers[number]
        orphans = self.orphans()
        said = {
            one.hold.request.request_id: Receipt("127.0.0.1:5", receipt[1], client_left=receipt[0])
            for one, receipt in zip(orphans, known, strict=False)
            if receipt is not None
        }

        async def receipts(model: str, names: Sequence[str]) -> Heard:
            return Heard({name: said[name] for name in names if name in said})

        alive = {each.owner for each in self.ledgers}
        self.run(self.lapse(sorted(alive)))
        closed = self.run(Sweeper(ledger, self.book, receipts, grace_s=0.0).sweep())
        assert closed == len(orphans)
        for one in orphans:
            receipt = said.get(one.hold.request.request_id)
            if receipt is None:
                one.purses = self.present(one)
                one.close("released", 0)
            else:
                self.expect_closed(one, "client_left" if receipt.client_left else "upstream_broke", receipt.tokens)

    async def lapse(self, alive: list[str]) -> None:
        """An hour passes for leases and open holds; the living have renewed theirs."""
        await self.store.execute("UPDATE ledger_processes SET since = since - interval '1 hour'")
        await self.store.execute("DELETE FROM ledger_processes WHERE id <> ALL ($1::text[])", alive)
        await self.store.execute("UPDATE holds SET created_at = created_at - interval '1 hour' WHERE state = 'open'")

    @rule()
    def a_month_passes(self) -> None:
        self.world.month += 1
        self.world.rolled_up_month.clear()
        execute(self.url, A_MONTH_PASSES)
        for one in self.world.holds.values():
            asked = one.hold.request
            object.__setattr__(asked, "started_at_s", asked.started_at_s - 40 * 86400)

    # ------------------------------------------------------------------ budgets

    @rule(amount=st.integers(1, 20_000))
    def add_credits(self, amount: int) -> None:
        self.credits += 1
        for added in (True, False):
            name = f"cred_{self.credits}"
            assert self.run(budgets.add_credits(self.store, "proj_1", amount, name, (50, 100))) == added
        self.world.purses["proj_1", "credits"].limit += amount

    @rule(
        project=st.sampled_from(PROJECTS),
        key=st.sampled_from(("", *KEYS)),
        kind=st.sampled_from(("month", "total")),
        limit=st.integers(0, 40_000),
    )
    def set_budget(self, project: str, key: str, kind: Any, limit: int) -> None:
        scope = f"{project}_{key}" if key else project
        self.run(budgets.set_budget(self.store, project, scope, kind, limit, (50, 80, 100)))
        known = self.world.purses.get((scope, kind))
        if known is not None:
            known.limit, known.floor = limit, known.spent + known.held
            return
        sums = self.world.rolled_up_month if kind == "month" else self.world.rolled_up
        spent = sum(s for (p, k), s in sums.items() if p == project and (not key or k == scope))
        self.world.purses[scope, kind] = Purse(kind, limit, spent, spent, month=self.world.month)

    @rule(project=st.sampled_from(PROJECTS), key=st.sampled_from(("", *KEYS)))
    def clear_budgets(self, project: str, key: str) -> None:
        scope = f"{project}_{key}" if key else project
        gone = [self.world.purses.pop((scope, kind), None) for kind in ("month", "total")]
        assert self.run(budgets.clear(self.store, scope, ("month", "total"))) == any(gone)

    def present(self, one: Held) -> list[Purse]:
        """Those of its budgets that were not cleared meanwhile."""
        return [purse for purse in one.purses if any(purse is known for known in self.world.purses.values())]

    def living(self) -> list[tuple[Ledger, Held]]:
        """Holds of processes that live, open ones first."""
        by_owner = {ledger.owner: ledger for ledger in self.ledgers}
        found = [(by_owner[one.owner], one) for one in self.world.holds.values() if one.owner in by_owner]
        return sorted(found, key=lambda entry: entry[1].state != "open")

    def one(self, pick: int) -> tuple[Ledger, Held | None]:
        """Mostly one that is open. What a crash leaves is not the same each time: no rule may depend on it."""
        living = self.living()
        still_open = sum(one.state == "open" for _, one in living)
        if not living:
            return self.ledgers[0], None
        return living[pick % (still_open if still_open and pick % 4 else len(living))]

    def orphans(self) -> list[Held]:
        alive = {ledger.owner for ledger in self.ledgers}
        return [one for one in self.world.holds.values() if one.state == "open" and one.owner not in alive]

    # ------------------------------------------------------------------ what must always be so

    @invariant()
    def nothing_is_broken(self) -> None:
        findings = self.run(verify(self.store))
        assert not [(f.invariant.name, f.offences) for f in findings if f.offences]

    @invariant()
    def the_database_is_as_the_model(self) -> None:
        found = {(b.scope_id, b.kind): b for b in self.run(budgets.budgets(self.store))}
        assert found.keys() == self.world.purses.keys()
        for name, purse in self.world.purses.items():
            stale = purse.kind == "month" and purse.month < self.world.month
            expected = (purse.limit, 0, 0) if stale else (purse.limit, purse.spent, purse.held)
            assert (found[name].limit_nusd, found[name].spent_nusd, found[name].held_nusd) == expected, name
        rows = self.run(self.store.fetch("SELECT request_id, state, amount_nusd FROM holds"))
        states = {row["request_id"]: row["state"] for row in rows}
        assert {name: one.state for name, one in self.world.holds.items()} == {
            name: state for name, state in states.items() if name in self.world.holds
        }
        assert "open" not in {state for name, state in states.items() if name not in self.world.holds}


def test_every_life_of_a_hold(shared_url: str) -> None:
    machine: Callable[[], Lives] = type("Machine", (Lives,), {"url": shared_url})
    run_state_machine_as_test(  # type: ignore[no-untyped-call]
        machine,
        settings=settings(
            max_examples=30,
            stateful_step_count=30,
            suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            print_blob=True,
        ),
    )
