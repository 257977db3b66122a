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
    DateTime,
    Double,
    ForeignKey,
    Index,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
)

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
    UniqueConstraint("organisation_id", "name"),
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
    CheckConstraint("octet_length(digest) = 32", name="digest_length"),
    CheckConstraint("cardinality(scopes) > 0", name="some_scope"),
    Index("ix_api_keys_project_id", "project_id"),
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
    Column("started_at", DateTime(timezone=True), nullable=False),
    Column("ttft_ms", Double),
    Column("duration_ms", Double, nullable=False),
    CheckConstraint("outcome IN ('finished', 'client_left', 'upstream_broke', 'refused')", name="outcome"),
    CheckConstraint("provenance IN ('engine', 'provider', 'estimated')", name="provenance"),
    CheckConstraint(
        "prompt_tokens >= 0 AND completion_tokens >= 0"
        " AND cached_tokens BETWEEN 0 AND prompt_tokens AND reasoning_tokens BETWEEN 0 AND completion_tokens",
        name="tokens",
    ),
    Index("ix_usage_project_id_started_at", "project_id", "started_at"),
)

__all__ = ["api_keys", "metadata", "organisations", "projects", "usage"]
