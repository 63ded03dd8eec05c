"""What must be so when a simulated server has come to rest."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from chatnet.core import events as e
from chatnet.core.names import GUEST_LOG
from chatnet.core.room import RoomState
from chatnet.server.seats import inbox_of
from chatnet.test.checker import fact_of

if TYPE_CHECKING:
    from chatnet.server.audience import Audience
    from chatnet.test.simulation import Simulation
    from chatnet.test.world import Link


def verdict(run: Simulation) -> list[str]:
    """Return what is wrong now that ``run`` is over and everything settled."""
    faults: list[str] = []
    for link in run.links:
        faults += _reading(run, link)
    for key, audience in run.server.network.audiences.items():
        faults += _sums(run, key, audience)
    kept = run.server.disk.every_room()
    for room in kept:
        run.checker.kept(room, [fact_of(entry) for entry in run.server.disk.kept(room)])
    for room in run.checker.rooms():
        if room.startswith(GUEST_LOG) and room not in kept:
            run.checker.forgotten(room)  # with its guest
    if run.server.journal._busy or run.server.journal._doubtful:
        faults.append("the journal is not at rest")
    return faults + run.checker.faults()


def _reading(run: Simulation, link: Link) -> Iterable[str]:
    """See that a connection is where it believes to be, and reads there."""
    follower, audiences = link.follower, run.server.network.audiences
    session = run.server.factory.sessions.get(link.door.id)
    if session is None:
        return
    who = f"{follower.id}, now {session.actor.name},"
    if session._slow or session._on_their_way:
        yield f"{who} waits for {session._slow} and {session._on_their_way} answers for ever"
    if session.full or link.wire.producerState != "producing":
        yield f"{who} is not listened to"
    if follower.asked:
        yield f"{who} was not answered: {list(follower.asked.values())}"
    if session.actor.name != follower.name:
        yield f"{who} believes to be {follower.name}"
    believed = set(follower.rooms)
    if follower.quiet:  # it left the one room for another, was put out of that, and told only so
        believed &= set(session.rooms)
    if set(session.rooms) - follower.unsure != believed:
        yield f"{who} sits in {sorted(session.rooms)}, believes {sorted(believed)}"
    if not audiences["*"].has(session):
        yield f"{who} does not hear what is told to everybody"
    inbox = inbox_of(session.person)
    if session.person.registered and not (inbox in audiences and audiences[inbox].has(session)):
        yield f"{who} does not read what is told to it"
    for room, seat in session.rooms.items():
        if audiences.get(room) is not seat.audience or not seat.audience.has(session):
            yield f"{who} has a seat in {room} and does not read there"
    for room in sorted(believed):
        view = follower.rooms[room]
        run.checker.quiet(follower.id, room)
        if room not in audiences:
            yield f"{who} believes to be in {room}, which is closed"
        elif not view.is_like(audiences[room].room.state):
            yield f"{who} believes that {room} is {view}; it is {audiences[room].room.state}"


def _sums(run: Simulation, key: str, audience: Audience) -> Iterable[str]:
    """See that a room is the sum of its log, and that behind every member there is someone."""
    room, log, total = audience.room, run.server.disk.kept(key), RoomState()
    for entry in log:
        wrong = _illegal(total, entry.event)
        if wrong:
            yield f"{key}/{entry.seq} cannot have been decided: {wrong}, {entry.event}"
        total.evolve(entry.event)
    if room.log.head != len(log):
        yield f"{key} shows {room.log.head} of {len(log)} entries"
    if room.state != total:
        yield f"{key} is shown as {room.state} and adds up to {total}"
    if room.decided != total:
        yield f"{key} is decided to be {room.decided} and adds up to {total}"
    for member in room.state.members:
        person = run.server.network.people.find(member)
        if person is None or not any(key in session.rooms for session in person.sessions):
            yield f"{member} is a ghost in {key}"
    for reader in audience.readers():
        if reader not in run.server.factory.sessions.values():
            yield f"someone who is gone reads in {key}"


def _illegal(before: RoomState, event: e.Event) -> str:
    """Return why ``event`` could not be decided in the light of all before it."""
    match event:
        case e.Said(who) | e.Left(who) if who not in before.members:
            return f"{who} is not there"
        case e.Joined(who) if who in before.members:
            return f"{who} is there"
        case e.Renamed(old, new, registered):
            taken = new in before.members and new != old and not registered
            if old not in before.members or taken:
                return "that name is wrong"
        case e.Kicked(who, by):
            if who not in before.members or by not in before.moderators:
                return f"{by} cannot, or {who} is not there"
    return ""
