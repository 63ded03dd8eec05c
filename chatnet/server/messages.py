"""A room's messages, for those who embed chatnet: save one, get one, get all, know the last."""

from __future__ import annotations

from collections.abc import AsyncIterator

from chatnet.core.events import MESSAGES, Entry
from chatnet.core.names import room_name
from chatnet.server.network import Network


class MessageStore:
    """The messages of one room, by ``seq``, as everyone is shown them."""

    def __init__(self, network: Network, room: str) -> None:
        """Raise BadName if no room can be called ``room``."""
        self._network = network
        self._room = room_name(room).text

    @property
    def _key(self) -> str:
        return self._network.key_of(self._room)  # it may have been renamed

    async def save(self, by: str, body: str) -> Entry:
        """Say ``body`` in the room as ``by``; return it once it is durable.

        Raises:
            Unavailable: it is not known to be stored.
        """
        return await self._network.speak(self._key, by, body)

    async def last(self) -> int:
        """Return the seq of the room's newest entry; 0 if there is none."""
        return (await self._network.open(self._key)).room.log.head

    async def get(self, seq: int) -> Entry:
        """Return the message at ``seq``.

        Raises:
            LookupError: there is none, or something else happened there.
        """
        entries = await self._network.journal.read(self._key, seq - 1, seq)
        if not entries or not isinstance(entries[0].event, MESSAGES):
            raise LookupError(f"no message at {seq}")
        return entries[0]

    async def all(self, after: int = 0) -> AsyncIterator[Entry]:
        """Yield every message behind ``after``, the oldest first, as of now."""
        head = await self.last()
        while after < head:
            for entry in await self._network.journal.read(self._key, after, head):
                after = entry.seq
                if isinstance(entry.event, MESSAGES):
                    yield entry
