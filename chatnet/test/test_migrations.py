"""A database of an older release opens with this one; one of a later release is left alone."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from contextlib import closing
from importlib.resources import files
from typing import Any

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import text
from twisted.trial.unittest import SynchronousTestCase

from chatnet.accounts.passwords import matches
from chatnet.core.chain import Anchor, faults
from chatnet.core.codec import KINDS
from chatnet.core.events import Deleted, Entry, Erased, RetentionSet, Said
from chatnet.core.names import person_name
from chatnet.core.replies import Done
from chatnet.core.search import Search, words_of
from chatnet.interfaces import Batch
from chatnet.stores import rows
from chatnet.stores.databases import Sqlite
from chatnet.stores.sql import SqlStore
from chatnet.stores.tables import VERSION

SINCE_0_1 = {
    "encrypted",
    "sealed",
    "sealedwhisper",
    "rekeyed",
    "deviceadded",
    "deviceremoved",
    "keyspublished",
    "keytaken",
    "letter",
    "kept",
    "acted",
    "configured",
    "deleted",
    "devoiced",
    "erased",
    "invited",
    "owned",
    "retentionset",
    "roomdeleted",
    "roomdiscarded",
    "roomrenamed",
    "roomrestored",
    "visited",
    "shared",
    "voiced",
}  # kinds of entries
LOGS = {"*": 1, "@ann": 1, "@bob": 2, "milk": 43, "tea": 24}  # how many each has


class MigrationTests(SynchronousTestCase):
    """With what release 0.1 kept, made by its own store."""

    def setUp(self) -> None:
        self.path = self.mktemp()
        old = files("chatnet.test").joinpath("data", "chatnet-0.1.sql").read_text("utf-8")
        with closing(sqlite3.connect(self.path)) as db:
            db.executescript(old)
            self.old = db.execute("SELECT room, seq, at, event FROM entries").fetchall()

    def opens(self) -> SqlStore:
        store = SqlStore(Sqlite(self.path))
        self.addCleanup(store.close)
        return store

    def asks(self, query: str) -> list[Any]:
        with closing(sqlite3.connect(self.path)) as db:
            return db.execute(query).fetchall()

    def test_every_entry_is_there_as_it_was_and_the_chain_holds(self) -> None:
        store = self.opens()
        self.assertEqual(list(store.logs()), sorted(LOGS))
        kept = []
        for room, count in LOGS.items():
            records = store.records(room, 0, 99)
            self.assertEqual(len(records), count)
            self.assertEqual(list(faults(room, store.anchor(room), records)), [])
            self.assertEqual([r.entry for r in records], store.read(room, 0, 99, 99))
            kept += [(room, record.seq, record.at, record.text) for record in records]
        self.assertEqual(sorted(kept), sorted(self.old))
        kinds = {text.split('"')[1] for *_, text in kept}
        self.assertEqual(kinds | SINCE_0_1, set(KINDS))

    def test_states_answers_and_accounts_are_there(self) -> None:
        store = self.opens()
        self.assertEqual(list(store.rooms(9)), ["milk", "tea"])
        seq, state = store.load("tea")
        self.assertEqual((seq, state.name, state.topic), (20, "Tea", "Leaves & cups"))
        self.assertEqual(store.recall("ann", 9), [Done("c3", "tea", 3), Done("c24", "tea", 24)])
        self.assertEqual(store.recall("bob", 9), [Done("nothing ", "", 0)])
        ann = store.holders(person_name("Ann").claims)["ann"]
        self.assertTrue(matches("secret-1", ann.verifier))
        self.assertEqual([account.name for account, _ in store.accounts()], ["Ann", "Bob1"])

    def test_old_messages_are_found(self) -> None:
        store = self.opens()
        for words, places in (("cafe 茶", [21]), ("TEA", [3]), ("kettle", [])):
            search = Search(tuple(words_of(words)))
            found = store.search(["tea", "@bob"], search, 9)
            self.assertEqual([entry.seq for entry in found], places)
        self.assertEqual(store.back("milk", 43, 2), 40)
        self.assertEqual(store.back("tea", 24, 3), 17)  # what the server said, and two messages

    def test_the_log_goes_on(self) -> None:
        store = self.opens()
        store.write(Batch.of([Entry("tea", 25, 2e9, Deleted("Ann", 3))]))
        self.assertEqual(store.read("tea", 2, 3, 1)[0].event, Erased("Ann"))
        store.write(Batch.of([Entry("tea", 26, 2e9, Said("Ann", "new")), entry(27)]))
        self.assertEqual(store.forget("tea", 10, 99), 10)
        self.assertEqual(list(faults("tea", store.anchor("tea"), store.records("tea", 0, 99))), [])
        self.assertEqual(store.search(["tea"], Search(("new",)), 9)[0].seq, 26)

    def test_the_second_time_it_is_only_opened(self) -> None:
        self.opens().close()
        before = self.asks("SELECT sql FROM sqlite_master") + self.asks("PRAGMA data_version")
        self.patch(command, "upgrade", None)
        self.opens()
        after = self.asks("SELECT sql FROM sqlite_master") + self.asks("PRAGMA data_version")
        self.assertEqual(after, before)

    def test_an_old_database_and_a_new_one_have_the_same_tables(self) -> None:
        self.opens().close()
        new = self.mktemp()
        SqlStore(Sqlite(new)).close()
        self.assertEqual(shape(self.path), shape(new))

    def test_the_last_migration_is_this_release(self) -> None:
        folder = str(files("chatnet.stores").joinpath("migrations"))
        self.assertEqual(ScriptDirectory(folder).get_current_head(), VERSION)

    def test_a_migration_that_breaks_off_has_not_happened(self) -> None:
        def breaks(kept: Sequence[Entry]) -> Any:
            self.assertEqual(len(kept), sum(LOGS.values()))
            raise OSError("No space left on device")

        before = self.asks("SELECT * FROM entries")
        patch = self.patch(rows, "message_rows", breaks)
        with self.assertRaisesRegex(OSError, "No space left"):
            self.opens()
        self.assertEqual(self.asks("SELECT * FROM entries"), before)
        self.assertEqual(self.asks("PRAGMA user_version"), [(1,)])
        patch.restore()
        self.test_every_entry_is_there_as_it_was_and_the_chain_holds()

    def test_release_0_1_sees_that_it_is_not_for_it(self) -> None:
        self.opens()
        self.assertEqual(self.asks("PRAGMA user_version"), [(2,)])


class StrangerTests(SynchronousTestCase):
    def refusal(self, *statements: str, new: bool = False) -> str:
        path = self.mktemp()
        if not new:
            SqlStore(Sqlite(path)).close()
        with closing(sqlite3.connect(path)) as db, db:
            for statement in statements:
                db.execute(statement)
        with self.assertRaises(ValueError) as caught:
            SqlStore(Sqlite(path))
        return str(caught.exception)

    def test_a_database_of_a_later_release_is_left_alone(self) -> None:
        refusal = self.refusal("UPDATE chatnet_version SET version_num = '0099'")
        self.assertIn("another release of chatnet (its schema is version 0099", refusal)
        self.assertIn("version 0099", self.refusal("PRAGMA user_version = 99", new=True))

    def test_a_database_of_something_else_is_left_alone(self) -> None:
        refusal = self.refusal("CREATE TABLE entries (id INTEGER)", new=True)
        self.assertEqual(refusal, "there is a table entries that chatnet did not make")

    def test_what_was_begun_is_made_anew(self) -> None:
        path = self.mktemp()
        with closing(sqlite3.connect(path)) as db, db:
            db.execute("CREATE TABLE chatnet_version (version_num VARCHAR(32) PRIMARY KEY)")
            db.execute("CREATE TABLE entries (room TEXT)")
        store = SqlStore(Sqlite(path))
        self.addCleanup(store.close)
        self.assertEqual((store.logs(), store.anchor("tea")), ([], Anchor()))
        self.assertEqual(store._db.ask(text("SELECT * FROM chatnet_version")), [(VERSION,)])


def entry(seq: int) -> Entry:
    return Entry("tea", seq, 2e9, RetentionSet("Ann", 60.0))


def shape(path: str) -> dict[str, Any]:
    """Return the columns, keys and indexes of each table, however they were written."""
    with closing(sqlite3.connect(path)) as db:
        names = [
            name for (name,) in db.execute("SELECT name FROM sqlite_master WHERE type='table'")
        ]
        return {
            str(name): (
                [(c[1], bool(c[5])) for c in db.execute(f"PRAGMA table_info({name})")],
                sorted(index[2:4] for index in db.execute(f"PRAGMA index_list({name})")),
            )
            for name in names
        }
