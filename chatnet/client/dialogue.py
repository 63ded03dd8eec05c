"""What was asked of a server and what it answers, over all the connections of a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred

from chatnet.client.frames import decode
from chatnet.client.outbox import Outbox
from chatnet.client.places import Manner, Places
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold, room_name
from chatnet.core.plain import plain
from chatnet.core.refusals import Refused, Unavailable


class Gone(Unavailable):
    """The connection ended before the answer came."""


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


class Dialogue:
    """Knows who one is, where one is, and what is not answered yet. Tells an ear the rest."""

    def __init__(self, identity: Identity, entropy: Callable[[int], bytes]) -> None:
        self.ear: Ear
        self.identity = identity
        self.name = ""
        self.welcome: r.Welcome | None = None
        self.places = Places()
        self.outbox = Outbox(entropy)
        self.arriving = False  # names and rooms are being asked for
        self.over = False  # one has logged out
        self._named = False  # since the connection was made
        self._asked: dict[str, tuple[c.Command, Deferred[r.Reply]]] = {}

    @property
    def here(self) -> str:
        """The room that one speaks in, once all that was asked for is done; empty if in none."""
        for command in reversed(self.outbox.turns):
            match command:
                case c.Join(room):
                    return room_name(room).text
                case c.Leave():
                    return ""
        return self.places.room

    def begin(self) -> None:
        """Expect what comes over a new connection."""
        self.arriving, self._named = True, False
        self.places.reconnected()

    def ask(self, command: c.Command) -> tuple[str, Deferred[r.Reply]]:
        """Return a name for ``command``, and its answer, which the ear does not hear."""
        cid = self.outbox.name()
        done: Deferred[r.Reply] = Deferred()
        self._asked[cid] = (command, done)
        return cid, done

    def hear(self, line: bytes) -> None:
        """Take note of ``line``, and tell what is news."""
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

    def fail(self, refusal: Refused) -> None:
        """Tell whoever asks for something that no answer will come."""
        asked, self._asked = self._asked, {}
        for _, done in asked.values():
            done.errback(refusal)

    def _happened(self, entry: e.Entry) -> None:
        nameless = not self._named or any(isinstance(turn, c.Login) for turn in self.outbox.turns)
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
            case r.Sorry(refusal) if self.arriving and command is None:
                self.fail(refusal)
            case r.Bye(text) if self.arriving:
                self.fail(Gone(text))
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
            case r.Bye() if any(isinstance(turn, c.Logout) for turn in self.outbox.turns):
                self.over = True
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
