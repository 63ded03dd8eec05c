"""Widgets made of rows: what is on the screen is printed, and nothing else is laid out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import tzinfo
from typing import ClassVar

from rich.segment import Segment
from textual import events
from textual.message import Message
from textual.strip import Strip
from textual.widget import Widget

from chatnet.client.full.items import Item, Kind
from chatnet.client.full.rows import COLOURS, Row, Sheet
from chatnet.client.full.windows import Older, Window
from chatnet.client.transfers import Transfer

_WHEEL = 3  # rows
_COLOURS = (
    *(kind.value for kind in Kind), "mention", "time", "rule", "new", "pending", "here", "unread",
    "meant", "faint", *(f"name-{n}" for n in range(COLOURS)),
)  # fmt: skip


class Rows(Widget, can_focus=False):
    """Rows, of which as many are shown as there is room for; the wheel turns them."""

    COMPONENT_CLASSES: ClassVar[set[str]] = {f"rows--{name}" for name in _COLOURS}
    DEFAULT_CSS = """
    Rows { background: $background; color: $foreground; }
    Rows > .rows--done { text-style: italic; }
    Rows > .rows--presence, Rows > .rows--event { color: $foreground 60%; }
    Rows > .rows--time, Rows > .rows--faint { color: $foreground 60%; }
    Rows > .rows--rule { color: $foreground 30%; }
    Rows > .rows--new { color: $text-error; text-style: bold; }
    Rows > .rows--server { color: $text-warning; }
    Rows > .rows--answer { color: $text-secondary; }
    Rows > .rows--refusal { color: $text-error; }
    Rows > .rows--unreadable { color: $text-error; text-style: italic; }
    Rows > .rows--file { color: $text-success; }
    Rows > .rows--mention { color: $text-accent; text-style: bold; }
    Rows > .rows--pending { color: $foreground 60%; text-style: italic; }
    Rows > .rows--here { text-style: bold reverse; }
    Rows > .rows--unread { text-style: bold; }
    Rows > .rows--meant { color: $text-error; text-style: bold; }
    Rows > .rows--name-0 { color: $text-primary; text-style: bold; }
    Rows > .rows--name-1 { color: $text-success; text-style: bold; }
    Rows > .rows--name-2 { color: $text-accent; text-style: bold; }
    Rows > .rows--name-3 { color: $text-warning; text-style: bold; }
    Rows > .rows--name-4 { color: $text-secondary; text-style: bold; }
    Rows > .rows--name-5 { color: $text-error; text-style: bold; }
    """

    class Resized(Message):
        """There is another amount of room."""

    def __init__(self, id: str) -> None:
        super().__init__(id=id)
        self.rows: list[Row] = []
        self.top = 0  # the first row that is shown

    @property
    def height(self) -> int:
        """How many rows there is room for."""
        return self.size.height

    @property
    def lowest(self) -> int:
        """The ``top`` at which the last row is shown."""
        return max(0, len(self.rows) - self.height)

    def put(self, rows: list[Row]) -> None:
        """Show ``rows``, from as far down as before."""
        if rows != self.rows:
            self.rows = rows
            self.top = min(self.top, self.lowest)
            self.refresh()

    def turn(self, by: int) -> None:
        """Show what is ``by`` rows further down."""
        top = max(0, min(self.top + by, self.lowest))
        if top != self.top:
            self.top = top
            self.refresh()

    def render_line(self, y: int) -> Strip:
        width = self.size.width
        base = self.rich_style
        at = self.top + y - self._padding()
        row: Row = self.rows[at] if 0 <= at < len(self.rows) else ()
        segments = [
            Segment(text, self.get_component_rich_style(f"rows--{colour}")) for text, colour in row
        ]
        return Strip(segments).adjust_cell_length(width, base)

    def _padding(self) -> int:
        """Return how many rows are empty above the first."""
        return 0

    def on_resize(self, event: events.Resize) -> None:
        self.post_message(self.Resized())

    def on_mouse_scroll_up(self, event: events.MouseScrollUp) -> None:
        event.stop()
        self.turn(-_WHEEL)

    def on_mouse_scroll_down(self, event: events.MouseScrollDown) -> None:
        event.stop()
        self.turn(_WHEEL)


class Choice(Rows):
    """Rows of which each stands for something, and can be clicked."""

    def __init__(self, id: str, chosen: Callable[[str], None]) -> None:
        super().__init__(id)
        self._keys: Sequence[str] = ()
        self._here = 0
        self._chosen = chosen

    def offer(self, rows: list[tuple[str, Row]]) -> None:
        """Show rows, each with the key that is told when it is clicked; an empty one is none.

        The one that one is at is in sight.
        """
        self._keys = [key for key, _ in rows]
        self.put([row for _, row in rows])
        here = next((n for n, row in enumerate(self.rows) if row[0][1] == "here"), None)
        if here is not None and here != self._here:
            self.turn(min(0, here - self.top) or max(0, here + 1 - self.top - self.height))
            self._here = here

    def on_click(self, event: events.Click) -> None:
        at = self.top + event.y
        if at < len(self._keys) and self._keys[at]:
            self._chosen(self._keys[at])


class Messages(Rows):
    """A window, the newest below; stays where one reads, and else at the end."""

    def __init__(
        self, id: str, older: Callable[[Window], None], fetch: Callable[[str], None]
    ) -> None:
        """Have what is older read by ``older``, and the file of an id by ``fetch``."""
        super().__init__(id)
        self.zone: tzinfo | None = None
        self.times = "%H:%M"
        self._older = older
        self._fetch = fetch
        self._window: Window | None = None
        self._sheet = Sheet(80)
        self._print: tuple[object, ...] = ()
        self._following = True
        self._sent = 0  # rows at the end that are of what is not in the log yet

    @property
    def following(self) -> bool:
        """Whether the newest is shown."""
        return self._following

    def show(self, window: Window, me: str, files: Sequence[Transfer] = ()) -> None:
        """Show ``window`` as it is now, and below it the ``files`` on their way."""
        printed = (window, window.turns, self.size.width, self.times)
        anew = printed != self._print or len(self._sheet.items) > len(window.items)
        came = len(window.items) > len(self._sheet.items)
        if not (anew or came or window.outgoing or files or self._sent):
            return
        other = window is not self._window
        anchor = None if other or self._following else self._sheet.place(self.top - 1)
        if anew:
            self._print, self._window = printed, window
            self._sheet = Sheet(self.size.width - 1, self.zone, self.times)
        for item in window.items[len(self._sheet.items) :]:
            self._sheet.add(item, item is window.mark)
        sent = [*self._sheet.outgoing(window.outgoing, me), *self._sheet.moving(files)]
        self._sent = len(sent)
        self.rows = [_opening(window), *self._sheet.rows, *sent]
        self._following = self._following or other
        if self._following:
            self.top = self.lowest
        elif anchor is not None:
            self._return(*anchor)
        self.top = min(self.top, self.lowest)
        self.refresh()
        self._look()

    def go(self, item: Item) -> None:
        """Show ``item``, with a little of what is above."""
        row = self._sheet.row_of(item)
        if row is not None:
            self.top = max(0, min(row + 1 - self.height // 3, self.lowest))
            self._following = self.top >= self.lowest
            self.refresh()

    def turn(self, by: int) -> None:
        super().turn(by)
        self._following = self.top >= self.lowest
        self._look()

    def on_click(self, event: events.Click) -> None:
        found = self._sheet.place(self.top + event.y - self._padding() - 1)
        if found is not None and found[0].file:
            self._fetch(found[0].file)

    def follow(self) -> None:
        """Show the newest."""
        self._following = True
        self.turn(len(self.rows))

    def render_line(self, y: int) -> Strip:
        strip = super().render_line(y)
        return (
            strip
            if not self._is_thumb(y)
            else Strip(
                [
                    *strip.crop(0, self.size.width - 1),
                    Segment(
                        "▐",
                        self.get_component_rich_style("rows--rule"),
                    ),
                ],
                self.size.width,
            )
        )

    def _padding(self) -> int:
        return max(0, self.height - len(self.rows))

    def _is_thumb(self, y: int) -> bool:
        total = len(self.rows)
        if total <= self.height:
            return False
        start = self.top * self.height // total
        return start <= y <= start + max(1, self.height * self.height // total)

    def _return(self, item: Item, behind: int) -> None:
        row = self._sheet.row_of(item)
        if row is not None:
            self.top = row + 1 + behind

    def _look(self) -> None:
        """Have what is older read, if the beginning is shown."""
        window = self._window
        if window is not None and self.top == 0 and window.older is Older.MORE:
            self._older(window)


def _opening(window: Window) -> Row:
    """Return the row that stands before the first item."""
    words = {
        Older.MORE: "↑ there is more: PageUp",
        Older.COMING: "↑ reading what is older ...",
        Older.NONE: "This is where it begins." if window.is_room else "",
    }
    return ((words[window.older], "faint"),)
