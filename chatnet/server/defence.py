"""What keeps a server usable for all: who comes from where, and who floods it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatnet.core.addresses import Networks, party_of
from chatnet.core.durations import spell_duration
from chatnet.core.limits import Bucket, Limit, Limits
from chatnet.core.refusals import Muted, Refused, TooManyConnections, TooManyTries
from chatnet.core.room import Actor
from chatnet.server.levels import NOBODY_NEW, UNREGISTERED, Levels

MOST_PLACES = 50_000  # addresses that are remembered: some 10 MB
MOST_MUTED = 10_000  # people
SWEPT = 2  # places that are looked at for each arrival, whether they can be forgotten
PATIENCE = 32  # refusals that one address is told in its own dialect, before it is cut short
MUTE_MEMORY = 3600.0  # seconds after a mute, in which the next one is longer
PAGE_PART = 0.75  # of an arrival, that one gives back who only fetched pages


@dataclass(slots=True)
class Place:
    """An address, and what came from it."""

    here: int = 0  # connections
    refused: int = 0  # since one was let in
    arrivals: Bucket = field(default_factory=Bucket)
    registrations: Bucket = field(default_factory=Bucket)
    rooms: Bucket = field(default_factory=Bucket)

    def idle(self, now: float) -> bool:
        """Return whether there is nothing to remember."""
        taken = (self.arrivals.full_at, self.registrations.full_at, self.rooms.full_at)
        return not self.here and max(taken) <= now


@dataclass(slots=True)
class Silence:
    """Somebody is, or was, muted until ``until``: the ``count``-th time."""

    until: float
    count: int


class Speaker(Protocol):
    """Someone who sends too much."""

    id: str
    actor: Actor

    def tell(self, text: str) -> None:
        """Say ``text`` to this one alone."""


class Defence:
    """Counts by address, and remembers who flooded. What it holds in memory is bounded."""

    _log = Logger()

    def __init__(self, clock: IReactorTime, limits: Limits, proxies: Iterable[str] = ()) -> None:
        """Let ``proxies``, networks, come as often as they like: they come for others."""
        self.limits = limits
        self.held = 0  # times that a connection was held back
        self.proxies = Networks(proxies)
        self.levels = Levels(clock, limits)
        self._clock = clock
        self._places: dict[str, Place] = {}
        self._muted: dict[str, Silence] = {}

    # -- connections ---------------------------------------------------------------

    def arrive(self, address: str) -> str:
        """Count a connection from ``address``, and return as whose, which ``depart`` wants to know.

        Raises:
            Refused: it is not let in; it does not count.
        """
        now = self._clock.seconds()
        self.levels.arrived(now)
        self.levels.refuse(NOBODY_NEW)
        return self.come(address)

    def come(self, address: str) -> str:
        """Count somebody at ``address``, as ``arrive`` does: perhaps on a proxy's connection.

        Raises:
            Refused: it is not let in; it does not count.
        """
        now, party = self._clock.seconds(), party_of(address)
        if not party or address in self.proxies:
            return ""
        self._sweep(now)
        place, limits = self._place(party), self.limits
        if place.here >= limits.connections.most:
            raise self._refused(
                place,
                address,
                f"There are {place.here} connections from your address already, which is as many"
                " as there can be. Please close one.",
            )
        if not place.arrivals.has(limits.arrivals, 1, now):
            wait = spell_duration(
                max(1, place.arrivals.full_at - now - limits.arrivals.span + limits.arrivals.each)
            )
            raise self._refused(
                place,
                address,
                f"Too many connections came from your address of late. Please wait for {wait}.",
            )
        place.arrivals.take(limits.arrivals, 1, now)
        place.here += 1
        place.refused = 0
        return party

    def crowded(self, most: float) -> int:
        """Return how many addresses have more than ``most`` connections here."""
        return sum(place.here > most for place in self._places.values())

    def is_patient(self, address: str) -> bool:
        """Return whether a refusal is worth waiting for how ``address`` speaks."""
        place = self._places.get(party_of(address))
        return place is None or place.refused <= PATIENCE

    def depart(self, party: str, only_pages: bool) -> None:
        """Count out a connection of ``party``, on which perhaps only pages were fetched."""
        place = self._places.get(party)
        if place is not None:
            place.here -= 1
            if only_pages:
                place.arrivals.give_back(self.limits.arrivals, PAGE_PART)

    def _refused(self, place: Place, address: str, text: str) -> Refused:
        place.refused += 1
        count = str(place.refused)
        if count.strip("0") == "1":  # 1, 10, 100: a flood of them is no flood of the log
            self._log.warn(
                "{address} is turned away ({count} so far): {text}",
                address=address,
                count=count,
                text=text,
            )
        return TooManyConnections(text)

    # -- accounts ------------------------------------------------------------------

    def register(self, address: str) -> None:
        """Count an account that is to be made from ``address``.

        Raises:
            Refused: there were too many.
        """
        self.levels.refuse(UNREGISTERED)
        party = party_of(address)
        if party:
            bucket, limit = self._place(party).registrations, self.limits.registrations
            self._take(bucket, limit, "Enough accounts were made from your address for now.")

    def unregister(self, address: str) -> None:
        """Take back what ``register`` counted: nothing came of it."""
        place = self._places.get(party_of(address))
        if place is not None:
            place.registrations.give_back(self.limits.registrations, 1)

    # -- rooms ---------------------------------------------------------------------

    def open_room(self, address: str) -> None:
        """Count a room that is to be opened from ``address``.

        Raises:
            Refused: there were too many.
        """
        party = party_of(address)
        if party:
            bucket, limit = self._place(party).rooms, self.limits.rooms
            self._take(bucket, limit, "Enough rooms were opened from your address for now.")

    def _take(self, bucket: Bucket, limit: Limit, why: str) -> None:
        now = self._clock.seconds()
        if not bucket.has(limit, 1, now):
            wait = spell_duration(bucket.full_at - now - limit.span + limit.each)
            raise TooManyTries(f"{why} The next one in {wait}.")
        bucket.take(limit, 1, now)

    # -- floods of words -----------------------------------------------------------

    def mute(self, speaker: Speaker) -> None:
        """Let ``speaker``, who floods, be heard by nobody for a while."""
        now, key = self._clock.seconds(), _key(speaker)
        before = self._muted.pop(key, None)
        repeated = before is not None and now - before.until < MUTE_MEMORY
        length = self.limits.mute_again if repeated else self.limits.mute
        if length.most > 1e9:
            return
        if len(self._muted) >= MOST_MUTED:
            del self._muted[next(iter(self._muted))]
        count = before.count + 1 if before and repeated else 1
        self._muted[key] = Silence(now + length.most, count)
        span = spell_duration(length.most)
        self._log.warn(
            "{name} from {address} floods, and is muted for {span}",
            name=speaker.actor.name,
            address=speaker.actor.address,
            span=span,
        )
        speaker.tell(f"You have been sending too fast for too long: you are muted for {span}.")

    def check_voice(self, speaker: Speaker) -> None:
        """See that ``speaker`` may be heard.

        Raises:
            Muted: not so.
        """
        if not self._muted:
            return
        silence = self._muted.get(_key(speaker))
        left = silence.until - self._clock.seconds() if silence else 0
        if left > 0:
            raise Muted(
                f"You were sending too fast, and are muted for another {spell_duration(left)}."
                " That was not sent."
            )

    # -- memory --------------------------------------------------------------------

    def _place(self, party: str) -> Place:
        place = self._places.get(party)
        if place is None:
            place = self._places[party] = Place()
        return place

    def _sweep(self, now: float) -> None:
        """Look at the places that were not looked at for longest."""
        for _ in range(min(SWEPT, len(self._places))):
            party = next(iter(self._places))
            place = self._places.pop(party)
            full = len(self._places) >= MOST_PLACES and not place.here
            if not (full or place.idle(now)):
                self._places[party] = place


def _key(speaker: Speaker) -> str:
    """Return whom a mute holds against: an account, or a guest's address, if it is one's own."""
    actor = speaker.actor
    if actor.registered:
        return actor.key
    return f"~{party_of(actor.address) or speaker.id}"
