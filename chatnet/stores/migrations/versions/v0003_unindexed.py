"""Which rooms have messages that the table of messages does not have yet: none, so far."""

from __future__ import annotations

from alembic import op
from sqlalchemy import MetaData

from chatnet.stores.tables import unindexed

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table, unless it was made and the rest broke off."""
    unindexed.to_metadata(MetaData()).create(op.get_bind(), checkfirst=True)
