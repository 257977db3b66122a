"""Run by alembic inside the connection that `api.storage.schema` opened."""

from __future__ import annotations

from alembic import context

from api.storage.tables import metadata

connection = context.config.attributes["connection"]
context.configure(connection=connection, target_metadata=metadata)
with context.begin_transaction():
    context.run_migrations()
