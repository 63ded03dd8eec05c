"""What Tab completes: commands, the names of people, and rooms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory

from chatnet.client.link import Link
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold
from chatnet.core.refusals import Refused
from chatnet.dialects.verbs import ALL_VERBS, VERBS

_SECRET = ("login", "newuser", "passwd", "lock")  # commands with a password in them
_ABOUT_ROOMS = ("join", "who")


class Completions(Completer):
    """Completes a command, or the name of someone who was heard of, or a room."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._heard: dict[str, str] = {}  # who spoke to one, or to all, by key

    def saw(self, event: e.Event) -> None:
        """Know who speaks in ``event``, wherever that is."""
        match event:
            case e.Whispered(by) | e.Announced(by):
                self._heard[fold(by)] = by
            case e.Renamed(old, new) if self._heard.pop(fold(old), None) is not None:
                self._heard[fold(new)] = new

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        return self._find(document.text_before_cursor, ())

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        before = document.text_before_cursor
        rooms: tuple[str, ...] = ()
        verb = VERBS.get(before[1:].split(" ")[0].lower()) if before.startswith("/") else None
        if verb is not None and verb.name in _ABOUT_ROOMS:
            rooms = await self._rooms()
        for one in self._find(before, rooms):
            yield one

    def _find(self, before: str, rooms: tuple[str, ...]) -> list[Completion]:
        first, _, _ = before.partition(" ")
        word = before.rpartition(" ")[2]
        if before.startswith("/") and first == before:
            found = [f"/{verb.name} " for verb in ALL_VERBS if verb.name.startswith(word[1:])]
        else:
            tail = " " if before.startswith("/") else ": " if word == before else " "
            names = rooms or self._people()
            found = [n + tail for n in names if fold(n).startswith(fold(word)) and n != word]
        return [Completion(one, -len(word)) for one in sorted(found, key=fold)]

    def _people(self) -> tuple[str, ...]:
        places = self._link.dialogue.places
        place = places.rooms.get(places.here)
        here = place.view.members if place is not None and place.view is not None else ()
        return tuple((self._heard | {fold(one.name): one.name for one in here}).values())

    async def _rooms(self) -> tuple[str, ...]:
        try:
            asked = self._link.ask(c.ListRooms()).asFuture(asyncio.get_running_loop())
            reply = await asked
        except Refused:
            return ()
        return tuple(line.name for line in reply.rooms) if isinstance(reply, r.Rooms) else ()


class DiscreetHistory(InMemoryHistory):
    """The lines that were typed, without those that hold a password."""

    def append_string(self, string: str) -> None:
        words = string[1:].split() if string.startswith("/") else []
        verb = VERBS.get(words[0].lower()) if words else None
        secret = words[:1] == ["recovery"] or (
            verb is not None and (verb.name in _SECRET or (verb.name == "join" and len(words) > 2))
        )
        if not secret:
            super().append_string(string)
