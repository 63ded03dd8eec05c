"""The chain: each entry of a log is bound to the one before it.

So an entry that is lost, changed or moved is found, and named. What an entry says is bound by its
digest, which stays when the body of a message is erased.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256

from chatnet.core.codec import decode_event, encode_event
from chatnet.core.events import Deleted, Entry, Erased, erased as erased
from chatnet.core.series import Series
from chatnet.core.values import value

START = bytes(32)  # what the first entry of a log is bound to


@value
class Record:
    """An entry as it is kept.

    ``text`` is its event as the codec writes it, ``digest`` the SHA-256 of the text that was first
    kept in this place, ``link`` what binds it to all that came before, see ``link_of``.
    """

    room: str
    seq: int
    at: float
    text: str
    digest: bytes
    link: bytes

    @property
    def entry(self) -> Entry:
        """The entry that is kept."""
        return Entry(self.room, self.seq, self.at, decode_event(self.text))


@dataclass(frozen=True, slots=True)
class Anchor:
    """Behind which place a log begins, and what its first entry is bound to.

    ``seq`` is 0 until entries are let go because they are old.
    """

    seq: int = 0
    link: bytes = START


def digest_of(text: str) -> bytes:
    """Return the SHA-256 of ``text`` in UTF-8."""
    return sha256(text.encode()).digest()


def link_of(before: bytes, room: str, seq: int, at: float, digest: bytes) -> bytes:
    """Return the link of the entry at ``seq``, which follows one whose link is ``before``."""
    return sha256(b"%b%b%d%b" % (before, digest, seq, _tail(room, at))).digest()


def bind(runs: Iterable[Series], links: dict[str, bytes]) -> list[Record]:
    """Return the entries of ``runs`` as they are to be kept.

    ``links`` has the link of the last entry of each of their rooms, and is brought up to date.
    """
    records = []
    for run in runs:
        room, tail = run.room, b""
        link, at = links[room], math.nan
        for seq, then, event in zip(run.places, run.times, run.events, strict=True):
            if then != at:  # what is committed together has one time
                at, tail = then, _tail(room, then)
            text = encode_event(event)
            digest = sha256(text.encode()).digest()
            link = sha256(b"%b%b%d%b" % (link, digest, seq, tail)).digest()
            records.append(Record(room, seq, at, text, digest, link))
        links[room] = link
    return records


def follow(before: int, room: str, places: Sequence[int]) -> None:
    """See that ``places`` in the log of ``room`` go on behind the one ``before``, without a gap.

    Raises:
        ValueError: they do not.
    """
    right = range(before + 1, before + 1 + len(places))
    if places != right and list(places) != list(right):
        wrong = next(one for one, other in zip(places, right, strict=True) if one != other)
        raise ValueError(f"place {wrong} of {room} is not the next")


def _tail(room: str, at: float) -> bytes:
    """Return what is bound of all the entries of ``room`` that were kept ``at`` one time."""
    return b" %b %b" % (repr(at).encode(), room.encode())


def faults(room: str, anchor: Anchor, records: Iterable[Record]) -> Iterator[str]:
    """Yield a sentence for each entry of ``room`` that is lost, changed or not in its place.

    ``records`` are all that is kept of it, in order, and begin behind ``anchor``.
    """
    seq, link = anchor.seq, anchor.link
    emptied: dict[int, None] = {}
    for record in records:
        if record.room != room:
            yield f"{room}: an entry of {record.room} stands behind entry {seq}"
            continue
        if record.seq <= seq:
            yield f"{room}: entry {record.seq} stands behind entry {seq}"
            continue
        if record.seq > seq + 1:
            lost = f"entry {seq + 1} is" if record.seq == seq + 2 else _several(seq, record.seq)
            yield f"{room}: {lost} lost"
        elif record.link != link_of(link, room, record.seq, record.at, record.digest):
            yield f"{room}: entry {record.seq} does not follow the one before it"
        fault = _misread(record, emptied)
        if fault:
            yield f"{room}: entry {record.seq} {fault}"
        seq, link = record.seq, record.link
    for place in emptied:
        yield f"{room}: entry {place} was emptied, and nobody deleted it"


def _several(before: int, behind: int) -> str:
    return f"entries {before + 1} to {behind - 1} are"


def _misread(record: Record, emptied: dict[int, None]) -> str:
    """Return what is wrong with the text of ``record``; keep in ``emptied`` what was erased."""
    try:
        event = decode_event(record.text)
    except (ValueError, KeyError, TypeError):
        return "cannot be read"
    if isinstance(event, Erased):
        emptied[record.seq] = None
    elif digest_of(record.text) != record.digest:
        return "was changed"
    elif isinstance(event, Deleted):
        emptied.pop(event.message, None)
    return ""
