"""The tables, the same in every database.

Whoever changes them writes a migration as well, in ``chatnet.stores.migrations``.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import (
    DDL,
    BigInteger,
    Column,
    Dialect,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    TypeDecorator,
    UniqueConstraint,
    event,
)
from sqlalchemy.dialects import mysql, postgresql
from sqlalchemy.types import TypeEngine

VERSION = "0003"  # of the schema: the last migration
_LONGEST_KEY = 384  # characters; two such make the longest index that InnoDB has
_MYSQL = ("mysql", "mariadb")
_OPTIONS: dict[str, Any] = {
    f"{name}_{option}": value
    for name in _MYSQL
    for option, value in (("engine", "InnoDB"), ("charset", "utf8mb4"), ("collate", "utf8mb4_bin"))
}


class Key(TypeDecorator[str]):
    """Text by which rows are found: the same only if all of it is, up to the last space."""

    impl = String
    cache_ok = True

    def __init__(self, length: int) -> None:
        super().__init__(length)
        self._length = length

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        length = self._length
        if dialect.name == "postgresql":
            return postgresql.VARCHAR(length, collation="C")
        if dialect.name in _MYSQL:
            mariadb = getattr(dialect, "is_mariadb", False)
            collation = "utf8mb4_nopad_bin" if mariadb else "utf8mb4_0900_bin"
            return mysql.VARCHAR(length, charset="utf8mb4", collation=collation)
        return Text()


_KEY = Key(_LONGEST_KEY)
_NUMBER = BigInteger().with_variant(Integer(), "sqlite")
_UNSIGNED = _NUMBER.with_variant(mysql.BIGINT(unsigned=True), *_MYSQL)
_LONG = Text().with_variant(mysql.LONGTEXT(), *_MYSQL)  # of any length
_HASH = LargeBinary(32).with_variant(mysql.BINARY(32), *_MYSQL)
_TOKENS = (
    Text()
    .with_variant(mysql.LONGTEXT(charset="ascii", collation="ascii_bin"), *_MYSQL)
    .with_variant(postgresql.TSVECTOR(), "postgresql")
)

metadata = MetaData()

# No WITHOUT ROWID in SQLite: there it reads a large row whole to compare keys, and one message of
# 16 MiB made every insert beside it 200 times slower. The event comes last, so that all else is
# read without it.
entries = Table(
    "entries",
    metadata,
    Column("room", _KEY, primary_key=True),
    Column("seq", _NUMBER, primary_key=True, autoincrement=False),
    Column("at", Double(), nullable=False),
    Column("digest", _HASH, nullable=False),
    Column("link", _HASH, nullable=False),
    Column("size", _NUMBER, nullable=False),  # characters of the event
    Column("event", _LONG, nullable=False),
    **_OPTIONS,
)

# What a room's history is made of, so that one need not look through all who came and went. It is
# written after the entries, when there is time: see ``unindexed``. With
# ids of its own, under another name, InnoDB's full-text index gives them twice after a crash, and
# what has one of them is never found.
messages = Table(
    "messages",
    metadata,
    Column("FTS_DOC_ID", _UNSIGNED, key="id", primary_key=True, autoincrement=True),
    Column("room", _KEY, nullable=False),
    Column("seq", _NUMBER, nullable=False),
    Column("at", Double(), nullable=False),
    Column("words", _TOKENS),  # of what was said: see chatnet.stores.words
    Index("messages_place", "room", "seq", unique=True),
    **_OPTIONS,
)
Index(
    "messages_words", messages.c.words, postgresql_using="gin", mysql_prefix="FULLTEXT",
    mariadb_prefix="FULLTEXT",
).ddl_if(callable_=lambda *_, dialect, **__: dialect.name != "sqlite")  # fmt: skip

# Which rooms have messages that are not in the table of messages yet, and up to where all are.
unindexed = Table(
    "unindexed",
    metadata,
    Column("room", _KEY, primary_key=True),
    Column("seq", _NUMBER, nullable=False),
    **_OPTIONS,
)

floors = Table(
    "floors",
    metadata,
    Column("room", _KEY, primary_key=True),
    Column("seq", _NUMBER, nullable=False),
    Column("link", _HASH, nullable=False),
    **_OPTIONS,
)

answers = Table(
    "answers",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("origin", _KEY, nullable=False),
    Column("cid", Key(128), nullable=False),
    Column("room", _KEY, nullable=False),
    Column("seq", _NUMBER, nullable=False),
    UniqueConstraint("origin", "cid"),
    **_OPTIONS,
)

states = Table(
    "states",
    metadata,
    Column("id", _NUMBER, primary_key=True, autoincrement=True),
    Column("room", _KEY, nullable=False, unique=True),
    Column("seq", _NUMBER, nullable=False),
    Column("state", _LONG, nullable=False),
    **_OPTIONS,
)

accounts = Table(
    "accounts",
    metadata,
    Column("key", _KEY, primary_key=True),
    Column("name", _KEY, nullable=False),
    Column("verifier", _LONG, nullable=False),
    Column("made_at", Double(), nullable=False),
    **_OPTIONS,
)

claims = Table(
    "claims",
    metadata,
    Column("claim", _KEY, primary_key=True),
    Column("account", _KEY, ForeignKey(accounts.c.key), nullable=False),
    **_OPTIONS,
)

# Made first and filled last: a database where it is empty is one whose making was interrupted.
versions = Table(
    "chatnet_version",
    MetaData(),
    Column("version_num", String(32), primary_key=True),  # as Alembic calls it
    **_OPTIONS,
)

# SQLite's index keeps no copy of the words, and follows the table by itself.
SQLITE_INDEX = (
    "CREATE VIRTUAL TABLE found USING fts5(words, content='messages', content_rowid='FTS_DOC_ID',"
    " tokenize='ascii', detail='none', columnsize=0)",
    "CREATE TRIGGER messages_come AFTER INSERT ON messages WHEN new.words IS NOT NULL BEGIN"
    " INSERT INTO found (rowid, words) VALUES (new.FTS_DOC_ID, new.words); END",
    "CREATE TRIGGER messages_go AFTER DELETE ON messages WHEN old.words IS NOT NULL BEGIN"
    " INSERT INTO found (found, rowid, words) VALUES ('delete', old.FTS_DOC_ID, old.words); END",
)
for _statement in SQLITE_INDEX:
    event.listen(messages, "after_create", DDL(_statement).execute_if(dialect="sqlite"))
