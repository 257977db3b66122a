"""Money: prices, budgets, holds, transfers; usage with its cost, by month, and its rollups.

What the database itself refuses is here: a changed price, transfer or usage row, a closed hold that opens again, a
second post of one request, a budget that is overdrawn. `novai ledger verify` checks the rest.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

_REFUSE = """
CREATE FUNCTION ledger_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% of % is refused: %', TG_OP, TG_TABLE_NAME, TG_ARGV[0]
        USING ERRCODE = 'integrity_constraint_violation';
END $$
"""
_NOTIFY_PRICES = """
CREATE FUNCTION notify_price_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('novai_prices', NEW.model);
    RETURN NULL;
END $$
"""
# The partition of `usage` for the month of a time. Without one, rows of that month are refused, not misplaced.
_ADD_MONTH = """
CREATE FUNCTION usage_add_month(at timestamptz) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    month date := date_trunc('month', at AT TIME ZONE 'UTC');
    name text := 'usage_' || to_char(month, 'YYYY_MM');
BEGIN
    IF to_regclass('usage_months.' || name) IS NULL THEN
        PERFORM pg_advisory_xact_lock(hashtext('usage_add_month'));
        EXECUTE format(
            'CREATE TABLE IF NOT EXISTS usage_months.%I PARTITION OF usage FOR VALUES FROM (%L) TO (%L)',
            name, month::text || ' 00:00+00', (month + interval '1 month')::date::text || ' 00:00+00'
        );
    END IF;
END $$
"""
_APPEND_ONLY = "rows are facts; a correction is a new row"
_TRIGGERS = (
    "CREATE TRIGGER prices_changed AFTER INSERT ON prices FOR EACH ROW EXECUTE FUNCTION notify_price_changed()",
    *(
        f"CREATE TRIGGER {table}_append_only BEFORE UPDATE OR DELETE ON {table}"
        f" FOR EACH ROW EXECUTE FUNCTION ledger_refuse('{_APPEND_ONLY}')"
        for table in ("prices", "transfers", "usage")
    ),
    *(
        f"CREATE TRIGGER {table}_kept BEFORE TRUNCATE ON {table}"
        f" FOR EACH STATEMENT EXECUTE FUNCTION ledger_refuse('{_APPEND_ONLY}')"
        for table in ("prices", "transfers")
    ),
    "CREATE TRIGGER holds_closed_once BEFORE UPDATE ON holds FOR EACH ROW WHEN (OLD.state <> 'open')"
    " EXECUTE FUNCTION ledger_refuse('a hold is closed once')",
    "CREATE TRIGGER holds_kept_open BEFORE DELETE ON holds FOR EACH ROW WHEN (OLD.state = 'open')"
    " EXECUTE FUNCTION ledger_refuse('an open hold is closed, not deleted')",
)
_TOKENS = ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
_USAGE_TEXTS = (
    *("request_id", "organisation_id", "project_id", "key_id", "operation"),
    *("model", "replica", "outcome", "finish_reason", "provenance"),
)
_COLUMNS = ", ".join((*_USAGE_TEXTS, *_TOKENS, "status", "streamed", "started_at", "ttft_ms", "duration_ms"))
_COPY = f"INSERT INTO {{}} ({_COLUMNS}) SELECT {_COLUMNS} FROM {{}}"  # noqa: S608 — constants only
_ROLL_UP = f"""
INSERT INTO usage_rollups
SELECT project_id, width_s, date_bin(width_s * interval '1 second', started_at, '2000-01-01 00:00+00'), key_id, model,
    min(organisation_id), count(*), count(*) FILTER (WHERE outcome NOT IN ('finished', 'client_left')),
    {", ".join(f"sum({tokens})" for tokens in _TOKENS)}, 0
FROM usage_before, unnest(ARRAY[3600, 86400]) AS width_s GROUP BY 1, 2, 3, 4, 5
"""  # noqa: S608 — constants only


def upgrade() -> None:
    op.execute(_REFUSE)
    op.execute(_NOTIFY_PRICES)
    _create_prices()
    _create_budgets()
    _create_holds()
    _create_transfers()
    _create_rollups()
    _create_events()
    _partition_usage()
    for trigger in _TRIGGERS:
        op.execute(trigger)


def _create_prices() -> None:
    op.create_table(
        "prices",
        sa.Column("model", sa.Text, nullable=False),
        sa.Column("version", sa.Integer, nullable=False),
        _time("valid_from", nullable=False),
        *(_big(name) for name in ("input_nusd_per_mtok", "cached_nusd_per_mtok", "output_nusd_per_mtok")),
        _now("created_at", "now()"),
        sa.PrimaryKeyConstraint("model", "version", name="pk_prices"),
        sa.CheckConstraint(
            "input_nusd_per_mtok >= 0 AND output_nusd_per_mtok >= 0"
            " AND cached_nusd_per_mtok BETWEEN 0 AND input_nusd_per_mtok",
            name=op.f("ck_prices_amounts"),
        ),
        sa.CheckConstraint("version > 0", name=op.f("ck_prices_version")),
    )


def _create_budgets() -> None:
    op.create_table(
        "budgets",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        *(_text(name) for name in ("project_id", "scope_id", "kind")),
        *(_big(name) for name in ("limit_nusd", "opening_nusd", "spent_nusd", "held_nusd", "floor_nusd")),
        sa.Column("period", sa.Date, nullable=False),
        sa.Column("thresholds", sa.ARRAY(sa.SmallInteger), nullable=False),
        _now("created_at", "now()"),
        sa.PrimaryKeyConstraint("id", name="pk_budgets"),
        sa.UniqueConstraint("scope_id", "kind", name="uq_budgets_scope_id_kind"),
        sa.CheckConstraint("kind IN ('credits', 'month', 'total')", name=op.f("ck_budgets_kind")),
        sa.CheckConstraint("kind <> 'credits' OR scope_id = project_id", name=op.f("ck_budgets_credits_of_project")),
        sa.CheckConstraint("spent_nusd >= 0 AND held_nusd >= 0", name=op.f("ck_budgets_not_negative")),
        sa.CheckConstraint(
            "spent_nusd + held_nusd <= greatest(limit_nusd, floor_nusd)", name=op.f("ck_budgets_not_overdrawn")
        ),
        postgresql_with={"fillfactor": 50},
    )
    op.create_index("ix_budgets_project_id", "budgets", ["project_id"])
    op.create_table(
        "budget_alerts",
        sa.Column("budget_id", sa.BigInteger, nullable=False),
        sa.Column("period", sa.Date, nullable=False),
        sa.Column("threshold", sa.SmallInteger, nullable=False),
        *(_text(name) for name in ("project_id", "scope_id", "kind")),
        *(_big(name) for name in ("limit_nusd", "spent_nusd")),
        _now("created_at", "clock_timestamp()"),
        sa.PrimaryKeyConstraint("budget_id", "period", "threshold", name="pk_budget_alerts"),
    )


def _create_holds() -> None:
    op.create_table(
        "holds",
        *(_text(name) for name in ("request_id", "organisation_id", "project_id", "key_id", "operation", "model")),
        sa.Column("price_version", sa.Integer, nullable=False),
        _big("amount_nusd"),
        _text("state", server_default="open"),
        _text("account"),
        sa.Column("budget_ids", sa.ARRAY(sa.BigInteger), nullable=False),
        sa.Column("month", sa.Date, nullable=False),
        _text("owner"),
        _time("started_at", nullable=False),
        _now("created_at", "clock_timestamp()"),
        _time("closed_at"),
        sa.Column("closed_by", sa.Text),
        sa.PrimaryKeyConstraint("request_id", name="pk_holds"),
        sa.CheckConstraint("state IN ('open', 'settled', 'released')", name=op.f("ck_holds_state")),
        sa.CheckConstraint("(state = 'open') = (closed_at IS NULL)", name=op.f("ck_holds_closed")),
        sa.CheckConstraint("amount_nusd >= 0", name=op.f("ck_holds_amount")),
        sa.CheckConstraint("account IN ('credits', 'receivable')", name=op.f("ck_holds_account")),
    )
    op.create_index("ix_holds_created_at", "holds", ["created_at"], postgresql_using="brin")
    op.create_index("ix_holds_owner", "holds", ["owner"], postgresql_where=sa.text("state = 'open'"))
    op.create_table(
        "ledger_processes",
        _text("id"),
        _time("since", nullable=False),
        _time("lease_until", nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_ledger_processes"),
    )


def _create_transfers() -> None:
    op.create_table(
        "transfers",
        *(_text(name) for name in ("request_id", "kind", "project_id", "debit", "credit")),
        _big("amount_nusd"),
        _now("created_at", "clock_timestamp()"),
        sa.PrimaryKeyConstraint("request_id", "kind", name="pk_transfers"),
        sa.CheckConstraint("amount_nusd >= 0", name=op.f("ck_transfers_amount")),
        sa.CheckConstraint(
            "kind = 'fund' AND debit = 'cash' AND credit = 'credits'"
            " OR kind = 'post' AND debit IN ('credits', 'receivable') AND credit = 'revenue'"
            " OR kind = 'outage' AND debit = 'expense:outage' AND credit = 'revenue'",
            name=op.f("ck_transfers_accounts"),
        ),
    )
    op.create_index("ix_transfers_created_at", "transfers", ["created_at"], postgresql_using="brin")


def _create_rollups() -> None:
    op.create_table(
        "usage_rollups",
        _text("project_id"),
        sa.Column("width_s", sa.Integer, nullable=False),
        _time("bucket", nullable=False),
        *(_text(name) for name in ("key_id", "model", "organisation_id")),
        *(_big(name) for name in ("requests", "broken", *_TOKENS, "cost_nusd")),
        sa.PrimaryKeyConstraint("project_id", "width_s", "bucket", "key_id", "model", name="pk_usage_rollups"),
        sa.CheckConstraint("width_s IN (3600, 86400)", name=op.f("ck_usage_rollups_width")),
        postgresql_with={"fillfactor": 50},
    )


def _create_events() -> None:
    op.create_table(
        "ledger_events",
        *(_text(name) for name in ("request_id", "kind", "project_id")),
        _big("amount_nusd"),
        sa.Column("detail", JSONB, nullable=False),
        _now("created_at", "clock_timestamp()"),
        sa.PrimaryKeyConstraint("request_id", "kind", name="pk_ledger_events"),
        sa.CheckConstraint("kind IN ('late_settlement', 'overrun')", name=op.f("ck_ledger_events_kind")),
    )


def _partition_usage() -> None:
    op.execute("CREATE SCHEMA usage_months")
    op.execute(_ADD_MONTH)
    op.execute("CREATE TABLE usage_before AS TABLE usage")
    op.drop_table("usage")
    _create_usage("request_id", "started_at", priced=True)
    op.create_index("ix_usage_started_at", "usage", ["started_at"], postgresql_using="brin")
    op.execute(
        "SELECT usage_add_month(at) FROM (SELECT DISTINCT date_trunc('month', started_at) AS at FROM usage_before) m"
    )
    op.execute("SELECT usage_add_month(now() + n * interval '1 month') FROM generate_series(0, 2) n")
    op.execute(_COPY.format("usage", "usage_before"))
    op.execute(_ROLL_UP)
    op.drop_table("usage_before")


def downgrade() -> None:
    """Costs, prices and budgets are lost; usage stays."""
    op.execute("CREATE TABLE usage_after AS TABLE usage")
    for table in (
        *("budget_alerts", "budgets", "holds", "ledger_events", "ledger_processes", "prices", "transfers", "usage"),
        "usage_rollups",
    ):
        op.drop_table(table)
    for function in ("ledger_refuse()", "notify_price_changed()", "usage_add_month(timestamptz)"):
        op.execute(f"DROP FUNCTION {function}")
    op.execute("DROP SCHEMA usage_months")
    _create_usage("request_id", priced=False)
    op.execute(_COPY.format("usage", "usage_after"))
    op.drop_table("usage_after")


def _create_usage(*primary_key: str, priced: bool) -> None:
    op.create_table(
        "usage",
        *(_text(name) for name in _USAGE_TEXTS),
        *(_big(name) for name in _TOKENS),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        _time("started_at", nullable=False),
        sa.Column("ttft_ms", sa.Double),
        sa.Column("duration_ms", sa.Double, nullable=False),
        *_price_columns(priced),
        sa.PrimaryKeyConstraint(*primary_key, name="pk_usage"),
        sa.CheckConstraint(
            "outcome IN ('finished', 'client_left', 'upstream_broke', 'refused')", name=op.f("ck_usage_outcome")
        ),
        sa.CheckConstraint("provenance IN ('engine', 'provider', 'estimated')", name=op.f("ck_usage_provenance")),
        sa.CheckConstraint(
            "prompt_tokens >= 0 AND completion_tokens >= 0"
            " AND cached_tokens BETWEEN 0 AND prompt_tokens AND reasoning_tokens BETWEEN 0 AND completion_tokens",
            name=op.f("ck_usage_tokens"),
        ),
        postgresql_partition_by="RANGE (started_at)" if priced else None,
    )
    op.create_index("ix_usage_project_id_started_at", "usage", ["project_id", "started_at"])


def _price_columns(priced: bool) -> tuple[sa.schema.SchemaItem, ...]:
    if not priced:
        return ()
    return (
        sa.Column("price_version", sa.Integer, nullable=False, server_default="0"),
        sa.Column("cost_nusd", sa.BigInteger, nullable=False, server_default="0"),
        sa.CheckConstraint("cost_nusd >= 0", name=op.f("ck_usage_cost")),
    )


def _text(name: str, server_default: str | None = None) -> sa.Column[object]:
    return sa.Column(name, sa.Text, nullable=False, server_default=server_default)


def _big(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.BigInteger, nullable=False)


def _time(name: str, nullable: bool = True) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=nullable)


def _now(name: str, clock: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.text(clock))
