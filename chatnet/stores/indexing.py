"""What was written, and stands in the table of messages only when there is time for it.

That table, with the index of words on it, costs more than all the rest of a message. So a room's
first message since then is written with a mark, up to where the table has the room; ``Indexing``
moves the marks and takes them away. What is behind a mark is looked through instead of looked up,
so nobody sees the difference.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence

from sqlalchemy import Connection, delete, update

from chatnet.core.events import MESSAGES, Entry
from chatnet.core.series import Series
from chatnet.stores import queries
from chatnet.stores.connected import Connected
from chatnet.stores.rows import message_rows
from chatnet.stores.tables import messages, unindexed

Page = Callable[[str, int, int, int], Sequence[Entry]]  # IStore.read
_MOST_ROOMS = 100  # whose marks are moved together
_PAGE = 256  # entries that are looked through at a time
_HIGHEST = 2**62  # above every seq


class Indexing:
    """The marks of one connection's database. Only the one who writes marks and catches up."""

    def __init__(self, db: Connected, page: Page) -> None:
        self._db, self._page = db, page
        self._marked: set[str] | None = None  # rooms; None: they are to be asked for

    def doubt(self) -> None:
        """Nobody knows what was kept: ask."""
        self._marked = None

    def forget(self, rooms: Iterable[str]) -> None:
        """Nothing is kept of ``rooms``."""
        if self._marked is not None:
            self._marked.difference_update(rooms)

    def mark(self, db: Connection, runs: Iterable[Series]) -> None:
        """Mark the rooms of ``runs``, which are being written, where that is to be done."""
        if self._marked is None:
            self._marked = {room for room, _ in self._marks(_HIGHEST)}
        new: dict[str, int] = {}
        for run in runs:
            for entry in run if run.room not in self._marked else ():
                if isinstance(entry.event, MESSAGES):
                    new[run.room] = entry.seq - 1
                    self._marked.add(run.room)
                    break
        self._db.insert(db, unindexed, list(new.items()))

    def ready(self, limit: int) -> tuple[list[Entry], dict[str, int]]:
        """Return up to ``limit`` entries that are to be indexed, and up to where their rooms are.

        A room with nothing more behind that is there with 0.
        """
        found: list[Entry] = []
        upto: dict[str, int] = {}
        for room, after in self._marks(_MOST_ROOMS):
            left = limit - len(found)
            page = self._page(room, after, _HIGHEST, left) if left > 0 else []
            if left <= 0:
                break
            whole = not page or not self._page(room, page[-1].seq, _HIGHEST, 1)
            upto[room] = 0 if whole else page[-1].seq
            found += page
        return found, upto

    def index(self, db: Connection, found: Iterable[Entry], upto: dict[str, int]) -> None:
        """Write ``found`` into the table of messages; move the marks as ``upto`` says."""
        self._db.insert(db, messages, message_rows(found))
        whole = [room for room, seq in upto.items() if not seq]
        if whole:
            db.execute(delete(unindexed).where(unindexed.c.room.in_(whole)))
        for room, seq in upto.items():
            if seq:
                db.execute(update(unindexed).where(unindexed.c.room == room).values(seq=seq))

    def after(self, room: str) -> int:
        """Return behind which seq the messages of ``room`` are not in their table."""
        rows = self._db.ask(queries.INDEXED, room=room)
        return rows[0][0] if rows else _HIGHEST

    def last(self, room: str, upto: int, count: int) -> list[int]:
        """Return the places of the last ``count`` messages of ``room`` up to ``upto``."""
        after = self.after(room)
        places: list[int] = []
        if after < upto:
            values = {"room": room, "after": after, "seq": upto, "limit": count}
            places = [seq for (seq,) in self._db.ask(queries.LAST_UNINDEXED, **values)]
        if len(places) < count:
            values = {"room": room, "seq": min(upto, after), "limit": count - len(places)}
            places += [seq for (seq,) in self._db.ask(queries.LAST, **values)]
        return places

    def rest(self, room: str) -> Iterator[Entry]:
        """Yield the entries of ``room`` whose messages are not in their table."""
        after = self.after(room)
        while after < _HIGHEST and (page := self._page(room, after, _HIGHEST, _PAGE)):
            yield from page
            after = page[-1].seq

    def _marks(self, limit: int) -> list[tuple[str, int]]:
        return [(room, seq) for room, seq in self._db.ask(queries.UNINDEXED, limit=limit)]
