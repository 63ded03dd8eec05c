"""What comes over a link: opened with the keys that are there, and else with the cause why not."""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chatnet.client.keys.backup import Backup
from chatnet.client.keys.causes import (
    Cause,
    Earlier,
    Forged,
    KeyMissing,
    Lock,
    Newer,
    NoKeys,
    Unreadable,
)
from chatnet.client.keys.device import Peer
from chatnet.client.keys.files import Secret
from chatnet.client.keys.formats import Misshapen, talk_of, text_in
from chatnet.client.keys.letters import Letters
from chatnet.client.keys.megolm import Opened, Place
from chatnet.client.keys.news import Downgraded, News, Replaced, Trouble, Withheld
from chatnet.client.keys.people import Trust
from chatnet.client.keys.ring import Ring
from chatnet.client.keys.sealing import Sealer
from chatnet.client.keys.sharing import note_secret, note_sharer
from chatnet.client.keys.standing import Standing
from chatnet.client.keys.vault import Shut
from chatnet.client.keys.verifying import Verifier
from chatnet.client.places import Manner
from chatnet.core import events as e, replies as r
from chatnet.core.files import safe_name
from chatnet.core.names import fold

if TYPE_CHECKING:
    from chatnet.client.link import Link

MOST_MARKS = 10_000  # messages of which it is known how they were read
_FRESH = (Manner.LIVE, Manner.MISSED)
Marks = OrderedDict[tuple[str, int], Any]


class Hearing:
    """Reads what was encrypted, and notes how sure one can be of it, before it is shown."""

    def __init__(
        self,
        link: Link,
        ring: Ring,
        standing: Standing,
        sealer: Sealer,
        verifier: Verifier,
        backup: Backup,
        tell: Callable[[News], None],
    ) -> None:
        self.letters = Letters(ring, self._letter, self.release)
        self._link = link
        self._ring = ring
        self._standing = standing
        self._sealer = sealer
        self._verifier = verifier
        self._backup = backup
        self._tell = tell
        self._marks: Marks = OrderedDict()  # a Lock or a Cause, by log and seq
        self._late: dict[str, list[tuple[e.Entry, Manner]]] = {}  # whose key may come, by session
        self._held: deque[tuple[e.Entry, Manner]] = deque()  # while letters are opened

    def lock_of(self, entry: e.Entry) -> Lock:
        """Return how sure one can be of ``entry``, which was shown."""
        mark = self._marks.get((entry.room, entry.seq))
        return mark if isinstance(mark, Lock) else Lock.NONE

    def why(self, entry: e.Entry) -> Cause | None:
        """Return why ``entry`` cannot be read; None if it can, or is nothing encrypted."""
        if not isinstance(entry.event, e.Sealed | e.SealedWhisper):
            return None
        mark = self._marks.get((entry.room, entry.seq))
        return NoKeys(self._standing.lack) if mark is None or isinstance(mark, Lock) else mark

    def entered(self, reply: r.Entered, asked: str) -> None:
        """One is in a room, for the first time or again, and ``asked`` for it by that name."""
        if self._standing.opened:
            for who in reply.state.readers:  # whose devices may be others since one was here
                self._ring.epochs.pop(fold(who), None)
            self.judge(reply.room, reply.name, reply.seq, reply.state.encrypted, asked)

    def judge(self, key: str, name: str, seq: int, encrypted: bool, asked: str = "") -> None:
        """The server says whether the room ``key`` is encrypted: remember it, or shout."""
        rooms = self._ring.rooms
        if encrypted:
            if rooms.encrypted(key, name, seq):
                self._tell(Replaced(name))
        elif rooms.plain(key, name, asked or name):
            self._tell(Downgraded(asked or name))

    def hears(self, entry: e.Entry, manner: Manner) -> None:
        """Show ``entry`` to the ear: now, or when what may open it was looked at."""
        if self._standing.opened and entry.room == self.letters.log:
            self.letters.put(entry)
        elif self.letters.is_busy or self._standing.is_coming:
            self._held.append((entry, manner))
        else:
            self._show(entry, manner)

    def read(self, entry: e.Entry) -> e.Entry:
        """Return ``entry``, out of the history, as it can be read."""
        return self._read(entry, False)

    def _show(self, entry: e.Entry, manner: Manner) -> None:
        if manner in _FRESH:
            self._note(entry)
        added = isinstance(entry.event, e.DeviceAdded) and entry.event.device
        if self._standing.opened and added == self._ring.own.id:
            self._ring.vault.put("came", "", entry.seq)
            return  # of which one is told when it is new
        shown = self._read(entry, manner in _FRESH)
        if self._standing.opened and isinstance(entry.event, e.Shared) and entry.event.sealed:
            return  # what is in it is told by those who have the key
        cause = self.why(shown)
        if isinstance(cause, KeyMissing) and isinstance(entry.event, e.Sealed | e.SealedWhisper):
            self._late.setdefault(entry.event.session, []).append((entry, manner))
        self._link.dialogue.show(shown, manner)

    def _note(self, entry: e.Entry) -> None:
        """Take note of what changes for whom is encrypted."""
        event = entry.event
        match event:
            case e.Encrypted():
                if self._standing.opened:
                    self.judge(entry.room, self._standing.called(entry.room), entry.seq, True)
            case e.RoomRenamed(_, _, new):
                if self._standing.opened:
                    self.judge(entry.room, new, entry.seq, self._standing.is_sealed(entry.room))
            case e.RoomDeleted() | e.RoomDiscarded():
                self._sealer.rotate(entry.room)
            case e.Left(who) | e.Kicked(who) | e.Banned(who):
                self._sealer.rotate(entry.room)
                gone = not (isinstance(event, e.Left) and event.dropped)
                if self._standing.opened and gone and fold(who) == self._ring.own.address.account:
                    self._ring.rooms.left(entry.room)
            case e.Rekeyed(who):
                self._sealer.rotate(entry.room)
                self._ring.epochs.pop(fold(who), None)
            case e.Joined(who) | e.Renamed(_, who):
                self._ring.epochs.pop(fold(who), None)
            case e.DeviceAdded() | e.DeviceRemoved() if self._standing.opened:
                self._ring.epochs.pop(self._ring.own.address.account, None)
                self._sealer.rotate()
            case _:
                pass

    def _read(self, entry: e.Entry, live: bool) -> e.Entry:
        event = entry.event
        match event:
            case e.Said() | e.Shared(sealed=""):
                if self._must_be_sealed(entry):
                    self._mark(entry, Lock.PLAIN)
                return entry
            case e.Shared():
                if self._standing.opened:
                    note_sharer(self._ring.vault, event)
                return entry
            case e.Whispered(by):
                if live and self._has_other_keys(fold(by)):
                    self._mark(entry, Lock.PLAIN)
                return entry
            case e.Sealed(by, device, session, body):
                talk = entry.room
            case e.SealedWhisper(by, to, device, session, body):
                talk = talk_of(fold(by), fold(to))
            case _:
                return entry
        if not self._standing.opened:
            return entry
        place = Place(entry.room, entry.seq, talk, fold(by), device, session)
        try:
            opened = self._ring.sessions.open(place, body, live)
            said = self._event(event, opened)
        except Shut as error:
            self._tell(Trouble(str(error)))
            return entry
        except Unreadable as error:
            self._mark(entry, self._cause(entry, error.cause))
            return entry
        if opened.missing:
            self._tell(Withheld(entry.room, by, entry.seq, opened.missing))
        verified = self._is_sure(opened)
        self._mark(entry, Lock.VERIFIED if verified else Lock.KNOWN)
        return replace(entry, event=said)

    def _event(self, event: e.Sealed | e.SealedWhisper, opened: Opened) -> e.Event:
        if opened.kind == "file":
            return self._file(event, opened.fields)
        if opened.kind != "say":
            raise Unreadable(Newer())
        try:
            body = text_in(opened.fields, "body")
        except Misshapen as error:
            raise Unreadable(Forged(str(error))) from error
        if isinstance(event, e.SealedWhisper):
            return e.Whispered(event.by, event.to, body)
        return e.Said(event.by, body, opened.fields.get("action") is True)

    def _file(self, event: e.Sealed | e.SealedWhisper, fields: dict[str, Any]) -> e.Event:
        """Return the file that ``fields`` open, and remember what opens it."""
        names = ("file", "key", "name", "kind", "sha256")
        try:
            id, key, name, kind, digest = [text_in(fields, one) for one in names]
            size = fields.get("size")
            if not isinstance(size, int) or size < 0:
                raise Misshapen("it says no size")
        except Misshapen as error:
            raise Unreadable(Forged(str(error))) from error
        secret = Secret(key, safe_name(name), size, kind, digest)
        note_secret(self._ring.vault, fold(event.by), id, secret)
        to = event.to if isinstance(event, e.SealedWhisper) else ""
        return e.Shared(event.by, id, secret.name, size, kind, digest, "1", to)

    def _is_sure(self, opened: Opened) -> bool:
        if opened.sender == self._ring.own.address:
            return True
        trust = self._ring.people.trust_in(opened.sender.account, opened.sender.device)
        return trust is Trust.VERIFIED

    def _has_other_keys(self, account: str) -> bool:
        own = self._standing.opened and self._ring.own.address.account
        return self._standing.opened and account != own and self._ring.people.had(account)

    def _must_be_sealed(self, entry: e.Entry) -> bool:
        if not self._standing.opened:
            return False
        kept = self._ring.rooms.get(entry.room)
        since = None if kept is None else kept["since"]
        return self._ring.rooms.is_suspect(entry.room) if since is None else entry.seq > since

    def _cause(self, entry: e.Entry, cause: Cause) -> Cause:
        if not isinstance(cause, KeyMissing):
            return cause
        if entry.room.startswith("@"):
            came = self._ring.vault.get("came")  # in this log: where this device was added
            is_old = self._ring.own.is_new if came is None else entry.seq <= came
            return Earlier() if is_old else cause
        kept = self._ring.rooms.get(entry.room)
        return (
            Earlier()
            if kept is not None and entry.seq <= kept.get("from", kept["since"])
            else cause
        )

    def _mark(self, entry: e.Entry, mark: Lock | Cause) -> None:
        self._marks[entry.room, entry.seq] = mark
        if len(self._marks) > MOST_MARKS:
            self._marks.popitem(last=False)

    # -- letters -----------------------------------------------------------------------------

    def _letter(self, peer: Peer, kind: str, fields: dict[str, Any]) -> None:
        match kind:
            case "key":
                session = text_in(fields, "session")
                talk = text_in(fields, "room")
                pair = (peer.address.account, self._ring.own.address.account)
                if talk.startswith("@") and talk != talk_of(*pair) and pair[0] != pair[1]:
                    raise Misshapen("it is for a talk between others")
                if self._ring.sessions.add(talk, peer.address, session, text_in(fields, "key")):
                    self._backup.add(peer.address, session)
                    self._held.extendleft(reversed(self._late.pop(session, [])))
            case "verify":
                self._verifier.hear(peer, fields)
            case _:
                pass

    def release(self) -> None:
        """Show what waited, if there is nothing to wait for."""
        while self._held and not (self.letters.is_busy or self._standing.is_coming):
            self._show(*self._held.popleft())
