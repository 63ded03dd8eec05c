"""Speaking so that only those who should can read it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, cast

from twisted.internet.defer import Deferred, DeferredList
from twisted.python.failure import Failure

from chatnet.client.dialogue import Gone
from chatnet.client.keys.device import Peer
from chatnet.client.keys.megolm import Outgoing
from chatnet.client.keys.news import NotGiven
from chatnet.client.keys.ring import Ring
from chatnet.core import commands as c, replies as r
from chatnet.core.refusals import NoSuchPerson, Refused, Stale, Unavailable
from chatnet.lock import Lock

MOST_TRIES = 50  # while others come and go

Submit = Callable[[c.Command], Awaitable[r.Reply]]


class Talk:
    """A room, or two people's whispers: for whom what is said there is encrypted now."""

    def __init__(
        self,
        name: str,
        readers: Callable[[], dict[str, str]],
        epoch: Callable[[], int | None],
        sealed: Callable[[str, int, str], c.Command],
    ) -> None:
        """``name`` is what its sessions are bound to; ``readers`` are names, by key of account.

        ``epoch`` is the room's; None if it is the sum of those of the readers. ``sealed`` makes a
        command of a session, an epoch and a body.
        """
        self.name = name
        self.readers = readers
        self.epoch = epoch
        self.sealed = sealed


class Sealer:
    """Gives those who should read it the key, and then says it: one thing at a time in a talk."""

    def __init__(self, ring: Ring, submit: Submit, ready: Callable[[], Awaitable[None]]) -> None:
        """Ask with ``submit``, which outlasts a lost link; ``ready`` waits for it to be back."""
        self._ring = ring
        self._submit = submit
        self._ready = ready
        self._outgoing: dict[str, Outgoing] = {}
        self._locks: dict[str, Lock] = {}
        self._told: set[tuple[Peer, str]] = set()

    def rotate(self, talk: str = "") -> None:
        """Speak in a new session from now on, in ``talk`` or everywhere."""
        if talk:
            self._outgoing.pop(talk, None)
        else:
            self._outgoing.clear()

    def rotate_from(self, account: str) -> None:
        """The devices of ``account`` are others now: rotate wherever it was given a key."""
        for name, out in list(self._outgoing.items()):
            if any(peer.address.account == account for peer in out.given):
                del self._outgoing[name]
        if account == self._ring.own.address.account:
            self._outgoing.clear()

    async def say(self, talk: Talk, kind: str, fields: dict[str, Any]) -> r.Done:
        """Say ``fields``, once, to those who are readers of ``talk`` where it stands in the log.

        Raises:
            Refused: the server does not take it, or it cannot be encrypted.
        """
        lock = self._locks.setdefault(talk.name, Lock())
        async with lock:
            for _ in range(MOST_TRIES):
                await self._ready()
                try:
                    prepared = await self._prepare(talk)
                except Gone:  # the link was lost while it was asked about keys
                    continue
                if prepared is None:
                    continue
                try:
                    return await self._send(talk, *prepared, kind, fields)
                except Stale:
                    self._ring.epochs.clear()
        raise Stale("People come and go too fast for that to be encrypted. Say it again.")

    async def _prepare(self, talk: Talk) -> tuple[Outgoing, int] | None:
        """Return a session that all readers have the key of, and their epoch.

        None if something changed meanwhile.
        """
        epoch = talk.epoch()
        readers = talk.readers()
        if self._ring.own.address.account not in readers:
            raise NoSuchPerson("You are none of those who read that, so you cannot say anything.")
        total, targets = 0, list[Peer]()
        for account, who in readers.items():
            try:
                total += await self._ring.look_up(who, account)
            except NoSuchPerson:
                continue  # an account that is no more: the room's log says so, or will
            targets += self._ring.targets(account)
        out = self._outgoing.get(talk.name)
        if out is None or out.is_over(self._ring.clock.seconds()) or out.given - set(targets):
            out = self._begin(talk.name)
        await self._share(out, [peer for peer in targets if peer not in out.given])
        if talk.epoch() != epoch or self._outgoing.get(talk.name) is not out:
            return None
        return out, total if epoch is None else epoch

    async def _send(
        self, talk: Talk, out: Outgoing, epoch: int, kind: str, fields: dict[str, Any]
    ) -> r.Done:
        try:
            done = await self._submit(talk.sealed(out.id, epoch, out.seal(kind, fields)))
        except Stale:
            raise
        except Refused:
            self.rotate(talk.name)  # nobody knows whether the server took it
            raise
        assert isinstance(done, r.Done)
        out.taken += 1
        return done

    def _begin(self, talk: str) -> Outgoing:
        own = self._ring.own
        out = Outgoing(talk, own.address, self._ring.clock.seconds())
        self._outgoing[talk] = out
        self._ring.sessions.add(talk, own.address, out.id, out.key)
        self._ring.on_session(own.address, out.id)
        return out

    async def _share(self, out: Outgoing, peers: Sequence[Peer]) -> None:
        """Give ``peers`` the key of what is said from now on."""
        key = out.key
        giving = [Deferred.fromCoroutine(self._give(out, peer, key)) for peer in peers]
        for given, result in await DeferredList(giving, consumeErrors=True):
            if not given:
                cast(Failure, result).raiseException()

    async def _give(self, out: Outgoing, peer: Peer, key: str) -> None:
        try:
            await self._ring.write(peer, "key", room=out.talk, session=out.id, key=key)
        except (Unavailable, Stale):
            raise
        except Refused as refusal:
            account, device = peer.address.account, peer.address.device
            if (peer, out.id) not in self._told:
                self._told.add((peer, out.id))
                name = self._ring.names.get(account, account)
                self._ring.tell(NotGiven(name, device, str(refusal)))
        out.given.add(peer)
