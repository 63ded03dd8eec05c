"""What differs by database: how it is reached, locked, searched, and what its errors mean."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any, ClassVar

from sqlalchemy import (
    URL,
    Connection,
    Select,
    column,
    create_engine,
    event,
    literal,
    make_url,
    select,
    table,
    text,
)
from sqlalchemy.dialects import mysql
from sqlalchemy.dialects.postgresql import TSQUERY
from sqlalchemy.exc import ArgumentError, DBAPIError
from sqlalchemy.pool import NullPool

from chatnet.core.search import Search
from chatnet.stores.tables import messages
from chatnet.stores.words import sought

CONNECT_SECONDS = 5
ANSWER_SECONDS = 30  # without which a database counts as away
_BUSY_SECONDS = 5.0  # to wait for another process's lock
_SCHEMA_LOCK = 0x63686174  # any number that others do not use


class Taken(ValueError):
    """There is a row of that key already."""


class Database:
    """One database, which several connections may be made to."""

    mark: ClassVar[str] = "%s"  # where a value goes in a statement
    begin: ClassVar[str] = "BEGIN"
    # How an answer is given another time: what stands before the values, and behind them.
    replace: ClassVar[tuple[str, str]] = ("REPLACE", "")
    octets: ClassVar[type[bytes] | type[bytearray]] = bytes  # how the driver takes bytes
    remote: ClassVar[bool] = True  # its connections may be lost, and then be made anew
    together: ClassVar[bool] = False  # words are sought in all rooms at once
    options: ClassVar[dict[str, Any]]

    def __init__(self, url: URL) -> None:
        self.shown = url.render_as_string(hide_password=True)
        self._engine = create_engine(
            url,
            connect_args=self.options,
            hide_parameters=True,  # they are what people said
            isolation_level="AUTOCOMMIT",  # a transaction is begun and ended in words
            pool_reset_on_return=None,
            poolclass=NullPool,
        )
        event.listen(self._engine, "connect", self._prepare)
        # What is raised by SQLAlchemy, and by the driver where it is called by itself.
        self.errors = (DBAPIError, self._engine.dialect.loaded_dbapi.Error)

    def connect(self) -> Connection:
        """Return a new connection.

        Raises:
            OSError: there is none to be had.
        """
        try:
            return self._engine.connect()
        except self.errors as error:
            raise told(error) from None

    @contextmanager
    def alone(self, db: Connection) -> Iterator[None]:
        """Hold a transaction in which nobody else looks at the schema or changes it."""
        db.exec_driver_sql(self.begin)
        yield
        db.exec_driver_sql("COMMIT")

    def version(self, db: Connection) -> str:
        """Return the schema's version where no table says it; empty if there is none."""
        return ""

    def stamp(self, db: Connection) -> None:
        """Say the schema's version to releases that look for it elsewhere."""

    def check(self, event: str) -> None:
        """See that a long event can be written.

        Raises:
            OSError: it cannot; the sentence says why.
        """

    def match(self, search: Search, rooms: Sequence[str], limit: int) -> Select[*tuple[Any, ...]]:
        """Return the query for the places (at, room, seq) of the latest that ``search`` finds.

        ``search`` has words, or says by whom; ``rooms`` is one, unless ``together``.
        """
        places = select(messages.c.at, messages.c.room, messages.c.seq)
        places = places.where(messages.c.room.in_(rooms), messages.c.at >= search.since)
        return self._matching(places, search, rooms).limit(limit)

    def _matching(
        self, places: Select[*tuple[Any, ...]], search: Search, rooms: Sequence[str]
    ) -> Select[*tuple[Any, ...]]:
        raise NotImplementedError

    def _prepare(self, connection: Any, record: object) -> None:
        """Make a new connection ready."""


class Sqlite(Database):
    """One file."""

    mark = "?"
    begin = "BEGIN IMMEDIATE"
    octets = bytearray  # for bytes it seeks an adapter, which takes as long as all else of a row
    remote = False
    options: ClassVar = {"timeout": _BUSY_SECONDS, "check_same_thread": False}

    def __init__(self, path: str) -> None:
        _create(path)
        super().__init__(URL.create("sqlite", database=path))
        self.shown = path

    def version(self, db: Connection) -> str:
        number: int = db.exec_driver_sql("PRAGMA user_version").scalar_one()
        return f"{number:04}" if number else ""

    def stamp(self, db: Connection) -> None:
        db.exec_driver_sql("PRAGMA user_version = 2")  # release 0.1 looks here

    def _matching(
        self, places: Select[*tuple[Any, ...]], search: Search, rooms: Sequence[str]
    ) -> Select[*tuple[Any, ...]]:
        # One room's messages have their ids in order, so that the latest are found first.
        found = table("found", column("rowid"))
        tokens, among = sought(search, rooms)
        query = f"({' OR '.join(among)}) AND {' AND '.join(tokens)}"
        return (
            places.select_from(found.join(messages, messages.c.id == found.c.rowid))
            .where(text("found MATCH :query").bindparams(query=query))
            .order_by(found.c.rowid.desc())
        )

    def _prepare(self, connection: Any, record: object) -> None:
        modules = connection.execute("SELECT name FROM pragma_module_list").fetchall()
        if ("fts5",) not in modules:
            raise OSError("Python's SQLite was built without FTS5, with which messages are found")
        # What is deleted is overwritten, too.
        for statement in ("journal_mode = WAL", "synchronous = FULL", "secure_delete = ON"):
            connection.execute(f"PRAGMA {statement}")


class MySql(Database):
    """MariaDB, or MySQL."""

    together = True  # its index finds all there is before any of it is sorted out
    options: ClassVar = {
        "connect_timeout": CONNECT_SECONDS,
        "read_timeout": ANSWER_SECONDS,
        "write_timeout": ANSWER_SECONDS,
        "charset": "utf8mb4",
        "binary_prefix": True,
        "init_command": "SET SESSION sql_mode = 'STRICT_ALL_TABLES', innodb_lock_wait_timeout = 10",
    }

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        self._most = 0  # bytes of a statement

    @contextmanager
    def alone(self, db: Connection) -> Iterator[None]:
        lock = f"'chatnet {_SCHEMA_LOCK}'"
        if not db.exec_driver_sql(f"SELECT GET_LOCK({lock}, {CONNECT_SECONDS})").scalar_one():
            raise OSError("another server is making its tables at the moment")
        yield  # each statement that makes or changes a table is a transaction of its own
        db.exec_driver_sql("COMMIT")
        db.exec_driver_sql(f"SELECT RELEASE_LOCK({lock})")

    def check(self, event: str) -> None:
        size = len(event.encode()) + event.count('"') + event.count("\\") + event.count("'")
        if size + 4096 > self._most:
            raise OSError(
                f"a message of {size:,} bytes needs a larger max_allowed_packet in the database"
                f" server, which is {self._most:,} now"
            )

    def _matching(
        self, places: Select[*tuple[Any, ...]], search: Search, rooms: Sequence[str]
    ) -> Select[*tuple[Any, ...]]:
        query = " ".join([f"+{token}" for token in sought(search)[0]])
        found = mysql.match(messages.c.words, against=literal(query)).in_boolean_mode()
        order = (messages.c.at, messages.c.room, messages.c.seq)
        return places.where(found).order_by(*[column.desc() for column in order])

    def _prepare(self, connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SELECT @@max_allowed_packet")
            self._most = int(cursor.fetchone()[0])


class PostgreSql(Database):
    """PostgreSQL."""

    replace = (
        "INSERT",
        " ON CONFLICT (origin, cid) DO UPDATE"
        " SET id = excluded.id, room = excluded.room, seq = excluded.seq",
    )
    options: ClassVar = {
        "connect_timeout": CONNECT_SECONDS,
        "tcp_user_timeout": ANSWER_SECONDS * 1000,
        "client_encoding": "utf8",
    }

    def __init__(self, url: URL) -> None:
        super().__init__(url)
        event.listen(self._engine, "do_connect", _connect_patiently)

    @contextmanager
    def alone(self, db: Connection) -> Iterator[None]:
        with super().alone(db):
            db.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_SCHEMA_LOCK})")
            yield

    def _matching(
        self, places: Select[*tuple[Any, ...]], search: Search, rooms: Sequence[str]
    ) -> Select[*tuple[Any, ...]]:
        query = literal(" & ".join(sought(search)[0])).cast(TSQUERY)
        found = messages.c.words.bool_op("@@")(query)
        return places.where(found).order_by(messages.c.seq.desc())

    def _prepare(self, connection: Any, record: object) -> None:
        with connection.cursor() as cursor:
            cursor.execute("SET lock_timeout = '10s'")
            cursor.execute("SELECT current_setting('synchronous_commit')")
            if cursor.fetchone()[0] == "off":  # what is acknowledged is on disk
                cursor.execute("SET synchronous_commit = on")
            encoding = connection.info.parameter_status("server_encoding")
        if encoding != "UTF8":
            raise OSError(f"its encoding is {encoding}; chatnet needs one in UTF8")


SERVERS: dict[str, tuple[type[Database], str]] = {  # by scheme, with the extra that brings a driver
    "mysql+pymysql": (MySql, "mysql"),
    "postgresql+psycopg": (PostgreSql, "postgresql"),
}


def server(url: str, password: str = "") -> Database:
    """Return the database that ``url`` names, whose scheme is one of ``SERVERS``.

    ``password`` is for a URL that has none.

    Raises:
        ValueError: ``url`` cannot be read, or its driver is not installed.
    """
    scheme = url.partition(":")[0]
    kind, extra = SERVERS[scheme]
    try:
        parsed = make_url(url)
        if password:
            parsed = parsed.set(password=password)
        return kind(parsed)
    except (ArgumentError, ValueError):
        raise ValueError(f"it is written like {scheme}://USER@HOST/DATABASE") from None
    except ImportError:
        raise ValueError(f"its driver is missing: pip install 'chatnet[{extra}]'") from None


def told(error: BaseException) -> Exception:
    """Return what a store raises for ``error``: OSError if the database is to blame."""
    cause = error.orig if isinstance(error, DBAPIError) and error.orig else error
    words = cause.args
    said = words[1] if len(words) == 2 and isinstance(words[0], int) else cause
    sentence = " ".join(str(said).split())
    kinds = {kind.__name__ for kind in type(cause).__mro__}  # as PEP 249 calls them
    if "IntegrityError" in kinds:
        return Taken(sentence)
    if kinds & {"DataError", "ProgrammingError"}:
        return ValueError(sentence)
    return OSError(sentence)


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


def _connect_patiently(
    dialect: object, record: object, positional: Sequence[Any], named: dict[str, Any]
) -> Any:
    """Connect to PostgreSQL so that no answer is waited for without end, which psycopg would."""
    import psycopg  # only those who use it have it

    class Patient(psycopg.Connection[Any]):
        def wait(self, gen: Any, interval: float = 0.1, timeout: float | None = None) -> Any:
            try:
                return super().wait(gen, interval, timeout or ANSWER_SECONDS)
            except psycopg.errors._WaitTimeout:
                self.close()
                raise psycopg.OperationalError(f"no answer in {ANSWER_SECONDS} seconds") from None

    return Patient.connect(*positional, **named)
