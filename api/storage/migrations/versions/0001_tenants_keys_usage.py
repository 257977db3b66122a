"""Tenants, API keys and usage.

Revisions are written in the words of their day and never import `tables.py`, which goes on changing.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

# Payload: the key's digest in hex, so that a process forgets exactly that key; `*` where every key may be concerned.
_NOTIFY_KEYS = """
CREATE FUNCTION notify_key_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('novai_keys', encode(coalesce(NEW.digest, OLD.digest), 'hex'));
    RETURN NULL;
END $$
"""
_NOTIFY_TENANTS = """
CREATE FUNCTION notify_tenant_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_notify('novai_keys', '*');
    RETURN NULL;
END $$
"""
_TRIGGERS = (
    "CREATE TRIGGER api_keys_changed AFTER INSERT OR UPDATE OR DELETE ON api_keys"
    " FOR EACH ROW EXECUTE FUNCTION notify_key_changed()",
    "CREATE TRIGGER projects_changed AFTER UPDATE OR DELETE ON projects"
    " FOR EACH STATEMENT EXECUTE FUNCTION notify_tenant_changed()",
    "CREATE TRIGGER organisations_changed AFTER UPDATE OR DELETE ON organisations"
    " FOR EACH STATEMENT EXECUTE FUNCTION notify_tenant_changed()",
)


def upgrade() -> None:
    op.create_table(
        "organisations",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        _now("created_at"),
        _time("archived_at"),
        sa.PrimaryKeyConstraint("id", name="pk_organisations"),
        sa.UniqueConstraint("name", name="uq_organisations_name"),
    )
    op.create_table(
        "projects",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("organisation_id", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        _now("created_at"),
        _time("archived_at"),
        sa.PrimaryKeyConstraint("id", name="pk_projects"),
        sa.ForeignKeyConstraint(["organisation_id"], ["organisations.id"], name="fk_projects_organisation_id"),
        sa.UniqueConstraint("organisation_id", "name", name="uq_projects_organisation_id_name"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("digest", sa.LargeBinary, nullable=False),
        sa.Column("last4", sa.Text, nullable=False),
        sa.Column("name", sa.Text, nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text), nullable=False),
        sa.Column("models", sa.ARRAY(sa.Text)),
        _now("created_at"),
        _time("expires_at"),
        _time("revoked_at"),
        sa.Column("rotated_to", sa.Text),
        sa.PrimaryKeyConstraint("id", name="pk_api_keys"),
        sa.ForeignKeyConstraint(["project_id"], ["projects.id"], name="fk_api_keys_project_id"),
        sa.ForeignKeyConstraint(["rotated_to"], ["api_keys.id"], name="fk_api_keys_rotated_to"),
        sa.UniqueConstraint("digest", name="uq_api_keys_digest"),
        sa.CheckConstraint("octet_length(digest) = 32", name=op.f("ck_api_keys_digest_length")),
        sa.CheckConstraint("cardinality(scopes) > 0", name=op.f("ck_api_keys_some_scope")),
    )
    op.create_index("ix_api_keys_project_id", "api_keys", ["project_id"])
    op.create_table(
        "usage",
        *(
            sa.Column(name, sa.Text, nullable=False)
            for name in (
                "request_id",
                "organisation_id",
                "project_id",
                "key_id",
                "operation",
                "model",
                "replica",
                "outcome",
                "finish_reason",
                "provenance",
            )
        ),
        *(
            sa.Column(name, sa.BigInteger, nullable=False)
            for name in ("prompt_tokens", "cached_tokens", "completion_tokens", "reasoning_tokens")
        ),
        sa.Column("status", sa.SmallInteger, nullable=False),
        sa.Column("streamed", sa.Boolean, nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ttft_ms", sa.Double),
        sa.Column("duration_ms", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("request_id", name="pk_usage"),
        sa.CheckConstraint(
            "outcome IN ('finished', 'client_left', 'upstream_broke', 'refused')", name=op.f("ck_usage_outcome")
        ),
        sa.CheckConstraint("provenance IN ('engine', 'provider', 'estimated')", name=op.f("ck_usage_provenance")),
        sa.CheckConstraint(
            "prompt_tokens >= 0 AND completion_tokens >= 0"
            " AND cached_tokens BETWEEN 0 AND prompt_tokens AND reasoning_tokens BETWEEN 0 AND completion_tokens",
            name=op.f("ck_usage_tokens"),
        ),
    )
    op.create_index("ix_usage_project_id_started_at", "usage", ["project_id", "started_at"])
    for statement in (_NOTIFY_KEYS, _NOTIFY_TENANTS, *_TRIGGERS):
        op.execute(statement)


def downgrade() -> None:
    for table in ("usage", "api_keys", "projects", "organisations"):
        op.drop_table(table)
    op.execute("DROP FUNCTION notify_key_changed")
    op.execute("DROP FUNCTION notify_tenant_changed")


def _time(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True))


def _now(name: str) -> sa.Column[object]:
    return sa.Column(name, sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now())
