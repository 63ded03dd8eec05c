"""A backup put back into a store, of whatever kind, that has nothing in it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from itertools import islice
from typing import assert_never, cast

from chatnet.admin.archive import Accounts, Answer, Answers, Bytes, Log, Made, Piece
from chatnet.admin.mending import mended
from chatnet.admin.sent import label_of, put_back
from chatnet.admin.telling import Progress, Unable
from chatnet.admin.unpacking import Reader
from chatnet.admin.verify import Findings
from chatnet.core.chain import Record, erased
from chatnet.core.codec import encode_event
from chatnet.core.events import Said, Sealed, Shared
from chatnet.core.names import GUEST_LOG, known_name
from chatnet.core.room import RoomState
from chatnet.interfaces import Batch, IAccountStore, IStore
from chatnet.stores.shelf import Sheet, Shelf

_MOST_ITEMS = 512  # that are written at once
_MOST_CHARACTERS = 1024 * 1024  # of records, about
_SAID = tuple(  # how all begins that can be deleted
    encode_event(event).partition(",")[0] + ","
    for event in (Said("", ""), Sealed("", "", "", ""), Shared("", "", "", 0, "", ""))
)
_NAMED = 5  # of the logs that are there already


def refuse_if_used(store: IStore, accounts: IAccountStore) -> None:
    """See that nothing is kept yet.

    Raises:
        Unable: something is; the sentence says what.
    """
    there = []
    if logs := store.logs():
        more = f" and {len(logs) - _NAMED:,} more" if len(logs) > _NAMED else ""
        there.append(f"the logs of {', '.join(logs[:_NAMED])}{more}")
    if any(True for _ in store.states()) and not logs:
        there.append("states of rooms")
    if any(True for _ in store.answers()) and not logs:
        there.append("answers")
    if names := [account.name for account, _ in islice(accounts.accounts(), _NAMED)]:
        there.append(f"accounts ({', '.join(names)}{', ...' if len(names) == _NAMED else ''})")
    if there:
        raise Unable(f"a backup is restored into an empty store only; there: {'; '.join(there)}")


class Restore:
    """Writes what a backup holds to ``store`` and ``accounts``, which are empty.

    ``findings`` are those of the same backup. If that is not whole, what can be read of it is
    written, a notice in the place of each entry that is lost, and nothing that points behind the
    end of a log.
    """

    def __init__(
        self,
        store: IStore,
        accounts: IAccountStore,
        findings: Findings,
        progress: Progress,
        shelf: Shelf | None = None,
    ) -> None:
        self._shelf = shelf
        self._store = store
        self._accounts = accounts
        self._findings = findings
        self._progress = progress
        self._states: dict[str, tuple[int, RoomState]] = {}  # still to be written

    def write(self, reader: Reader) -> None:
        """Write all that ``reader`` reads.

        Raises:
            OSError: it cannot be written.
            Unable: two accounts have the same claims, or the store refuses an entry.
        """
        for section in reader.sections():
            if section.number in self._findings.void:
                continue
            match section.heading:
                case Answers():
                    self._write_answers(cast(Iterator[Answer], section.items))
                case Accounts():
                    self._write_accounts(cast(Iterator[Made], section.items))
                case Bytes(sheet):
                    self._write_file(sheet, cast(Iterator[Piece], section.items))
                case Log() as log:
                    self._write_log(log, cast(Iterator[Record], section.items))
                case _:
                    assert_never(section.heading)
        self._write_states()

    def _write_file(self, sheet: Sheet, pieces: Iterator[Piece]) -> None:
        if self._shelf is None or sheet.id in self._findings.spoilt:
            return
        put_back(self._shelf, sheet, (piece.data for piece in pieces))
        self._progress.step(label_of(sheet))

    def _write_log(self, log: Log, records: Iterator[Record]) -> None:
        deleted = self._findings.deleted.get(log.room, set())
        if self._findings.faulty:
            records = mended(log, records)
        written = False
        for page in _pages(_emptied(records, deleted)):
            self._adopt(log, page)
            written = True
            for _ in page:
                self._progress.step(log.label)
        if not written and log.anchor.seq:
            self._adopt(log, [])
        if log.state is not None:
            seq, state = log.state
            self._states[log.room] = (min(seq, self._findings.heads.get(log.room, 0)), state)
        if len(self._states) >= _MOST_ITEMS:
            self._write_states()

    def _adopt(self, log: Log, records: list[Record]) -> None:
        try:
            self._store.adopt(log.room, log.anchor, records)
        except OSError:
            raise
        except Exception as error:
            raise Unable(f"{log.label}: the store does not take its entries: {error}") from error

    def _write_states(self) -> None:
        if self._states:
            self._store.write(Batch([], states=self._states))
            self._states = {}

    def _write_answers(self, answers: Iterator[Answer]) -> None:
        heads = self._findings.heads
        there = (
            answer
            for answer in answers
            if answer.done.room.startswith(GUEST_LOG)
            or answer.done.seq <= heads.get(answer.done.room, 0)
        )
        while page := list(islice(there, _MOST_ITEMS)):
            self._store.write(Batch([], [(answer.origin, answer.done) for answer in page]))

    def _write_accounts(self, accounts: Iterator[Made]) -> None:
        for made in accounts:
            account = made.account
            if not self._accounts.add(known_name(account.name), account.verifier, made.at):
                raise Unable(f"the account {account.name} has, or looks like, another one's name")


def _emptied(records: Iterable[Record], deleted: set[int]) -> Iterator[Record]:
    """Yield ``records`` without the bodies of those that are ``deleted``."""
    for record in records:
        if record.seq in deleted and record.text.startswith(_SAID):
            with suppress(ValueError, TypeError):  # what cannot be read is a fault, and stays one
                text = encode_event(erased(record.entry.event))
                record = replace(record, text=text)
        yield record


def _pages(records: Iterable[Record]) -> Iterator[list[Record]]:
    page: list[Record] = []
    characters = 0
    for record in records:
        page.append(record)
        characters += len(record.text)
        if len(page) >= _MOST_ITEMS or characters >= _MOST_CHARACTERS:
            yield page
            page, characters = [], 0
    if page:
        yield page
