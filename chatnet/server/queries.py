"""What is so: answers from what is shown, or from the store."""

from __future__ import annotations

from heapq import nsmallest
from typing import TYPE_CHECKING

from chatnet.core import commands as c, rules, terms
from chatnet.core.names import Name, fold, person_name
from chatnet.core.refusals import BadName, NoSuchPerson, NoSuchRoom
from chatnet.core.replies import (
    Bans,
    Members,
    PersonLine,
    Reply,
    RoomLine,
    Rooms,
    SettingLine,
    Settings,
    Topic,
    Whoami,
)
from chatnet.core.roles import Role
from chatnet.core.room import Actor, Room, RoomState
from chatnet.interfaces import Account
from chatnet.server import naming
from chatnet.server.host import Host
from chatnet.server.people import Person

if TYPE_CHECKING:
    from chatnet.server.session import Session

MOST_ROOMS = 200  # in a list


async def answer(host: Host, session: Session, query: c.Query) -> Reply:
    """Return the answer to ``query``, other than about history.

    Raises:
        Refused: it is not for ``session`` to know, or there is nothing to know.
    """
    match query:
        case c.ListRooms():
            return await _rooms(host, session)
        case c.Whois(who):
            return await _whois(host, session, who)
        case c.ListMembers("") if not session.in_room():
            people = sorted(host.network.people, key=lambda person: person.name.key)
            lines = (PersonLine(p.name.text, p.registered) for p in people if p.sessions)
            return Members("", "", tuple(lines))
    key = session.key_of(query.room)
    state, now = await state_of(host, key, query.room), host.clock.seconds()
    rules.look(state, session.actor, type(query), now)
    match query:
        case c.ListMembers():
            return Members(key, state.name, _members(state, now))
        case c.ListBans():
            bans = tuple(ban for ban in state.bans.values() if ban.holds(now))
            mutes = tuple(mute for mute in state.mutes.values() if mute.holds(now))
            return Bans(key, state.name, bans, mutes)
        case c.ShowSettings():
            settings = [(one, float(state.settings.get(one, 0))) for one in terms.SETTINGS]
            return Settings(key, state.name, tuple(SettingLine(*one) for one in settings))
        case _:
            return Topic(key, state.name, state.topic)


async def state_of(host: Host, key: str, name: str) -> RoomState:
    """Return how it is in the room ``key``, which the asker called ``name``.

    Raises:
        NoSuchRoom: nobody ever opened it, or it was deleted.
    """
    audience = host.network.audiences.get(key)
    if audience is not None:
        state = audience.room.state
    else:
        state = await host.network.journal.state(key)
        state.members.clear()  # nobody is in a room that is not in memory
    terms.check_there(state)
    if not state.name:
        raise NoSuchRoom(f"There is no room called {name}. /join {name} opens it.")
    return state


def _members(state: RoomState, now: float) -> tuple[PersonLine, ...]:
    """Return who is in a room, in the order of arrival. A guest's mute is not told apart here."""
    lines = []
    for key, member in state.members.items():
        mute = state.mutes.get(key)
        muted = member.registered and mute is not None and mute.holds(now)
        lines.append(PersonLine(member.name, member.registered, key in state.moderators, muted))
    return tuple(lines)


async def _rooms(host: Host, session: Session) -> Reply:
    states = await naming.rooms(host, MOST_ROOMS)
    busiest = nsmallest(
        MOST_ROOMS,
        [
            (-len(state.members) if key in host.network.audiences else 0, fold(state.name), key)
            for key, state in states.items()
        ],
    )
    lines = []
    for people, _, key in busiest:
        state = states[key]
        shown = state.topic and _may_look(state, session.actor, host.clock.seconds())
        topic = state.topic if shown else ""
        lines.append(RoomLine(key, state.name, -people, topic, bool(state.lock)))
    return Rooms(tuple(lines), len(states) - len(lines))


def _may_look(state: RoomState, actor: Actor, now: float) -> bool:
    role = rules.role_of(state, actor, now)
    return role >= Role.MUTED or (role >= Role.OUTSIDER and not state.lock)


async def _whois(host: Host, session: Session, who: str) -> Reply:
    person = host.network.people.find(fold(who))
    if person is None or not person.sessions:
        account = await _account(host, who)
        if account is None:
            raise NoSuchPerson(f"Nobody called {who} is known here.")
        return Whoami(account.name, True, False)
    now = host.clock.seconds()
    return Whoami(
        person.name.text,
        person.registered,
        True,
        tuple(sorted(session.id for session in person.sessions)),
        tuple(sorted(room.name for room in _shared_rooms(host, session, person))),
        now - min(session.since for session in person.sessions),
        now - max(session.heard_at for session in person.sessions),
    )


def _shared_rooms(host: Host, session: Session, person: Person) -> list[Room]:
    """Return the rooms ``person`` is in, without the locked ones that ``session`` is not in."""
    key, actor, now = person.name.key, session.actor, host.clock.seconds()
    seats = {name: seat for one in person.sessions for name, seat in one.rooms.items()}
    rooms = [seat.audience.room for seat in seats.values()]
    return [
        room for room in rooms if key in room.state.members and _may_look(room.state, actor, now)
    ]


async def account_key(host: Host, who: str) -> str:
    """Return the key of the account called ``who``; empty if there is none."""
    account = await _account(host, who)
    return account.key if account is not None else ""


async def account_name(host: Host, who: str) -> Name | None:
    """Return the name of the account called ``who``; None if there is none."""
    account = await _account(host, who)
    return person_name(account.name) if account is not None else None


async def addressee(host: Host, who: str) -> tuple[Name, Person | None]:
    """Return the name of ``who``, and the person if it is here.

    Raises:
        NoSuchPerson: nobody is called that.
    """
    person = host.network.people.find(fold(who))
    if person is not None and person.sessions:
        return person.name, person
    account = await _account(host, who)
    if account is None:
        raise NoSuchPerson(f"Nobody called {who} is known here. /who lists who is here.")
    return person_name(account.name), None


async def _account(host: Host, who: str) -> Account | None:
    try:
        account = await host.accounts.find(person_name(who))
    except BadName:
        return None
    return account if account is not None and account.key == fold(who) else None
