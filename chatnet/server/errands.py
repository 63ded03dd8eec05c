"""What has to be fetched, resolved or computed before a command can be decided at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from chatnet.core import commands as c, events as e, rules
from chatnet.core.durations import spell_span
from chatnet.core.large import LARGE
from chatnet.core.names import EVERYBODY, LONGEST, PIECES, fold
from chatnet.core.refusals import BadPassword, Malformed, NoSuchPerson, NotAllowed, NotAMember
from chatnet.core.replies import (
    CaughtUp,
    Entered,
    History,
    Noted,
    Out,
    Present,
    Reply,
    Snapshot,
)
from chatnet.core.room import Room, retention
from chatnet.core.times import NO_TIME, parse_time
from chatnet.server import arrivals, deletion, keys, naming, queries, whispers
from chatnet.server.audience import Audience
from chatnet.server.cursors import Cursor
from chatnet.server.host import Host
from chatnet.server.seats import Asker, Participant, Seat, inbox_of

if TYPE_CHECKING:
    from chatnet.server.session import Session


MOST_STRETCHES = 8  # of history, that a reader waits for
MOST_AHEAD = 5000  # messages of it that are counted, when it is wanted from some place on


async def prepare(
    host: Host, session: Asker, key: str, command: c.RoomCommand
) -> tuple[c.RoomCommand, Reply | None]:
    """Return ``command`` with all in it that deciding takes, and what to say when it is done.

    Raises:
        Refused: it can be known already that it cannot be done.
    """
    audience = host.network.audiences[key]
    state = audience.room.decided
    match command:
        case c.Say(_, body) if len(body) >= LARGE:
            rules.permit(state, session.actor, c.Say, host.clock.seconds())
            rules.check_plain(state)
            body = await _park(host, command)
            await host.network.open(key)  # it may have been let go while we waited
            return replace(command, body=body), None
        case c.Roll(_, dice):
            count, sides = rules.parse_dice(dice)
            faces = tuple(int.from_bytes(host.entropy(8)) % sides + 1 for _ in range(count))
            return replace(command, faces=faces), None
        case c.Leave():
            return command, Out(key, audience.room.name)
        case c.Op(_, who) if fold(who) in state.moderators and fold(who) in state.members:
            return command, Noted(f"{who} is a moderator already.")
        case c.Ban() | c.Mute() | c.Invite():
            rules.permit(state, session.actor, type(command), host.clock.seconds())
            return replace(command, target=await queries.account_key(host, command.who)), None
        case c.RenameRoom():
            rules.permit(state, session.actor, c.RenameRoom, host.clock.seconds())
            await naming.check_looks(host, session.actor, key, command)
            return command, None
        case c.DeleteRoom():
            return naming.with_grace(host, command), None
        case c.Retain(_, seconds):
            most = host.settings.retention
            if most and seconds > most:
                raise NotAllowed(
                    f"This server keeps messages for {spell_span(most)}; a room can only"
                    " shorten that."
                )
            return command, None
        case c.Delete():
            rules.permit(state, session.actor, c.Delete, host.clock.seconds())
            await session.settled()
            return await deletion.resolve(host, session, audience, command), None
        case c.Lock(_, password):
            rules.permit(state, session.actor, c.Lock, host.clock.seconds())
            if not 1 <= len(password) <= rules.LONGEST_LOCK:
                raise BadPassword(f"A room's password has 1 to {rules.LONGEST_LOCK} characters.")
            return replace(command, lock=await host.accounts.hash(password)), None
        case _:
            return command, None


async def _park(host: Host, command: c.Say | c.Announce) -> str:
    """Return the large message in ``command``, which is stored in pieces now."""
    return await host.network.journal.park(f"{PIECES}{host.entropy(16).hex()}", command.body)


async def prepare_join(
    host: Host, session: Session, key: str, command: c.Join
) -> tuple[c.Join, Seat]:
    """Return ``command`` with the proof of its password, and the seat that it asks for.

    Raises:
        TooManyTries: at passwords, from the same address.
    """
    audience = await host.network.open(key)
    if not audience.room.decided.name:
        await naming.know(host)
        audience = await host.network.open(key)
    lock = audience.room.decided.lock
    if lock and command.password and session.actor.key not in audience.room.decided.moderators:
        right = await host.accounts.verify(
            command.password, lock, session.actor.address, session.gone
        )
        command = replace(command, proof=lock if right else "")
    replay = host.settings.replay if command.replay is None else command.replay
    seat = Seat(audience, command.since, replay)
    if command.since is None and replay > 0:
        seat.back = await _back(host, audience, audience.room.log.head, replay)
    return command, seat


def entered(host: Host, seat: Seat) -> Entered:
    """Return what to say to a session that has just taken ``seat``."""
    room = seat.audience.room
    kept = retention(host.settings.retention, room.state.retention)
    shown = seat.audience.shown
    if shown is None or shown.seq != room.log.head:
        shown = seat.audience.shown = _snapshot(room)  # for all who come at this moment
    return Entered(room.key, room.name, seat.here, seat.start, shown, kept)


def _snapshot(room: Room) -> Snapshot:
    state = room.state
    members = [
        Present(member.name, member.registered, key in state.moderators)
        for key, member in state.members.items()
    ]
    return Snapshot(
        room.log.head,
        state.topic,
        bool(state.lock),
        tuple(members),
        tuple(state.moderators.values()),
        state.encrypted,
        state.epoch,
        tuple(state.readers.values()),
    )


async def address(
    host: Host, session: Participant, command: c.Telling | c.Give
) -> tuple[Sequence[str], Sequence[e.Event], Reply | None]:
    """Return the logs that ``command`` goes to, open, what goes there, and what to say then.

    Raises:
        Refused: there is nobody to tell, or it is not allowed.
    """
    if isinstance(command, c.Announce):
        told = rules.announce(session.actor, command)
        if len(command.body) >= LARGE:
            told = rules.announce(session.actor, replace(command, body=await _park(host, command)))
        return [EVERYBODY], told, None
    name, person = await queries.addressee(host, command.who)
    if person is session.person:
        raise Malformed("That is you.")
    if isinstance(command, c.SealWhisper):
        now = await keys.epoch_of(host, session.person.name, name)
        events = rules.whisper_sealed(session.actor, name.text, command, now)
    elif isinstance(command, c.Give):
        events = rules.give(session.actor, name.text, command)
    else:
        events = rules.whisper(session.actor, name.text, command)
    await arrivals.open_inbox(host, session)
    readers = list(person.sessions) if person else []
    key = inbox_of(person) if person else f"@{name.key}"
    for other in readers:
        await arrivals.open_inbox(host, other)
    if person is not None and not person.registered and not person.sessions:
        raise NoSuchPerson(f"{name.text} has just left.")
    await host.network.open(key)  # at once if somebody reads it; then it is in memory below
    note = None
    if person is None or not person.sessions:
        note = Noted(f"{name.text} is not here, and will read it at the next login.")
    return [inbox_of(session.person), key], events, note


async def history(
    host: Host, session: Session, query: c.History, cid: str | None
) -> tuple[Audience, Cursor]:
    """Return where the history is read that ``query``, named ``cid``, asks for, and what of it.

    Raises:
        Refused: it is not for ``session`` to read.
    """
    audience = await _log_of(host, session, query)
    room = audience.room
    if audience.stretches(session) > MOST_STRETCHES:
        raise NotAllowed("You are still being shown what you asked for before. Wait for that.")
    audience.resume(session)  # up to the present, as far as the wire takes it
    here = audience.new_to(session)
    if query.before is not None:
        here = min(here, max(0, query.before - 1))
    ahead, others = query.first is not None or bool(query.at), None
    if query.who:
        start, upto, others = await _whispers(host, audience, query, here)
    elif ahead:
        start, upto = await _ahead(host, audience, query, here)
    else:
        start, upto = await _behind(host, audience, query, here), here
    start, upto = max(start, room.log.floor), max(upto, room.log.floor)
    if not audience.has(session):
        raise NotAMember(f"You are no longer in {room.name}.")
    cursor = Cursor(session, session.recall, start, upto, held=True, skip=others)
    name = query.who or room.name
    told = History(room.key, name, start, upto, query.count, ahead)
    cursor.opening = session.printed(told, cid)
    cursor.closing = session.printed(CaughtUp(room.key, name, upto, upto < here), None)
    return audience, cursor


async def _log_of(host: Host, session: Session, query: c.History) -> Audience:
    """Return the log that ``query`` is about: a room's, or the asker's own.

    Raises:
        Refused: it is not for ``session`` to read.
    """
    if query.who:
        if fold(query.who) == session.actor.key:
            raise Malformed("That is you.")
        if len(query.who) > LONGEST:
            raise Malformed("Nobody has so long a name.")
        await arrivals.open_inbox(host, session)
        return host.network.audiences[inbox_of(session.person)]
    audience = host.network.audiences.get(session.key_of(query.room))
    if audience is None:
        raise NotAMember("You are not in that room. /join it first.")
    rules.permit(audience.room.state, session.actor, c.History, host.clock.seconds())
    if not audience.has(session):
        raise NotAllowed(f"You do not read {audience.room.name} on this connection.")
    return audience


async def _whispers(
    host: Host, audience: Audience, query: c.History, here: int
) -> tuple[int, int, set[int]]:
    """Return where a stretch of whispers begins and ends, and what in it is none of them."""
    read, floor = partial(host.network.journal.read, audience.room.key), audience.room.log.floor
    if query.first is None and not query.at:
        since = max(floor, min(query.since or 0, here))
        return await whispers.last(read, query.who, since, here, query.count)
    start = max(floor, await _first(host, audience, query, here))
    return await whispers.first(read, query.who, start, here, query.count)


async def _behind(host: Host, audience: Audience, query: c.History, here: int) -> int:
    """Return behind which seq the last messages up to ``here`` begin that ``query`` wants."""
    start = 0 if query.count < 0 else await _back(host, audience, here, query.count)
    if start and await _back(host, audience, start, 1) == start:
        start = 0  # nothing was said before: then this is the beginning
    return start if query.since is None else max(start, min(query.since, here))


async def _ahead(host: Host, audience: Audience, query: c.History, here: int) -> tuple[int, int]:
    """Return behind which seq the first messages begin that ``query`` wants, and where they end.

    Raises:
        Malformed: its time is none.
    """
    journal, room = host.network.journal, audience.room
    start = await _first(host, audience, query, here)
    upto, left = start if query.count >= 0 else here, min(query.count, MOST_AHEAD)
    while upto < here and left > 0:
        entries = await journal.read(room.key, upto, here)
        if not entries:
            break
        for entry in entries:
            left -= isinstance(entry.event, e.MESSAGES)
            upto = entry.seq
            if not left:
                break
    return start, upto


async def _first(host: Host, audience: Audience, query: c.History, here: int) -> int:
    """Return behind which seq that begins from which on ``query`` wants messages.

    Raises:
        Malformed: its time is none.
    """
    start = max(0, (query.first or 0) - 1, query.since or 0)
    if query.at:
        at = parse_time(query.at, host.clock.seconds())
        if at is None:
            raise Malformed(NO_TIME)
        start = max(start, await host.network.journal.seq_at(audience.room.key, at))
    return min(start, here)


async def _back(host: Host, audience: Audience, upto: int, count: int) -> int:
    """Return the seq behind which the last ``count`` messages up to ``upto`` begin."""
    room = audience.room
    back = room.log.back(upto, count) if upto >= room.log.tail else None
    if back is None:
        back = await host.network.journal.back(room.key, upto, count)
    return back
