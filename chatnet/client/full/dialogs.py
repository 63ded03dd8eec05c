"""What comes up in front of the windows: quick switch, search, a password, the keys."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical, VerticalScroll
from textual.content import Content
from textual.screen import ModalScreen, ScreenResultType
from textual.widgets import Button, Input, OptionList, Static
from textual.widgets.option_list import Option

_CSS = """
{name} {{ align: center middle; background: $background 50%; }}
{name} > .box {{ width: 94%; max-width: 90; height: auto; max-height: 85%;
    background: $panel; border: round $primary; padding: 0 1; }}
{name} Input {{ background: $surface; }}
{name} .answers {{ height: 1; margin: 1 0 0 0; }}
{name} Button {{ margin: 0 2 0 0; }}
{name} OptionList {{ border: none; height: auto; max-height: 16; background: $panel; }}
"""


class Picker(ModalScreen[str | None]):
    """A line to type in, and below it what fits; Enter takes the one that is marked."""

    DEFAULT_CSS = _CSS.format(name="Picker")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
        Binding("up", "move(-1)", show=False, priority=True),
        Binding("down", "move(1)", show=False, priority=True),
    ]

    def __init__(self, title: str, hint: str, options: list[tuple[str, str]]) -> None:
        """Offer ``options``, each a key and the words for it; the key is the result."""
        super().__init__()
        self._title = title
        self._hint = hint
        self._options = options

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(Content(self._title))
            yield Input(placeholder=self._hint, compact=True)
            yield OptionList(markup=False)

    def on_mount(self) -> None:
        self.query_one(OptionList).can_focus = False
        self.offer(self._options)

    def offer(self, options: list[tuple[str, str]]) -> None:
        """Offer ``options`` from now on."""
        self._options = options
        self.narrow(self.query_one(Input).value)

    def narrow(self, typed: str) -> None:
        """Show those with all the words that are ``typed``."""
        words = typed.casefold().split()
        found = [one for one in self._options if all(w in one[1].casefold() for w in words)]
        listed = self.query_one(OptionList)
        listed.clear_options()
        listed.add_options([Option(Content(text), id=key) for key, text in found])
        if found:
            listed.highlighted = 0

    def on_input_changed(self, event: Input.Changed) -> None:
        self.narrow(event.value)

    def on_input_submitted(self) -> None:
        self.enter()

    def enter(self) -> None:
        """Take the one that is marked."""
        listed = self.query_one(OptionList)
        if listed.highlighted is not None:
            self.dismiss(listed.get_option_at_index(listed.highlighted).id)

    def on_option_list_option_selected(self, event: OptionList.OptionSelected) -> None:
        self.dismiss(event.option.id)

    def action_move(self, by: int) -> None:
        """Mark the next one above or below."""
        listed = self.query_one(OptionList)
        if by > 0:
            listed.action_cursor_down()
        else:
            listed.action_cursor_up()


class Search(Picker):
    """Looks for messages: Enter asks the server, and then goes to the one that is marked."""

    DEFAULT_CSS = _CSS.format(name="Search")

    def __init__(self, ask: Callable[[str], str]) -> None:
        """Look for words with ``ask``, which returns what is wrong with them, or nothing."""
        super().__init__("Search in all your rooms", "words from:USER in:ROOM since:7d", [])
        self._ask = ask
        self._asked = ""

    def narrow(self, typed: str) -> None:
        if typed == self._asked:
            super().narrow("")

    def say(self, words: str) -> None:
        """Say ``words`` in place of the title."""
        self.query_one(Static).update(Content(words))

    def found(self, words: str, options: list[tuple[str, str]]) -> None:
        """Show what was found: ``words`` about it, and ``options``."""
        self.say(words)
        self._asked = self.query_one(Input).value
        self.offer(options)

    def enter(self) -> None:
        typed = self.query_one(Input).value
        if typed.strip() and typed == self._asked:
            super().enter()
        elif typed.strip():
            self.say(self._ask(typed) or "Looking ...")


class _Worded(ModalScreen[ScreenResultType]):
    """Has words at the top, and below them what is done about them."""

    def __init__(self, words: str) -> None:
        super().__init__()
        self.words = Content(words)


class Asking(_Worded[str | None]):
    """Asks for a password."""

    DEFAULT_CSS = _CSS.format(name="Asking")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "dismiss", show=False)]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(self.words)
            yield Input(password=True, compact=True)

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value)


class Comparing(_Worded[bool | None]):
    """Shows what two people compare; Escape leaves it open, /verify yes or no answers later."""

    DEFAULT_CSS = _CSS.format(name="Comparing")
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "dismiss", show=False),
        Binding("y", "dismiss(True)", show=False),
        Binding("n", "dismiss(False)", show=False),
    ]

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(self.words)
            with Horizontal(classes="answers"):
                yield Button("They match (y)", id="yes", variant="success", compact=True)
                yield Button("They differ (n)", id="no", variant="error", compact=True)

    def on_mount(self) -> None:
        for button in self.query(Button):
            button.can_focus = False

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.dismiss(event.button.id == "yes")


class Reading(_Worded[None]):
    """Shows a text, until a key is pressed that does not turn it."""

    DEFAULT_CSS = _CSS.format(name="Reading")
    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,enter,f1", "dismiss", show=False)]

    def compose(self) -> ComposeResult:
        with VerticalScroll(classes="box"):
            yield Static(self.words)
