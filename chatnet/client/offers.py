"""What there is to complete a word with: commands, the names of people, and rooms. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from chatnet.core import events as e
from chatnet.core.names import fold
from chatnet.dialects.verbs import ALL_VERBS, VERBS, command_of

# Commands with a password in them, and how many words stand before it.
_SECRET = {"login": 2, "newuser": 2, "join": 2, "passwd": 1, "lock": 1, "recovery": 1}
DOT = "\N{BULLET}"  # in the place of each character of a password
_ABOUT_ROOMS = ("join", "who")


class Offers:
    """Completes a command, or the name of someone who was heard of, or a room."""

    def __init__(self, commands: Iterable[str] = ()) -> None:
        """Complete the commands of the dialect, and ``commands`` besides."""
        self._commands = sorted({verb.name for verb in ALL_VERBS} | set(commands))
        self._heard: dict[str, str] = {}  # who spoke to one, or to all, by key

    def saw(self, event: e.Event) -> None:
        """Know who speaks in ``event``, wherever that is."""
        match event:
            case e.Whispered(by) | e.Announced(by):
                self._heard[fold(by)] = by
            case e.Renamed(old, new) if self._heard.pop(fold(old), None) is not None:
                self._heard[fold(new)] = new

    def find(self, before: str, people: Iterable[str], rooms: Iterable[str] = ()) -> list[str]:
        """Return what may stand in place of the last word of ``before``, the line so far.

        ``people`` are here; ``rooms``, if there are any, is what the command is about.
        """
        word = before.rpartition(" ")[2].rpartition("\n")[2]
        command = command_of(before)
        if command is not None and " " not in command:
            found = [f"/{name} " for name in self._commands if name.startswith(word[1:])]
        else:
            tail = ": " if word == before and command is None else " "
            names = tuple(rooms) or self._people(people)
            found = [n + tail for n in names if fold(n).startswith(fold(word)) and n != word]
        return sorted(found, key=fold)

    def _people(self, here: Iterable[str]) -> tuple[str, ...]:
        return tuple((self._heard | {fold(name): name for name in here}).values())


def about_rooms(before: str) -> bool:
    """Return whether what is typed is a command that a room is the object of."""
    return _verb(_words(before)) in _ABOUT_ROOMS


def is_secret(line: str) -> bool:
    """Return whether there is a password in the command that ``line`` is."""
    words = _words(line)
    verb = _verb(words)
    return verb in _SECRET and (verb != "join" or len(words) > 2)


def veiled(line: str) -> str:
    """Return ``line``, as far as it is typed, with dots in place of the password in it."""
    command = command_of(line) or ""
    verb = _verb(command.split())
    if verb not in _SECRET:
        return line
    before = re.match(rf"\s*(?:\S+\s+){{{_SECRET[verb]}}}", command)
    rest = command[before.end() :] if before else ""
    if verb == "recovery" and "new".startswith(rest.strip()):
        return line
    return line[: len(line) - len(rest)] + re.sub(r"[^\n]", DOT, rest)


def _words(line: str) -> list[str]:
    """Return the words of the command that ``line`` is; none if it is none."""
    return (command_of(line) or "").split()


def _verb(words: list[str]) -> str:
    word = words[0].lower() if words else ""
    return VERBS[word].name if word in VERBS else word
