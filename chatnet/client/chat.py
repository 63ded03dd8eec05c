"""Chat for programs: bots, bridges, and whatever else is to be in a room.

    async def main() -> None:
        chat = await connect("localhost", 8888, name="robot")
        room = await chat.join("lobby")
        async for entry in room:
            ...

    run(main)

A lost link comes back by itself, and with it the rooms: nothing is missed, doubled or out of
order, and what was said meanwhile is sent. All of it works in coroutines that Twisted runs, on
whatever reactor.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorCore
from twisted.python.failure import Failure

from chatnet.client.courier import Courier, Progress, Sent, site_of
from chatnet.client.dialogue import Identity
from chatnet.client.exits import explain
from chatnet.client.keys.home import keys_of
from chatnet.client.keys.keys import Keys
from chatnet.client.keys.olm import check as check_olm
from chatnet.client.link import CannotConnect, Link
from chatnet.client.listening import Listening, Tell
from chatnet.client.room import Room
from chatnet.client.stream import Stream
from chatnet.client.stretches import Stretches
from chatnet.client.tls import reach
from chatnet.client.trust import KnownServers, is_here, known_servers
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import person_name, room_name
from chatnet.core.refusals import NotAMember, Plaintext, Unavailable


class Chat:
    """A link to a server, which comes back by itself. Made by ``connect``.

    Iterate over it for what happens in all rooms that one is in, and for what is told to oneself
    (``Whispered``) and to everybody (``Announced``).
    """

    def __init__(self, link: Link, tell: Tell | None = None) -> None:
        """Talk over ``link``, and ``tell`` news about it."""
        self._link = link
        self._hearing = Listening(self, link, tell)
        self._running: Deferred[None] | None = None
        self._over: list[Deferred[None]] = []
        self._on_end: Callable[[], object] = lambda: None
        self._stretches = Stretches(link, self._check)
        self.keys: Keys | None = None  # with which it takes part in encrypted rooms
        self.courier: Courier | None = None  # who carries files

    @property
    def name(self) -> str:
        """What one is called."""
        return self._link.dialogue.name

    @property
    def online(self) -> bool:
        """Whether the link is there now."""
        return self._link.online

    def __aiter__(self) -> Stream:
        return self._hearing.stream

    async def open(self) -> None:
        """Connect, and be let in; ``connect`` does it.

        Raises:
            CannotConnect, Untrusted, Dismissed, Refused: as ``Link.run`` does.
        """
        arrived = self._hearing.arrived
        self._running = self._link.run()
        self._running.addBoth(self._ended)
        await arrived

    async def join(
        self, room: str, password: str = "", since: int | None = None, history: int = 0
    ) -> Room:
        """Enter ``room``, which takes a ``password`` if it is locked, and return it.

        Its entries are told from behind ``since``, a seq, on; else with the last ``history``
        messages (-1: all), else from now on. Who is in it already gets the same ``Room`` again.

        Raises:
            Refused: the server does not let one in; the sentence says why.
        """
        reply = await self.ask(c.Join(room, password, since, history))
        key = reply.room if isinstance(reply, r.Done) else room_name(room).key
        entered = self._hearing.rooms.get(key)
        if entered is None:
            raise NotAMember(f"You are no longer in {room}.")
        return entered

    async def whisper(self, who: str, body: str) -> None:
        """Tell ``who`` alone ``body``. Returns once it is stored.

        Raises:
            Refused: there is nobody of that name.
        """
        await self.ask(c.Whisper(who, body))

    async def send_file(
        self,
        to: str,
        path: str | os.PathLike[str],
        *,
        name: str = "",
        kind: str = "",
        sealed: str = "",
        progress: Progress | None = None,
    ) -> Sent:
        """Send the file at ``path`` to the room ``to``, or to a person: ``@`` and the name.

        It is called ``name``, and of the media type ``kind``, unless that is as the path says.
        ``sealed`` is text that goes with it. ``progress`` is told how many bytes are through, and
        how many there are. Returns once all have it. After a lost link it goes on where it was.

        Raises:
            Refused: the server does not take it; the sentence says why.
            OSError: it cannot be read.
        """
        return await self._carrier().send(
            to, path, name=name, kind=kind, sealed=sealed, progress=progress
        )

    async def fetch(
        self, file: e.Shared | str, to: str | os.PathLike[str], progress: Progress | None = None
    ) -> Path:
        """Fetch ``file``, or the one of that id, to the folder or path ``to``. Return where it is.

        Nothing is overwritten. What came before the link was lost is not fetched again; what is
        not as its SHA-256 says is dropped.

        Raises:
            Refused: there is no such file, or it is for others, or it did not come whole.
            OSError: it cannot be written.
        """
        id = file.id if isinstance(file, e.Shared) else file
        return await self._carrier().fetch(id, to, progress)

    def _carrier(self) -> Courier:
        if self.courier is None:
            raise Unavailable("Files need a link that connect made.")
        return self.courier

    async def who(self, room: str = "") -> tuple[r.PersonLine, ...]:
        """Return who is in ``room``, or, without one, on the server.

        Raises:
            Refused: there is no such room, or it is locked.
        """
        reply = await self.ask(c.ListMembers(room))
        return reply.people if isinstance(reply, r.Members) else ()

    async def rooms(self) -> tuple[r.RoomLine, ...]:
        """Return what rooms there are, the busiest first.

        Raises:
            Refused: the link has ended.
        """
        reply = await self.ask(c.ListRooms())
        return reply.rooms if isinstance(reply, r.Rooms) else ()

    async def search(
        self, words: str, room: str = "", by: str = "", since: str = "", limit: int = 50
    ) -> tuple[r.Hit, ...]:
        """Return the last ``limit`` messages with all of ``words``, the oldest first.

        In ``room``, or in all rooms one is in; only those of ``by``, and from ``since`` on: a date
        (2026-11-20), a date and time (2026-11-20T18:30, in UTC), or so long ago (7d).

        Raises:
            Refused: there is nothing to look for, or one is not in that room.
        """
        reply = await self.ask(c.Find(words, room, by, since, limit))
        return reply.hits if isinstance(reply, r.Found) else ()

    async def ask(self, command: c.Command) -> r.Reply:
        """Ask for ``command``, and return the last part of the answer.

        For what changes a log that is ``Done``, with its seq. If the link is lost meanwhile, the
        command is repeated when it is back, and done once.

        Raises:
            Refused: the server, or the client in its place, says no; the sentence says why.
        """
        if isinstance(command, c.Password | c.Quit | c.Logout | c.Typing):
            raise NotImplementedError("There is no answer to that: see connect, close and typing.")
        self._check()
        done: Deferred[r.Reply] = Deferred()
        self._link.submit(command, done)
        return await done

    async def do(self, command: c.RoomCommand) -> int:
        """Ask for ``command``, and return the seq that it got, once it is stored.

        Raises:
            Refused: as for ``ask``.
        """
        reply = await self.ask(command)
        return reply.seq if isinstance(reply, r.Done) else 0

    def close_with(self, reactor: IReactorCore) -> None:
        """Say goodbye when ``reactor`` stops."""
        trigger = reactor.addSystemEventTrigger(
            "before", "shutdown", lambda: Deferred.fromCoroutine(self.close())
        )
        self._on_end = lambda: reactor.removeSystemEventTrigger(trigger)

    async def close(self) -> None:
        """Say goodbye, and end all iterations. What was asked for before is answered first."""
        if not self._is_over():
            over: Deferred[None] = Deferred()
            self._over.append(over)
            if self.keys is not None and self.online:
                await self.keys.said_all()
            if not self._link.leaving:
                self._link.leave()
            await over

    async def history(
        self, room: str, before: int | None = None, count: int = 50, at: str = ""
    ) -> Sequence[e.Entry]:
        """Return a stretch of the history of ``room``, which one is in; see ``Room.history``.

        Raises:
            Refused: one is not in it.
        """
        return (await self._stretches.read(c.History(room, count, before, at=at)))[1]

    async def whispers(
        self, who: str, before: int | None = None, count: int = 50
    ) -> tuple[int, Sequence[e.Entry]]:
        """Return the last ``count`` whispers with ``who``, before the seq ``before`` if given.

        They are out of one's own log, both ways. First comes the seq behind which the server looked
        for them: what is older is asked for with that plus 1, unless it is 0.

        Raises:
            Refused: the link has ended, or the server is too old for that.
        """
        return await self._stretches.read(c.History("", count, before, who=who))

    async def reread(self, room: str, after: int, upto: int) -> Sequence[e.Entry]:
        """Return the entries of ``room``, which one is in, behind ``after`` up to ``upto``.

        Raises:
            Refused: one is not in it.
        """
        return (await self._stretches.read(c.History(room, -1, upto + 1, after)))[1]

    def tell(self, command: c.Command) -> None:
        """Send ``command``, to which there is no answer, if the link is there."""
        self._link.tell(command)

    def _check(self) -> None:
        if self._is_over():
            raise Unavailable("The link to the server has ended.")

    def _is_over(self) -> bool:
        return self._running is None or self._running.called

    def _ended(self, result: Failure | None) -> None:
        self._hearing.end(result)
        with suppress(ValueError, KeyError):  # the reactor is stopping
            self._on_end()
        over, self._over = self._over, []
        for one in over:
            one.callback(None)


async def connect(
    host: str = "localhost",
    port: int = 8888,
    *,
    name: str = "",
    user: str = "",
    password: str = "",
    server_password: str = "",
    tls: bool | None = None,
    ca: str = "",
    known: str = "",
    allow_plaintext_passwords: bool = False,
    patience: float | None = None,
    wait: float = 0.0,
    tell: Tell | None = None,
    keys: str | None = None,
    passphrase: str = "",
    reactor: Any = None,
) -> Chat:
    """Connect to the server at ``host`` and ``port``, and return when it lets one in.

    Be a guest called ``name``, or the account ``user`` with its ``password``; ``server_password``
    is the server's, if it has one. The link is encrypted unless ``host`` is this machine; ``tls``
    says otherwise. A certificate is trusted if the PEM file ``ca`` vouches for it, or without that
    the system; else if it is the one that is kept in the file ``known`` (that of the user's own
    client), or the first one of this server. A lost link is given up after ``patience`` seconds, or
    never; a server that is not there at all, after ``wait``. With ``keys``, a folder (empty: that
    of the user's own client), an account takes part in encrypted rooms; the keys lie there
    encrypted under ``passphrase``, or else under a key file. News about it all goes to ``tell``,
    and to Twisted's log.

    Raises:
        CannotConnect: there is no server; the sentence says what to look at.
        Untrusted: the server may be another one than it says.
        Refused: the server does not let one in, or a password would travel unencrypted.
    """
    if reactor is None:
        from twisted.internet import reactor as installed  # noqa: TID251 -- asked for by default

        reactor = installed
    if user and name:
        raise ValueError("An account has its own name: give user or name, not both.")
    who = person_name(user or name).text if user or name else ""
    encrypted = tls if tls is not None else bool(ca) or not is_here(host)
    confides = encrypted or is_here(host) or allow_plaintext_passwords
    if (password or server_password) and not confides:
        raise Plaintext(f"The link to {host} is not encrypted, so no password is sent there.")
    keeper = KnownServers(Path(known)) if known else known_servers()

    def notice(text: str) -> None:
        link.dialogue.ear.notice(text)

    endpoint = reach(reactor, host, port, encrypted, ca, keeper, notice)
    identity = Identity(who, password if user else "", server_password)
    link = Link(endpoint, identity, reactor, os.urandom, 0, patience, confides, wait)
    chat = Chat(link, tell)
    if keys is not None and user:
        check_olm()
        chat.keys = keys_of(link, reactor, f"{host}:{port}", passphrase, keys, "program")
    chat.courier = Courier(endpoint, site_of(host, port, encrypted), chat.ask, reactor)
    chat.courier.keys = chat.keys
    try:
        await chat.open()
    except CannotConnect as error:
        raise CannotConnect(explain(error, host, port)[1]) from error.__cause__
    if IReactorCore.providedBy(reactor):
        chat.close_with(reactor)
    return chat
