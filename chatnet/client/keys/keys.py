"""The keys of one link: what is said through it is encrypted where it has to be, and read again.

A ``Keys`` stands between a link and its ear. What can be read reaches the ear as if it had never
been encrypted; of what cannot, ``why`` says the cause. Faces read ``lock_of`` for a mark, ask
``is_encrypted`` of rooms, and set ``tell`` to hear ``News`` other than as notices.
"""

from __future__ import annotations

from collections import OrderedDict, deque
from collections.abc import Callable, Coroutine
from dataclasses import asdict, replace
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger
from twisted.python.failure import Failure

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
from chatnet.client.keys.news import Downgraded, Made, News, Replaced, Trouble, Withheld, spell
from chatnet.client.keys.olm import NoOlm
from chatnet.client.keys.people import Trust
from chatnet.client.keys.ring import Entropy, OpenVault, Ring
from chatnet.client.keys.sealing import Sealer, Talk
from chatnet.client.keys.sharing import note_secret, note_sharer, secret_of
from chatnet.client.keys.vault import Shut
from chatnet.client.keys.verifying import Verifier
from chatnet.client.outbox import Pending
from chatnet.client.places import Manner
from chatnet.client.state import RoomView
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.files import safe_name
from chatnet.core.names import fold
from chatnet.core.refusals import (
    Encrypted,
    NoDevice,
    NotAMember,
    Refused,
    TooLong,
    Unavailable,
)

if TYPE_CHECKING:
    from chatnet.client.link import Link

LONGEST = 64 * 1024  # bytes of a message that is encrypted
MOST_MARKS = 10_000  # messages of which it is known how they were read
_FRESH = (Manner.LIVE, Manner.MISSED)
Marks = OrderedDict[tuple[str, int], Any]


class Keys:
    """Encrypts and reads for one link, once that is logged in to an account."""

    _log = Logger()

    def __init__(
        self,
        link: Link,
        clock: IReactorTime,
        entropy: Entropy,
        open_vault: OpenVault,
        label: str = "",
    ) -> None:
        """Get the keys of an account, by its key, with ``open_vault``; the device is ``label``."""
        self.tell: Callable[[News], None] = self._notice
        self.ready = False  # this connection is a device
        self._link = link
        self._open_vault = open_vault
        self._label = label
        self._opened = False
        self.lack = ""  # why there are no keys, in a sentence
        self._settled = False  # whether this connection is a device, or cannot be one
        self._shut = False  # there are keys, which cannot be opened
        self._closed = False
        self._waiters: list[Deferred[None]] = []
        self._saying = 0  # messages that are being encrypted
        self._quiet: list[Deferred[None]] = []  # who waits for them
        self._marks: Marks = OrderedDict()  # a Lock or a Cause, by log and seq
        self._late: dict[str, list[tuple[e.Entry, Manner]]] = {}  # whose key may come, by session
        self._held: deque[tuple[e.Entry, Manner]] = deque()  # while letters are opened
        self._ring = Ring(link, clock, entropy, lambda news: self.tell(news))
        self.verifier = Verifier(self._ring)
        self.backup = Backup(self._ring)
        self._letters = Letters(self._ring, self._letter, self._caught_up)
        self._sealer = Sealer(self._ring, self._submit, self._until_ready)
        self._ring.on_change = self._sealer.rotate_from
        self._ring.on_session = self.backup.add
        link.keys = link.dialogue.sealing = self

    # -- for faces -----------------------------------------------------------------------

    def is_encrypted(self, room: str) -> bool:
        """Return whether what is said in ``room``, a key, is encrypted, or must be."""
        known = self._opened and self._ring.rooms.knows(room, self._called(room))
        return known or self._is_sealed(room)

    def is_denied(self, room: str) -> bool:
        """Return whether the server says that ``room``, a key, is not encrypted, though it was."""
        view = self._view(room)
        return view is not None and not view.encrypted and self.is_encrypted(room)

    def lock_of(self, entry: e.Entry) -> Lock:
        """Return how sure one can be of ``entry``, which was shown."""
        mark = self._marks.get((entry.room, entry.seq))
        return mark if isinstance(mark, Lock) else Lock.NONE

    def why(self, entry: e.Entry) -> Cause | None:
        """Return why ``entry`` cannot be read; None if it can, or is nothing encrypted."""
        if not isinstance(entry.event, e.Sealed | e.SealedWhisper):
            return None
        mark = self._marks.get((entry.room, entry.seq))
        return NoKeys(self.lack) if mark is None or isinstance(mark, Lock) else mark

    @property
    def ring(self) -> Ring:
        """This device, and all it knows of others.

        Raises:
            NoDevice: there are no keys yet.
        """
        if not self._opened or self._is_refused:
            raise NoDevice(
                self.lack
                or "There are no keys here: they belong to an account. /login NAME PASSWORD,"
                " or /newuser makes one."
            )
        return self._ring

    def trust_in(self, account: str, device: str) -> Trust | None:
        """Return how far a device is trusted; None if it was never seen, or is this one."""
        return self.ring.people.trust_in(fold(account), device)

    def accept(self, who: str) -> list[str]:
        """Let the devices of ``who`` that wait be encrypted for; return their ids."""
        accepted = self.ring.people.accept(fold(who))
        self._sealer.rotate()
        return accepted

    def forget(self, room: str) -> None:
        """Believe what the server says of whether ``room``, a key, is encrypted."""
        self.ring.rooms.forget(room, self._called(room))

    async def seals(self, to: str) -> bool:
        """Return whether a file for ``to``, a room or ``@`` and a person, is encrypted.

        Raises:
            Refused: it has to be, and cannot.
        """
        if not to.startswith("@"):
            encrypted = self.is_encrypted(self._key_of(to))
            if encrypted:
                self._check_room(self._key_of(to), to)
            return encrypted
        return self._opened and await self._has_keys(to[1:])

    async def tell_secret(self, to: str, id: str, secret: Secret) -> int:
        """Tell those in ``to`` what opens the file ``id``, and return the seq of that.

        Raises:
            Refused: as for ``say``.
        """
        fields = {"file": id, **asdict(secret)}
        if to.startswith("@"):
            talk = self._pair(to[1:], fold(to[1:]))
            return (await self._sealer.say(talk, "file", fields)).seq
        return (await self.say(self._key_of(to), "file", fields)).seq

    def secret_of(self, id: str) -> Secret | None:
        """Return what opens the file ``id``; None if it is not encrypted, or not for one."""
        return secret_of(self._ring.vault, id) if self._opened else None

    async def say(self, room: str, kind: str, fields: dict[str, Any]) -> r.Done:
        """Say something of the kind ``kind`` in the encrypted ``room``, a key.

        Raises:
            Refused: the server does not take it, or it cannot be encrypted.
        """
        return await self._sealer.say(self._room(room), kind, fields)

    async def said_all(self) -> None:
        """Wait until nothing is being encrypted, or the link is lost."""
        if self._saying and self.ready:
            quiet: Deferred[None] = Deferred()
            self._quiet.append(quiet)
            await quiet

    def _hush(self) -> None:
        quiet, self._quiet = self._quiet, []
        for one in quiet:
            one.callback(None)

    # -- for the link ----------------------------------------------------------------------

    async def attach(self) -> None:
        """Be a device on this new connection, and read what came for it; before rooms are entered.

        Raises:
            Unavailable: the link is lost.
        """
        account, self._closed = fold(self._link.dialogue.name), False
        try:
            if not self._opened:
                self._ring.open(await self._open_vault(account), account)
                self._opened, self._shut = True, False
            self._check_server()
            own = self._ring.own
            self._ring.epochs.clear()
            self._sealer.rotate()
            reply = await self._link.ask(own.be(self._label, self._letters.place))
            assert isinstance(reply, r.Attached)
            self._ring.names[account] = self._link.dialogue.name
            await self._letters.begin(reply)
            self.ready = self.backup.online = self._settled = True
            self.lack = ""
            for key, place in self._link.dialogue.places.rooms.items():
                if place.view is not None:  # one came here before one had keys
                    self._judge(key, place.name, place.last or 0, place.view.encrypted)
            self._release()
            keys = own.more_keys(reply.keys, reply.fallback)
            if keys is not None:
                await self._link.ask(keys)
        except Unavailable:
            raise
        except (Refused, Shut) as error:
            self.ready, self._settled = False, True
            self.lack, self._shut = str(error), isinstance(error, Shut)
            if self._knows_keys or not isinstance(error, NoOlm | NoDevice):  # else when it matters
                self.tell(Trouble(self.lack))
            self._release()
            return
        if own.is_new:
            own.is_new = False
            self.tell(Made(own.id))

    @property
    def _is_refused(self) -> bool:
        """Whether this connection cannot be a device."""
        return self._settled and not self.ready and bool(self.lack)

    @property
    def _expects_keys(self) -> bool:
        """Whether there are keys, or it is not known yet whether there will be."""
        return self._opened or not (self._settled or not self._link.dialogue.identity.password)

    @property
    def _knows_keys(self) -> bool:
        """Whether something was encrypted on this server before."""
        return self._opened and (bool(self._ring.rooms) or bool(self._ring.vault.all("people")))

    def _check_server(self) -> None:
        hello = self._link.dialogue.hello
        if hello is not None and "keys" not in hello.features:
            raise NoDevice("This server knows nothing of keys, so nothing can be encrypted on it.")

    def named(self) -> None:
        """One is logged in to an account, while the link is there."""
        done = Deferred.fromCoroutine(self.attach())
        done.addCallbacks(lambda _: self.online(), lambda failure: failure.trap(Unavailable))

    def online(self) -> None:
        """The link is there again, and in its rooms."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def offline(self) -> None:
        """The link is lost."""
        self.ready = self.backup.online = False
        self._letters.stop()
        self._settled = True
        self._release()
        self._settled = False
        self._hush()

    def close(self) -> None:
        """The link has ended: let go of the file with the keys."""
        self._closed = True
        self.offline()
        self.backup.stop()
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.errback(Unavailable("The link to the server has ended."))
        if self._opened:
            self._opened = False
            self._ring.vault.close()

    async def _until_ready(self) -> None:
        while not (self.ready and self._link.online):
            if self._is_refused:
                raise NoDevice(f"That was not sent. {self.lack}")
            await self._wait()

    async def _wait(self) -> None:
        """Wait until the link is there, again or with an account."""
        if self._closed:
            raise Unavailable("The link to the server has ended.")
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        await waiter

    async def _submit(self, command: c.Command) -> r.Reply:
        done: Deferred[r.Reply] = Deferred()
        self._link.submit(command, done)
        return await done

    # -- what is said here -------------------------------------------------------------------

    def takes(self, pending: Pending) -> bool:
        """Return whether ``pending`` is to be encrypted; then it is answered when it was sent.

        Raises:
            Encrypted: it has to be, and cannot.
        """
        match pending.command:
            case c.Say(room, body, action) if self.is_encrypted(self._key_of(room)):
                _check_length(body)
                self._check_room(self._key_of(room), room)
                fields = {"body": body, **({"action": True} if action else {})}
                work: Coroutine[Any, Any, r.Done | None]
                work = self.say(self._key_of(room), "say", fields)
            case c.Say(room) if self._expects_keys and self._view(self._key_of(room)) is None:
                work = self._say_later(pending, room)
            case c.Whisper(who) if self._shut and not self._opened:
                raise NoDevice(
                    f"That was not sent: {who} may have keys, and yours cannot be used. {self.lack}"
                )
            case c.Whisper() if self._expects_keys:
                work = self._whisper(pending)
            case _:
                return False
        pending.held = True
        self._saying += 1
        done = Deferred.fromCoroutine(work)
        done.addCallbacks(
            self._said, self._not_said, callbackArgs=(pending,), errbackArgs=(pending,)
        )
        done.addBoth(self._say_next)
        return True

    def _check_room(self, key: str, room: str) -> None:
        if not self._opened:
            raise Encrypted(
                f"{room} is encrypted, so that was not sent."
                f" {self.lack or 'Keys belong to an account: /login NAME PASSWORD'}"
            )
        view = self._view(key)
        if view is not None and not view.encrypted:
            raise Encrypted(spell(Downgraded(room)))

    def _say_next(self, _: object) -> None:
        self._saying -= 1
        if not self._saying:
            self._hush()

    def _said(self, done: r.Done | None, pending: Pending) -> None:
        if done is not None:
            self._link.dialogue.settle(r.Done(pending.cid, done.room, done.seq), pending.cid)

    def _not_said(self, failure: Failure, pending: Pending) -> None:
        error = failure.value
        if not isinstance(error, Refused | Shut):
            self._log.failure("what was to be encrypted broke", failure)
        refusal = error if isinstance(error, Refused) else Unavailable(str(error))
        if not self._closed:
            self._link.dialogue.settle(r.Sorry(refusal), pending.cid)

    async def _say_later(self, pending: Pending, room: str) -> r.Done | None:
        """Say what ``pending`` says in ``room`` once it is known whether that is encrypted."""
        key, command = self._key_of(room), pending.command
        assert isinstance(command, c.Say)
        while self._view(key) is None:
            if not self._link.online:
                await self._wait()
                continue
            try:
                await self._link.ask(c.Ping())  # what was asked before is answered before
            except Unavailable:
                continue
            if self._view(key) is None:
                raise NotAMember(f"You are not in {room} here. /join it first.")
        if self.is_encrypted(key):
            self._check_room(key, room)
            fields = {"body": command.body, **({"action": True} if command.action else {})}
            return await self.say(key, "say", fields)
        pending.held = False
        self._link.send(pending)
        return None

    def _key_of(self, room: str) -> str:
        return self._link.dialogue.places.key_of(room)

    def _called(self, key: str) -> str:
        """Return what the room ``key`` is called, as far as is known."""
        place = self._link.dialogue.places.rooms.get(key)
        return place.name if place is not None else key

    def _is_sealed(self, key: str) -> bool:
        """Return whether the server says that the room is encrypted."""
        view = self._view(key)
        return view is not None and view.encrypted

    def _view(self, key: str) -> RoomView | None:
        place = self._link.dialogue.places.rooms.get(key)
        return place.view if place is not None else None

    async def _whisper(self, pending: Pending) -> r.Done | None:
        """Tell what ``pending`` says, encrypted if the other side has keys; else send it plain."""
        command = pending.command
        assert isinstance(command, c.Whisper)
        _check_length(command.body)
        account = fold(command.who)
        if not await self._has_keys(command.who):
            pending.held = False
            self._link.send(pending)
            return None
        done = None
        for _ in range(command.times):
            done = await self._sealer.say(
                self._pair(command.who, account), "say", {"body": command.body}
            )
        return done

    async def _has_keys(self, who: str) -> bool:
        """Return whether there are devices of ``who``, another one, for which to encrypt.

        Raises:
            NoDevice: there were, and the server says that there are none any more.
        """
        account = fold(who)
        while True:
            try:
                await self._until_ready()
            except NoDevice:
                if self._shut or (self._opened and self._ring.people.had(account)):
                    raise
                return False
            try:
                await self._ring.look_up(who, account)
            except Unavailable:
                continue
            except Refused:
                pass  # a guest, or nobody: the server says so
            break
        if account == self._ring.own.address.account or not self._ring.people.had(account):
            return False
        if not any(True for _ in self._ring.people.here(account)):
            raise NoDevice(
                f"{who} had keys, and the server says there are none now. It was not sent, for the"
                f" server could read it."
            )
        return True

    def _room(self, key: str) -> Talk:
        def readers() -> dict[str, str]:
            view = self._view(key)
            return view.readers if view is not None else {}

        def epoch() -> int:
            view = self._view(key)
            return view.epoch if view is not None else 0

        return Talk(key, readers, epoch, lambda id, at, body: c.Seal(key, id, at, body))

    def _pair(self, who: str, account: str) -> Talk:
        me = self._ring.own.address.account
        readers = {me: self._link.dialogue.name, account: who}
        return Talk(
            talk_of(me, account),
            lambda: readers,
            lambda: None,
            lambda id, at, body: c.SealWhisper(who, id, at, body),
        )

    # -- what is heard -----------------------------------------------------------------------

    def entered(self, reply: r.Entered, asked: str) -> None:
        """One is in a room, for the first time or again, and ``asked`` for it by that name."""
        if self._opened:
            self._judge(reply.room, reply.name, reply.seq, reply.state.encrypted, asked)

    def _judge(self, key: str, name: str, seq: int, encrypted: bool, asked: str = "") -> None:
        """The server says whether the room ``key`` is encrypted: remember it, or shout."""
        rooms = self._ring.rooms
        if encrypted:
            if rooms.encrypted(key, name, seq):
                self.tell(Replaced(name))
        elif rooms.plain(key, name, asked or name):
            self.tell(Downgraded(asked or name))

    def hears(self, entry: e.Entry, manner: Manner) -> None:
        """Show ``entry`` to the ear: now, or when what may open it was looked at."""
        if self._opened and entry.room == self._letters.log:
            self._letters.put(entry)
        elif self._letters.is_busy or self._is_coming():
            self._held.append((entry, manner))
        else:
            self._show(entry, manner)

    def _is_coming(self) -> bool:
        """Return whether this connection will be a device soon."""
        dialogue = self._link.dialogue
        return not self._settled and (dialogue.arriving and bool(dialogue.identity.password))

    def read(self, entry: e.Entry) -> e.Entry:
        """Return ``entry``, out of the history, as it can be read."""
        return self._read(entry, False)

    def _show(self, entry: e.Entry, manner: Manner) -> None:
        if manner in _FRESH:
            self._note(entry)
        added = isinstance(entry.event, e.DeviceAdded) and entry.event.device
        if self._opened and added == self._ring.own.id:
            self._ring.vault.put("came", "", entry.seq)
            return  # of which one is told when it is new
        shown = self._read(entry, manner in _FRESH)
        if self._opened and isinstance(entry.event, e.Shared) and entry.event.sealed:
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
                if self._opened:
                    self._judge(entry.room, self._called(entry.room), entry.seq, True)
            case e.RoomRenamed(_, _, new):
                if self._opened:
                    self._judge(entry.room, new, entry.seq, self._is_sealed(entry.room))
            case e.RoomDeleted() | e.RoomDiscarded():
                self._sealer.rotate(entry.room)
            case e.Left(who) | e.Kicked(who) | e.Banned(who):
                self._sealer.rotate(entry.room)
                gone = not (isinstance(event, e.Left) and event.dropped)
                if self._opened and gone and fold(who) == self._ring.own.address.account:
                    self._ring.rooms.left(entry.room)
            case e.Rekeyed(who):
                self._sealer.rotate(entry.room)
                self._ring.epochs.pop(fold(who), None)
            case e.Joined(who) | e.Renamed(_, who):
                self._ring.epochs.pop(fold(who), None)
            case e.DeviceAdded() | e.DeviceRemoved() if self._opened:
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
                if self._opened:
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
        if not self._opened:
            return entry
        place = Place(entry.room, entry.seq, talk, fold(by), device, session)
        try:
            opened = self._ring.sessions.open(place, body, live)
            said = self._event(event, opened)
        except Shut as error:
            self.tell(Trouble(str(error)))
            return entry
        except Unreadable as error:
            self._mark(entry, self._cause(entry, error.cause))
            return entry
        if opened.missing:
            self.tell(Withheld(entry.room, by, entry.seq, opened.missing))
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
        own = self._opened and self._ring.own.address.account
        return self._opened and account != own and self._ring.people.had(account)

    def _must_be_sealed(self, entry: e.Entry) -> bool:
        if not self._opened:
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
                    self.backup.add(peer.address, session)
                    self._held.extendleft(reversed(self._late.pop(session, [])))
            case "verify":
                self.verifier.hear(peer, fields)
            case _:
                pass

    def _caught_up(self) -> None:
        """All letters that came are open."""
        self._release()

    def _release(self) -> None:
        while self._held and not (self._letters.is_busy or self._is_coming()):
            self._show(*self._held.popleft())

    def _notice(self, news: News) -> None:
        self._link.dialogue.ear.notice(spell(news))


def _check_length(body: str) -> None:
    """See that ``body`` can be encrypted, and the server takes it then, whatever is in it.

    Raises:
        TooLong: it is too long.
    """
    if len(body.encode(errors="replace")) > LONGEST:
        raise TooLong(f"An encrypted message has at most {LONGEST:,} bytes. It was not sent.")
