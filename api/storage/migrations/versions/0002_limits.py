"""Rate limits: tiers, and what projects and keys have instead."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects.postgresql import JSONB

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

# Nobody who works by hand meets it, and no test suite; it stops what runs away.
_DEFAULT_TIER = """
INSERT INTO tiers (name, limits) VALUES ('default', '{"project": {
    "requests_per_minute": {"limit": 10000},
    "tokens_per_minute": {"limit": 10000000},
    "concurrent_requests": {"limit": 1000}
}}')
"""
_TRIGGER = (
    "CREATE TRIGGER tiers_changed AFTER UPDATE OR DELETE ON tiers"
    " FOR EACH STATEMENT EXECUTE FUNCTION notify_tenant_changed()"
)


def upgrade() -> None:
    op.create_table(
        "tiers",
        sa.Column("name", sa.Text, nullable=False),
        _limits(),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.PrimaryKeyConstraint("name", name="pk_tiers"),
        _is_object("tiers"),
    )
    op.execute(_DEFAULT_TIER)
    op.execute(_TRIGGER)
    op.add_column("projects", sa.Column("tier", sa.Text, nullable=False, server_default="default"))
    op.create_foreign_key("fk_projects_tier", "projects", "tiers", ["tier"], ["name"])
    for table in ("projects", "api_keys"):
        op.add_column(table, _limits())
        op.create_check_constraint(op.f(f"ck_{table}_limits"), table, "jsonb_typeof(limits) = 'object'")


def downgrade() -> None:
    for table in ("api_keys", "projects"):
        op.drop_column(table, "limits")
    op.drop_column("projects", "tier")
    op.drop_table("tiers")


def _limits() -> sa.Column[object]:
    return sa.Column("limits", JSONB, nullable=False, server_default=sa.text("'{}'"))


def _is_object(table: str) -> sa.CheckConstraint:
    return sa.CheckConstraint("jsonb_typeof(limits) = 'object'", name=op.f(f"ck_{table}_limits"))
