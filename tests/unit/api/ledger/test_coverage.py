"""What of an answer its hold pays for, and how that grows: `services.coverage` over a real ledger."""

from __future__ import annotations

from typing import Any, cast

from api.ledger.holds import Ledger
from api.ledger.pricing import Price, free_price
from api.services.admission import FIRST_STEP_TOKENS, LEAST_STEP_TOKENS, UNBOUNDED, Admission, Quote, Ticket
from api.services.coverage import Coverage
from api.storage import budgets
from api.storage.session import Database
from tests.unit.api.ledger.conftest import PRICE, principal

PROMPT_TOKENS = 10
MOST_TOKENS = 5000


async def begun(ledger: Ledger, price: Price = PRICE) -> tuple[Coverage, Ticket]:
    """Of an answer of at most so many tokens, of which none has come."""
    nowhere = cast(Any, None)
    quote = Quote("req_1", "createChatCompletion", 0.0, PROMPT_TOKENS, MOST_TOKENS, 0)
    ticket = Ticket(Admission(1, nowhere, ledger, nowhere), principal(), price, quote, nowhere)
    await ticket.take_hold()
    coverage = Coverage(ticket)
    coverage.begin(PROMPT_TOKENS, 0)
    return coverage, ticket


def worth_nusd(output_tokens: int) -> int:
    return (PROMPT_TOKENS * PRICE.input_nusd_per_mtok + output_tokens * PRICE.output_nusd_per_mtok) // 1_000_000


async def test_an_answer_is_held_for_step_by_step_to_its_end(ledger: Ledger) -> None:
    coverage, ticket = await begun(ledger)
    assert (coverage.tokens, coverage.certain) == (FIRST_STEP_TOKENS, FIRST_STEP_TOKENS // 2)
    for used in range(1, MOST_TOKENS + 1, 7):
        assert used <= coverage.certain or await coverage.reaches(used)
    assert (coverage.tokens, coverage.certain) == (MOST_TOKENS, UNBOUNDED)
    assert ticket.hold is not None and ticket.hold.amount_nusd == worth_nusd(MOST_TOKENS)


async def test_it_ends_where_the_money_does(ledger: Ledger, store: Database) -> None:
    await budgets.add_credits(store, "proj_1", worth_nusd(1500), "cred_1", ())
    coverage, ticket = await begun(ledger)
    used = 0
    while used < coverage.certain or await coverage.reaches(used + 1):
        used += 1
    assert used == coverage.tokens == coverage.certain
    assert 1500 - LEAST_STEP_TOKENS < used <= 1500
    assert ticket.hold is not None and ticket.hold.amount_nusd == worth_nusd(used)
    assert not await coverage.reaches(used + 1) and await coverage.reaches(used)


async def test_what_came_before_it_was_counted_counts(ledger: Ledger) -> None:
    """A quick worker answers before the hold stands."""
    coverage, _ticket = await begun(ledger)
    coverage.begin(PROMPT_TOKENS, 100)
    assert coverage.certain == (100 + FIRST_STEP_TOKENS) // 2


async def test_what_is_free_is_covered(ledger: Ledger) -> None:
    coverage, _ticket = await begun(ledger, free_price("tiny"))
    assert coverage.tokens == coverage.certain == UNBOUNDED
