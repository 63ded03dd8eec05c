"""How an operator's verb is written, and what it is given."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from chatnet.core import commands as c
from chatnet.core.durations import parse_duration
from chatnet.core.refusals import Malformed
from chatnet.core.roles import Rank

LONGEST_SPAN = 10**10  # seconds
LARGEST_NUMBER = 10**15
LONGEST_WORD = 4000  # characters of what is no text

Value = str | int | float | bool
Asked = (
    c.Moderation | c.Delete | c.Governing | c.Purge | c.Whisper | c.Announce
)  # what a verb may become


class Kind(Enum):
    """What an argument is: how it is read, and what completes it."""

    WORD = "word"
    PERSON = "person"
    ROOM = "room"
    TEXT = "text"  # all the rest of the line, if it is not an option's
    SECRET = "secret"  # noqa: S105 -- a password: asked for where it is missing
    MESSAGE = "message"  # ROOM/SEQ
    SPAN = "span"  # a length of time, in seconds
    NUMBER = "number"
    FLAG = "flag"


@dataclass(frozen=True, slots=True)
class Argument:
    """One thing that a verb takes, by its place or, with an ``option``, as ``--option VALUE``."""

    name: str
    kind: Kind = Kind.WORD
    optional: bool = False
    option: str = ""
    choices: tuple[str, ...] = ()

    @property
    def usage(self) -> str:
        """How it is written."""
        shown = "|".join(self.choices) or self.name.upper()
        shown = {Kind.MESSAGE: "ROOM/NUMBER", Kind.SPAN: "DURATION"}.get(self.kind, shown)
        if self.option:
            shown = f"--{self.option}" + ("" if self.kind is Kind.FLAG else f" {shown}")
        return f"[{shown}]" if self.optional or self.option else shown

    def check(self, value: Value) -> None:
        """See that ``value``, which came from elsewhere, may stand here.

        Raises:
            Malformed: it may not.
        """
        if self.choices and value not in self.choices:
            raise Malformed(f"{self.name} is {' or '.join(self.choices)}.")
        match self.kind:
            case Kind.SPAN if not 0 <= float(value) <= LONGEST_SPAN:
                raise Malformed(f"{self.name} is 0 to {LONGEST_SPAN:,} seconds.")
            case Kind.NUMBER if not 0 <= int(value) <= LARGEST_NUMBER:
                raise Malformed(f"{self.name} is 0 to {LARGEST_NUMBER:,}.")
            case Kind.WORD | Kind.PERSON | Kind.ROOM | Kind.MESSAGE:
                if len(str(value)) > LONGEST_WORD:
                    raise Malformed(f"{self.name} has at most {LONGEST_WORD:,} characters.")


class Given:
    """What a verb was given."""

    def __init__(self, values: Mapping[str, Value]) -> None:
        self.values = dict(values)

    def text(self, name: str) -> str:
        """Return the words ``name``; none if they were not given."""
        return str(self.values.get(name, ""))

    def number(self, name: str, otherwise: int = 0) -> int:
        """Return the number ``name``."""
        return int(self.values.get(name, otherwise))

    def seconds(self, name: str = "seconds") -> float:
        """Return the length of time ``name``."""
        return float(self.values.get(name, 0.0))

    def switch(self, name: str) -> float:
        """Return ``name`` as a number: on is 1, off is 0, anything else a length of time.

        Raises:
            Malformed: it is none of these.
        """
        word = self.text(name).lower()
        seconds = {"on": 1, "off": 0, "0": 0}.get(word, parse_duration(word))
        if seconds is None:
            raise Malformed(f"{name} is on, off, or like 10s, not {word}")
        return float(seconds)

    def flag(self, name: str) -> bool:
        """Return whether ``name`` was said."""
        return bool(self.values.get(name, False))

    def message(self, name: str) -> tuple[str, int]:
        """Return the room and the seq that ``name`` means.

        Raises:
            Malformed: it is not written like ``tea/42``.
        """
        room, slash, seq = self.text(name).rpartition("/")
        seq = seq.removeprefix("#")
        if not (slash and room and seq.isascii() and seq.isdigit() and len(seq) < 16):
            raise Malformed(f"A message is written ROOM/NUMBER, like tea/42, not {self.text(name)}")
        return room, int(seq)


_DRY = Argument("dry", Kind.FLAG, option="dry-run")  # of all that write: see admin.trying


@dataclass(frozen=True, slots=True)
class Verb:
    """One thing that an operator can do."""

    name: str
    group: str
    about: str
    arguments: tuple[Argument, ...] = ()
    rank: Rank = Rank.MODERATOR  # at least
    asks: Callable[[Given], Asked] | None = None
    writes: bool = False
    upright: bool = False  # its answer is a row of which each value is a line
    long: bool = False  # it may take minutes, so it is not for the chat

    @property
    def usage(self) -> str:
        """How it is written."""
        return " ".join([self.name, *(argument.usage for argument in self.arguments)])

    def __post_init__(self) -> None:
        """Let what writes be tried out."""
        if self.writes:
            object.__setattr__(self, "arguments", (*self.arguments, _DRY))

    def understand(self, words: Sequence[str]) -> Given:
        """Return what ``words`` say that follow the verb's name.

        Raises:
            Malformed: that is not how it is used.
        """
        values: dict[str, Value] = {}
        places = [argument for argument in self.arguments if not argument.option]
        left = list(words)
        while left:
            word = left.pop(0)
            option, equals, value = word.partition("=")
            named = next(
                (a for a in self.arguments if a.option and f"--{a.option}" == option), None
            )
            if named is not None:
                if named.kind is Kind.FLAG:
                    values[named.name] = True
                    continue
                if not equals and not left:
                    raise Malformed(f"{option} takes a value: {self.usage}")
                values[named.name] = self._value(named, value if equals else left.pop(0))
            elif word.startswith("--") and len(word) > 2:
                raise Malformed(f"{self.name} has no option {option}: {self.usage}")
            elif not places:
                raise Malformed(f"That is more than {self.name} takes: {self.usage}")
            elif places[0].kind is Kind.TEXT:
                text = values.get(places[0].name, "")
                values[places[0].name] = f"{text} {word}".strip()
            else:
                argument = places.pop(0)
                values[argument.name] = self._value(argument, word)
        for argument in self.arguments:
            if argument.name not in values and not (argument.optional or argument.option):
                raise Malformed(f"Use it like this: {self.usage}")
        return Given(values)

    def _value(self, argument: Argument, word: str) -> Value:
        if argument.choices and word not in argument.choices:
            raise Malformed(f"{argument.name} is {' or '.join(argument.choices)}, not {word}")
        if argument.kind is Kind.NUMBER:
            if not (word.isascii() and word.isdigit() and len(word) < 16):
                raise Malformed(f"{argument.name} is a number, not {word}: {self.usage}")
            return int(word)
        if argument.kind is Kind.SPAN:
            seconds = int(word) if word.isascii() and word.isdigit() else parse_duration(word)
            if seconds is None or seconds > LONGEST_SPAN:
                raise Malformed(f"{argument.name} is like 90s, 10m, 2h or 7d, not {word}")
            return float(seconds)
        return word
