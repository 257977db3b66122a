"""SQL about the processes of the api. Each shows that it lives by the lease of its ledger."""

from __future__ import annotations

from api.storage.session import Database

_LIVING = "SELECT count(*) AS living FROM ledger_processes WHERE lease_until > clock_timestamp()"


async def living(database: Database) -> int:
    row = await database.fetchrow(_LIVING)
    assert row is not None
    return int(row["living"])
