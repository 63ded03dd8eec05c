"""Each entry with its digest and its link; messages in a table of their own, with their words.

What release 0.1 kept is in SQLite, where all of this is one transaction.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from alembic import op

from chatnet.core.chain import START, Record, digest_of, link_of
from chatnet.stores.rows import entry_rows, message_rows, portions

revision = "0002"
down_revision = "0001"

_TABLES = (
    "CREATE TABLE entries (room TEXT NOT NULL, seq INTEGER NOT NULL, at DOUBLE NOT NULL,"
    " digest BLOB NOT NULL, link BLOB NOT NULL, size INTEGER NOT NULL, event TEXT NOT NULL,"
    " PRIMARY KEY (room, seq))",
    "CREATE TABLE messages (FTS_DOC_ID INTEGER NOT NULL PRIMARY KEY, room TEXT NOT NULL,"
    " seq INTEGER NOT NULL, at DOUBLE NOT NULL, words TEXT)",
    "CREATE UNIQUE INDEX messages_place ON messages (room, seq)",
    "CREATE TABLE floors (room TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL,"
    " link BLOB NOT NULL)",
    "CREATE VIRTUAL TABLE found USING fts5(words, content='messages', content_rowid='FTS_DOC_ID',"
    " tokenize='ascii', detail='none', columnsize=0)",
    "CREATE TRIGGER messages_come AFTER INSERT ON messages WHEN new.words IS NOT NULL BEGIN"
    " INSERT INTO found (rowid, words) VALUES (new.FTS_DOC_ID, new.words); END",
    "CREATE TRIGGER messages_go AFTER DELETE ON messages WHEN old.words IS NOT NULL BEGIN"
    " INSERT INTO found (found, rowid, words) VALUES ('delete', old.FTS_DOC_ID, old.words); END",
)


def upgrade() -> None:
    """Copy all entries, a portion at a time: the log may be larger than the memory."""
    driver: Any = op.get_bind().connection.driver_connection
    driver.execute("ALTER TABLE entries RENAME TO old_entries")
    for statement in _TABLES:
        driver.execute(statement)
    for portion in portions(_bound(driver)):
        driver.executemany("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?, ?)", entry_rows(portion))
        messages = message_rows([record.entry for record in portion])
        driver.executemany(
            "INSERT INTO messages (room, seq, at, words) VALUES (?, ?, ?, ?)", messages
        )
    driver.execute("DROP TABLE old_entries")


def _bound(driver: Any) -> Iterator[Record]:
    """Yield the old entries, each bound to the one before it."""
    room, link = "", START
    for place, seq, at, text in driver.execute(
        "SELECT room, seq, at, event FROM old_entries ORDER BY room, seq"
    ):
        if place != room:
            room, link = place, START
        digest = digest_of(text)
        link = link_of(link, room, seq, at, digest)
        yield Record(room, seq, at, text, digest, link)
