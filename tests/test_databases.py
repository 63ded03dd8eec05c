"""The SQL store on real servers: its promises, and what happens when they go away."""

from __future__ import annotations

import atexit
import json
import os
import signal
import time
from contextlib import closing, suppress as ignoring
from itertools import count
from threading import Thread
from typing import TYPE_CHECKING, Any, ClassVar

from sqlalchemy import text
from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest, SynchronousTestCase

from chatnet.core.events import Deleted, Entry, Said
from chatnet.core.replies import Done
from chatnet.core.search import Search
from chatnet.interfaces import Batch
from chatnet.stores import databases
from chatnet.stores.sql import SqlStore
from chatnet.stores.tables import metadata, versions
from chatnet.test.test_stores import StoreContract
from tests.dbservers import DatabaseServer, MariaDB, PostgreSQL
from tests.harness import Client, LiveTestCase, told

LARGE = 4 * 1024 * 1024  # characters, each of which takes several bytes on the way


_running: dict[type[DatabaseServer], DatabaseServer] = {}
_made: dict[tuple[type[DatabaseServer], str], str] = {}


def running(kind: type[DatabaseServer]) -> DatabaseServer:
    """Return the one server of its kind for all tests here; it ends with this process."""
    if missing := kind.missing():
        raise SkipTest(missing)
    if kind not in _running:
        server = _running[kind] = kind()
        atexit.register(server.remove)
    if not _running[kind].running:
        _running[kind].start()
    return _running[kind]


def made(kind: type[DatabaseServer], name: str) -> str:
    """Return the URL of the database ``name``, which is there from then on."""
    server = running(kind)
    if (kind, name) not in _made:
        _made[kind, name] = server.make(name)
    return _made[kind, name]


def emptied(kind: type[DatabaseServer], name: str) -> databases.Database:
    """Return the database ``name`` with nothing in its tables.

    MariaDB 10.11 was seen to crash, seldom, when it was asked for the first time after it had been
    killed: then it is started again.
    """
    database = databases.server(made(kind, name))
    try:
        SqlStore(database).close()
    except OSError:
        made(kind, name)
        SqlStore(database).close()
    with closing(database.connect()) as db:
        for table in reversed(metadata.sorted_tables):
            db.execute(table.delete())
    return database


def said(room: str, seq: int, body: str) -> Batch:
    return Batch.of([Entry(room, seq, 1.5, Said("ann", body))])


if TYPE_CHECKING:
    Contract = StoreContract
    Live = LiveTestCase
else:
    Contract, Live = StoreContract, object


class ServerContract(Contract):
    """What every store promises, and what only a server can show."""

    kind: ClassVar[type[DatabaseServer]]
    store: SqlStore

    def setUp(self) -> None:
        self._made = 0
        super().setUp()

    def make(self) -> SqlStore:
        self._made += 1
        self.database = emptied(self.kind, f"promises{self._made}")
        return self.opens(self.database)

    def opens(self, database: databases.Database) -> SqlStore:
        store = SqlStore(database)
        self.addCleanup(store.close)
        return store

    def asks(self, query: str) -> None:
        with closing(self.database.connect()) as db:
            db.exec_driver_sql(query)

    def test_any_text_and_any_time_is_kept_as_it_is(self) -> None:
        bodies = ["", "\0\1\x7f", "'\"\\%s %(a)s ?:b", "👩‍👩‍👧 ﷺ \u0344", "a ", "\r\n"]
        times = [0.1 + 0.2, 1763740800.1234567, 1e-9, 2**53 + 0.0, 1 / 3, 5e9]
        log = [
            Entry("té 👩", n, at, Said("ann ", body))
            for n, (at, body) in enumerate(zip(times, bodies, strict=True), 1)
        ]
        self.store.write(Batch.of(log))
        self.assertEqual(self.store.read("té 👩", 0, 9, 9), log)
        self.assertEqual(self.faults("té 👩"), [])

    def test_what_looks_alike_is_not_the_same(self) -> None:
        names = ["a", "a ", "A", "á", "a\u0301", "\uff41"]
        self.store.write(Batch([], [("ann", Done(name, "", 0)) for name in names]))
        self.assertEqual([done.cid for done in self.store.recall("ann", 9)], names)
        for name in names:
            self.store.write(said(name, 1, name))
            self.assertEqual(len(self.store.read(name, 0, 9, 9)), 1)

    def test_a_large_message_is_kept(self) -> None:
        body = "größer\\'\" " * (LARGE // 10)
        self.store.write(said("tea", 1, body))
        self.store.write(said("tea", 2, "small"))
        self.assertEqual(self.faults("tea"), [])
        (entry,) = self.store.read("tea", 0, 9, 9)
        self.assertTrue(entry.event == Said("ann", body))
        self.assertEqual([e.seq for e in self.store.read("tea", 1, 9, 9)], [2])
        self.assertEqual(self.found("groszer small"), [])
        self.assertEqual(self.found("größer"), ["tea 1"])
        self.store.write(Batch.of([Entry("tea", 3, 1.5, Deleted("ann", 1))]))
        self.assertEqual(self.found("größer"), [])

    def test_whoever_loses_the_connection_does_not_notice(self) -> None:
        self.store.write(said("tea", 1, "first"))
        for seq in (2, 3):
            running(self.kind).restart()
            self.store.write(said("tea", seq, "again"))
            self.assertEqual(len(self.store.read("tea", 0, 9, 9)), seq)
            running(self.kind).restart()
            self.assertEqual(self.store.search(["tea"], Search(("first",)), 9)[0].seq, 1)

    def test_while_the_server_is_away_everything_fails_at_once(self) -> None:
        server = running(self.kind)
        server.stop()
        for _ in range(2):
            for call in (
                lambda: self.store.write(said("tea", 1, "lost")),
                lambda: self.store.read("tea", 0, 9, 9),
                lambda: SqlStore(self.database),
            ):
                with self.assertRaises(OSError) as caught:
                    call()
                self.assertNotIn("\n", str(caught.exception))
        server.start()
        self.store.write(said("tea", 1, "kept"))
        self.assertEqual(len(self.store.read("tea", 0, 9, 9)), 1)

    def test_a_transaction_that_is_cut_off_is_not_kept(self) -> None:
        self.store.write(said("tea", 1, "kept"))
        with self.assertRaises(OSError), self.store._db.transaction as db:
            db.execute(text("DELETE FROM entries"))
            running(self.kind).restart()
            db.execute(text("DELETE FROM messages"))
        self.assertEqual(len(self.store.read("tea", 0, 9, 9)), 1)

    def test_what_was_begun_before_the_server_was_away_is_not_finished_after_it(self) -> None:
        self.store.write(said("tea", 1, "kept"))
        indexing = self.store._indexing
        mark = indexing.mark

        def late(*args: Any) -> None:
            running(self.kind).restart()  # the first row was inserted, and nothing is kept of it
            mark(*args)

        indexing.doubt()  # so that it asks, and thereby connects again
        self.patch(indexing, "mark", late)
        with self.assertRaises(OSError):
            self.store.write(said("tea", 2, "not kept"))
        self.patch(indexing, "mark", mark)
        self.assertEqual([entry.seq for entry in self.store.read("tea", 0, 9, 9)], [1])
        self.store.write(said("tea", 2, "kept as well"))
        self.assertEqual(self.found("kept"), ["tea 2", "tea 1"])

    def test_a_server_that_hangs_is_not_waited_for_without_end(self) -> None:
        self.patch(databases, "ANSWER_SECONDS", 1)
        self.patch(databases.MySql, "options", databases.MySql.options | {"read_timeout": 1})
        store = self.opens(databases.server(made(self.kind, "promises1")))
        pid = self.backend(store)
        began = time.monotonic()
        os.kill(pid, signal.SIGSTOP)
        try:
            with ignoring(OSError):  # PostgreSQL has another process for another connection
                store.write(said("tea", 1, "lost"))
        finally:
            os.kill(pid, signal.SIGCONT)
        self.assertLess(time.monotonic() - began, 10)
        store.write(said("milk", 1, "kept"))

    def test_what_was_begun_is_made_anew(self) -> None:
        self.store.close()
        self.asks(f"DELETE FROM {versions.name}")
        self.asks("DROP TABLE messages")
        self.store = self.opens(self.database)
        self.store.write(said("tea", 1, "hi"))
        self.assertEqual(self.found("hi"), ["tea 1"])

    def test_two_who_open_it_at_once_make_its_tables_once(self) -> None:
        for table in (versions, *reversed(metadata.sorted_tables)):
            self.asks(f"DROP TABLE {table.name}")
        stores: list[SqlStore] = []
        openers = [Thread(target=lambda: stores.append(self.opens(self.database))) for _ in "1234"]
        for opener in openers:
            opener.start()
        for opener in openers:
            opener.join()
        self.assertEqual(len(stores), 4)
        self.assertEqual(len(stores[0]._db.ask(versions.select())), 1)

    def test_two_writers_never_share_a_place(self) -> None:
        other = self.opens(self.database)
        self.store.write(said("tea", 1, "mine"))
        other.write(said("tea", 2, "yours"))
        with self.assertRaises(ValueError):
            self.store.write(said("tea", 2, "mine"))
        self.store.write(said("tea", 3, "mine"))
        self.assertEqual(self.faults("tea"), [])

    def backend(self, store: SqlStore) -> int:
        """Return the process that answers ``store``."""
        raise NotImplementedError


class MariaDbStoreTests(ServerContract, SynchronousTestCase):
    kind = MariaDB

    def backend(self, store: SqlStore) -> int:
        process = running(self.kind)._process
        assert process is not None
        return process.pid

    def test_what_is_said_after_a_crash_is_found(self) -> None:
        for seq in range(1, 6):
            self.store.write(said("tea", seq, "green"))
        self.store.write(Batch([], discards=["tea"]))
        running(self.kind).restart(killed=True)
        self.store.write(said("tea", 1, "green"))
        self.assertEqual(self.found("green"), ["tea 1"])

    def test_a_password_may_stand_beside_the_url(self) -> None:
        self.asks("CREATE OR REPLACE USER eve@'127.0.0.1' IDENTIFIED BY 'se@same'")
        self.asks("GRANT ALL ON promises1.* TO eve@'127.0.0.1'")
        url = made(self.kind, "promises1").replace("root", "eve")
        self.opens(databases.server(url, "se@same")).write(said("tea", 1, "hi"))
        self.opens(databases.server(url.replace("eve", "eve:se%40same")))
        database = databases.server(url, "wrong")
        with self.assertRaisesRegex(OSError, "^Access denied for user 'eve'@") as caught:
            SqlStore(database)
        self.assertNotIn("wrong", database.shown + str(caught.exception))

    def test_a_message_larger_than_the_server_takes_is_refused_in_a_sentence(self) -> None:
        self.asks("SET GLOBAL max_allowed_packet = 1048576")
        self.addCleanup(self.asks, "SET GLOBAL max_allowed_packet = 1073741824")
        store = self.opens(databases.server(made(self.kind, "promises1")))
        with self.assertRaisesRegex(OSError, "needs a larger max_allowed_packet"):
            store.write(said("tea", 1, '"' * 600_000))
        store.write(
            Batch.of([Entry("tea", n, 1.5, Said("ann", "x" * 200_000)) for n in range(1, 9)])
        )
        self.assertEqual(store.read("tea", 7, 8, 1)[0].seq, 8)


class PostgreSqlStoreTests(ServerContract, SynchronousTestCase):
    kind = PostgreSQL

    def backend(self, store: SqlStore) -> int:
        pid: int = store._db.ask(text("SELECT pg_backend_pid()"))[0][0]
        return pid

    def test_a_database_that_cannot_hold_every_character_is_refused(self) -> None:
        self.asks("CREATE DATABASE odd ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0")
        with self.assertRaisesRegex(OSError, "its encoding is LATIN1; chatnet needs one in UTF8"):
            SqlStore(databases.server(running(self.kind).url("odd")))


class OutageTests(Live):
    """A chatnet server whose database goes away and comes back."""

    kind: ClassVar[type[DatabaseServer]]
    killed: ClassVar[bool]  # or stopped

    async def test_the_database_restarts_under_the_server(self) -> None:
        database = await deferToThread(running, self.kind)
        url = await deferToThread(made, self.kind, "live")
        server = await self.serves("--store", url)
        ann = await self.registers(server, "Ann", "secret-1")
        ann.types("/join tea", "before")
        await ann.answered()
        program = await self.observes(server, "program")
        await deferToThread(database.kill if self.killed else database.stop)
        program.asks("say", room="tea", body="lost", cid="1")
        refused = json.loads((await program.until('"cid":"1"'))[-1])
        self.assertEqual(refused["error"], "unavailable")
        self.assertIn("Please try again", refused["text"])
        await ann.answered()
        ann.types("/join cellar", "/rooms")
        refusals = await ann.answered()
        self.assertEqual(refusals, ["That cannot be read now. Please try again later."] * 2)
        await deferToThread(database.start)
        await self.says(program, "after")
        ann.types("/join cellar", "hello")
        await ann.answered()
        await server.stop()
        server = await self.serves("--store", url)
        bob = await self.joins(server, "bob")
        self.assertEqual(
            [line.partition(": ")[2] for line in await told(bob, "tea")], ["before", "after"]
        )

    async def says(self, client: Client, body: str) -> None:
        """Say ``body`` again and again, as a program does, until it is acknowledged."""
        for cid in (f"{body} {attempt}" for attempt in count()):
            client.asks("say", room="tea", body=body, cid=cid)
            answer = json.loads((await client.until(f'"{cid}"'))[-1])
            if answer.get("error") != "unavailable":
                self.assertEqual(answer["ok"], cid)
                return

    async def test_a_database_that_is_away_ends_the_start_with_a_line(self) -> None:
        url = self.kind.scheme + "://ann:sesame@127.0.0.1:1/chatnet"
        complaint = await self.fails("--store", url)
        shown = url.replace("sesame", "***")
        self.assertTrue(complaint.startswith(f"chatnet: cannot open the store {shown}: "))


class MariaDbOutageTests(OutageTests, LiveTestCase):
    kind = MariaDB
    killed = True


class PostgreSqlOutageTests(OutageTests, LiveTestCase):
    kind = PostgreSQL
    killed = False
