"""One connected person: units in, commands out, replies back."""

from __future__ import annotations

from collections.abc import Coroutine, Iterable, Sequence
from contextlib import suppress
from enum import Enum
from itertools import takewhile
from typing import Any, Protocol, cast

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IDelayedCall
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure
from zope.interface import implementer

from chatnet import __version__
from chatnet.core import commands as c
from chatnet.core.large import LARGE, Work
from chatnet.core.limits import Registration
from chatnet.core.refusals import (
    Malformed,
    NotAMember,
    PasswordNeeded,
    Plaintext,
    Refused,
    TooLong,
    Unavailable,
)
from chatnet.core.replies import Bye, CaughtUp, Done, Hello, Noted, Out, Reply, Sorry, Typing, Wait
from chatnet.core.room import Actor, Room
from chatnet.interfaces import IDialect, ISession, IStyle
from chatnet.server.arrivals import arrive
from chatnet.server.audience import Audience
from chatnet.server.cursors import Send
from chatnet.server.host import Host
from chatnet.server.levels import ACCOUNTS_ONLY
from chatnet.server.obey import obey
from chatnet.server.pace import Pace
from chatnet.server.people import Person
from chatnet.server.scroll import Reading
from chatnet.server.seats import Seat, inbox_of
from chatnet.wires.gone import GONE_WIRE

WINDOW = 512  # commands a session may have on their way: bounds memory, and is what a paste costs
WINDOW_BYTES = 2048  # of a message, that count as one command more
FEW_UNITS = 64  # in several turns of the reactor, that are not worth forgetting in each
TURN_UNITS = WINDOW + FEW_UNITS  # a session may ask for in one turn: a message is one unit
ANSWER_UNITS = 16  # and what is answered by itself as much as so many
MOST_LINES = 5000  # of a message: people are shown the speaker's name before each
LINE_BYTES = 16  # or a line for each so many bytes, where messages may have any length
SEALED_TIMES = 8  # as long as a message may be what it is when JSON and base64 are around it
PLAIN_BYTES = 64 * 1024  # of speech that is taken at once
SPARE_BYTES = 4096  # of a unit, besides the message in it; all of it before the password
_SPEECH = c.Say("", "")
_ALLOWED_OUTSIDE = (c.Hello, c.Password, c.Quit, c.Ping)
_ALLOWED_IN_A_FLOOD = (*_ALLOWED_OUTSIDE, c.Login, c.Logout, c.Register)
_NOBODY: frozenset[str] = frozenset()  # one for all: each would take 216 bytes
_HEARD = (
    c.Say,
    c.Seal,
    c.Roll,
    c.Whisper,
    c.SealWhisper,
    c.Announce,
    c.SetTopic,
    c.Typing,
)  # what a mute is about
_FEATURES = (
    "history",
    "whispers",
    "search",
    "delete",
    "retention",
    "typing",
    "keys",
    "files",
)  # what programs may make use of here

_TOO_SLOW = (
    "Your message came too slowly while others waited to send theirs. What came of it is lost."
)
_PLAINTEXT = "Passwords must not travel unencrypted to this server."
_USE_TLS = (
    " Come again over TLS, on the same port: python -m chatnet.client --tls, or openssl s_client"
    " -quiet -connect HOST:PORT, or https:// in a browser."
)


class Status(Enum):
    """How it is with a connection."""

    HERE = "here"
    FULL = "full"  # it does not read what is sent to it
    LEAVING = "leaving"
    GONE = "gone"


class Wire(Protocol):
    """What a session needs of its connection."""

    @property
    def coming(self) -> int:
        """How many bytes have come of a unit that is not complete."""

    @property
    def sent(self) -> int:
        """Something that grows while the other side reads what is large."""

    @property
    def direct(self) -> Send | None:
        """What sends at once, as a socket does, until the session hears that something waits.

        None if something does now.
        """

    def url(self, secure: bool) -> str:
        """Return where it leads to, as a browser writes it; ``secure``: over TLS in any case."""

    def write(self, data: bytes) -> None:
        """Send ``data``."""

    def unroll(self, source: Reading) -> None:
        """Send what ``source`` has, part by part, and take nothing new meanwhile."""

    def hold(self, reason: str) -> None:
        """Take no input until every reason is released."""

    def release(self, reason: str) -> None:
        """Drop one reason to hold."""

    def allow(self, longest: int) -> None:
        """Take units of up to ``longest`` bytes; 0: of any length."""

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

    # Not for want of memory alone: with more than thirty attributes Python's way to them is slow.
    __slots__ = (
        "_dialect", "_inside", "_last_word", "_leaving", "_network", "_on_their_way", "_parted",
        "_patience", "_read_out_of", "_reading", "_replies", "_sent", "_slow", "_timer",
        "_trusted", "_units", "_wire", "_wishes", "actor", "asked", "deaf", "device", "echo",
        "ended", "full", "heard_at", "here", "host", "id", "ignored", "pace", "past", "person",
        "quitting", "recall", "rooms", "secret", "secure", "shut_out", "signalled_at", "since",
        "style", "unroll", "waiting", "write",
    )  # fmt: skip
    _log = Logger()
    person: Person

    def __init__(
        self,
        wire: Wire,
        dialect: IDialect,
        host: Host,
        id: str,
        address: str,
        secure: bool = True,
        wishes: Sequence[c.Command] = (),
        patience: float = 1.0,
    ) -> None:
        """Obey what ``wire`` brings in ``dialect``; before that ``wishes``, once it is let in.

        ``secure`` is whether nobody on the way can read what it brings; ``patience`` is how many
        times as long as others it may take to begin.
        """
        self.id = id
        self.actor = Actor("", "", False, address)
        self.rooms: dict[str, Seat] = {}
        self.here = ""  # the key of the room that plain speech goes to
        self.ignored = _NOBODY
        self.secret = ""
        self.device = ""  # the id of that of the account's devices that it is
        self.full = False
        self.ended = False
        self.deaf = False  # nothing that is said to it reaches it any more
        self.waiting: Deferred[None] | None = None  # for a name to be free, or a stay to be read
        self._read_out_of: Audience | None = None  # whose is that stay
        self.quitting = False
        self.since = self.heard_at = host.clock.seconds()
        self.signalled_at = 0.0
        self.asked = 0  # commands
        self.style: IStyle = dialect.style
        self.past: IStyle = dialect.past
        self.recall: IStyle = dialect.recall
        self.echo: bool = dialect.echo
        self.write = wire.write
        self.unroll = wire.unroll
        self._wire = wire
        self._dialect = dialect
        self.host = host
        self._network = host.network
        self.secure = secure
        self.shut_out = bool(host.settings.password)  # until the password is said
        self._patience = patience
        self._trusted = secure or host.settings.allow_plaintext_passwords
        self._wishes = wishes
        self.pace = Pace(self, host.defence, host.clock)
        self._inside = False
        self._reading: dict[Audience, None] = {}
        self._on_their_way = 0
        self._units = 0  # that came in this turn of the reactor, and some before
        self._slow = 0  # commands in work that wait for more than a commit
        self._leaving, self._last_word = False, ("", "quit")  # closes when all was read
        self._parted = False  # was told the last word
        # What is said to this one alone, and where it begins to read once all before is out.
        self._replies: list[bytes | Audience] = []
        self._timer: IDelayedCall | None = None
        self._sent = 0  # what the wire had sent of what is large when the timer was set

    # -- ISession ------------------------------------------------------------------

    def begin(self) -> None:
        if self.shut_out:
            seconds = self.host.settings.password_seconds
            self._timer = self.host.clock.callLater(seconds, self._too_late)
            self.say(self.hello(), None)
            if not self._trusted:
                self.leave_for_good(f"This server has a password. {self._plaintext()}", "refused")
        else:
            self.let_in()

    def receive(self, unit: bytes) -> None:
        self._spend(1 + len(unit) // WINDOW_BYTES)
        self.pace.unit(len(unit))
        if len(unit) >= LARGE:
            self.slowly(self._receive_large(self._dialect.read(unit, self.in_room())), None)
            return
        try:
            asked = self._dialect.receive(unit, self.in_room())
        except Refused as refusal:
            self.say_in_order(Sorry(refusal), refusal.cid)
        else:
            self._do(asked)

    def hear(self, units: Sequence[bytes]) -> int:
        units = units[: min(TURN_UNITS - self._units, WINDOW - self._on_their_way)]
        size = sum(map(len, units))
        if not units or size > PLAIN_BYTES or not self.in_room():
            return 0
        bodies, now = self._dialect.speech(units), self.host.clock.seconds()
        if not bodies or not self._may_speak(size) or not self.pace.speech(len(bodies), size):
            return 0
        self._spend(len(bodies))
        self.heard_at = now
        self.asked += len(bodies)
        self.answer_to(
            self._network.say_all(self, self.here, bodies), None, size, None, len(bodies)
        )
        return len(bodies)

    def _may_speak(self, size: int) -> bool:
        """Return whether nothing has to be looked at before it says ``size`` bytes where it is."""
        try:
            self._permit(_SPEECH)
        except Refused:
            return False  # which it is told by whoever obeys it
        most = self.host.settings.max_message
        return (size <= most or not most) and self._network.is_plain(self, self.here)

    async def _receive_large(self, reading: Work[c.Request | Reply | None]) -> None:
        try:
            while True:
                next(reading)
                await deferLater(self.host.clock, 0)
        except StopIteration as done:
            self._do(done.value)
        except Refused as refusal:
            self.say_in_order(Sorry(refusal), refusal.cid)

    def _do(self, asked: c.Request | Reply | None) -> None:
        if isinstance(asked, c.Request):
            self._obey(asked)
        elif asked is not None:
            self.say_in_order(asked, None)

    def overlong(self, limit: int) -> None:
        most = self.host.settings.max_message if self._inside else limit
        self.say_in_order(Sorry(_too_long(most)), None)

    def late(self) -> None:
        self.say_in_order(Sorry(Unavailable(_TOO_SLOW)), None)

    def finish(self, cut: bool) -> None:
        if cut:
            refusal = Malformed("Your last line had no end, so it was not sent.")
            self.say_in_order(Sorry(refusal), None)
        self.leave_for_good("", "quit", of_own_accord=False)

    def queued(self) -> None:
        self._stray()

    def end(self) -> None:
        self.deaf = self.ended = True
        self._fill()
        self._stop_timer()
        self.pace.end()
        self.host.files.passes.revoke(self)
        self._stop_waiting()
        if self._inside and not self._slow:
            self._network.exit(self)
        self._let_loose()

    def _let_loose(self) -> None:
        """Hold nothing that holds it, once it is gone and there is no more work for it.

        All of it goes at once then. The garbage collector, which finds what holds each other, has
        everything in memory to look through, while nobody is heard.
        """
        if self.ended and not (self._slow or self._on_their_way or self._wire is GONE_WIRE):
            self._wire, self.write, self.unroll = GONE_WIRE, GONE_WIRE.write, GONE_WIRE.unroll
            self.pace.forget()

    # -- what the network and its audiences need -----------------------------------

    @property
    def send(self) -> Send | None:
        return None if self.full or self.ignored else self._wire.direct

    def ignore(self, keys: frozenset[str]) -> None:
        """Be shown nothing more of those whose names have these ``keys``, and of nobody else."""
        self.ignored = keys
        self._stray()

    def reading(self) -> Iterable[Audience]:
        return self._reading

    def reads(self, audience: Audience) -> None:
        self._reading[audience] = None

    def turned(self) -> None:
        if self._leaving:
            self.host.turn.ring(self)

    def finished(self, audience: Audience, put_out: bool) -> None:
        self._reading.pop(audience, None)
        if audience is self._read_out_of:
            self._stop_waiting()
        if put_out and not self.ended:
            room = audience.room
            self.say(Out(room.key, room.name, True), None)
        if self._leaving:
            self.host.turn.ring(self)

    def read_out(self, audience: Audience) -> Deferred[None]:
        """Fire when it does not read in ``audience`` any more, or never will."""
        self.waiting, self._read_out_of = Deferred(), audience
        return self.waiting

    def _stop_waiting(self) -> None:
        self._read_out_of = None
        if self.waiting is not None and not self.waiting.called:
            self.waiting.callback(None)

    def closing(self, room: Room, upto: int) -> bytes:
        """Return what to say when it has read the past of ``room``, up to ``upto``."""
        return self.printed(CaughtUp(room.key, room.name, upto), None)

    def signal(self, signal: Typing) -> None:
        """Pass on ``signal``, if there is room for it."""
        if not (self.full or self._replies):
            self.say(signal, None)

    def printed(self, reply: Reply, cid: str | None) -> bytes:
        """Return ``reply`` to the command named ``cid`` as it is said here."""
        return self._dialect.reply(reply, cid)

    def mark_seen(self) -> None:
        """See that how far it has read what was told to it alone is remembered."""
        if self._inside:
            self._network.mark_seen(self)

    def hush(self) -> None:
        """Hear no more."""
        self._wire.hold("hush")

    def hold_back(self) -> None:
        """Hear nothing until it is let go: it sends too much. What it sends waits on the wire."""
        self._wire.hold("flood")

    def let_go(self) -> None:
        """Hear it again."""
        self._wire.release("flood")

    @property
    def coming(self) -> int:
        """How many bytes have come of a unit that is not complete."""
        return self._wire.coming

    def slow_down(self, seconds: float) -> None:
        """Signal that what is sent now is heard in ``seconds``."""
        self.say(Wait(seconds), None)

    def give_up(self) -> None:
        """Drop what waits of someone who is gone."""
        self._log.info("{name} is gone; what waited is dropped", name=self.actor.name)
        self._wire.close()

    def part(self, reason: str, code: str) -> None:
        """Close, and say why, if there is anything to say; see ``Bye`` for ``code``."""
        if not (self.ended or self._parted):
            self._parted = True
            self._network.meter.partings[code] += 1
            self.mark_seen()
            self.hush()
            if reason:
                self.write(self.printed(Bye(reason, code), None))
            self._fill()  # that was the last word
            self._wire.close()

    def replaced(self) -> None:
        """Make way for the same person on a newer connection."""
        self.part("You came again on another connection.", "replaced")
        self._wire.abort()

    def tell(self, text: str) -> None:
        """Say ``text`` to this one alone, after the answers to what it asked before."""
        self.say_in_order(Noted(text), None)

    @property
    def is_here(self) -> bool:
        """Whether it was let in, and has not begun to go."""
        return self._inside and self.status in (Status.HERE, Status.FULL)

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
            return self._network.key_of(name)
        if not self.in_room():
            raise NotAMember("You are in no room. /join ROOM enters one, /rooms lists them.")
        return self.here

    def drain(self) -> None:
        """Say what is to be said to this session alone.

        A reply describes the present, so what memory holds of the past is read first.
        """
        for audience in list(self._reading):
            audience.resume(self)
        while self._replies and not self.full:
            self._reply()
        if self._leaving and not (self._replies or self.full) and self._has_read_all():
            self.part(*self._last_word)

    # -- what commands do to it, see chatnet.server.obey -----------------------------

    def submit(
        self, key: str, command: c.RoomCommand, cid: str | None, reply: Reply | None = None
    ) -> None:
        """Ask the network for ``command``; when it is done, say ``reply``."""
        size = len(command.body) if isinstance(command, c.Say | c.Seal) else 0
        self.answer_to(self._network.submit(self, key, command, cid), cid, size, reply)

    def answer_to(
        self,
        done: Deferred[Any],
        cid: str | None,
        size: int = 0,
        reply: Reply | None = None,
        count: int = 1,
    ) -> None:
        """Count ``done`` as on its way, with ``size`` characters in it; answer when it fires.

        It is what ``count`` commands asked for; each is told if it failed.
        """
        weight = count + size // WINDOW_BYTES
        self._on_their_way += weight
        if self._on_their_way >= WINDOW:
            self._wire.hold("busy")
        done.addCallbacks(
            self._done,
            self._failed,
            callbackArgs=(weight, cid, reply),
            errbackArgs=(weight, cid, count),
        )

    def _done(
        self, result: object, weight: int, cid: str | None, reply: Reply | None = None
    ) -> None:
        if reply is not None:
            self.say(reply, cid)
        if isinstance(result, Done):
            self.say(result, cid)
        self._on_their_way -= weight
        if self._on_their_way <= WINDOW // 2:
            self._wire.release("busy")
        self._let_loose()

    def _failed(self, failure: Failure, weight: int, cid: str | None, count: int = 1) -> None:
        for _ in range(count):
            self._refused(failure, cid)
        self._done(None, weight, None)

    def leave_for_good(self, words: str, code: str, of_own_accord: bool = True) -> None:
        """Leave every room; say ``words`` and close when all that was asked for was read.

        See ``Bye`` for ``code``.
        """
        self._wire.hold("leaving")
        if not self.quitting:
            self.quitting = of_own_accord
        if self._inside and not self._network.rooms.closing:
            self._network.leave_all(self)
        self._network.settle().addBoth(lambda _: self._read_out((words, code)))

    def _read_out(self, words: tuple[str, str]) -> None:
        if self.ended:
            return
        for audience in self._reading:
            if not self._inside or audience.room.key != inbox_of(self.person):
                audience.close(self, audience.room.log.head)
            self.host.turn.ring(audience)
        self._leaving, self._last_word = True, words
        self.host.turn.ring(self)

    def let_in(self, cid: str | None = None) -> None:
        """Be one of those who are here; until then nobody sees it, and it hears nobody."""
        if self.ended or self._parted:  # it took too long
            return
        self.shut_out, self._inside = False, True
        most = self.host.settings.max_message
        self._wire.allow(most * self._dialect.escapes + SPARE_BYTES if most else 0)
        self._stop_timer()
        arrive(self.host, self)
        self.pace.begin(self._patience)
        self._network.begin(self)
        self.say(self.hello(), cid)
        for wish in self._wishes:
            self._obey(c.Request(wish))

    def read_after_replies(self, audience: Audience) -> None:
        """Begin to read in ``audience`` once all that was said to this one alone is out."""
        self._replies.append(audience)
        self.host.turn.ring(self)

    # -- how -----------------------------------------------------------------------

    def _obey(self, request: c.Request) -> None:
        if not isinstance(request.command, c.Ping):  # which programs send by themselves
            self.heard_at = self.host.clock.seconds()
            self.asked += 1
        try:
            self.pace.command(request.command)
            self._permit(request.command)
            obey(self, request.command, request.cid)
        except Refused as refusal:
            self.say_in_order(Sorry(refusal), request.cid)

    def _plaintext(self) -> str:
        return _PLAINTEXT + (_USE_TLS if self.host.settings.tls else " Ask its operator for TLS.")

    def _permit(self, command: c.Command) -> None:
        if not self._trusted and c.tells_password(command):
            raise Plaintext(
                f"{self._plaintext()} Someone may have read it on the way: choose another."
            )
        if self.shut_out and not isinstance(command, _ALLOWED_OUTSIDE):
            raise PasswordNeeded("This server has a password. Say it first.")
        if isinstance(command, _HEARD):
            self.host.defence.check_voice(self)
        levels = self.host.defence.levels
        if (
            levels.level >= ACCOUNTS_ONLY
            and self.since >= levels.since
            and not (self.actor.registered or isinstance(command, _ALLOWED_IN_A_FLOOD))
        ):
            levels.refuse(ACCOUNTS_ONLY)

    def in_room(self) -> bool:
        seat = self.rooms.get(self.here)
        return (
            seat is not None
            and not seat.leaving
            and self.actor.key in seat.audience.room.decided.members
        )

    def can_answer(self, cid: str | None) -> bool:
        if cid is None:
            return True
        answers = self.person.answers
        return answers is not None and (answers.complete or cid in answers)

    def _reply(self) -> None:
        """Say as much as is to be said before it reads on somewhere; then let it read there."""
        first = self._replies[0]
        if not isinstance(first, bytes):
            del self._replies[0]
            first.release(self)
            return
        said = list(takewhile(lambda reply: isinstance(reply, bytes), self._replies))
        del self._replies[: len(said)]
        self.write(b"".join(cast(list[bytes], said)))

    def _has_read_all(self) -> bool:
        return all(audience.caught_up(self) for audience in self._reading)

    def _spend(self, units: int) -> None:
        """Count what it asks for in one turn of the reactor: after much of it, others go on."""
        before = self._units
        self._units += units
        if before < FEW_UNITS <= self._units:
            self.host.clock.callLater(0, self._next_turn)
        if self._units >= TURN_UNITS:
            self._wire.hold("turn")

    def _next_turn(self) -> None:
        self._network.meter.turns += self._units >= TURN_UNITS
        self._units = 0
        self._wire.release("turn")

    def gone(self) -> bool:
        """Return whether nobody is there any more who waits for an answer."""
        return self.ended

    async def settled(self) -> None:
        """Wait until all that was asked for before has happened, or was refused."""
        with suppress(Refused):  # which is told to whoever asked for it
            await self._network.settle()

    def slowly(self, work: Coroutine[Deferred[Any], Any, None], cid: str | None) -> None:
        """Do ``work`` before anything else that this session asks for."""
        self._spend(ANSWER_UNITS)
        self._slow += 1
        self._wire.hold("slow")
        done: Deferred[None] = Deferred.fromCoroutine(work)
        done.addErrback(self._refused_in_order, cid)
        done.addBoth(self._at_once)

    def _at_once(self, _: object) -> None:
        self._slow -= 1
        if self._slow:
            return
        if self.ended and self._inside:
            self._network.exit(self)
        self._wire.release("slow")
        self._let_loose()

    def _refused(self, failure: Failure, cid: str | None) -> None:
        self.say(Sorry(self._refusal(failure)), cid)

    def _refused_in_order(self, failure: Failure, cid: str | None) -> None:
        self.say_in_order(Sorry(self._refusal(failure)), cid)

    def _refusal(self, failure: Failure) -> Refused:
        if isinstance(failure.value, Refused):
            return failure.value
        if failure.check(OSError):  # foreseen: a lost database
            self._log.error("a command cannot be done: {error}", error=str(failure.value))
            return Unavailable("That cannot be read now. Please try again later.")
        self._log.failure("a command broke", failure)
        return Unavailable("Something broke here; the operator's log has it. Sorry.")

    def say_in_order(self, reply: Reply, cid: str | None) -> None:
        self._spend(ANSWER_UNITS)
        self._network.settle().addBoth(lambda _: self.say(reply, cid))

    def say(self, reply: Reply, cid: str | None) -> None:
        if isinstance(reply, Sorry):
            code = reply.refusal.code
            self._network.meter.refusals[code] += 1
            self._log.debug("{name} is refused: {why}", name=self.actor.name or self.id, why=code)
        said = self.printed(reply, cid)
        if said:
            self._replies.append(said)
        self.host.turn.ring(self)

    def hello(self) -> Hello:
        """Return what server this is, and who it is on it."""
        settings, registration = self.host.settings, self.host.invitations.registration
        invitation = ("invitation",) if registration is Registration.INVITE else ()
        return Hello(
            c.PROTOCOL,
            settings.name,
            __version__,
            "" if self.shut_out else self.host.dials.motd,
            self.actor.name,
            self.id,
            self.shut_out,
            self._trusted,
            registration is not Registration.CLOSED,
            settings.max_message,
            settings.password_length,
            (*_FEATURES, *invitation, *(("tls",) if settings.tls else ())),
        )

    @property
    def url(self) -> str:
        """Where a browser finds the server, as far as that is known; empty if it is gone."""
        return self.host.settings.url or self._wire.url(self.host.settings.tls_only)

    def check_length(self, body: str) -> None:
        most = self.host.settings.max_message
        if most and len(body) * 4 > most and len(body.encode()) > most:
            raise _too_long(most)
        lines = MOST_LINES if most else max(MOST_LINES, len(body) // LINE_BYTES)
        if body.count("\n") >= lines:
            raise TooLong(f"A message has at most {lines:,} lines. It was not sent.")

    def check_sealed(self, body: str) -> None:
        """See that what ``body`` encrypts may be no longer than other messages.

        Raises:
            TooLong: it is.
        """
        most = self.host.settings.max_message
        if most and len(body) > most * SEALED_TIMES + SPARE_BYTES:
            raise _too_long(most)

    def _too_late(self) -> None:
        self._timer = None
        self.part("You did not say the password in time. Please come again.", "late")

    def _stalled(self) -> None:
        self._timer = None
        if self._wire.sent != self._sent:
            self._watch_reading()
            return
        self.part("You have read nothing for too long. Come again: nothing is lost.", "stalled")

    def _watch_reading(self) -> None:
        self._sent = self._wire.sent
        seconds = self.host.settings.stall_seconds
        self._timer = self.host.clock.callLater(seconds, self._stalled)

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    # -- IPushProducer: the transport says how much it can take --------------------

    def _fill(self) -> None:
        """Take no more of what is new."""
        self.full = True
        self._stray()

    def _stray(self) -> None:
        """Read by itself: it is not as those any more who read the same, at the same place."""
        for audience in self._reading:
            audience.stray(self)

    def pauseProducing(self) -> None:
        """The wire is full. Whoever does not listen is not heard."""
        self._fill()
        self._wire.hold("full")
        if self._timer is None:
            self._watch_reading()

    def resumeProducing(self) -> None:
        """The wire has room again."""
        if self._parted:
            return
        self.full = False
        if not self.shut_out:
            self._stop_timer()
        self.drain()
        if not self.full:
            self._wire.release("full")

    def stopProducing(self) -> None:
        """The wire is gone."""
        self.deaf = True
        self._fill()
        self.pace.lost()
        if self._read_out_of is not None:
            self._stop_waiting()


def _too_long(limit: int) -> TooLong:
    return TooLong(
        f"That is too long: a message has at most {limit:,} bytes here. It was not sent."
    )
