"""A store in one SQLite file, durable when ``write`` returns."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from chatnet.core.codec import decode_event, decode_state, encode_event, encode_state, kind_of
from chatnet.core.events import MESSAGES, Entry
from chatnet.core.names import Name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.interfaces import REMEMBERED, Account, Batch, IAccountStore, IStore

if TYPE_CHECKING:
    from collections.abc import Iterator

VERSION = 1  # of the schema, in user_version
# Entries are no WITHOUT ROWID table: there SQLite reads a large row whole to compare keys, and
# one message of 16 MiB made every insert beside it 200 times slower.
_SCHEMA = """
CREATE TABLE entries (
    room TEXT NOT NULL, seq INTEGER NOT NULL, at REAL NOT NULL, kind TEXT NOT NULL,
    event TEXT NOT NULL, PRIMARY KEY (room, seq)
);
CREATE TABLE answers (
    id INTEGER PRIMARY KEY, origin TEXT NOT NULL, cid TEXT NOT NULL, room TEXT NOT NULL,
    seq INTEGER NOT NULL, UNIQUE (origin, cid)
);
CREATE TABLE states (
    id INTEGER PRIMARY KEY, room TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL, state TEXT NOT NULL
);
CREATE TABLE accounts (
    key TEXT PRIMARY KEY, name TEXT NOT NULL, verifier TEXT NOT NULL, made_at REAL NOT NULL
) WITHOUT ROWID;
CREATE TABLE claims (
    claim TEXT PRIMARY KEY, account TEXT NOT NULL REFERENCES accounts (key)
) WITHOUT ROWID;
"""
_MOST_ROWS = 512  # per statement; six columns stay far below SQLite's 32,766 parameters
_MESSAGES = tuple(kind.__name__.lower() for kind in MESSAGES)
_PAGE_BYTES = 1024 * 1024  # about how much one read returns at most
_BUSY_SECONDS = 5.0


def _create(path: str) -> None:
    """Make the file, for its owner alone, if it is not there; its -wal and -shm follow it.

    A file that is there is not even opened: to close it again would drop the locks of all
    connections that this process has to it (POSIX), and another program that reads the database
    would then take its -wal away as the last one.
    """
    if os.path.islink(path):
        raise OSError(errno.ELOOP, "it is a symbolic link", path)
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_NOFOLLOW, 0o600))


@implementer(IStore, IAccountStore)
class SqliteStore:
    """One connection. Open the file twice to read and write on two threads."""

    def __init__(self, path: str) -> None:
        _create(path)
        self._db = sqlite3.connect(
            path, timeout=_BUSY_SECONDS, isolation_level=None, check_same_thread=False
        )
        self._named: dict[str, int] = {}  # answers by origin since the last pruning
        self._db.execute("PRAGMA journal_mode = WAL")
        self._db.execute("PRAGMA synchronous = FULL")
        with self._transaction():
            version = self._db.execute("PRAGMA user_version").fetchone()[0]
            if version == 0:
                for statement in _SCHEMA.split(";"):
                    self._db.execute(statement)
                self._db.execute(f"PRAGMA user_version = {VERSION}")
            elif version != VERSION:
                raise ValueError(
                    f"{path} was written by another release of chatnet (its schema is version"
                    f" {version}, this one's is {VERSION})"
                )

    def close(self) -> None:
        self._db.close()

    # -- entries -------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        entries = [
            (e.room, e.seq, e.at, kind_of(e.event), encode_event(e.event)) for e in batch.entries
        ]
        answers = [(origin, d.cid, d.room, d.seq) for origin, d in batch.answers]
        states = [(room, seq, encode_state(s)) for room, (seq, s) in batch.states.items()]
        with self._transaction():
            self._insert("INSERT INTO entries VALUES ", 5, entries)
            self._insert(
                "INSERT OR REPLACE INTO answers (origin, cid, room, seq) VALUES ", 4, answers
            )
            for state in states:
                self._db.execute(
                    "INSERT INTO states (room, seq, state) VALUES (?, ?, ?) ON CONFLICT (room)"
                    " DO UPDATE SET seq = excluded.seq, state = excluded.state",
                    state,
                )
            for room in batch.discards:
                self._db.execute("DELETE FROM entries WHERE room = ?", (room,))
                self._db.execute("DELETE FROM states WHERE room = ?", (room,))
            self._prune([origin for origin, _ in batch.answers])

    def load(self, room: str) -> tuple[int, RoomState]:
        row = self._db.execute("SELECT seq, state FROM states WHERE room = ?", (room,)).fetchone()
        return (row[0], decode_state(row[1])) if row else (0, RoomState())

    def read(self, room: str, after: int, upto: int, limit: int) -> Sequence[Entry]:
        rows = self._db.execute(
            "SELECT seq, at, event FROM entries WHERE room = ? AND seq > ? AND seq <= ?"
            " ORDER BY seq LIMIT ?",
            (room, after, upto, limit),
        )
        entries, size = [], 0
        for seq, at, event in rows:
            entries.append(Entry(room, seq, at, decode_event(event)))
            size += len(event)
            if size >= _PAGE_BYTES:
                break
        return entries

    def back(self, room: str, upto: int, count: int) -> int:
        row = self._db.execute(
            "SELECT min(seq) FROM (SELECT seq FROM entries WHERE room = ? AND seq <= ?"
            " AND kind IN (?, ?, ?) ORDER BY seq DESC LIMIT ?)",
            (room, upto, *_MESSAGES, count),
        ).fetchone()
        return upto if row[0] is None else row[0] - 1

    def rooms(self, limit: int) -> Mapping[str, RoomState]:
        rows = self._db.execute(
            "SELECT room, state FROM states WHERE substr(room, 1, 1) NOT IN ('@', '*')"
            " ORDER BY id DESC LIMIT ?",
            (limit,),
        )
        return {room: decode_state(state) for room, state in rows}

    def strays(self) -> Sequence[str]:
        rows = self._db.execute("SELECT room FROM states WHERE substr(room, 1, 2) = '@~'")
        return [room for (room,) in rows]

    def recall(self, origin: str, limit: int) -> Sequence[Done]:
        rows = self._db.execute(
            "SELECT cid, room, seq FROM answers WHERE origin = ? ORDER BY id DESC LIMIT ?",
            (origin, limit),
        ).fetchall()
        return [Done(*row) for row in reversed(rows)]

    # -- accounts ------------------------------------------------------------------

    def find(self, claims: Iterable[str]) -> Account | None:
        for claim in claims:
            row = self._db.execute(
                "SELECT name, key, verifier FROM claims JOIN accounts ON account = key"
                " WHERE claim = ?",
                (claim,),
            ).fetchone()
            if row:
                return Account(*row)
        return None

    def add(self, name: Name, verifier: str, at: float) -> bool:
        try:
            with self._transaction():
                self._db.execute(
                    "INSERT INTO accounts VALUES (?, ?, ?, ?)", (name.key, name.text, verifier, at)
                )
                for claim in sorted(name.claims):
                    self._db.execute("INSERT INTO claims VALUES (?, ?)", (claim, name.key))
        except sqlite3.IntegrityError:
            return False
        return True

    def change(self, key: str, verifier: str) -> None:
        with self._transaction():
            self._db.execute("UPDATE accounts SET verifier = ? WHERE key = ?", (verifier, key))

    # -- how -----------------------------------------------------------------------

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            yield
            self._db.execute("COMMIT")
        except BaseException as error:
            if self._db.in_transaction:
                self._db.execute("ROLLBACK")
            if isinstance(error, sqlite3.OperationalError):  # a full disk, a locked file
                raise OSError(str(error)) from error
            raise

    def _insert(self, verb: str, width: int, rows: Sequence[tuple[Any, ...]]) -> None:
        # Not executemany: it takes and drops the interpreter lock once per row, and beside a busy
        # reactor waits milliseconds for it each time. Powers of two keep the statements few.
        place, size, start = f"({','.join('?' * width)})", _MOST_ROWS, 0
        while start < len(rows):
            while size > len(rows) - start:
                size //= 2
            values = [value for row in rows[start : start + size] for value in row]
            self._db.execute(verb + ",".join([place] * size), values)
            start += size

    def _prune(self, origins: Iterable[str]) -> None:
        """Forget the oldest answers of ``origins``, at the latest when there are twice as many."""
        for origin in origins:
            self._named[origin] = self._named.get(origin, 0) + 1
            if self._named[origin] >= REMEMBERED:
                del self._named[origin]
                self._db.execute(
                    "DELETE FROM answers WHERE origin = ? AND id <= (SELECT id FROM answers"
                    " WHERE origin = ? ORDER BY id DESC LIMIT 1 OFFSET ?)",
                    (origin, origin, REMEMBERED),
                )
        if len(self._named) > 100_000:  # mostly guests who came once
            self._named.clear()
