"""A connection to a database that may go away and come back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import chain
from typing import Any

from sqlalchemy import Connection, Executable, Row, Table, insert
from sqlalchemy.exc import ProgrammingError

from chatnet.stores.databases import Database, told
from chatnet.stores.schema import prepare

_MOST_ROWS = 512  # per statement; seven columns stay far below SQLite's 32,766 parameters


class Connected:
    """One connection, made when it is needed, and made anew when it was lost.

    Whatever fails because the database is away raises OSError; the next call tries again.
    """

    def __init__(self, database: Database, doubt: Callable[[], object]) -> None:
        """Connect, and see that the tables are those of this release.

        ``doubt`` is called when a transaction failed: what it was to keep may be kept or not.

        Raises:
            OSError: the database is away, or the like.
            ValueError: its tables are of a later release, or of something else.
        """
        self.database = database
        self.transaction = Transaction(self, doubt)
        self._db: Connection | None = None
        # The driver's, of the connection on which a transaction was begun: if that is lost within,
        # nothing more of it may be executed on the next one.
        self._cursor: Any = None
        self._inserts: dict[tuple[Table, int, tuple[str, str]], str] = {}  # of so many rows
        try:
            prepare(self._connection(), database)
        except self.database.errors as error:
            raise told(error) from None
        except BaseException:
            self.close()
            raise

    def close(self) -> None:
        if self._db is not None:
            with suppress(*self.database.errors):
                self._db.close()
            self._db = None

    def ask(self, query: Executable, **values: Any) -> Sequence[Row[*tuple[Any, ...]]]:
        """Return the rows that ``query`` finds, outside any transaction."""
        for again in (self.database.remote, False):
            db = self._connection()
            try:
                return db.execute(query, values).all()
            except self.database.errors as error:
                self._drop()
                if not again or isinstance(error, ProgrammingError):
                    raise told(error) from None
        raise AssertionError("unreachable")

    def insert(
        self,
        db: Connection,
        table: Table,
        rows: Sequence[tuple[Any, ...]],
        replace: tuple[str, str] = ("INSERT", ""),
    ) -> None:
        """Put ``rows`` into ``table``, each with a value for every column but an ``id``.

        ``replace`` is how the statement begins and ends.
        """
        # Not executemany: it takes and drops the interpreter lock once per row, and beside a busy
        # reactor waits milliseconds for it each time. Powers of two keep the statements few.
        if not rows:
            return
        start = 0
        while left := len(rows) - start:
            size = min(_MOST_ROWS, 1 << left.bit_length() - 1)
            shape = table, size, replace
            statement = self._inserts.get(shape) or self._statement(db, *shape)
            self.run(statement, tuple(chain.from_iterable(rows[start : start + size])))
            start += size

    def begin(self) -> Connection:
        """Begin a transaction, if need be on a new connection."""
        for again in (self.database.remote, False):
            db = self._connection()
            try:
                self._cursor = db.connection.cursor()
                self.run(self.database.begin)
            except self.database.errors as error:
                self._drop()
                if not again:
                    raise told(error) from None
            else:
                return db
        raise AssertionError("unreachable")

    def take_back(self, db: Connection) -> None:
        """End a transaction of which nothing is to be kept."""
        if self.database.remote:
            self._drop()  # it takes back what it had not kept
        else:
            driver: Any = db.connection.driver_connection
            if driver.in_transaction:
                self.run("ROLLBACK")

    def run(self, statement: str, values: Sequence[Any] = ()) -> None:
        """Have the driver execute ``statement``, in a transaction."""
        # Not SQLAlchemy: a small commit would spend a quarter of its time there.
        self._cursor.execute(statement, values)

    def _statement(self, db: Connection, table: Table, count: int, replace: tuple[str, str]) -> str:
        keys = [column.key for column in table.columns if column.key != "id"]
        whole = str(insert(table).values(dict.fromkeys(keys)).compile(dialect=db.dialect))
        into = whole.removeprefix("INSERT").partition(" VALUES ")[0]
        row = f"({','.join([self.database.mark] * len(keys))})"
        verb, tail = replace
        statement = f"{verb}{into} VALUES {','.join([row] * count)}{tail}"
        return self._inserts.setdefault((table, count, replace), statement)

    def _connection(self) -> Connection:
        if self._db is None:
            self._db = self.database.connect()
        return self._db

    def _drop(self) -> None:
        """Let go of a connection of which nothing is known any more."""
        if self.database.remote and self._db is not None:
            self._db.invalidate()
            self.close()


class Transaction:
    """Keeps, durably, all that is done within, or none of it: ``with`` it, one at a time.

    Raises:
        OSError: the database is away, or the like. It may still have kept it, if it went away
            at the very end.
        ValueError: a place is taken.
    """

    def __init__(self, connected: Connected, doubt: Callable[[], object]) -> None:
        self._connected, self._doubt = connected, doubt
        self._db: Connection

    def __enter__(self) -> Connection:
        try:
            self._db = self._connected.begin()
        except BaseException:
            self._doubt()
            raise
        return self._db

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if error is None:
            try:
                self._connected.run("COMMIT")
            except BaseException as failed:
                self._fail(failed)
                raise
        else:
            self._fail(error)

    def _fail(self, error: BaseException) -> None:
        self._doubt()
        self._connected.take_back(self._db)
        if isinstance(error, self._connected.database.errors):
            raise told(error) from error
