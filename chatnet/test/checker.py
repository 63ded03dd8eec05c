"""Whether the delivery contract was kept, judged from what clients saw and what the store kept.

Pure: it is told what happened, in the order in which each client saw it, and then asked. It is
for simulations, and for real servers that were killed, alike.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chatnet.core.codec import fields_of, kind_of
from chatnet.core.events import OWN, Entry

_PEOPLE = ("by", "who", "old", "new", "to", "name")  # fields that say who did what to whom
_WORDS = ("body", "text", "topic", "dice")  # and what was said
_OWN = frozenset(kind.__name__.lower() for kind in OWN)


@dataclass(frozen=True, slots=True)
class Fact:
    """What is at one place of a room's log: the kind of event, about whom, and its words."""

    seq: int
    kind: str
    who: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class Wish:
    """What someone meant by a ``cid``: always the same ``body``, which nobody else ever says.

    An empty ``room`` is any: a whisper stands in two people's logs.
    """

    account: str
    cid: str
    room: str
    body: str


@dataclass(slots=True)
class _Stretch:
    """One connection's reading of a room, up to and including ``last``."""

    last: int
    own: Collection[str] | None = None  # by whom it is not shown what they say, come and go
    to_the_end: bool = False  # it reads still, and all is quiet: it has read everything


class Checker:
    """Collects what clients sent and were shown, and says where that is against the contract.

    ``connection`` is any name that stands for one connection; a client that comes back has
    another one. ``account`` is whom the server remembers answers for.
    """

    def __init__(self) -> None:
        self._wishes: dict[tuple[str, str], Wish] = {}
        self._by_body: dict[str, Wish] = {}
        self._tries: Counter[tuple[str, str]] = Counter()
        self._acknowledged: dict[tuple[str, str], tuple[str, int]] = {}
        self._refused: set[tuple[str, str]] = set()
        self._shown: dict[str, dict[int, tuple[Fact, str]]] = {}  # with who saw it first
        self._stretches: dict[tuple[str, str], _Stretch] = {}
        self._kept: dict[str, list[Fact]] = {}
        self._left_out: list[tuple[str, str, int, Collection[str]]] = []
        self._found: list[str] = []  # faults that were seen as they happened

    # -- what happened -------------------------------------------------------------

    def sent(self, account: str, cid: str, room: str, body: str) -> None:
        """``account`` asked that ``body`` be said in ``room``, for the first time or again.

        Raises:
            ValueError: the body was sent for something else, or the cid meant something else.
        """
        wish = Wish(account, cid, room, body)
        same = self._wishes.setdefault((account, cid), wish) == wish
        if not same or self._by_body.setdefault(body, wish) != wish:
            raise ValueError(f"{body!r} is not the only thing that {account} means by {cid!r}")
        self._tries[account, cid] += 1

    def acknowledged(self, account: str, cid: str, room: str, seq: int) -> None:
        """``account`` was told that what it named ``cid`` is at ``seq`` in ``room``."""
        place = self._acknowledged.setdefault((account, cid), (room, seq))
        if place != (room, seq):
            self._found.append(
                f"{account} was told that {cid} is at {_at(*place)}, then at {_at(room, seq)}"
            )

    def refused(self, account: str, cid: str) -> None:
        """``account`` was told that what it named ``cid`` was not done, for certain.

        That says nothing if it was tried twice: the other try may have come later.
        """
        self._refused.add((account, cid))

    def begins(
        self, connection: str, room: str, after: int, own: Collection[str] | None = None
    ) -> None:
        """``connection`` reads ``room`` from here on, from behind the place ``after``.

        What those called ``own`` say, and that they come and go, may be left out.
        """
        self._stretches[connection, room] = _Stretch(after, own)

    def shown(self, connection: str, room: str, fact: Fact) -> None:
        """``connection`` was shown ``fact`` as the next in its reading of ``room``."""
        stretch = self._stretches.get((connection, room))
        if stretch is None:
            self._found.append(f"{connection} was shown {_at(room, fact.seq)} and did not read")
        elif stretch.own is not None and fact.seq > stretch.last:
            self._leave_out(connection, room, stretch, fact.seq)
        elif fact.seq != stretch.last + 1:
            self._found.append(
                f"{connection} was shown {_at(room, fact.seq)} after {_at(room, stretch.last)}"
            )
        if stretch is not None:
            stretch.last = fact.seq
        self.recalled(connection, room, fact)

    def _leave_out(self, connection: str, room: str, stretch: _Stretch, upto: int) -> None:
        own = stretch.own or ()
        self._left_out += [(connection, room, s, own) for s in range(stretch.last + 1, upto)]

    def recalled(self, connection: str, room: str, fact: Fact) -> None:
        """``connection`` was shown ``fact`` because it asked for what was before."""
        before, who = self._shown.setdefault(room, {}).setdefault(fact.seq, (fact, connection))
        if before != fact:
            self._found.append(
                f"{_at(room, fact.seq)} is {_words(before)} to {who}"
                f" and {_words(fact)} to {connection}"
            )

    def place(self, connection: str, room: str) -> int:
        """Return up to which place ``connection`` has read ``room``."""
        stretch = self._stretches.get((connection, room))
        return stretch.last if stretch else 0

    def ends(self, connection: str, room: str) -> None:
        """``connection`` reads ``room`` no more."""
        self._stretches.pop((connection, room), None)

    def quiet(self, connection: str, room: str) -> None:
        """All is quiet, and ``connection`` reads in ``room``: so it has read all there is."""
        self._stretches.setdefault((connection, room), _Stretch(0)).to_the_end = True

    def kept(self, room: str, facts: Iterable[Fact]) -> None:
        """The store has ``facts``, in its order, as the whole log of ``room``, at the very end."""
        self._kept[room] = list(facts)

    def rooms(self) -> list[str]:
        """Return the rooms of which somebody was shown or told something."""
        return sorted({*self._shown, *(room for room, _ in self._acknowledged.values())})

    def forgotten(self, room: str) -> None:
        """The whole log of ``room`` was thrown away, as it should be: nothing is asked of it."""
        self._shown.pop(room, None)
        told = self._acknowledged
        self._acknowledged = {name: place for name, place in told.items() if place[0] != room}

    # -- what is to be said of it ---------------------------------------------------

    def faults(self) -> list[str]:
        """Return what is against the contract, as sentences; none if it was kept."""
        return [
            *self._found,
            *self._gaps(),
            *self._other_truths(),
            *self._unread(),
            *self._not_shown(),
            *self._lost(),
            *self._twice(),
            *self._done_though_refused(),
        ]

    def _gaps(self) -> Iterable[str]:
        for room, facts in self._kept.items():
            for place, fact in enumerate(facts, 1):
                if fact.seq != place:
                    yield f"{_at(room, place)} is missing: {fact.seq} stands there"
                    break

    def _other_truths(self) -> Iterable[str]:
        for room, shown in self._shown.items():
            kept = self._by_seq(room)
            for seq, (fact, who) in shown.items():
                if kept.get(seq) != fact:
                    log = _words(kept[seq]) if seq in kept else "nothing"
                    yield f"{_at(room, seq)} was {_words(fact)} to {who} and is {log} in the log"

    def _unread(self) -> Iterable[str]:
        for (connection, room), stretch in self._stretches.items():
            last = len(self._kept.get(room, ()))
            if stretch.to_the_end and stretch.own is not None:
                self._leave_out(connection, room, stretch, last + 1)
            elif stretch.to_the_end and stretch.last != last:
                yield f"{connection} is deaf: it read up to {_at(room, stretch.last)} of {last}"

    def _not_shown(self) -> Iterable[str]:
        for connection, room, seq, own in self._left_out:
            fact = self._by_seq(room).get(seq)
            if fact is None or fact.kind not in _OWN or not set(own) & set(fact.who.split()):
                words = _words(fact) if fact else "nothing"
                yield f"{connection} was not shown {_at(room, seq)}, {words}"

    def _lost(self) -> Iterable[str]:
        logs = {room: self._by_seq(room) for room in self._kept}
        for (account, cid), (room, seq) in self._acknowledged.items():
            wish = self._wishes.get((account, cid))
            if wish is None:
                yield f"{account} was told that {cid} was done, and never asked for it"
                continue
            fact = logs.get(room, {}).get(seq)
            if room != (wish.room or room) or fact is None or fact.body != wish.body:
                there = "nothing" if fact is None else _words(fact)
                yield f"{account} was told that {cid} is at {_at(room, seq)}; there is {there}"

    def _twice(self) -> Iterable[str]:
        for room, facts in self._kept.items():
            for body, count in Counter(fact.body for fact in facts).items():
                wish = self._by_body.get(body)
                if wish is None:
                    continue
                if count > 1:
                    yield f"what {wish.account} named {wish.cid} is in {room} {count} times"
                if wish.room not in ("", room):
                    yield f"what {wish.account} wanted in {wish.room} is in {room}"

    def _done_though_refused(self) -> Iterable[str]:
        said = {fact.body for facts in self._kept.values() for fact in facts}
        for account, cid in sorted(self._refused):
            wish = self._wishes.get((account, cid))
            if wish is not None and wish.body in said and self._tries[account, cid] == 1:
                yield f"{account} was told that {cid} was refused, and it happened"

    def _by_seq(self, room: str) -> Mapping[int, Fact]:
        return {fact.seq: fact for fact in self._kept.get(room, ())}


def fact_of(entry: Entry) -> Fact:
    """Return what is to be seen of ``entry``."""
    event = entry.event
    return _fact(entry.seq, kind_of(event), {n: getattr(event, n) for n in fields_of(event)})


def fact_in(frame: Mapping[str, Any]) -> Fact:
    """Return what the program's ``frame``, which tells an event, says."""
    return _fact(frame["seq"], frame["event"], frame)


def _fact(seq: int, kind: str, fields: Mapping[str, Any]) -> Fact:
    who = " ".join(fields[name] for name in _PEOPLE if name in fields)
    return Fact(seq, kind, who, "".join(fields[name] for name in _WORDS if name in fields))


def _at(room: str, seq: int) -> str:
    return f"{room}/{seq}"


def _words(fact: Fact) -> str:
    return " ".join(filter(None, (fact.kind, fact.who, repr(fact.body) if fact.body else "")))
