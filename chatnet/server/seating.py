"""Seats are taken as people are shown to come, and given up as they are shown to go."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from twisted.python.failure import Failure

from chatnet.core.refusals import NotAMember
from chatnet.server.audience import Audience
from chatnet.server.cursors import Cursor
from chatnet.server.people import People
from chatnet.server.seats import Hold, Participant, Seat
from chatnet.server.turn import Turn


class Seating:
    """Keeps seats and members in step: whoever is in a room has a seat, and reads there."""

    def __init__(self, people: People, turn: Turn, reap_later: Callable[[str], None]) -> None:
        self._people = people
        self._turn = turn
        self._reap_later = reap_later  # sees to it that those leave a room who have no seat in it

    # -- wishes ----------------------------------------------------------------------

    def is_at_rest(self, session: Participant, audience: Audience) -> bool:
        """Return whether nothing about ``session`` and its person is on its way to the room.

        Only then is an arrival decided: so it cannot be taken for another one.
        """
        room, name = audience.room, session.actor.key
        seat = session.rooms.get(room.key)
        return (
            (name in room.state.members) == (name in room.decided.members)
            and all(held.hold is Hold.TAKEN for _, held in audience.seats.of(name))
            and not (seat is not None and seat.leaving)
        )

    def wish(self, session: Participant, seat: Seat) -> None:
        """Let ``session`` have ``seat`` once its person is in the room, and it is so durably."""
        if seat.hold is Hold.WISHED:
            seat.audience.seats.add(session.actor.key, session, seat)

    def granted(self, result: Any, session: Participant, seat: Seat) -> Any:
        """Pass on the ``result`` of a wish; whoever is told that it is in a room reads there.

        Raises:
            NotAMember: it was put out again before that.
        """
        audience, room = seat.audience, seat.audience.room
        if isinstance(result, Failure):
            if seat.hold is Hold.WISHED:
                audience.seats.remove(session, seat)
            return result
        if seat.hold is Hold.WISHED:  # its person was in the room before
            self._take(session, seat, room.log.head)
        if seat.past is None:
            raise NotAMember(f"You were put out of {room.name} before you were in.")
        self._turn.ring(audience)
        return result

    def others(self, session: Participant, key: str) -> bool:
        """Return whether another session of the same person stays in ``key``, or will be there."""
        for other in session.person.sessions:
            seat = other.rooms.get(key) if other is not session else None
            if seat is not None and not seat.leaving:
                return True
        return False

    def leave(self, session: Participant, key: str) -> Seat | None:
        """Let ``session`` be about to leave ``key``, where its person stays."""
        seat = session.rooms.get(key)
        if seat is not None:
            seat.leaving = True
        return seat

    def left(self, result: Any, session: Participant, seat: Seat | None) -> Any:
        """Pass on the ``result`` of leaving; do so, unless it failed."""
        if seat is not None and seat.leaving:
            if isinstance(result, Failure):
                seat.leaving = False
            elif seat.hold is not Hold.GONE:
                self._give_up(session, seat, seat.audience.room.log.head, False)
                self._turn.ring(seat.audience)
        return result

    def vacate(self, session: Participant) -> None:
        """Take all its seats from ``session``, which is gone."""
        for seat in list(session.rooms.values()):
            seat.audience.seats.remove(session, seat)

    # -- truth -----------------------------------------------------------------------

    def arrived(self, audience: Audience, who: str, seq: int) -> None:
        """``who``, a key, is in the room from ``seq`` on."""
        seats = audience.seats.of(who)
        for session, seat in seats:
            self._take(session, seat, seq - 1 if session.echo else seq)
        if not seats:
            self._reap_later(audience.room.key)

    def departed(self, audience: Audience, who: str, seq: int, put_out: bool) -> None:
        """``who``, a key, was in the room up to ``seq``."""
        for session, seat in audience.seats.of(who):
            self._give_up(session, seat, seq, put_out)

    def renamed(self, audience: Audience, old: str, new: str, seq: int) -> None:
        """Whoever was called ``old`` in the room, a key, is called ``new`` from ``seq`` on."""
        person = self._people.find(new)
        for session, seat in audience.seats.of(old):
            if person is not None and session in person.sessions:
                audience.seats.rename(session, seat, new)
            else:  # it was given up, and is durable after all: nobody is called that
                self._give_up(session, seat, seq, True)
        if not audience.seats.of(new):
            self._reap_later(audience.room.key)

    # -- how -------------------------------------------------------------------------

    def _give_up(self, session: Participant, seat: Seat, seq: int, put_out: bool) -> None:
        seat.audience.seats.remove(session, seat)
        seat.audience.close(session, seq, put_out)

    def _take(self, session: Participant, seat: Seat, here: int) -> None:
        """Let ``session`` read as it wished; what is behind ``here`` is new to it."""
        audience, log = seat.audience, seat.audience.room.log
        if seat.since is not None:
            start = max(0, min(seat.since, here))
        elif seat.replay < 0:
            start = log.floor
        else:
            back = log.back(min(here, log.head), seat.replay)
            start = seat.back if back is None else back
        start = max(start, min(log.floor, here))  # what is gone is not promised
        if seat.since is None and start >= log.tail and not log.says(start, here):
            start = here  # nothing was said yet
        seat.hold = Hold.TAKEN
        seat.start, seat.here = start, max(start, here)
        seat.past = Cursor(session, session.past, start, seat.here, held=True)
        if start < here:
            seat.past.closing = session.closing(audience.room, seat.here)
        audience.open(seat.past, Cursor(session, session.style, seat.here))
