"""The commands that are about keys, which the client obeys by itself."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatnet.client.keys.causes import NoKeys, explain
from chatnet.client.keys.keys import Keys
from chatnet.client.keys.news import Downgraded, Trouble, spell
from chatnet.client.keys.people import Trust
from chatnet.client.keys.vault import Shut
from chatnet.client.link import Link
from chatnet.core import replies as r
from chatnet.core.names import fold
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed, NoDevice, Refused
from chatnet.dialects.text import fingerprint
from chatnet.dialects.verbs import command_of

USAGE = {
    "verify": "/verify USER, then /verify yes or /verify no - compare seven emoji, so as to know"
    " that nobody is between you; /verify off ends it",
    "fingerprint": "/fingerprint [USER] - show the keys of someone's devices, or of yours, to be"
    " compared with what they see; /fingerprint USER ok marks them as verified",
    "trust": "/trust USER - encrypt for the new devices of someone, which you have looked at",
    "recovery": "/recovery new - get 12 words that bring your keys back on another machine;"
    " /recovery WORDS brings them back",
    "encrypt": "/encrypt - tell whether the room is encrypted, and for whom; /encrypt on encrypts"
    " it for good",
    "devices": "/devices [USER] - list devices that have keys, and how far they are trusted;"
    " /rmdevice ID removes one of yours",
}
_MARKS = {Trust.VERIFIED: "verified", Trust.KNOWN: "not verified", Trust.WAITING: "NEW: /trust"}


class KeyCommands:
    """Obeys them; what takes a while is told as a notice."""

    def __init__(self, link: Link, keys: Keys) -> None:
        self._link = link
        self._keys = keys

    def typed(self, line: str) -> r.Reply | bool:
        """Do what ``line`` says, and return the answer, or whether it was for this at all.

        Raises:
            Refused: it is not possible; the sentence says why.
        """
        words = (command_of(line) or "").split()
        match [word.lower() for word in words[:1]], words[1:]:
            case ["help" | "?"], [name] if name.removeprefix("/").lower() in USAGE:
                return r.Noted(USAGE[name.removeprefix("/").lower()])
            case ["verify"], [answer] if answer.lower() in ("yes", "no"):
                return self._do(self._keys.verifier.answer(answer.lower() == "yes"))
            case ["verify"], ["off"]:
                return self._do(self._keys.verifier.call_off())
            case ["verify"], [who]:
                return self._do(self._verify(who))
            case ["fingerprint"], []:
                return self._do(self._list(self._link.dialogue.name))
            case ["fingerprint"] | ["devices"], [who]:
                return self._do(self._list(who))
            case ["devices"], []:
                return self._do(self._list(self._link.dialogue.name))
            case ["fingerprint"], [who, "ok"]:
                return self._do(self._believe(who))
            case ["trust"], [who]:
                return self._trust(who)
            case ["recovery"], ["new"]:
                return self._do(self._begin())
            case ["recovery"], [_, *_]:
                return self._do(self._restore(" ".join(words[1:])))
            case ["encrypt"], ["forget"]:
                self._keys.forget(self._link.dialogue.places.here)
                return r.Noted(self._state())
            case ["encrypt"], []:
                return r.Noted(self._state())
            case ["verify" | "fingerprint" | "trust" | "recovery" as name], _:
                raise Malformed(f"Use it like this: {USAGE[name]}")
            case _:
                return False

    def _do(self, work: Coroutine[Deferred[Any], Any, str | None]) -> bool:
        done = Deferred.fromCoroutine(work)
        done.addCallbacks(self._tell, self._failed)
        return True

    def _failed(self, failure: Failure) -> None:
        failure.trap(Refused, Shut)
        self._tell(str(failure.value))

    def _tell(self, text: str | None) -> None:
        for line in (text or "").split("\n"):
            if line:
                self._keys.tell(Trouble(line))

    async def _verify(self, who: str) -> str | None:
        _ = self._keys.ring
        count = await self._keys.verifier.begin(who)
        if not count:
            return None
        many = "a device" if count == 1 else f"{count} devices"
        return f"Asked {many} of {who} to compare keys: /verify {self._link.dialogue.name} there."

    async def _list(self, who: str) -> str:
        ring = self._keys.ring
        account = fold(who)
        ring.epochs.pop(account, None)
        await ring.look_up(who, account)
        lines, shown = [], set()
        if account == ring.own.address.account:
            own = ring.own.address
            lines.append(f"{own.device}  {fingerprint(own.signing)}  this device")
        for peer, trust in ring.people.here(account):
            address = peer.address
            shown.add(address)
            if address != ring.own.address:
                mark = _MARKS[trust]
                lines.append(f"{address.device}  {fingerprint(address.signing)}  {mark}")
        ring.shown[account] = shown
        if not lines:
            return f"{who} has no devices with keys, so nothing can be encrypted for {who}."
        return "\n".join([f"Devices of {who}, and the fingerprints of their keys:", *lines])

    async def _believe(self, who: str) -> str:
        ring = self._keys.ring
        compared = ring.shown.pop(fold(who), set())
        if not compared:
            raise NoDevice(f"Nothing to compare was shown: /fingerprint {who} first.")
        for address in compared:
            ring.people.verified(address)
        ids = ", ".join(sorted(address.device for address in compared))
        return f"Verified, because you compared the keys: {ids} of {who}."

    def _trust(self, who: str) -> r.Reply:
        accepted = self._keys.accept(who)
        if not accepted:
            return r.Noted(f"No device of {who} waits for that.")
        return r.Noted(f"From now on it is encrypted for {', '.join(accepted)} of {who} as well.")

    async def _begin(self) -> str:
        _ = self._keys.ring
        phrase = await self._keys.backup.begin()
        return (
            f"Your recovery phrase, which opens all that you can read: {phrase}\n"
            "Write it down on paper, and show it to nobody. The server keeps your keys encrypted"
            " under it; on another machine: /recovery and these words. It is not shown again."
        )

    async def _restore(self, phrase: str) -> str:
        _ = self._keys.ring
        count = await self._keys.backup.restore(phrase)
        return f"{count} keys are back: /history shows what they open. New ones go there as well."

    def _state(self) -> str:
        here = self._link.dialogue.places.here
        place = self._link.dialogue.places.rooms.get(here)
        if place is None or place.view is None:
            return "You are in no room."
        if self._keys.is_denied(here):
            return spell(Downgraded(place.name))
        if not self._keys.is_encrypted(here):
            return f"{place.name} is not encrypted. /encrypt on makes it so, for good; moderators."
        readers = sorted(place.view.readers.values())
        absent = [name for name in readers if not place.view.has(name)]
        gone = f" Not here now, but with keys: {', '.join(absent)}." if absent else ""
        if not self._keys.ready:
            return f"{place.name} is encrypted. {explain(NoKeys(self._keys.lack))}"
        return plain(f"{place.name} is encrypted for {', '.join(readers)}.{gone}")
