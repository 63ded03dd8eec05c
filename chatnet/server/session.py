"""One connected person: units in, commands out, replies back."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable
from contextlib import suppress
from enum import Enum
from typing import Any, Protocol, assert_never

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet import __version__
from chatnet.core import commands as c, rules
from chatnet.core.names import fold, room_name
from chatnet.core.refusals import (
    Malformed,
    NotAMember,
    PasswordNeeded,
    Refused,
    TooLong,
    TooManyTries,
    Unavailable,
    WrongPassword,
)
from chatnet.core.replies import (
    AlreadyIn,
    Bye,
    CaughtUp,
    Done,
    Ignored,
    Noted,
    Out,
    Pong,
    Reply,
    Sorry,
    Welcome,
)
from chatnet.core.room import Actor, Room
from chatnet.interfaces import IDialect, ISession, IStyle
from chatnet.server import arrivals, errands, queries
from chatnet.server.audience import Audience
from chatnet.server.gatekeeper import opens
from chatnet.server.host import Host
from chatnet.server.network import Seat
from chatnet.server.people import Person

WINDOW = 512  # commands a session may have on their way: bounds memory, and is what a paste costs
WINDOW_BYTES = 2048  # of a message, that count as one command more


class Status(Enum):
    """How it is with a connection."""

    HERE = "here"
    FULL = "full"  # it does not read what is sent to it
    LEAVING = "leaving"
    GONE = "gone"


class Wire(Protocol):
    """What a session needs of its connection."""

    def write(self, data: bytes) -> None:
        """Send ``data``."""

    def hold(self, reason: str) -> None:
        """Take no input until every reason is released."""

    def release(self, reason: str) -> None:
        """Drop one reason to hold."""

    def close(self) -> None:
        """Close once everything is sent."""

    def abort(self) -> None:
        """Close now."""


@implementer(ISession)
class Session:
    """Obeys one connection's commands, in order, on behalf of one person.

    Commands are decided as they come, without waiting for those before them to be durable.
    Answers leave in the order of the commands, because the journal fires in that order.
    """

    _log = Logger()
    person: Person

    def __init__(self, wire: Wire, dialect: IDialect, host: Host, id: str, address: str) -> None:
        self.id = id
        self.actor = Actor("", "", False, address)
        self.rooms: dict[str, Seat] = {}
        self.here = ""  # the key of the room that plain speech goes to
        self.ignored: set[str] = set()
        self.secret = ""
        self.full = False
        self.ended = False
        self.quitting = False
        self.since = self.heard_at = host.clock.seconds()
        self.style: IStyle = dialect.style
        self.past: IStyle = dialect.past
        self.recall: IStyle = dialect.recall
        self.echo: bool = dialect.echo
        self.write = wire.write
        self._wire = wire
        self._dialect = dialect
        self._host = host
        self._network = host.network
        self._shut_out = bool(host.settings.password)  # until the password is said
        self._reading: dict[Audience, None] = {}
        self._seated: list[Audience] = []  # where reading begins once the replies are out
        self._on_their_way = 0
        self._slow = False  # a command that waits for more than a commit is in work
        self._leaving, self._last_word = False, ""  # closes when all was read
        self._parted = False  # was told the last word
        self._replies: list[bytes] = []
        self._timer: IDelayedCall | None = None

    # -- ISession ------------------------------------------------------------------

    def begin(self) -> None:
        arrivals.arrive(self._host, self)
        self._network.begin(self)
        self._say(self._welcome(), None)
        if self._shut_out:
            seconds = self._host.settings.password_seconds
            self._timer = self._host.clock.callLater(seconds, self._too_late)

    def receive(self, unit: bytes) -> None:
        self.heard_at = self._host.clock.seconds()
        cid = None
        try:
            asked = self._dialect.receive(unit, self._in_room())
            if isinstance(asked, c.Request):
                cid = asked.cid
                self._obey(asked.command, cid)
            elif asked is not None:
                self._in_order(asked, None)
        except Refused as refusal:
            self._in_order(Sorry(refusal), cid)

    def overlong(self, limit: int) -> None:
        self._in_order(Sorry(_too_long(self._host.settings.max_message)), None)

    def finish(self, cut: bool) -> None:
        if cut:
            refusal = Malformed("Your last line had no end, so it was not sent.")
            self._in_order(Sorry(refusal), None)
        self._leave_for_good("", of_own_accord=False)

    def end(self) -> None:
        self.full = self.ended = True
        self._stop_timer()
        if not self._slow:
            self._network.exit(self)

    # -- what the network and its audiences need -----------------------------------

    def reading(self) -> Iterable[Audience]:
        return self._reading

    def reads(self, audience: Audience) -> None:
        self._reading[audience] = None

    def finished(self, audience: Audience, put_out: bool) -> None:
        self._reading.pop(audience, None)
        if put_out and not self.ended:
            room = audience.room
            self._say(Out(room.key, room.name, True), None)
        if self._leaving:
            self._host.turn.ring(self)

    def closing(self, room: Room) -> bytes:
        """Return what to say when it has read the past of ``room``."""
        return self._dialect.reply(CaughtUp(room.key, room.name, room.log.head), None)

    def hush(self) -> None:
        """Hear no more."""
        self._wire.hold("hush")

    def part(self, reason: str) -> None:
        """Close, and say why, if there is anything to say."""
        if not (self.ended or self._parted):
            self._parted = True
            self.hush()
            if reason:
                self.write(self._dialect.reply(Bye(reason), None))
            self._wire.close()

    def replaced(self) -> None:
        """Make way for the same person on a newer connection."""
        self.part("You came again on another connection.")
        self._wire.abort()

    def tell(self, text: str) -> None:
        """Say ``text`` to this one alone, after the answers to what it asked before."""
        self._in_order(Noted(text), None)

    @property
    def status(self) -> Status:
        """How it is with this connection."""
        if self.ended:
            return Status.GONE
        if self._parted or self._leaving or self.quitting:
            return Status.LEAVING
        return Status.FULL if self.full else Status.HERE

    def key_of(self, name: str) -> str:
        """Return the key of the room called ``name``, or, without a name, of the one it is in.

        Raises:
            BadName: no room can be called that.
            NotAMember: it is in none.
        """
        if name:
            return room_name(name).key
        if not self._in_room():
            raise NotAMember("You are in no room. /join ROOM enters one, /rooms lists them.")
        return self.here

    def drain(self) -> None:
        """Say what is to be said to this session alone.

        A reply describes the present, so what memory holds of the past is read first.
        """
        for audience in list(self._reading):
            audience.resume(self)
        if self._replies and not self.full:
            replies, self._replies = self._replies, []
            self.write(b"".join(replies))
        if self._seated and not self._replies:
            seated, self._seated = self._seated, []
            for audience in seated:
                audience.release(self)
        if self._leaving and not (self._reading or self._replies or self.full):
            self.part(self._last_word)

    # -- commands ------------------------------------------------------------------

    def _obey(self, command: c.Command, cid: str | None) -> None:
        if self._shut_out and not isinstance(command, c.Password | c.Quit | c.Ping):
            raise PasswordNeeded("This server has a password. Say it first.")
        match command:
            case c.Say():
                self._check_length(command.body)
                key = self.key_of(command.room)
                if key in self._network.audiences and self._can_answer(cid):
                    self.submit(key, command, cid)
                else:
                    self._slowly(self._submit_later(key, command, cid), cid)
            case c.Quit():
                self._leave_for_good("Goodbye.", of_own_accord=True)
            case c.Logout():
                rules.permit_person(self.actor, c.Logout)
                text = f"You are logged out, {self.actor.name}. Goodbye."
                self._leave_for_good(text, of_own_accord=True)
            case c.Ping():
                self._in_order(Pong(), cid)
            case c.Ignore(name):
                self._in_order(self._ignore(name), cid)
            case c.Unignore(name):
                self._in_order(self._unignore(name), cid)
            case c.Password(password):
                self._slowly(self._check_password(password), cid)
            case c.Nick() | c.Register() | c.Login() | c.ChangePassword():
                self._slowly(self._identify(command, cid), cid)
            case c.Whisper() | c.Announce():
                self._check_length(command.body)
                self._slowly(self._tell(command, cid), cid)
            case c.History():
                self._slowly(self._recall(command, cid), cid)
            case c.ListMembers() | c.ListRooms() | c.ListBans() | c.ShowTopic() | c.Whois():
                self._slowly(self._answer(command, cid), cid)
            case c.Join():
                self._slowly(self._join(command, cid), cid)
            case (
                c.Roll() | c.Leave() | c.SetTopic() | c.Kick() | c.Ban() | c.Unban() | c.Mute()
                | c.Unmute() | c.Op() | c.Deop() | c.Lock() | c.Unlock()
            ):  # fmt: skip
                self._slowly(self._submit_later(self.key_of(command.room), command, cid), cid)
            case _:
                assert_never(command)

    def submit(
        self, key: str, command: c.RoomCommand, cid: str | None, reply: Reply | None = None
    ) -> None:
        """Ask the network for ``command``; when it is done, say ``reply``."""
        weight = self._departs(command.body) if isinstance(command, c.Say) else self._departs()
        self._network.submit(self, key, command, cid).addCallbacks(
            self._done, self._failed, callbackArgs=(weight, cid, reply), errbackArgs=(weight, cid)
        )

    def _departs(self, body: str = "") -> int:
        weight = 1 + len(body) // WINDOW_BYTES
        self._on_their_way += weight
        if self._on_their_way >= WINDOW:
            self._wire.hold("busy")
        return weight

    def _done(
        self, result: object, weight: int, cid: str | None, reply: Reply | None = None
    ) -> None:
        if reply is not None:
            self._say(reply, cid)
        if isinstance(result, Done):
            self._say(result, cid)
        self._on_their_way -= weight
        if self._on_their_way <= WINDOW // 2:
            self._wire.release("busy")

    def _failed(self, failure: Failure, weight: int, cid: str | None) -> None:
        self._refused(failure, cid)
        self._done(None, weight, None)

    async def _submit_later(self, key: str, command: c.RoomCommand, cid: str | None) -> None:
        await self._ready(cid)
        command, reply = await errands.prepare(self._host, self, key, command)
        self.submit(key, command, cid, reply)

    async def _join(self, command: c.Join, cid: str | None) -> None:
        key = self.key_of(command.room)
        await self._ready(cid)
        if key in self.rooms and self.actor.key in self.rooms[key].audience.room.decided.members:
            audience = self.rooms[key].audience
            self.here = key
            self.submit(key, command, cid, AlreadyIn(key, audience.room.name))
            return
        command, seat = await errands.prepare_join(self._host, self, key, command)
        weight = self._departs()
        done = self._network.submit(self, key, command, cid, seat)
        if self.actor.key in seat.audience.room.decided.members:
            self.here = key
            if command.alone:
                for other in [k for k in self.rooms if k != key]:
                    self._network.submit(self, other, c.Leave()).addErrback(lambda _: None)
        done.addCallback(self._entered, seat, cid)
        done.addCallbacks(
            self._done, self._failed, callbackArgs=(weight, cid), errbackArgs=(weight, cid)
        )

    def _entered(self, result: Any, seat: Seat, cid: str | None) -> Any:
        if seat.audience in self._reading:
            self._say(errands.entered(self, seat.audience), cid)
            self._seated.append(seat.audience)
        return result

    async def _tell(self, command: c.Telling, cid: str | None) -> None:
        await self._ready(cid)
        keys, events, reply = await errands.address(self._host, self, command)
        weight = self._departs(command.body)
        self._network.tell(self, keys, events, cid).addCallbacks(
            self._done, self._failed, callbackArgs=(weight, cid, reply), errbackArgs=(weight, cid)
        )

    async def _answer(self, query: c.Query, cid: str | None) -> None:
        await self._settled()
        self._say(await queries.answer(self._host, self, query), cid)

    async def _recall(self, query: c.History, cid: str | None) -> None:
        await self._settled()
        reply, audience, cursor = await errands.history(self._host, self, query)
        self._say(reply, cid)
        audience.insert(cursor)
        self._seated.append(audience)

    async def _identify(
        self, command: c.Nick | c.Register | c.Login | c.ChangePassword, cid: str | None
    ) -> None:
        await self._settled()
        reply = await arrivals.identify(self._host, self, command)
        self._say(reply, cid)

    async def _check_password(self, password: str) -> None:
        if not self._shut_out:
            self._say(Noted("No password is needed any more."), None)
            return
        try:
            right = await opens(self._host, password, self.actor.address)
        except TooManyTries as refusal:
            self.part(str(refusal))
            return
        if not right:
            self._in_order(Sorry(WrongPassword("That is not this server's password.")), None)
            self._leave_for_good("", of_own_accord=True)
            return
        self._shut_out = False
        self._stop_timer()
        self._say(self._welcome(), None)

    def _ignore(self, name: str) -> Reply:
        if not name:
            return Ignored(tuple(sorted(self.ignored)))
        if fold(name) == self.actor.key:
            raise Malformed("You cannot ignore yourself.")
        self.ignored.add(fold(name))
        return Noted(f"You see nothing more of {name}. /unignore {name} undoes it.")

    def _unignore(self, name: str) -> Reply:
        if fold(name) not in self.ignored:
            raise Malformed(f"You do not ignore {name}. /ignore lists whom you do.")
        self.ignored.discard(fold(name))
        return Noted(f"You see again what {name} says.")

    def _leave_for_good(self, words: str, of_own_accord: bool) -> None:
        """Leave every room; say ``words`` and close when all that was asked for was read."""
        self._wire.hold("leaving")
        if not self.quitting:
            self.quitting = of_own_accord
        if not self._network.closing:
            self._network.leave_all(self)
        self._network.settle().addBoth(lambda _: self._read_out(words))

    def _read_out(self, words: str) -> None:
        if self.ended:
            return
        self._network.mark_seen(self)
        for audience in self._reading:
            audience.close(self, audience.room.log.head)
            self._host.turn.ring(audience)
        self._leaving, self._last_word = True, words
        self._host.turn.ring(self)

    # -- how -----------------------------------------------------------------------

    def _in_room(self) -> bool:
        seat = self.rooms.get(self.here)
        return seat is not None and self.actor.key in seat.audience.room.decided.members

    def _can_answer(self, cid: str | None) -> bool:
        return cid is None or self.person.answers is not None

    async def _ready(self, cid: str | None) -> None:
        if not self._can_answer(cid):
            await self._network.recall(self.person)

    async def _settled(self) -> None:
        """Wait until all that was asked for before has happened, or was refused."""
        with suppress(Refused):  # which is told to whoever asked for it
            await self._network.settle()

    def _slowly(self, work: Coroutine[Deferred[Any], Any, None], cid: str | None) -> None:
        """Do ``work`` before anything else that this session asks for."""
        self._slow = True
        self._wire.hold("slow")
        done: Deferred[None] = Deferred.fromCoroutine(work)
        done.addErrback(self._refused_in_order, cid)
        done.addBoth(self._at_once)

    def _at_once(self, _: object) -> None:
        self._slow = False
        if self.ended:
            self._network.exit(self)
        else:
            self._wire.release("slow")

    def _refused(self, failure: Failure, cid: str | None) -> None:
        self._say(Sorry(self._refusal(failure)), cid)

    def _refused_in_order(self, failure: Failure, cid: str | None) -> None:
        self._in_order(Sorry(self._refusal(failure)), cid)

    def _refusal(self, failure: Failure) -> Refused:
        if isinstance(failure.value, Refused):
            return failure.value
        self._log.failure("a command broke", failure)
        return Unavailable("Something broke here; the operator's log has it. Sorry.")

    def _in_order(self, reply: Reply, cid: str | None) -> None:
        self._network.settle().addBoth(lambda _: self._say(reply, cid))

    def _say(self, reply: Reply, cid: str | None) -> None:
        said = self._dialect.reply(reply, cid)
        if said:
            self._replies.append(said)
        self._host.turn.ring(self)

    def _welcome(self) -> Welcome:
        settings = self._host.settings
        return Welcome(
            settings.name,
            __version__,
            settings.motd,
            self.actor.name,
            self.id,
            self._shut_out,
            settings.registration,
            settings.max_message,
            settings.password_length,
        )

    def _check_length(self, body: str) -> None:
        most = self._host.settings.max_message
        if most and len(body) * 4 > most and len(body.encode()) > most:
            raise _too_long(most)

    def _too_late(self) -> None:
        self._timer = None
        self.part("You did not say the password in time. Please come again.")

    def _stalled(self) -> None:
        self._timer = None
        self.part("You have read nothing for too long. Come again: nothing is lost.")

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- IPushProducer: the transport says how much it can take --------------------

    def pauseProducing(self) -> None:
        """The wire is full. Whoever does not listen is not heard."""
        self.full = True
        self._wire.hold("full")
        if self._timer is None:
            seconds = self._host.settings.stall_seconds
            self._timer = self._host.clock.callLater(seconds, self._stalled)

    def resumeProducing(self) -> None:
        """The wire has room again."""
        self.full = False
        if not self._shut_out:
            self._stop_timer()
        self.drain()
        if not self.full:
            self._wire.release("full")

    def stopProducing(self) -> None:
        """The wire is gone."""
        self.full = True


def _too_long(limit: int) -> TooLong:
    return TooLong(
        f"That is too long: a message has at most {limit:,} bytes here. It was not sent."
    )
