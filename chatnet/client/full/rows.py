"""Items as rows of a certain width: what the screen prints, with a name for each colour."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from datetime import date, datetime, tzinfo

from rich.cells import cell_len, chop_cells

from chatnet.client.full.items import Item, Kind, moment_of
from chatnet.client.full.windows import Outgoing, Sending
from chatnet.client.keys.shown import LOCK
from chatnet.client.transfers import Transfer
from chatnet.core.files import spell_size
from chatnet.core.names import fold

COLOURS = 6  # that people have
NARROW = 50  # columns, below which names have no column of their own
_NAMES, _FEW_NAMES = 14, 10  # columns of names, where there is room for that and where not
_MARKS = {Sending.PENDING: "…", Sending.STORED: "✓", Sending.REFUSED: "✗"}

Span = tuple[str, str]  # what, and the name of its colour
Row = tuple[Span, ...]


class Sheet:
    """The rows of a window: those of its items, at ``width`` columns, times in ``zone``."""

    def __init__(self, width: int, zone: tzinfo | None = None, times: str = "%H:%M") -> None:
        self.rows: list[Row] = []
        self.items: list[Item] = []
        self._starts: list[int] = []
        self._width = max(width, 12)
        self._zone = zone
        self._times = times
        self._day: date | None = None
        self._narrow = width < NARROW
        self._names = _NAMES if width >= 70 else _FEW_NAMES

    def add(self, item: Item, new: bool = False) -> None:
        """Print ``item``; if it is ``new``, with a line before it that says so."""
        self._starts.append(len(self.rows))
        self.items.append(item)
        moment = self._moment(item.at)
        if moment is not None and moment.date() != self._day:
            self._day = moment.date()
            self.rows.append(self._ruled(f"{moment:%A}, {self._day.isoformat()}", "rule"))
        if new:
            self.rows.append(self._ruled("new since you looked", "new"))
        self.rows += self._printed(item)

    def outgoing(self, said: Iterable[Outgoing], me: str) -> list[Row]:
        """Return the rows of what one ``said`` and is not in the log yet."""
        rows: list[Row] = []
        for one in said:
            mark = f" {_MARKS[one.state]}" + (f" {one.why}" if one.why else "")
            lines = [*one.lines[:-1], one.lines[-1] + mark] if one.lines else [mark]
            kind = Kind.DONE if one.action else Kind.SAID
            colour = "refusal" if one.state is Sending.REFUSED else "pending"
            item = Item(kind, one.at, me, lines, mine=True)
            rows += [
                (before, *((text, colour) for text, _ in rest))
                for before, *rest in self._printed(item)
            ]
        return rows

    def moving(self, files: Iterable[Transfer]) -> list[Row]:
        """Return a row with a bar for each of the ``files`` on their way."""
        rows: list[Row] = []
        for one in files:
            name = clip(one.name, self._width // 3)
            size = f" of {spell_size(one.size)}" if one.size else ""
            told = f" {one.percent:3} %{size}"
            room = max(4, min(40, self._width - cell_len(name) - cell_len(told) - 4))
            full = room * one.percent // 100
            bar: Row = (("█" * full, "file"), ("░" * (room - full), "rule"))
            rows.append(
                (("↑ " if one.sends else "↓ ", "file"), (f"{name} ", "said"), *bar, (told, "faint"))
            )
        return rows

    def place(self, row: int) -> tuple[Item, int] | None:
        """Return which item ``row`` is of, and how many rows behind its beginning that is."""
        at = bisect_right(self._starts, row) - 1
        return (self.items[at], row - self._starts[at]) if at >= 0 else None

    def row_of(self, item: Item) -> int | None:
        """Return where ``item`` begins."""
        for at in range(len(self.items) - 1, -1, -1):
            if self.items[at] is item:
                return self._starts[at]
        return None

    def _printed(self, item: Item) -> list[Row]:
        moment = self._moment(item.at)
        time = f"{moment:{self._times}} " if moment is not None else ""
        name, colour, body = item.who, colour_of(item.who), item.kind.value
        if item.mention:
            body = "mention"
        if item.kind in (Kind.ANSWER, Kind.REFUSAL, Kind.PRESENCE, Kind.EVENT) and not name:
            name = {Kind.PRESENCE: "·", Kind.EVENT: "·", Kind.REFUSAL: "!"}.get(item.kind, "")
            colour = body
        elif item.kind is Kind.SERVER:
            name, colour = item.who or "***", "server"
        lines: Sequence[str] = item.lines
        if item.rest:
            number = item.number or item.seq
            more = f"… and {item.rest:,} characters more: /save #{number} FILE writes all of it"
            lines = [*lines, more]
        if item.locked:
            lines = [f"{LOCK} {lines[0]}", *lines[1:]]
        if item.kind is Kind.FOLD:
            return [self._ruled(lines[0], "rule")]
        if item.kind is Kind.DONE:
            lines = [f"{item.who} {lines[0]}", *lines[1:]]
            name = "*"
        if item.number:
            lines = [f"#{item.number} {lines[0]}", *lines[1:]]
        if self._narrow:
            time = time if self._width > 20 else ""
            sign = "" if name in ("*", "·", "!", "***") else ":"
            fitted = clip(name, self._width // 2)
            lead = ((fitted + sign + " ", colour),) if name else ()
            return self._flow(time, lead, lines, body, 2)
        fitted = clip(name, self._names)
        column = (" " * (self._names - cell_len(fitted)) + fitted, colour)
        return self._flow(time, (column, (" │ ", "rule")), lines, body)

    def _flow(
        self, time: str, lead: Row, lines: Sequence[str], body: str, indent: int | None = None
    ) -> list[Row]:
        """Return ``lines`` behind ``time`` and ``lead``, and below their end or ``indent``."""
        taken = len(time) + sum(cell_len(text) for text, _ in lead)
        hang = taken if indent is None else indent
        bar: Row = ((" " * (hang - 2) + "│ ", "rule"),) if indent is None else ((" " * hang, body),)
        rows: list[Row] = []
        for line in lines:
            first = not rows
            room = self._width - (taken if first else hang)
            wrapped = wrap(line, max(room, 4), max(self._width - hang, 4))
            for part in wrapped:
                before = ((time, "time"), *lead) if not rows else bar
                rows.append((*before, (part, body)))
        return rows

    def _ruled(self, words: str, colour: str) -> Row:
        words = clip(words, self._width - 6)
        left = max(2, (self._width - cell_len(words) - 2) // 2)
        right = max(0, self._width - cell_len(words) - 2 - left)
        return (("─" * left + f" {words} " + "─" * right, colour),)

    def _moment(self, at: float) -> datetime | None:
        return moment_of(at, self._zone)


def colour_of(name: str) -> str:
    """Return the name of the colour that ``name`` always has."""
    return f"name-{sum(fold(name).encode()) % COLOURS}"


def clip(text: str, width: int) -> str:
    """Return as much of ``text`` as has room in ``width`` columns."""
    if cell_len(text) <= width:
        return text
    return chop_cells(text, max(1, width - 1))[0] + "…" if width > 1 else "…"


def wrap(text: str, first: int, width: int) -> list[str]:
    """Return ``text`` as rows of at most ``width`` columns, the ``first`` one of so many.

    It is broken at spaces, and within a word only where that is too long for a row.
    """
    if text.isascii() and len(text) <= first:
        return [text]
    rows, room = [], first
    while cell_len(text) > room:
        head = chop_cells(text, room)[0]
        if not head:  # a wide character where there is no room for it
            head = text[:1]
        cut = len(head)
        space = head.rfind(" ") if text[cut : cut + 1] != " " else cut
        if space > 0 and text[:space].strip():
            cut = space
        rows.append(text[:cut])
        text = text[cut:].removeprefix(" ")
        room = width
    return [*rows, text]
