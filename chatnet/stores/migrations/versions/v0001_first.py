"""The tables of release 0.1, which made them itself, in SQLite alone."""

from __future__ import annotations

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Do nothing: they are there."""
