"""SQL for the rows of `usage`."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from api.domain import UsageRecord
from api.storage.session import Database

# Column, its array type, and where a record keeps it. One statement writes any number of records.
_COLUMNS: tuple[tuple[str, str, Callable[[UsageRecord], object]], ...] = (
    ("request_id", "text", lambda r: r.request_id),
    ("organisation_id", "text", lambda r: r.principal.organisation_id),
    ("project_id", "text", lambda r: r.principal.project_id),
    ("key_id", "text", lambda r: r.principal.key_id),
    ("operation", "text", lambda r: r.operation),
    ("model", "text", lambda r: r.model),
    ("replica", "text", lambda r: r.replica),
    ("outcome", "text", lambda r: r.outcome),
    ("finish_reason", "text", lambda r: r.finish_reason),
    ("provenance", "text", lambda r: r.provenance),
    ("prompt_tokens", "int8", lambda r: r.tokens.prompt_tokens),
    ("cached_tokens", "int8", lambda r: r.tokens.cached_tokens),
    ("completion_tokens", "int8", lambda r: r.tokens.completion_tokens),
    ("reasoning_tokens", "int8", lambda r: r.tokens.reasoning_tokens),
    ("status", "int2", lambda r: r.status),
    ("streamed", "bool", lambda r: r.streamed),
    ("started_at", "float8", lambda r: r.started_at_s),
    ("ttft_ms", "float8", lambda r: r.ttft_ms),
    ("duration_ms", "float8", lambda r: r.duration_ms),
)
_NAMES = ", ".join(name for name, _, _ in _COLUMNS)
_VALUES = ", ".join("to_timestamp(started_at)" if name == "started_at" else name for name, _, _ in _COLUMNS)
_ARRAYS = ", ".join(f"${i}::{kind}[]" for i, (_, kind, _) in enumerate(_COLUMNS, 1))
# No conflict target: it stays true when the primary key gains the partition's column.
_INSERT = f"""
INSERT INTO usage ({_NAMES}) SELECT {_VALUES} FROM unnest({_ARRAYS}) AS u ({_NAMES}) ON CONFLICT DO NOTHING
"""  # noqa: S608 — constants only


async def insert(database: Database, records: Sequence[UsageRecord]) -> None:
    """All of them in one durable commit. A request_id that is there already is left as it is."""
    await database.execute(_INSERT, *([read(record) for record in records] for _, _, read in _COLUMNS))
