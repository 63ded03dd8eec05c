"""The console's one-shot form: one verb, its answer, a status."""

from __future__ import annotations

import json
import os
import shutil
import sys
from collections.abc import Awaitable, Sequence

from twisted.internet.defer import Deferred

from chatnet.admin import importing
from chatnet.admin.calling import Calls, Told, Unreachable
from chatnet.admin.commandline import USAGE
from chatnet.admin.grammar import Given, Verb
from chatnet.admin.tables import Shown, cell, lines_of
from chatnet.core.plain import plain
from chatnet.core.refusals import Refused

DONE, REFUSED, UNREACHABLE = 0, 1, 3  # exit statuses, besides USAGE

__all__ = ["DONE", "REFUSED", "UNREACHABLE", "USAGE", "OneShot"]


class OneShot:
    """Does one thing, and prints what comes of it."""

    def __init__(self, calls: Calls, as_json: bool) -> None:
        self._calls = calls
        self._json = as_json
        calls.heard = self.show

    async def do(self, verb: Verb, given: Given) -> int:
        """Do ``verb``, and return the exit status."""
        return await status_of(self._do(verb, given))

    async def _do(self, verb: Verb, given: Given) -> int:
        if verb.name == "watch":
            await self._calls.ask(verb, given)
            return await self._watch()
        await self.ask(verb, given)
        return DONE

    async def ask(self, verb: Verb, given: Given) -> None:
        """Ask for ``verb``, and print the answer.

        Raises:
            Refused: the server says no.
            Unreachable: it says nothing.
        """
        told = await self._calls.ask(verb, given)
        self._print(verb, told, self._json or given.flag("export"))

    async def lay(self, path: str, now: float) -> int:
        """Lay the bans and exemptions in the file ``path`` that hold ``now``; return the status."""
        return await status_of(self._lay(path, now))

    async def _lay(self, path: str, now: float) -> int:
        try:
            with open(path, encoding="utf-8") as file:
                lines = importing.read(file.read(), now)
            said, refused = await importing.lay(self._calls, lines)
        except (OSError, UnicodeDecodeError) as error:
            complain(f"Cannot read {path}: {error}")
            return USAGE
        for sentence in refused:
            complain(sentence)
        write(dumped({"said": said}) if self._json else said)
        return REFUSED if refused else DONE

    async def _watch(self) -> int:
        line = self._calls.line
        assert line is not None
        await _lost(line.lost)
        complain("The server is gone.")
        return UNREACHABLE

    def show(self, rows: Sequence[Shown]) -> None:
        """Print what happened."""
        for row in rows:
            if self._json:
                write(dumped(row))
            else:
                write(happening(row))

    def _print(self, verb: Verb, told: Told, as_json: bool) -> None:
        if as_json:
            for row in told.rows or ([{"said": told.said}] if told.said else []):
                write(dumped(row))
            return
        columns = shutil.get_terminal_size((80, 24)).columns if sys.stdout.isatty() else 80
        for line in lines_of(told.said, told.rows, columns, verb.upright):
            write(line)


def happening(row: Shown) -> str:
    """Return what happened as a line."""
    time = cell("at", row.get("at", 0.0))[-5:]
    level = str(row.get("level", "info"))
    mark = "" if level in ("info", "progress") else f"{level}: "
    return plain(f"{time} {mark}{row.get('text', '')}")


def dumped(row: Shown) -> str:
    """Return ``row`` in JSON, where what a terminal would obey is escaped."""
    text = json.dumps(row, ensure_ascii=False)
    return text if plain(text) == text else json.dumps(row)


async def status_of(work: Awaitable[int], where: str = "") -> int:
    """Return what ``work`` returns, or the status for why it came to nothing, and say why.

    ``where`` stands before that.
    """
    try:
        return await work
    except Refused as refusal:
        complain(f"{where}{refusal}")
        return REFUSED
    except Unreachable as error:
        complain(f"{where}{error}")
        return UNREACHABLE


async def _lost(done: Deferred[None]) -> None:
    await done


def write(line: str) -> None:
    """Print ``line``; that nobody reads it is no fault."""
    try:
        sys.stdout.write(f"{line}\n")
        sys.stdout.flush()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)


def complain(sentence: str) -> None:
    """Say on standard error what went wrong."""
    sys.stderr.write(f"chatnet: {plain(sentence)}\n")
