"""The commands that the full-screen client obeys by itself."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from chatnet.client.full.commands import OWN, own
from chatnet.client.keys.commands import USAGE as KEY_USAGE, KeyCommands
from chatnet.client.keys.keys import Keys
from chatnet.client.screen import lines_of_reply
from chatnet.client.settings import (
    BadSettings,
    change,
    listed,
    log_path,
    settings_path,
)
from chatnet.client.transfers import GET, SEND, path_of
from chatnet.core import commands as c
from chatnet.core.names import fold, person_name
from chatnet.core.refusals import Malformed

if TYPE_CHECKING:
    from chatnet.client.full.client import Full


class Deeds:
    """What is done here, and not by the server."""

    def __init__(self, full: Full, place: str) -> None:
        self.names = [*(one.name for one in OWN), *KEY_USAGE]
        self._full = full
        self._place = place

    def obey(self, line: str) -> bool:
        """Do what ``line`` says, if it is one of these commands; return whether it is.

        Raises:
            Refused: it cannot be done; the sentence says why.
        """
        asked = own(line)
        if asked is None:
            return self._about_keys(line) or self._full.transfers.typed(self._meant(line))
        name, rest = asked
        getattr(self, name)(rest)
        return True

    def _about_keys(self, line: str) -> bool:
        keys = self._full.link.keys
        answer = isinstance(keys, Keys) and KeyCommands(self._full.link, keys).typed(line)
        if not isinstance(answer, bool):
            self._full.hearing.say(*lines_of_reply(answer))
        return bool(answer)

    def _meant(self, line: str) -> str:
        """Return ``line``, if it is about a file, with what the window says of where or which."""
        word, _, rest = line.strip().partition(" ")
        verb, rest, window = (
            word.removeprefix("/").lower(),
            rest.strip(),
            self._full.windows.current,
        )
        if not word.startswith("/"):
            return line
        if (
            verb in SEND
            and rest
            and (" " not in rest or os.path.isfile(path_of(rest)))
            and window is not self._full.windows.server
        ):
            return f"{word} {'@' if window.is_person else ''}{window.name} {rest}"
        if verb in GET and not rest:
            found = next((item.file for item in reversed(window.items) if item.file), "")
            return f"{word} {found}"
        return line

    def query(self, rest: str) -> None:
        """Open a window to whisper in."""
        self._full.whisper(person_name(rest).text if rest else _misused("query"))

    def close(self, rest: str) -> None:
        """Close the window; a room is left."""
        windows = self._full.windows
        window = windows.current
        if window.is_room and not window.out:
            self._full.link.submit(c.Leave(window.name))
        elif window is windows.server:
            raise Malformed("This window stays. Ctrl-Q leaves the client.")
        else:
            windows.close(window)

    def go(self, rest: str) -> None:
        """Go to a window by its number or name."""
        windows = self._full.windows
        if rest.isascii() and rest.isdigit():
            window = windows.at(int(rest[:4]))
        else:
            called = (one for one in windows if fold(one.name) == fold(rest.lstrip("@#")))
            window = next(called, None)
        if window is None:
            raise Malformed(f"There is no window {rest}. Ctrl-K shows what there is.")
        self._full.app.show(window)

    def cancel(self, rest: str) -> None:
        """Give up the files on their way."""
        self._full.transfers.cancel()

    def save(self, rest: str) -> None:
        """Write a message to a file."""
        word, _, file = rest.partition(" ")
        if not (word.startswith("#") and word[1:].isdigit() and word.isascii() and file.strip()):
            _misused("save")
        number, items = int(word[1:16]), self._full.windows.current.items
        known = (one for one in items if one.body and number in (one.seq, one.number))
        item = next(known, None) if number else None
        if item is None:
            raise Malformed(f"There is no message {word} here. Numbers stand in /history.")
        path = path_of(file.strip())
        try:
            with open(path, "x", encoding="utf-8", errors="replace") as out:
                out.write(item.body)
        except OSError as error:
            raise Malformed(f"Cannot write {path}: {error.strerror}.") from error
        self._full.hearing.say(f"Written: {path}")

    def log(self, rest: str) -> None:
        """Write what comes to a file, or stop that."""
        logbook = self._full.logbook
        if rest.lower() == "off":
            logbook.close()
            self._full.hearing.say("Nothing is logged any more.")
            return
        path = path_of(rest) if rest and rest.lower() != "on" else log_path(self._place)
        try:
            logbook.open(path)
        except OSError as error:
            raise Malformed(f"Cannot write {path}: {error.strerror}.") from error
        self._full.hearing.say(f"What comes is written to {logbook.path}. /log off stops that.")

    def theme(self, rest: str) -> None:
        """Change the colours, and keep that."""
        names = sorted(self._full.app.available_themes)
        if not rest:
            self._full.hearing.say("Themes: " + ", ".join(names))
            return
        if rest not in names:
            raise Malformed(f"There is no theme {rest}. There are: {', '.join(names)}.")
        self.settings(f"theme {rest}")

    def settings(self, rest: str) -> None:
        """List the settings, or change one."""
        name, _, value = rest.partition(" ")
        if not name:
            lines = [f"They are kept in {settings_path()}:", *listed(self._full.settings)]
            self._full.hearing.say(*lines)
            return
        try:
            settings = change(settings_path(), name, value.strip())
        except BadSettings as error:
            raise Malformed(str(error)) from error
        self._full.apply(settings)
        self._full.hearing.say(f"{name} is changed, and kept in {settings_path()}.")

    def clear(self, rest: str) -> None:
        """Empty the window."""
        self._full.windows.current.clear()

    def keys(self, rest: str) -> None:
        """Show the keys."""
        self._full.app.action_keys()


def _misused(name: str) -> str:
    usage = next(one.usage for one in OWN if one.name == name)
    raise Malformed(f"Use it like this: {usage}")
