"""How much space files take: of each owner, and all together."""

from __future__ import annotations

from collections import Counter

from chatnet.core.addresses import party_of
from chatnet.core.files import spell_size
from chatnet.core.limits import Limits
from chatnet.core.refusals import NoSpace
from chatnet.core.room import Actor


class Space:
    """Counts bytes, also those that are still to come of what was begun."""

    def __init__(self, limits: Limits) -> None:
        self.taken: Counter[str] = Counter()  # by owner
        self.total = 0
        self._limits = limits

    def owner(self, actor: Actor) -> str:
        """Return whose space ``actor`` takes: the account's, or that of guests from there."""
        return actor.key if actor.registered else f"~{party_of(actor.address)}"

    def check(self, actor: Actor, size: int) -> None:
        """See that there is space for ``size`` bytes of ``actor``.

        Raises:
            NoSpace: there is not.
        """
        self._check(self.owner(actor), size)

    def grow(self, owner: str, size: int) -> None:
        """Let ``owner`` take ``size`` bytes more.

        Raises:
            NoSpace: there is no space for them.
        """
        self._check(owner, size)
        self.add(owner, size)

    def add(self, owner: str, size: int) -> None:
        """Let ``owner`` take ``size`` bytes more, or less."""
        self.total += size
        self.taken[owner] += size
        if self.taken[owner] <= 0:
            del self.taken[owner]

    def _check(self, owner: str, size: int) -> None:
        guest = owner.startswith("~")
        quota = self._limits.file_quota_guest if guest else self._limits.file_quota
        taken = self.taken[owner]
        if taken + size > quota.most:
            whose = "those of guests from your address" if guest else "yours"
            more = " An account has more: /newuser NAME PASSWORD." if guest else ""
            raise NoSpace(
                f"Of all files, {whose} may take {spell_size(quota.most)}, and take"
                f" {spell_size(taken)}. To /delete one makes room for others.{more}"
            )
        if self.total + size > self._limits.files.most:
            raise NoSpace("The space for files on this server is used up. Ask its operator.")
