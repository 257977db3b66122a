"""Batches: their shards and answers, the queue of their jobs, and what they pay of a price.

The queue is procrastinate's, in a schema of its own, as its version in constraints.txt makes it. Another version needs
a revision that applies procrastinate's own migrations.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from procrastinate.schema import SchemaManager
from sqlalchemy.dialects.postgresql import JSONB

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_STATUSES = "validating", "failed", "in_progress", "finalizing", "completed", "expired", "cancelling", "cancelled"
_TIMES = "in_progress", "finalizing", "completed", "failed", "expired", "cancelling", "cancelled"
_OVER = "'failed', 'completed', 'expired', 'cancelled'"
# Statements of ours change the queue too, with a search path that does not know it.
_FIND_THE_QUEUE = """
DO $$
DECLARE
    routine regprocedure;
BEGIN
    FOR routine IN SELECT oid FROM pg_proc WHERE pronamespace = 'jobs'::regnamespace LOOP
        EXECUTE format('ALTER FUNCTION %s SET search_path = jobs', routine);
    END LOOP;
END $$
"""


def upgrade() -> None:
    op.add_column("prices", sa.Column("batch_percent", sa.SmallInteger, nullable=False, server_default="50"))
    op.create_check_constraint(op.f("ck_prices_batch_percent"), "prices", "batch_percent BETWEEN 0 AND 100")
    for table in ("holds", "usage"):
        op.add_column(table, sa.Column("price_percent", sa.SmallInteger, nullable=False, server_default="100"))
    _create_batches()
    _create_shards()
    _create_answers()
    _create_queue()


def _create_batches() -> None:
    op.create_table(
        "batches",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("position", sa.BigInteger, sa.Identity(always=True), nullable=False),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("organisation_id", "project_id", "key_id")),
        *(sa.Column(name, sa.Text, nullable=False) for name in ("endpoint", "input_file_id", "status")),
        sa.Column("metadata", JSONB),
        sa.Column("output_expires_after_s", sa.Integer),
        sa.Column("model", sa.Text),
        sa.Column("errors", JSONB),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in ("total", "completed", "failed")),
        sa.Column("queued_tokens", sa.BigInteger, nullable=False, server_default="0"),
        sa.Column("usage", JSONB),
        sa.Column("output_file_id", sa.Text),
        sa.Column("error_file_id", sa.Text),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        *(sa.Column(f"{name}_at", sa.DateTime(timezone=True)) for name in _TIMES),
        sa.PrimaryKeyConstraint("id", name="pk_batches"),
        sa.CheckConstraint(f"status IN ({', '.join(map(repr, _STATUSES))})", name=op.f("ck_batches_status")),
    )
    op.create_index("ix_batches_project_id_position", "batches", ["project_id", "position"])
    op.create_index("ix_batches_live", "batches", ["project_id"], postgresql_where=sa.text(f"status NOT IN ({_OVER})"))


def _create_shards() -> None:
    op.create_table(
        "batch_shards",
        sa.Column("id", sa.BigInteger, sa.Identity(always=True), nullable=False),
        sa.Column("batch_id", sa.Text, nullable=False),
        sa.Column("number", sa.Integer, nullable=False),
        sa.Column("first_line", sa.Integer, nullable=False),
        sa.Column("lines", sa.Integer, nullable=False),
        sa.Column("start_byte", sa.BigInteger, nullable=False),
        sa.Column("end_byte", sa.BigInteger, nullable=False),
        sa.Column("answered", sa.ARRAY(sa.Integer), nullable=False, server_default="{}"),
        *(sa.Column(name, sa.Integer, nullable=False, server_default="0") for name in ("completed", "failed")),
        sa.Column("sealed", sa.Boolean, nullable=False, server_default=sa.false()),
        sa.PrimaryKeyConstraint("id", name="pk_batch_shards"),
        sa.UniqueConstraint("batch_id", "number", name="uq_batch_shards_batch_id_number"),
        sa.ForeignKeyConstraint(["batch_id"], ["batches.id"], name="fk_batch_shards_batch_id", ondelete="CASCADE"),
        postgresql_with={"fillfactor": 50},
    )


def _create_answers() -> None:
    op.create_table(
        "line_answers",
        sa.Column("shard_id", sa.BigInteger, nullable=False),
        sa.Column("line", sa.Integer, nullable=False),
        sa.Column("request_id", sa.Text, nullable=False),
        sa.Column("failed", sa.Boolean, nullable=False),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("shard_id", "line", name="pk_line_answers"),
        sa.ForeignKeyConstraint(["shard_id"], ["batch_shards.id"], name="fk_line_answers_shard_id", ondelete="CASCADE"),
    )


def _create_queue() -> None:
    op.execute("CREATE SCHEMA jobs")
    op.execute("SET LOCAL search_path = jobs")
    # Many statements at once, which only the driver itself takes.
    driver = op.get_bind().connection.dbapi_connection
    assert driver is not None
    driver.run_async(lambda connection: connection.execute(SchemaManager.get_schema()))
    op.execute("SET LOCAL search_path = DEFAULT")
    op.execute(_FIND_THE_QUEUE)


def downgrade() -> None:
    op.execute("DROP SCHEMA jobs CASCADE")
    for table in ("line_answers", "batch_shards", "batches"):
        op.drop_table(table)
    for table in ("holds", "usage"):
        op.drop_column(table, "price_percent")
    op.drop_column("prices", "batch_percent")
