"""What is said through a link: encrypted where it has to be, and else as it is, or not at all."""

from __future__ import annotations

from collections.abc import Coroutine
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.client.dialogue import Gone
from chatnet.client.keys.files import Secret
from chatnet.client.keys.formats import talk_of
from chatnet.client.keys.news import Downgraded, spell
from chatnet.client.keys.ring import Ring
from chatnet.client.keys.sealing import Sealer, Talk
from chatnet.client.keys.standing import Standing
from chatnet.client.keys.vault import Shut
from chatnet.client.outbox import Pending
from chatnet.core import commands as c, replies as r
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


class Speaking:
    """Takes what is said, and sees for whom it is encrypted."""

    _log = Logger()

    def __init__(self, link: Link, ring: Ring, standing: Standing, sealer: Sealer) -> None:
        self._link = link
        self._ring = ring
        self._standing = standing
        self._sealer = sealer
        self._saying = 0  # messages that are being encrypted
        self._quiet: list[Deferred[None]] = []  # who waits for them

    def is_encrypted(self, room: str) -> bool:
        """Return whether what is said in ``room``, a key, is encrypted, or must be."""
        known = self._standing.opened and self._ring.rooms.knows(room, self._standing.called(room))
        return known or self._standing.is_sealed(room)

    def is_denied(self, room: str) -> bool:
        """Return whether the server says that ``room``, a key, is not encrypted, though it was."""
        view = self._standing.view(room)
        return view is not None and not view.encrypted and self.is_encrypted(room)

    async def seals(self, to: str) -> bool:
        """Return whether a file for ``to``, a room or ``@`` and a person, is encrypted.

        Raises:
            Refused: it has to be, and cannot.
        """
        if not to.startswith("@"):
            encrypted = self.is_encrypted(self._standing.key_of(to))
            if encrypted:
                self._check_room(self._standing.key_of(to), to)
            return encrypted
        return self._standing.opened and await self._has_keys(to[1:])

    async def tell_secret(self, to: str, id: str, secret: Secret) -> int:
        """Tell those in ``to`` what opens the file ``id``, and return the seq of that.

        Raises:
            Refused: as for ``say``.
        """
        fields = {"file": id, **asdict(secret)}
        if to.startswith("@"):
            talk = self._pair(to[1:], fold(to[1:]))
            return (await self._sealer.say(talk, "file", fields)).seq
        return (await self.say(self._standing.key_of(to), "file", fields)).seq

    async def say(self, room: str, kind: str, fields: dict[str, Any]) -> r.Done:
        """Say something of the kind ``kind`` in the encrypted ``room``, a key.

        Raises:
            Refused: the server does not take it, or it cannot be encrypted.
        """
        return await self._sealer.say(self._room(room), kind, fields)

    async def said_all(self) -> None:
        """Wait until nothing is being encrypted, or the link is lost."""
        if self._saying and self._standing.ready:
            quiet: Deferred[None] = Deferred()
            self._quiet.append(quiet)
            await quiet

    def hush(self) -> None:
        """The link is lost: nothing is being encrypted any more."""
        quiet, self._quiet = self._quiet, []
        for one in quiet:
            one.callback(None)

    # -- what the link is asked for ------------------------------------------------------------

    def takes(self, pending: Pending) -> bool:
        """Return whether ``pending`` is to be encrypted; then it is answered when it was sent.

        Raises:
            Encrypted: it has to be, and cannot.
        """
        match pending.command:
            case c.Say(room, body, action) if self.is_encrypted(self._standing.key_of(room)):
                _check_length(body)
                self._check_room(self._standing.key_of(room), room)
                fields = {"body": body, **({"action": True} if action else {})}
                work: Coroutine[Any, Any, r.Done | None]
                work = self.say(self._standing.key_of(room), "say", fields)
            case c.Say(room) if (
                self._standing.expects_keys
                and self._standing.view(self._standing.key_of(room)) is None
            ):
                work = self._say_later(pending, room)
            case c.Whisper(who) if self._standing.shut and not self._standing.opened:
                raise NoDevice(
                    f"That was not sent: {who} may have keys, and yours cannot be used."
                    f" {self._standing.lack}"
                )
            case c.Whisper() if self._standing.expects_keys:
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
        if not self._standing.opened:
            raise Encrypted(
                f"{room} is encrypted, so that was not sent."
                f" {self._standing.lack or 'Keys belong to an account: /login NAME PASSWORD'}"
            )
        view = self._standing.view(key)
        if view is not None and not view.encrypted:
            raise Encrypted(spell(Downgraded(room)))

    def _say_next(self, _: object) -> None:
        self._saying -= 1
        if not self._saying:
            self.hush()

    def _said(self, done: r.Done | None, pending: Pending) -> None:
        if done is not None:
            self._link.dialogue.settle(r.Done(pending.cid, done.room, done.seq), pending.cid)

    def _not_said(self, failure: Failure, pending: Pending) -> None:
        error = failure.value
        if not isinstance(error, Refused | Shut):
            self._log.failure("what was to be encrypted broke", failure)
        refusal = error if isinstance(error, Refused) else Unavailable(str(error))
        if not self._standing.closed:
            self._link.dialogue.settle(r.Sorry(refusal), pending.cid)

    async def _say_later(self, pending: Pending, room: str) -> r.Done | None:
        """Say what ``pending`` says in ``room`` once it is known whether that is encrypted."""
        key, command = self._standing.key_of(room), pending.command
        assert isinstance(command, c.Say)
        while self._standing.view(key) is None:
            if not self._link.online:
                await self._standing.wait()
                continue
            try:
                await self._link.ask(c.Ping())  # what was asked before is answered before
            except Gone:
                continue
            if self._standing.view(key) is None:
                raise NotAMember(f"You are not in {room} here. /join it first.")
        if self.is_encrypted(key):
            self._check_room(key, room)
            fields = {"body": command.body, **({"action": True} if command.action else {})}
            return await self.say(key, "say", fields)
        pending.held = False
        self._link.send(pending)
        return None

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
            Unavailable: the server cannot say now.
        """
        account = fold(who)
        while True:
            try:
                await self._standing.until_ready()
            except NoDevice:
                if self._standing.shut or (
                    self._standing.opened and self._ring.people.had(account)
                ):
                    raise
                return False
            try:
                await self._ring.look_up(who, account)
            except Gone:
                continue
            except Unavailable:
                raise  # it cannot say now
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
            view = self._standing.view(key)
            return view.readers if view is not None else {}

        def epoch() -> int:
            view = self._standing.view(key)
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


def _check_length(body: str) -> None:
    """See that ``body`` can be encrypted, and the server takes it then, whatever is in it.

    Raises:
        TooLong: it is too long.
    """
    if len(body.encode(errors="replace")) > LONGEST:
        raise TooLong(f"An encrypted message has at most {LONGEST:,} bytes. It was not sent.")
