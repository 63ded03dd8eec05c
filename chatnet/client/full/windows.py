"""The windows of the client: a room, a person, or the server each. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice

from chatnet.client.full.items import Item, Kind
from chatnet.core.names import EVERYBODY, fold

MOST_ITEMS, MOST_BYTES = 3000, 1 << 24  # of a window, in memory; the others are read again
_SLACK = 500  # items more, so that not every one that comes has to push one out


class Older(Enum):
    """What there is before the first item."""

    MORE = "more"
    COMING = "coming"
    NONE = "none"


class Sending(Enum):
    """How far one's own words have come."""

    PENDING = "pending"
    STORED = "stored"
    REFUSED = "refused"


@dataclass(slots=True, eq=False)
class Outgoing:
    """What one said, until it is in the log and comes from there."""

    body: str
    lines: tuple[str, ...]
    at: float
    action: bool = False
    state: Sending = Sending.PENDING
    seq: int = 0
    why: str = ""


@dataclass(slots=True, eq=False)
class Window:
    """One log as it is read here. ``key`` is the room's, ``@`` and a person's, or everybody's.

    ``mark`` is the first item that is new since one looked here last. ``turns`` counts the changes
    other than that items came at the end.
    """

    key: str
    name: str
    items: list[Item] = field(default_factory=list)
    outgoing: list[Outgoing] = field(default_factory=list)
    older: Older = Older.NONE
    unread: int = 0
    mentioned: bool = False
    mark: Item | None = None
    turns: int = 0
    last: int = 0  # the highest seq that came
    read: int = 0  # and that one has looked at, in an earlier life of the client as well
    since: int | None = None  # behind which all of the log is here, if older ones were read
    out: bool = False  # one is in the room no more
    draft: str = ""
    writers: dict[str, tuple[str, float]] = field(default_factory=dict)
    _weight: int = 0
    _unread: dict[int, Item] = field(default_factory=dict)  # what one may read yet, by seq

    @property
    def is_room(self) -> bool:
        """Whether it is a room's."""
        return not (self.is_person or self.key == EVERYBODY)

    @property
    def is_person(self) -> bool:
        """Whether it is where two whisper."""
        return self.key.startswith("@")

    @property
    def before(self) -> int | None:
        """The seq before which there may be what is older; None: nothing is known of the log."""
        known = self.first or (self.last + 1 if self.last else None)
        return known if self.since is None else self.since + 1

    @property
    def first(self) -> int:
        """The lowest seq that is here; 0 if there is none."""
        return next((item.seq for item in self.items if item.seq), 0)

    def add(self, item: Item) -> None:
        """Put ``item`` at the end, or where it stood before one could read it."""
        known = self._unread.pop(item.seq, None) if item.seq else None
        if known is not None and known in self.items:
            self.items[self.items.index(known)] = item
            self.turns += 1
            return
        self.last = max(self.last, item.seq)
        if item.kind is Kind.FOLD and self.items and self.items[-1].kind is Kind.FOLD:
            return
        if item.kind is Kind.UNREAD and item.seq:
            self._unread[item.seq] = item
        self.items.append(item)
        self._weight += item.weight
        if len(self.items) > MOST_ITEMS + _SLACK or self._weight > MOST_BYTES:
            self._shorten()

    def prepend(self, items: Iterable[Item]) -> None:
        """Put ``items`` of the log, which are older than all others, at the beginning."""
        first = self.first
        new: list[Item] = []
        for item in items:
            folded = item.kind is Kind.FOLD and new[-1:] and new[-1].kind is Kind.FOLD
            if (not first or item.seq < first) and not folded:
                new.append(item)
        self.items[:0] = new
        self._weight += sum(item.weight for item in new)
        self.turns += 1

    def find(self, seq: int) -> Item | None:
        """Return the item at ``seq`` of the log, if it is here."""
        return next((item for item in self.items if item.seq == seq), None)

    def erase(self, seq: int) -> None:
        """Show no more what the message at ``seq`` said."""
        for item in self.items:
            if seq in (item.seq, item.number):
                item.kind, item.lines, item.rest, item.body = Kind.EVENT, ("(deleted)",), 0, ""
                item.mention = False
                self.turns += 1

    def clear(self) -> None:
        """Forget what is here; but for what the server says, it can be read again."""
        self.items.clear()
        self.mark, self.since, self._weight = None, None, 0
        self.older = Older.MORE if self.is_person or (self.is_room and self.last) else Older.NONE
        self.turns += 1

    def settle(self, seq: int = 0, body: str | None = None, action: bool = False) -> None:
        """Let go of what was said here and has come: what is at ``seq``, or the first ``body``."""
        for one in self.outgoing:
            if one.state is Sending.REFUSED:
                continue
            if (one.seq and one.seq <= seq) or (one.body, one.action) == (body, action):
                self.outgoing.remove(one)
                return

    def take_in(self, me: str) -> None:
        """Have what ``me`` said and is stored stand here, if it never came: a cut took it along."""
        for one in [one for one in self.outgoing if one.state is Sending.STORED]:
            self.outgoing.remove(one)
            kind = Kind.DONE if one.action else Kind.SAID
            self.add(Item(kind, one.at, me, one.lines, mine=True, body=one.body))

    def _shorten(self) -> None:
        while len(self.items) > MOST_ITEMS or (self._weight > MOST_BYTES and len(self.items) > 1):
            cut = self.items[: max(1, min(_SLACK, len(self.items) // 4))]
            del self.items[: len(cut)]
            self._weight -= sum(item.weight for item in cut)
        if self.key != EVERYBODY:
            self.older, self.since = Older.MORE, None
        self.turns += 1


class Windows:
    """All windows, in the order of their opening, the server's last; one of them is looked at."""

    def __init__(self, server: str, alert: Callable[[Window, Item], None]) -> None:
        """Have one for the server called ``server``; ``alert`` when one is meant by something."""
        self._windows: dict[str, Window] = {EVERYBODY: Window(EVERYBODY, server)}
        self._alert = alert
        self.current = self._windows[EVERYBODY]
        self.before = self.current  # the one that was looked at before
        self.watching = True  # whether one looks at all

    def __iter__(self) -> Iterator[Window]:
        _, *others = self._windows.values()
        return iter((*others, self.server))

    def __len__(self) -> int:
        return len(self._windows)

    @property
    def server(self) -> Window:
        """What is said to everybody, and about the link."""
        return self._windows[EVERYBODY]

    def get(self, key: str) -> Window | None:
        """Return the window of the log ``key``."""
        return self._windows.get(key)

    def open(self, key: str, name: str) -> Window:
        """Return the window of ``key``, made if there is none, and called ``name``."""
        window = self._windows.get(key)
        if window is None:
            window = self._windows[key] = Window(key, name)
            window.older = Older.MORE if window.is_person else Older.NONE
        window.name, window.out = name, False
        return window

    def person(self, name: str) -> Window:
        """Return where one whispers with ``name``. Older whispers are read when one looks."""
        return self.open(f"@{fold(name)}", name)

    def rename(self, old: str, new: str) -> None:
        """Let the window of the person ``old`` be that of ``new``, unless there is one."""
        before, after = f"@{fold(old)}", f"@{fold(new)}"
        if before in self._windows and (before == after or after not in self._windows):
            renamed = {after if k == before else k: w for k, w in self._windows.items()}
            renamed[after].key, renamed[after].name = after, new
            self._windows = renamed

    def close(self, window: Window) -> None:
        """Have ``window`` no more; the server's stays."""
        if window is self.server:
            return
        if window is self.current:
            self.show(self.before if self.before is not window else self.server)
        del self._windows[window.key]
        if self.before is window:
            self.before = self.server

    def show(self, window: Window) -> None:
        """Look at ``window``."""
        if window is not self.current:
            self.leave()
            self.before, self.current = self.current, window
        if self.watching:
            self._look()

    def watch(self, watching: bool) -> None:
        """Look at the screen, or away from it."""
        if watching is not self.watching:
            self.watching = watching
            if watching:
                self._look()
            else:
                self.leave()

    def leave(self) -> None:
        """All that is in the current window is known; what comes from now on is new."""
        window = self.current
        if window.mark is not None:
            window.mark = None
            window.turns += 1
        window.read = max(window.read, window.last)

    def _look(self) -> None:
        window = self.current
        window.unread, window.mentioned, window.read = 0, False, max(window.read, window.last)

    def heard(self, window: Window, item: Item, fresh: bool, known: bool) -> None:
        """Put ``item`` into ``window``: it happened just now if ``fresh``, and is ``known`` if one
        has read it before, or said it."""
        window.add(item)
        seen = self.watching and window is self.current
        if item.mine and fresh:
            window.mark = None
        elif not known and item.is_message:
            self._count(window, item, seen and fresh, fresh)
        if seen:
            window.read = max(window.read, window.last)

    def _count(self, window: Window, item: Item, seen: bool, fresh: bool) -> None:
        if not seen and window.mark is None:
            window.mark = item
            window.turns += 1
        meant = item.mention or window.is_person or window is self.server
        if not (self.watching and window is self.current):
            window.unread += 1
            window.mentioned = window.mentioned or meant
        if meant and fresh:
            self._alert(window, item)

    def next_active(self) -> Window | None:
        """Return where to look next: who means one, then what is unread, then where one was."""
        windows = list(self)
        start = windows.index(self.current) + 1
        others = windows[start:] + windows[: start - 1]
        for wanted in (lambda w: w.mentioned, lambda w: w.unread > 0):
            found = next(filter(wanted, others), None)
            if found is not None:
                return found
        return self.before if self.before is not self.current else None

    def step(self, by: int) -> Window:
        """Return the window that is ``by`` places behind the current one, in a circle."""
        windows = list(self)
        return windows[(windows.index(self.current) + by) % len(windows)]

    def at(self, number: int) -> Window | None:
        """Return the window with the ``number``, from 1 on."""
        return next(islice(self, number - 1, None), None) if number > 0 else None
