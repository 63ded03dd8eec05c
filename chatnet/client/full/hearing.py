"""What comes over the link, sorted into windows. Knows no terminal."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from chatnet.client.full.items import Item, Kind, answer
from chatnet.client.full.reading import read
from chatnet.client.full.windows import Older, Window, Windows
from chatnet.client.keys.shown import Shown
from chatnet.client.link import Link
from chatnet.client.offers import Offers
from chatnet.client.places import Manner
from chatnet.client.screen import lines_of, lines_of_reply
from chatnet.client.writing import WRITING_SECONDS
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import EVERYBODY, GUEST_LOG, fold
from chatnet.core.plain import plain, plain_lines
from chatnet.core.refusals import Muted, NotAMember, Refused


class Face(Protocol):
    """What is told of news: the screen."""

    def changed(self) -> None:
        """Something is to be shown anew."""

    def found(self, found: r.Found) -> None:
        """Messages were looked for, and these were found."""


class Hearing:
    """The ear of the full-screen client."""

    def __init__(
        self,
        link: Link,
        windows: Windows,
        now: Callable[[], float],
        face: Face,
        note: Callable[[Window, Item], None],
    ) -> None:
        """Sort what comes over ``link`` into ``windows``; ``note`` is told every item of a log.

        ``now`` says how late it is, in UTC seconds since the epoch."""
        self.offers: Offers
        self.highlights: tuple[str, ...] = ()
        self.presence = True  # show who comes and goes
        self.read: dict[str, int] = {}  # how far each room was read in an earlier life
        self._link = link
        self._windows = windows
        self._now = now
        self._face = face
        self._note = note
        self._shown = Shown()
        self._early: list[Item] = []  # what was told before one was in a room
        link.dialogue.ear = self

    def say(
        self, *lines: str, kind: Kind = Kind.ANSWER, window: Window | None = None, who: str = ""
    ) -> None:
        """Show ``lines`` in ``window``, or in the one that is looked at; as said by ``who``."""
        if lines:
            item = answer(lines, self._now(), kind, who)
            (window or self._windows.current).add(item)
        self._face.changed()

    # -- chatnet.client.link.Ear ---------------------------------------------------

    def online(self) -> None:
        early, self._early = self._early, []
        if self._windows.current is not self._windows.server:
            for item in early:
                self._windows.current.add(item)
        self._face.changed()

    def entry(self, entry: e.Entry, manner: Manner, mine: bool) -> None:
        me = self._link.dialogue.name
        if manner is Manner.RECALLED and entry.room not in self._besides(entry):
            self.say(*self._shown.lines(self._link.keys, entry, manner, False, me))
            return
        if manner is Manner.LIVE:
            self.offers.saw(entry.event)
        self._change(entry)
        window = self._window_of(entry)
        item = read(self._link, entry, self.highlights)
        if window is None or item is None:
            if window is not None:
                window.last = max(window.last, entry.seq)
            return
        if entry.room.startswith(GUEST_LOG):
            item.seq = 0  # another log than the one that one has with an account
        window.settle(entry.seq, *(_said(entry.event) if mine else (None, False)))
        if item.kind is Kind.PRESENCE and not self._is_worth(entry, manner):
            window.last = max(window.last, entry.seq)
            return
        window.writers.pop(fold(item.who), None)
        fresh = manner in (Manner.LIVE, Manner.MISSED)
        known = item.mine or (not fresh and (not window.read or entry.seq <= window.read))
        if window.is_person and manner is Manner.RECALLED:
            fresh, known = True, item.mine  # told while one was away
        self._windows.heard(window, item, fresh, known)
        self._note(window, item)
        self._face.changed()

    def answered(self, reply: r.Reply, command: c.Command | None) -> None:
        match reply:
            case r.Entered():
                self._entered(reply)
            case r.CaughtUp():
                pass
            case r.AlreadyIn(key):
                window = self._windows.get(key)
                if window is not None:
                    self._windows.show(window)
            case r.Out(key, name, put_out):
                self._out(key, name, put_out)
            case r.Found():
                self._face.found(reply)
            case r.Bye() if self._link.leaving:
                pass
            case r.Hello():
                self.say(*lines_of_reply(reply), window=self._windows.server)
            case r.Bye(text):
                self.notice(text)
            case _:
                self.say(*lines_of_reply(reply))
        self._face.changed()

    def refused(self, refusal: Refused, command: c.Command | None) -> None:
        if command is None and isinstance(refusal, Muted | NotAMember):
            return  # a signal, of which nobody should hear that it was none
        self.say(*plain_lines(str(refusal)), kind=Kind.REFUSAL)
        if isinstance(command, c.Join):  # a room that one was in, and that is shut now
            window = self._windows.get(self._link.dialogue.places.key_of(command.room))
            if window is not None:
                window.out = True

    def signalled(self, signal: r.Typing) -> None:
        window = self._windows.get(signal.room)
        if window is not None:
            until = self._now() + WRITING_SECONDS
            window.writers[fold(signal.who)] = plain(signal.who), until
            self._face.changed()

    def concluded(self) -> None:
        self._face.changed()

    def silent(self) -> None:
        self._face.changed()

    def notice(self, text: str) -> None:
        self._tell(text, Kind.ANSWER)

    def shout(self, text: str) -> None:
        """Tell what must not be overlooked, wherever one looks."""
        self._tell(text, Kind.REFUSAL)

    def _tell(self, text: str, kind: Kind) -> None:
        """Show ``text`` at the server and where one looks, also if one is only on the way there."""
        windows, lines = self._windows, plain_lines(text)
        for window in {windows.server, windows.current}:
            self.say(*lines, kind=kind, window=window)
        if self._link.dialogue.arriving and windows.current is windows.server:
            self._early.append(answer(lines, self._now(), kind))

    # -- in detail -----------------------------------------------------------------

    def _besides(self, entry: e.Entry) -> tuple[str, ...]:
        """Return the log of ``entry`` if it is no room's."""
        outside = entry.room == EVERYBODY or entry.room.startswith("@")
        return (entry.room,) if outside else ()

    def _change(self, entry: e.Entry) -> None:
        """Change what stands in windows because of ``entry``."""
        match entry.event:
            case e.Deleted(_, message):
                window = self._windows.get(entry.room)
                if window is not None:
                    window.erase(message)
            case e.RoomRenamed(_, _, new):
                window = self._windows.get(entry.room)
                if window is not None:
                    window.name = plain(new)
            case e.Renamed(old, new):
                self._windows.rename(old, new)

    def _window_of(self, entry: e.Entry) -> Window | None:
        match entry.event:
            case e.Whispered(by, to) | e.SealedWhisper(by, to) | e.Shared(by, to=to) if to:
                mine = fold(by) == fold(self._link.dialogue.name)
                return self._windows.person(plain(to if mine else by))
            case _ if entry.room.startswith("@"):  # one's own devices
                return self._windows.server
            case _:
                return self._windows.get(entry.room)

    def _is_worth(self, entry: e.Entry, manner: Manner) -> bool:
        """Return whether coming and going is shown: one's own, what was long ago, or the doing of
        a cut is not."""
        me = self._link.dialogue.name
        return self.presence and manner is Manner.LIVE and bool(lines_of(entry, manner, False, me))

    def _entered(self, reply: r.Entered) -> None:
        window = self._windows.open(reply.room, plain(reply.name))
        window.read = max(window.read, self.read.get(reply.room, 0))
        if not window.items:
            window.older = Older.MORE if reply.since else Older.NONE
        window.last = max(window.last, reply.since)
        if not self._link.dialogue.arriving or self._windows.current is self._windows.server:
            self._windows.show(window)

    def _out(self, key: str, name: str, put_out: bool) -> None:
        window = self._windows.get(key)
        if window is None:
            return
        if put_out:
            window.out = True
            self.say(f"You are out of {plain(name)}.", kind=Kind.REFUSAL, window=window)
        else:
            self._windows.close(window)


def _said(event: e.Event) -> tuple[str | None, bool]:
    match event:
        case e.Said(_, body, action):
            return body, action
        case e.Whispered(_, _, body):
            return body, False
        case _:
            return None, False
