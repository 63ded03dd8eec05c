"""A large message that is being read: in memory once, with a place for each who reads it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Protocol, TypeVar

from chatnet.core.events import Entry
from chatnet.interfaces import IStyle
from chatnet.wires.budget import PACE_BYTES

_PARTS = 8  # printed parts remembered: those who read at the same pace share them
_TOO_SLOW = "You read a large message too slowly, and others wait. Come again: nothing is lost."
P = TypeVar("P")


class Reader(Protocol):
    """Who reads it."""

    def part(self, reason: str, code: str) -> None:
        """Close, for ``reason``."""


class Scroll(Generic[P]):
    """Holds a part of the budget from when it is granted until the last one has read it.

    Those who wait for that, in places of the type ``P``, hold nothing.
    """

    def __init__(
        self,
        seq: int,
        opened: Callable[[Scroll[P]], None],
        closed: Callable[[Scroll[P]], None],
    ) -> None:
        """Call ``opened`` if it is granted later, and ``closed`` when nobody reads any more."""
        self.seq = seq
        self.waiting: list[P] = []
        self.entry: Entry | None = None  # once there is room for it
        self.allowed = False
        self.moved = 0  # bytes read by anyone
        self._opened, self._closed = opened, closed
        self._readings: list[Reading] = []
        self._parts: dict[tuple[IStyle, int], tuple[bytes, int]] = {}
        self._seen = -1

    def __len__(self) -> int:
        return len(self._readings)

    def read(self, entry: Entry, style: IStyle, reader: Reader) -> Reading:
        """Return the place of ``reader``, who begins to read ``entry``, which this is."""
        self.entry = entry
        reading = Reading(self, style, reader)
        self._readings.append(reading)
        return reading

    def part(self, style: IStyle, place: int) -> tuple[bytes, int]:
        """Return what stands at ``place`` in ``style``, and where to go on."""
        key = (style, place)
        part = self._parts.get(key)
        if part is None:
            assert self.entry is not None, "nobody reads"
            part = self._parts[key] = style.part(self.entry, place)
            if len(self._parts) > _PARTS:
                del self._parts[next(iter(self._parts))]
        self.moved += len(part[0])
        return part

    def leave(self, reading: Reading) -> None:
        """``reading`` is over."""
        if reading in self._readings:
            self._readings.remove(reading)
            if not self._readings:
                self._closed(self)

    # -- chatnet.wires.budget.Holder -------------------------------------------------

    def granted(self) -> None:
        """There is room for it."""
        self.allowed = True
        self._opened(self)

    def stuck(self) -> bool:
        """Return whether its readers made next to no headway since this was asked last."""
        seen, self._seen = self._seen, self.moved
        return seen >= 0 and self.moved - seen < PACE_BYTES

    def give_way(self) -> None:
        """Part with those who read it; or be there for nobody."""
        if not self._readings:
            self._closed(self)
        for reading in list(self._readings):
            reading.reader.part(_TOO_SLOW, "stalled")


class Reading:
    """A reader's place in a large message."""

    def __init__(self, scroll: Scroll[Any], style: IStyle, reader: Reader) -> None:
        self.reader = reader
        self._scroll = scroll
        self._style = style
        self._place = 0

    def take(self) -> bytes:
        """Return the next part; ``b""`` if that was all."""
        if self._place < 0:
            return b""
        part, self._place = self._scroll.part(self._style, self._place)
        return part

    def close(self) -> None:
        """Read no more."""
        self._scroll.leave(self)
