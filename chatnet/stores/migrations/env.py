"""What Alembic runs: the scripts, on the connection and in the transaction that it was given."""

from __future__ import annotations

from alembic import context

from chatnet.stores.tables import versions

context.configure(connection=context.config.attributes["connection"], version_table=versions.name)
with context.begin_transaction():
    context.run_migrations()
