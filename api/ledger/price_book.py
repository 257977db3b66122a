"""The prices in force, known in the process: a request never waits for PostgreSQL to learn its price.

Read whole when the book opens and again at every notice. When PostgreSQL is away what was read stays in force; before
anything was read nobody knows a price, and asking for one raises LedgerUnavailableError (503).
"""

from __future__ import annotations

import asyncio
import logging

from api.errors import LedgerUnavailableError
from api.ledger.pricing import Price
from api.storage import prices as rows
from api.storage.session import Database, unavailable

logger = logging.getLogger(__name__)

_RETRY_S = 0.5
_NEVER = float("inf")


class PriceBook:
    """One per process. `start()` begins to listen for changes, `aclose()` ends that."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._loaded = False
        self._versions: dict[str, list[tuple[float, Price]]] = {}  # by model: in force from (unix seconds)
        self._current: dict[str, tuple[float, Price | None]] = {}  # by model: until when (unix seconds), what
        self._changed = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        """Does not wait for PostgreSQL."""
        if not self._tasks:
            listening = self._database.listen(rows.CHANNEL, lambda _model: self._changed.set(), self._on_listening)
            self._tasks = [
                asyncio.create_task(listening, name="price-book-listen"),
                asyncio.create_task(self._keep_reading(), name="price-book-read"),
            ]

    async def aclose(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()

    @property
    def loaded(self) -> bool:
        """Whether prices were read at all."""
        return self._loaded

    def now_s(self) -> float:
        """Unix seconds, by the clock that prices go by: PostgreSQL's."""
        return self._database.now_s()

    def current(self, model: str) -> Price | None:
        """The price in force; None when the model has none (yet). Raises LedgerUnavailableError when none was read."""
        until_s, price = self._current.get(model, (0.0, None))
        now_s = self._database.now_s()
        if now_s < until_s:
            return price
        if not self._loaded:
            raise unavailable()
        until_s = _NEVER
        price = None
        for from_s, version in self._versions.get(model, ()):
            if from_s > now_s:
                until_s = from_s
                break
            price = version
        if price is not None:  # a model without a price is no reason to remember its name
            self._current[model] = (until_s, price)
        return price

    def find(self, model: str, version: int) -> Price | None:
        """A price by its version. Raises LedgerUnavailableError when nothing was read yet."""
        if not self._loaded:
            raise unavailable()
        return next((price for _, price in self._versions.get(model, ()) if price.version == version), None)

    async def refresh(self) -> None:
        """Reads all prices. Raises LedgerUnavailableError."""
        found = await rows.all_prices(self._database)
        versions: dict[str, list[tuple[float, Price]]] = {}
        for row in found:
            price = Price(
                row.model,
                row.version,
                row.input_nusd_per_mtok,
                row.cached_nusd_per_mtok,
                row.output_nusd_per_mtok,
                row.batch_percent,
            )
            versions.setdefault(row.model, []).append((row.valid_from.timestamp(), price))
        self._versions, self._loaded = versions, True
        self._current.clear()

    def _on_listening(self, listening: bool) -> None:
        if listening:
            self._changed.set()  # what changed while nobody listened

    async def _keep_reading(self) -> None:
        self._changed.set()
        while True:
            await self._changed.wait()
            self._changed.clear()
            try:
                await self.refresh()
            except Exception as error:
                if not isinstance(error, LedgerUnavailableError):
                    logger.exception("The prices cannot be read")
                self._changed.set()
                await asyncio.sleep(_RETRY_S)
