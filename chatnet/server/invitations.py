"""Invitations: words with which accounts can be made where that takes one.

They are kept in the staff's log, of which only digests are: whoever reads it cannot use them.
"""

from __future__ import annotations

from base64 import b32encode
from collections import Counter
from collections.abc import Callable
from hashlib import sha256

from twisted.internet.interfaces import IReactorTime

from chatnet.core.events import Acted
from chatnet.core.limits import Registration
from chatnet.core.office import Invitation
from chatnet.core.refusals import Closed, NoSuchPerson, NotAllowed, NotInvited
from chatnet.server.network import Network

MOST = 1000  # invitations that hold at once
MOST_USES = 10_000
_TOKEN_BYTES = 10  # sixteen letters and digits, which nobody guesses


class Invitations:
    """Those of one server, and whether they are needed."""

    def __init__(
        self,
        network: Network,
        clock: IReactorTime,
        entropy: Callable[[int], bytes],
        registration: Registration = Registration.OPEN,
    ) -> None:
        self.registration = registration  # which may be changed at any time
        self._network = network
        self._clock = clock
        self._entropy = entropy
        self._taken: Counter[str] = Counter()  # uses of accounts that are being made

    async def new(self, by: str, uses: int = 1, seconds: float = 0.0, note: str = "") -> str:
        """Return a new one of ``by``, good for ``uses`` accounts and ``seconds`` (0: for good).

        Raises:
            NotAllowed: there are too many.
            Unavailable: it is not known to be stored.
        """
        now, held = self._clock.seconds(), self._network.office.invitations
        self.check(uses)
        over = [one.digest for one in held.values() if not one.holds(now)]
        token = b32encode(self._entropy(_TOKEN_BYTES)).decode().lower()
        until = now + seconds if seconds else 0.0
        acts = [Acted(by, "uninvite", digest, note="it was over") for digest in over]
        made = Acted(by, "invite", _digest(token), to=str(uses), until=until, note=note)
        await self._network.note([*acts, made])
        return token

    def check(self, uses: int) -> None:
        """See that there may be another one, for so many.

        Raises:
            NotAllowed: not so.
        """
        if not 1 <= uses <= MOST_USES:
            raise NotAllowed(f"An invitation is for 1 to {MOST_USES:,} accounts.")
        if len(self.all()) >= MOST:
            raise NotAllowed(f"{MOST:,} invitations hold already. Revoke some first.")

    def all(self) -> list[Invitation]:
        """Return those that hold, the oldest first."""
        now, held = self._clock.seconds(), self._network.office.invitations
        return [one for one in held.values() if one.holds(now)]

    async def revoke(self, by: str, id: str) -> int:
        """Let the one whose id is ``id``, or ``all``, be good for nothing; return how many.

        Raises:
            NoSuchPerson: there is none.
            Unavailable: it is not known to be stored.
        """
        found = [one for one in self.all() if id in ("all", str(one.id))]
        if not found:
            raise NoSuchPerson(f"There is no invitation {id}.")
        await self._network.note([Acted(by, "uninvite", one.digest) for one in found])
        return len(found)

    def take(self, token: str) -> str:
        """Take a use of ``token``; return what is to be given back, or to be spent.

        Empty if none is needed.

        Raises:
            Closed: no accounts are made.
            NotInvited: it is no invitation, or good for nothing any more.
        """
        if self.registration is Registration.CLOSED:
            raise Closed("No new accounts are made on this server.")
        if self.registration is Registration.OPEN:
            return ""
        digest = _digest(token.strip().lower())
        one = self._network.office.invitations.get(digest)
        if one is None or not one.holds(self._clock.seconds()) or one.uses <= self._taken[digest]:
            raise NotInvited(
                "That is no invitation, or it was used or has expired. Ask for another one."
                if token
                else "A new account takes an invitation here: /newuser NAME PASSWORD INVITATION"
            )
        self._taken[digest] += 1
        return digest

    def give_back(self, digest: str) -> None:
        """Let a use that was taken not be so: nothing came of it."""
        self._taken -= Counter((digest,))  # which also forgets those that are none

    async def spend(self, digest: str, by: str) -> None:
        """Let ``by``, whose account was made, have used what was taken.

        Raises:
            Unavailable: it is not known to be stored.
        """
        if digest:
            done = self._network.note([Acted(by, "admit", digest)])
            self.give_back(digest)
            await done


def _digest(token: str) -> str:
    return sha256(token.encode()).hexdigest()[:32]
