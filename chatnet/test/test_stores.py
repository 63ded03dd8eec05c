"""What every store promises, and what only files can show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import text
from twisted.trial.unittest import SynchronousTestCase
from zope.interface.verify import verifyObject

from chatnet.core.chain import START, Anchor, bind, faults
from chatnet.core.events import (
    Acted,
    Deleted,
    Encrypted,
    Entry,
    Erased,
    Event,
    Joined,
    Kicked,
    Left,
    Opened,
    Rekeyed,
    Renamed,
    Rolled,
    Said,
    Whispered,
)
from chatnet.core.names import STAFF, person_name
from chatnet.core.office import Office
from chatnet.core.replies import Done
from chatnet.core.room import Member, RoomState, Sanction
from chatnet.core.search import ENOUGH, Search, words_of
from chatnet.core.series import in_series
from chatnet.interfaces import Account, Batch, IAccountStore, IStore
from chatnet.stores.databases import Sqlite
from chatnet.stores.files import FilesStore
from chatnet.stores.memory import MemoryStore
from chatnet.stores.sql import SqlStore
from chatnet.test.test_rooms import carry_through

EVENTS: list[Event] = [Joined("ann"), Said("ann", "hi ü ☕"), Kicked("bob", "ann", ""), Left("ann")]


def entries(room: str, first: int, count: int) -> list[Entry]:
    return [Entry(room, first + i, 1.5, EVENTS[i % 4]) for i in range(count)]


if TYPE_CHECKING:
    Contract = SynchronousTestCase
else:
    Contract = object  # its tests run in the subclasses only


class StoreContract(Contract):
    """What every store promises."""

    store: MemoryStore | SqlStore | FilesStore

    def setUp(self) -> None:
        self.store = self.make()

    def make(self) -> MemoryStore | SqlStore | FilesStore:
        raise NotImplementedError

    def test_it_keeps_its_interfaces(self) -> None:
        verifyObject(IStore, self.store)
        verifyObject(IAccountStore, self.store)

    def test_a_log_of_which_nothing_is_left_goes_on_behind_its_end(self) -> None:
        self.store.write(Batch.of(entries("tea", 1, 5), states={"tea": (5, RoomState("tea"))}))
        self.assertEqual(self.store.forget("tea", 5, 99), 5)
        self.store.write(Batch.of(entries("tea", 6, 2), states={"tea": (6, RoomState())}))
        self.assertEqual(self.store.read("tea", 0, 99, 99), entries("tea", 6, 2))
        self.assertEqual((self.store.floor("tea"), self.store.load("tea")), (5, (6, RoomState())))
        anchor, records = self.store.anchor("tea"), self.store.records("tea", 5, 99)
        self.assertEqual((anchor.seq, list(faults("tea", anchor, records))), (5, []))

    def test_rooms_are_renamed_deleted_restored_and_discarded(self) -> None:
        carry_through(self, self.store)

    def test_it_reads_what_was_written(self) -> None:
        written = entries("tea", 1, 1300)
        self.store.write(Batch.of([*written, *entries("milk", 1, 3)]))
        self.assertEqual(self.store.read("tea", 0, 2000, 2000), written)
        self.assertEqual(self.store.read("tea", 10, 20, 99), written[10:20])
        self.assertEqual(self.store.read("tea", 10, 2000, 5), written[10:15])
        self.assertEqual(self.store.read("water", 0, 9, 9), [])

    def test_a_taken_place_is_an_error_and_changes_nothing(self) -> None:
        self.store.write(Batch.of(entries("tea", 1, 2)))
        with self.assertRaises(ValueError):
            self.store.write(Batch.of(entries("tea", 2, 1), [("ann", Done("1", "tea", 2))]))
        self.assertEqual(len(self.store.read("tea", 0, 9, 9)), 2)
        self.assertEqual(self.store.recall("ann", 9), [])

    def test_a_place_that_is_not_the_next_in_its_batch_is_an_error_as_well(self) -> None:
        tea, milk = entries("tea", 1, 8), entries("milk", 1, 8)
        for wrong in (
            [*tea[:2], *tea[3:5]], [*tea[:2], milk[0], *tea[1:3]], [*tea[:2], milk[0], *tea[3:]],
            tea[1:3], [*milk[:2], tea[1]],
        ):  # fmt: skip
            with self.assertRaises(ValueError):
                self.store.write(Batch.of(wrong))
            self.assertEqual(
                [*self.store.read("tea", 0, 9, 9), *self.store.read("milk", 0, 9, 9)], []
            )
        self.store.write(Batch.of([*tea[:2], milk[0], tea[2], milk[1], tea[3]]))
        self.assertEqual(self.store.read("tea", 0, 9, 9), tea[:4])
        self.assertEqual(self.store.read("milk", 0, 9, 9), milk[:2])

    def test_what_is_deleted_is_found_wherever_it_stands(self) -> None:
        said = Said("ann", "x")
        for room in ("tea", "oil"):
            self.store.write(Batch.of([Entry(room, n, 1.5, said) for n in (1, 2, 3)]))
        events: list[tuple[str, int, Event]] = [
            ("tea", 4, said), ("oil", 4, Deleted("ann", 1)), ("tea", 5, said), ("oil", 5, said),
            ("tea", 6, Deleted("ann", 4)), ("tea", 7, Deleted("ann", 2)),
            ("tea", 8, Deleted("ann", 9)), ("tea", 9, said), ("tea", 10, Deleted("ann", 0)),
        ]  # fmt: skip
        self.store.write(Batch.of([Entry(room, seq, 2.5, event) for room, seq, event in events]))
        for room, gone in (("tea", [2, 4]), ("oil", [1])):
            log = self.store.read(room, 0, 99, 99)
            places = [one.seq for one in log if isinstance(one.event, Erased) and one.seq != 9]
            self.assertEqual(places, gone)

    def test_it_finds_where_the_last_messages_begin(self) -> None:
        log: list[Event] = [Opened("tea", "ann"), Joined("ann"), Said("ann", "1"), Left("bob")]
        log += [Rolled("ann", "d6", (3,)), Joined("bob"), Said("ann", "2"), Left("bob")]
        self.store.write(Batch.of([Entry("tea", n, 1.5, event) for n, event in enumerate(log, 1)]))
        self.assertEqual([self.store.back("tea", 8, n) for n in (1, 2, 3, 9)], [6, 4, 2, 2])
        self.assertEqual(self.store.back("tea", 6, 1), 4)
        self.assertEqual(self.store.back("tea", 2, 5), 2)
        self.assertEqual(self.store.back("milk", 0, 5), 0)

    def test_what_it_puts_off_makes_no_difference(self) -> None:
        tea: list[Event] = [
            Said("ann", "one leaf"),
            Joined("bob"),
            Said("bob", "two leaves"),
            Deleted("ann", 1),
        ]
        tea += [Rolled("ann", "d6", (3,)), Said("ann", "a leaf"), Left("bob"), Said("ann", "cup")]
        rooms: dict[str, list[Event]] = {
            "tea": tea,
            "milk": [Said("ann", "leaf")],
            "water": [Joined("ann")],
        }
        self.store.write(Batch.of([e for room in rooms for e in self.numbered(room, rooms[room])]))

        def looks() -> list[object]:
            backs = [self.store.back("tea", upto, n) for upto in range(9) for n in (1, 2, 9)]
            searches = [Search(("leaf",)), Search((), "bob"), Search(("leaf", "a")), Search(())]
            return backs + [
                self.store.search(["tea", "milk"], s, n) for s in searches for n in (1, 9)
            ]

        before, portions = looks(), 0
        while self.store.index(2):
            portions += 1
            self.assertEqual(looks(), before)
        if isinstance(self.store, SqlStore):
            self.assertGreaterEqual(portions, 4)
        self.assertEqual(self.store.back("tea", 8, 1), 7)
        self.store.write(
            Batch.of([Entry("tea", 9, 2.5, Deleted("ann", 6)), *self.numbered("oil", tea)])
        )
        after = looks()
        self.assertNotEqual(after, before)
        self.store.forget("tea", 3, 9)
        self.store.write(Batch([], discards=["oil"]))
        while self.store.index(99):
            pass
        self.assertEqual(self.store.search(["tea"], Search(("leaf",)), 9), [])
        self.assertEqual(self.store.back("tea", 9, 2), 5)

    def numbered(self, room: str, events: Sequence[Event]) -> list[Entry]:
        return [Entry(room, n, 1.5, event) for n, event in enumerate(events, 1)]

    def test_it_recalls_the_latest_answers_oldest_first(self) -> None:
        answers = [Done(str(i), "tea", i) for i in range(5)]
        self.store.write(Batch([], [("ann", done) for done in answers]))
        self.store.write(Batch([], [("bob", Done("1", "tea", 9))]))
        self.assertEqual(self.store.recall("ann", 3), answers[2:])

    def test_it_remembers_a_thousand_answers_or_more_but_not_all(self) -> None:
        for start in range(0, 5000, 500):
            answers = [("ann", Done(str(i), "tea", i)) for i in range(start, start + 500)]
            self.store.write(Batch([], answers))
        kept = self.store.recall("ann", 5000)
        self.assertGreaterEqual(len(kept), 1000)
        self.assertLess(len(kept), 2100)
        self.assertEqual(kept[-1].cid, "4999")

    def test_the_staff_s_log_is_one_like_others_and_no_room(self) -> None:
        entry = Entry(STAFF, 1, 1.5, Acted("operator", "ban", "address 192.0.2.0/24", until=9.5))
        self.store.write(Batch.of([entry], states={STAFF: (1, RoomState())}))
        self.assertEqual(self.store.read(STAFF, 0, 9, 9), [entry])
        self.assertEqual(list(self.store.logs()), [STAFF])
        self.assertEqual(self.store.rooms(9), {})
        self.assertEqual(list(self.store.strays()), [])

    def test_it_keeps_the_latest_state(self) -> None:
        self.assertEqual(self.store.load("tea"), (0, RoomState()))
        state = RoomState(
            "Tea",
            "green",
            "$argon2id$",
            7,
            {"ann": Member("Ann", True), "bob": Member("bob")},
            {"ann": "Ann"},
            {"~192.0.2.1": Sanction("eve", "Ann", 1e9, "spam")},
            {"tom": Sanction("tom", "Ann", 0, "")},
            60.0,
            "ann",
            {"bob": "bob"},
            Office(),
            {"eve": "Eve"},
            {"slow": 10.0},
            encrypted=True,
            epoch=4,
            readers={"ann": "Ann", "tom": "Tom"},
            told={"ann": 2},
        )
        assert state.office is not None
        state.office.evolve(Acted("operator", "rank", "Ann", to="admin"))
        state.office.evolve(Acted("Ann", "ban", "address 192.0.2.0/24", until=9.5, reason="spam"))
        state.office.evolve(Acted("Ann", "exempt", "address 192.0.2.7"))
        for seq in (7, 9):
            self.store.write(Batch([], states={"tea": (seq, state)}))
        self.assertEqual(self.store.load("tea"), (9, state))

    def test_it_keeps_what_a_room_knows_of_the_devices_of_its_readers(self) -> None:
        happened: list[Event] = [
            Joined("Ann", True),
            Encrypted("Ann", (2,)),
            Joined("tom", True, 1),
            Renamed("guest-1", "eve", True, 7),
            Rekeyed("Ann", "", False, 3),
            Left("tom"),
        ]
        state = RoomState()
        for seq, event in enumerate(happened, 1):
            state.evolve(event)
            self.store.write(
                Batch.of([Entry("tea", seq, 1.5, event)], states={"tea": (seq, state)})
            )
        self.assertEqual([one.event for one in self.store.read("tea", 0, 9, 9)], happened)
        self.assertEqual(self.store.load("tea")[1].told, {"ann": 3, "eve": 7})

    def test_it_lists_rooms_and_not_peoples_own_logs(self) -> None:
        for key in ("tea", "@ann", "*", "milk"):
            self.store.write(Batch([], states={key: (1, RoomState(key))}))
        self.assertEqual(list(self.store.rooms(9)), ["milk", "tea"])
        self.assertEqual(list(self.store.rooms(1)), ["milk"])

    def test_it_lists_logs_by_how_they_begin(self) -> None:
        for key in ("@=1", "@=2", "@", "@<", "@>", "tea", "\U0001f600", "9"):
            self.store.write(Batch.of(entries(key, 1, 3)))
        self.store.write(Batch([], states={"@=2": (3, RoomState())}))
        self.store.forget("@=2", 3, 9)
        self.assertEqual(list(self.store.logs("@=")), ["@=1", "@=2"])
        self.assertEqual(list(self.store.logs("te")), ["tea"])
        self.assertEqual(list(self.store.logs("x")), [])
        self.assertEqual(
            list(self.store.logs()), ["9", "@", "@<", "@=1", "@=2", "@>", "tea", "\U0001f600"]
        )

    def test_what_is_discarded_is_gone(self) -> None:
        self.store.write(Batch.of(entries("@~1", 1, 3), states={"@~1": (1, RoomState())}))
        self.store.write(Batch([], discards=["@~1"]))
        self.assertEqual(self.store.read("@~1", 0, 9, 9), [])
        self.assertEqual(self.store.load("@~1"), (0, RoomState()))
        self.assertEqual(self.store.logs(), [])
        self.store.write(Batch.of(entries("@~1", 1, 1)))  # as if it had never been there
        self.assertEqual(self.faults("@~1"), [])

    def test_a_deleted_message_loses_its_body_and_the_chain_holds(self) -> None:
        log: list[Event] = [Opened("Tea", "ann"), Said("ann", "a secret"), Said("ann", "tea")]
        self.write("tea", *log, Deleted("ann", 2), Deleted("ann", 1), Deleted("ann", 99))
        read = self.store.read("tea", 0, 9, 9)
        self.assertEqual([entry.event for entry in read[:3]], [log[0], Erased("ann"), log[2]])
        self.assertEqual(self.faults("tea"), [])
        self.assertNotIn("secret", "".join(r.text for r in self.store.records("tea", 0, 9)))
        self.assertEqual(self.found("secret"), [])
        self.assertEqual(self.store.back("tea", 3, 2), 1)
        self.write("tea", Said("ann", "more"), first=7)
        self.assertEqual(self.faults("tea"), [])

    def test_a_message_deleted_in_the_batch_that_brought_it_is_erased(self) -> None:
        self.write("tea", Said("ann", "a secret"), Deleted("ann", 1))
        self.assertEqual(self.store.read("tea", 0, 1, 1)[0].event, Erased("ann"))
        self.assertEqual((self.faults("tea"), self.found("secret")), ([], []))

    def test_what_is_old_is_let_go_and_the_chain_holds(self) -> None:
        self.store.write(Batch.of(entries("tea", 1, 20), states={"tea": (15, RoomState("Tea"))}))
        self.assertEqual(self.store.floor("tea"), 0)
        self.assertEqual(self.store.forget("tea", 10, 4), 4)
        self.assertEqual(self.store.forget("tea", 10, 99), 10)
        self.assertEqual(self.store.forget("tea", 3, 99), 10)
        self.assertEqual(self.store.forget("tea", 19, 99), 15)  # what no state covers stays
        self.assertEqual((self.store.floor("tea"), self.store.anchor("tea").seq), (15, 15))
        self.assertEqual(self.faults("tea"), [])
        self.assertEqual([e.seq for e in self.store.read("tea", 0, 99, 2)], [16, 17])
        self.assertEqual(self.store.back("tea", 20, 99), 17)  # 18 is a message
        self.store.write(Batch.of(entries("tea", 21, 1)))
        self.assertEqual(self.faults("tea"), [])
        self.assertEqual(self.store.forget("milk", 9, 9), 0)

    def test_a_log_that_was_let_go_whole_goes_on(self) -> None:
        self.store.write(Batch.of(entries("tea", 1, 4), states={"tea": (4, RoomState("Tea"))}))
        self.assertEqual(self.store.forget("tea", 4, 99), 4)
        self.assertEqual((self.store.read("tea", 0, 9, 9), self.store.logs()), ([], ["tea"]))
        self.assertEqual(self.store.seq_at("tea", 9e9), 4)
        self.store.write(Batch.of(entries("tea", 5, 1)))
        self.assertEqual(self.faults("tea"), [])

    def test_a_place_is_found_by_its_time(self) -> None:
        self.store.write(
            Batch.of([Entry("tea", n, n * 10.0, Said("ann", "")) for n in range(1, 6)])
        )
        places = [self.store.seq_at("tea", at) for at in (0, 10, 10.5, 30, 50, 99)]
        self.assertEqual(places, [0, 0, 1, 2, 4, 5])
        self.assertEqual(self.store.seq_at("milk", 5), 0)

    def test_it_finds_words(self) -> None:
        self.write("tea", Said("ann", "Green TEA, please"), Said("Bob", "tea?"), Joined("tea"))
        self.write("milk", Said("ann", "a café: 綠茶 a in tea"), Whispered("ann", "bob", "tea"))
        self.assertEqual(self.found("tea"), ["milk 1", "tea 2", "tea 1"])
        self.assertEqual(self.found("TEA green"), ["tea 1"])
        self.assertEqual(self.found("te"), [])
        self.assertEqual(self.found("Cafe"), ["milk 1"])
        self.assertEqual(self.found("茶"), ["milk 1"])
        self.assertEqual(self.found("a in"), ["milk 1"])  # short and frequent ones too
        self.assertEqual(self.found("tea", by="bob"), ["tea 2"])
        self.assertEqual(self.found("tea", since=2), ["milk 1", "tea 2"])
        self.assertEqual(self.found("tea", rooms=["tea"]), ["tea 2", "tea 1"])
        self.assertEqual(self.found("tea", limit=1), ["milk 1"])
        self.assertEqual(self.found("", by="ann"), ["milk 1", "tea 1"])
        self.assertEqual(self.found("' OR 1=1 -- \" * NEAR("), [])

    def test_of_large_messages_it_finds_enough(self) -> None:
        large = "x" * (ENOUGH // 2)
        self.write("tea", *[Said("ann", f"tea {large}")] * 4)
        self.assertIn(len(self.found("tea")), (2, 3, 4))

    def test_it_finds_what_has_the_words_and_nothing_else(self) -> None:
        bodies = [
            "the to and of I'm",
            "a.b_c-d e/f",
            "ZZTOP rr ss zx 0",
            "Straße STRASSE straße",
            "Ⅳ ① ½ x²",
            "\ufb01re \uff26\uff29\uff32\uff25 fire",
            "İstanbul ISTANBUL",
            "日本語を話す",
            "Ελλάς ελλασ",
            "नमस्ते สวัสดี",
            "👩‍👩‍👧 NEAR(a, b) NOT * ^ : \" ' % ; --",
            "x" * 64,
            "x" * 65,
            "\x00null\x00 tab\tbreak\n",
            "",
        ]
        self.write("tea", *[Said("ann", body) for body in bodies])
        words = {word for body in bodies for word in words_of(body)}
        for word in sorted(words | {"xx", "z", "nothing"}):
            expected = [n for n, body in enumerate(bodies, 1) if word in words_of(body)]
            found = self.store.search(["tea"], Search((word,)), 99)
            self.assertEqual([entry.seq for entry in found], expected[::-1], word)

    def test_what_is_let_go_is_not_found(self) -> None:
        self.write("tea", Said("ann", "green"), Said("ann", "green"))
        self.store.write(Batch([], states={"tea": (1, RoomState("Tea"))}))
        self.store.forget("tea", 1, 9)
        self.assertEqual(self.found("green"), ["tea 2"])
        self.store.write(Batch([], discards=["tea"]))
        self.assertEqual(self.found("green"), [])

    def test_all_of_it_can_be_put_into_another_store(self) -> None:
        state = RoomState("Tea", retention=5.0)
        self.store.write(
            Batch.of(entries("tea", 1, 9), [("ann", Done("1", "tea", 2))], {"tea": (5, state)})
        )
        self.write("tea", Deleted("ann", 6), Said("ann", "hello"), first=10)
        self.store.forget("tea", 3, 9)
        self.store.add(person_name("Tom"), "verifier", 1.5)
        other = self.make()
        for room in self.store.logs():
            records = self.store.records(room, 0, 99)
            other.adopt(room, self.store.anchor(room), records[:4])
            other.adopt(room, self.store.anchor(room), records[4:])
            self.assertEqual(other.records(room, 0, 99), records)
            self.assertEqual(other.records(room, 7, 2), records[4:6])
        for room, seq, kept in self.store.states():
            other.write(Batch([], states={room: (seq, kept)}))
        other.write(Batch([], list(self.store.answers())))
        for account, at in self.store.accounts():
            other.add(person_name(account.name), account.verifier, at)
        self.store = other
        self.assertEqual(self.faults("tea"), [])
        self.assertEqual(other.anchor("tea").seq, 3)
        self.assertEqual(other.load("tea"), (5, state))
        self.assertEqual(other.recall("ann", 9), [Done("1", "tea", 2)])
        self.assertEqual(list(other.accounts()), [(Account("Tom", "tom", "verifier"), 1.5)])
        self.assertEqual(self.found("hello"), ["tea 11"])
        other.write(Batch.of(entries("tea", 12, 1)))
        self.assertEqual(self.faults("tea"), [])

    def test_what_is_put_back_cannot_take_a_place_twice(self) -> None:
        self.store.write(Batch.of(entries("tea", 1, 2)))
        records = self.store.records("tea", 0, 9)
        with self.assertRaises(Exception):  # noqa: B017 -- whichever the store has for it
            self.store.adopt("tea", Anchor(), records)
        self.assertEqual(self.store.records("tea", 0, 9), records)

    def write(self, room: str, *events: Event, first: int = 1) -> None:
        log = [Entry(room, n, float(n), event) for n, event in enumerate(events, first)]
        later = 1.5 if room == "milk" else 0.0
        self.store.write(Batch.of([replace(entry, at=entry.at + later) for entry in log]))

    def faults(self, room: str) -> list[str]:
        records = self.store.records(room, 0, 999)
        return list(faults(room, self.store.anchor(room), records))

    def found(
        self,
        words: str,
        by: str = "",
        since: float = 0,
        rooms: Sequence[str] = ("tea", "milk", "water"),
        limit: int = 99,
    ) -> list[str]:
        search = Search(tuple(words_of(words)), by, since)
        return [f"{e.room} {e.seq}" for e in self.store.search(rooms, search, limit)]

    def test_an_account_is_found_by_its_name_and_by_what_looks_like_it(self) -> None:
        tom = person_name("Tom1")
        self.assertTrue(self.store.add(tom, "verifier", 1.5))
        for other in ("Tom1", "tom1", "toml"):
            (found,) = set(self.store.holders(person_name(other).claims).values())
            self.assertNotIn("verifier", repr(found))
            self.assertEqual((found.name, found.key, found.verifier), ("Tom1", "tom1", "verifier"))
            self.assertEqual(found.made, 1.5)
            self.assertFalse(self.store.add(person_name(other), "another", 1.5))
        self.assertEqual(self.store.holders(person_name("tommy").claims), {})

    def test_a_password_changes(self) -> None:
        self.store.add(person_name("tom"), "old", 1.5)
        self.store.change("tom", "new")
        found = self.store.holders(["tom"]).get("tom")
        assert found is not None
        self.assertEqual(found.verifier, "new")

    def test_an_account_is_removed_with_all_that_its_name_claims(self) -> None:
        for name in ("Tom1", "Ann"):
            self.store.add(person_name(name), "verifier", 1.5)
        self.store.remove("tom1")
        self.store.remove("nobody")
        self.assertEqual(self.store.holders(person_name("Tom1").claims), {})
        self.assertEqual([account.key for account, _ in self.store.accounts()], ["ann"])
        self.assertTrue(self.store.add(person_name("toml"), "another", 2.5))
        (found,) = set(self.store.holders(person_name("Tom1").claims).values())
        self.assertEqual((found.key, found.made), ("toml", 2.5))


class MemoryStoreTests(StoreContract, SynchronousTestCase):
    def make(self) -> MemoryStore:
        return MemoryStore()

    def test_what_was_erased_before_it_was_bound_keeps_its_digest(self) -> None:
        said = [Entry("tea", seq, 1.5, Said("ann", f"secret {seq}")) for seq in range(1, 7)]
        gone = [Entry("tea", 7 + n, 2.5, Deleted("ann", m)) for n, m in enumerate((2, 3, 2, 6))]
        self.store.write(Batch.of(said, states={"tea": (4, RoomState("tea"))}))
        self.store.write(Batch.of(gone[:1]))
        self.assertEqual(self.store.forget("tea", 2, 99), 2)
        for entry in gone[1:]:
            self.store.write(Batch.of([entry]))
        right = bind(in_series([*said, *gone]), {"tea": START})
        records = self.store.records("tea", 2, 99)
        for mine, its in zip(records, right[2:], strict=True):
            self.assertEqual((mine.seq, mine.digest, mine.link), (its.seq, its.digest, its.link))
        kept = [record.seq for record in records if "secret" in record.text]
        self.assertEqual((kept, self.faults("tea")), ([4, 5], []))


class SqliteStoreTests(StoreContract, SynchronousTestCase):
    store: SqlStore

    def make(self) -> SqlStore:
        self.path = self.mktemp()
        store = SqlStore(Sqlite(self.path))
        self.addCleanup(store.close)
        return store

    def test_another_connection_reads_it(self) -> None:
        self.store.write(Batch.of(entries("tea", 1, 2)))
        other = SqlStore(Sqlite(self.path))
        self.addCleanup(other.close)
        self.assertEqual(len(other.read("tea", 0, 9, 9)), 2)

    def test_its_files_are_for_their_owner_alone(self) -> None:
        self.store.write(Batch.of(entries("tea", 1, 2)))
        for path in Path(self.path).parent.glob(Path(self.path).name + "*"):
            self.assertEqual(path.stat().st_mode & 0o777, 0o600, path)

    def test_it_is_durable_when_it_says_so(self) -> None:
        modes = [
            self.store._db.ask(text(f"PRAGMA {name}"))[0][0]
            for name in ("journal_mode", "synchronous", "secure_delete")
        ]
        self.assertEqual(modes, ["wal", 2, 1])  # 2: FULL

    def test_nothing_is_left_in_its_file_of_what_was_deleted(self) -> None:
        said = [Said("ann", f"a secret-{n} {'x' * 9000 * n}") for n in range(4)]
        self.write("tea", *said)
        self.write("tea", Deleted("ann", 1), Deleted("ann", 2), first=5)
        self.store.write(Batch([], states={"tea": (4, RoomState("Tea"))}))
        self.store.forget("tea", 4, 99)
        self.store.close()  # which puts the log that is written ahead into the file
        self.assertEqual(Path(self.path).read_bytes().count(b"a secret-"), 0)

    def test_a_page_of_large_entries_is_small(self) -> None:
        large = [Entry("tea", n, 1.5, Said("ann", "x" * 400_000)) for n in range(1, 11)]
        self.store.write(Batch.of(large))
        self.assertEqual(len(self.store.read("tea", 0, 10, 256)), 3)


class FilesStoreTests(StoreContract, SynchronousTestCase):
    def make(self) -> FilesStore:
        store = FilesStore(self.mktemp())
        self.addCleanup(store.close)
        return store
