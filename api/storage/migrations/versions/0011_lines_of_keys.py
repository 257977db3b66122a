"""Keys that were rotated into one another know the first of them: they draw on one budget."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.add_column("api_keys", sa.Column("first_id", sa.Text))
    op.create_index("ix_api_keys_first_id", "api_keys", ["first_id"], postgresql_where=sa.text("first_id IS NOT NULL"))


def downgrade() -> None:
    op.drop_index("ix_api_keys_first_id", "api_keys")
    op.drop_column("api_keys", "first_id")
