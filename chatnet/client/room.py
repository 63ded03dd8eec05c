"""A room that a program is in."""

from __future__ import annotations

from collections.abc import Sequence
from os import PathLike
from typing import Protocol

from chatnet.client.courier import Progress, Sent
from chatnet.client.places import Place
from chatnet.client.stream import Stream
from chatnet.core import commands as c, events as e, replies as r


class Talker(Protocol):
    """What a room needs of the chat that it is part of."""

    async def do(self, command: c.RoomCommand) -> int:
        """Ask for ``command``, and return the seq that it got."""
        ...

    async def history(
        self, room: str, before: int | None = None, count: int = 50, at: str = ""
    ) -> Sequence[e.Entry]:
        """Return a stretch of the history of ``room``."""
        ...

    async def reread(self, room: str, after: int, upto: int) -> Sequence[e.Entry]:
        """Return the entries of ``room`` behind ``after`` up to ``upto``."""
        ...

    async def send_file(
        self,
        to: str,
        path: str | PathLike[str],
        *,
        name: str = "",
        kind: str = "",
        sealed: str = "",
        progress: Progress | None = None,
    ) -> Sent:
        """Send the file at ``path`` to the room ``to``."""
        ...

    def tell(self, command: c.Command) -> None:
        """Send ``command``, to which there is no answer."""


class Room:
    """A room that one is in. Iterate over it for what happens there: ``async for entry in room``.

    Each entry comes once, in the order of ``seq``, one's own among them; the iteration goes on
    where it stopped, also in another loop, and ends when one is out of the room.
    """

    def __init__(self, chat: Talker, key: str, place: Place, since: int) -> None:
        self._chat = chat
        self._place = place
        self.key = key
        self.since = since  # the seq behind which the iteration begins
        self.stream = Stream(chat.reread)
        self.stream.begin(key, since)

    @property
    def name(self) -> str:
        """What the room is called."""
        return self._place.name

    @property
    def members(self) -> tuple[r.Present, ...]:
        """Who is in the room now, as far as it is known here; the iteration may be behind that."""
        return self._place.view.members if self._place.view is not None else ()

    @property
    def moderators(self) -> tuple[str, ...]:
        """Who moderates it; accounts also while they are absent."""
        return self._place.view.moderators if self._place.view is not None else ()

    @property
    def topic(self) -> str:
        """What it is about."""
        return self._place.view.topic if self._place.view is not None else ""

    @property
    def locked(self) -> bool:
        """Whether it takes a password to enter."""
        return self._place.view is not None and self._place.view.locked

    def __aiter__(self) -> Stream:
        return self.stream

    async def say(self, body: str, action: bool = False) -> int:
        """Say ``body``, or, as an ``action``, do it. Return its seq, once it is stored.

        Raises:
            Refused: the server did not take it; the sentence says why.
        """
        return await self._chat.do(c.Say(self.name, body, action))

    async def send_file(
        self,
        path: str | PathLike[str],
        *,
        name: str = "",
        kind: str = "",
        sealed: str = "",
        progress: Progress | None = None,
    ) -> Sent:
        """Send the file at ``path`` to all who are in the room; see ``Chat.send_file``.

        Raises:
            Refused: the server does not take it; the sentence says why.
            OSError: it cannot be read.
        """
        return await self._chat.send_file(
            self.name, path, name=name, kind=kind, sealed=sealed, progress=progress
        )

    async def roll(self, dice: str = "1d6") -> int:
        """Throw ``dice``, written like 2d6; the server throws, and all see it. Return its seq.

        Raises:
            Refused: as for ``say``.
        """
        return await self._chat.do(c.Roll(self.name, dice))

    async def history(
        self, before: int | None = None, count: int = 50, at: str = ""
    ) -> Sequence[e.Entry]:
        """Return the last ``count`` messages, with what happened between them; -1: all.

        With ``before``, the last ones whose seq is lower. With ``at``, a date (2026-11-20), a date
        and time (2026-11-20T18:30, in UTC), or so long ago (7d), the first ones from then on.

        Raises:
            Refused: one is not in the room.
        """
        return await self._chat.history(self.name, before, count, at)

    async def reread(self, after: int, upto: int) -> Sequence[e.Entry]:
        """Return the entries behind the seq ``after`` up to ``upto``.

        Raises:
            Refused: one is not in the room.
        """
        return await self._chat.reread(self.name, after, upto)

    async def delete(self, message: int = 0, reason: str = "") -> int:
        """Erase what the message at the seq ``message`` said; 0: one's own last one.

        Moderators may do that to what others said. Return the seq at which that happened.

        Raises:
            Refused: there is no such message, or it is not one's own.
        """
        return await self._chat.do(c.Delete(self.name, message, reason))

    async def kick(self, who: str, reason: str = "") -> int:
        """Put ``who`` out of the room; for moderators. Return the seq at which that happened.

        The others of their commands are asked for with ``Chat.ask``.

        Raises:
            Refused: it is not allowed, or there is nobody of that name.
        """
        return await self._chat.do(c.Kick(self.name, who, reason))

    async def set_topic(self, topic: str) -> int:
        """Say what the room is about; for moderators. Return the seq at which that happened.

        Raises:
            Refused: it is not allowed.
        """
        return await self._chat.do(c.SetTopic(self.name, topic))

    def typing(self) -> None:
        """Let the others see that one is writing something: at most once in three seconds."""
        self._chat.tell(c.Typing(self.name))

    async def leave(self) -> None:
        """Leave the room, and end the iteration.

        Raises:
            Refused: one was not in it.
        """
        await self._chat.do(c.Leave(self.name))
