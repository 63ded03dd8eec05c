"""A connection to a database that may go away and come back."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
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

    def __init__(self, database: Database) -> None:
        """Connect, and see that the tables are those of this release.

        Raises:
            OSError: the database is away, or the like.
            ValueError: its tables are of a later release, or of something else.
        """
        self.database = database
        self._db: Connection | None = None
        self._into: dict[Table, str] = {}  # how a statement names each table and its columns
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

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Keep, durably, all that is done within, or none of it.

        Raises:
            OSError: the database is away, or the like. It may still have kept it, if it went away
                at the very end.
            ValueError: a place is taken.
        """
        db = self._begun()
        try:
            yield db
            _run(db, "COMMIT")
        except BaseException as error:
            self._take_back(db)
            if isinstance(error, self.database.errors):
                raise told(error) from error
            raise

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
        into = self._into.get(table) or self._place(db, table)
        verb, tail = replace
        place = f"({','.join([self.database.mark] * len(rows[0]))})"
        start = 0
        while left := len(rows) - start:
            size = min(_MOST_ROWS, 1 << left.bit_length() - 1)
            values = tuple(chain.from_iterable(rows[start : start + size]))
            _run(db, f"{verb}{into}{','.join([place] * size)}{tail}", values)
            start += size

    def _place(self, db: Connection, table: Table) -> str:
        keys = [column.key for column in table.columns if column.key != "id"]
        whole = str(insert(table).values(dict.fromkeys(keys)).compile(dialect=db.dialect))
        into = whole.removeprefix("INSERT").partition(" VALUES ")[0] + " VALUES "
        return self._into.setdefault(table, into)

    def _connection(self) -> Connection:
        if self._db is None:
            self._db = self.database.connect()
        return self._db

    def _begun(self) -> Connection:
        for again in (self.database.remote, False):
            db = self._connection()
            try:
                _run(db, self.database.begin)
            except self.database.errors as error:
                self._drop()
                if not again:
                    raise told(error) from None
            else:
                return db
        raise AssertionError("unreachable")

    def _take_back(self, db: Connection) -> None:
        if self.database.remote:
            self._drop()  # it takes back what it had not kept
        else:
            driver: Any = db.connection.driver_connection
            if driver.in_transaction:
                _run(db, "ROLLBACK")

    def _drop(self) -> None:
        """Let go of a connection of which nothing is known any more."""
        if self.database.remote and self._db is not None:
            self._db.invalidate()
            self.close()


def _run(db: Connection, statement: str, values: Sequence[Any] = ()) -> None:
    """Have the driver execute ``statement``."""
    # Not SQLAlchemy: a small commit would spend a quarter of its time there.
    db.connection.cursor().execute(statement, values)
