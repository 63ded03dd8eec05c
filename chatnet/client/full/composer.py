"""Where one types: several lines, what was typed before, and Tab."""

from __future__ import annotations

from collections.abc import Callable

from rich.text import Text
from textual import events
from textual.message import Message
from textual.widgets import TextArea

from chatnet.client.full.recalling import Cycle, Typed
from chatnet.client.offers import veiled
from chatnet.core.plain import plain_lines

_NEW_LINE = ("alt+enter", "shift+enter", "ctrl+j")


class Composer(TextArea):
    """The text that is to be sent."""

    DEFAULT_CSS = """
    Composer {
        height: auto; min-height: 1; max-height: 8; border: none; padding: 0;
        background: $surface;
    }
    Composer:focus { border: none; }
    """

    class Offered(Message):
        """Tab was pressed, and these are what it takes in turn."""

        def __init__(self, found: list[str]) -> None:
            super().__init__()
            self.found = found

    class Left(Message):
        """Ctrl-D was pressed where nothing was typed."""

    def __init__(self, find: Callable[[str], list[str]], send: Callable[[str], object]) -> None:
        """Complete what stands before the cursor to what ``find`` returns, and ``send`` it all."""
        super().__init__(
            soft_wrap=True, show_line_numbers=False, tab_behavior="focus", compact=True,
            highlight_cursor_line=False, placeholder="Type here; F1 shows the keys",
        )  # fmt: skip
        self.typed = Typed()
        self._find = find
        self._send = send
        self._cycle: Cycle | None = None

    @property
    def completing(self) -> bool:
        """Whether Tab was the last key."""
        return self._cycle is not None

    def take(self, text: str) -> None:
        """Have ``text`` typed, with the cursor at its end."""
        self._cycle = None
        self.load_text(text)
        self.move_cursor(self.document.end)

    def get_line(self, line_index: int) -> Text:
        line = super().get_line(line_index)
        line.plain = veiled("\n".join(self.document.lines)).split("\n")[line_index]
        return line

    async def _on_key(self, event: events.Key) -> None:
        if event.key not in ("tab", "shift+tab"):
            self._cycle = None
        if self._obey(event.key):
            event.stop()
            event.prevent_default()
        else:
            await super()._on_key(event)

    def _obey(self, key: str) -> bool:
        """Do what ``key`` means here. Return whether it means something."""
        row, last = self.cursor_location[0], self.document.line_count - 1
        match key:
            case "enter":
                self._enter()
            case _ if key in _NEW_LINE:
                self.insert("\n")
            case "tab" | "shift+tab":
                self._complete(1 if key == "tab" else -1)
            case "up" if row == 0:
                self._recall(self.typed.up(self.text))
            case "down" if row == last:
                self._recall(self.typed.down(self.text))
            case "ctrl+d" if not self.text:
                self.post_message(self.Left())
            case _:
                return False
        return True

    def _enter(self) -> None:
        """Send what is typed at once: the next key may already lead elsewhere."""
        text = self.text
        if text.strip():
            self.typed.add(text)
            self.take("")
            self._send(text)

    def _recall(self, line: str | None) -> None:
        if line is not None:
            self.take(line)

    def _complete(self, by: int) -> None:
        """Put the next offer in place of the word before the cursor."""
        row, column = self.cursor_location
        before = self.get_text_range((0, 0), (row, column))
        if self._cycle is None:
            found = self._find(before)
            self._cycle = Cycle(before, found) if found else None
        if self._cycle is not None:
            self.replace(self._cycle.next(by), (0, 0), (row, column))
            self.post_message(self.Offered(self._cycle.found))

    async def _on_paste(self, event: events.Paste) -> None:
        """Take what is pasted without what steers a terminal."""
        event.stop()
        event.prevent_default()
        text = "\n".join(plain_lines(event.text.replace("\r\n", "\n").replace("\r", "\n")))
        start, end = self.selection
        self.replace(text, start, end)
