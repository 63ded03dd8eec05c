"""The keys of one link: what is said through it is encrypted where it has to be, and read again.

A ``Keys`` stands between a link and its ear. What can be read reaches the ear as if it had never
been encrypted; of what cannot, ``why`` says the cause. Faces read ``lock_of`` for a mark, ask
``is_encrypted`` of rooms, and set ``tell`` to hear ``News`` other than as notices.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.python.failure import Failure

from chatnet.client.keys.backup import Backup
from chatnet.client.keys.causes import Cause, Lock
from chatnet.client.keys.files import Secret
from chatnet.client.keys.hearing import Hearing
from chatnet.client.keys.letters import AGAIN_SECONDS
from chatnet.client.keys.news import Made, News, Trouble, spell
from chatnet.client.keys.people import Trust
from chatnet.client.keys.ring import Entropy, OpenVault, Ring
from chatnet.client.keys.sealing import Sealer
from chatnet.client.keys.sharing import secret_of
from chatnet.client.keys.speaking import Speaking
from chatnet.client.keys.standing import Standing
from chatnet.client.keys.vault import Shut
from chatnet.client.keys.verifying import Verifier
from chatnet.client.outbox import Pending
from chatnet.client.places import Manner
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold
from chatnet.core.refusals import NoDevice, Refused, Unavailable

if TYPE_CHECKING:
    from chatnet.client.link import Link


class Keys:
    """Encrypts and reads for one link, once that is logged in to an account."""

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
        self._link = link
        self._open_vault = open_vault
        self._label = label
        self._standing = standing = Standing(link)
        self._ring = ring = Ring(link, clock, entropy, lambda news: self.tell(news))
        self.verifier = Verifier(ring)
        self.backup = Backup(ring)
        self._sealer = sealer = Sealer(ring, self._submit, standing.until_ready)
        self._speaking = Speaking(link, ring, standing, sealer)
        self._hearing = Hearing(
            link, ring, standing, sealer, self.verifier, self.backup, lambda news: self.tell(news)
        )
        ring.on_change = sealer.rotate_from
        ring.on_session = self.backup.add
        link.keys = link.dialogue.sealing = self

    # -- for faces -----------------------------------------------------------------------

    @property
    def ready(self) -> bool:
        """Whether this connection is a device."""
        return self._standing.ready

    @property
    def lack(self) -> str:
        """Why there are no keys, in a sentence."""
        return self._standing.lack

    def is_encrypted(self, room: str) -> bool:
        """Return whether what is said in ``room``, a key, is encrypted, or must be."""
        return self._speaking.is_encrypted(room)

    def is_denied(self, room: str) -> bool:
        """Return whether the server says that ``room``, a key, is not encrypted, though it was."""
        return self._speaking.is_denied(room)

    def lock_of(self, entry: e.Entry) -> Lock:
        """Return how sure one can be of ``entry``, which was shown."""
        return self._hearing.lock_of(entry)

    def why(self, entry: e.Entry) -> Cause | None:
        """Return why ``entry`` cannot be read; None if it can, or is nothing encrypted."""
        return self._hearing.why(entry)

    @property
    def ring(self) -> Ring:
        """This device, and all it knows of others.

        Raises:
            NoDevice: there are no keys yet.
        """
        if not self._standing.opened or self._standing.is_refused:
            raise NoDevice(
                self._standing.lack
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
        self.ring.rooms.forget(room, self._standing.called(room))

    def secret_of(self, id: str) -> Secret | None:
        """Return what opens the file ``id``; None if it is not encrypted, or not for one."""
        return secret_of(self._ring.vault, id) if self._standing.opened else None

    async def seals(self, to: str) -> bool:
        """Return whether a file for ``to``, a room or ``@`` and a person, is encrypted.

        Raises:
            Refused: it has to be, and cannot.
        """
        return await self._speaking.seals(to)

    async def tell_secret(self, to: str, id: str, secret: Secret) -> int:
        """Tell those in ``to`` what opens the file ``id``, and return the seq of that.

        Raises:
            Refused: as for ``say``.
        """
        return await self._speaking.tell_secret(to, id, secret)

    async def say(self, room: str, kind: str, fields: dict[str, Any]) -> r.Done:
        """Say something of the kind ``kind`` in the encrypted ``room``, a key.

        Raises:
            Refused: the server does not take it, or it cannot be encrypted.
        """
        return await self._speaking.say(room, kind, fields)

    async def said_all(self) -> None:
        """Wait until nothing is being encrypted, or the link is lost."""
        await self._speaking.said_all()

    # -- for the link ----------------------------------------------------------------------

    async def attach(self) -> None:
        """Be a device on this new connection, and read what came for it; before rooms are entered.

        Raises:
            Unavailable: the link is lost, or the server cannot do that now.
        """
        account, self._standing.closed = fold(self._link.dialogue.name), False
        try:
            await self._begin(account)
        except Unavailable:
            raise
        except (Refused, Shut) as error:
            if self._standing.is_none(error) or self._knows_keys:
                self.tell(Trouble(self.lack))
            self._hearing.release()
            return
        own = self._ring.own
        if own.is_new:
            own.is_new = False
            self.tell(Made(own.id))

    async def _begin(self, account: str) -> None:
        standing, hearing = self._standing, self._hearing
        if not standing.opened:
            self._ring.open(await self._open_vault(account), account)
            standing.opened, standing.shut = True, False
        standing.check_server()
        own = self._ring.own
        self._ring.epochs.clear()
        self._sealer.rotate()
        reply = await self._link.ask(own.be(self._label, hearing.letters.place))
        assert isinstance(reply, r.Attached)
        self._ring.names[account] = self._link.dialogue.name
        await hearing.letters.begin(reply)
        standing.is_device()
        self.backup.online = True
        for key, place in self._link.dialogue.places.rooms.items():
            if place.view is not None:  # one came here before one had keys
                hearing.judge(key, place.name, place.last or 0, place.view.encrypted)
        hearing.release()
        keys = own.more_keys(reply.keys, reply.fallback)
        if keys is not None:
            await self._link.ask(keys)

    @property
    def _knows_keys(self) -> bool:
        """Whether something was encrypted on this server before."""
        opened = self._standing.opened
        return opened and (bool(self._ring.rooms) or bool(self._ring.vault.all("people")))

    def named(self) -> None:
        """One is logged in to an account, while the link is there."""
        done = Deferred.fromCoroutine(self.attach())
        done.addCallbacks(lambda _: self.online(), self._not_attached)

    def _not_attached(self, failure: Failure) -> None:
        failure.trap(Unavailable)
        if self._link.online:  # the server cannot do that now
            self._ring.clock.callLater(AGAIN_SECONDS, self._attach_again)

    def _attach_again(self) -> None:
        if self._standing.ready:
            self.online()
        elif self._link.online and not self._standing.settled:
            self.named()

    def online(self) -> None:
        """The link is there again, and in its rooms."""
        self._standing.online()

    def offline(self) -> None:
        """The link is lost."""
        standing = self._standing
        standing.ready = self.backup.online = False
        self._hearing.letters.stop()
        standing.settled = True
        self._hearing.release()
        standing.settled = False
        self._speaking.hush()

    def close(self) -> None:
        """The link has ended: let go of the file with the keys."""
        self._standing.closed = True
        self.offline()
        self.backup.stop()
        self._standing.close()
        if self._standing.opened:
            self._standing.opened = False
            self._ring.vault.close()

    def takes(self, pending: Pending) -> bool:
        """Return whether ``pending`` is to be encrypted; then it is answered when it was sent.

        Raises:
            Encrypted: it has to be, and cannot.
        """
        return self._speaking.takes(pending)

    def entered(self, reply: r.Entered, asked: str) -> None:
        """One is in a room, for the first time or again, and ``asked`` for it by that name."""
        self._hearing.entered(reply, asked)

    def hears(self, entry: e.Entry, manner: Manner) -> None:
        """Show ``entry`` to the ear: now, or when what may open it was looked at."""
        self._hearing.hears(entry, manner)

    def read(self, entry: e.Entry) -> e.Entry:
        """Return ``entry``, out of the history, as it can be read."""
        return self._hearing.read(entry)

    async def _submit(self, command: c.Command) -> r.Reply:
        done: Deferred[r.Reply] = Deferred()
        self._link.submit(command, done)
        return await done

    def _notice(self, news: News) -> None:
        self._link.dialogue.ear.notice(spell(news))
