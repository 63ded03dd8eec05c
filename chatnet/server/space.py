"""How much space files take: of each owner, and all together."""

from __future__ import annotations

from collections import Counter

from chatnet.core.addresses import party_of
from chatnet.core.files import spell_size
from chatnet.core.limits import Limits
from chatnet.core.refusals import NoSpace
from chatnet.core.room import Actor

LEAST = 4096  # bytes that a file counts as: on the disk it takes two, and a place in memory


class Space:
    """Counts bytes, also those still to come of what was begun; a tiny file as ``LEAST``."""

    def __init__(self, limits: Limits) -> None:
        self.taken: Counter[str] = Counter()  # by owner
        self.total = 0
        self._limits = limits

    def owner(self, actor: Actor) -> str:
        """Return whose space ``actor`` takes: the account's, or that of guests from there."""
        return actor.key if actor.registered else f"~{party_of(actor.address)}"

    def check(self, actor: Actor, size: int) -> None:
        """See that there is space for a file of ``size`` bytes of ``actor``.

        Raises:
            NoSpace: there is not.
        """
        self._check(self.owner(actor), _charge(size))

    def keep(self, owner: str, size: int) -> None:
        """Let ``owner`` have a file of ``size`` bytes."""
        self._add(owner, _charge(size))

    def grow(self, owner: str, size: int, new: int) -> None:
        """Let a file of ``size`` bytes that ``owner`` has be one of ``new`` bytes, which are more.

        Raises:
            NoSpace: there is no space for them.
        """
        more = _charge(new) - _charge(size)
        if more:
            self._check(owner, more)
            self._add(owner, more)

    def give_back(self, owner: str, size: int) -> None:
        """Let ``owner`` not have a file of ``size`` bytes any more."""
        self._add(owner, -_charge(size))

    def _add(self, owner: str, size: int) -> None:
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


def _charge(size: int) -> int:
    """Return as how many bytes a file of ``size`` bytes counts."""
    return max(size, LEAST)
