"""Responses that are kept for later turns, and their items."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.create_table(
        "responses",
        sa.Column("id", sa.Text, nullable=False),
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("previous_id", sa.Text),
        sa.Column("body", sa.LargeBinary, nullable=False),
        sa.Column("item_bytes", sa.BigInteger, nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False, server_default=sa.func.now()),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_responses"),
    )
    op.create_index("ix_responses_expires_at", "responses", ["expires_at"])
    op.create_table(
        "response_items",
        sa.Column("response_id", sa.Text, nullable=False),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("project_id", sa.Text, nullable=False),
        sa.Column("item_id", sa.Text, nullable=False),
        sa.Column("output", sa.Boolean, nullable=False),
        sa.Column("item", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("response_id", "position", name="pk_response_items"),
        sa.ForeignKeyConstraint(
            ["response_id"], ["responses.id"], name="fk_response_items_response_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_response_items_project_id_item_id", "response_items", ["project_id", "item_id"])


def downgrade() -> None:
    op.drop_table("response_items")
    op.drop_table("responses")
