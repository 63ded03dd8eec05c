"""What was said before in a room or to a person: pages, read one after the other."""

from __future__ import annotations

from collections.abc import Callable

from chatnet.client.full.hearing import Hearing
from chatnet.client.full.items import Item
from chatnet.client.full.reading import read
from chatnet.client.full.windows import Older, Window
from chatnet.client.link import Link
from chatnet.client.stretches import Stretches
from chatnet.core import commands as c, events as e
from chatnet.core.refusals import Refused

PAGE = 100  # messages that are read at once
FARTHEST = 1000  # messages that are read to come to one that was found
_SAID = (*e.MESSAGES, e.Whispered, e.SealedWhisper)  # of which one asks to read it again


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
        if window.is_person and not self._keeps_whispers():
            window.older = Older.NONE
            return
        window.older = Older.COMING
        self._changed()
        before = window.before
        try:
            since, entries = await self._stretches.read(_history(window, count, before, upto))
        except Refused as refusal:
            window.older = Older.MORE
            self._hearing.refused(refusal, None)
            return
        window.prepend(self._items(entries))
        window.since = since
        gone = before is not None and since >= before - 1  # there was nothing
        window.older = Older.NONE if since == 0 or gone else Older.MORE
        self._changed()

    def _keeps_whispers(self) -> bool:
        """Return whether the server has whispers of before: of an account, if it is not too old."""
        dialogue = self._link.dialogue
        hello = dialogue.hello
        return dialogue.registered and hello is not None and "whispers" in hello.features

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
            _, entries = await self._stretches.read(history)
        except Refused as refusal:
            self._hearing.refused(refusal, None)
            return
        self._hearing.say("--- history ---", window=window)
        for item in self._items([one for one in entries if isinstance(one.event, _SAID)]):
            item.number, item.seq = (0 if history.who else item.seq), 0
            window.add(item)
        self._hearing.say("--- end of history ---", window=window)

    def _items(self, entries: list[e.Entry]) -> list[Item]:
        words = self._hearing.highlights
        items = (read(self._link, one, words) for one in entries if _is_told(one.event))
        return [item for item in items if item is not None]


def _history(window: Window, count: int, before: int | None, upto: int) -> c.History:
    if window.is_person:
        return c.History("", count, before, upto or None, who=window.name)
    return c.History(window.name, count, before or 1, upto or None)


def _is_told(event: e.Event) -> bool:
    return not isinstance(event, e.Joined | e.Left | e.Renamed)
