"""A backup of a store, made while its server runs.

What it holds is what there was at one moment, as far as anybody can tell: of each log all up to
some entry, of the states and answers those that point into it, and every account. Therefore
answers are read before the logs, for later ones may push the older out, and those that have come
since once more behind them; a room's state is read before its log, and the accounts at the end.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from typing import IO

from chatnet import __version__
from chatnet.admin.archive import Accounts, Answer, Answers, Log, Made, Writer
from chatnet.admin.live import Moved, head_of, log_of, logs_of, records_of, steadily
from chatnet.admin.sent import write_files
from chatnet.admin.survey import Checked, Survey, beyond, check
from chatnet.admin.telling import Progress
from chatnet.core.chain import Record
from chatnet.core.names import GUEST_LOG
from chatnet.interfaces import IAccountStore, IStore
from chatnet.stores.shelf import Shelf


class Backup:
    """Writes all that ``store`` and ``accounts`` keep to a file."""

    def __init__(
        self,
        store: IStore,
        accounts: IAccountStore,
        survey: Survey,
        progress: Progress,
        shelf: Shelf | None = None,
    ) -> None:
        """Tell ``survey`` what is wrong with what is written; with it go the files on ``shelf``."""
        self._shelf = shelf
        self._store = store
        self._accounts = accounts
        self._survey = survey
        self._progress = progress
        self._before: dict[str, int] = {}  # where logs ended before the answers were read
        self._recent: set[tuple[str, str]] = set()  # answers that point there or behind it
        self._heads: dict[str, int] = {}  # where the logs in the backup end

    def write(self, out: IO[bytes], at: float) -> Writer:
        """Write to ``out``; ``at`` is now, in UTC seconds since the epoch.

        Raises:
            OSError: what is kept cannot be read, or ``out`` not be written.
            Unable: what is kept changes too fast.
        """
        writer = Writer(out, __version__, at)
        self._before = {room: head_of(self._store, room) for room in self._store.logs()}
        self._write_answers(writer)
        for room in logs_of(self._store, self._survey.fault):
            if not room.startswith(GUEST_LOG):  # a server that starts has no guests yet
                checked = steadily(room, partial(self._write_log, writer, room))
                self._heads[room] = checked.head.seq
                self._survey.log(checked)
        self._write_new_answers(writer)
        if self._shelf is not None:
            write_files(writer, self._shelf, self._survey, self._progress)
        writer.begin(Accounts())
        for account, made_at in self._accounts.accounts():
            writer.add(Made(account, made_at))
        writer.end()
        writer.finish()
        return writer

    def _write_answers(self, writer: Writer) -> None:
        """Write the answers; none that points behind the end of its log, as one lost its tail."""
        ahead = []
        writer.begin(Answers())
        for origin, done in self._store.answers():
            before = self._before.get(done.room, 0)
            if done.seq >= before:
                self._recent.add((origin, done.cid))
            if done.seq <= before or done.room.startswith(GUEST_LOG):
                writer.add(Answer(origin, done))
            else:
                ahead.append(Answer(origin, done))
        heads = {room: head_of(self._store, room) for room in {one.done.room for one in ahead}}
        for answer in ahead:
            room = answer.done.room
            if answer.done.seq <= heads[room]:
                writer.add(answer)
            else:
                self._survey.fault(f"{beyond(answer, room, heads[room])}: it is left out")
        writer.end()

    def _write_new_answers(self, writer: Writer) -> None:
        """Write those that have come since, and point at what is in the backup."""
        writer.begin(Answers())
        for origin, done in self._store.answers():
            head = self._heads.get(done.room, -1)
            new = self._before.get(done.room, 0) <= done.seq <= head
            if new and (origin, done.cid) not in self._recent:
                writer.add(Answer(origin, done))
        writer.end()

    def _write_log(self, writer: Writer, room: str) -> Checked:
        log = log_of(self._store, room, self._survey.fault)
        head = head_of(self._store, room)
        if log.state is not None and log.state[0] > head:
            self._survey.fault(
                f"{log.label}: its state is that of entry {log.state[0]}, and the log ends at"
                f" {head}: it is taken for the state there"
            )
            log = replace(log, state=(head, log.state[1]))
        writer.begin(log)
        try:
            checked = check(log, self._written(writer, log))
        except Moved:
            writer.end(void=True)
            raise
        writer.end()
        return checked

    def _written(self, writer: Writer, log: Log) -> Iterator[Record]:
        for record in records_of(self._store, log):
            writer.add(record)
            self._progress.step(log.label)
            yield record
