"""The screen: windows, what is typed, and the keys. Shows what others know, 30 times a second."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic
from typing import ClassVar

from textual.app import App, ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal
from textual.content import Content
from textual.events import AppBlur, AppFocus, Resize
from textual.widgets import Static, TextArea

from chatnet.client.full import frame
from chatnet.client.full.commands import keys_text
from chatnet.client.full.composer import Composer
from chatnet.client.full.desk import Desk
from chatnet.client.full.dialogs import Asking, Comparing, Picker, Reading, Search
from chatnet.client.full.items import Item
from chatnet.client.full.keyboard import know_keys
from chatnet.client.full.strips import Choice, Messages
from chatnet.client.full.windows import Window
from chatnet.core import replies as r

FRAME_SECONDS = 1 / 30  # between two times that the screen is drawn anew
_SIDE, _WIDE = 72, 96  # columns, from which on rooms, and members, are shown by themselves


class Screenful(App[None]):
    """The face of the full-screen client."""

    ENABLE_COMMAND_PALETTE = False
    CSS = """
    Screen { layout: vertical; }
    #head { height: 1; background: $primary 30%; color: $foreground; padding: 0 1; }
    #middle { height: 1fr; }
    #rooms { width: 20; border-right: solid $foreground 20%; }
    #members { width: 18; border-left: solid $foreground 20%; }
    #messages { width: 1fr; }
    #status { height: 1; background: $panel; color: $text-muted; padding: 0 1; }
    """
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("pageup", "page(-1)", priority=True),
        Binding("pagedown", "page(1)", priority=True),
        Binding("ctrl+home", "oldest", priority=True),
        Binding("ctrl+end,escape", "newest"),
        Binding("alt+up,ctrl+p", "step(-1)", priority=True),
        Binding("alt+down,ctrl+n", "step(1)", priority=True),
        Binding("alt+a", "active", priority=True),
        Binding("ctrl+k", "switch", priority=True),
        Binding("ctrl+r", "search", priority=True),
        Binding("ctrl+t", "dark", priority=True),
        Binding("ctrl+l", "redraw", priority=True),
        Binding("ctrl+z", "suspend_process", priority=True),
        Binding("ctrl+q", "leave", priority=True),
        Binding("f1", "keys", priority=True),
        Binding("f2", "side('rooms')", priority=True),
        Binding("f3", "side('members')", priority=True),
        *(Binding(f"alt+{n}", f"number({n})", priority=True) for n in range(1, 10)),
    ]

    def __init__(self, desk: Desk) -> None:
        """Be the face of ``desk``."""
        super().__init__()
        know_keys()
        self._desk = desk
        self._titled = False
        self._title = ""
        self._mounted = False
        self._due = False
        self._drawn = 0.0
        self._shown: Window | None = None
        self._chosen: dict[str, bool] = {}  # whether F2 and F3 say that a side is shown
        self._offered: list[str] = []
        self.messages = Messages("messages", desk.older, desk.fetch)
        self.rooms = Choice("rooms", desk.choose)
        self.members = Choice("members", desk.whisper)
        self.composer = Composer(desk.offers, self._send)

    def apply(self, theme: str, times: str, titled: bool) -> None:
        """Have the colours ``theme``; ``titled``: the terminal's title says where one is meant.

        ``times`` is how they are written, as for strftime.
        """
        if theme in self.available_themes:
            self.theme = theme
        self._titled, self.messages.times = titled, times
        self.changed()

    def compose(self) -> ComposeResult:
        yield Static(id="head")
        with Horizontal(id="middle"):
            yield self.rooms
            yield self.messages
            yield self.members
        yield Static(id="status")
        yield self.composer

    def on_mount(self) -> None:
        self._mounted = True
        self.composer.focus()
        self.app_resume_signal.subscribe(self, lambda _: self.action_redraw())
        self._write("\x1b[22;2t")
        self._fit(self.size.width)
        self.draw()

    def on_unmount(self) -> None:
        self._mounted = False
        self._write("\x1b[23;2t")

    # -- drawing -------------------------------------------------------------------

    def changed(self) -> None:
        """Draw soon: at once, or when the last time is long enough ago. From anywhere."""
        if self._mounted and not self._due:
            self._due = True
            self.call_later(self._draw_soon)

    def _draw_soon(self) -> None:
        wait = self._drawn + FRAME_SECONDS - monotonic()
        if wait > 0:
            self.set_timer(wait, self.draw)
        else:
            self.draw()

    def draw(self) -> None:
        """Show all as it is."""
        self._due, self._drawn = False, monotonic()
        if not self._mounted:
            return
        desk = self._desk
        windows, link = desk.windows, desk.link
        window = windows.current
        if window is not self._shown:
            self._switch(window)
        self.messages.show(window, link.dialogue.name, desk.files)
        if self.rooms.display:
            self.rooms.offer(frame.rooms(link, windows, self.rooms.size.width))
        if self.members.display:
            people = frame.people_of(link, window) if window.is_room else ()
            listed = frame.members(people, link.dialogue.name, self.members.size.width)
            self.members.offer(listed if people else [])
        self._say("#head", frame.head(link, window))
        self._say("#status", self._status())
        self._entitle(frame.title(windows))

    def _status(self) -> str:
        if self._offered:
            return "  ".join(one.strip() for one in self._offered)
        desk = self._desk
        following, logging = self.messages.following, desk.is_logging
        return frame.status(desk.link, desk.windows, desk.now(), following, logging)

    def _say(self, where: str, words: str) -> None:
        widget = self.screen_stack[0].query_one(where, Static)
        if getattr(widget, "words", None) != words:
            widget.words = words  # type: ignore[attr-defined]
            widget.update(Content(words))

    def _switch(self, window: Window) -> None:
        if self._shown is not None:
            self._shown.draft = self.composer.text
        self._shown = window
        self.composer.take(window.draft)

    def _entitle(self, title: str) -> None:
        if self._titled and title != self._title:
            self._title = title
            self._write(f"\x1b]2;{title}\x07")

    def _write(self, sequence: str) -> None:
        if self._titled and self._driver is not None and not self.is_headless:
            self._driver.write(sequence)

    def _fit(self, width: int) -> None:
        """Show as much beside the messages as ``width`` has room for, or as was asked for."""
        self.rooms.display = self._chosen.get("rooms", width >= _SIDE)
        self.members.display = self._chosen.get("members", width >= _WIDE)
        self.changed()

    def on_rows_resized(self) -> None:
        self.changed()

    def on_resize(self, event: Resize) -> None:
        self._fit(event.size.width)

    def on_app_focus(self, event: AppFocus) -> None:
        self._desk.windows.watch(True)
        self.changed()

    def on_app_blur(self, event: AppBlur) -> None:
        self._desk.windows.watch(False)
        self.changed()

    # -- what one does -------------------------------------------------------------

    def _send(self, text: str) -> None:
        """Have ``text`` obeyed where it was typed, even if one is on the way elsewhere."""
        windows = self._desk.windows
        here, going = self._shown, windows.current
        if here is not None and here is not going:
            windows.show(here)
        self.messages.follow()
        self._desk.typed(text)
        if here is not None and here is not going and windows.current is here:
            windows.show(going)
        self.changed()

    def on_composer_left(self) -> None:
        self._desk.leave()

    def on_composer_offered(self, event: Composer.Offered) -> None:
        self._offered = event.found if len(event.found) > 1 else []
        self.changed()

    def on_text_area_changed(self, event: TextArea.Changed) -> None:
        if self._offered and not self.composer.completing:
            self._offered = []
            self.changed()
        self._desk.typing(self.composer.text)

    def show(self, window: Window) -> None:
        """Look at ``window``."""
        self._desk.windows.show(window)
        self.changed()

    def found(self, found: r.Found) -> None:
        """Show what was found, to choose from."""
        self.call_later(self._show_found, found)

    def _show_found(self, found: r.Found) -> None:
        words, options = frame.findings(found)
        if not isinstance(self.screen, Search):
            self._search(lambda search: search.found(words, options))
        else:
            self.screen.found(words, options)

    async def ask(self, question: str) -> str | None:
        """Return the password that is typed; None if there is none."""
        typed: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.call_later(self.push_screen, Asking(question), typed.set_result)
        return await typed

    def compare(self, question: str, answered: Callable[[bool], None]) -> None:
        """Ask whether two people see the same."""
        self.call_later(
            self.push_screen,
            Comparing(question),
            lambda same: answered(same) if same is not None else None,
        )

    def go(self, item: Item) -> None:
        """Show ``item`` of the window that is looked at."""
        self.draw()
        self.messages.go(item)

    # -- keys ----------------------------------------------------------------------

    def check_action(self, action: str, parameters: tuple[object, ...]) -> bool | None:
        """Let keys mean what they mean in a dialog while there is one."""
        if len(self.screen_stack) > 1:
            return action in ("redraw", "suspend_process", "leave")
        return True

    def action_page(self, by: int) -> None:
        """Turn the messages by almost a screen."""
        self.messages.turn(by * max(1, self.messages.height - 2))
        self.changed()

    def action_oldest(self) -> None:
        """Show the oldest message that is here."""
        self.messages.turn(-len(self.messages.rows))
        self.changed()

    def action_newest(self) -> None:
        """Show the newest message."""
        self.messages.follow()
        self.changed()

    def action_step(self, by: int) -> None:
        """Go to the window above or below."""
        self.show(self._desk.windows.step(by))

    def action_active(self) -> None:
        """Go where something is new."""
        window = self._desk.windows.next_active()
        if window is not None:
            self.show(window)

    def action_number(self, number: int) -> None:
        """Go to the window of that ``number``."""
        window = self._desk.windows.at(number)
        if window is not None:
            self.show(window)

    def action_switch(self) -> None:
        """Choose a window, or a room to enter."""
        windows = self._desk.windows
        here = [(w.key, f"{n} {frame.label(w)}") for n, w in enumerate(windows, 1)]
        picker = Picker("Go to", "a few letters of the name", here)
        self.push_screen(picker, lambda key: self._desk.choose(key) if key else None)
        self.run_worker(self._offer_places(picker, here))

    async def _offer_places(self, picker: Picker, here: list[tuple[str, str]]) -> None:
        others = await self._desk.places()
        if picker.is_attached:
            picker.offer([*here, *others])

    def action_search(self) -> None:
        """Look for messages."""
        self._search()

    def _search(self, then: object = None) -> None:
        search = Search(self._desk.search)
        self.push_screen(search, lambda place: self._desk.reach(place) if place else None)
        if callable(then):
            self.call_after_refresh(then, search)

    def action_dark(self) -> None:
        """Change between light and dark."""
        dark = self.current_theme.dark
        self.theme = "textual-light" if dark else "textual-dark"

    def action_redraw(self) -> None:
        """Print the whole screen again."""
        self.refresh(repaint=True, layout=True)

    def action_side(self, side: str) -> None:
        """Show or hide a side."""
        widget = self.rooms if side == "rooms" else self.members
        self._chosen[side] = not widget.display
        self._fit(self.size.width)

    def action_keys(self) -> None:
        """Show the keys."""
        self.push_screen(Reading(keys_text()))

    def action_help_quit(self) -> None:
        """Say how to leave: Ctrl-C was pressed where there is nothing to copy."""
        self.notify("Ctrl-Q leaves, /quit too.")

    def action_leave(self) -> None:
        """Say goodbye."""
        self._desk.leave()
