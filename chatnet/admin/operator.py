"""Who acts through the port: a person without a wire, who asks as everybody else does."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import replace

from chatnet.core.names import known_name
from chatnet.core.refusals import Refused
from chatnet.core.replies import Typing
from chatnet.core.roles import Rank
from chatnet.core.room import Actor, Room
from chatnet.dialects.styles import LIVE
from chatnet.interfaces import IStyle
from chatnet.server.audience import Audience
from chatnet.server.cursors import Send
from chatnet.server.host import Host
from chatnet.server.people import Person
from chatnet.server.scroll import Reading
from chatnet.server.seats import Seat


class Operator:
    """Asks for things, and reads nothing: a ``chatnet.server.seats.Asker``."""

    style: IStyle = LIVE
    past: IStyle = LIVE
    recall: IStyle = LIVE
    echo = True
    full = True
    quitting = False
    secret = device = ""

    def __init__(self, host: Host, id: str, name: str, rank: Rank, address: str = "") -> None:
        """Act as ``name``, an account, or as the operator."""
        known = known_name(name)
        self.id = id
        self.actor = Actor(known.text, known.key, True, address, rank)
        self.person = host.network.people.find(known.key) or Person(known, True)
        self.rooms: dict[str, Seat] = {}
        self.ignored: frozenset[str] = frozenset()
        self.since = self.heard_at = host.clock.seconds()
        self._host = host
        self.hear: Callable[[str], object] = lambda _: None  # is told how far something is

    def be(self, rank: Rank) -> None:
        """Have ``rank`` from now on."""
        if rank is not self.actor.rank:
            self.actor = replace(self.actor, rank=rank)

    async def settled(self) -> None:
        """Wait until all that was asked for before has happened, or was refused."""
        with suppress(Refused):
            await self._host.network.settle()

    def reading(self) -> Iterable[Audience]:
        """Return nothing."""
        return ()

    def closing(self, room: Room, upto: int) -> bytes:
        """Return nothing to say."""
        return b""

    @property
    def send(self) -> Send | None:
        """Read nothing."""
        return None

    def write(self, data: bytes) -> None:
        """Read nothing."""

    def unroll(self, source: Reading) -> None:
        """Read nothing."""

    def reads(self, audience: Audience) -> None:
        """Read nothing."""

    def turned(self) -> None:
        """Wait for nothing."""

    def finished(self, audience: Audience, put_out: bool) -> None:
        """Read nothing."""

    def signal(self, signal: Typing) -> None:
        """Hear of nobody's writing."""

    def part(self, reason: str, code: str) -> None:
        """Have no wire to close."""

    def tell(self, text: str) -> None:
        """Be told how far something is that takes long."""
        self.hear(text)

    def leave_for_good(self, words: str, code: str, of_own_accord: bool = True) -> None:
        """It is no device, and stays."""

    def replaced(self) -> None:
        """Make way for nobody."""
