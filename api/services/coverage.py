"""What of an answer its hold pays for: more is held while it goes on, long before it is needed."""

from __future__ import annotations

import asyncio
import time

from api.errors import LedgerUnavailableError
from api.services.admission import UNBOUNDED, Ticket

RETRY_S = 0.5  # when PostgreSQL is away
PATIENCE_S = 10.0  # that it may be away at least, though nothing that is held is left


class Coverage:
    """Of one answer. `begin` → `reaches`* → `close`."""

    def __init__(self, ticket: Ticket) -> None:
        self.tokens = UNBOUNDED  # of output that the hold pays for
        self.certain = UNBOUNDED  # of them, after which more is asked for: up to here `reaches` need not be asked
        self._ticket = ticket
        self._prompt_tokens = 0
        self._used = 0
        self._extension: asyncio.Task[None] | None = None

    def begin(self, prompt_tokens: int, used: int) -> None:
        """The hold stands, the prompt is counted, and so many tokens have come already."""
        self._prompt_tokens, self._used = prompt_tokens, used
        self._look()

    async def reaches(self, used: int) -> bool:
        """Whether so many tokens are paid for. More is held on the way; waited for only when it is needed.

        Raises LedgerUnavailableError when nobody could say so in time: then it is not the money that is used up."""
        self._used = used
        if self._extension is None:
            self._extension = asyncio.create_task(self._extend())
        if used > self.tokens:
            await asyncio.shield(self._extension)
            if used > self.tokens:
                self.certain = self.tokens  # whoever was refused once is not told otherwise later
        return used <= self.tokens

    def close(self) -> None:
        if self._extension is not None:
            self._extension.cancel()

    def _look(self) -> None:
        """More is held when half of what is left is used."""
        self.tokens = self._ticket.covered_tokens(self._prompt_tokens)
        missing = self.tokens < self._ticket.quote.completion_tokens
        self.certain = (self._used + self.tokens) // 2 if missing else UNBOUNDED

    async def _extend(self) -> None:
        while await self._more():
            self._look()
            if self._used <= self.certain:
                self._extension = None  # otherwise there is no more to be had
                return

    async def _more(self) -> bool:
        """Whether more could be held. As long as what is held lasts, PostgreSQL may be away and come back."""
        until_s = time.monotonic() + PATIENCE_S
        while True:
            try:
                return await self._ticket.extend(self._prompt_tokens)
            except LedgerUnavailableError:
                if self._used > self.tokens and time.monotonic() >= until_s:
                    raise
            await asyncio.sleep(RETRY_S)
