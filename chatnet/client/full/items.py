"""What stands in a window: entries and answers, as plain words that no terminal obeys. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, tzinfo
from enum import Enum

from chatnet.client.frames import Strange
from chatnet.client.screen import lines_of_event
from chatnet.core import events as e
from chatnet.core.files import spell_size
from chatnet.core.names import fold
from chatnet.core.plain import plain, plain_lines

MOST_SHOWN, MOST_LINES = 16_384, 100  # characters and lines of a message that are shown
# Tabs, and what asks for a picture in place of a sign: terminals do not agree how wide that is.
_EVEN: dict[int, str | None] = {9: " " * 4, 0xFE0F: None}
_PRESENCE = (e.Joined, e.Left, e.Renamed)


class Kind(Enum):
    """What a line is; the screen has a colour for each."""

    SAID = "said"
    DONE = "done"  # * ann waves
    PRESENCE = "presence"  # who comes, goes, and is called something else
    EVENT = "event"
    FILE = "file"
    SERVER = "server"  # what the server says, or somebody to everybody on it
    ANSWER = "answer"  # to who asked; nobody else sees it
    REFUSAL = "refusal"
    UNREAD = "unreadable"  # encrypted, and why it cannot be read
    FOLD = "fold"  # in place of all that was encrypted before one came


_MESSAGES = (Kind.SAID, Kind.DONE, Kind.FILE, Kind.SERVER, Kind.UNREAD)


@dataclass(slots=True, eq=False)
class Item:
    """One thing in a window: who said what, when (UTC seconds since the epoch).

    ``seq`` is its place in the room's log, or 0. ``lines`` are plain; ``rest`` is how many
    characters more the message has, which ``body`` holds whole.
    """

    kind: Kind
    at: float
    who: str
    lines: Sequence[str]
    seq: int = 0
    mine: bool = False
    mention: bool = False
    rest: int = 0
    body: str = ""
    locked: bool = False  # it was encrypted, where not all is
    file: str = ""  # the id of the one that was sent
    number: int = 0  # its place in the log, of what stands here once more, and without ``seq``

    @property
    def is_message(self) -> bool:
        """Whether somebody means it to be read."""
        return self.kind in _MESSAGES

    @property
    def weight(self) -> int:
        """About how many bytes it takes in memory."""
        return 400 + len(self.body) + sum(map(len, self.lines))


def item_of(entry: e.Entry, me: str, words: Iterable[str] = ()) -> Item | None:
    """Return what ``entry`` looks like to who is called ``me``; None if it is nothing to see.

    A message with ``me``, or any of ``words``, in it is a mention.
    """
    event, at, seq = entry.event, entry.at, entry.seq
    match event:
        case e.Said(by, body, action):
            kind = Kind.DONE if action else Kind.SAID
            return _message(kind, entry, by, body, me, words)
        case e.Whispered(by, _, body):
            return _message(Kind.SAID, entry, by, body, me, words)
        case e.Announced(by, body):
            return _message(Kind.SERVER, entry, by, body, me, words)
        case e.Shared(by, id, name, size, kind_of):
            line = f"{flat(name)} ({spell_size(size)}, {flat(kind_of)}): click, or /get {flat(id)}"
            mine = fold(by) == fold(me)
            return Item(Kind.FILE, at, flat(by), (line,), seq, mine, file=flat(id))
        case e.Erased(by):
            return Item(Kind.EVENT, at, flat(by), ("(deleted)",), seq)
        case Strange(text):
            return Item(Kind.EVENT, at, "", (flat(text),), seq)
        case e.Noticed(text):
            return Item(Kind.SERVER, at, "", shown(text)[0], seq)
    lines = lines_of_event(entry)
    kind = Kind.PRESENCE if isinstance(event, _PRESENCE) else Kind.EVENT
    return Item(kind, at, "", tuple(map(flat, lines)), seq) if lines else None


def answer(lines: Iterable[str], at: float, kind: Kind = Kind.ANSWER, who: str = "") -> Item:
    """Return ``lines``, which are for one alone, as an item; ``who`` said them, if anybody did."""
    return Item(kind, at, who, tuple(map(flat, lines)))


def flat(text: str) -> str:
    """Return ``text`` as one line of what has a place of its own on the screen."""
    return plain(text).translate(_EVEN)


def shown(body: str) -> tuple[tuple[str, ...], int]:
    """Return the lines of ``body`` that are shown, and how many characters more it has."""
    head = body[:MOST_SHOWN]
    lines = plain_lines(head)
    rest = len(body) - len(head)
    if len(lines) > MOST_LINES:
        rest += sum(len(line) + 1 for line in lines[MOST_LINES:])
        lines = lines[:MOST_LINES]
    return tuple(map(flat, lines)), rest


def mentions(body: str, words: Iterable[str]) -> bool:
    """Return whether any of ``words`` stands in ``body``, whatever the case, as a whole word."""
    low = body[:MOST_SHOWN].casefold()
    for word in map(str.casefold, filter(None, words)):
        start = low.find(word)
        while start >= 0:
            end = start + len(word)
            if not (low[start - 1 : start].isalnum() or low[end : end + 1].isalnum()):
                return True
            start = low.find(word, end)
    return False


def _message(kind: Kind, entry: e.Entry, by: str, body: str, me: str, words: Iterable[str]) -> Item:
    lines, rest = shown(body)
    mine = fold(by) == fold(me)
    mention = not mine and mentions(body, (me, *words))
    return Item(kind, entry.at, flat(by), lines, entry.seq, mine, mention, rest, body)


def moment_of(at: float, zone: tzinfo | None = None) -> datetime | None:
    """Return ``at`` in ``zone``, or where one is; None if no calendar has it."""
    try:
        return datetime.fromtimestamp(at, zone).astimezone(zone)
    except (ValueError, OverflowError, OSError):
        return None
