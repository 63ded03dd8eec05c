"""Backups: what comes back, what is found, and what is refused."""

from __future__ import annotations

import gzip
import io
import os
import signal
import sys
import zlib
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from twisted.internet.task import Clock
from twisted.trial.unittest import SynchronousTestCase

from chatnet.admin import keeping
from chatnet.admin.backup import Backup
from chatnet.admin.files import made, opened
from chatnet.admin.heads import read_heads, write_heads
from chatnet.admin.options import parse
from chatnet.admin.restore import _SAID, Restore, refuse_if_used
from chatnet.admin.survey import Heads, Survey
from chatnet.admin.telling import Progress, Unable
from chatnet.admin.unpacking import Reader
from chatnet.admin.verify import verify_file, verify_store
from chatnet.core.chain import Record
from chatnet.core.codec import encode_event
from chatnet.core.events import LOST, WRITTEN, Deleted, Entry, Erased, Event, Joined, Opened, Said
from chatnet.core.names import person_name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.interfaces import Batch
from chatnet.opening import files_of
from chatnet.options import Options as ServerOptions
from chatnet.stores.memory import MemoryStore
from chatnet.test.properties import given, settings, st

AT = 1_795_286_000.25


def progress() -> Progress:
    return Progress(lambda _: None, lambda: 0.0, "seen")


class Talk:
    """Writes to a store, as a server does."""

    def __init__(self, store: MemoryStore) -> None:
        self.store = store
        self.heads: dict[str, int] = {}
        self.states: dict[str, RoomState] = {}

    def happens(self, room: str, *events: Event, cid: str = "") -> int:
        """Let ``events`` happen in ``room``; return the last one's seq."""
        seq = self.heads.get(room, 0)
        entries = [Entry(room, n, AT + n / 3, event) for n, event in enumerate(events, seq + 1)]
        state = self.states.setdefault(room, RoomState())
        for event in events:
            state.evolve(event)
        self.heads[room] = head = entries[-1].seq
        states = {} if seq else {room: (head, state.copy())}
        answers = [("ann", Done(cid, room, head))] if cid else []
        self.store.write(Batch.of(entries, answers, states))
        return head

    def settles(self, room: str) -> None:
        """Keep the state of ``room``."""
        state = (self.heads[room], self.states[room].copy())
        self.store.write(Batch([], states={room: state}))


def talk() -> Talk:
    """Return a small network's past: entries let go, a deleted message, answers, accounts."""
    store = MemoryStore()
    told = Talk(store)
    for name in ("Ann", "Bob"):
        assert store.add(person_name(name), f"$argon2id${name}", AT)
    told.happens("tea", Opened("Tea", "Ann"), Joined("Ann", True))
    for n in range(1, 8):
        told.happens("tea", Said("Ann", f"{n} ü ☕"), cid=f"c{n}")
    told.happens("tea", Deleted("Ann", 7))
    told.happens("milk", Opened("milk", "Bob"), Said("Bob", "moo"), Said("Bob", "x" * 3_000_000))
    told.happens("@ann", Joined("Ann"))
    told.settles("tea")
    store.forget("tea", 4, 99)
    told.happens("tea", Said("Ann", "the last"), cid="c8")
    return told


def kept(store: MemoryStore) -> dict[str, Any]:
    """Return all that ``store`` keeps."""
    return {
        "logs": {
            room: (store.anchor(room), list(MemoryStore.records(store, room, 0, 10**9)))
            for room in store.logs()
        },
        "states": list(store.states()),
        "answers": list(store.answers()),
        "accounts": list(store.accounts()),
    }


def backed_up(store: MemoryStore, faults: list[str] | None = None) -> bytes:
    out = io.BytesIO()
    found: list[str] = []
    Backup(store, store, Survey(found.append), progress()).write(out, AT)
    assert faults is not None or not found, found
    if faults is not None:
        faults += found
    return out.getvalue()


def verified(data: bytes, heads: Heads | None = None) -> list[str]:
    """Return the faults of a backup."""
    found: list[str] = []
    survey = Survey(found.append, heads)
    verify_file(Reader(io.BytesIO(data), survey.fault), survey, progress())
    return found


def looked_at(store: MemoryStore, heads: Heads | None = None) -> list[str]:
    """Return the faults of a store."""
    found: list[str] = []
    verify_store(store, store, Survey(found.append, heads), progress())
    return found


def restored(data: bytes, faulty: bool = False) -> MemoryStore:
    store = MemoryStore()
    survey = Survey(lambda _: None)
    findings = verify_file(Reader(io.BytesIO(data), survey.fault), survey, progress())
    assert bool(survey.faults) is faulty
    Restore(store, store, findings, progress()).write(Reader(io.BytesIO(data), survey.fault))
    return store


class Watched(MemoryStore):
    """A store in which something happens the moment before the records of a room are read."""

    def __init__(self) -> None:
        super().__init__()
        self.meanwhile: dict[tuple[str, int], Any] = {}  # by room and how much was read of it

    def records(self, room: str, after: int, limit: int) -> Sequence[Record]:
        self.meanwhile.pop((room, after), lambda: None)()
        return super().records(room, after, min(limit, 4))


class RoundTripTests(SynchronousTestCase):
    def test_all_comes_back_as_it_was(self) -> None:
        store = talk().store
        data = backed_up(store)
        self.assertEqual(verified(data), [])
        again = restored(data)
        self.assertEqual(kept(again), kept(store))
        self.assertEqual(looked_at(again), [])
        self.assertEqual(again.anchor("tea").seq, 4)
        self.assertEqual(again.records("tea", 6, 1)[0].entry.event, Erased("Ann"))

    def test_nothing_comes_back_of_nothing(self) -> None:
        data = backed_up(MemoryStore())
        self.assertEqual(verified(data), [])
        self.assertEqual(kept(restored(data)), kept(MemoryStore()))

    def test_a_log_of_which_all_was_let_go_is_remembered(self) -> None:
        told = talk()
        told.settles("tea")
        told.store.forget("tea", 99, 99)
        data = backed_up(told.store)
        self.assertEqual(verified(data), [])
        self.assertEqual(restored(data).anchor("tea"), told.store.anchor("tea"))

    def test_what_was_whispered_to_guests_is_left_out(self) -> None:
        told = talk()
        told.happens("@~7", Joined("guest"), cid="w")
        again = restored(backed_up(told.store))
        self.assertNotIn("@~7", again.logs())
        self.assertIn(("ann", Done("w", "@~7", 1)), list(again.answers()))
        self.assertEqual(looked_at(again), [])

    @settings(deadline=None, derandomize=True, max_examples=60)
    @given(st.data())
    def test_whatever_happened_comes_back(self, data: st.DataObject) -> None:
        told = Talk(MemoryStore())
        bodies = st.text(st.characters(exclude_categories=["Cs"]), max_size=9)
        for _ in range(data.draw(st.integers(0, 25))):
            room = data.draw(st.sampled_from(["tea", "milk", "*", "@ann"]))
            head = told.heads.get(room, 0)
            match data.draw(st.sampled_from(["say", "say", "delete", "settle", "forget"])):
                case "say":
                    cid = data.draw(st.sampled_from(["", "a", "b", f"{room}{head}"]))
                    told.happens(room, Said("ann", data.draw(bodies)), cid=cid)
                case "delete" if head:
                    told.happens(room, Deleted("ann", data.draw(st.integers(1, head))))
                case "settle" if head:
                    told.settles(room)
                case "forget":
                    told.store.forget(room, data.draw(st.integers(0, 9)), 99)
        written = backed_up(told.store)
        self.assertEqual(verified(written), [])
        self.assertEqual(kept(restored(written)), kept(told.store))


class FaultTests(SynchronousTestCase):
    def setUp(self) -> None:
        told = talk()
        told.store.write(Batch([], discards=["milk"]))  # 3 MB are too many to change one by one
        self.store = told.store
        self.data = backed_up(self.store)

    def test_a_cut_file_is_noticed_wherever_it_was_cut(self) -> None:
        first = self.data.index(b"\n") + 1
        for end in range(first, len(self.data), 7):
            self.assertIn("its end is missing", verified(self.data[:end])[-1])
        for end in (0, 1, first - 1):
            with self.assertRaisesRegex(Unable, "no backup of chatnet"):
                verified(self.data[:end])

    def test_a_lost_line_is_noticed_whichever_it_is(self) -> None:
        lines = self.data.splitlines(keepends=True)
        for number in range(1, len(lines)):
            self.assertNotEqual(
                verified(b"".join(lines[:number] + lines[number + 1 :])), [], number
            )

    def test_every_changed_byte_is_noticed(self) -> None:
        told = Talk(MemoryStore())
        told.store.add(person_name("Ann"), "$argon2id$", AT)
        told.happens("tea", Opened("Tea", "Ann"), Said("Ann", "ü"), cid="c")
        data = backed_up(told.store)
        for place in range(len(data)):
            changed = bytearray(data)
            changed[place] ^= 1
            try:
                self.assertNotEqual(verified(bytes(changed)), [], place)
            except Unable:
                self.assertLessEqual(place, data.index(b"\n"))

    def test_a_change_is_named(self) -> None:
        for old, new, sentences in (
            ("3 ü", "9 ü", ["Tea (tea): entry 5 was changed",
                "the log of Tea (tea), lines 12 to 20,"]),
            ("$argon2id$Bob", "$argon2id$Eve", ["the part with accounts, lines"]),
            ('"c3","tea",5', '"c3","tea",6', ["the part with answers, lines"]),
            ('"c8","tea",11', '"c8","tea",12', [
                "the part with answers, lines",
            ]),
            ('"answers":8', '"answers":9', ["it should hold 8 entries in 2 logs, 2 accounts, 9"]),
            ('"version":"', '"version":"9', ["its SHA-256 is not what its last line says"]),
            ('{"section":"accounts"}', '{"section":"counts"}', ["line", "begins no part"]),
            ("[5,", "{5,", ["line 13 cannot be read", "Tea (tea): entry 5 is lost"]),
        ):  # fmt: skip
            self.assertEqual(self.data.decode().count(old), 1, old)
            found = "\n".join(verified(self.data.decode().replace(old, new).encode()))
            for sentence in sentences:
                self.assertIn(sentence, found)

    def test_parts_in_another_order_are_noticed(self) -> None:
        lines = self.data.splitlines(keepends=True)
        starts = [n for n, line in enumerate(lines) if line.startswith(b'{"section":"log"')]
        one, two = starts[:2]
        end = starts[2] if len(starts) > 2 else len(lines)
        ends = next(n for n in range(two, end) if lines[n].startswith(b'{"end"')) + 1
        moved = lines[:one] + lines[two:ends] + lines[one:two] + lines[ends:]
        self.assertIn("the order of its parts was changed", verified(b"".join(moved))[0])

    def test_something_behind_the_end_is_noticed(self) -> None:
        self.assertEqual(verified(self.data + b"[]\n"), ["something stands behind its end"])

    def test_a_backup_of_another_release_is_not_read(self) -> None:
        with self.assertRaisesRegex(Unable, r"another release of chatnet \(its format is 2\)"):
            verified(self.data.replace(b'"format":1', b'"format":2'))

    def test_a_store_that_lost_its_tail_is_found_by_what_points_at_it(self) -> None:
        told = talk()
        told.settles("tea")
        log = told.store._logs["tea"]
        del log.records[-2:], log.events[-2:], log.times[-2:]
        lost = [
            "Tea (tea): its state is that of entry 11, and the log ends at 9",
            "Tea (tea): entry 7 was emptied, and nobody deleted it",
            "Tea (tea): c8 of ann was answered by entry 11, and the log ends at 9",
        ]
        self.assertEqual(sorted(looked_at(told.store)), sorted(lost))

    def test_a_backup_of_it_holds_nothing_that_points_behind_the_end(self) -> None:
        told = talk()
        told.settles("tea")
        log = told.store._logs["tea"]
        del log.records[-1:], log.events[-1:], log.times[-1:]
        faults: list[str] = []
        data = backed_up(told.store, faults)
        self.assertEqual(
            faults,
            [
                "tea: c8 of ann was answered by entry 11, and the log ends at 10: it is left out",
                "Tea (tea): its state is that of entry 11, and the log ends at 10: it is taken for"
                " the state there",
            ],
        )
        self.assertEqual(verified(data), [])
        again = restored(data)
        self.assertEqual(again.load("tea"), (10, told.states["tea"]))
        self.assertEqual([done.cid for done in again.recall("ann", 99)][-1], "c7")

    def test_a_backup_tells_what_is_wrong_with_the_store_and_has_it_as_well(self) -> None:
        told = talk()
        records = told.store._logs["tea"].records
        records[0] = replace(records[0], text=encode_event(Said("Ann", "never said")))
        faults: list[str] = []
        data = backed_up(told.store, faults)
        self.assertEqual(faults, ["Tea (tea): entry 5 was changed"])
        self.assertEqual(verified(data), faults)

    def test_what_can_be_read_of_a_faulty_one_can_be_restored(self) -> None:
        never = self.data.replace("3 ü".encode(), "9 ü".encode())
        again = restored(never, faulty=True)
        self.assertEqual(looked_at(again), ["Tea (tea): entry 5 was changed"])
        self.assertEqual(list(again.accounts()), list(self.store.accounts()))
        lines = self.data.splitlines(keepends=True)
        last = next(n for n, line in enumerate(lines) if line.startswith(b"[11,"))
        again = restored(b"".join(lines[:last]), faulty=True)
        self.assertEqual(looked_at(again), [])
        self.assertEqual([done.cid for done in again.recall("ann", 99)][-1], "c7")
        again = restored(b"".join([*lines[: last - 3], b"[]\n", *lines[last - 1 :]]), faulty=True)
        self.assertEqual(
            looked_at(again), ["Tea (tea): entry 10 does not follow the one before it"]
        )
        self.assertEqual([entry.event for entry in again.read("tea", 7, 9, 9)], [LOST, LOST])
        unreadable = self.data.replace(b'[\\"said\\",\\"Ann\\",\\"4', b'[\\"sad\\",\\"Ann\\",\\"4')
        again = restored(unreadable, faulty=True)
        self.assertEqual(looked_at(again), ["Tea (tea): entry 6 was changed"])

    def test_what_a_store_itself_says_of_its_damage_is_told(self) -> None:
        class Scratched(MemoryStore):
            def damage(self, room: str) -> Sequence[str]:
                return ["a hole in its second file"] if room == "tea" else []

        store = Scratched()
        Talk(store).happens("tea", Said("Ann", "hi"))
        self.assertEqual(looked_at(store), ["tea: a hole in its second file"])

    def test_of_many_faults_in_a_log_the_first_are_named_and_all_are_counted(self) -> None:
        told = talk()
        told.happens("tea", *[Said("Ann", str(n)) for n in range(300)])
        log = told.store._logs["tea"]
        log.records[:] = [replace(record, text="[") for record in log.records]
        found: list[str] = []
        survey = Survey(found.append)
        verify_store(told.store, told.store, survey, progress())
        self.assertEqual((len(found), found[-1]), (101, "Tea (tea): and so on, 207 more"))
        self.assertEqual(survey.faults, 307)


class HeadsTests(SynchronousTestCase):
    def heads(self, store: MemoryStore) -> Heads:
        survey = Survey(self.fail)
        verify_store(store, store, survey, progress())
        path = self.mktemp()
        Path(path).write_text(write_heads(survey.heads))
        return read_heads(path)

    def test_they_are_the_same_in_the_store_and_in_its_backup(self) -> None:
        told = talk()
        heads = self.heads(told.store)
        self.assertEqual({room: head.seq for room, head in heads.items()}, told.heads)
        told.happens("tea", Said("Ann", "later"))
        told.happens("new", Said("Ann", "later"))
        self.assertEqual(looked_at(told.store, heads), [])
        self.assertEqual(verified(backed_up(told.store), heads), [])

    def test_a_lost_tail_and_a_past_made_anew_are_found_by_them(self) -> None:
        heads = self.heads(talk().store)
        other = talk()
        other.store.write(Batch([], discards=["milk", "@ann"]))
        log = other.store._logs["tea"]
        del log.records[-1:], log.events[-1:], log.times[-1:]
        other.store._answers.clear()
        anew = Talk(other.store)
        anew.happens(
            "milk", Opened("milk", "Bob"), Said("Bob", "baa"), Said("Bob", ""), Said("", "")
        )
        self.assertEqual(
            sorted(looked_at(other.store, heads)),
            [
                "@ann: it ended at entry 1, and is not there",
                "Tea (tea): it ended at entry 11, and now at 10",
                "milk: all up to entry 3, or some of it, is not what it was",
            ],
        )

    def test_what_was_let_go_cannot_be_compared_and_that_is_said(self) -> None:
        told = talk()
        heads = self.heads(told.store)
        told.happens("tea", Said("Ann", "later"))
        told.settles("tea")
        told.store.forget("tea", 11, 99)
        self.assertEqual(looked_at(told.store, heads), [])
        told.store.forget("tea", 12, 99)
        found: list[str] = []
        survey = Survey(found.append, heads)
        verify_store(told.store, told.store, survey, progress())
        self.assertEqual((len(found), survey.faults), (1, 0))
        self.assertIn("entry 11, to compare with, was let go", found[0])

    def test_another_file_is_refused(self) -> None:
        path = self.mktemp()
        Path(path).write_text("hello\n")
        with self.assertRaisesRegex(Unable, "is not what --heads prints"):
            read_heads(path)


class MeanwhileTests(SynchronousTestCase):
    """The server goes on while a backup is made, or a store looked at."""

    def setUp(self) -> None:
        self.store = Watched()
        self.told = Talk(self.store)
        self.told.happens("tea", Opened("Tea", "Ann"), *[Said("Ann", str(n)) for n in range(2, 21)])
        self.told.happens("milk", Said("Ann", "moo"), cid="m")

    def test_what_is_said_meanwhile_is_there_with_its_answer_or_not_at_all(self) -> None:
        def more() -> None:
            self.told.happens("tea", Said("Ann", "more"), cid="t")
            self.told.happens("milk", Said("Ann", "late"), cid="l")
            self.told.happens("new", Said("Ann", "new"), cid="n")
            self.told.settles("milk")

        for room in ("tea", "milk"):
            for after in (0, 1, 8, 20):
                self.setUp()
                self.store.meanwhile[room, after] = more
                data = backed_up(self.store)
                self.assertEqual(verified(data), [])
                again = restored(data)
                self.assertEqual(looked_at(again), [])
                heads = {name: len(again.records(name, 0, 99)) for name in again.logs()}
                there = {"m": True, "t": heads["tea"] > 20, "l": heads["milk"] > 1}
                there["n"] = "new" in heads
                self.assertEqual(
                    sorted(done.cid for done in again.recall("ann", 99)),
                    sorted(cid for cid, whether in there.items() if whether),
                )

    def test_many_answers_that_come_meanwhile_do_not_push_the_older_ones_out(self) -> None:
        def more() -> None:
            for n in range(1500):
                self.told.happens("milk", Said("Ann", "x"), cid=str(n))

        self.store.meanwhile["tea", 4] = more
        self.store.states = lambda: iter([("milk", 1, RoomState()), ("tea", 1, RoomState())])  # type: ignore[method-assign]
        again = restored(backed_up(self.store))
        self.assertEqual(again.records("milk", 1, 9), [])
        self.assertEqual([done.cid for done in again.recall("ann", 99)], ["m"])

    def test_what_is_let_go_meanwhile_is_no_fault(self) -> None:
        for after in (0, 4, 12, 20):
            for upto in (2, 10, 20):
                for look in (looked_at, lambda store: verified(backed_up(store))):
                    self.setUp()
                    self.told.settles("tea")
                    self.store.meanwhile["tea", after] = lambda n=upto: self.store.forget(
                        "tea", n, 99
                    )
                    self.assertEqual(look(self.store), [])

    def test_a_log_that_is_let_go_faster_than_it_can_be_read_is_given_up(self) -> None:
        anchors = iter(range(10**6))
        anchor = self.store.anchor("tea")
        self.store.anchor = lambda room: replace(anchor, seq=next(anchors))  # type: ignore[method-assign]
        with self.assertRaisesRegex(Unable, "faster than they can be read"):
            looked_at(self.store)

    def test_a_log_that_was_begun_again_is_read_once(self) -> None:
        self.told.settles("tea")
        self.store.meanwhile["tea", 8] = lambda: self.store.forget("tea", 15, 99)
        data = backed_up(self.store)
        self.assertIn(b'"void":true', data)
        self.assertEqual(kept(restored(data)), kept(self.store))

    def test_a_message_deleted_meanwhile_is_no_fault_and_does_not_come_back(self) -> None:
        for after in (0, 4, 20):
            for message in (2, 6, 20):
                for look in (looked_at, lambda store: verified(backed_up(store))):
                    self.setUp()
                    self.store.meanwhile["tea", after] = lambda n=message: self.told.happens(
                        "tea", Deleted("Ann", n)
                    )
                    self.assertEqual(look(self.store), [])
                self.setUp()
                self.store.meanwhile["tea", after] = lambda n=message: self.told.happens(
                    "tea", Deleted("Ann", n)
                )
                again = restored(backed_up(self.store))
                if again.records("tea", 20, 1):
                    event = again.records("tea", message - 1, 1)[0].entry.event
                    self.assertEqual(event, Erased("Ann"))
                self.assertEqual(looked_at(again), [])

    def test_a_guests_log_that_is_gone_meanwhile_is_no_fault(self) -> None:
        for after in (0, 4):
            self.setUp()
            self.told.happens("@~7", *[Joined("guest")] * 6, cid="g")
            self.store.meanwhile["@~7", after] = lambda: self.store.write(
                Batch([], discards=["@~7"])
            )
            self.assertEqual(looked_at(self.store), [])

    def test_all_that_can_be_deleted_is_known_by_how_it_begins(self) -> None:
        begins = {f'["{kind.__name__.lower()}",' for kind in WRITTEN}
        self.assertEqual(set(_SAID), begins)


class RefusalTests(SynchronousTestCase):
    def refusal(self, store: MemoryStore) -> str:
        with self.assertRaises(Unable) as caught:
            refuse_if_used(store, store)
        return str(caught.exception)

    def test_only_an_empty_store_will_do(self) -> None:
        refuse_if_used(MemoryStore(), MemoryStore())
        sentence = self.refusal(talk().store)
        self.assertIn("the logs of @ann, milk, tea; accounts (Ann, Bob)", sentence)
        store = MemoryStore()
        store.write(Batch([], [("ann", Done("c", "tea", 1))]))
        self.assertIn("there: answers", self.refusal(store))
        store = MemoryStore()
        store.write(Batch([], states={"tea": (0, RoomState())}))
        self.assertIn("there: states of rooms", self.refusal(store))

    def test_two_accounts_that_look_alike_cannot_both_be(self) -> None:
        data = backed_up(talk().store)
        lines = [
            line.replace(b'["Ann","ann"', b'["B0b","b0b"')
            for line in data.splitlines(keepends=True)
        ]
        store, survey = MemoryStore(), Survey(lambda _: None)
        findings = verify_file(Reader(io.BytesIO(data), self.fail), survey, progress())
        with self.assertRaisesRegex(Unable, "looks like, another one's name"):
            Restore(store, store, findings, progress()).write(
                Reader(io.BytesIO(b"".join(lines)), survey.fault)
            )


class FileTests(SynchronousTestCase):
    def write(self, path: str, data: bytes = b"text", force: bool = False) -> None:
        with made(path, force) as out:
            out.write(data)

    def test_a_file_is_its_owners_and_takes_no_others_place(self) -> None:
        path = self.mktemp()
        self.write(path)
        self.assertEqual(
            (Path(path).read_bytes(), Path(path).stat().st_mode & 0o777), (b"text", 0o600)
        )
        with self.assertRaisesRegex(Unable, "is there already"):
            self.write(path, b"new")
        self.write(path, b"new", force=True)
        self.assertEqual(Path(path).read_bytes(), b"new")

    def test_it_is_whole_or_not_there(self) -> None:
        path = self.mktemp()

        def fails() -> None:
            with made(path, False) as out:
                out.write(b"half")
                raise ZeroDivisionError

        self.assertRaises(ZeroDivisionError, fails)
        self.assertEqual((Path(path).exists(), Path(f"{path}.part").exists()), (False, False))

    def test_a_folder_that_is_not_there_is_named(self) -> None:
        with self.assertRaisesRegex(Unable, "there is no folder nowhere: make it first"):
            self.write("nowhere/backup")

    def test_nothing_is_left_of_a_backup_whose_process_is_ended(self) -> None:
        path, before = os.path.abspath(self.mktemp()), signal.getsignal(signal.SIGTERM)
        stores = SimpleNamespace(log=None, accounts=None)
        self.patch(keeping, "_kept", lambda settings: nullcontext(stores))
        self.patch(Backup, "write", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        self.assertEqual(keeping.main(["backup", path]), keeping.INTERRUPTED)
        self.assertEqual((Path(path).exists(), Path(f"{path}.part").exists()), (False, False))
        self.assertEqual(signal.getsignal(signal.SIGTERM), before)

    def test_what_another_left_behind_is_overwritten_unless_it_still_writes(self) -> None:
        path = self.mktemp()
        Path(f"{path}.part").write_bytes(b"much more than before")
        self.write(path)
        self.assertEqual(Path(path).read_bytes(), b"text")
        with made(path, True), self.assertRaisesRegex(Unable, "another backup is writing"):
            self.write(path, force=True)

    def test_it_may_be_compressed(self) -> None:
        path = f"{self.mktemp()}.gz"
        data = backed_up(talk().store)
        self.write(path, data)
        packed = Path(path).read_bytes()
        self.assertEqual(gzip.decompress(packed), data)
        with opened(path) as file:
            self.assertEqual(file.read(), data)
        for end in (20, len(packed) // 2, len(packed) - 9, len(packed) - 1):
            Path(path).write_bytes(packed[:end])
            self.assertTrue(self._is_faulty(path), end)
        for place in range(10, len(packed), 97):
            changed = bytearray(packed)
            changed[place] ^= 1
            Path(path).write_bytes(bytes(changed))
            self.assertTrue(self._is_faulty(path), place)

    def test_what_stands_before_the_cut_of_a_compressed_file_is_read(self) -> None:
        path = self.mktemp()
        lines = backed_up(talk().store).splitlines(keepends=True)
        for whole in (1, 9, len(lines) - 1):
            packer = zlib.compressobj(wbits=31)  # gzip
            packed = packer.compress(b"".join(lines[:whole]) + lines[whole][:9])
            Path(path).write_bytes(packed + packer.flush(zlib.Z_SYNC_FLUSH))
            found: list[str] = []
            with opened(path) as file:
                reader = Reader(file, found.append)
                for _ in reader.sections():
                    pass
            cut = f"it is damaged, or cut, behind line {whole}: nothing more is read"
            self.assertEqual([sentence for sentence in found if "cut, behind" in sentence], [cut])

    def _is_faulty(self, path: str) -> bool:
        survey = Survey(lambda _: None)
        try:
            with opened(path) as file:
                verify_file(Reader(file, survey.fault), survey, progress())
        except Unable:
            return True
        return survey.faults > 0


class ProgressTests(SynchronousTestCase):
    def test_how_far_it_is_is_said_every_five_seconds(self) -> None:
        told: list[str] = []
        clock = Clock()
        steps = Progress(told.append, clock.seconds, "seen")
        for _ in range(1024):
            clock.advance(0.01)
            steps.step("tea")
        self.assertEqual(
            told, ["512 entries seen, 5 s; now in tea", "1,024 entries seen, 10 s; now in tea"]
        )


class OptionsTests(SynchronousTestCase):
    def complaint(self, *words: str) -> str:
        said = io.StringIO()
        self.patch(sys, "stderr", said)
        with self.assertRaises(SystemExit) as caught:
            parse(list(words))
        self.assertEqual(caught.exception.code, 2)
        return said.getvalue()

    def test_the_store_is_found_as_the_server_finds_it(self) -> None:
        path = self.mktemp()
        Path(path).write_text('port = 1\ndata = "/srv/chat"\nstore = "sqlite:a.db"\n')
        task = parse(["backup", "--config", path, "--store", "sqlite:b.db", "--force", "x"])
        self.assertEqual((task.file, task["force"]), ("x", True))
        server = ServerOptions()
        server.parseOptions(["--config", path, "--store", "sqlite:b.db"])
        for settings_ in (task.settings, server.settings):
            self.assertEqual((settings_.data, settings_.store), ("/srv/chat", "sqlite:b.db"))
            self.assertEqual(files_of(settings_), [Path("/srv/chat/b.db")])

    def test_options_may_stand_behind_the_file(self) -> None:
        task = parse(["backup", "x", "--force", "--data", "/srv/chat"])
        self.assertEqual((task.file, task["force"], task.settings.data), ("x", True, "/srv/chat"))
        task = parse(["verify", "--", "-x"])
        self.assertEqual(task.file, "-x")

    def test_what_makes_no_sense_is_one_line(self) -> None:
        for words, part in (
            ((), "say what to do"),
            (("eat",), "Unknown command: eat"),
            (("backup",), "name one file"),
            (("restore", "a", "b"), "name one file"),
            (("verify", "--store", "paper:"), "--store is"),
            (("verify", "-c", "/nowhere"), "cannot read /nowhere"),
        ):
            said = self.complaint(*words)
            self.assertIn(part, said)
            self.assertEqual(said.count("\n"), 1)
