"""Who was here lately: so that a ban can be tried out on those who left as well."""

from __future__ import annotations

from collections.abc import Callable

from chatnet.core.room import Actor

DAYS = 7
MOST_VISITORS = 10_000  # that are remembered, the last ones


class Visitors:
    """Those who left in the last days, once for each name and address, while the server runs.

    No log says from where somebody came, on purpose; so this is forgotten with the server.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._left: dict[tuple[str, str], tuple[float, Actor]] = {}  # the last one last

    def leaves(self, actor: Actor) -> None:
        """``actor`` has left."""
        place = (actor.key, actor.address)
        self._left.pop(place, None)
        self._left[place] = (self._now(), actor)
        if len(self._left) > MOST_VISITORS:
            del self._left[next(iter(self._left))]

    def lately(self) -> list[Actor]:
        """Return them, the last one last."""
        since = self._now() - DAYS * 86400
        while self._left:
            place, (at, _) = next(iter(self._left.items()))
            if at >= since:
                break
            del self._left[place]
        return [actor for _, actor in self._left.values()]
