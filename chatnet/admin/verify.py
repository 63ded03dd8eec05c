"""Whether a store, or a backup, is whole."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol, assert_never, cast, runtime_checkable

from chatnet.admin.archive import Accounts, Answer, Answers, Bytes, Counts, Log, Piece
from chatnet.admin.live import log_of, logs_of, records_of, steadily
from chatnet.admin.sent import check_files, checked, label_of
from chatnet.admin.survey import Checked, Survey, check
from chatnet.admin.telling import Progress
from chatnet.admin.unpacking import Reader
from chatnet.core.chain import Record
from chatnet.core.codec import decode_event, encode_event
from chatnet.core.events import Deleted, body_of
from chatnet.core.large import Parked
from chatnet.core.names import known_name
from chatnet.interfaces import IAccountStore, IStore
from chatnet.stores.shelf import Shelf

_DELETED = encode_event(Deleted("", 0)).partition(",")[0] + ","  # how all of them begin


@runtime_checkable
class _Worn(Protocol):
    """A store that knows which parts of it cannot be read."""

    def damage(self, room: str) -> Sequence[str]:
        """Return a sentence on each part of the log of ``room`` that cannot be read."""


def verify_store(
    store: IStore,
    accounts: IAccountStore,
    survey: Survey,
    progress: Progress,
    shelf: Shelf | None = None,
) -> Counts:
    """Tell ``survey`` what is wrong with what is kept; return how much that is.

    A server may be writing meanwhile: what comes then may be looked at or not.

    Raises:
        OSError: it cannot be read.
        Unable: it changes too fast.
    """
    counts = Counts()
    for origin, done in store.answers():  # first: all that they point at is there by now
        survey.answer(Answer(origin, done))
        counts.answers += 1
    for room in logs_of(store, survey.fault):
        checked = steadily(room, partial(_check_log, store, survey, progress, room))
        survey.log(checked)
        counts.add(checked.log, checked.entries)
    for account, _ in accounts.accounts():
        counts.accounts += 1
        if known_name(account.name).key != account.key:
            survey.fault(f"the account {account.name} is kept under {account.key}")
    if shelf is not None:
        counts.files = check_files(shelf, survey, progress)
    survey.finish(partial(_still_parked, store))
    return counts


def _still_parked(store: IStore, room: str, seq: int) -> bool:
    """Return whether the message at ``seq`` of ``room`` is kept in pieces: not deleted since."""
    entries = store.read(room, seq - 1, seq, 1)
    return bool(entries) and isinstance(body_of(entries[0].event), Parked)


def _check_log(store: IStore, survey: Survey, progress: Progress, room: str) -> Checked:
    log = log_of(store, room, survey.fault)
    records = _stepping(records_of(store, log), log, progress)
    checked = check(log, records, survey.kept.get(room))
    if isinstance(store, _Worn):
        for sentence in store.damage(room):
            checked.fault(f"{log.label}: {sentence}")
    return checked


def _stepping(records: Iterator[Record], log: Log, progress: Progress) -> Iterator[Record]:
    for record in records:
        progress.step(log.label)
        yield record


@dataclass(slots=True)
class Findings:
    """What one has to know of a backup before it is put back.

    ``void`` are the numbers of the sections that count for nothing; ``heads`` where logs end, by
    their keys; ``deleted`` the places whose bodies a later entry deletes: the backup may have read
    them before that. ``spoilt`` are the ids of files that are not what was sent.
    """

    faulty: bool = False  # something is wrong with it
    void: set[int] = field(default_factory=set)
    heads: dict[str, int] = field(default_factory=dict)
    deleted: dict[str, set[int]] = field(default_factory=dict)
    spoilt: set[str] = field(default_factory=set)


def verify_file(reader: Reader, survey: Survey, progress: Progress) -> Findings:
    """Tell ``survey`` what is wrong with a backup; return what there is to know of it.

    ``reader`` tells ``survey`` what it finds as well.
    """
    findings = Findings()
    told: list[str] = []  # of one file
    for section in reader.sections():
        match section.heading:
            case Answers():
                for answer in section.items:
                    survey.answer(cast(Answer, answer))
            case Accounts():
                pass
            case Bytes(sheet):
                pieces = cast(Iterator[Piece], section.items)
                file = checked(sheet, (piece.data for piece in pieces), Survey(told.append))
                for _ in file:
                    progress.step(label_of(sheet))
                if section.void:
                    findings.void.add(section.number)
                    told.clear()
                for sentence in told:
                    survey.fault(sentence)
                    findings.spoilt.add(sheet.id)
                told.clear()
            case Log() as log:
                deleted: set[int] = set()
                records = _noting(cast(Iterator[Record], section.items), deleted)
                kept = survey.kept.get(log.room)
                looked = check(log, _stepping(records, log, progress), kept)
                if section.void:
                    findings.void.add(section.number)
                else:
                    findings.deleted[log.room] = deleted
                    findings.heads[log.room] = looked.head.seq
                    survey.log(looked)
            case _:
                assert_never(section.heading)
    if not reader.faulty:  # else what is pointed at may be what was lost
        survey.finish()
    findings.faulty = survey.faults > 0
    return findings


def _noting(records: Iterator[Record], deleted: set[int]) -> Iterator[Record]:
    """Yield ``records``; add to ``deleted`` the places that they delete."""
    for record in records:
        if record.text.startswith(_DELETED):
            try:
                event = decode_event(record.text)
            except (ValueError, KeyError, TypeError):  # which is a fault, and named elsewhere
                event = None
            if isinstance(event, Deleted):
                deleted.add(event.message)
        yield record
