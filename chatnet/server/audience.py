"""Everyone reading one room, each at a place in its log."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, pairwise, repeat
from operator import attrgetter

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.core.events import Entry, speaker, weight
from chatnet.core.names import fold
from chatnet.core.replies import Snapshot
from chatnet.core.room import Room
from chatnet.core.series import Series, in_series
from chatnet.interfaces import IStyle
from chatnet.server.cursors import Cursor, Reader
from chatnet.server.flock import Flock
from chatnet.server.runs import MAX_RUN, Run, render
from chatnet.server.scroll import Scroll
from chatnet.server.seats import Seats
from chatnet.wires.budget import Budget

_AFTER = attrgetter("after")
_RUNS = 16  # printed runs remembered while a turn lasts

Read = Callable[[str, int, int], Deferred[Sequence[Entry]]]


class Audience:
    """All who read one room: in flocks, by style, if they have read all; else by their cursors.

    Runs of entries are printed once per style, not per reader.
    """

    _log = Logger()

    def __init__(self, room: Room, read: Read, budget: Budget) -> None:
        self.room = room
        self.used_at = 0.0  # when it was last needed, on the network's clock
        self.shown: Snapshot | None = None  # what those were shown of the room who came last
        self.unkept = 0  # the weight of its entries since its state was last kept
        self.seats = Seats()
        self._read = read
        self._cursors: dict[Reader, Cursor] = {}  # of those who go alone
        self._flocks: dict[IStyle, Flock] = {}  # of the others
        self._printed: dict[tuple[IStyle, int, int], Run] = {}
        self._budget = budget
        self._scrolls: dict[
            int, Scroll[Cursor]
        ] = {}  # large entries that are read, or are to be, by seq
        self._pages: dict[tuple[int, int], list[Cursor]] = {}  # who waits for which page

    def __len__(self) -> int:
        return len(self._cursors) + sum(map(len, self._flocks.values()))

    def readers(self) -> list[Reader]:
        """Return all who read here."""
        return [*chain(*self._flocks.values()), *self._cursors]

    def has(self, reader: Reader) -> bool:
        """Return whether ``reader`` reads on."""
        last = self._last(reader)
        return self._flock(reader) is not None or (last is not None and last.upto is None)

    def new_to(self, reader: Reader) -> int:
        """Return the seq behind which ``reader`` reads what is new, now or later."""
        last = self._flock(reader) or self._last(reader)
        return last.after if last else self.room.log.head

    def behind(self, reader: Reader) -> int:
        """Return how many entries ``reader`` has not read that are new to it."""
        last = self._last(reader)
        if last is None or last.upto is None:
            return self.room.log.head - self.new_to(reader)
        return last.upto - last.after

    def lags(self) -> Iterator[int]:
        """Yield by how many entries each reader is behind what is new to it."""
        for flock in self._flocks.values():
            yield from repeat(self.room.log.head - flock.after, len(flock))
        yield from map(self.behind, self._cursors)

    def caught_up(self, reader: Reader) -> bool:
        """Return whether ``reader`` has read all there is."""
        cursor = self._cursors.get(reader)
        if cursor is None:
            return self.new_to(reader) >= self.room.log.head
        return cursor.then is None and cursor.after >= self.room.log.head

    def open(self, *stretches: Cursor) -> None:
        """Let a reader read ``stretches``, one after the other, after what it is reading."""
        for one, two in pairwise(stretches):
            one.then = two
        reader = stretches[0].reader
        self.stray(reader)
        last = self._last(reader)
        if last is None:
            self._cursors[reader] = stretches[0]
            reader.reads(self)
        else:
            last.then = stretches[0]

    def stretches(self, reader: Reader) -> int:
        """Return how many stretches ``reader`` has to read one after the other."""
        count, cursor = 0, self._cursors.get(reader)
        while cursor is not None:
            count, cursor = count + 1, cursor.then
        return count

    def insert(self, cursor: Cursor) -> None:
        """Let a reader read ``cursor``, which has an end, before it reads what is new."""
        reader = cursor.reader
        self.stray(reader)
        before, last = None, self._cursors[reader]
        while last.then is not None:
            before, last = last, last.then
        cursor.then = last
        if before is None:
            self._cursors[reader] = cursor
        else:
            before.then = cursor

    def close(self, reader: Reader, upto: int, put_out: bool = False) -> None:
        """Let ``reader`` read ``upto`` and no further."""
        self.stray(reader)
        last = self._last(reader)
        if last is not None and last.upto is None:
            last.upto, last.put_out = upto, put_out

    def drop(self, reader: Reader) -> int:
        """Forget ``reader``, who can no longer be written to; return how far it read."""
        self.stray(reader)
        cursor = self._cursors.pop(reader, None)
        if cursor is None:
            return 0
        reader.finished(self, False)
        while cursor.closing and cursor.then is not None:  # read again, before what is new
            cursor = cursor.then
        return cursor.after

    def skip(self, reader: Reader, places: range) -> None:
        """Do not show ``reader`` what is at ``places``, which have no gaps."""
        flock = self._flock(reader)
        if flock is not None:
            if flock.step_aside(reader, places):
                return
            self.stray(reader)
        cursor = self._cursors.get(reader)
        if cursor is not None and cursor.upto is None and cursor.after + 1 in places:
            cursor.after = places[-1]  # nothing is to be shown before them
        while cursor is not None:
            last = places.stop if cursor.upto is None else min(places.stop, cursor.upto + 1)
            mine = set(range(max(places.start, cursor.after + 1), last))
            if mine:
                cursor.skip = cursor.skip | mine if cursor.skip else mine
            cursor = cursor.then

    def release(self, reader: Reader) -> None:
        """All that is to be said before ``reader`` reads on has been said."""
        cursor = self._cursors.get(reader)
        while cursor is not None and not cursor.held:
            cursor = cursor.then
        if cursor is not None:
            cursor.held = False
        self.resume(reader)

    def drain(self) -> None:
        """Bring every reader whose wire has room up to date."""
        for flock in list(self._flocks.values()):
            self._lead(flock)
        # Who is behind goes first: what is printed then is enough for who is ahead.
        for cursor in sorted(self._cursors.values(), key=_AFTER):
            if not cursor.reader.full or cursor.upto is not None:
                self._bring_on(cursor)
        self._printed.clear()
        self._close_idle()
        self.room.log.forget()

    def _bring_on(self, cursor: Cursor) -> None:
        """Bring the reader of ``cursor`` up to date; one that breaks does not keep the others."""
        try:
            self._advance(cursor)
            self._join(cursor.reader)
        except Exception:
            self._broke(cursor.reader)

    def resume(self, reader: Reader) -> None:
        """Bring one reader up to date."""
        if self._cursors.get(reader) is None and self.behind(reader):
            self.stray(reader)
        cursor = self._cursors.get(reader)
        if cursor is not None:
            self._advance(cursor)
            self._join(reader)

    # -- who is at one place goes on together -----------------------------------------

    def stray(self, reader: Reader) -> None:
        """Let ``reader`` go on by itself: something is to be done for it that is not for others."""
        flock = self._flock(reader)
        if flock is not None:
            own = flock.own(reader)
            self._cursors[reader] = Cursor(reader, flock.style, flock.leave(reader))
            if own:
                self.skip(reader, own)

    def _flock(self, reader: Reader) -> Flock | None:
        """Return with whom ``reader`` goes on."""
        for flock in self._flocks.values():
            if reader in flock:
                return flock
        return None

    def _join(self, reader: Reader) -> None:
        """Let ``reader`` go on with those who are where it is, if it is as they are."""
        cursor = self._cursors.get(reader)
        if cursor is None or not cursor.is_plain:
            return
        if len(self._cursors) == 1 and not self._flocks:  # with nobody
            return
        flock = self._flocks.get(cursor.style)
        if not flock:
            flock = self._flocks[cursor.style] = Flock(cursor.style, cursor.after)
        if flock.after == cursor.after and (send := reader.send) and flock.join(reader, send):
            del self._cursors[reader]

    def _lead(self, flock: Flock) -> None:
        """Bring ``flock`` up to date, or, if that is not for all alike, let each go alone."""
        log = self.room.log
        with suppress(Exception):  # what cannot be printed is met by each of them again
            while flock and log.tail <= flock.after < log.head:
                run = self._print(flock.style, flock.after, log.head)
                if not run.sizes:  # it is large
                    break
                flock.send(run.whole, run.upto, self._wait, self._broke)
                flock.send_aside(run, self._wait, self._broke)
        if flock.after < log.head:
            for reader in flock:
                self.stray(reader)
        if not flock and self._flocks.get(flock.style) is flock:
            del self._flocks[flock.style]

    def _wait(self, reader: Reader, rest: bytes) -> None:
        """Let ``rest`` wait, which the connection of ``reader`` does not take at once."""
        try:
            reader.write(rest)
        except Exception:
            self._broke(reader)

    def _broke(self, reader: Reader) -> None:
        """Part with a reader that cannot be written to, rather than keep the others waiting."""
        self._log.failure("a reader of {room} broke", room=self.room.key)
        self.stray(reader)
        self._cursors.pop(reader, None)
        with suppress(Exception):
            reader.finished(self, False)
            reader.part("Something broke here; the operator's log has it. Sorry.", "broken")

    def _last(self, reader: Reader) -> Cursor | None:
        cursor = self._cursors.get(reader)
        while cursor is not None and cursor.then is not None:
            cursor = cursor.then
        return cursor

    def _advance(self, cursor: Cursor) -> None:
        log, reader, place = self.room.log, cursor.reader, cursor
        going: Cursor | None = cursor
        while going is not None:
            place = going
            if place.opening and not (reader.full or place.held):
                reader.write(place.opening)
                place.opening = b""
            last = log.head if place.upto is None else place.upto
            while place.after < last and not (reader.full or place.paging or place.held):
                if place.after < log.floor:
                    place.after = min(last, log.floor)  # what is gone is passed over
                    continue
                scroll = self._scrolls.get(place.after + 1)
                if scroll is not None and scroll.entry is not None:
                    self._unroll(place, scroll.entry)
                elif place.after < log.tail:
                    self._turn_page(place, min(last, log.tail))
                else:
                    self._show(place, self._print(place.style, place.after, last))
            said = not (place.held or place.opening)
            done = said and place.upto is not None and place.after >= place.upto
            going = self._finish(place) if done else None

    def _show(self, cursor: Cursor, run: Run) -> None:
        reader, skip, ignored = cursor.reader, cursor.skip, cursor.reader.ignored
        if not run.sizes:  # it is large
            self._unroll(cursor, run.entries[0])
            return
        data = run.whole
        if ignored:
            skip = (skip or set()) | {
                entry.seq for entry in run.entries if fold(speaker(entry.event)) in ignored
            }
        if skip:
            data = run.without(skip)
            later = skip and max(skip) > run.upto
            cursor.skip = {place for place in skip if place > run.upto} if later else None
        cursor.after = run.upto
        if data:
            reader.write(data)

    def _unroll(self, cursor: Cursor, entry: Entry) -> None:
        """Show a large entry; or wait until the budget has room for it, and then read it again."""
        reader = cursor.reader
        if (cursor.skip and entry.seq in cursor.skip) or (
            reader.ignored and fold(speaker(entry.event)) in reader.ignored
        ):
            cursor.after = entry.seq
            return
        scroll = self._scrolls.get(entry.seq)
        if scroll is None:
            scroll = self._scrolls[entry.seq] = Scroll(entry.seq, self._granted, self._close)
            scroll.allowed = self._budget.take(scroll, weight(entry.event))
        if cursor in scroll.waiting:
            scroll.waiting.remove(cursor)
        if scroll.allowed:
            cursor.after = entry.seq
            reader.unroll(scroll.read(entry, cursor.style, reader))
        else:
            cursor.paging = True
            scroll.waiting.append(cursor)

    def _granted(self, scroll: Scroll[Cursor]) -> None:
        for cursor in list(scroll.waiting):
            cursor.paging = False
            if self._cursors.get(cursor.reader) is cursor:
                self._bring_on(cursor)
        self._close_idle()

    def _close_idle(self) -> None:
        """Forget the large entries that are not being read, or about to be."""
        for scroll in list(self._scrolls.values()):
            scroll.waiting = [
                cursor
                for cursor in scroll.waiting
                if self._cursors.get(cursor.reader) is cursor
                and (cursor.paging or not cursor.reader.full)
            ]
            if not (len(scroll) or scroll.waiting):
                self._close(scroll)

    def _close(self, scroll: Scroll[Cursor]) -> None:
        if self._scrolls.get(scroll.seq) is scroll:
            del self._scrolls[scroll.seq]
            self._budget.give_back(scroll)

    def _finish(self, cursor: Cursor) -> Cursor | None:
        """Let the reader go on where it is to go on after ``cursor``; return that place."""
        reader = cursor.reader
        if self._cursors.get(reader) is not cursor:
            return None
        if cursor.closing:
            reader.write(cursor.closing)
        if cursor.then is None:
            del self._cursors[reader]
            reader.finished(self, cursor.put_out)
        else:
            self._cursors[reader] = cursor.then
        return cursor.then

    def _print(self, style: IStyle, after: int, upto: int) -> Run:
        key = (style, after, upto)
        run = self._printed.get(key)
        if run is None:
            for (other, begin, _), longer in self._printed.items():
                if other is style and begin < after < longer.upto <= upto and longer.sizes:
                    return longer.behind(after)  # who came a little later reads a little less
            run = render(style, self.room.log.between(after, min(upto, after + MAX_RUN)))
            if len(self._printed) >= _RUNS:
                del self._printed[next(iter(self._printed))]
            self._printed[key] = run
        return run

    # -- what memory forgot is read from the store, a page at a time ---------------

    def _turn_page(self, cursor: Cursor, upto: int) -> None:
        cursor.paging = True
        page = (cursor.after, upto)
        if page in self._pages:  # one read serves all who wait at the same place
            self._pages[page].append(cursor)
            return
        self._pages[page] = [cursor]
        self._read(self.room.key, *page).addCallbacks(
            self._turned, self._torn, callbackArgs=(page,), errbackArgs=(page,)
        ).addErrback(lambda failure: self._log.failure("could not show a page", failure))

    def _turned(self, entries: Sequence[Entry], page: tuple[int, int]) -> None:
        floor = self.room.log.floor
        if not entries and floor < page[1]:
            self._torn(Failure(LookupError(f"no entries behind {page[0]}")), page)
            return
        printed: dict[tuple[IStyle, int], Run] = {}
        nothing = Series(self.room.key, page[1] + 1, (), ())
        some = in_series(entries)[0] if entries else nothing  # nearly always all of them
        for cursor in self._pages.pop(page):
            cursor.paging = False
            cursor.after = max(
                cursor.after, min(max(floor, some.first - 1), page[1])
            )  # the rest is gone
            try:
                self._show_page(cursor, some, printed)
            except Exception:
                self._broke(cursor.reader)
            cursor.reader.turned()
        self._close_idle()

    def _show_page(
        self, cursor: Cursor, entries: Series, printed: dict[tuple[IStyle, int], Run]
    ) -> None:
        """Show of ``entries``, and of what comes behind, as much as the reader takes.

        A full one drops the page and reads it again later: it holds nothing but its place.
        """
        reader = cursor.reader
        while (
            cursor.after < entries.last
            and not (reader.full or cursor.paging)
            and self._cursors.get(reader) is cursor
        ):
            place = (cursor.style, cursor.after)
            if place not in printed:
                printed[place] = render(cursor.style, entries[cursor.after + 1 - entries.first :])
            self._show(cursor, printed[place])
        if self._cursors.get(reader) is cursor:
            self._advance(cursor)

    def _torn(self, failure: Failure, page: tuple[int, int]) -> None:
        if failure.check(OSError):  # foreseen: a lost database
            error = str(failure.value)
            self._log.error("cannot read {room}: {error}", room=self.room.key, error=error)
        else:
            self._log.failure("cannot read {room}", failure, room=self.room.key)
        for cursor in self._pages.pop(page):
            cursor.paging = False
            self.drop(cursor.reader)
            cursor.reader.part("The history cannot be read now. Please come again.", "broken")
