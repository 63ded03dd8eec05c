"""Verifications that are under way, as letters between devices."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Any

from twisted.internet.defer import Deferred

from chatnet.client.keys.device import Peer
from chatnet.client.keys.formats import Misshapen, text_in
from chatnet.client.keys.news import Asked, Compare, NotVerified, Verified
from chatnet.client.keys.ring import Ring
from chatnet.client.keys.sas import Fails, Sas, Stage, Step
from chatnet.core.names import fold
from chatnet.core.refusals import NoDevice, Refused

PATIENCE_SECONDS = 600.0  # for the other side
_CODES = {
    "user": "it was called off there.",
    "mismatch": "the two of you see DIFFERENT emoji: somebody may be between you.",
    "commitment": "a key was changed on the way: somebody may be between you.",
    "timeout": "it took too long.",
    "busy": "something else was going on there.",
    "elsewhere": "it goes on with another device.",
}


class Verifier:
    """Begins, hears and ends verifications; at most one with each device."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._under_way: dict[Peer, Sas] = {}
        self._began: dict[Peer, float] = {}

    async def begin(self, who: str) -> int:
        """Ask all devices of ``who`` to compare keys, or agree to what one of them asked.

        Returns how many were asked; 0 if it agreed.

        Raises:
            Refused: there is none, or the link is lost.
        """
        account = fold(who)
        self._ring.epochs.pop(account, None)
        await self._ring.look_up(who, account)
        asked = [p for p, sas in self._of(account) if sas.stage is Stage.ASKED]
        if asked:
            await self._send(asked[-1], [self._under_way[asked[-1]].accept()])
            return 0
        me = self._ring.own.address
        peers = [p for p, _ in self._ring.people.here(account) if p.address != me]
        if not peers:
            raise NoDevice(f"{who} has no other device with keys to compare.")
        txn = self._ring.entropy(8).hex()
        for peer in peers:
            self._keep(peer, sas := Sas(me, peer.address, txn, True))
            await self._send(peer, [sas.start()])
        return len(peers)

    async def answer(self, same: bool) -> None:
        """The person says whether both see the ``same``.

        Raises:
            NoDevice: there is nothing to compare, or more than one thing.
        """
        comparing = [p for p, sas in self._under_way.items() if sas.stage is Stage.COMPARING]
        if not comparing:
            raise NoDevice("There is nothing to compare. /verify USER begins.")
        if not same:
            for peer in comparing:
                await self._end(peer, "mismatch")
            return
        if len(comparing) > 1:
            names = " and ".join(sorted(self._name(peer) for peer in comparing))
            raise NoDevice(
                f"You are comparing with {names}, so it is not clear whom you mean: /verify off,"
                " then one after the other."
            )
        (peer,) = comparing
        sas = self._under_way[peer]
        try:
            steps = sas.matches()
        except Fails as failure:
            await self._end(peer, failure.code)
            return
        await self._send(peer, steps)
        self._check_done(peer)

    async def call_off(self) -> None:
        """End all that is under way."""
        for peer in list(self._under_way):
            await self._end(peer, "user")

    def hear(self, peer: Peer, fields: Mapping[str, Any]) -> None:
        """Take note of a letter from ``peer``, and answer it."""
        work = Deferred.fromCoroutine(self._hear(peer, fields))
        work.addErrback(lambda failure: failure.trap(Refused, Misshapen))

    async def _hear(self, peer: Peer, fields: Mapping[str, Any]) -> None:
        step, txn = text_in(fields, "step"), text_in(fields, "txn")
        sas = self._under_way.get(peer)
        if step == "start":
            if sas is None or sas.stage in (Stage.STARTED, Stage.ASKED):
                self._keep(peer, Sas(self._ring.own.address, peer.address, txn, False))
                self._ring.tell(Asked(self._name(peer), peer.address.device))
            else:
                await self._send(peer, [{"txn": txn, "step": "cancel", "code": "busy"}])
            return
        if sas is None or sas.txn != txn:
            return
        late = self._ring.clock.seconds() - self._began[peer] > PATIENCE_SECONDS
        if step == "cancel" or late:
            if sas.stage is not Stage.DONE:
                code = "timeout" if late else str(fields.get("code"))
                self._drop(peer, code)
            return
        try:
            steps = sas.hear(fields)
        except (Fails, Misshapen) as failure:
            await self._end(peer, failure.code if isinstance(failure, Fails) else "mismatch")
            return
        if step == "accept":  # by one of several
            for other, one in self._of(peer.address.account):
                if other != peer and one.txn == txn:
                    await self._end(other, "elsewhere")
        await self._send(peer, steps)
        if step == "key" and sas.signs is not None:
            signs = sas.signs
            device = peer.address.device
            self._ring.tell(Compare(self._name(peer), device, signs.emoji, signs.numbers))
        self._check_done(peer)

    def _check_done(self, peer: Peer) -> None:
        sas = self._under_way.get(peer)
        if sas is not None and sas.stage is Stage.DONE:
            del self._under_way[peer]
            self._ring.people.verified(peer.address)
            self._ring.tell(Verified(self._name(peer), peer.address.device))

    async def _end(self, peer: Peer, code: str) -> None:
        step = self._under_way[peer].cancel(code, _CODES[code])
        if code == "elsewhere":
            del self._under_way[peer]
        else:
            self._drop(peer, code)
        with suppress(Refused):
            await self._send(peer, [step])

    def _drop(self, peer: Peer, code: str) -> None:
        del self._under_way[peer]
        if code != "elsewhere":
            why = _CODES.get(code, "the other side ended it.")
            self._ring.tell(NotVerified(self._name(peer), peer.address.device, why))

    def _keep(self, peer: Peer, sas: Sas) -> None:
        self._under_way.pop(peer, None)  # so that it is the last one
        self._under_way[peer] = sas
        self._began[peer] = self._ring.clock.seconds()

    def _of(self, account: str) -> list[tuple[Peer, Sas]]:
        return [(p, sas) for p, sas in self._under_way.items() if p.address.account == account]

    async def _send(self, peer: Peer, steps: Iterable[Step]) -> None:
        for step in steps:
            await self._ring.write(peer, "verify", **step)

    def _name(self, peer: Peer) -> str:
        return self._ring.names.get(peer.address.account, peer.address.account)
