"""A store in an SQL database, durable when ``write`` returns."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Executable, Row, delete, insert, update
from zope.interface import implementer

from chatnet.core.chain import START, Anchor, Record, bind, erased, follow
from chatnet.core.codec import decode_event, decode_state, encode_event, encode_state
from chatnet.core.events import Entry, weight
from chatnet.core.names import Name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.core.search import ENOUGH, Search, finds
from chatnet.interfaces import REMEMBERED, Account, Batch, IAccountStore, IStore
from chatnet.stores import queries
from chatnet.stores.connected import Connected
from chatnet.stores.databases import Database, Taken
from chatnet.stores.indexing import Indexing
from chatnet.stores.rows import entry_rows, portions
from chatnet.stores.tables import (
    accounts,
    answers,
    claims,
    entries,
    floors,
    messages,
    states,
    unindexed,
)

_PAGE_BYTES = 1024 * 1024  # about how much one read returns at most
_MANY = 10_000  # rooms whose heads are known
_HIGHEST = 2**62  # above every seq


@implementer(IStore, IAccountStore)
class SqlStore:
    """One connection. Make two of the same database to read and write on two threads."""

    def __init__(self, database: Database) -> None:
        """Open ``database``: make its tables, or bring them up to date.

        Raises:
            OSError: it is away, or the like.
            ValueError: its tables are of a later release, or of something else.
        """
        self._db = Connected(database, self._doubt)
        self._indexing = Indexing(self._db, self.read)
        self._heads: dict[str, tuple[int, bytes]] = {}  # seq and link of the last entry, by room
        self._named: dict[str, int] = {}  # answers by origin since the last pruning

    def close(self) -> None:
        self._db.close()

    # -- writing -------------------------------------------------------------------

    def write(self, batch: Batch) -> None:
        links = self._links_before(batch)
        records = bind(batch.runs, links)
        given = {
            (origin, done.cid): (origin, done.cid, done.room, done.seq)
            for origin, done in batch.answers
        }
        with self._db.transaction as db:
            self._insert(db, records, batch)
            self._db.insert(db, answers, list(given.values()), self._db.database.replace)
            for room, (seq, state) in batch.states.items():
                _keep(db, room, seq, encode_state(state))
            for room in batch.discards:
                for table in (entries, messages, unindexed, floors, states):
                    db.execute(delete(table).where(table.c.room == room))
            self._prune(db, [origin for origin, _ in batch.answers])
        if len(self._heads) > _MANY:
            self._heads.clear()
        for run in batch.runs:
            self._heads[run.room] = (run.last, links[run.room])
        self._indexing.forget(batch.discards)
        for room in batch.discards:
            self._heads.pop(room, None)

    def index(self, limit: int) -> bool:
        found, upto = self._indexing.ready(limit)
        if upto:
            with self._db.transaction as db:
                self._indexing.index(db, found, upto)
            self._indexing.forget([room for room, seq in upto.items() if not seq])
        return bool(upto)

    def forget(self, room: str, upto: int, limit: int) -> int:
        floor, (covered, _) = self.floor(room), self._one(queries.STATE, (0, ""), room=room)
        seq, link = self._link(room, min(upto, covered, floor + limit))
        if seq <= floor:
            return floor
        with self._db.transaction as db:
            _raise(db, room, Anchor(seq, link))
            for table in (entries, messages):
                db.execute(delete(table).where(table.c.room == room, table.c.seq <= seq))
        return seq

    def adopt(self, room: str, anchor: Anchor, records: Sequence[Record]) -> None:
        head, _ = self._link(room)
        follow(head or anchor.seq, room, [record.seq for record in records])
        with self._db.transaction as db:
            if not head and anchor.seq:
                _raise(db, room, anchor)
            self._insert(db, records, Batch.of([record.entry for record in records]))
        self._heads.pop(room, None)

    # -- reading -------------------------------------------------------------------

    def load(self, room: str) -> tuple[int, RoomState]:
        seq, text = self._one(queries.STATE, (0, "{}"), room=room)
        return seq, decode_state(text)

    def read(self, room: str, after: int, upto: int, limit: int) -> Sequence[Entry]:
        page = self._page(room, after, upto, limit)
        return [Entry(room, seq, at, decode_event(text)) for seq, at, text, _, _ in page]

    def records(self, room: str, after: int, limit: int) -> Sequence[Record]:
        return [Record(room, *row) for row in self._page(room, after, _HIGHEST, limit)]

    def back(self, room: str, upto: int, count: int) -> int:
        places = self._indexing.last(room, upto, count)
        return places[-1] - 1 if places else upto

    def rooms(self, limit: int) -> Mapping[str, RoomState]:
        rows = self._db.ask(queries.NEWEST, limit=limit)
        return {room: decode_state(text) for room, text in rows}

    def floor(self, room: str) -> int:
        return self.anchor(room).seq

    def anchor(self, room: str) -> Anchor:
        return Anchor(*self._one(queries.FLOOR, (0, START), room=room))

    def seq_at(self, room: str, at: float) -> int:
        below, above = self.floor(room), self._link(room)[0] + 1
        while above - below > 1:
            middle = (below + above) // 2
            (then,) = self._one(queries.TIME, (at,), room=room, seq=middle)
            below, above = (middle, above) if then < at else (below, middle)
        return below

    def search(self, rooms: Sequence[str], search: Search, limit: int) -> Sequence[Entry]:
        if not rooms:
            return []
        places = [  # those first: meanwhile some of them may come to stand in the index
            (entry.at, room, entry.seq)
            for room in rooms
            for entry in self._indexing.rest(room)
            if finds(search, entry)
        ]
        if not (search.words or search.by):
            for room in rooms:
                after = self.seq_at(room, search.since)
                places += self._places(queries.SAID, room=room, after=after, limit=limit)
        else:
            database = self._db.database
            for group in [rooms] if database.together else [[room] for room in rooms]:
                places += self._places(database.match(search, group, limit))
        found, size = [], 0
        for _, room, seq in sorted(set(places), reverse=True)[:limit]:
            rows = self._db.ask(queries.EVENT, room=room, seq=seq) if size < ENOUGH else []
            for at, text in rows:
                entry = Entry(room, seq, at, decode_event(text))
                if finds(search, entry):
                    found.append(entry)
                    size += weight(entry.event)
        return found

    def strays(self) -> Sequence[str]:
        return [room for (room,) in self._db.ask(queries.STRAYS)]

    def recall(self, origin: str, limit: int) -> Sequence[Done]:
        rows = self._db.ask(queries.NAMED, origin=origin, limit=limit)
        return [Done(cid, room, seq) for cid, room, seq in reversed(rows)]

    def logs(self, prefix: str = "") -> Sequence[str]:
        raised = {room for (room,) in self._db.ask(queries.RAISED) if room.startswith(prefix)}
        return sorted(raised.union(self._logs(prefix)))

    def states(self) -> Iterable[tuple[str, int, RoomState]]:
        for _, room, seq, text in self._all(queries.STATES, 0):
            yield room, seq, decode_state(text)

    def answers(self) -> Iterable[tuple[str, Done]]:
        for _, origin, cid, room, seq in self._all(queries.ANSWERS, 0):
            yield origin, Done(cid, room, seq)

    # -- accounts ------------------------------------------------------------------

    def holders(self, claims: Iterable[str]) -> Mapping[str, Account]:
        rows = self._db.ask(queries.CLAIMED, claims=list(claims))
        return {claim: Account(*row) for claim, *row in rows}

    def add(self, name: Name, verifier: str, at: float) -> bool:
        if self.holders(name.claims):
            return False
        account = {"key": name.key, "name": name.text, "verifier": verifier, "made_at": at}
        try:
            with self._db.transaction as db:
                db.execute(insert(accounts).values(account))
                for claim in sorted(name.claims):
                    db.execute(insert(claims).values(claim=claim, account=name.key))
        except Taken:
            return False
        return True

    def change(self, key: str, verifier: str) -> None:
        with self._db.transaction as db:
            db.execute(update(accounts).where(accounts.c.key == key).values(verifier=verifier))

    def remove(self, key: str) -> None:
        with self._db.transaction as db:
            db.execute(delete(claims).where(claims.c.account == key))
            db.execute(delete(accounts).where(accounts.c.key == key))

    def accounts(self) -> Iterable[tuple[Account, float]]:
        for key, name, verifier, at in self._all(queries.ACCOUNTS, ""):
            yield Account(name, key, verifier, at), at

    # -- how -----------------------------------------------------------------------

    def _doubt(self) -> None:
        """Nobody knows what was kept."""
        self._heads.clear()
        self._indexing.doubt()

    def _insert(self, db: Connection, records: Sequence[Record], batch: Batch) -> None:
        """Insert ``records``, which the entries of ``batch`` are, and erase what they delete."""
        for portion in portions(records):
            if len(portion) == 1:
                self._db.database.check(portion[0].text)
            self._db.insert(db, entries, entry_rows(portion, self._db.database.octets))
        self._indexing.mark(db, batch.runs)
        for entry, deletion in batch.deletions:
            _erase(db, entry.room, deletion.message)

    def _prune(self, db: Connection, origins: Iterable[str]) -> None:
        """Forget the oldest answers of ``origins``, at the latest when there are twice as many."""
        for origin in origins:
            self._named[origin] = self._named.get(origin, 0) + 1
            if self._named[origin] >= REMEMBERED:
                del self._named[origin]
                outdated = db.execute(queries.OUTDATED, {"origin": origin}).scalar()
                if outdated is not None:
                    old = (answers.c.origin == origin, answers.c.id <= outdated)
                    db.execute(delete(answers).where(*old))
        if len(self._named) > 100_000:  # mostly guests who came once
            self._named.clear()

    def _links_before(self, batch: Batch) -> dict[str, bytes]:
        """Return the link of what stands before the first entry of each room in ``batch``.

        Raises:
            ValueError: an entry's place is not the next one of its room.
        """
        links: dict[str, bytes] = {}
        heads: dict[str, int] = {}
        for run in batch.runs:
            room = run.room
            if room not in heads:
                head = self._heads.get(room)
                if head is None or head[0] != run.first - 1:
                    head = self._link(room)
                heads[room], links[room] = head
            follow(heads[room], room, run.places)
            heads[room] = run.last
        return links

    def _link(self, room: str, upto: int = _HIGHEST) -> tuple[int, bytes]:
        """Return the seq and the link of the last entry of ``room`` up to ``upto``.

        Its floor if there is none.
        """
        last = self._one(queries.LINK, room=room, seq=upto)
        seq, link = last or self._one(queries.FLOOR, (0, START), room=room)
        return seq, link

    def _page(
        self, room: str, after: int, upto: int, limit: int
    ) -> Iterator[tuple[int, float, str, bytes, bytes]]:
        """Yield (seq, at, text, digest, link) of entries in order, until they are large."""
        rows = self._db.ask(queries.PAGE, room=room, after=after, upto=upto, limit=limit)
        total = 0
        for seq, at, size, text, digest, link in rows:
            if text is None:
                _, text = self._one(queries.EVENT, (0.0, ""), room=room, seq=seq)
            if text:  # and was not let go meanwhile
                yield seq, at, text, digest, link
            total += size
            if total >= _PAGE_BYTES:
                break

    def _logs(self, prefix: str) -> Iterator[str]:
        """Yield which rooms that begin with ``prefix`` have entries: a look at the index each."""
        room = self._one(queries.NEXT_LOG, after=prefix)[0]
        while room is not None and room.startswith(prefix):
            yield room
            room = self._one(queries.NEXT_LOG, after=room)[0]

    def _places(self, query: Executable, **values: Any) -> list[tuple[float, str, int]]:
        return [(at, room, seq) for at, room, seq in self._db.ask(query, **values)]

    def _one(self, query: Executable, default: Any = None, **values: Any) -> Any:
        """Return the first row that ``query`` finds, or ``default``."""
        rows = self._db.ask(query, **values)
        return rows[0] if rows else default

    def _all(self, query: Executable, after: Any) -> Iterator[Row[*tuple[Any, ...]]]:
        """Yield all rows, of which ``query`` finds some whose first column is above ``after``."""
        while rows := self._db.ask(query, after=after):
            yield from rows
            after = rows[-1][0]


def _keep(db: Connection, room: str, seq: int, state: str) -> None:
    """Replace the state of ``room``, which stays as new or old among the rooms as it was."""
    kept = {"seq": seq, "state": state}
    if not db.execute(update(states).where(states.c.room == room).values(kept)).rowcount:
        db.execute(insert(states).values(kept | {"room": room}))


def _raise(db: Connection, room: str, floor: Anchor) -> None:
    """Let the log of ``room`` begin at ``floor``."""
    place = {"seq": floor.seq, "link": floor.link}
    if not db.execute(update(floors).where(floors.c.room == room).values(place)).rowcount:
        db.execute(insert(floors).values(place | {"room": room}))


def _erase(db: Connection, room: str, seq: int) -> None:
    """Drop the body of the message at ``seq``."""
    found = db.execute(queries.EVENT, {"room": room, "seq": seq}).first()
    if found is None:
        return
    when, text = found
    event = decode_event(text)
    if (left := erased(event)) != event:
        emptied = encode_event(left)
        at = (entries.c.room == room, entries.c.seq == seq)
        db.execute(update(entries).where(*at).values(event=emptied, size=len(emptied)))
        # Not updated: a full-text index wants another id for other words.
        place = (messages.c.room == room, messages.c.seq == seq)
        if db.execute(delete(messages).where(*place)).rowcount:
            db.execute(insert(messages).values(room=room, seq=seq, at=when))
