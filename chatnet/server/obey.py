"""What a session does with a command: at once, or after an errand."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, assert_never

from chatnet.core import commands as c, events as e, rules, staff as office
from chatnet.core.counting import counted
from chatnet.core.large import LARGE
from chatnet.core.names import LONGEST, STAFF, fold, room_name
from chatnet.core.refusals import (
    Closed,
    Malformed,
    NotAllowed,
    NotAMember,
    TooManyTries,
    Unavailable,
    WrongPassword,
)
from chatnet.core.replies import AlreadyIn, Ignored, Noted, Pong, Reply, Sorry
from chatnet.server import arrivals, errands, finding, keys, queries, staff
from chatnet.server.gatekeeper import opens
from chatnet.server.seats import Hold, Seat

if TYPE_CHECKING:
    from chatnet.server.session import Session


MOST_IGNORED = 200
SIGNAL_SECONDS = 2.0  # at least, between two signals of a connection that are passed on
MOST_ROOMS = 100  # that a connection may be in
MOST_WAITS = 100  # commits that an arrival waits for


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
        case c.Seal():
            session.check_sealed(command.body)
            sealed = replace(command, sender=keys.device_of(session))
            session.slowly(_submit(session, session.key_of(command.room), sealed, cid), cid)
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
        case c.Token():
            session.say_in_order(session.host.files.token(session), cid)
        case c.Fetch():
            session.slowly(_link(session, command, cid), cid)
        case c.Share() | c.Give():
            raise Malformed("The bytes of a file go over HTTP, with a token.")
        case c.Password(password):
            session.slowly(_let_in(session, password, cid), cid)
        case c.Nick() | c.Register() | c.Login() | c.ChangePassword():
            session.slowly(_identify(session, command, cid), cid)
        case c.Whisper() | c.Announce():
            session.check_length(command.body)
            if isinstance(command, c.Whisper) and command.times > 1 and len(command.body) >= LARGE:
                raise Malformed("So long a message can be told once at a time.")
            session.slowly(_tell(session, command, cid), cid)
        case c.SealWhisper():
            session.check_sealed(command.body)
            told = replace(command, sender=keys.device_of(session))
            session.slowly(_tell(session, told, cid), cid)
        case (
            c.BeDevice() | c.RemoveDevice() | c.PublishKeys() | c.ListDevices() | c.ClaimKey()
            | c.Deliver() | c.Collected() | c.KeepBackup() | c.ShowBackup()
        ):  # fmt: skip
            rules.permit_person(session.actor, type(command))
            session.slowly(_handle_keys(session, command, cid), cid)
        case c.History():
            session.slowly(_recall(session, command, cid), cid)
        case c.Find():
            session.slowly(_find(session, command, cid), cid)
        case (
            c.ListMembers() | c.ListRooms() | c.ListBans() | c.ShowTopic() | c.ShowSettings()
            | c.Whois()
        ):  # fmt: skip
            session.slowly(_answer(session, command, cid), cid)
        case c.Join():
            session.slowly(_join(session, command, cid), cid)
        case (
            c.Roll() | c.Leave() | c.SetTopic() | c.Kick() | c.Ban() | c.Unban() | c.Mute()
            | c.Unmute() | c.Op() | c.Deop() | c.Own() | c.Voice() | c.Devoice()
            | c.Invite() | c.Configure() | c.RenameRoom() | c.DeleteRoom() | c.RestoreRoom()
            | c.Lock() | c.Unlock()
            | c.Delete() | c.Retain() | c.Encrypt()
        ):  # fmt: skip
            session.slowly(_submit(session, session.key_of(command.room), command, cid), cid)
        case (
            c.SetRank() | c.ServerBan() | c.ServerUnban() | c.Exempt() | c.Unexempt()
            | c.ServerSet() | c.ServerUnset()
        ):  # fmt: skip
            session.slowly(_govern(session, command, cid), cid)
        case c.Operate(words):
            session.slowly(_operate(session, words, cid), cid)
        case c.Purge():
            session.slowly(_purge(session, command, cid), cid)
        case _:
            assert_never(command)


async def _handle_keys(session: Session, command: c.KeyCommand, cid: str | None) -> None:
    await session.settled()
    if not session.can_answer(cid):
        await session.host.network.recall(session.person)
    done = session.person.answers.get(cid) if cid and session.person.answers else None
    if done is None:
        await keys.handle(session.host, session, command, cid)
    else:
        session.say_in_order(done, cid)


async def _ready(session: Session, cid: str | None, *keys: str) -> None:
    """See that a repeated ``cid`` would be known, and that the rooms ``keys`` are open.

    This is the last thing before the command goes out: it may have to be done again.
    """
    network = session.host.network
    while True:
        closed = next((key for key in keys if key not in network.audiences), None)
        if not session.can_answer(cid):
            await network.recall(session.person)
        elif closed is not None:
            await network.open(closed)
        else:
            return


async def _submit(session: Session, key: str, command: c.RoomCommand, cid: str | None) -> None:
    network = session.host.network
    if (
        key not in network.audiences and not session.actor.rank
    ):  # so nobody is in it; but it may be a repetition
        await _ready(session, cid)
        done = session.person.answers.get(cid) if cid and session.person.answers else None
        if done is None:
            raise NotAMember("You are not in that room. /join it first.")
        session.say_in_order(done, cid)
        return
    await _ready(session, cid, key)
    reply, keys = None, [key]
    if not (cid and cid in (session.person.answers or ())):
        command, reply = await errands.prepare(session.host, session, key, command)
        if isinstance(command, c.RenameRoom):
            keys.append(session.key_of(command.name))
        await _ready(session, cid, *keys)
    session.submit(key, staff.aimed(session.host, session.actor, command), cid, reply)


async def _join(session: Session, command: c.Join, cid: str | None) -> None:
    if (slot := session.host.turn.slot()) is not None:
        await slot
    network, key = session.host.network, session.key_of(command.room)
    if key not in session.rooms and len(session.rooms) >= MOST_ROOMS:
        raise NotAllowed(f"You are in {MOST_ROOMS} rooms already. Leave one first.")
    command, seat = await errands.prepare_join(session.host, session, key, command)
    await _at_rest(session, cid, key)
    held = session.rooms.get(key)
    if held is not None:
        session.here = key
        done = network.submit(session, key, command, cid, held)
        session.answer_to(done.addCallback(_already_in, session, held, cid), cid)
        return
    seat.audience = network.audiences[key]
    if not (seat.audience.room.decided.name or session.actor.rank):
        session.host.defence.open_room(session.actor.address)
    done = network.submit(session, key, command, cid, seat)
    if session.actor.key in seat.audience.room.decided.members:
        session.here = key
        if command.alone:
            for other in [k for k in session.rooms if k != key]:
                network.submit(session, other, c.Leave()).addErrback(lambda _: None)
    session.answer_to(done.addCallback(_entered, session, seat, cid, command.room), cid)


async def _at_rest(session: Session, cid: str | None, key: str) -> None:
    """See that an arrival in the room ``key`` can be decided, and the last stay was read.

    Raises:
        Unavailable: what was on its way there failed, or there is no end of it.
    """
    network = session.host.network
    for _ in range(MOST_WAITS):
        await _ready(session, cid, key)
        audience = network.audiences[key]
        network.rooms.reap(audience, session.actor.key)  # another one of that name, who is gone
        if not network.seating.is_at_rest(session, audience):
            await network.settle()
        elif key not in session.rooms and audience in session.reading() and not session.deaf:
            await session.read_out(audience)
        else:
            return
    raise Unavailable("Too much happens in that room at once. Please try again.")


def _already_in(result: Any, session: Session, seat: Seat, cid: str | None) -> Any:
    room = seat.audience.room
    if seat.hold is Hold.GONE:
        raise NotAMember(f"You were put out of {room.name}. /join it again.")
    session.say(AlreadyIn(room.key, room.name), cid)
    return result


def _entered(result: Any, session: Session, seat: Seat, cid: str | None, called: str) -> Any:
    if seat.past is not None and seat.audience in session.reading():
        name = seat.audience.room.name
        if room_name(called).key != fold(name):
            session.say(Noted(f"The room {room_name(called).text} is called {name} now."), None)
        seat.past.opening = session.printed(errands.entered(session.host, seat), cid)
        session.read_after_replies(seat.audience)
    session.pace.settle()
    return result


async def _tell(session: Session, command: c.Telling, cid: str | None) -> None:
    logs, events, reply = await errands.address(session.host, session, command)
    session.pace.settle()  # there is somebody it knows
    await _ready(session, cid, *logs)
    if isinstance(command, c.SealWhisper):
        keys.check_talk(session.host, logs, command)
    done = session.host.network.tell(session, logs, events, cid)
    session.answer_to(done, cid, len(command.body) * len(events) * len(logs), reply)


async def _govern(session: Session, command: c.Governing, cid: str | None) -> None:
    network, host = session.host.network, session.host
    prepared = await staff.identified(host, session.actor, command)
    await _ready(session, cid)
    acts: list[e.Acted] = []
    if not (cid and cid in (session.person.answers or ())):
        acts = office.decide(
            network.office, session.actor, prepared, host.clock.seconds(), staff.everyone(host)
        )
    session.answer_to(network.tell(session, [STAFF], acts, cid), cid, 0, Noted("Done."))


async def _operate(session: Session, words: str, cid: str | None) -> None:
    office.permit(session.actor, c.Operate)
    desk = session.host.network.desk
    if desk is None:
        raise Closed("Operators are not heard here.")
    await session.settled()
    session.say(Noted(await desk(session.actor, session.id, words)), cid)


async def _purge(session: Session, command: c.Purge, cid: str | None) -> None:
    await session.settled()
    (entry,) = await staff.purge(session.host, session.actor, command)
    assert isinstance(entry.event, e.Acted)
    session.say(Noted(f"Deleted: {counted(int(entry.event.to), 'message')}."), cid)


async def _answer(session: Session, query: c.Query, cid: str | None) -> None:
    await session.settled()
    session.say(await queries.answer(session.host, session, query), cid)


async def _find(session: Session, query: c.Find, cid: str | None) -> None:
    await session.settled()
    session.say(await finding.find(session.host, session, query), cid)


async def _link(session: Session, query: c.Fetch, cid: str | None) -> None:
    await session.settled()
    session.say(await session.host.files.link(session, query), cid)


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
    session.pace.settle()


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
    session.ignore(session.ignored | {_somebody(name)})
    return Noted(f"You see nothing more of what {name} says. /unignore {name} undoes it.")


def _unignore(session: Session, name: str) -> Reply:
    if fold(name) not in session.ignored:
        raise Malformed(f"You do not ignore {name}. /ignore lists whom you do.")
    session.ignore(session.ignored - {fold(name)})
    return Noted(f"You see again what {name} says.")


def _somebody(name: str) -> str:
    if len(name) > LONGEST:
        raise Malformed("Nobody has so long a name.")
    return fold(name)
