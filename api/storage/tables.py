"""The tables, as SQLAlchemy Core metadata: what the migrations must amount to.

The running api never imports this module: its statements are SQL text beside it, one file per aggregate. A test holds
this metadata and the migrated database equal.
"""

from __future__ import annotations

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    Date,
    DateTime,
    Double,
    ForeignKey,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    false,
    func,
    text,
)
from sqlalchemy.dialects.postgresql import JSON, JSONB

metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
    }
)


def _created_at() -> Column[object]:
    return Column("created_at", DateTime(timezone=True), nullable=False, server_default=func.now())


def _clock(name: str) -> Column[object]:
    """The moment itself, not that of the transaction."""
    return Column(name, DateTime(timezone=True), nullable=False, server_default=func.clock_timestamp())


def _limits() -> Column[object]:
    """What `storage/limits.py` says it is."""
    return Column("limits", JSONB, nullable=False, server_default=text("'{}'"))


def _limits_check() -> CheckConstraint:
    return CheckConstraint("jsonb_typeof(limits) = 'object'", name="limits")


# What projects have by default. A row named `default` is always there.
tiers = Table(
    "tiers",
    metadata,
    Column("name", Text, primary_key=True),
    _limits(),
    _created_at(),
    _limits_check(),
)

organisations = Table(
    "organisations",
    metadata,
    Column("id", Text, primary_key=True),  # org_…
    Column("name", Text, nullable=False, unique=True),
    _created_at(),
    Column("archived_at", DateTime(timezone=True)),  # its keys stop working
)

projects = Table(
    "projects",
    metadata,
    Column("id", Text, primary_key=True),  # proj_…
    Column("organisation_id", ForeignKey("organisations.id"), nullable=False),
    Column("name", Text, nullable=False),
    _created_at(),
    Column("archived_at", DateTime(timezone=True)),
    Column("tier", ForeignKey("tiers.name"), nullable=False, server_default="default"),
    _limits(),  # they override the tier's
    UniqueConstraint("organisation_id", "name"),
    _limits_check(),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", Text, primary_key=True),  # the <id> of sk-novai-<id>-<secret>
    Column("project_id", ForeignKey("projects.id"), nullable=False),
    Column("digest", LargeBinary, nullable=False, unique=True),  # HMAC-SHA256(pepper, whole key); the key is nowhere
    Column("last4", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("models", ARRAY(Text)),  # null: every model
    _created_at(),
    Column("expires_at", DateTime(timezone=True)),
    Column("revoked_at", DateTime(timezone=True)),
    # A rotated key works until its `expires_at`, which rotation brings forward: the overlap.
    Column("rotated_to", ForeignKey("api_keys.id")),
    Column("first_id", Text),  # of the keys that were rotated into this one; null: it is the first itself
    _limits(),  # they override the project's
    _limits_check(),
    CheckConstraint("octet_length(digest) = 32", name="digest_length"),
    CheckConstraint("cardinality(scopes) > 0", name="some_scope"),
    Index("ix_api_keys_project_id", "project_id"),
    Index("ix_api_keys_first_id", "first_id", postgresql_where=text("first_id IS NOT NULL")),
)

# Facts, kept for ever and never changed: no foreign keys, so that removing a key or project leaves its history.
usage = Table(
    "usage",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("organisation_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("replica", Text, nullable=False),
    Column("outcome", Text, nullable=False),
    Column("finish_reason", Text, nullable=False),
    Column("provenance", Text, nullable=False),
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("streamed", Boolean, nullable=False),
    Column("started_at", DateTime(timezone=True), primary_key=True),
    Column("ttft_ms", Double),
    Column("duration_ms", Double, nullable=False),
    Column("price_version", Integer, nullable=False, server_default="0"),  # 0: free by configuration
    Column("price_percent", SmallInteger, nullable=False, server_default="100"),  # of the price that is charged
    Column("cost_nusd", BigInteger, nullable=False, server_default="0"),  # what was charged
    CheckConstraint("outcome IN ('finished', 'client_left', 'upstream_broke', 'refused')", name="outcome"),
    CheckConstraint("provenance IN ('engine', 'provider', 'estimated')", name="provenance"),
    CheckConstraint(
        "prompt_tokens >= 0 AND completion_tokens >= 0"
        " AND cached_tokens BETWEEN 0 AND prompt_tokens AND reasoning_tokens BETWEEN 0 AND completion_tokens",
        name="tokens",
    ),
    CheckConstraint("cost_nusd >= 0", name="cost"),
    Index("ix_usage_project_id_started_at", "project_id", "started_at"),
    Index("ix_usage_started_at", "started_at", postgresql_using="brin"),
    postgresql_partition_by="RANGE (started_at)",  # a month each, in the schema usage_months
)

# Sums of usage by hour and by day, written with it. Usage is read here.
usage_rollups = Table(
    "usage_rollups",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("width_s", Integer, primary_key=True, autoincrement=False),
    Column("bucket", DateTime(timezone=True), primary_key=True),  # its beginning
    Column("key_id", Text, primary_key=True),
    Column("model", Text, primary_key=True),
    Column("organisation_id", Text, nullable=False),
    Column("requests", BigInteger, nullable=False),
    Column("broken", BigInteger, nullable=False),  # of the requests: not finished, through no fault of the client
    Column("prompt_tokens", BigInteger, nullable=False),
    Column("cached_tokens", BigInteger, nullable=False),
    Column("completion_tokens", BigInteger, nullable=False),
    Column("reasoning_tokens", BigInteger, nullable=False),
    Column("cost_nusd", BigInteger, nullable=False),
    Index("ix_usage_rollups_organisation", "organisation_id", "width_s", "bucket"),
    CheckConstraint("width_s IN (3600, 86400)", name="width"),
    postgresql_with={"fillfactor": 50},
)

# Append-only. Of the versions of a model the one with the latest date that has come is in force.
prices = Table(
    "prices",
    metadata,
    Column("model", Text, primary_key=True),
    Column("version", Integer, primary_key=True, autoincrement=False),
    Column("valid_from", DateTime(timezone=True), nullable=False),
    Column("input_nusd_per_mtok", BigInteger, nullable=False),  # nano-USD for a million tokens
    Column("cached_nusd_per_mtok", BigInteger, nullable=False),
    Column("output_nusd_per_mtok", BigInteger, nullable=False),
    Column("batch_percent", SmallInteger, nullable=False, server_default="50"),  # of it, for lines of batches
    _created_at(),
    CheckConstraint(
        "input_nusd_per_mtok >= 0 AND output_nusd_per_mtok >= 0"
        " AND cached_nusd_per_mtok BETWEEN 0 AND input_nusd_per_mtok",
        name="amounts",
    ),
    CheckConstraint("batch_percent BETWEEN 0 AND 100", name="batch_percent"),
    CheckConstraint("version > 0", name="version"),
)

# What holds must fit: the prepaid credits of a project, and budgets of projects and keys.
budgets = Table(
    "budgets",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("scope_id", Text, nullable=False),  # the project's id, or that of one of its keys: the first of its line
    Column("kind", Text, nullable=False),
    Column("limit_nusd", BigInteger, nullable=False),  # of credits: all that was paid in
    Column("opening_nusd", BigInteger, nullable=False),  # of what was spent: not found in the holds that are kept
    Column("spent_nusd", BigInteger, nullable=False),
    Column("held_nusd", BigInteger, nullable=False),
    Column("floor_nusd", BigInteger, nullable=False),  # spent and held when a lower limit was set
    Column("period", Date, nullable=False),  # of a month: its first day; spent and held are of that month
    Column("thresholds", ARRAY(SmallInteger), nullable=False),  # percent
    _created_at(),
    UniqueConstraint("scope_id", "kind"),
    CheckConstraint("kind IN ('credits', 'month', 'total')", name="kind"),
    CheckConstraint("kind <> 'credits' OR scope_id = project_id", name="credits_of_project"),
    CheckConstraint("spent_nusd >= 0 AND held_nusd >= 0", name="not_negative"),
    CheckConstraint("spent_nusd + held_nusd <= greatest(limit_nusd, floor_nusd)", name="not_overdrawn"),
    Index("ix_budgets_project_id", "project_id"),
    postgresql_with={"fillfactor": 50},
)

# A threshold of a budget that was passed: once in a period, and again of a limit that was changed meanwhile.
budget_alerts = Table(
    "budget_alerts",
    metadata,
    Column("budget_id", BigInteger, primary_key=True, autoincrement=False),
    Column("period", Date, primary_key=True),
    Column("threshold", SmallInteger, primary_key=True, autoincrement=False),
    Column("project_id", Text, nullable=False),
    Column("scope_id", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("limit_nusd", BigInteger, primary_key=True, autoincrement=False),
    Column("spent_nusd", BigInteger, nullable=False),
    _clock("created_at"),
)

# Money set aside for a request. Opened once, raised while open, closed once.
holds = Table(
    "holds",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("organisation_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("operation", Text, nullable=False),
    Column("model", Text, nullable=False),
    Column("price_version", Integer, nullable=False),
    Column("price_percent", SmallInteger, nullable=False, server_default="100"),
    Column("amount_nusd", BigInteger, nullable=False),
    Column("state", Text, nullable=False, server_default="open"),
    Column("account", Text, nullable=False),  # that a settlement debits
    Column("budget_ids", ARRAY(BigInteger), nullable=False),  # those it was counted in
    Column("month", Date, nullable=False),  # that monthly budgets count it for
    Column("owner", Text, nullable=False),  # the process whose lease keeps it
    Column("started_at", DateTime(timezone=True), nullable=False),
    _clock("created_at"),
    Column("closed_at", DateTime(timezone=True)),
    Column("closed_by", Text),
    Column("extensions_nusd", ARRAY(BigInteger), nullable=False, server_default="{}"),  # what was added, each time
    Column("extended_at", ARRAY(DateTime(timezone=True)), nullable=False, server_default="{}"),
    CheckConstraint("state IN ('open', 'settled', 'released')", name="state"),
    CheckConstraint("(state = 'open') = (closed_at IS NULL)", name="closed"),
    CheckConstraint("amount_nusd >= 0", name="amount"),
    CheckConstraint("account IN ('credits', 'receivable')", name="account"),
    Index("ix_holds_created_at", "created_at", postgresql_using="brin"),
    Index("ix_holds_owner", "owner", postgresql_where=text("state = 'open'")),
)

# Processes that hold money. One that does not renew its lease is dead.
ledger_processes = Table(
    "ledger_processes",
    metadata,
    Column("id", Text, primary_key=True),
    Column("since", DateTime(timezone=True), nullable=False),  # it has held the lease without a gap
    Column("lease_until", DateTime(timezone=True), nullable=False),
)

# Append-only. An amount goes from one account of a project to another; balances are sums of these rows.
transfers = Table(
    "transfers",
    metadata,
    Column("request_id", Text, primary_key=True),  # of a credit: its own id
    Column("kind", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("debit", Text, nullable=False),
    Column("credit", Text, nullable=False),
    Column("amount_nusd", BigInteger, nullable=False),
    _clock("created_at"),
    CheckConstraint("amount_nusd >= 0", name="amount"),
    CheckConstraint(
        "kind = 'fund' AND debit = 'cash' AND credit = 'credits'"
        " OR kind = 'post' AND debit IN ('credits', 'receivable') AND credit = 'revenue'"
        " OR kind = 'outage' AND debit = 'expense:outage' AND credit = 'revenue'",
        name="accounts",
    ),
    Index("ix_transfers_created_at", "created_at", postgresql_using="brin"),
)

# What should not have happened, and did no harm: see `api/storage/settlements.py`.
ledger_events = Table(
    "ledger_events",
    metadata,
    Column("request_id", Text, primary_key=True),
    Column("kind", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("amount_nusd", BigInteger, nullable=False),
    Column("detail", JSONB, nullable=False),
    _clock("created_at"),
    CheckConstraint("kind IN ('late_settlement', 'overrun')", name="kind"),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("project_id", Text, primary_key=True),
    Column("route", Text, primary_key=True),
    Column("key", Text, primary_key=True),
    Column("body_digest", LargeBinary, nullable=False),  # SHA-256
    Column("owner", Text, nullable=False),  # the request that runs, or ran
    Column("lease_until", DateTime(timezone=True)),  # while it runs
    Column("status", SmallInteger),  # when it is done
    Column("headers", LargeBinary),  # msgpack
    Column("body", LargeBinary),  # null: too large to be kept
    _created_at(),
    CheckConstraint("(status IS NULL) = (lease_until IS NOT NULL)", name="state"),
    Index("ix_idempotency_created_at", "created_at"),
)

responses = Table(
    "responses",
    metadata,
    Column("id", Text, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("previous_id", Text),  # whose conversation it continues
    Column("body", LargeBinary, nullable=False),  # JSON, as it was answered
    Column("item_bytes", BigInteger, nullable=False),  # of its items together
    _created_at(),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    Index("ix_responses_expires_at", "expires_at"),
)

# What a response was asked, then what it answered, in order.
response_items = Table(
    "response_items",
    metadata,
    Column("response_id", Text, ForeignKey("responses.id", ondelete="CASCADE"), primary_key=True),
    Column("position", Integer, primary_key=True),
    Column("project_id", Text, nullable=False),
    Column("item_id", Text, nullable=False),
    Column("output", Boolean, nullable=False),
    Column("item", LargeBinary, nullable=False),  # JSON
    Index("ix_response_items_project_id_item_id", "project_id", "item_id"),
)

# What is known of files. Their bytes are in a folder or a bucket, under the project's and the file's id.
files = Table(
    "files",
    metadata,
    Column("id", Text, primary_key=True),  # file-…
    Column("organisation_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("position", BigInteger, Identity(always=True), nullable=False),  # in lists
    Column("state", Text, nullable=False),
    Column("purpose", Text, nullable=False),
    Column("filename", Text, nullable=False),
    Column("bytes", BigInteger, nullable=False),  # while it arrives: as many as it may become
    Column("lines", Integer),  # of a batch's input
    Column("fault", Text),  # what is wrong with them
    Column("digest", LargeBinary),  # SHA-256
    _created_at(),
    Column("expires_at", DateTime(timezone=True)),  # while it arrives: the end of its lease; null: never
    CheckConstraint("state IN ('arriving', 'stored', 'removed')", name="state"),
    Index("ix_files_project_id_position", "project_id", "position"),
    Index("ix_files_expires_at", "expires_at"),
)

batches = Table(
    "batches",
    metadata,
    Column("id", Text, primary_key=True),
    Column("position", BigInteger, Identity(always=True), nullable=False),  # in the order they were made
    Column("organisation_id", Text, nullable=False),
    Column("project_id", Text, nullable=False),
    Column("key_id", Text, nullable=False),
    Column("endpoint", Text, nullable=False),
    Column("input_file_id", Text, nullable=False),
    Column("status", Text, nullable=False),
    Column("metadata", JSON),  # the caller's own: jsonb takes no U+0000
    Column("output_expires_after_s", Integer),
    Column("model", Text),  # of the first line
    Column("errors", JSON),  # list of objects, as they are shown; they repeat what a line said
    # Of all lines, when it is over; until then those of the shards count.
    Column("total", Integer, nullable=False, server_default="0"),
    Column("completed", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("queued_tokens", BigInteger, nullable=False, server_default="0"),  # estimated, of all lines
    Column("usage", JSONB),  # tokens by their names in `usage`, when it is over
    Column("output_file_id", Text),
    Column("error_file_id", Text),
    _created_at(),
    Column("expires_at", DateTime(timezone=True), nullable=False),
    *(
        Column(f"{status}_at", DateTime(timezone=True))
        for status in ("in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled")
    ),
    CheckConstraint(
        "status IN ('validating', 'failed', 'in_progress', 'finalizing', 'completed', 'expired', 'cancelling',"
        " 'cancelled')",
        name="status",
    ),
    Index("ix_batches_project_id_position", "project_id", "position"),
    Index(
        "ix_batches_live",
        "project_id",
        postgresql_where=text("status NOT IN ('failed', 'completed', 'expired', 'cancelled')"),
    ),
)

# Lines of a batch that are run by one job, until its files are written.
batch_shards = Table(
    "batch_shards",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("batch_id", Text, ForeignKey("batches.id", ondelete="CASCADE"), nullable=False),
    Column("number", Integer, nullable=False),
    Column("first_line", Integer, nullable=False),  # of the file, from 1 on
    Column("lines", Integer, nullable=False),
    Column("start_byte", BigInteger, nullable=False),
    Column("end_byte", BigInteger, nullable=False),
    Column("answered", ARRAY(Integer), nullable=False, server_default="{}"),  # numbers of lines
    Column("completed", Integer, nullable=False, server_default="0"),
    Column("failed", Integer, nullable=False, server_default="0"),
    Column("sealed", Boolean, nullable=False, server_default=false()),  # takes no more answers
    UniqueConstraint("batch_id", "number"),
    postgresql_with={"fillfactor": 50},
)

line_answers = Table(
    "line_answers",
    metadata,
    Column("shard_id", BigInteger, ForeignKey("batch_shards.id", ondelete="CASCADE"), primary_key=True),
    Column("line", Integer, primary_key=True, autoincrement=False),
    Column("request_id", Text, nullable=False),
    Column("failed", Boolean, nullable=False),
    Column("body", LargeBinary, nullable=False),  # JSON, as a line of a file
)

# Append-only: who changed what by hand.
audit_log = Table(
    "audit_log",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("organisation_id", Text),  # null: of the whole installation
    Column("actor", Text, nullable=False),  # the id of an API key, or `cli`
    Column("action", Text, nullable=False),
    Column("target", Text, nullable=False),
    Column("details", JSONB, nullable=False),
    _clock("created_at"),
    Index("ix_audit_log_organisation_id_id", "organisation_id", "id"),
)

__all__ = [
    "api_keys",
    "audit_log",
    "batch_shards",
    "batches",
    "budget_alerts",
    "budgets",
    "files",
    "holds",
    "idempotency",
    "ledger_events",
    "ledger_processes",
    "line_answers",
    "metadata",
    "organisations",
    "prices",
    "projects",
    "response_items",
    "responses",
    "tiers",
    "transfers",
    "usage",
    "usage_rollups",
]
