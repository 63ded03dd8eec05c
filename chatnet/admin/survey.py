"""Whether logs are whole, and whether all that points into them points at something."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256

from chatnet.admin.archive import Answer, Log
from chatnet.admin.telling import Tell
from chatnet.core.chain import Anchor, Record, faults
from chatnet.core.codec import decode_event
from chatnet.core.events import body_of
from chatnet.core.large import Parked
from chatnet.core.names import GUEST_LOG, PIECES

_PARKED = ',{"key":"@='  # in a record whose body is kept in pieces, and in no other
MOST_NAMED = 100  # faults of one log; of more only the number is told

Heads = Mapping[str, Anchor]  # the place and the link of the last entry, by the key of the log


@dataclass(slots=True)
class Checked:
    """What was found in one log. ``head`` is the place and the link of its last entry."""

    log: Log
    head: Anchor
    entries: int = 0
    faults: list[str] = field(default_factory=list)
    unnamed: int = 0  # faults beyond those
    parked: dict[str, tuple[int, Parked]] = field(default_factory=dict)  # by the pieces' log
    digest: str = ""  # of what it says, if it is such a log

    def fault(self, sentence: str) -> None:
        """Note a fault."""
        if len(self.faults) < MOST_NAMED:
            self.faults.append(sentence)
        else:
            self.unnamed += 1


def check(log: Log, records: Iterable[Record], kept: Anchor | None = None) -> Checked:
    """Return what is wrong with ``log``, of which ``records`` is all.

    ``kept`` is the place and the link of what was once its last entry.
    """
    checked = Checked(log, log.anchor)
    said = sha256() if log.room.startswith(PIECES) else None
    seen = log.anchor.link if kept and kept.seq == log.anchor.seq else None

    def watched() -> Iterator[Record]:
        nonlocal seen
        for record in records:
            checked.head = Anchor(record.seq, record.link)
            checked.entries += 1
            if kept is not None and record.seq == kept.seq:
                seen = record.link
            if said is not None:
                said.update(_body(record).encode())
            elif _PARKED in record.text and isinstance(body := _body(record), Parked):
                checked.parked[body.key] = (record.seq, body)
            yield record

    for sentence in faults(log.room, log.anchor, watched()):
        checked.fault(log.label + sentence.removeprefix(log.room))
    checked.digest = said.hexdigest() if said else ""
    _check_state(checked)
    if kept is not None:
        _compare(checked, kept, seen)
    return checked


def _body(record: Record) -> str:
    try:
        return body_of(decode_event(record.text))
    except (ValueError, KeyError, TypeError):  # which is a fault, and named elsewhere
        return ""


def _check_state(checked: Checked) -> None:
    log, head = checked.log, checked.head.seq
    if log.state is not None and log.state[0] > head:
        checked.fault(
            f"{log.label}: its state is that of entry {log.state[0]}, and the log ends at {head}"
        )
    covered = log.state[0] if log.state else 0
    if covered < log.anchor.seq:
        checked.fault(
            f"{log.label}: the log begins behind entry {log.anchor.seq}, and its state is that of"
            f" entry {covered}"
        )


def _compare(checked: Checked, kept: Anchor, seen: bytes | None) -> None:
    label = checked.log.label
    if checked.head.seq < kept.seq:
        checked.fault(f"{label}: it ended at entry {kept.seq}, and now at {checked.head.seq}")
    elif seen is not None and seen != kept.link:
        checked.fault(f"{label}: all up to entry {kept.seq}, or some of it, is not what it was")


class Survey:
    """Adds up what is found in logs, and in what points at them."""

    def __init__(self, tell: Tell, kept: Heads | None = None) -> None:
        """Tell each fault to ``tell``; compare with the heads that were ``kept``."""
        self._tell = tell
        self.kept = kept or {}
        self.heads: dict[str, Anchor] = {}
        self._labels: dict[str, str] = {}
        self._answers: dict[str, Answer] = {}  # that points furthest, by log
        self._parked: dict[str, tuple[str, int, Parked]] = {}  # where it is, by the pieces' log
        self._digests: dict[str, str] = {}  # of what such logs say
        self.faults = 0

    def fault(self, sentence: str) -> None:
        """Tell a fault."""
        self.faults += 1
        self._tell(sentence)

    def answer(self, answer: Answer) -> None:
        """Take note of where ``answer`` points."""
        furthest = self._answers.get(answer.done.room)
        if furthest is None or answer.done.seq > furthest.done.seq:
            self._answers[answer.done.room] = answer

    def log(self, checked: Checked) -> None:
        """Add a log, and tell its faults."""
        room = checked.log.room
        for sentence in checked.faults:
            self.fault(sentence)
        if checked.unnamed:
            self.fault(f"{checked.log.label}: and so on, {checked.unnamed:,} more")
            self.faults += checked.unnamed - 1
        if room in self.heads:
            self.fault(f"{checked.log.label}: there are two logs of it")
        self.heads[room] = checked.head
        for key, (seq, body) in checked.parked.items():
            self._parked[key] = (room, seq, body)
        if checked.digest:
            self._digests[room] = checked.digest
        self._labels[room] = checked.log.label
        kept = self.kept.get(room)
        if kept is not None and kept.seq < checked.log.anchor.seq:
            self._tell(
                f"{checked.log.label}: entry {kept.seq}, to compare with, was let go because it is"
                " old"
            )

    def incomplete(self) -> Iterator[tuple[str, int]]:
        """Yield where messages stand that are not what their pieces say."""
        for key, (room, seq, body) in self._parked.items():
            head = self.heads.get(key, Anchor()).seq
            if head != body.pieces or self._digests.get(key) != body.digest:
                yield room, seq

    def finish(self, now: Callable[[str, int], bool] = lambda _room, _seq: True) -> None:
        """Tell what is missing, now that all was seen.

        ``now`` returns whether the message at a place of a room is still kept in pieces.
        """
        for room, seq in self.incomplete():
            if now(room, seq):
                label = self._labels.get(room, room)
                self.fault(f"{label}: the pieces of entry {seq} are not what was said")
        for room in sorted(self.kept.keys() - self.heads.keys()):
            self.fault(f"{room}: it ended at entry {self.kept[room].seq}, and is not there")
        for room, answer in self._answers.items():
            # What was whispered to guests goes with them; that it was answered is remembered.
            head = self.heads.get(room, Anchor()).seq
            if answer.done.seq > head and not (room.startswith(GUEST_LOG) and not head):
                self.fault(beyond(answer, self._labels.get(room, room), head))


def beyond(answer: Answer, label: str, head: int) -> str:
    """Say that ``answer`` points behind the end of its log."""
    return (
        f"{label}: {answer.done.cid} of {answer.origin} was answered by entry {answer.done.seq},"
        f" and the log ends at {head}"
    )
