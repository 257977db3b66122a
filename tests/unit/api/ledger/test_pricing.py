from __future__ import annotations

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.domain import TokenUsage
from api.ledger.pricing import (
    MTOK,
    Price,
    bound_nusd,
    completion_tokens_within,
    cost_nusd,
    free_price,
    parse_usd,
    usd,
)

TOKENS = st.integers(0, 10_000_000)
AMOUNT = st.integers(0, 10**15)


@st.composite
def a_price(draw: st.DrawFn) -> Price:
    full = draw(st.integers(0, 10**12))
    price = Price("m", 1, full, draw(st.integers(0, full)), draw(st.integers(0, 10**12)))
    return price.at(draw(st.integers(0, 100)))


@st.composite
def some_tokens(draw: st.DrawFn) -> TokenUsage:
    prompt = draw(TOKENS)
    return TokenUsage(prompt, draw(st.integers(0, prompt)), draw(TOKENS))


@given(a_price(), some_tokens())
def test_the_cost_is_exact_and_rounded_up_once(price: Price, tokens: TokenUsage) -> None:
    exact = (
        Fraction(price.input_nusd_per_mtok, MTOK) * (tokens.prompt_tokens - tokens.cached_tokens)
        + Fraction(price.cached_nusd_per_mtok, MTOK) * tokens.cached_tokens
        + Fraction(price.output_nusd_per_mtok, MTOK) * tokens.completion_tokens
    )
    exact *= Fraction(price.percent, 100)
    assert exact <= cost_nusd(price, tokens) < exact + 1


@given(a_price(), some_tokens(), TOKENS, TOKENS)
def test_the_bound_holds_whatever_is_cached(price: Price, tokens: TokenUsage, more: int, longer: int) -> None:
    bound = bound_nusd(price, tokens.prompt_tokens + longer, tokens.completion_tokens + more)
    assert cost_nusd(price, tokens) <= bound


@given(a_price(), TOKENS, AMOUNT)
def test_what_an_amount_pays_for_fits_it_and_one_token_more_does_not(price: Price, prompt: int, amount: int) -> None:
    tokens = completion_tokens_within(price, prompt, amount)
    if tokens is None:
        assert price.output_nusd_per_mtok * price.percent == 0 and bound_nusd(price, prompt, 10**9) <= amount
    elif tokens < 0:
        assert bound_nusd(price, prompt, 0) > amount
    else:
        assert bound_nusd(price, prompt, tokens) <= amount < bound_nusd(price, prompt, tokens + 1)


@given(some_tokens())
def test_free_is_free(tokens: TokenUsage) -> None:
    assert free_price("m").free and cost_nusd(free_price("m"), tokens) == 0


@pytest.mark.parametrize(
    ("per_million", "tokens", "cost"),
    [("0.075", 1, 75), ("0.0375", 1, 38), ("0.0375", 2, 75), ("15", 1_000_000, 15 * 10**9), ("0.000000001", 1, 1)],
)
def test_common_prices_are_whole_numbers(per_million: str, tokens: int, cost: int) -> None:
    price = Price("m", 1, parse_usd(per_million), 0, 0)
    assert cost_nusd(price, TokenUsage(tokens)) == cost


@given(st.integers(-(10**18), 10**18))
def test_amounts_are_written_exactly_and_read_back(nusd: int) -> None:
    text = usd(nusd)
    assert Decimal(text.replace("$", "")) * 10**9 == nusd and len(text.partition(".")[2]) >= 2
    if nusd >= 0:
        assert parse_usd(text) == nusd


@pytest.mark.parametrize("text", ["", "-1", "1e400", "nan", "inf", "0.0000000001", "1,5", "$", "2000000000", "a\0"])
def test_what_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="amount in USD"):
        parse_usd(text)
