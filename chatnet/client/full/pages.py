"""What a room's log held before: pages of it, read from the server one after the other."""

from __future__ import annotations

from collections.abc import Callable

from chatnet.client.full.hearing import Hearing
from chatnet.client.full.items import Item
from chatnet.client.full.reading import read
from chatnet.client.full.windows import Older, Window
from chatnet.client.keys.shown import Shown
from chatnet.client.link import Link
from chatnet.client.places import Manner
from chatnet.client.stretches import Stretches
from chatnet.core import commands as c, events as e
from chatnet.core.refusals import Refused

PAGE = 100  # messages that are read at once
FARTHEST = 1000  # messages that are read to come to one that was found


class Pages:
    """Reads what is older than what a window holds."""

    def __init__(self, link: Link, hearing: Hearing, changed: Callable[[], None]) -> None:
        self._link = link
        self._hearing = hearing
        self._changed = changed
        self._stretches = Stretches(link)

    async def older(self, window: Window, count: int = PAGE, upto: int = 0) -> None:
        """Put ``count`` messages before what ``window`` holds, but none up to the seq ``upto``."""
        if window.older is not Older.MORE or window.out:
            return
        window.older = Older.COMING
        self._changed()
        first = window.first or window.last + 1
        try:
            entries = await self._stretches.read(c.History(window.name, count, first, upto or None))
        except Refused as refusal:
            window.older = Older.MORE
            self._hearing.refused(refusal, None)
            return
        lowest = min((entry.seq for entry in entries), default=0)
        window.prepend(self._items(entries))
        said = sum(isinstance(entry.event, e.MESSAGES) for entry in entries)
        begins = lowest <= 1 or (said < count and not upto)
        window.older = Older.NONE if begins else Older.MORE
        self._changed()

    async def reach(self, window: Window, seq: int) -> Item | None:
        """Return the message at ``seq``, read with all behind it if it was not too long ago."""
        found = window.find(seq)
        if found is None and window.older is Older.MORE and seq < (window.first or seq + 1):
            await self.older(window, FARTHEST, max(0, seq - 2))
            found = window.find(seq)
        return found

    async def again(self, window: Window, history: c.History) -> None:
        """Show in ``window`` what ``history`` asks for, with dates and numbers."""
        try:
            entries = await self._stretches.read(history)
        except Refused as refusal:
            self._hearing.refused(refusal, None)
            return
        me, keys, shown = self._link.dialogue.name, self._link.keys, Shown()
        how = (Manner.RECALLED, False, me)
        lines = [line for one in entries for line in shown.lines(keys, one, *how)]
        self._hearing.say("--- history ---", *lines, "--- end of history ---", window=window)

    def _items(self, entries: list[e.Entry]) -> list[Item]:
        words = self._hearing.highlights
        items = (read(self._link, one, words) for one in entries if _is_told(one.event))
        return [item for item in items if item is not None]


def _is_told(event: e.Event) -> bool:
    return not isinstance(event, e.Joined | e.Left | e.Renamed)
