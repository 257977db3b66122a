"""What callers wrote into a batch is kept as it came: jsonb refuses U+0000, which JSON may have."""

from __future__ import annotations

from alembic import op
from sqlalchemy.dialects.postgresql import JSON, JSONB

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

_COLUMNS = "metadata", "errors"
# What jsonb takes of a value, for the way back.
_WITHOUT_NUL = r"replace({}::text, '\u0000', '\ufffd')::jsonb"


def upgrade() -> None:
    for name in _COLUMNS:
        op.alter_column("batches", name, type_=JSON, existing_type=JSONB, postgresql_using=f"{name}::json")


def downgrade() -> None:
    for name in _COLUMNS:
        using = _WITHOUT_NUL.format(name)
        op.alter_column("batches", name, type_=JSONB, existing_type=JSON, postgresql_using=using)
