"""The journal: one order for everything, and one commit for everything that waits together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice

from twisted.internet.defer import Deferred, succeed
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from zope.interface import implementer

from chatnet.core.events import Entry, Event
from chatnet.core.log import Log
from chatnet.core.refusals import Unavailable
from chatnet.core.replies import Done
from chatnet.core.room import Room, RoomState, retention
from chatnet.core.search import Search
from chatnet.interfaces import REMEMBERED, Batch, IJournal, IStore, Runs

PAGE = 256  # entries per read
FORGET = 1000  # entries that are let go of at once
MANY = 50  # logs whose age is looked at together
RETRY_SECONDS = 1.0  # until a store that cannot be read is asked again


@dataclass(slots=True, eq=False)
class _Append:
    """Events that wait for their places."""

    room: str
    events: Sequence[Event]
    origin: str
    cid: str | None
    done: Deferred[Sequence[Entry]] = field(default_factory=Deferred)
    entries: list[Entry] = field(default_factory=list)


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
    ) -> None:
        self._clock = clock
        self._writer, self._store = writer, store
        self._reader, self._reads = reader or writer, reads or store
        self._heads: dict[str, int] = {}  # seq of the newest durable entry, by open room
        self._doubts: set[str] = set()  # rooms whose last commit may or may not have happened
        self._writing: list[_Append] = []  # the batch in the writer's hands
        self._waiting: list[_Append] = []  # the next one
        self._states: dict[str, tuple[int, RoomState]] = {}  # to be kept with the next batch
        self._discards: set[str] = set()  # to be forgotten with it
        self._busy = False  # a batch is being written, or about to be at the end of this turn
        self._flying = False  # the batch in the writer's hands still is, or is being answered

    def subscribe(
        self,
        deliver: Callable[[Sequence[Entry]], None],
        rewind: Callable[[Iterable[str]], None],
    ) -> None:
        self._deliver, self._rewind = deliver, rewind

    def append(
        self, room: str, events: Sequence[Event], origin: str, cid: str | None = None
    ) -> Deferred[Sequence[Entry]]:
        assert room in self._heads, f"{room} is not open"
        append = _Append(room, events, origin, cid)
        self._waiting.append(append)
        self._wake()
        return append.done

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
        self._wake()

    def open(self, room: str) -> Deferred[Room]:
        return self._reader.run(self._open, room).addCallback(self._opened)

    def state(self, room: str) -> Deferred[RoomState]:
        return self._reader.run(self._open, room).addCallback(lambda room: room.state)

    def open_now(self, room: str) -> Room:
        """Bring ``room`` into memory on this thread, before the reactor runs."""
        return self._opened(self._open(room))

    def close(self, room: str) -> bool:
        on_their_way = [*self._writing, *self._waiting] if self._busy else []
        if room in self._doubts or any(append.room == room for append in on_their_way):
            return False
        del self._heads[room]
        return True

    def read(self, room: str, after: int, upto: int) -> Deferred[Sequence[Entry]]:
        return self._reader.run(self._reads.read, room, after, upto, PAGE)

    def back(self, room: str, upto: int, count: int) -> Deferred[int]:
        return self._reader.run(self._reads.back, room, upto, count)

    def seq_at(self, room: str, at: float) -> Deferred[int]:
        return self._reader.run(self._reads.seq_at, room, at)

    def search(self, rooms: Sequence[str], search: Search, limit: int) -> Deferred[Sequence[Entry]]:
        return self._reader.run(self._reads.search, rooms, search, limit)

    async def aged(self, seconds: float, now: float) -> AsyncIterator[str]:
        states = iter(self._reads.states())
        while some := await self._reader.run(lambda: list(islice(states, MANY))):
            for room in await self._reader.run(self._aged, some, seconds, now):
                yield room

    def forget(self, room: str, upto: int) -> Deferred[int]:
        return self._writer.run(self._store.forget, room, upto, FORGET)

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
            if kept and self._reads.seq_at(room, now - kept) > self._reads.floor(room):
                found.append(room)
        return found

    def _open(self, name: str) -> Room:
        seq, state = self._reads.load(name)
        room = Room(name, Log(head=seq, floor=self._reads.floor(name)), state)
        while entries := self._reads.read(name, room.log.head, room.log.head + PAGE, PAGE):
            room.apply(entries)
            room.log.forget()
        room.rewind()
        return room

    def _opened(self, room: Room) -> Room:
        self._heads[room.key] = room.log.head
        return room

    def _wake(self) -> None:
        if not self._busy:
            self._busy = True
            self._clock.callLater(0, self._begin)  # with all else that is appended in this turn

    def _begin(self) -> None:
        done = Deferred.fromCoroutine(self._write_all())
        done.addErrback(lambda failure: self._log.failure("the journal broke", failure))

    async def _write_all(self) -> None:
        while self._waiting or self._states or self._discards:
            batch = self._writing = self._waiting
            self._waiting, self._flying, failed = [], True, True
            try:
                if self._doubts and await self._look_again():
                    raise Unavailable("Decided before the outcome of an earlier commit was known.")
                runs = self._number(batch)
                await self._write(batch, runs.values())
            except (OSError, Unavailable) as error:  # foreseen: a full disk, a lost database
                self._log.error(
                    "could not commit {count} appends: {error}", count=len(batch), error=str(error)
                )
                await self._fall(batch)
            except Exception:
                self._log.failure("could not commit {count} appends", count=len(batch))
                await self._fall(batch)
            else:
                failed = False
                for room, run in runs.items():
                    self._show(room, run)
                for append in batch:
                    append.done.callback(append.entries)
            self._flying = False
            if failed and not self._waiting:
                self._clock.callLater(RETRY_SECONDS, self._wake)  # for what is still to be kept
                break
        self._busy = False

    def _number(self, batch: Iterable[_Append]) -> dict[str, list[Entry]]:
        """Give every event of ``batch`` its place; return the new entries by room."""
        now = self._clock.seconds()
        runs: dict[str, list[Entry]] = {}
        for append in batch:
            name = append.room
            if append.events:
                run = runs.setdefault(name, [])
                seq = self._heads[name] + len(run)
                append.entries = [
                    Entry(name, place, now, event)
                    for place, event in enumerate(append.events, seq + 1)
                ]
                run += append.entries
        return runs

    async def _write(self, batch: Sequence[_Append], runs: Iterable[Sequence[Entry]]) -> None:
        entries = [entry for run in runs for entry in run]
        answers = [
            (a.origin, Done(a.cid, a.room, a.entries[-1].seq if a.entries else self._heads[a.room]))
            for a in batch
            if a.cid is not None
        ]
        kept, self._states = self._states, {}
        states = dict(kept)
        discards, self._discards = sorted(self._discards), set()
        for entry in entries:
            if entry.seq == 1 and entry.room not in states:
                states[entry.room] = (1, RoomState())  # so that it is known from its first entry on
                states[entry.room][1].evolve(entry.event)
        if entries or answers or states or discards:
            try:
                await self._writer.run(self._store.write, Batch(entries, answers, states, discards))
            except Exception:
                self._states = kept | self._states
                self._discards |= set(discards)
                raise

    def _show(self, room: str, run: Sequence[Entry]) -> None:
        self._heads[room] = run[-1].seq
        try:
            self._deliver(run)
        except Exception:  # a bug in one room is no reason to keep the others waiting
            self._log.failure("cannot show {room}", room=room)

    async def _fall(self, batch: list[_Append]) -> None:
        """Take ``batch`` back, and everything that was decided in its light."""
        self._doubts |= {append.room for append in batch if append.entries}
        try:
            await self._look_again()
        except Exception as error:
            self._log.error(
                "cannot say whether the commit happened, will ask again: {error}", error=str(error)
            )
        last = next((run[-1] for run in (append.entries for append in batch) if run), None)
        kept = batch if last and last.seq <= self._heads[last.room] else []
        fallen = self._writing = self._waiting if kept else batch + self._waiting
        self._waiting = []
        self._rewind({append.room for append in fallen if append.events})
        for append in kept:
            append.done.callback(append.entries)
        for append in fallen:
            append.done.errback(Unavailable("That could not be stored. Please try again."))

    async def _look_again(self) -> bool:
        """Show what the store kept of commits that failed; return whether it kept anything."""
        kept = False
        for room in sorted(self._doubts):
            while run := await self._writer.run(
                self._store.read, room, self._heads[room], self._heads[room] + PAGE, PAGE
            ):
                self._show(room, run)
                self._rewind([room])
                kept = True
            self._doubts.discard(room)
        return kept
