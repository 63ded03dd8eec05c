"""What a session does with a command: at once, or after an errand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, assert_never

from chatnet.core import commands as c, rules
from chatnet.core.large import LARGE
from chatnet.core.names import LONGEST, fold
from chatnet.core.refusals import (
    Malformed,
    NotAllowed,
    NotAMember,
    TooManyTries,
    WrongPassword,
)
from chatnet.core.replies import AlreadyIn, Ignored, Noted, Pong, Reply, Sorry
from chatnet.server import arrivals, errands, queries
from chatnet.server.gatekeeper import opens
from chatnet.server.seats import Seat

if TYPE_CHECKING:
    from chatnet.server.session import Session


MOST_IGNORED = 200
SIGNAL_SECONDS = 2.0  # at least, between two signals of a connection that are passed on
MOST_ROOMS = 100  # that a connection may be in


def obey(session: Session, command: c.Command, cid: str | None) -> None:
    """Do what ``command`` asks for, or begin to.

    Raises:
        Refused: it can be told at once that it will not be done.
    """
    match command:
        case c.Say():
            session.check_length(command.body)
            key = session.key_of(command.room)
            here = key in session.host.network.audiences
            if here and session.can_answer(cid) and len(command.body) < LARGE:
                session.submit(key, command, cid)
            else:
                session.slowly(_submit(session, key, command, cid), cid)
        case c.Quit():
            session.leave_for_good("Goodbye.", "quit")
        case c.Logout():
            rules.permit_person(session.actor, c.Logout)
            text = f"You are logged out, {session.actor.name}. Goodbye."
            session.leave_for_good(text, "logout")
        case c.Hello(protocol):
            if protocol != c.PROTOCOL:
                raise Malformed(f"This server speaks protocol {c.PROTOCOL}, not {protocol}.")
            session.say_in_order(session.hello(), cid)
        case c.Ping():
            session.say_in_order(Pong(), cid)
        case c.Typing(room):
            _signal(session, session.key_of(room))
        case c.Ignore(name):
            session.say_in_order(_ignore(session, name), cid)
        case c.Unignore(name):
            session.say_in_order(_unignore(session, name), cid)
        case c.Password(password):
            session.slowly(_let_in(session, password, cid), cid)
        case c.Nick() | c.Register() | c.Login() | c.ChangePassword():
            session.slowly(_identify(session, command, cid), cid)
        case c.Whisper() | c.Announce():
            session.check_length(command.body)
            if isinstance(command, c.Whisper) and command.times > 1 and len(command.body) >= LARGE:
                raise Malformed("So long a message can be told once at a time.")
            session.slowly(_tell(session, command, cid), cid)
        case c.History():
            session.slowly(_recall(session, command, cid), cid)
        case c.ListMembers() | c.ListRooms() | c.ListBans() | c.ShowTopic() | c.Whois():
            session.slowly(_answer(session, command, cid), cid)
        case c.Join():
            session.slowly(_join(session, command, cid), cid)
        case (
            c.Roll() | c.Leave() | c.SetTopic() | c.Kick() | c.Ban() | c.Unban() | c.Mute()
            | c.Unmute() | c.Op() | c.Deop() | c.Lock() | c.Unlock()
        ):  # fmt: skip
            session.slowly(_submit(session, session.key_of(command.room), command, cid), cid)
        case _:
            assert_never(command)


async def _ready(session: Session, cid: str | None) -> None:
    """See that a repeated ``cid`` would be known, as the last thing before the command goes out."""
    while not session.can_answer(cid):
        await session.host.network.recall(session.person)


async def _submit(session: Session, key: str, command: c.RoomCommand, cid: str | None) -> None:
    network = session.host.network
    if key not in network.audiences:  # so nobody is in it; but it may be a repetition
        await _ready(session, cid)
        done = session.person.answers.get(cid) if cid and session.person.answers else None
        if done is None:
            raise NotAMember("You are not in that room. /join it first.")
        session.say_in_order(done, cid)
        return
    await _ready(session, cid)
    reply = None
    if not (cid and cid in (session.person.answers or {})):
        command, reply = await errands.prepare(session.host, session, key, command)
        await _ready(session, cid)
    session.submit(key, command, cid, reply)


async def _join(session: Session, command: c.Join, cid: str | None) -> None:
    key, key_of_person = session.key_of(command.room), session.actor.key
    held = session.rooms.get(key)
    if held is not None and held.answering:  # one arrival at a time
        await session.settled()
        held = session.rooms.get(key)
    if held is not None and key_of_person in held.audience.room.decided.members:
        await _ready(session, cid)
        session.here = key
        session.submit(key, command, cid, AlreadyIn(key, held.audience.room.name))
        return
    if len(session.rooms) >= MOST_ROOMS:
        raise NotAllowed(f"You are in {MOST_ROOMS} rooms already. Leave one first.")
    command, seat = await errands.prepare_join(session.host, session, key, command)
    await _ready(session, cid)
    network = session.host.network
    done = network.submit(session, key, command, cid, seat)
    if key_of_person in seat.audience.room.decided.members:
        session.here = key
        if command.alone:
            for other in [k for k in session.rooms if k != key]:
                network.submit(session, other, c.Leave()).addErrback(lambda _: None)
    done.addCallback(_entered, session, seat, cid)
    session.answer_to(done, cid)


def _entered(result: Any, session: Session, seat: Seat, cid: str | None) -> Any:
    if seat.audience in session.reading():
        session.say(errands.entered(seat), cid)
        session.read_after_replies(seat.audience)
    return result


async def _tell(session: Session, command: c.Telling, cid: str | None) -> None:
    keys, events, reply = await errands.address(session.host, session, command)
    await _ready(session, cid)
    done = session.host.network.tell(session, keys, events, cid)
    session.answer_to(done, cid, len(command.body) * len(events) * len(keys), reply)


async def _answer(session: Session, query: c.Query, cid: str | None) -> None:
    await session.settled()
    session.say(await queries.answer(session.host, session, query), cid)


async def _recall(session: Session, query: c.History, cid: str | None) -> None:
    await session.settled()
    audience, cursor = await errands.history(session.host, session, query, cid)
    audience.insert(cursor)
    session.read_after_replies(audience)


async def _identify(
    session: Session, command: c.Nick | c.Register | c.Login | c.ChangePassword, cid: str | None
) -> None:
    await session.settled()
    session.say(await arrivals.identify(session.host, session, command), cid)


async def _let_in(session: Session, password: str, cid: str | None) -> None:
    if not session.shut_out:
        session.say(Noted("No password is needed any more."), cid)
        return
    try:
        right = await opens(session.host, password, session.actor.address)
    except TooManyTries as refusal:
        session.part(str(refusal), "refused")
        return
    if right:
        session.let_in(cid)
    else:
        session.say_in_order(Sorry(WrongPassword("That is not this server's password.")), cid)
        session.leave_for_good("Goodbye.", "refused")


def _signal(session: Session, key: str) -> None:
    network, now = session.host.network, session.host.clock.seconds()
    audience = network.audiences.get(key)
    if audience is None:
        raise NotAMember("You are not in that room. /join it first.")
    rules.permit(audience.room.decided, session.actor, c.Typing, now)
    if now - session.signalled_at >= SIGNAL_SECONDS:
        session.signalled_at = now
        network.signal(session, key)


def _ignore(session: Session, name: str) -> Reply:
    if not name:
        return Ignored(tuple(sorted(session.ignored)))
    if fold(name) == session.actor.key:
        raise Malformed("You cannot ignore yourself.")
    if len(session.ignored) >= MOST_IGNORED:
        raise NotAllowed(f"You can ignore {MOST_IGNORED} people. /unignore someone first.")
    session.ignored.add(_somebody(name))
    return Noted(f"You see nothing more of what {name} says. /unignore {name} undoes it.")


def _unignore(session: Session, name: str) -> Reply:
    if fold(name) not in session.ignored:
        raise Malformed(f"You do not ignore {name}. /ignore lists whom you do.")
    session.ignored.discard(fold(name))
    return Noted(f"You see again what {name} says.")


def _somebody(name: str) -> str:
    if len(name) > LONGEST:
        raise Malformed("Nobody has so long a name.")
    return fold(name)
