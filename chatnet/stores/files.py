"""A store of append-only logs in files, one for each room, durable when ``write`` returns.

In its folder are::

    commits/N.log             what happened last, whole batches: see ``commits``
    rooms/KEY/SEQ.log         a room's log, in segments of some MiB: see ``segments``
    answers/XX.log            answers to named commands, by the origin's digest
    states.log, accounts.log  what is kept by key: see ``keyed``
    format, lock              which release wrote it, and who writes now

A batch is durable by one ``fsync`` of the commit log, whatever number of rooms it is about, and
happens whole or not at all. One process writes, and holds the lock; any others may read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from itertools import islice

from zope.interface import implementer

from chatnet.core.chain import Anchor, Record
from chatnet.core.codec import decode_state, encode_state
from chatnet.core.events import Entry
from chatnet.core.names import Name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.core.search import Search
from chatnet.interfaces import Account, Batch, IAccountStore, IStore
from chatnet.stores import pages
from chatnet.stores.answers import Answers
from chatnet.stores.changes import Changes
from chatnet.stores.claim import check, take
from chatnet.stores.commits import Commits
from chatnet.stores.disk import Disk
from chatnet.stores.filed import FiledAccounts
from chatnet.stores.keyed import Growing, Table, TableWriter, pack
from chatnet.stores.segments import Segments
from chatnet.stores.writing import Logs


class _Pen:
    """What the one has who writes. Finishes what a crash left."""

    def __init__(
        self, path: str, segments: Segments, notice: Callable[[str], object], disk: Disk
    ) -> None:
        self._lock = take(path, disk)
        try:
            self.commits = Commits(path, disk, notice)
        except BaseException:
            os.close(self._lock)
            raise
        self.logs = Logs(segments, self.commits, notice)
        self.tables = TableWriter(path, self.commits, notice)

    @contextmanager
    def changes(self) -> Iterator[Changes]:
        """Collect what is to be changed, in files that are as they should be; then change it."""
        try:
            self.commits.mend()
            changes = Changes()
            yield changes
            if changes:
                self.commits.commit(changes)
            self.logs.done()
        except BaseException:
            self.logs.doubt()
            raise

    def close(self) -> None:
        """Let go of the folder, with everything in its place."""
        self.commits.close()
        os.close(self._lock)


@implementer(IStore, IAccountStore)
class FilesStore:
    """The store in one folder. Open it once to write, and again to read on another thread."""

    def __init__(
        self,
        path: str,
        writes: bool = True,
        notice: Callable[[str], object] = lambda sentence: None,
        disk: Disk | None = None,
    ) -> None:
        """``notice`` hears a sentence on each thing that is not as it should be.

        Raises:
            OSError: another process writes there, or the disk fails.
            ValueError: it was written by another release.
        """
        self._pen: _Pen | None = None
        check(path)
        self._segments = Segments(os.path.join(path, "rooms"))
        self._states = Table(os.path.join(path, "states.log"), notice)
        self._answers = Answers(path, notice)
        self._accounts = FiledAccounts(os.path.join(path, "accounts.log"), notice)
        if writes:
            self._pen = _Pen(path, self._segments, notice, disk or Disk())
            for table in (self._states, self._accounts.table):
                table.refresh()
                self._pen.tables.cut(table.file)

    def close(self) -> None:
        if self._pen is not None:
            self._pen.close()
            self._pen = None

    # -- writing -------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        pen, answers, rows = self._writer(), self._answers.packed(batch.answers), b""
        with pen.changes() as changes:
            pen.logs.add(changes, batch.runs, batch.discards)
            for bucket, data in answers.items():
                pen.tables.append(changes, self._bucket(pen, bucket), data)
            rows = self._rows(batch)
            if rows:
                pen.tables.append(changes, self._states.file, rows)
        self._renew(pen, answers, [self._states] if rows else [])

    def forget(self, room: str, upto: int, limit: int) -> int:
        covered, _ = self.load(room)
        pen = self._writer()
        with pen.changes() as changes:
            return pen.logs.forget(changes, room, min(upto, covered), limit)

    def adopt(self, room: str, anchor: Anchor, records: Sequence[Record]) -> None:
        pen = self._writer()
        with pen.changes() as changes:
            pen.logs.adopt(changes, room, anchor, records)

    # -- reading -------------------------------------------------------------------

    def index(self, limit: int) -> bool:
        return False

    def load(self, room: str) -> tuple[int, RoomState]:
        text = self._states.get(room)
        return _state(text) if text else (0, RoomState())

    def read(self, room: str, after: int, upto: int, limit: int) -> Sequence[Entry]:
        return pages.read(self._segments, room, after, upto, limit)

    def back(self, room: str, upto: int, count: int) -> int:
        return self._segments.steady(lambda: self._segments.back(room, upto, count))

    def rooms(self, limit: int) -> Mapping[str, RoomState]:
        keys = (key for key in reversed(self._states.names()) if key[0] not in "@*")
        chosen = list(islice(keys, limit))
        return {room: _state(text)[1] for room, text in self._states.texts(chosen)}

    def floor(self, room: str) -> int:
        return self._segments.floor(room)[0]

    def seq_at(self, room: str, at: float) -> int:
        return self._segments.steady(lambda: self._segments.seq_at(room, at))

    def search(self, rooms: Sequence[str], search: Search, limit: int) -> Sequence[Entry]:
        return pages.search(self._segments, rooms, search, limit)

    def strays(self) -> Sequence[str]:
        return [key for key in self._states.names() if key.startswith("@~")]

    def recall(self, origin: str, limit: int) -> Sequence[Done]:
        return self._answers.recall(origin)[-limit:]

    # -- backups -------------------------------------------------------------------

    def logs(self, prefix: str = "") -> Sequence[str]:
        return sorted(self._segments.rooms(prefix))

    def anchor(self, room: str) -> Anchor:
        return Anchor(*self._segments.floor(room))

    def records(self, room: str, after: int, limit: int) -> Sequence[Record]:
        return pages.records(self._segments, room, after, limit)

    def states(self) -> Iterable[tuple[str, int, RoomState]]:
        for key in self._states.names():
            for room, text in self._states.texts([key]):
                yield room, *_state(text)

    def answers(self) -> Iterable[tuple[str, Done]]:
        return self._answers.all()

    def damage(self, room: str) -> Sequence[str]:
        """Return a sentence on each part of the log of ``room`` that cannot be read."""
        return self._segments.steady(lambda: self._segments.damage(room))

    # -- accounts ------------------------------------------------------------------

    def holders(self, claims: Iterable[str]) -> Mapping[str, Account]:
        return self._accounts.holders(claims)

    def add(self, name: Name, verifier: str, at: float) -> bool:
        if self._accounts.holders(name.claims):
            return False
        self._keep(self._accounts.added(name, verifier, at))
        return True

    def change(self, key: str, verifier: str) -> None:
        self._keep(self._accounts.changed(key, verifier))

    def remove(self, key: str) -> None:
        self._keep(self._accounts.removed(key))

    def accounts(self) -> Iterable[tuple[Account, float]]:
        return self._accounts.all()

    # -- how -----------------------------------------------------------------------

    def _writer(self) -> _Pen:
        assert self._pen is not None, "this store was opened to be read"
        return self._pen

    def _bucket(self, pen: _Pen, name: str) -> Growing:
        """Return a file of answers, known to its end."""
        if name in self._answers.files:
            self._answers.files[name].skim()
        else:
            file = self._answers.file(name)
            file.skim()
            pen.tables.cut(file)
            self._answers.files[name] = file
        return self._answers.files[name]

    def _rows(self, batch: Batch) -> bytes:
        """Return what ``batch`` says of states, as records; know all others."""
        gone = set(batch.discards)
        rows = [
            pack(room, f"{seq} {encode_state(state)}")
            for room, (seq, state) in batch.states.items()
            if room not in gone
        ]
        if rows or gone:
            self._states.refresh()
        rows += [pack(room, "") for room in sorted(gone) if self._states.get(room)]
        return b"".join(rows)

    def _renew(self, pen: _Pen, buckets: Iterable[str], grown: Iterable[Table]) -> None:
        """Make anew what has grown. What was committed stands, whatever becomes of that."""
        with suppress(OSError):
            for bucket in buckets:
                pen.tables.renew(self._bucket(pen, bucket), self._answers.anew(bucket))
            for table in grown:
                table.refresh()
                pen.tables.renew(table.file, table.anew())

    def _keep(self, account: bytes) -> None:
        pen = self._writer()
        with pen.changes() as changes:
            self._accounts.table.refresh()
            pen.tables.append(changes, self._accounts.table.file, account)
        self._renew(pen, (), [self._accounts.table])


def _state(text: str) -> tuple[int, RoomState]:
    seq, _, state = text.partition(" ")
    return int(seq), decode_state(state)
