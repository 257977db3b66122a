"""What tokens cost. Pure, whole numbers of nano-USD; the only place that rounds.

Prices are nano-USD per million tokens: $0.0375 for a million tokens is 37 500 000, exact to 10⁻¹⁵ dollars a token. The
cost of a request is added up exactly and then rounded up, once, to a whole nano-USD.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from decimal import Decimal, InvalidOperation

from api.domain import TokenUsage

MTOK = 1_000_000
NUSD = 1_000_000_000  # nano-USD in a dollar
MAX_NUSD = 10**9 * NUSD  # a thousand million dollars: sums of it fit PostgreSQL's bigint


@dataclass(frozen=True, slots=True)
class Price:
    """One version of a model's price. Cached input never costs more than input that has to be computed."""

    model: str
    version: int  # 0: of no price list, `free_price`
    input_nusd_per_mtok: int
    cached_nusd_per_mtok: int
    output_nusd_per_mtok: int
    batch_percent: int = 50  # of it, for lines of batches
    percent: int = 100  # of it that is charged

    @property
    def free(self) -> bool:
        return self.input_nusd_per_mtok == self.cached_nusd_per_mtok == self.output_nusd_per_mtok == 0

    def at(self, percent: int) -> Price:
        """Of which so much is charged."""
        return self if percent == self.percent else replace(self, percent=percent)


def free_price(model: str) -> Price:
    """For a model that is served with `free: true`."""
    return Price(model, 0, 0, 0, 0)


def cost_nusd(price: Price, tokens: TokenUsage) -> int:
    """What these tokens cost. Cached tokens are part of the prompt, reasoning tokens of the completion."""
    exact = (
        (tokens.prompt_tokens - tokens.cached_tokens) * price.input_nusd_per_mtok
        + tokens.cached_tokens * price.cached_nusd_per_mtok
        + tokens.completion_tokens * price.output_nusd_per_mtok
    )
    return -(-exact * price.percent // (MTOK * 100))


def bound_nusd(price: Price, prompt_tokens: int, completion_tokens: int) -> int:
    """The most that a request can cost that stays within these numbers of tokens, whatever is cached."""
    return cost_nusd(price, TokenUsage(prompt_tokens, 0, completion_tokens))


def completion_tokens_within(price: Price, prompt_tokens: int, amount_nusd: int) -> int | None:
    """Tokens of output that an amount pays for, after the prompt. None: any number; negative: not even the prompt."""
    left = amount_nusd * MTOK * 100 - prompt_tokens * price.input_nusd_per_mtok * price.percent
    if price.output_nusd_per_mtok * price.percent == 0:
        return None if left >= 0 else -1
    return left // (price.output_nusd_per_mtok * price.percent)


def usd(nusd: int) -> str:
    """`$12.50`, exact, with at least two decimals."""
    dollars = Decimal(abs(nusd)) / NUSD
    digits = max(2, -int(dollars.normalize().as_tuple().exponent))
    return f"{'-' if nusd < 0 else ''}${dollars:.{digits}f}"


def parse_usd(text: str) -> int:
    """Nano-USD of `12.50` or `$12.50`. Raises ValueError for what is no amount, negative, or finer than a nano-USD."""
    try:
        nusd = Decimal(text.removeprefix("$")) * NUSD
        if 0 <= nusd <= MAX_NUSD and nusd == int(nusd):
            return int(nusd)
    except (InvalidOperation, ValueError, OverflowError):
        pass
    raise ValueError(f"{text!r} is not an amount in USD: write e.g. 0.075, with at most nine decimals")
