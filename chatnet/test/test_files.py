"""The store in files: whatever breaks, it has what was committed, whole, or says what it lacks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.chain import faults
from chatnet.core.events import Deleted, Entry, Joined, Said
from chatnet.core.names import person_name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.core.search import Search
from chatnet.core.series import in_series
from chatnet.interfaces import Batch
from chatnet.stores import commits, keyed, pages, records, segments, writing
from chatnet.stores.disk import Disk
from chatnet.stores.files import FilesStore
from chatnet.stores.memory import MemoryStore
from chatnet.stores.segments import folder_of
from chatnet.test.disks import (
    FailingDisk,
    QuickDisk,
    RecordingDisk,
    after_kill,
    after_power_cut,
    put,
)
from chatnet.test.properties import given, settings, st

SECRET = "a secret"
Step = Callable[[FilesStore], Any]


def said(room: str, first: int, *bodies: str) -> list[Entry]:
    return [Entry(room, n, float(n), Said("ann", body)) for n, body in enumerate(bodies, first)]


def written(entries: Sequence[Entry], *more: Any, **others: Any) -> Step:
    return lambda store: store.write(Batch.of(entries, *more, **others))


STEPS: list[Step] = [
    written(
        [*said("tea", 1, "one", SECRET, "three"), Entry("milk", 1, 1.0, Joined("ann"))],
        [("ann", Done("1", "tea", 3))],
        {"tea": (3, RoomState("Tea")), "milk": (1, RoomState("Milk"))},
    ),
    lambda store: store.add(person_name("Ann"), "verifier", 1.5),
    written([*said("milk", 2, "x" * 300), *said("tea", 4, "four"), *said("@~1", 1, "psst")]),
    written([Entry("tea", 5, 5.0, Deleted("ann", 2))], [("bob", Done("2", "tea", 5))]),
    written(said("milk", 3, "y" * 300), discards=["@~1"]),
    written([*said("@~1", 1, "go"), *said("milk", 4, "")], (), {"milk": (4, RoomState())}),
    lambda store: store.forget("milk", 3, 9),
    written(said("tea", 6, "z" * 300), [("ann", Done(str(n), "tea", 6)) for n in range(9)]),
    lambda store: store.change("ann", "another"),
    lambda store: store.forget("tea", 2, 9),
    written([*said("tea", 7, "seven"), *said("milk", 5, "five")], discards=["@~1"]),
]  # fmt: skip


def dump(store: FilesStore | MemoryStore) -> dict[str, Any]:
    """Return all that ``store`` tells."""
    logs = {room: (store.floor(room), store.read(room, 0, 99, 99)) for room in store.logs()}
    broken = [
        fault
        for room in store.logs()
        for fault in faults(room, store.anchor(room), store.records(room, 0, 99))
    ]
    return {
        "logs": logs,
        "broken": broken,
        "states": list(store.states()),
        "answers": list(store.answers()),
        "accounts": list(store.accounts()),
        "recall": store.recall("ann", 9),
        "back": [store.back(room, 99, 2) for room in store.logs()],
    }


class FilesTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.notices: list[str] = []
        self.patch(writing, "SEGMENT_BYTES", 500)
        self.patch(keyed, "_SLACK", 100)
        self.patch(commits, "_MOST_BYTES", 2000)
        self.patch(commits, "_SYNCS", 100)
        memory = "/dev/shm" if os.path.isdir("/dev/shm") else None  # where nothing waits
        self._top = tempfile.mkdtemp(dir=memory)
        self.addCleanup(shutil.rmtree, self._top)
        self.path = self.folder()

    def folder(self) -> str:
        """Return a path where nothing is."""
        return tempfile.mktemp(dir=self._top)

    def store(self, path: str | None = None, disk: Disk | None = None) -> FilesStore:
        store = FilesStore(path or self.path, True, self.notices.append, disk or QuickDisk())
        self.addCleanup(store.close)
        return store

    def expected(self) -> list[dict[str, Any]]:
        """Return what there is before the first step, and after each."""
        store = self.store(self.folder())
        found = [dump(store)]
        for step in STEPS:
            step(store)
            found.append(dump(store))
        self.assertEqual([state["broken"] for state in found], [[]] * len(found))
        return found

    def files(self, path: str) -> Iterator[Path]:
        return (file for file in Path(path).rglob("*") if file.is_file())


class CrashTests(FilesTestCase):
    def recorded(self) -> tuple[RecordingDisk, list[int]]:
        """Take all steps; return what was done, and how much of it when each step was."""
        os.mkdir(self.path)
        disk = RecordingDisk(self.path)
        store = self.store(os.path.join(self.path, "store"), disk)
        done = [len(disk.calls)]
        for step in STEPS:
            step(store)
            done.append(len(disk.calls))
        return disk, done

    def check(self, top: str, length: int, done: list[int], states: list[dict[str, Any]]) -> None:
        """Look at what a crash left that had ``length`` calls behind it."""
        store = self.store(os.path.join(top, "store"))
        least = max([n for n, place in enumerate(done) if place <= length], default=0)
        found = dump(store)
        self.assertIn(found, states[least : least + 2], (length, least))
        if least >= 4:
            for file in self.files(top):
                self.assertNotIn(SECRET.encode(), file.read_bytes(), (length, file))
        place = states.index(found)
        for step in STEPS[place : place + 2]:
            step(store)
        store.close()
        reader = FilesStore(os.path.join(top, "store"), writes=False)
        self.assertEqual(dump(reader), states[min(place + 2, len(STEPS))])

    def test_a_process_may_be_killed_between_any_two_calls_and_within_each(self) -> None:
        states = self.expected()
        disk, done = self.recorded()
        for length in range(done[0], len(disk.calls) + 1):
            last = disk.calls[length - 1]
            if last.what == "sync":
                continue  # which makes no difference to who is merely killed
            for torn in (None, len(last.data) // 2) if last.data else (None,):
                top = self.folder()
                os.mkdir(top)
                after_kill(disk.calls[:length], top, torn)
                self.check(top, length - (torn is not None), done, states)

    def test_the_power_may_go_between_any_two_calls(self) -> None:
        states = self.expected()
        disk, done = self.recorded()
        for length in range(done[0], len(disk.calls) + 1):
            top = self.folder()
            os.mkdir(top)
            put(after_power_cut(disk.calls[:length], Random(length)), top)
            self.check(top, length, done, states)

    def test_the_power_may_go_after_a_commit_that_failed(self) -> None:
        states = self.expected()[:2]
        for fails in range(15, 29):  # all that the first step does
            os.mkdir(self.path)
            disk = RecordingDisk(self.path)
            store = self.store(os.path.join(self.path, "store"), disk)
            disk.fails = fails
            with self.assertRaises(OSError):
                STEPS[0](store)
            with self.assertRaises(ValueError):  # before which it is put right
                store.write(Batch.of(said("tea", 9, "not the next")))
            for length in range(fails, len(disk.calls) + 1, 2):
                top = self.folder()
                os.mkdir(top)
                put(after_power_cut(disk.calls[:length], Random(length)), top)
                again = self.store(os.path.join(top, "store"))
                self.assertIn(dump(again), states, (fails, length))
                again.close()
            self.path = self.folder()


class FailureTests(FilesTestCase):
    def take(self, fails: range, states: list[dict[str, Any]]) -> int:
        """Take all steps on a disk that fails, each until it is taken; return the calls."""
        path = self.folder()
        disk = FailingDisk()
        store = self.store(path, disk)
        reader = FilesStore(path, writes=False)
        disk.fails = range(disk.calls + fails.start, disk.calls + fails.stop)
        first = disk.calls
        for number, step in enumerate(STEPS):
            while True:
                try:
                    step(store)
                except OSError:
                    if len(fails) == 1:
                        self.assertEqual(dump(store), states[number], (fails, number))
                        self.assertEqual(dump(reader), states[number], (fails, number))
                except ValueError:  # it could not be taken back, and was finished
                    self.assertGreater(len(fails), 1)
                    break
                else:
                    break
        calls = disk.calls - first
        disk.fails = range(0)
        store.close()
        self.assertEqual(dump(reader), states[-1], fails)
        again = self.store(path)
        self.assertEqual(dump(again), states[-1], fails)
        return calls

    def test_what_fails_is_kept_not_at_all_and_can_be_tried_again(self) -> None:
        states = self.expected()
        most = self.take(range(0), states)
        for call in range(most):
            self.take(range(call, call + 1), states)

    def test_a_disk_may_fail_for_a_while(self) -> None:
        states = self.expected()
        most = self.take(range(0), states)
        for call in range(0, most, 5):
            self.take(range(call, call + 7), states)

    def test_after_a_failed_sync_all_is_written_again(self) -> None:
        disk = RecordingDisk(self.path)
        store = self.store(disk=disk)
        store.write(Batch.of(said("tea", 1, "one")))
        file = "rooms/tea/000000000000.log"
        sync = disk.sync

        def fail(path: str) -> None:
            if path.endswith(file):
                raise OSError("Input/output error")  # and what it held may be gone
            sync(path)

        self.patch(commits, "_MOST_BYTES", 0)
        self.patch(disk, "sync", fail)
        with self.assertRaises(OSError):
            store.write(Batch.of(said("tea", 2, "two")))
        disk.sync = sync  # type: ignore[method-assign]
        before = len(disk.calls)
        store.write(Batch.of(said("tea", 2, "two")))
        calls = [(call.what, call.data[-20:]) for call in disk.calls[before:] if call.path == file]
        first, second, *_ = calls
        self.assertEqual(first[0], "write")
        self.assertIn(b"one", first[1])
        self.assertEqual(second[0], "sync")
        self.assertEqual(store.read("tea", 0, 9, 9), said("tea", 1, "one", "two"))

    def test_a_search_looks_at_some_of_the_log_only(self) -> None:
        store = self.store()
        store.write(Batch.of(said("tea", 1, "green", "black", "black", "green")))
        self.patch(pages, "_MOST_ENTRIES", 3)
        found = store.search(["tea"], Search(("green",)), 9)
        self.assertEqual([entry.seq for entry in found], [4])


class DamageTests(FilesTestCase):
    """What nobody could have written: bytes changed, or cut off, while no server ran."""

    def setUp(self) -> None:
        super().setUp()
        self.patch(segments, "_TRY_SECONDS", 0)
        store = self.store()
        self.log = said("tea", 1, "one", "two", "three", "four", "five", "six", "seven")
        for entry in self.log:
            store.write(Batch.of([entry]))
        store.close()
        self.room = Path(self.path, "rooms", "tea")
        self.first, self.last = sorted(self.room.iterdir())

    def reads(self, store: FilesStore) -> tuple[list[Entry], str]:
        """Return what can be read, and why no more."""
        entries: list[Entry] = []
        try:
            while page := store.read("tea", len(entries), 99, 2):
                entries += page
        except OSError as error:
            return entries, str(error)
        return entries, ""

    def test_a_changed_bit_is_never_read_as_something_else(self) -> None:
        for file in (self.first, self.last):
            whole = file.read_bytes()
            for place in range(0, len(whole), 5):
                changed = bytearray(whole)
                changed[place] ^= 1 << (place % 8)
                file.write_bytes(changed)
                reader = FilesStore(self.path, writes=False)
                self.assertEqual(reader.logs(), ["tea"])
                entries, why = self.reads(reader)
                self.assertEqual(entries, self.log[: len(entries)], place)
                self.assertLess(len(entries), len(self.log), place)
                if why:
                    self.assertIn(f"{self.room}/", why)
                if "head of the segment" not in why:
                    (sentence,) = reader.damage("tea")
                    self.assertIn(f"{file}: ", sentence)
                    kept = reader.records("tea", 0, 99)
                    wrong = list(faults("tea", reader.anchor("tea"), kept))
                    self.assertEqual(bool(wrong), bool(why), (place, wrong))
            file.write_bytes(whole)

    def test_what_cannot_be_read_is_named(self) -> None:
        whole = self.first.read_bytes()
        self.first.write_bytes(whole.replace(b"two", b"owt"))
        entries, why = self.reads(self.store())
        self.assertEqual(entries, self.log[:1])
        place = whole.index(b'["said","ann","two"') - records.HEAD
        self.assertEqual(why, f"{self.first}: entry 2 of tea, at byte {place}, is damaged")
        self.assertEqual(self.notices, [])

    def test_damage_in_the_middle_does_not_stop_what_comes_behind(self) -> None:
        whole = self.last.read_bytes()
        self.last.write_bytes(whole.replace(b"\xffrec", b"\xffcer", 1))
        store = self.store()
        store.write(Batch.of(said("tea", 8, "eight")))
        self.assertEqual(self.notices, [])
        lost = store.damage("tea")
        self.assertEqual(len(lost), 1)
        self.assertIn("behind entry", lost[0])
        self.assertEqual(store.read("tea", 7, 9, 9), said("tea", 8, "eight"))

    def test_a_torn_tail_is_cut_off_and_told(self) -> None:
        whole = self.last.read_bytes()
        for size in range(len(whole)):
            self.last.write_bytes(whole[:size])
            self.notices.clear()
            store = self.store()
            with self.assertRaises(ValueError):
                store.write(Batch.of(said("tea", 99, "is not next")))
            kept, why = self.reads(store)
            self.assertEqual((kept, why), (self.log[: len(kept)], ""), size)
            store.write(Batch.of(said("tea", len(kept) + 1, "more")))
            self.assertEqual(dump(store)["broken"], [])
            if self.notices:
                self.assertEqual(len(self.notices), 1)
                self.assertIn(f"rooms/tea/{self.last.name}: ", self.notices[0])
            store.close()
            (self.room / "000000000007.log").unlink(missing_ok=True)

    def test_garbage_behind_the_end_is_cut_off_and_told(self) -> None:
        whole = self.last.read_bytes()
        for garbage in (b"\0" * 500, b"x", b"\xffrec" * 30, Random(1).randbytes(300)):
            self.last.write_bytes(whole + garbage)
            store = self.store()
            store.write(Batch.of(said("tea", 8, "eight")))
            self.assertEqual(self.notices[-1].count(f"cut {len(garbage)} bytes behind entry 7"), 1)
            self.assertEqual(dump(store)["broken"], [])
            store.close()
            for file in self.room.iterdir():
                if file not in (self.first, self.last):
                    file.unlink()
        self.assertEqual(len(self.notices), 4)

    def test_a_lost_end_of_an_older_segment_is_named(self) -> None:
        self.first.write_bytes(self.first.read_bytes()[:-10])
        entries, why = self.reads(self.store())
        self.assertEqual(entries, self.log[: len(entries)])
        self.assertIn(f"entries {len(entries) + 1} to {len(entries) + 1} of tea", why)

    def test_a_damaged_commit_log_takes_nothing_along(self) -> None:
        store = self.store()
        for n in range(8, 11):
            store.write(Batch.of([*said("tea", n, "more"), *said("milk", n - 7, "more")]))
        expected = dump(store)
        kept = {file: file.read_bytes() for file in self.files(self.path)}
        store.close()
        (log,) = [file for file in kept if file.parent.name == "commits"]
        whole = kept[log]
        for place in range(0, len(whole), 7):
            flipped = whole[:place] + bytes([whole[place] ^ 4]) + whole[place + 1 :]
            for changed in (whole[:place], flipped):
                shutil.rmtree(self.path)
                for file, data in kept.items():
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_bytes(changed if file == log else data)
                self.notices.clear()
                again = self.store()
                self.assertEqual(dump(again), expected, place)
                told = len(self.notices)
                self.assertTrue(told == 1 or (told == 0 and changed != flipped), place)
                again.close()


class FolderTests(FilesTestCase):
    def test_any_key_has_a_folder_of_its_own_on_any_file_system(self) -> None:
        keys = ["tea", "Tea", "TEA", "@tea", "*", "a/b", "..", ".", "", "é", "e\u0301", "☕" * 99]
        keys += ["con", "x" * 300, "x" * 301, "a b", "a%20b", "\n", "=x"]
        names = [folder_of(key) for key in keys]
        self.assertEqual(len({name.lower() for name in names}), len(keys))
        for name in names:
            self.assertRegex(name, r"\A[a-z0-9_%=-]{1,130}\Z")
        store = self.store()
        store.write(Batch.of([entry for key in keys for entry in said(key, 1, key)]))
        self.assertEqual(store.logs(), sorted(keys))

    def test_one_writes_and_others_read(self) -> None:
        store = self.store()
        with self.assertRaisesRegex(OSError, "another process writes there"):
            self.store()
        reader = FilesStore(self.path, writes=False)
        for step in STEPS:
            step(store)
            self.assertEqual(dump(reader), dump(store))
        store.close()
        self.assertEqual(dump(self.store()), dump(reader))

    def test_a_reader_looks_again_when_what_it_reads_is_let_go(self) -> None:
        store, reader = self.store(), FilesStore(self.path, writes=False)
        for n in range(1, 9):
            store.write(Batch.of(said("tea", n, "x" * 200), states={"tea": (n, RoomState())}))
        bases = reader._segments.bases

        def listed(room: str) -> list[int]:
            found = bases(room)
            store.forget(room, 6, 9)
            return found

        self.patch(reader._segments, "bases", listed)
        for look in (
            lambda: [entry.seq for entry in reader.read("tea", 0, 99, 99)],
            lambda: [record.seq for record in reader.records("tea", 0, 99)],
            lambda: [entry.seq for entry in reader.search(["tea"], Search(()), 9)][::-1],
            lambda: list(range(reader.back("tea", 8, 99) + 1, 9)),
            lambda: list(range(reader.floor("tea") + 1, 9)),
        ):
            self.assertEqual(look(), [7, 8])
            store.write(Batch([], discards=["tea"]))
            for n in range(1, 9):
                store.write(Batch.of(said("tea", n, "x" * 200), states={"tea": (n, RoomState())}))

    def test_all_is_for_its_owner_alone(self) -> None:
        store = self.store()
        for step in STEPS:
            step(store)
        for path in [Path(self.path), *Path(self.path).rglob("*")]:
            self.assertEqual(path.stat().st_mode & 0o777, 0o700 if path.is_dir() else 0o600, path)

    def test_a_folder_of_another_release_is_left_alone(self) -> None:
        self.store().close()
        Path(self.path, "format").write_text("chatnet files 9\n")
        for writes in (True, False):
            with self.assertRaisesRegex(ValueError, "its format is 'chatnet files 9'"):
                FilesStore(self.path, writes)

    def test_a_commit_is_one_sync_and_takes_few_open_files(self) -> None:
        self.patch(commits, "_MOST_FILES", 4)
        self.patch(commits, "_MOST_BYTES", 10**6)
        disk = QuickDisk()
        store = self.store(disk=disk)
        rooms = [f"room{n}" for n in range(20)]
        for n in range(1, 4):
            before = disk.syncs
            store.write(Batch.of([entry for room in rooms for entry in said(room, n, "hello")]))
            self.assertEqual(disk.syncs - before, 1)
        assert store._pen is not None
        self.assertLessEqual(len(store._pen.commits._files), 4)
        self.patch(commits, "_SYNCS", 2)
        store.close()
        self.assertEqual(len(dump(self.store())["logs"]), 20)

    def test_a_page_of_large_entries_is_small(self) -> None:
        store = self.store()
        for n in range(1, 6):
            store.write(Batch.of(said("tea", n, "x" * 400_000)))
        self.assertEqual(len(store.read("tea", 0, 10, 256)), 3)
        self.assertEqual(len(store.records("tea", 0, 256)), 3)
        self.assertEqual(len(store.search(["tea"], Search(()), 9)), 5)
        store.write(Batch.of([Entry("tea", 6, 9.0, Deleted("ann", 5))]))
        self.assertEqual([len(store.read("tea", 3, 9, 9)), store.back("tea", 6, 2)], [3, 3])

    def test_what_is_let_go_whole_takes_no_space(self) -> None:
        store = self.store()
        for n in range(1, 9):
            store.write(Batch.of(said("tea", n, SECRET * 9), states={"tea": (n, RoomState())}))
        store.forget("tea", 3, 9)
        text = "".join(file.read_text("latin-1") for file in self.files(f"{self.path}/rooms"))
        self.assertEqual(text.count(SECRET), 5 * 9)
        store.forget("tea", 8, 9)
        (left,) = self.files(f"{self.path}/rooms")
        self.assertEqual(left.name, "000000000008.log")
        for file in self.files(self.path):  # the commit log too
            self.assertNotIn(SECRET.encode(), file.read_bytes())
        store.write(Batch.of(said("tea", 9, "goes on")))
        self.assertEqual(dump(store)["broken"], [])


ROOMS = st.sampled_from(["tea", "milk", "@~1"])
PLANS = st.lists(
    st.one_of(
        st.tuples(st.just("say"), st.lists(st.tuples(ROOMS, st.integers(0, 400)), max_size=4)),
        st.tuples(st.just("delete"), ROOMS, st.integers(0, 12)),
        st.tuples(st.just("keep"), ROOMS),
        st.tuples(st.just("forget"), ROOMS, st.integers(0, 12), st.integers(1, 9)),
        st.tuples(st.just("discard"), ROOMS),
        st.tuples(st.just("reopen")),
    ),
    max_size=20,
)


class PlanTests(FilesTestCase):
    @settings(deadline=None, derandomize=True, max_examples=40)
    @given(PLANS)
    def test_it_remembers_what_memory_does(self, plan: list[Any]) -> None:
        path = self.folder()
        files, memory = self.store(path), MemoryStore()
        reader = FilesStore(path, writes=False)
        heads: dict[str, int] = {}
        for number, (what, *values) in enumerate(plan):
            batch, entries = Batch([]), list[Entry]()
            if what == "say":
                for room, length in values[0]:
                    heads[room] = heads.get(room, 0) + 1
                    entries += said(room, heads[room], "é" * length)
                batch.answers = [("ann", Done(str(number), "tea", heads.get("tea", 0)))]
            elif what == "delete":
                room = values[0]
                heads[room] = heads.get(room, 0) + 1
                entries.append(Entry(room, heads[room], 9.0, Deleted("ann", values[1])))
            elif what == "keep":
                batch.states = {values[0]: (heads.get(values[0], 0), RoomState(str(number)))}
            elif what == "discard":
                batch.discards = [values[0]]
                heads.pop(values[0], None)
            elif what == "forget":
                self.assertEqual(files.forget(*values), memory.forget(*values))
            else:
                files.close()
                files = self.store(path)
            batch.runs = in_series(entries)
            for store in (files, memory):
                store.write(batch)
            self.assertEqual(dump(files), dump(memory))
            self.assertEqual(dump(reader), dump(memory))
        self.assertEqual(self.notices, [])
        files.close()
