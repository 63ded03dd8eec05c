"""The store in files: whatever breaks, it has what was committed, whole, or says what it lacks."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.chain import faults
from chatnet.core.events import Deleted, Entry, Joined, Said
from chatnet.core.names import person_name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.interfaces import Batch
from chatnet.stores import commits, tables, writing
from chatnet.stores.disk import Disk
from chatnet.stores.files import FilesStore
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


def written(batch: Batch) -> Step:
    return lambda store: store.write(batch)


STEPS: list[Step] = [
    written(
        Batch(
            [*said("tea", 1, "one", SECRET, "three"), Entry("milk", 1, 1.0, Joined("ann"))],
            [("ann", Done("1", "tea", 3))],
            {"tea": (3, RoomState("Tea")), "milk": (1, RoomState("Milk"))},
        )
    ),
    lambda store: store.add(person_name("Ann"), "verifier", 1.5),
    written(Batch([*said("milk", 2, "x" * 300), *said("tea", 4, "four"), *said("@~1", 1, "psst")])),
    written(Batch([Entry("tea", 5, 5.0, Deleted("ann", 2))], [("bob", Done("2", "tea", 5))])),
    written(Batch(said("milk", 3, "y" * 300), discards=["@~1"])),
    written(Batch([*said("@~1", 1, "again"), *said("milk", 4, "four")], states={"milk": (4, RoomState("Milk"))})),
    lambda store: store.forget("milk", 3, 9),
    written(Batch(said("tea", 6, "z" * 300), [("ann", Done(str(n), "tea", 6)) for n in range(9)])),
    lambda store: store.change("ann", "another"),
    lambda store: store.forget("tea", 2, 9),
    written(Batch([*said("tea", 7, "seven"), *said("milk", 5, "five")], discards=["@~1"])),
]  # fmt: skip


def dump(store: FilesStore) -> dict[str, Any]:
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
        self.patch(tables, "_SLACK", 100)
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
        for call in range(0, most, 3):
            self.take(range(call, call + 7), states)
