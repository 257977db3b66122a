"""SQL for prices. A price is never changed: a new one is a new version, in force from its date on."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from api.storage.session import Database

CHANNEL = "novai_prices"  # a trigger notifies it; payload: the model


@dataclass(frozen=True, slots=True)
class PriceRow:
    model: str
    version: int
    valid_from: datetime
    input_nusd_per_mtok: int
    cached_nusd_per_mtok: int
    output_nusd_per_mtok: int
    batch_percent: int  # what lines of batches cost of it


_COLUMNS = """
model, version, valid_from, input_nusd_per_mtok, cached_nusd_per_mtok, output_nusd_per_mtok, batch_percent
"""
# Of two prices with the same date the later version holds: it corrects the other.
_ALL = f"SELECT {_COLUMNS} FROM prices ORDER BY model, valid_from, version"  # noqa: S608 — constants only
_ADD = f"""
INSERT INTO prices ({_COLUMNS})
SELECT $1, coalesce(max(version), 0) + 1, coalesce($2, now()), $3, $4, $5, $6 FROM prices WHERE model = $1
RETURNING {_COLUMNS}
"""  # noqa: S608 — constants only


async def all_prices(database: Database) -> list[PriceRow]:
    """Every version of every model, each model's in the order in which they come into force."""
    return [PriceRow(**row) for row in await database.fetch(_ALL)]


async def add(
    database: Database,
    model: str,
    input_nusd_per_mtok: int,
    cached_nusd_per_mtok: int,
    output_nusd_per_mtok: int,
    valid_from: datetime | None = None,
    batch_percent: int = 50,
) -> PriceRow:
    """A new version, in force from `valid_from` on; None: from now on. Raises asyncpg.UniqueViolationError when
    another one is added at the same moment."""
    row = await database.fetchrow(
        _ADD, model, valid_from, input_nusd_per_mtok, cached_nusd_per_mtok, output_nusd_per_mtok, batch_percent
    )
    assert row is not None
    return PriceRow(**row)
