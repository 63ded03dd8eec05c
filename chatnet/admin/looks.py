"""What an operator looks at: people, connections and rooms."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_address, ip_network
from itertools import islice
from math import isfinite

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core import rules
from chatnet.core.events import Acted
from chatnet.core.names import OPERATOR, fold, known_name, person_name
from chatnet.core.refusals import BadName, Malformed, NoSuchPerson, Refused
from chatnet.core.roles import RIGHTS, Role, outranks, permits
from chatnet.core.room import Actor, RoomState, Sanction
from chatnet.server import naming, queries, staff
from chatnet.server.session import Session
from chatnet.wires.oneport import Speech

MOST_ROOMS = 1000  # in a list, unless more are asked for
_SPOKEN = {Speech.TEXT: "text", Speech.JSON: "json", Speech.HTTP: "web"}
_ALIASES = {
    "topic": "settopic",
    "speak": "say",
    "who": "listmembers",
    "bans": "listbans",
    "shout": "announce",
    "tell": "whisper",
    "enter": "join",
    "rename": "renameroom",
    "delete-room": "deleteroom",
}


async def who(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return who is connected."""
    sessions = list(desk.building.factory.sessions.values())
    if given.text("room"):
        key = desk.host.network.key_of(given.text("room"))
        state = await queries.state_of(desk.host, key, given.text("room"))
        sessions = [session for session in sessions if session.actor.key in state.members]
    rows = [connection(desk, session) for session in sessions if not session.ended]
    sort = given.text("sort") or "name"
    if sort == "name":
        rows.sort(key=lambda row: fold(str(row["name"])))
    else:
        rows.sort(key=lambda row: -float(row[sort]))
    return Answer("" if rows else "Nobody is here.", rows)


def connection(desk: Desk, session: Session) -> Row:
    """Return what there is to know of a connection."""
    now = desk.host.clock.seconds()
    door = desk.building.factory.registry.get(session.id)
    speaks = _SPOKEN.get(door.speaks, "?") if door is not None and door.speaks else "?"
    secure = door is not None and (door.encrypted or door.inside is not None)
    minutes = max(1 / 60, (now - session.since) / 60)
    rooms = [seat.audience.room.name for seat in session.rooms.values()]
    return {
        "name": session.actor.name or "(nobody yet)",
        "account": session.actor.registered,
        "id": session.id,
        "door": f"{speaks}+tls" if secure else speaks,
        "address": session.actor.address,
        "here": round(now - session.since, 2),
        "idle": round(now - session.heard_at, 2),
        "rate": round(session.asked / minutes, 1),
        "lag": max((audience.behind(session) for audience in session.reading()), default=0),
        "rooms": " ".join(sorted(rooms, key=fold)),
    }


async def sessions(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return the connections of somebody."""
    found = connections_of(desk, given.text("who"))
    if not found:
        raise NoSuchPerson(f"{given.text('who')} is not connected.")
    return Answer("", [connection(desk, session) for session in found])


def connections_of(desk: Desk, who: str) -> list[Session]:
    """Return the connections of who is called that, or the one of that id."""
    factory = desk.building.factory
    one = factory.sessions.get(who)
    if one is not None:
        return [one]
    key = fold(who)
    return [s for s in factory.sessions.values() if s.actor.key == key and not s.ended]


async def info(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return all about a name, an account, an address, a network or a connection."""
    what = given.text("what")
    network = _network(what)
    if network:
        every = desk.building.factory.sessions.values()
        found = [session for session in every if _within(session.actor.address, network)]
        if not found:
            raise NoSuchPerson(f"Nobody is connected from {what}.")
        return Answer("", [connection(desk, session) for session in found])
    rows = [connection(desk, session) for session in connections_of(desk, what)]
    account = await account_row(desk, what)
    places = list(_standing(desk, fold(what)))
    if not (rows or account or places):
        raise NoSuchPerson(f"Nobody called {what} is known here, and no connection.")
    return Answer("", [*([account] if account else []), *rows, *places])


async def account_row(desk: Desk, who: str) -> Row | None:
    """Return what is known of the account called ``who``."""
    try:
        name = known_name(who) if fold(who) == OPERATOR else person_name(who)  # an old one's
        account = await desk.host.accounts.find(name)
    except BadName:
        return None
    if account is None or account.key != fold(who):
        return None
    here = connections_of(desk, account.name)
    rank = desk.host.network.office.rank(account.key).name.lower()
    made = account.made if isfinite(account.made) else 0.0
    office, now = desk.host.network.office, desk.host.clock.seconds()
    ban = office.bans.get(f"account {account.key}")
    return {
        "account": account.name,
        "rank": rank,
        "made": made,
        "connections": len(here),
        "suspended": ban is not None and ban.holds(now),
    }


async def account_show(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return what is known of an account."""
    row = await account_row(desk, given.text("who"))
    if row is None:
        raise NoSuchPerson(f"There is no account called {given.text('who')}.")
    return Answer("", [row])


def _standing(desk: Desk, key: str) -> Iterator[Row]:
    """Yield what somebody is to the rooms in memory."""
    now = desk.host.clock.seconds()
    for audience in list(desk.host.network.audiences.values()):
        state = audience.room.state
        if key in state.moderators:
            yield {"room": state.name, "is": "moderator"}
        for held, what in ((state.bans, "banned"), (state.mutes, "muted")):
            for sanction in held.values():
                if fold(sanction.who) == key and sanction.holds(now):
                    yield {"room": state.name, "is": what, **_sanction(sanction)}


def _network(what: str) -> str:
    """Return ``what`` if it is an address or a network; else nothing."""
    try:
        return str(ip_network(what, strict=False))
    except ValueError:
        return ""


def _within(address: str, network: str) -> bool:
    try:
        return ip_address(address) in ip_network(network)
    except ValueError:  # a UNIX socket's
        return False


async def rooms(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return the rooms, the busiest first, or those that are deleted."""
    if given.flag("deleted"):
        return await _deleted(desk, given.number("limit", MOST_ROOMS))
    rows = [_room(desk, key, state) for key, state in await every_room(desk, given)]
    rows.sort(key=lambda row: (-int(row["people"]), fold(str(row["room"]))))
    return Answer("" if rows else "There is no room yet.", rows)


async def _deleted(desk: Desk, most: int) -> Answer:
    rows: list[Row] = []
    for sign in islice(desk.host.network.office.rooms.deleted(), most):
        event = (await staff.act(desk.host, sign.act)).event
        assert isinstance(event, Acted), event
        row: Row = {"act": sign.act, "room": sign.name, "by": event.by, "until": sign.until}
        rows.append({**row, "reason": event.reason})
    return Answer("room restore brings one back." if rows else "None is deleted.", rows)


async def every_room(desk: Desk, given: Given) -> list[tuple[str, RoomState]]:
    """Return the states of the rooms that are kept, or in memory, by their keys."""
    states = await naming.rooms(desk.host, given.number("limit", MOST_ROOMS))
    return list(states.items())


def _room(desk: Desk, key: str, state: RoomState) -> Row:
    here = key in desk.host.network.audiences
    return {
        "room": state.name,
        "people": len(state.members) if here else 0,
        "moderators": len(state.moderators),
        "locked": bool(state.lock),
        "retention": state.retention,
        "topic": state.topic,
    }


async def room(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return how a room is set up, and who is in it."""
    name = given.text("room")
    audience = await desk.room(name)
    state, log, now = audience.room.state, audience.room.log, desk.host.clock.seconds()
    row = dict(_room(desk, audience.room.key, state))
    row |= {
        "entries": log.head - log.floor,
        "last": log.head,
        "readers": len(audience),
        "bans": sum(ban.holds(now) for ban in state.bans.values()),
        "mutes": sum(mute.holds(now) for mute in state.mutes.values()),
        "moderators": " ".join(state.moderators.values()),
        "people": " ".join(member.name for member in state.members.values()),
    }
    return Answer("", [row])


async def bans(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return who is banned from the server, or banned or muted in a room."""
    if not given.text("room"):
        found = measures(desk, given.text("match"))
        return replace(found, said="") if given.flag("export") else found
    if given.flag("export"):
        raise Malformed("--export is for the bans from the server: leave the room out.")
    audience = await desk.room(given.text("room"))
    state, now = audience.room.state, desk.host.clock.seconds()
    rows = [
        {"who": sanction.who, "is": what, **_sanction(sanction)}
        for held, what in ((state.bans, "banned"), (state.mutes, "muted"))
        for sanction in held.values()
        if sanction.holds(now)
    ]
    return Answer("" if rows else f"Nobody is banned or muted in {state.name}.", rows)


def measures(desk: Desk, match: str) -> Answer:
    """Return who is banned from the server, and who cannot be; only what hits ``match``."""
    office, now = desk.host.network.office, desk.host.clock.seconds()
    every = [("banned", one) for one in office.bans.values()]
    every += [("exempt", one) for one in office.exempt.values()]
    if match:
        hits = (office.bars_name(match, True, now), office.bars_address(match, now))
        every = [(what, one) for what, one in every if one in hits]
    rows: list[Row] = [
        {
            "act": one.id,
            "who": one.what,
            "kind": one.kind,
            "is": what,
            "by": one.by,
            "until": one.until,
            "reason": one.reason,
            "note": one.note,
        }
        for what, one in every
        if one.holds(now)
    ]
    return Answer("" if rows else "Nobody is banned from this server.", rows)


def _sanction(sanction: Sanction) -> Row:
    return {"by": sanction.by, "until": sanction.until, "reason": sanction.reason}


async def why(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return whether somebody may do something in a room, and which rule decides."""
    audience = await desk.room(given.text("room"))
    actor = await _actor(desk, given.text("who"))
    word = given.text("verb").lower().removeprefix("/")
    verb = next((v for v in RIGHTS if v.__name__.lower() == _ALIASES.get(word, word)), None)
    if verb is None:
        known = " ".join(sorted(v.__name__.lower() for v in RIGHTS))
        raise Malformed(f"There is no rule for {word}. There is one for: {known}")
    state, now = audience.room.decided, desk.host.clock.seconds()
    role, right = rules.role_of(state, actor, now), RIGHTS[verb]
    allowed, because = permits(verb, role, actor.registered, actor.rank), ""
    if allowed and outranks(verb, actor.rank):
        because = f"{actor.name} is {actor.rank.name.lower()} of the server, which is enough"
    elif allowed:
        because = f"it takes the role {_spell(right.role)}, and {actor.name} has {_spell(role)}"
    else:
        try:
            rules.permit(state, actor, verb, now)
        except Refused as refusal:
            because = str(refusal)
    row: Row = {
        "who": actor.name,
        "verb": word,
        "room": audience.room.name,
        "allowed": allowed,
        "role": role.name.lower(),
        "rank": actor.rank.name.lower(),
        "takes": _spell(right.role),
        "or": f"{right.rank.name.lower()} of the server" if right.rank else "",
        "account": "needed" if right.account else "any" if right.account is None else "without",
        "because": because,
    }
    return Answer("", [row])


def _spell(role: Role | None) -> str:
    return role.name.lower() if role is not None else "none"


async def _actor(desk: Desk, who: str) -> Actor:
    found = connections_of(desk, who)
    if found:
        return found[0].actor
    row = await account_row(desk, who)
    if row is None:
        raise NoSuchPerson(f"Nobody called {who} is known here.")
    key = fold(str(row["account"]))
    return Actor(str(row["account"]), key, True, "", desk.host.network.office.rank(key))


async def top(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return the busiest rooms and connections."""
    most = given.number("limit", 10)
    rows = [*_busiest_rooms(desk, most), *_busiest_people(desk, most)]
    return Answer("" if rows else "Nothing has happened yet.", rows)


def _busiest_rooms(desk: Desk, most: int) -> Iterable[Row]:
    every = desk.host.network.audiences.items()
    rooms = [a.room for key, a in every if key[0] not in "@*" and a.room.state.name]
    rooms.sort(key=lambda room: -room.log.head)
    for room in rooms[:most]:
        count, readers = room.log.head, len(desk.host.network.audiences[room.key])
        yield {"what": "room", "name": room.name, "entries": count, "readers": readers}


def _busiest_people(desk: Desk, most: int) -> Iterable[Row]:
    every = [connection(desk, s) for s in desk.building.factory.sessions.values()]
    for row in sorted(every, key=lambda row: -float(row["rate"]))[:most]:
        name, id, rate, lag = row["name"], row["id"], row["rate"], row["lag"]
        yield {"what": "connection", "name": name, "id": id, "rate": rate, "lag": lag}
