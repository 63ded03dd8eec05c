"""What all that is about keys has in common: this device, those of others, and the way out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any, Protocol

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime

from chatnet.client.keys.device import Illegible, OwnDevice, Peer
from chatnet.client.keys.formats import Address, pack, receiver_fields, sender_fields
from chatnet.client.keys.megolm import Sessions
from chatnet.client.keys.news import News
from chatnet.client.keys.people import Change, DeviceGone, DeviceNew, People, Trust
from chatnet.client.keys.rooms import Rooms
from chatnet.client.keys.vault import Vault
from chatnet.core import commands as c, replies as r
from chatnet.core.refusals import NoDevice, NoSuchPerson

Entropy = Callable[[int], bytes]


class Line(Protocol):
    """What keys need of the link."""

    def ask(self, command: c.Command) -> Deferred[r.Reply]:
        """Ask once, and return the answer; fails if the link is lost."""
        ...


class Ring:
    """The keys of a device, once they are open, and questions about those of others."""

    def __init__(
        self, line: Line, clock: IReactorTime, entropy: Entropy, tell: Callable[[News], None]
    ) -> None:
        self.line = line
        self.clock = clock
        self.entropy = entropy
        self.tell = tell
        self.vault: Vault
        self.own: OwnDevice
        self.people: People
        self.sessions: Sessions
        self.rooms: Rooms
        self.names: dict[str, str] = {}  # of accounts, by key
        self.epochs: dict[str, int] = {}  # of those whose devices are known as they are now
        self.shown: dict[str, set[Address]] = {}  # whose fingerprints people saw, by account
        self.on_change: Callable[[str], None] = lambda account: None  # of whose devices
        self.on_session: Callable[[Address, str], None] = lambda sender, id: None  # that is new

    def open(self, vault: Vault, account: str) -> None:
        """Be the device whose keys are in ``vault``, of ``account``, a key.

        Raises:
            NoOlm, Shut: as ``OwnDevice`` does.
        """
        self.own = OwnDevice(vault, account, self.entropy)
        self.vault = vault
        self.people, self.sessions, self.rooms = People(vault), Sessions(vault), Rooms(vault)

    async def look_up(self, who: str, account: str) -> int:
        """Return how often the devices of ``account``, called ``who``, changed; and know them.

        Raises:
            Refused: the server does not say.
        """
        if account not in self.epochs:
            reply = await self.line.ask(c.ListDevices(who))
            assert isinstance(reply, r.Devices)
            if reply.account != account:
                raise NoSuchPerson(f"The server speaks of {reply.account} instead of {who}.")
            self.names[account] = reply.name
            changes = self.people.learn(reply, self.own.address)
            self.epochs[account] = reply.epoch
            self._shout(changes, account)
        return self.epochs[account]

    def _shout(self, changes: list[Change], account: str) -> None:
        for change in changes:
            self.tell(change)
        if any(isinstance(change, DeviceNew | DeviceGone) for change in changes):
            self.on_change(account)

    def targets(self, account: str) -> list[Peer]:
        """Return the devices of ``account`` for which is encrypted; never this one."""
        me = (self.own.address.account, self.own.address.device)
        return [
            peer
            for peer, trust in self.people.here(account)
            if trust is not Trust.WAITING and (peer.address.account, peer.address.device) != me
        ]

    async def meet(self, peer: Peer) -> None:
        """See that there is an Olm session with ``peer``.

        Raises:
            Refused: it has no keys, or the link is lost.
        """
        if not self.own.knows(peer):
            await self.meet_anew(peer)

    async def meet_anew(self, peer: Peer) -> None:
        """Begin another Olm session with ``peer``; as ``meet``."""
        account, device = peer.address.account, peer.address.device
        claimed = await self.line.ask(c.ClaimKey(self.names.get(account, account), device))
        assert isinstance(claimed, r.Claimed)
        try:
            self.own.meet(peer, claimed)
        except Illegible as error:
            raise NoDevice(f"the server gave a key that is not its own: {error}.") from error

    async def write(self, peer: Peer, kind: str, **fields: Any) -> None:
        """Leave a letter to ``peer``, and return when it is stored.

        Raises:
            Refused: it cannot be done, or the link is lost.
        """
        await self.meet(peer)
        inside = {**sender_fields(self.own.address), **receiver_fields(peer.address), **fields}
        body = self.own.seal(peer, pack(kind, **inside))
        account = peer.address.account
        name = self.names.get(account, account)
        await self.line.ask(c.Deliver(name, peer.address.device, body))


OpenVault = Callable[[str], Awaitable[Vault]]
