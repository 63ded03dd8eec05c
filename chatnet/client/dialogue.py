"""What was asked of a server and what it answers, over all the connections of a link."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from twisted.internet.defer import Deferred

from chatnet.client.checks import check, check_secrecy
from chatnet.client.flow import Flow
from chatnet.client.frames import decode, encode
from chatnet.client.outbox import Outbox, Pending
from chatnet.client.places import Manner, Places
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold, room_name
from chatnet.core.plain import plain
from chatnet.core.refusals import NotAMember, Refused, Unavailable

_ENDS = ("quit", "logout")  # codes of a farewell that was asked for
_FINAL = ("replaced", "removed", "late", "refused")  # codes after which one does not come back


class Gone(Unavailable):
    """The connection ended before the answer came."""


class Dismissed(Refused):
    """The server ended the link, and does not want it back; see ``Bye`` for ``reason``."""

    def __init__(self, text: str, reason: str) -> None:
        super().__init__(text or "The server closed the connection, and did not say why.")
        self.reason = reason


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

    def signalled(self, signal: r.Typing) -> None:
        """Something passes that is not kept."""

    def concluded(self) -> None:
        """One command more is answered."""

    def silent(self) -> None:
        """The link says nothing for longer than it should, or speaks again; see its ``silence``."""

    def notice(self, text: str) -> None:
        """There is news about the link, or something that is not of this dialect."""


class Sealing(Protocol):
    """What stands before the ear, and reads what is encrypted; see ``chatnet.client.keys``."""

    def hears(self, entry: e.Entry, manner: Manner) -> None:
        """Have ``entry`` shown by ``Dialogue.show``, now or soon, as it can be read."""

    def read(self, entry: e.Entry) -> e.Entry:
        """Return ``entry``, out of the history, as it can be read."""
        ...

    def entered(self, reply: r.Entered, asked: str) -> None:
        """One is in a room, for which one ``asked`` by that name."""

    def named(self) -> None:
        """One is logged in to an account."""


class Dialogue:
    """Knows who one is, where one is, and what is not answered yet. Tells an ear the rest."""

    def __init__(
        self,
        identity: Identity,
        entropy: Callable[[int], bytes],
        flow: Flow,
        confides: bool = True,
    ) -> None:
        """Be ``identity``, and tell ``flow`` how fast the server hears.

        Passwords are told if it ``confides``, as nobody on the way can read them.
        """
        self.ear: Ear
        self.sealing: Sealing | None = None
        self.identity = identity
        self.name = ""
        self.registered = False
        self.hello: r.Hello | None = None
        self.places = Places()
        self.outbox = Outbox(entropy, self.places.key_of)
        self.arriving = True  # one is not there yet: names and rooms are still being asked for
        self.over = False  # the server said the farewell that was asked for
        self.dismissed: Dismissed | None = None
        self._confides = confides
        self._flow = flow
        self._named = False  # since the connection was made
        self._asked: dict[str, Pending] = {}

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
        self.arriving, self._named, self.dismissed = True, False, None
        self.places.reconnected()

    def ask(self, command: c.Command) -> Pending:
        """Return ``command`` as a question about this connection; the ear hears no answer."""
        self.check(command)
        cid = self.outbox.name()
        pending = Pending(cid, command, encode(command, cid), Deferred())
        self._asked[cid] = pending
        return pending

    def check(self, command: c.Command) -> None:
        """See that ``command`` may be sent, and that the server can take it.

        Raises:
            Refused: not so.
        """
        check_secrecy(command, self._confides and (self.hello is None or self.hello.passwords))
        if self.hello is not None:
            check(command, self.hello)

    def hear(self, line: bytes) -> None:
        """Take note of ``line``, and tell what is news."""
        try:
            heard = decode(line)
        except (ValueError, RecursionError):
            self.ear.notice(plain(line.decode(errors="replace")))
            return
        if heard is None:
            return
        match heard.what:
            case e.Entry():
                self._happened(heard.what)
            case r.Typing():
                self.ear.signalled(heard.what)
            case r.Wait(seconds):
                self._flow.wait(seconds)
            case _:
                self._answered(heard.what, heard.cid)

    def fail(self, refusal: Refused) -> None:
        """Tell whoever asks for something about this connection that no answer will come."""
        asked, self._asked = self._asked, {}
        for pending in asked.values():
            pending.conclude(r.Sorry(refusal))

    def abandon(self, refusal: Refused) -> None:
        """Tell whoever waits for anything that no answer will come."""
        self.fail(refusal)
        for pending in self.outbox:
            if pending.done is not None:
                self._conclude(r.Sorry(refusal), pending.cid)

    def _happened(self, entry: e.Entry) -> None:
        nameless = not self._named or any(isinstance(turn, c.Login) for turn in self.outbox.turns)
        manner = self.places.take(entry, nameless)
        if manner is None:
            return
        if manner is Manner.RECALLED:
            pending = self._get(self.places.recall(entry.room))
            if pending is not None and pending.done is not None:
                pending.stretch.append(self.sealing.read(entry) if self.sealing else entry)
                return
        if self.sealing is not None:
            self.sealing.hears(entry, manner)
        else:
            self.show(entry, manner)

    def show(self, entry: e.Entry, manner: Manner) -> None:
        """Tell the ear of ``entry``."""
        fresh = manner in (Manner.LIVE, Manner.MISSED)
        own = fold(e.speaker(entry.event)) == fold(self.name)
        self.ear.entry(entry, manner, fresh and own and self.outbox.echoes(entry))

    def settle(self, reply: r.Reply, cid: str) -> None:
        """Let ``reply`` be the answer to what was asked for under ``cid``."""
        self._answered(reply, cid)

    def _get(self, cid: str | None) -> Pending | None:
        return self.outbox.get(cid) or (self._asked.get(cid) if cid is not None else None)

    def _answered(self, reply: r.Reply, cid: str | None) -> None:
        if isinstance(reply, r.CaughtUp):  # which has no cid
            cid = self.places.recall(reply.room)
        pending = self._get(cid)
        command = pending.command if pending is not None else None
        private = pending is not None and pending.done is not None
        news = self._take_note(reply, pending)
        match reply:
            case r.Sorry(refusal) if self.arriving and command is None:
                self.fail(refusal)
            case r.Bye(text) if self.arriving:
                self.fail(self.dismissed or Gone(text))
            case r.Sorry(refusal) if not private:
                self.ear.refused(refusal, command)
            case _ if news and (not private or _is_told(reply, command)):
                self.ear.answered(reply, command)
        if _concludes(reply, command):
            self._conclude(reply, cid)
        if isinstance(reply, r.Out):
            self._cut_short(reply)

    def _conclude(self, reply: r.Reply, cid: str | None) -> None:
        if cid is not None:
            self._flow.answered(cid)
        asked = self._asked.pop(cid, None) if cid is not None else None
        if asked is not None:
            asked.conclude(reply)
            return
        pending = self.outbox.answered(cid, isinstance(reply, r.Sorry))
        if pending is not None:
            pending.conclude(reply)
            self.ear.concluded()

    def _cut_short(self, out: r.Out) -> None:
        """Expect no more history of a room that one is out of."""
        refusal = r.Sorry(NotAMember(f"You are no longer in {out.name}."))
        for pending in [*self.outbox, *self._asked.values()]:
            command = pending.command
            names = (out.room, fold(out.name))
            if not isinstance(command, c.History) or command.who:
                continue
            if room_name(command.room).key in names:
                self._conclude(refusal, pending.cid)

    def _take_note(self, reply: r.Reply, pending: Pending | None) -> bool:
        """Keep what is to be known of ``reply``. Return whether it is news to people."""
        command = pending.command if pending is not None else None
        match reply:
            case r.Hello():
                self.hello = reply
                return False
            case r.YouAre(name, registered):
                self.name, self.registered, self._named = name, registered, True
                if isinstance(command, c.Nick):
                    self.identity.name, self.identity.password = name, ""
                elif isinstance(command, c.Login | c.Register):
                    self.identity.name, self.identity.password = name, command.password
                    if self.sealing is not None and not self.arriving:
                        self.sealing.named()
            case r.Noted():
                if isinstance(command, c.ChangePassword) and self.identity.password:
                    self.identity.password = command.new
            case r.Entered() if isinstance(command, c.Join):
                return self._entered(reply, command)
            case r.AlreadyIn(room):
                self.places.here = room
            case r.History(room, since=since):
                self.places.recalls(room, pending.cid if pending is not None else None)
                if pending is not None:
                    pending.stretch.clear()
                    pending.since = since
            case r.CaughtUp(room):
                return self.places.caught_up(room)
            case r.Out(room):
                self.places.left(room)
            case r.Bye(text, code):
                self.over = self.over or code in _ENDS
                if code in _FINAL:
                    self.dismissed = Dismissed(text, code)
                    return False
            case r.Done():
                return False
            case r.Pong():
                return command is not None
        return True

    def _entered(self, reply: r.Entered, join: c.Join) -> bool:
        if self.sealing is not None:
            self.sealing.entered(reply, join.room)
        known = self.places.rooms.get(reply.room)
        again = known is not None and known.last is not None
        asked = self.places.key_of(join.room)
        if asked != reply.room:  # it has another name now, and is known by its key
            presumed = self.places.rooms.get(asked)
            if presumed is not None and presumed.last is None:
                del self.places.rooms[asked]
        if again and join.since is not None and reply.seq >= join.since < reply.since:
            self.ear.notice(f"Part of what was said in {reply.name} is not kept any more.")
        if self.places.entered(reply, join.password, join.alone):
            self.ear.notice(
                f"The server has lost part of what was in {reply.name}. It goes on from here."
            )
        return not again


def _is_told(reply: r.Reply, command: c.Command | None) -> bool:
    """Return whether the ear is told of ``reply`` also where somebody waits for the last one."""
    aside = isinstance(command, c.Telling) and isinstance(reply, r.Noted)
    return aside or isinstance(reply, r.Entered | r.Out)


def _concludes(reply: r.Reply, command: c.Command | None) -> bool:
    """Return whether ``reply`` is the last part of the answer to ``command``."""
    if isinstance(reply, r.Done | r.Sorry):
        return True
    if isinstance(command, c.History):
        return isinstance(reply, r.CaughtUp)
    return not isinstance(command, c.RoomCommand | c.Telling)
