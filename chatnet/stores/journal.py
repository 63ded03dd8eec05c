"""The journal: one order for everything, and one commit for everything that waits together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import chain, islice
from typing import TypeVar

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IDelayedCall, IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet.core.events import Entry, Event, Said, body_of
from chatnet.core.large import Parked
from chatnet.core.log import Log
from chatnet.core.names import PIECES
from chatnet.core.refusals import Unavailable
from chatnet.core.replies import Done
from chatnet.core.room import Room, RoomState, retention
from chatnet.core.search import Search
from chatnet.core.series import Series, in_series, joined
from chatnet.core.tally import Tally
from chatnet.interfaces import REMEMBERED, Batch, IJournal, IStore, Runs
from chatnet.stores.gathering import Gathering
from chatnet.stores.pieces import PAGE, commit, forget, page, with_body

PIECE = 512 * 1024  # characters of a large message that are written at once
MANY = 50  # logs whose age is looked at together
IDLE_SECONDS = 1.0  # between two looks whether there is a moment for what can wait
INDEXED = 256  # entries that this is done for at a time
ENOUGH_BYTES = 1024 * 1024  # that they weigh, about; so many, or so much, need not wait for more
LOOKS = 30  # for which fewer wait to be done together: each time is one more commit
MOST_WAITING = 10_000  # entries, behind which it is done beside the commits as well
RETRY_SECONDS = 1.0  # until a store that cannot be read is asked again
_NONE = Series("", 1, (), ())  # entries of who only waits for what was asked before

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Append:
    """Events that wait for their places."""

    room: str
    events: Sequence[Event]
    origin: str
    cid: str | None
    done: Deferred[Series] = field(default_factory=Deferred)
    entries: Series = field(default_factory=lambda: _NONE)


@implementer(IJournal)
class Journal:
    """Lends a blocking store its threads.

    One batch is being written at a time, and what is appended meanwhile is the next one. So all
    that was decided in the light of a batch stands behind it, and falls with it if it fails.
    """

    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        writer: Runs,
        store: IStore,
        reader: Runs | None = None,
        reads: IStore | None = None,
        gather: float = 0.0,
    ) -> None:
        """Let ``gather`` seconds lie between two commits where that pays; see ``Gathering``."""
        self.commits = Tally()
        self.failures = 0
        self._clock = clock
        self._writer, self._store = writer, store
        self._reader, self._reads = reader or writer, reads or store
        self._heads: dict[str, int] = {}  # seq of the newest durable entry, by open room
        self._doubtful: dict[str, Series] = {}  # by room, what a commit may have kept: all
        # of it or nothing, and nothing else is written before that is known
        self._writing: list[_Append] = []  # the batch in the writer's hands
        self._waiting: list[_Append] = []  # the next one
        self._pieces: list[_Append] = []  # to be kept with the next batch, and shown to nobody
        self._states: dict[str, tuple[int, RoomState]] = {}  # to be kept with the next batch
        self._discards: set[str] = set()  # to be forgotten with it, until that has happened
        self._discarded = 0  # times that something was to be forgotten
        self._busy = False  # a batch is being written, or is about to be
        self._gathering = Gathering(clock, gather, self._begin)
        self._stopped = False
        self._unindexed = 0  # entries, about
        self._unindexed_bytes = 0  # that they weigh, about
        self._looks = 0  # at them, since they are so few that they wait for others
        self._indexing: IDelayedCall | None = None
        self._flying = False  # the batch in the writer's hands still is, or is being answered

    def subscribe(
        self,
        deliver: Callable[[Series], None],
        rewind: Callable[[Iterable[str]], None],
    ) -> None:
        self._deliver, self._rewind = deliver, rewind

    def append(
        self, room: str, events: Sequence[Event], origin: str, cid: str | None = None
    ) -> Deferred[Series]:
        assert room in self._heads, f"{room} is not open"
        append = _Append(room, events, origin, cid)
        self._waiting.append(append)
        if self._busy:
            self._gathering.grew(self._waiting)
        else:
            self._wake()
        return append.done

    def park(self, key: str, text: str) -> Deferred[str]:
        return Deferred.fromCoroutine(self._park(key, text))

    async def _park(self, key: str, text: str) -> str:
        starts, digest = range(0, len(text), PIECE), sha256()
        for seq, start in enumerate(starts, 1):
            events = [Said("", text[start : start + PIECE])]
            digest.update(events[0].body.encode())
            piece = _Append(key, events, "", None)
            piece.entries = Series(key, seq, [self._clock.seconds()], events)
            self._pieces.append(piece)
            self._wake()
            try:
                await piece.done
            except Unavailable:
                self.discard(key)
                raise
        return Parked(text, key, len(starts), digest.hexdigest())

    def settle(self) -> Deferred[None]:
        if not self._busy:
            return succeed(None)
        append = _Append("", (), "", None)
        (self._writing if self._flying and not self._waiting else self._waiting).append(append)
        return append.done.addCallback(lambda _: None)

    def keep(self, room: str, seq: int, state: RoomState) -> None:
        self._states[room] = (seq, state.copy())
        self._wake()

    def discard(self, room: str) -> None:
        self._states.pop(room, None)
        self._discards.add(room)
        self._discarded += 1
        self._wake()

    def open(self, room: str) -> Deferred[Room]:
        return self._find(room, self._opened)

    def state(self, room: str) -> Deferred[RoomState]:
        return self._find(room, lambda room: room.state)

    def open_now(self, room: str) -> Room:
        """Bring ``room`` into memory on this thread, before the reactor runs."""
        return self._opened(self._open(room))

    def close(self, room: str) -> bool:
        on_their_way = [*self._writing, *self._waiting] if self._busy else []
        if room in self._doubtful or any(append.room == room for append in on_their_way):
            return False
        del self._heads[room]
        return True

    def read(self, room: str, after: int, upto: int) -> Deferred[Sequence[Entry]]:
        return self._reader.run(page, self._reads, room, after, upto)

    def back(self, room: str, upto: int, count: int) -> Deferred[int]:
        return self._reader.run(self._reads.back, room, upto, count)

    def seq_at(self, room: str, at: float) -> Deferred[int]:
        return self._reader.run(self._reads.seq_at, room, at)

    def search(self, rooms: Sequence[str], search: Search, limit: int) -> Deferred[Sequence[Entry]]:
        return self._reader.run(self._reads.search, rooms, search, limit)

    def logs(self) -> Deferred[Sequence[str]]:
        return self._reader.run(self._reads.logs)

    async def aged(self, seconds: float, now: float) -> AsyncIterator[str]:
        states = iter(self._reads.states())
        while some := await self._reader.run(lambda: list(islice(states, MANY))):
            for room in await self._reader.run(self._aged, some, seconds, now):
                yield room

    def forget(self, room: str, upto: int) -> Deferred[int]:
        return self._writer.run(forget, self._store, room, upto)

    def rooms(self, limit: int) -> Deferred[Mapping[str, RoomState]]:
        return self._reader.run(self._reads.rooms, limit)

    def answers(self, origin: str) -> Deferred[Mapping[str, Done]]:
        recalled = self._reader.run(self._reads.recall, origin, REMEMBERED)
        return recalled.addCallback(lambda answers: {done.cid: done for done in answers})

    def _aged(
        self, states: Iterable[tuple[str, int, RoomState]], seconds: float, now: float
    ) -> Sequence[str]:
        found = []
        for room, _, state in states:
            kept = retention(seconds, state.retention)
            if room.startswith(PIECES):  # which go with the message that they are
                continue
            if kept and self._reads.seq_at(room, now - kept) > self._reads.floor(room):
                found.append(room)
        return found

    def _open(self, name: str) -> Room:
        seq, state = self._reads.load(name)
        room = Room(name, Log(name, head=seq, floor=self._reads.floor(name)), state)
        while entries := page(self._reads, name, room.log.head, room.log.head + PAGE):
            for run in in_series(entries):
                room.apply(run)
            room.log.forget()
        room.rewind()
        return room

    def _find(self, name: str, then: Callable[[Room], T]) -> Deferred[T]:
        """Return what ``then`` makes of the room ``name``, but of nothing that is forgotten."""
        if name in self._discards:
            self._wake()  # it may wait for a store that failed
            return self.settle().addCallback(lambda _: self._find(name, then))
        return self._reader.run(self._open, name).addCallback(self._found, then, self._discarded)

    def _found(self, room: Room, then: Callable[[Room], T], discarded: int) -> T | Deferred[T]:
        return then(room) if self._discarded == discarded else self._find(room.key, then)

    def _opened(self, room: Room) -> Room:
        self._heads[room.key] = room.log.head
        return room

    def _wake(self) -> None:
        if not self._busy:
            self._busy = True
            if not self._gathering.wait(self._waiting):
                self._clock.callLater(0, self._begin)  # with all else that comes in this turn

    def _begin(self) -> None:
        done = Deferred.fromCoroutine(self._write_all())
        done.addErrback(lambda failure: self._log.failure("the journal broke", failure))

    async def _write_all(self) -> None:
        while self._waiting or self._states or self._discards or self._pieces or self._doubtful:
            batch = self._writing = self._waiting
            self._waiting, self._flying = [], True
            going = await self._commit(batch)
            self._flying, self._writing = False, []
            if not going and not self._waiting:
                self._clock.callLater(RETRY_SECONDS, self._wake)  # for what is still to be done
                break
            if going and self._waiting and self._gathering.wait(self._waiting):
                return
        self._busy = False

    async def _commit(self, batch: list[_Append]) -> bool:
        """Write ``batch`` and answer, or take it back; return whether to go on at once."""
        runs: dict[str, Series] = {}
        pieces, self._pieces = self._pieces, []
        try:
            if self._doubtful:
                found, late = self._doubtful, await self._is_kept(self._doubtful)
                self._doubtful = {}
                if late:
                    self._fall(batch, pieces, found)  # it was decided before that was known
                    return True
            runs = self._number(batch)
            await self._write(batch, runs, pieces)
            self._index_later()
        except Exception as error:
            self.failures += 1
            self._complain("could not commit {count} appends: {error}", error, len(batch))
            if not await self._turned_out(runs):
                self._fall(batch, pieces)
                return False
        for run in runs.values():
            self._show(run)
        for append in chain(pieces, batch):
            append.done.callback(append.entries)
        return True

    def catch_up(self) -> None:
        """Do what the store put off before it was opened, in moments without commits."""
        self._looks = LOOKS  # nobody knows how much it is
        self._index_later()

    def stop(self) -> None:
        """Put off what can wait until the store is opened again."""
        self._stopped = True
        if self._indexing is not None and self._indexing.active():
            self._indexing.cancel()

    def _index_later(self) -> None:
        if self._indexing is None and not self._stopped:
            self._indexing = self._clock.callLater(IDLE_SECONDS, self._index)

    def _index(self) -> None:
        """Have the store do a portion of what it put off, unless there is something to commit."""
        self._indexing = None
        few = self._unindexed < INDEXED and self._unindexed_bytes < ENOUGH_BYTES
        if few and self._looks < LOOKS:
            self._looks += 1
            self._index_later()
        elif self._busy and self._unindexed < MOST_WAITING:
            self._index_later()
        else:
            done = self._writer.run(self._store.index, INDEXED)
            done.addCallbacks(self._indexed, self._not_indexed)

    def _indexed(self, more: bool) -> None:
        if more:  # once begun, all of it is done
            self._unindexed, self._looks = max(0, self._unindexed - INDEXED), LOOKS
        else:
            self._unindexed = self._unindexed_bytes = self._looks = 0
        if more and self._indexing is None and not self._stopped:
            self._indexing = self._clock.callLater(0, self._index)

    def _not_indexed(self, failure: Failure) -> None:
        if failure.check(OSError):  # foreseen: a full disk, a lost database
            self._log.error("could not index: {error}", error=str(failure.value))
        else:
            self._log.failure("could not index", failure)
        self._index_later()

    def _complain(self, what: str, error: Exception, count: int = 0) -> None:
        if isinstance(error, OSError):  # foreseen: a full disk, a lost database
            self._log.error(what, count=count, error=str(error))
        else:
            self._log.failure(what, count=count, error=str(error))

    def _number(self, batch: Iterable[_Append]) -> dict[str, Series]:
        """Give every event of ``batch`` its place; return the new entries by room."""
        now = self._clock.seconds()
        runs: dict[str, list[Series]] = {}
        for append in batch:
            room, events = append.room, append.events
            if events:
                run = runs.setdefault(room, [])
                before = run[-1].last if run else self._heads[room]
                append.entries = Series(room, before + 1, [now] * len(events), events)
                run.append(append.entries)
        return {room: joined(run) for room, run in runs.items()}

    async def _write(
        self,
        batch: Sequence[_Append],
        runs: Mapping[str, Series],
        pieces: Sequence[_Append],
    ) -> None:
        answers = [
            (a.origin, Done(a.cid, a.room, a.entries.last if a.entries else self._heads[a.room]))
            for a in batch
            if a.cid is not None
        ]
        kept, self._states = self._states, {}
        states = dict(kept)
        discards = sorted(self._discards)
        stored = dict(runs)
        for room, run in runs.items():
            if run.first == 1 or not _are_plain(run):  # seldom
                events = [self._prepared(entry, states) for entry in run]
                stored[room] = Series(room, run.first, run.times, events)
        entries = [*stored.values(), *(piece.entries for piece in pieces)]
        for run in entries:
            self._unindexed += len(run)
            self._unindexed_bytes += run.weight
        if entries or answers or states or discards:
            try:
                whole = Batch(entries, answers, states, discards)
                began = self._gathering.begun = self._clock.seconds()
                await self._writer.run(commit, self._store, whole)
                self.commits.note(self._clock.seconds() - began)
            except Exception:
                self._states = kept | self._states
                raise
            self._discards.difference_update(discards)

    def _prepared(self, entry: Entry, states: dict[str, tuple[int, RoomState]]) -> Event:
        """Return what is stored of the event of ``entry``; add to ``states`` which come with it."""
        if entry.seq == 1 and entry.room not in states:
            states[entry.room] = (1, RoomState())  # so that it is known from its first entry on
            states[entry.room][1].evolve(entry.event)
        if isinstance(body := body_of(entry.event), Parked):
            states[body.key] = (body.pieces, RoomState(entry.room, seen=entry.seq))
            return with_body(entry, body.emptied()).event
        return entry.event

    def _show(self, run: Series) -> None:
        self._heads[run.room] = run.last
        try:
            self._deliver(run)
        except Exception:  # a bug in one room is no reason to keep the others waiting
            self._log.failure("cannot show {room}", room=run.room)

    def _take_back(self, rooms: Iterable[str]) -> None:
        try:
            self._rewind(rooms)
        except Exception:  # as above: those who wait are told, and the next batch is written
            self._log.failure("cannot take back what was decided in {rooms}", rooms=[*rooms])

    def _fall(
        self,
        batch: list[_Append],
        pieces: Sequence[_Append],
        found: Mapping[str, Series] | None = None,
    ) -> None:
        """Take ``batch`` back, and everything that was decided in its light; ``pieces`` as well.

        It was decided without regard to ``found``, which is shown before anyone is told.
        """
        found = found or {}
        fallen = self._writing = batch + self._waiting
        self._waiting = []
        self._take_back(dict.fromkeys(append.room for append in fallen if append.room))
        for run in found.values():
            self._show(run)
        self._take_back(found)
        for append in chain(pieces, fallen):
            append.done.errback(Unavailable("That could not be stored. Please try again."))

    async def _turned_out(self, runs: dict[str, Series]) -> bool:
        """Return whether ``runs``, whose commit failed, were kept; remember it if nobody knows."""
        if not runs:
            return False
        try:
            return await self._is_kept(runs)
        except Exception as error:
            self._complain("cannot say whether that happened, will ask again: {error}", error)
            self._doubtful = runs
            return False

    async def _is_kept(self, runs: Mapping[str, Series]) -> bool:
        """Return whether the store has ``runs``, which it was to keep in one transaction."""
        room, run = next(iter(runs.items()))
        found = await self._newest(room)
        if found and found[0] != run[0]:  # somebody else writes to this store
            for room in runs:
                while found := await self._newest(room):
                    for series in in_series(found):
                        self._show(series)
                self._take_back([room])
            return False
        return bool(found)

    def _newest(self, room: str) -> Deferred[Sequence[Entry]]:
        """Return a page of what the store has of ``room`` and nobody was shown."""
        head = self._heads[room]
        return self._writer.run(page, self._store, room, head, head + PAGE)


def _are_plain(run: Series) -> bool:
    """Return whether ``run`` is nothing but words that are stored as they are."""
    return run.kinds == {Said} and set(map(type, run.bodies)) == {str}
