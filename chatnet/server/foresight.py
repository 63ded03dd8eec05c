"""Whom an order of staff would hit: who is here, and who was in the last days; it does nothing."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, replace

from chatnet.core import commands as c, events as e, foresight, staff as rules
from chatnet.core.names import fold
from chatnet.core.office import Office
from chatnet.core.room import Actor
from chatnet.server import staff
from chatnet.server.host import Host
from chatnet.server.visitors import DAY, DAYS

MOST_LOOKED = 20_000  # entries of a room, the last ones, in which is looked for who entered it

Judge = Callable[[Actor], tuple[str, str]]  # what somebody is now, and what it would be


@dataclass(frozen=True, slots=True)
class Fate:
    """What would become of somebody, who is ``here`` now or was lately."""

    actor: Actor
    here: bool
    before: str
    after: str


@dataclass(frozen=True, slots=True)
class Foreseen:
    """What an order would cause, and those for whom that changes something."""

    events: Sequence[e.Event]
    fates: Sequence[Fate] = ()


async def foresee(
    host: Host, actor: Actor, command: c.Moderation | c.Delete | c.Governing
) -> Foreseen:
    """Return what ``command`` of ``actor`` would do.

    Raises:
        Refused: it would be refused.
    """
    if isinstance(command, c.Governing):
        return await _server(host, actor, command)
    return await _room(host, actor, command)


async def _server(host: Host, actor: Actor, command: c.Governing) -> Foreseen:
    prepared = await staff.identified(host, actor, command)
    office, now = host.network.office, host.clock.seconds()
    events = rules.decide(office, actor, prepared, now, staff.everyone(host))
    after = office.copy()
    for event in events:
        after.evolve(event)
    if isinstance(command, c.ServerSet | c.ServerUnset):
        return Foreseen(events)

    def judge(one: Actor) -> tuple[str, str]:
        return foresight.on_server(office, one, now), foresight.on_server(after, one, now)

    visitors = _ranked(host.network.visitors.lately(), office)
    return Foreseen(events, await _fates(staff.everyone(host), visitors, judge))


async def _room(host: Host, actor: Actor, command: c.Moderation | c.Delete) -> Foreseen:
    key, prepared = await staff.ready(host, actor, command)
    events = host.network.foresee(actor, key, prepared)
    state, now = host.network.audiences[key].room.decided.copy(), host.clock.seconds()
    after = state.copy()
    for event in events:
        after.evolve(event)

    def judge(one: Actor) -> tuple[str, str]:
        return foresight.in_room(state, one, now), foresight.in_room(after, one, now)

    known = await _entered(host, key)
    known |= {name: Actor(member.name, name, member.registered)
              for name, member in state.members.items()}  # fmt: skip
    who = str(getattr(command, "who", ""))
    here = [one for one in staff.everyone(host) if one.key in known or one.key == fold(who)]
    lately = _those(host, known, fold(who))
    return Foreseen(events, await _fates(here, lately, judge))


async def _entered(host: Host, key: str) -> dict[str, Actor]:
    """Return who entered the room ``key`` in the last days, by key, as far as its log says."""
    journal, head = host.network.journal, host.network.audiences[key].room.log.head
    after = await journal.seq_at(key, host.clock.seconds() - DAYS * DAY)
    after, found = max(after, head - MOST_LOOKED), dict[str, Actor]()
    while after < head and (page := await journal.read(key, after, head)):
        after = page[-1].seq
        for entry in page:
            match entry.event:
                case e.Joined(who, registered) | e.Renamed(_, who, registered):
                    found[fold(who)] = Actor(who, fold(who), registered)
    return found


async def _those(host: Host, known: dict[str, Actor], who: str) -> AsyncIterator[list[Actor]]:
    """Yield those whom a room knows, and ``who``, from where they were here; accounts once."""
    guests = set[str]()
    async for some in _ranked(host.network.visitors.lately(), host.network.office):
        found = [one for one in some if one.key in known or one.key == who]
        guests |= {one.key for one in found}
        yield [replace(one, address="") if one.registered else one for one in found]
    office = host.network.office
    rest = [one for key, one in known.items() if key not in guests and one.registered]
    yield [replace(one, rank=office.rank(one.key)) for one in rest]


async def _ranked(
    visitors: AsyncIterator[list[Actor]], office: Office
) -> AsyncIterator[list[Actor]]:
    async for some in visitors:
        yield [replace(one, rank=office.rank(one.key)) if one.registered else one for one in some]


async def _fates(
    here: Sequence[Actor], lately: AsyncIterator[list[Actor]], judge: Judge
) -> list[Fate]:
    """Return the fates of those for whom something changes, each once."""
    found: dict[tuple[str, str], Fate] = {}
    seen = {one.key for one in here if one.registered}
    for one in here:
        before, after = judge(one)
        if before != after:
            found[one.key, one.address] = Fate(one, True, before, after)
    present = {(one.key, one.address) for one in here}
    async for some in lately:
        for one in some:
            place = (one.key, one.address)
            if place in present or place in found or (one.registered and one.key in seen):
                continue
            before, after = judge(one)
            if before != after:
                found[place] = Fate(one, False, before, after)
    return list(found.values())
