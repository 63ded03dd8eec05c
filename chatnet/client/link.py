"""The link to a server: it comes back when it is lost, and then nothing is lost or doubled.

After every connection, in this order: the server's password, one's name, one's rooms from where
one was, and whatever was asked for and is not answered yet. Knows no terminal.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.internet.task import deferLater

from chatnet.client.connection import Connection, Connections
from chatnet.client.frames import decode
from chatnet.client.outbox import Outbox
from chatnet.client.places import Manner, Place, Places
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold, room_name
from chatnet.core.plain import plain
from chatnet.core.refusals import (
    NameTaken,
    PasswordNeeded,
    Refused,
    TooManyTries,
    Unavailable,
)
from chatnet.wires.lines import LineWire

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries to connect, on average
GOODBYE_SECONDS = 10.0  # from the wish to leave until the wire is cut
VISITOR = "visitor-"  # what the names begin with of those who gave none
_LATER = (Unavailable, TooManyTries)  # refusals that may not be so the next time


class CannotConnect(Exception):
    """There was no link in the first place. The cause says why, unless nothing was said."""


class LinkLost(Exception):
    """The link was lost, and did not come back in time."""


class _Gone(Unavailable):
    """The connection ended before the answer came."""


class State(Enum):
    """How far the link is."""

    DOWN = "there is no connection"
    ARRIVING = "names and rooms are being asked for"
    ONLINE = "what is asked for is sent at once"


@dataclass(slots=True)
class Identity:
    """Who to be: a guest called ``name``, or, with a ``password``, an account."""

    name: str = ""
    password: str = field(default="", repr=False)
    server_password: str = field(default="", repr=False)


class Ear(Protocol):
    """What hears what comes over a link."""

    def online(self) -> None:
        """The link is there, for the first time or again."""

    def entry(self, entry: e.Entry, manner: Manner, mine: bool) -> None:
        """Something happened; ``mine`` if it is what was said here."""

    def answered(self, reply: r.Reply, command: c.Command | None) -> None:
        """The server said something, in answer to ``command`` or to nothing."""

    def refused(self, refusal: Refused, command: c.Command | None) -> None:
        """The server said no."""

    def concluded(self) -> None:
        """One command more is answered."""

    def notice(self, text: str) -> None:
        """There is news about the link, or something that is not of this dialect."""


class Link:
    """Keeps in touch with a server, in the name of one person."""

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        identity: Identity,
        clock: IReactorTime,
        entropy: Callable[[int], bytes],
        history: int | None = None,
        patience: float | None = None,
    ) -> None:
        """Connect to ``endpoint``.

        A room is entered with the last ``history`` messages, as for ``Join``. A lost link is given
        up after ``patience`` seconds, or never.
        """
        self.ear: Ear
        self.state = State.DOWN
        self.name = ""
        self.welcome: r.Welcome | None = None
        self.places = Places()
        self.outbox = Outbox(entropy)
        self.identity = identity
        self._endpoint = endpoint
        self._clock = clock
        self._entropy = entropy
        self._history = history
        self._patience = patience
        self._secret = entropy(16).hex()
        self._asked: dict[str, tuple[c.Command, Deferred[r.Reply]]] = {}
        self._connection: Connection | None = None
        self._named = False
        self._was_online = False
        self._leaving = False
        self._impatience: IDelayedCall | None = None
        self._running: Deferred[None] | None = None

    # -- for those who use it ------------------------------------------------------

    def run(self, *rooms: str) -> Deferred[None]:
        """Connect, enter ``rooms``, and stay. Fires when ``leave`` has done its work.

        Errbacks:
            CannotConnect: the first connection did not come about.
            LinkLost: patience came to its end.
            Refused: the server does not let this person in.
        """
        for name in rooms:
            self.places.rooms.setdefault(room_name(name).key, Place(room_name(name).text))
        self._running = running = Deferred.fromCoroutine(self._run())
        return running

    @property
    def leaving(self) -> bool:
        """Whether it does not come back any more."""
        return self._leaving

    @property
    def here(self) -> str:
        """The room that one speaks in, once all that was asked for is done; empty if in none."""
        for pending in reversed(self.outbox):
            match pending.command:
                case c.Join(room):
                    return room_name(room).text
                case c.Leave():
                    return ""
        return self.places.room

    def submit(self, command: c.Command) -> str:
        """Ask for ``command`` now, or when the link is back, and until there is an answer.

        An empty room is the one that one speaks in. Returns the cid.

        Raises:
            BadName: it is about a room that cannot be.
        """
        if isinstance(command, c.Nick):
            command = replace(command, secret=self._secret)
        elif isinstance(command, c.RoomCommand | c.RoomQuery) and not command.room:
            command = replace(command, room=self.here)
        pending = self.outbox.add(command)
        if self.state is State.ONLINE and self._connection is not None:
            self._connection.write(pending.line)
        return pending.cid

    def ask(self, command: c.Command) -> Deferred[r.Reply]:
        """Ask for ``command`` once, and return the answer, which the ear does not hear.

        Errbacks:
            Refused: by the server, or because the link is lost.
        """
        cid = self.outbox.name()
        done: Deferred[r.Reply] = Deferred()
        if self._connection is None:
            done.errback(Unavailable("The link is down."))
            return done
        self._asked[cid] = (command, done)
        self._connection.send(command, cid)
        return done

    def leave(self) -> None:
        """Leave when all that was asked for is done; at once if the link is down."""
        self._leaving = True
        if self.state is State.ONLINE and self._connection is not None:
            self._connection.send(c.Quit())
            self._hurry(GOODBYE_SECONDS)
        elif self._running is not None:
            self._running.cancel()

    # -- coming and coming back ----------------------------------------------------

    async def _run(self) -> None:
        tries = 0
        try:
            while True:
                if await self._visit():
                    tries = 0
                if self._leaving:
                    return
                await deferLater(self._clock, self._pause(tries))
                tries += 1
        except CancelledError:
            if not self._leaving:
                raise LinkLost from None
        finally:
            self._calm()
            self._close()

    async def _visit(self) -> bool:
        """Connect, and stay as long as the connection does. Return whether there was one.

        Raises:
            CannotConnect, Refused: as for ``run``.
        """
        try:
            wire = await self._endpoint.connect(Connections(self._clock, self._hear))
        except CancelledError:
            raise
        except Exception as error:
            if not self._was_online:
                raise CannotConnect from error
            return False
        assert isinstance(wire, LineWire) and isinstance(wire.session, Connection)
        self._connection = connection = wire.session
        connection.closed.addBoth(self._gone)
        self.state = State.ARRIVING
        try:
            await self._arrive(connection)
        except _LATER as refusal:
            if not self._was_online:
                raise self._why_not(connection, refusal) from refusal
            self._close()
            return False
        await connection.closed
        return True

    async def _arrive(self, connection: Connection) -> None:
        self._named = False
        self.places.reconnected()
        await self.ask(c.Ping())
        assert self.welcome is not None
        if self.welcome.password_needed:
            if not self.identity.server_password:
                raise PasswordNeeded("This server has a password.")
            connection.send(c.Password(self.identity.server_password))
            await self.ask(c.Ping())
        await self._be_called()
        self._calm()
        if self._was_online:
            self.ear.notice("The link is back.")
        else:
            self.ear.answered(replace(self.welcome, you=self.name), None)
        await self._enter()
        self.outbox.renew()
        self.state = State.ONLINE
        for pending in self.outbox:
            connection.write(pending.line)
        self._was_online = True
        self.ear.online()

    async def _be_called(self) -> None:
        identity = self.identity
        if identity.password:
            await self.ask(c.Login(identity.name, identity.password))
        elif identity.name:
            await self.ask(c.Nick(identity.name, self._secret))
        else:
            while True:
                name = VISITOR + self._entropy(2).hex()
                try:
                    await self.ask(c.Nick(name, self._secret))
                except NameTaken:
                    continue
                identity.name = name
                return

    async def _enter(self) -> None:
        for key, place in list(self.places.rooms.items()):
            join = c.Join(place.name, place.password, place.last, self._history)
            try:
                await self.ask(join)
            except _LATER:
                raise
            except Refused as refusal:
                self.places.left(key)
                self.ear.refused(refusal, join)

    def _why_not(self, connection: Connection, refusal: Refused) -> Exception:
        silent = isinstance(refusal, _Gone) and not connection.greeted
        return CannotConnect() if silent else refusal

    def _gone(self, _: object) -> None:
        was, self.state, self._connection = self.state, State.DOWN, None
        self._fail(_Gone("The connection was closed."))
        if was is State.ONLINE and not self._leaving:
            self.ear.notice("The link to the server is lost. Trying to get it back ...")
            if self._patience is not None and self._impatience is None:
                self._hurry(self._patience)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    def _pause(self, tries: int) -> float:
        """Return how many seconds to wait after so many tries in vain, more or less by chance."""
        chance = int.from_bytes(self._entropy(4)) / 2**32
        return min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries, 16)) * (0.5 + chance)

    def _hurry(self, seconds: float) -> None:
        assert self._running is not None
        self._calm()
        self._impatience = self._clock.callLater(seconds, self._running.cancel)

    def _calm(self) -> None:
        if self._impatience is not None and self._impatience.active():
            self._impatience.cancel()
        self._impatience = None

    # -- what the server says ------------------------------------------------------

    def _hear(self, line: bytes) -> None:
        try:
            heard = decode(line)
        except (ValueError, RecursionError):
            self.ear.notice(plain(line.decode(errors="replace")))
            return
        if heard is None:
            return
        if isinstance(heard.what, e.Entry):
            self._happened(heard.what)
        else:
            self._answered(heard.what, heard.cid)

    def _happened(self, entry: e.Entry) -> None:
        nameless = not self._named or any(isinstance(p.command, c.Login) for p in self.outbox)
        manner = self.places.take(entry, nameless)
        if manner is None:
            return
        fresh = manner in (Manner.LIVE, Manner.MISSED)
        own = fold(e.speaker(entry.event)) == fold(self.name)
        self.ear.entry(entry, manner, fresh and own and self.outbox.echoes(entry))

    def _answered(self, reply: r.Reply, cid: str | None) -> None:
        pending = self.outbox.get(cid)
        asked = self._asked.get(cid) if cid is not None else None
        command = pending.command if pending else asked[0] if asked else None
        news = self._take_note(reply, command)
        match reply:
            case r.Sorry(refusal) if self.state is State.ARRIVING and command is None:
                self._fail(refusal)
            case r.Bye(text) if self.state is State.ARRIVING:
                self._fail(_Gone(text))
            case r.Sorry(refusal) if not asked:
                self.ear.refused(refusal, command)
            case r.Entered() if news:
                self.ear.answered(reply, command)
            case _ if news and not asked:
                self.ear.answered(reply, command)
        if isinstance(reply, r.Done | r.Sorry) or not isinstance(
            command, c.RoomCommand | c.Telling
        ):
            self._conclude(reply, cid)

    def _conclude(self, reply: r.Reply, cid: str | None) -> None:
        if cid in self._asked:
            _, done = self._asked.pop(cid)
            if isinstance(reply, r.Sorry):
                done.errback(reply.refusal)
            else:
                done.callback(reply)
        elif self.outbox.get(cid):
            self.outbox.answered(cid, isinstance(reply, r.Sorry))
            self.ear.concluded()

    def _take_note(self, reply: r.Reply, command: c.Command | None) -> bool:
        """Keep what is to be known of ``reply``. Return whether it is news to people."""
        match reply:
            case r.Welcome():
                self.welcome = reply
                return False
            case r.YouAre(name):
                self.name, self._named = name, True
                if isinstance(command, c.Nick):
                    self.identity.name, self.identity.password = name, ""
                elif isinstance(command, c.Login | c.Register):
                    self.identity.name, self.identity.password = name, command.password
            case r.Noted():
                if isinstance(command, c.ChangePassword) and self.identity.password:
                    self.identity.password = command.new
                elif isinstance(command, c.History):
                    self.places.recalls(room_name(command.room).key)
            case r.Entered() if isinstance(command, c.Join):
                return self._entered(reply, command)
            case r.AlreadyIn(room):
                self.places.here = room
            case r.CaughtUp(room):
                return self.places.caught_up(room)
            case r.Out(room):
                self.places.left(room)
            case r.Bye() if any(isinstance(p.command, c.Logout) for p in self.outbox):
                self._leaving = True
            case r.Done():
                return False
            case r.Pong():
                return command is not None
        return True

    def _entered(self, reply: r.Entered, join: c.Join) -> bool:
        known = self.places.rooms.get(reply.room)
        again = known is not None and known.last is not None
        if self.places.entered(reply, join.password, join.alone):
            self.ear.notice(
                f"The server has lost part of what was in {reply.name}. It goes on from here."
            )
        return not again

    def _fail(self, refusal: Refused) -> None:
        """Tell whoever asks for something that no answer will come."""
        asked, self._asked = self._asked, {}
        for _, done in asked.values():
            done.errback(refusal)
