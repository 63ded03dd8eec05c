"""What rooms are called that were renamed, and which are deleted; part of the staff's log's sum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from chatnet.core.events import Acted
from chatnet.core.names import SERVER, fold
from chatnet.core.refusals import NameTaken, NotAllowed

if TYPE_CHECKING:
    from chatnet.core.room import RoomState

MOST_NAMES = 16  # of one room, the old ones among them
MOST_SIGNS = 20_000  # rooms of one server that were renamed, or are deleted
RENAMED, DELETED, RESTORED, DISCARDED = "rename", "delete-room", "restore-room", "discard-room"
VERBS = (RENAMED, DELETED, RESTORED, DISCARDED)  # of the acts that change this


@dataclass(frozen=True, slots=True)
class Sign:
    """What is known of the room whose log is ``key``: its ``name``, and those it had before.

    A deleted one was so by the act ``act`` (0: it is there), and is kept until ``until`` (UTC
    seconds since the epoch; 0: for good).
    """

    key: str
    name: str
    names: tuple[str, ...]  # keys of names that lead to it, besides its own key
    act: int = 0
    until: float = 0.0


class Directory:
    """Leads from names to logs, whose keys never change. Who is not in it is called like its log.

    A name that a room ever had leads to it for as long as its log is kept, and is nobody else's.
    """

    __slots__ = ("_keys", "_signs")

    def __init__(self, signs: tuple[Sign, ...] = ()) -> None:
        self._signs = {sign.key: sign for sign in signs}
        self._keys = {name: sign.key for sign in signs for name in sign.names}

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Directory) and other._signs == self._signs

    def key_of(self, name: str) -> str:
        """Return the key of the log of the room that is, or was, called ``name``, a key."""
        return self._keys.get(name, name)

    def name_of(self, key: str, otherwise: str) -> str:
        """Return what the room ``key`` is called; ``otherwise`` if nothing is known of it."""
        return self._signs[key].name if key in self._signs else otherwise

    def deleted(self) -> Iterator[Sign]:
        """Yield the deleted rooms, the first one first."""
        return (sign for sign in list(self._signs.values()) if sign.act)

    def is_deleted(self, key: str) -> bool:
        """Return whether the room ``key`` is deleted."""
        return key in self._signs and bool(self._signs[key].act)

    def check_free(self, key: str) -> None:
        """See that a new room may begin in the log ``key``.

        Raises:
            NameTaken: the name leads to another room.
        """
        other = self.key_of(key)
        if other != key:
            raise NameTaken(f"That room is called {self._signs[other].name} now. /join that.")

    def check_name(self, key: str, name: str, opened: bool) -> None:
        """See that the room ``key`` may be called ``name``.

        ``opened`` is whether there is a room whose log has that name for a key.

        Raises:
            Refused: another room is, or was, called so; or it is one name too many.
        """
        wanted, sign = fold(name), self._signs.get(key)
        if wanted == key or (sign is not None and wanted in sign.names):
            return
        other = self.key_of(wanted)
        if opened or other != wanted or wanted in self._signs:
            called = self.name_of(other, name)
            now = "" if fold(called) == wanted else f", which is called {called} now"
            gone = ", which is deleted and can be restored" if self.is_deleted(other) else ""
            raise NameTaken(f"{name} is the name of another room{gone or now}.")
        if sign is not None and len(sign.names) >= MOST_NAMES:
            raise NotAllowed(
                f"A room's old names lead to it, and it has {MOST_NAMES} at most. It can take one"
                " of them again."
            )
        if sign is None and len(self._signs) >= MOST_SIGNS:
            raise NotAllowed(f"{MOST_SIGNS:,} rooms of this server have other names already.")

    def evolve(self, event: Acted, act: int) -> None:
        """Take ``event``, the act of that number, into account. Total, as ``Office.evolve`` is."""
        key = event.whom
        sign = self._signs.get(key) or Sign(key, event.where, ())
        match event.verb:
            case "rename":
                new = fold(event.to)
                led = sign.names if new in (*sign.names, key) else (*sign.names, new)
                sign = replace(sign, name=event.to, names=led)
            case "delete-room":
                sign = replace(sign, act=act, until=event.until)
            case "restore-room":
                sign = replace(sign, act=0, until=0.0)
        for name in sign.names:
            self._keys.pop(name, None)
        self._signs.pop(key, None)
        if event.verb != DISCARDED and (sign.names or sign.act):
            self._signs[key] = sign
            self._keys |= dict.fromkeys(sign.names, key)

    def amiss(self, key: str, state: RoomState) -> Acted | None:
        """Return what is to be noted of the room ``key``, of which its log says ``state``.

        None, unless the staff's log was restored from a backup that had read one of the two before
        the other.
        """
        leads = self.key_of(fold(state.name)) == key
        gone = state.deleted
        if state.name and not leads:
            return Acted(SERVER, RENAMED, key, self.name_of(key, key), state.name)
        if gone is not None and not self.is_deleted(key):
            return Acted(SERVER, DELETED, key, state.name, until=gone.until, reason=gone.reason)
        if gone is None and self.is_deleted(key):
            return Acted(SERVER, RESTORED, key, self.name_of(key, key))
        return None

    def copy(self) -> Directory:
        """Return an equal one that changes by itself."""
        other = Directory()
        other._signs, other._keys = dict(self._signs), dict(self._keys)
        return other

    def told(self) -> list[Any]:
        """Return it in lists; ``of`` takes them."""
        return [(s.key, s.name, s.names, s.act, s.until) for s in self._signs.values()]

    @staticmethod
    def of(told: list[Any]) -> Directory:
        """Return what ``told`` tells of."""
        return Directory(
            tuple(Sign(key, name, tuple(names), *more) for key, name, names, *more in told)
        )
