"""What is typed in a window: messages and commands, sent to where one is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from twisted.internet.defer import Deferred
from twisted.python.failure import Failure

from chatnet.client.full.hearing import Hearing
from chatnet.client.full.items import shown
from chatnet.client.full.windows import Outgoing, Sending, Window, Windows
from chatnet.client.link import Link
from chatnet.client.screen import lines_of_reply
from chatnet.client.talk import Talk
from chatnet.core import commands as c, replies as r
from chatnet.core.names import fold
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed, NotAMember, Refused

_NO_ROOM = "This is no room, so that means nothing here. Ctrl-K goes to one, /join ROOM enters one."


class Talking:
    """Sends what is typed, and shows how far it has come."""

    def __init__(
        self, link: Link, windows: Windows, hearing: Hearing, now: Callable[[], float]
    ) -> None:
        self._link = link
        self._windows = windows
        self._hearing = hearing
        self._now = now
        self._talk = Talk(link)

    def typed(self, text: str) -> c.History | None:
        """Obey ``text``, which may have several lines. Return what is to be read, if it says so.

        Raises:
            Refused: it was not sent; the sentence says why.
        """
        window = self._windows.current
        command = self._talk.meant(text, True)
        match command:
            case None:
                pass
            case c.Quit():
                self._link.leave()
            case c.Say(_, body, action):
                self._say(window, body, action)
            case c.Whisper(who, body, 1):
                self._whisper(who, body)
            case c.Join():
                self._link.submit(replace(command, alone=False))
            case c.ListMembers("") if not window.is_room:
                self._ask(command)
            case c.History(who="") if window.is_person:
                return replace(command, who=window.name)
            case c.History(who=""):
                return replace(command, room=self._room(window))
            case c.History():
                return command
            case _ if isinstance(command, c.Command):
                if isinstance(command, c.RoomCommand | c.RoomQuery) and not command.room:
                    command = replace(command, room=self._room(window))
                self._link.submit(command)
            case _:
                self._hearing.say(*lines_of_reply(command))
        return None

    def _room(self, window: Window) -> str:
        if not window.is_room:
            raise Malformed(_NO_ROOM)
        return window.name

    def _say(self, window: Window, body: str, action: bool) -> None:
        if window.out:
            raise NotAMember(f"You are no longer in {window.name}. /join {window.name} enters it.")
        if window.is_person:
            me = self._link.dialogue.name
            self._whisper(window.name, f"* {me} {body}" if action else body)
        elif window.is_room:
            self._send(window, c.Say(window.name, body, action), body, action)
        else:
            raise Malformed(_NO_ROOM)

    def _whisper(self, who: str, body: str) -> None:
        here = self._windows.current
        key = f"@{fold(who)}"
        window = self._windows.get(key)
        self._send(window or Window(key, plain(who)), c.Whisper(who, body), body, False)
        if window is None:
            self._windows.person(plain(who))
        if here.key != key:
            first, *others = shown(body)[0]
            lines = (f"[whisper to {plain(who)}] {first}", *others)
            self._hearing.say(*lines, who=plain(self._link.dialogue.name))

    def _send(self, window: Window, command: c.Command, body: str, action: bool) -> None:
        """Ask for ``command``, which puts ``body`` into the log that ``window`` shows."""
        done: Deferred[r.Reply] = Deferred()
        self._link.submit(command, done)
        window = self._windows.open(window.key, window.name)
        if window.is_person:
            window.take_in(self._link.dialogue.name)
        said = Outgoing(body, shown(body)[0], self._now(), action)
        window.outgoing.append(said)
        window.mark = None
        window.turns += 1

        def stored(reply: r.Reply) -> None:
            if isinstance(reply, r.Done):
                said.state, said.seq = Sending.STORED, reply.seq
                if window.is_person:  # it may be in the other's log alone, which one does not read
                    said.seq = 0
                elif reply.seq <= window.last:
                    window.settle(reply.seq)
            window.turns += 1
            self._hearing.concluded()

        def refused(failure: Failure) -> None:
            refusal = _refusal(failure)
            if said in window.outgoing:
                said.state, said.why = Sending.REFUSED, plain(str(refusal))
            else:
                self._hearing.refused(refusal, command)
            window.turns += 1
            self._hearing.concluded()

        done.addCallbacks(stored, refused)

    def _ask(self, command: c.Command) -> None:
        """Show the answer to ``command``, which is about no room."""

        def told(reply: r.Reply) -> None:
            self._hearing.answered(reply, command)

        def refused(failure: Failure) -> None:
            self._hearing.refused(_refusal(failure), command)

        self._link.ask(command).addCallbacks(told, refused)


def _refusal(failure: Failure) -> Refused:
    """Return what ``failure`` is, unless it is a bug: then raise it."""
    refusal = failure.value
    if not isinstance(refusal, Refused):
        failure.raiseException()
    assert isinstance(refusal, Refused)
    return refusal
