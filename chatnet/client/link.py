"""The link to a server: it comes back when it is lost, and then nothing is lost or doubled.

After every connection, in this order: the server's password, one's name, one's rooms from where
one was, and whatever was asked for and is not answered yet. Knows no terminal.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

from twisted.internet.defer import CancelledError, Deferred, fail
from twisted.internet.interfaces import IDelayedCall, IReactorTime, IStreamClientEndpoint
from twisted.internet.task import deferLater

from chatnet.client.connection import Connection, Connections
from chatnet.client.dialogue import Dialogue, Gone, Identity
from chatnet.client.flow import Flow
from chatnet.client.frames import encode
from chatnet.client.outbox import Pending
from chatnet.client.places import Place
from chatnet.client.trust import Untrusted
from chatnet.core import commands as c, replies as r
from chatnet.core.durations import spell_span
from chatnet.core.names import room_name
from chatnet.core.refusals import (
    NameTaken,
    PasswordNeeded,
    Refused,
    ServerFull,
    TooManyConnections,
    TooManyTries,
    Unavailable,
)
from chatnet.wires.lines import LineWire

FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0  # seconds between two tries to connect, on average
WAITING_PAUSE = 3.0  # seconds at most, while there was no link yet
GOODBYE_SECONDS = 10.0  # from the wish to leave until the wire is cut
LONGEST_STAND = 30.0  # for which nothing of what is to be sent before that goes out
VISITOR = "visitor-"  # what the names begin with of those who gave none
_LATER = (
    Unavailable,
    TooManyTries,
    ServerFull,
    TooManyConnections,
)  # refusals that may not be so the next time


class CannotConnect(Exception):
    """There was no link in the first place. The cause says why, unless nothing was said."""


class LinkLost(Exception):
    """The link was lost, and did not come back in time."""


class Keyring(Protocol):
    """What encrypts; see ``chatnet.client.keys``."""

    async def attach(self) -> None:
        """Be a device on a new connection, before rooms are entered."""

    def online(self) -> None:
        """The link is there, and in its rooms."""

    def offline(self) -> None:
        """The link is lost."""

    def close(self) -> None:
        """The link has ended."""

    def takes(self, pending: Pending) -> bool:
        """Return whether ``pending`` is to be encrypted, and answered when that is sent."""
        ...


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
        confides: bool = True,
        wait: float = 0.0,
    ) -> None:
        """Connect to ``endpoint``, and tell passwords there only if it ``confides``.

        A room is entered with the last ``history`` messages, as for ``Join``. A lost link is given
        up after ``patience`` seconds, or never; one that never was, after ``wait`` seconds.
        """
        self.flow = Flow(clock)
        self.dialogue = Dialogue(identity, entropy, self.flow, confides)
        self.keys: Keyring | None = None
        self.online = False  # what is asked for is sent at once
        self.silence = 0.0  # seconds that nothing came, though an answer is overdue
        self._endpoint = endpoint
        self._clock = clock
        self._entropy = entropy
        self._history = history
        self._patience = patience
        self._wait = wait
        self._until = 0.0  # that is tried for the first connection
        self._secret = entropy(16).hex()
        self._connection: Connection | None = None
        self._was_online = False
        self._leaving = False
        self._left = sys.maxsize  # commands that were to be sent before, when that was looked at
        self._impatience: IDelayedCall | None = None
        self._running: Deferred[None] | None = None

    # -- for those who use it ------------------------------------------------------

    def run(self, *rooms: str) -> Deferred[None]:
        """Connect, enter ``rooms``, and stay. Fires when ``leave`` has done its work.

        Errbacks:
            CannotConnect: the first connection did not come about.
            Untrusted: the server may be another one than it says.
            LinkLost: patience came to its end.
            Dismissed: the server ended the link, and does not want it back.
            Refused: the server does not let this person in.
        """
        for name in rooms:
            self.dialogue.places.rooms.setdefault(room_name(name).key, Place(room_name(name).text))
        self._until = self._clock.seconds() + self._wait
        self._running = running = Deferred.fromCoroutine(self._run())
        return running

    @property
    def leaving(self) -> bool:
        """Whether it does not come back any more."""
        return self._leaving or self.dialogue.over

    @property
    def waiting(self) -> int:
        """How many commands are not on their way yet."""
        return len(self.flow if self.online else self.dialogue.outbox)

    def submit(self, command: c.Command, done: Deferred[r.Reply] | None = None) -> Pending:
        """Ask for ``command`` now, or when the link is back, and until there is an answer.

        An empty room is the one that one speaks in. With ``done``, that gets the answer, and the
        ear does not.

        Raises:
            Refused: the server would refuse it, or others could read a password on the way.
        """
        self.dialogue.check(command)
        if isinstance(command, c.Nick):
            command = replace(command, secret=self._secret)
        elif isinstance(command, c.RoomCommand | c.RoomQuery) and not (
            command.room or (isinstance(command, c.History) and command.who)
        ):
            command = replace(command, room=self.dialogue.here)
        pending = self.dialogue.outbox.add(command, done)
        try:
            taken = self.keys is not None and self.keys.takes(pending)
        except Refused:
            self.dialogue.outbox.answered(pending.cid, True)
            raise
        if not taken:
            self.send(pending)
        return pending

    def send(self, pending: Pending) -> None:
        """Send ``pending`` as it is, if the link is there."""
        if self.online:
            self.flow.put(pending)

    def ask(self, command: c.Command) -> Deferred[r.Reply]:
        """Ask for ``command`` once, and return the answer, which the ear does not hear.

        Errbacks:
            Gone: the link is lost.
            Refused: the server says no.
        """
        if self._connection is None:
            return fail(Gone("The link is down."))
        try:
            pending = self.dialogue.ask(command)
        except Refused as refusal:
            return fail(refusal)
        assert pending.done is not None
        self.flow.put(pending)
        return pending.done

    def tell(self, command: c.Command) -> None:
        """Send ``command``, to which there is no answer, if the link is there."""
        if self.online and self._connection is not None:
            self._connection.send(command)

    def leave(self) -> None:
        """Leave when all that was asked for is done; at once if told again, or if the link is down.

        Whoever asked knows by the outbox what was not.
        """
        again, self._leaving = self._leaving, True
        if self.online and not again:
            self.flow.put(Pending("", c.Quit(), encode(c.Quit())))
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
                elif not (self._was_online or tries):
                    self._say_that_it_waits()
                if self.leaving:
                    return
                if self.dialogue.dismissed is not None:
                    raise self.dialogue.dismissed
                await deferLater(self._clock, self._pause(tries))
                tries += 1
        except CancelledError:
            if not self._leaving:
                raise LinkLost("The link to the server is lost, and did not come back.") from None
        except Refused as refusal:
            self.dialogue.abandon(refusal)
            raise
        finally:
            self._calm()
            if self.keys is not None:
                self.keys.close()
            self.dialogue.abandon(Gone("The link to the server has ended."))

    async def _visit(self) -> bool:
        """Connect, and stay as long as the connection does. Return whether there was one.

        Raises:
            CannotConnect, Refused: as for ``run``.
        """
        try:
            wires = Connections(self._clock, self.dialogue.hear, self._silent)
            wire = await self._endpoint.connect(wires)
        except (CancelledError, Untrusted):
            raise
        except Exception as error:
            if self._has_waited:
                raise CannotConnect from error
            return False
        assert isinstance(wire, LineWire) and isinstance(wire.session, Connection)
        self._connection = connection = wire.session
        self.flow.begin(connection.write)
        connection.closed.addBoth(self._gone)
        try:
            await self._arrive(connection)
            await connection.closed
        except _LATER as refusal:
            if self._has_waited:
                raise self._why_not(connection, refusal) from refusal
            return False
        finally:
            connection.abort()
            await connection.closed
        return True

    async def _arrive(self, connection: Connection) -> None:
        dialogue = self.dialogue
        dialogue.begin()
        await self.ask(c.Hello())
        if dialogue.hello is None:
            raise Gone("What answers there is no chatnet server.")
        if dialogue.hello.password_needed:
            password = c.Password(dialogue.identity.server_password)
            dialogue.check(password)
            if not password.password:
                raise PasswordNeeded("This server has a password.")
            connection.send(password)
            await self.ask(c.Ping())
        await self._be_called()
        if self.keys is not None and dialogue.registered:
            await self.keys.attach()
        self._calm()
        if self._was_online:
            dialogue.ear.notice("The link is back.")
        else:
            dialogue.ear.answered(replace(dialogue.hello, you=dialogue.name), None)
        await self._enter()
        dialogue.arriving = False
        dialogue.outbox.renew()
        self.online = self._was_online = True
        for pending in dialogue.outbox:
            if not pending.held:
                self.flow.put(pending)
        if self.keys is not None:
            self.keys.online()
        dialogue.ear.online()

    async def _be_called(self) -> None:
        identity = self.dialogue.identity
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
        for key, place in list(self.dialogue.places.rooms.items()):
            join = c.Join(place.name, place.password, place.last, self._history)
            try:
                await self.ask(join)
            except _LATER:
                raise
            except Refused as refusal:
                self.dialogue.places.left(key)
                self.dialogue.ear.refused(refusal, join)

    @property
    def _has_waited(self) -> bool:
        """Whether there was no link, and no more is tried for one."""
        return not self._was_online and self._clock.seconds() >= self._until

    def _say_that_it_waits(self) -> None:
        span = spell_span(self._wait)
        self.dialogue.ear.notice(f"There is no server yet. Trying for {span} ...")

    def _why_not(self, connection: Connection, refusal: Refused) -> Exception:
        silent = isinstance(refusal, Gone) and not connection.greeted
        return CannotConnect() if silent else refusal

    def _silent(self, seconds: float) -> None:
        self.silence = seconds
        self.dialogue.ear.silent()

    def _gone(self, _: object) -> None:
        was_online, self.online, self._connection = self.online, False, None
        self.silence = 0.0
        self.flow.end()
        if self.keys is not None:
            self.keys.offline()
        self.dialogue.fail(Gone("The server closed the connection."))
        if was_online and not self.leaving and self.dialogue.dismissed is None:
            self.dialogue.ear.notice("The link to the server is lost. Trying to get it back ...")
            if self._patience is not None and self._impatience is None:
                self._hurry(self._patience)

    def _pause(self, tries: int) -> float:
        """Return how many seconds to wait after so many tries in vain, more or less by chance."""
        chance = int.from_bytes(self._entropy(4)) / 2**32
        pause = min(LONGEST_PAUSE, FIRST_PAUSE * 2.0 ** min(tries, 16)) * (0.5 + chance)
        if self._was_online:
            return pause
        left = self._until - self._clock.seconds()  # none, if it took long to cut a connection
        return min(pause, WAITING_PAUSE, max(0.0, left))

    def _hurry(self, seconds: float) -> None:
        assert self._running is not None
        self._calm()
        self._impatience = self._clock.callLater(seconds, self._cut, self._running)

    def _cut(self, running: Deferred[None]) -> None:
        """End, unless the server takes what was asked for before that, if slowly."""
        left, self._left = self._left, len(self.flow)
        if self.online and 0 < len(self.flow) < left:
            self._hurry(LONGEST_STAND)
        else:
            running.cancel()

    def _calm(self) -> None:
        if self._impatience is not None and self._impatience.active():
            self._impatience.cancel()
        self._impatience = None
