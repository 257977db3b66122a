"""A threshold is passed once in a period of each limit: credits that are added make it one that can be passed again."""

from __future__ import annotations

from collections.abc import Sequence

from alembic import op

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

_NAME, _TABLE = "pk_budget_alerts", "budget_alerts"
_KEY = ["budget_id", "period", "threshold"]


def upgrade() -> None:
    _key([*_KEY, "limit_nusd"])


def downgrade() -> None:
    same = " AND ".join(f"a.{column} = b.{column}" for column in _KEY)
    op.execute(f"DELETE FROM {_TABLE} a USING {_TABLE} b WHERE {same} AND a.limit_nusd > b.limit_nusd")  # noqa: S608
    _key(_KEY)


def _key(columns: Sequence[str]) -> None:
    op.drop_constraint(_NAME, _TABLE)
    op.create_primary_key(_NAME, _TABLE, list(columns))
