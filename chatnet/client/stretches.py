"""Stretches of the history of rooms and whispers, which come over the link one at a time."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import Deferred

from chatnet.client.link import Link
from chatnet.core import commands as c, events as e, replies as r
from chatnet.lock import Lock

Stretch = tuple[int, list[e.Entry]]  # behind which seq it begins, and what is in it


class Stretches:
    """Reads what logs held before; who asks for the same log meanwhile waits."""

    def __init__(self, link: Link, check: Callable[[], None] = lambda: None) -> None:
        """Ask over ``link``, after ``check``, which raises ``Refused`` where that is no use."""
        self._link = link
        self._check = check
        self._locks: dict[str, Lock] = {}

    async def read(self, history: c.History) -> Stretch:
        """Return what ``history`` asks for.

        Raises:
            Refused: one is not in the room, or the link has ended.
        """
        places = self._link.dialogue.places
        key = "@" if history.who else places.key_of(history.room)
        lock = self._locks.setdefault(key, Lock())
        async with lock:
            self._check()
            done: Deferred[r.Reply] = Deferred()
            pending = self._link.submit(history, done)
            await done
        return pending.since, pending.stretch
