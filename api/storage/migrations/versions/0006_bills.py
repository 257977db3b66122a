"""Every raise of a hold, so that a bill can list them; an index for what an organisation used."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    for name, kind in (("extensions_nusd", sa.BigInteger()), ("extended_at", sa.DateTime(timezone=True))):
        op.add_column("holds", sa.Column(name, sa.ARRAY(kind), nullable=False, server_default="{}"))
    op.create_index("ix_usage_rollups_organisation", "usage_rollups", ["organisation_id", "width_s", "bucket"])


def downgrade() -> None:
    op.drop_index("ix_usage_rollups_organisation", "usage_rollups")
    op.drop_column("holds", "extended_at")
    op.drop_column("holds", "extensions_nusd")
