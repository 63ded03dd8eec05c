"""What Tab completes in the line mode, what it remembers, and what it does not show."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from prompt_toolkit.layout.processors import Processor, Transformation, TransformationInput
from prompt_toolkit.layout.utils import explode_text_fragments

from chatnet.client.link import Link
from chatnet.client.offers import DOT, Offers, about_rooms, is_secret, veiled
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.refusals import Refused


class Completions(Completer):
    """Completes a command, or the name of someone who was heard of, or a room."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._offers = Offers()

    def saw(self, event: e.Event) -> None:
        """Know who speaks in ``event``, wherever that is."""
        self._offers.saw(event)

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        return self._find(document.text_before_cursor, ())

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        before = document.text_before_cursor
        rooms: tuple[str, ...] = ()
        if about_rooms(before):
            asked = self._link.ask(c.ListRooms()).asFuture(asyncio.get_running_loop())
            rooms = await rooms_of(asked)
        for one in self._find(before, rooms):
            yield one

    def _find(self, before: str, rooms: tuple[str, ...]) -> list[Completion]:
        word = before.rpartition(" ")[2]
        places = self._link.dialogue.places
        place = places.rooms.get(places.here)
        here = place.view.members if place is not None and place.view is not None else ()
        found = self._offers.find(before, (one.name for one in here), rooms)
        return [Completion(one, -len(word)) for one in found]


async def rooms_of(asked: asyncio.Future[r.Reply]) -> tuple[str, ...]:
    """Return the names in the list of rooms that was ``asked`` for; none if it was refused."""
    try:
        reply = await asked
    except Refused:
        return ()
    return tuple(line.name for line in reply.rooms) if isinstance(reply, r.Rooms) else ()


class DiscreetHistory(InMemoryHistory):
    """The lines that were typed, without those that hold a password."""

    def append_string(self, string: str) -> None:
        if not is_secret(string):
            super().append_string(string)


class Veil(Processor):
    """Shows dots in place of a password."""

    def apply_transformation(self, transformation_input: TransformationInput) -> Transformation:
        document = transformation_input.document
        shown = veiled(document.text).split("\n")[transformation_input.lineno]
        fragments = explode_text_fragments(transformation_input.fragments)
        for at, char in enumerate(shown):
            if char == DOT:
                fragments[at] = (fragments[at][0], DOT)
        return Transformation(fragments)
