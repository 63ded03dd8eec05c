"""Which rooms are called what: so that no other one is opened, or renamed, to look like them."""

from __future__ import annotations

from collections import OrderedDict

from chatnet.core.names import Name, known_name
from chatnet.core.room import RoomState
from chatnet.lock import Lock

MOST_KNOWN = 10_000  # rooms, the newest ones, that a new name must not look like


class Likeness:
    """Rooms by what their names look like. To ask costs the same, however many there are.

    It hears of all that is opened, named or deleted while the server runs. What was kept before
    is read once, when it is first asked for; then it is ``complete``.
    """

    def __init__(self) -> None:
        self.complete = False
        self.reading = Lock()
        self._names: OrderedDict[str, Name] = OrderedDict()  # by key; the newest one last
        self._keys: dict[str, tuple[str, ...]] = {}  # by claim

    def __contains__(self, key: str) -> bool:
        return key in self._names

    def note(self, key: str, state: RoomState, old: bool = False) -> None:
        """The room ``key`` is as ``state`` says: called something, deleted, or not there.

        An ``old`` one is older than all that are known.
        """
        self._forget(key)
        if not state.name or state.deleted is not None:
            return
        name = self._names[key] = known_name(state.name)
        for claim in name.claims:
            self._keys[claim] = (*self._keys.get(claim, ()), key)
        if old:
            self._names.move_to_end(key, last=False)
        if len(self._names) > MOST_KNOWN:
            self._forget(next(iter(self._names)))

    def other(self, key: str, name: Name) -> str:
        """Return what a room other than ``key`` is called that ``name`` looks like, or nothing."""
        for claim in sorted(name.claims):
            for other in self._keys.get(claim, ()):
                if other != key:
                    return self._names[other].text
        return ""

    def _forget(self, key: str) -> None:
        name = self._names.pop(key, None)
        for claim in name.claims if name is not None else ():
            left = tuple(other for other in self._keys[claim] if other != key)
            if left:
                self._keys[claim] = left
            else:
                del self._keys[claim]
