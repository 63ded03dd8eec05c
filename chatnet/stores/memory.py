"""A store that forgets everything when the process ends."""

from __future__ import annotations

from bisect import bisect_left
from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import groupby, islice

from zope.interface import implementer

from chatnet.core.chain import Anchor, Record, bind, digest_of, erased, follow, link_of
from chatnet.core.codec import decode_state, encode_event, encode_state
from chatnet.core.events import MESSAGES, Entry, Event
from chatnet.core.names import Name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.core.search import Search, finds
from chatnet.core.series import Series, in_series
from chatnet.interfaces import REMEMBERED, Account, Batch, IAccountStore, IStore


class _Log:
    """What is kept of one room: its entries, in order, behind its anchor.

    They are bound to each other when somebody asks for their records, or some are let go.
    """

    def __init__(self, room: str, anchor: Anchor) -> None:
        self.room = room
        self.anchor = anchor
        self.events: list[Event] = []  # of each entry, and when it was
        self.times: list[float] = []
        self._records: list[Record] = []  # of the first of them
        self._digests: dict[int, bytes] = {}  # of what was erased before it was bound, by seq

    @property
    def head(self) -> int:
        return self.anchor.seq + len(self.events)

    def add(self, run: Series) -> None:
        """Add ``run``, which goes on where the log ends."""
        self.events += run.events
        self.times += run.times

    @property
    def records(self) -> list[Record]:
        self._bind(len(self.events))
        return self._records

    def _bind(self, count: int) -> None:
        """Bind the first ``count`` entries."""
        link = self._records[-1].link if self._records else self.anchor.link
        new = self._at(slice(len(self._records), count))
        for emptied, some in groupby(new, lambda entry: entry.seq in self._digests):
            if not emptied:
                links = {self.room: link}
                self._records += bind(in_series(some), links)
                link = links[self.room]
                continue
            for entry in some:
                digest = self._digests.pop(entry.seq)
                link = link_of(link, entry.room, entry.seq, entry.at, digest)
                text = encode_event(entry.event)
                self._records.append(Record(entry.room, entry.seq, entry.at, text, digest, link))

    def between(self, after: int, upto: int, limit: int | None = None) -> Series:
        """Return the entries with ``after < seq <= upto``, up to ``limit`` of them."""
        return self._at(self.places(after, upto))[:limit]

    def places(self, after: int, upto: int) -> slice:
        """Return where the entries with ``after < seq <= upto`` stand."""
        first = self.anchor.seq
        return slice(max(0, after - first), max(0, upto - first))

    def _at(self, places: slice) -> Series:
        first = self.anchor.seq + 1 + places.start
        return Series(self.room, first, self.times[places], self.events[places])

    def adopt(self, record: Record) -> None:
        records = self.records
        follow(self.head, self.room, [record.seq])
        records.append(record)
        self.add(Series(self.room, record.seq, [record.at], [record.entry.event]))

    def erase(self, seq: int) -> None:
        """Drop the body of the message at ``seq``."""
        place = seq - self.anchor.seq - 1
        if not 0 <= place < len(self.events):
            return
        event = self.events[place]
        self.events[place] = left = erased(event)
        if place < len(self._records):
            self._records[place] = replace(self._records[place], text=encode_event(left))
        elif left != event:
            self._digests[seq] = digest_of(encode_event(event))

    def drop(self, count: int) -> None:
        """Let the first ``count`` entries go."""
        if count > 0:
            self._bind(count)
            last = self._records[:count][-1]
            self.anchor = Anchor(last.seq, last.link)
            del self._records[:count], self.events[:count], self.times[:count]


@implementer(IStore, IAccountStore)
class MemoryStore:
    """Lists of entries by room, answers by origin, accounts by claim."""

    def __init__(self) -> None:
        self._logs: dict[str, _Log] = {}
        self._answers: dict[str, deque[Done]] = {}
        self._states: dict[str, tuple[int, str]] = {}
        self._accounts: dict[str, Account] = {}
        self._made: dict[str, float] = {}  # when, by the account's key

    def write(self, batch: Batch) -> None:
        heads: dict[str, int] = {}
        for run in batch.runs:
            follow(heads.get(run.room, self._log(run.room).head), run.room, run.places)
            heads[run.room] = run.last
        for run in batch.runs:
            self._logs.setdefault(run.room, self._log(run.room)).add(run)
        for entry, deletion in batch.deletions:
            self._logs[entry.room].erase(deletion.message)
        for origin, done in batch.answers:
            self._answers.setdefault(origin, deque(maxlen=REMEMBERED)).append(done)
        for room, (seq, state) in batch.states.items():
            self._states[room] = (seq, encode_state(state))
        for room in batch.discards:
            self._logs.pop(room, None)
            self._states.pop(room, None)

    def index(self, limit: int) -> bool:
        return False

    def load(self, room: str) -> tuple[int, RoomState]:
        if room not in self._states:
            return 0, RoomState()
        seq, text = self._states[room]
        return seq, decode_state(text)

    def read(self, room: str, after: int, upto: int, limit: int) -> Sequence[Entry]:
        return self._log(room).between(after, upto, limit)

    def back(self, room: str, upto: int, count: int) -> int:
        entries = self._log(room).between(0, upto)
        said = [entry.seq for entry in entries if isinstance(entry.event, MESSAGES)]
        return said[-count:][0] - 1 if said else upto

    def rooms(self, limit: int) -> Mapping[str, RoomState]:
        rooms = (room for room in reversed(self._states) if room[0] not in "@*")
        return {room: decode_state(self._states[room][1]) for room in islice(rooms, limit)}

    def floor(self, room: str) -> int:
        return self.anchor(room).seq

    def forget(self, room: str, upto: int, limit: int) -> int:
        log = self._logs.get(room)
        if log is not None:
            covered, _ = self._states.get(room, (0, ""))
            log.drop(min(upto, covered, log.anchor.seq + limit, log.head) - log.anchor.seq)
        return self.floor(room)

    def seq_at(self, room: str, at: float) -> int:
        log = self._log(room)
        return log.anchor.seq + bisect_left(log.times, at)

    def search(self, rooms: Sequence[str], search: Search, limit: int) -> Sequence[Entry]:
        logs = [self._logs[room] for room in rooms if room in self._logs]
        entries = (entry for log in logs for entry in log.between(0, log.head))
        found = [entry for entry in entries if finds(search, entry)]
        found.sort(key=lambda entry: (entry.at, entry.room, entry.seq), reverse=True)
        return found[:limit]

    def strays(self) -> Sequence[str]:
        return []  # nothing outlives a server here

    def recall(self, origin: str, limit: int) -> Sequence[Done]:
        return list(self._answers.get(origin, ()))[-limit:]

    def close(self) -> None:
        pass

    def _log(self, room: str) -> _Log:
        """Return what is kept of ``room``, or an empty log that is not kept."""
        return self._logs.get(room) or _Log(room, Anchor())

    # -- backups -------------------------------------------------------------------

    def logs(self, prefix: str = "") -> Sequence[str]:
        return sorted(room for room in self._logs if room.startswith(prefix))

    def anchor(self, room: str) -> Anchor:
        return self._log(room).anchor

    def records(self, room: str, after: int, limit: int) -> Sequence[Record]:
        log = self._log(room)
        return log.records[log.places(after, log.head)][:limit]

    def adopt(self, room: str, anchor: Anchor, records: Sequence[Record]) -> None:
        log = self._logs.setdefault(room, _Log(room, anchor))
        for record in records:
            log.adopt(record)

    def states(self) -> Iterable[tuple[str, int, RoomState]]:
        for room, (seq, text) in list(self._states.items()):
            yield room, seq, decode_state(text)

    def answers(self) -> Iterable[tuple[str, Done]]:
        for origin, answers in self._answers.items():
            for done in answers:
                yield origin, done

    # -- accounts ------------------------------------------------------------------

    def holders(self, claims: Iterable[str]) -> Mapping[str, Account]:
        return {claim: self._accounts[claim] for claim in claims if claim in self._accounts}

    def add(self, name: Name, verifier: str, at: float) -> bool:
        if self.holders(name.claims):
            return False
        account = Account(name.text, name.key, verifier, at)
        self._accounts |= dict.fromkeys(name.claims, account)
        self._made[name.key] = at
        return True

    def change(self, key: str, verifier: str) -> None:
        account = self._accounts[key]
        for claim, held in list(self._accounts.items()):
            if held is account:
                self._accounts[claim] = replace(account, verifier=verifier)

    def remove(self, key: str) -> None:
        claims = [claim for claim, account in self._accounts.items() if account.key == key]
        for claim in claims:
            del self._accounts[claim]
        self._made.pop(key, None)

    def accounts(self) -> Iterable[tuple[Account, float]]:
        for key, at in list(self._made.items()):
            yield self._accounts[key], at
