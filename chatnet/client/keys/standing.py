"""Whether this connection is a device that has keys, and what the server says of its rooms."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twisted.internet.defer import Deferred

from chatnet.client.keys.olm import NoOlm
from chatnet.client.keys.vault import Shut
from chatnet.client.state import RoomView
from chatnet.core.refusals import NoDevice, Unavailable

if TYPE_CHECKING:
    from chatnet.client.link import Link


class Standing:
    """How one stands: with keys or without, for now or until one logs in to an account."""

    def __init__(self, link: Link) -> None:
        self.ready = False  # this connection is a device
        self.opened = False  # the keys are
        self.settled = False  # whether this connection is a device, or cannot be one
        self.shut = False  # there are keys, which cannot be opened
        self.lack = ""  # why there are no keys, in a sentence
        self.closed = False
        self._link = link
        self._waiters: list[Deferred[None]] = []

    # -- keys ------------------------------------------------------------------------------

    @property
    def is_refused(self) -> bool:
        """Whether this connection cannot be a device."""
        return self.settled and not self.ready and bool(self.lack)

    @property
    def expects_keys(self) -> bool:
        """Whether there are keys, or it is not known yet whether there will be."""
        return self.opened or not (self.settled or not self._link.dialogue.identity.password)

    @property
    def is_coming(self) -> bool:
        """Whether this connection will be a device soon."""
        dialogue = self._link.dialogue
        return not self.settled and (dialogue.arriving and bool(dialogue.identity.password))

    def check_server(self) -> None:
        """See that the server knows of keys.

        Raises:
            NoDevice: it does not.
        """
        hello = self._link.dialogue.hello
        if hello is not None and "keys" not in hello.features:
            raise NoDevice("This server knows nothing of keys, so nothing can be encrypted on it.")

    def is_device(self) -> None:
        """This connection is one."""
        self.ready = self.settled = True
        self.lack = ""

    def is_none(self, error: Exception) -> bool:
        """This connection is no device, for ``error``. Return whether that is news by itself."""
        self.ready, self.settled = False, True
        self.lack, self.shut = str(error), isinstance(error, Shut)
        return not isinstance(error, NoOlm | NoDevice)  # else when it matters

    # -- waiting for the link ----------------------------------------------------------------

    def online(self) -> None:
        """The link is there again, and in its rooms."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.callback(None)

    def close(self) -> None:
        """The link has ended."""
        waiters, self._waiters = self._waiters, []
        for waiter in waiters:
            waiter.errback(Unavailable("The link to the server has ended."))

    async def until_ready(self) -> None:
        """Wait until this connection is a device, and in its rooms.

        Raises:
            NoDevice: it cannot be one.
            Unavailable: the link has ended.
        """
        while not (self.ready and self._link.online):
            if self.is_refused:
                raise NoDevice(f"That was not sent. {self.lack}")
            await self.wait()

    async def wait(self) -> None:
        """Wait until the link is there, again or with an account.

        Raises:
            Unavailable: it has ended.
        """
        if self.closed:
            raise Unavailable("The link to the server has ended.")
        waiter: Deferred[None] = Deferred()
        self._waiters.append(waiter)
        await waiter

    # -- rooms -----------------------------------------------------------------------------

    def key_of(self, room: str) -> str:
        """Return the key of the room called ``room``.

        Raises:
            BadName: none can be called that.
        """
        return self._link.dialogue.places.key_of(room)

    def called(self, key: str) -> str:
        """Return what the room ``key`` is called, as far as is known."""
        place = self._link.dialogue.places.rooms.get(key)
        return place.name if place is not None else key

    def view(self, key: str) -> RoomView | None:
        """Return how it is in the room ``key``; None if one is not in it."""
        place = self._link.dialogue.places.rooms.get(key)
        return place.view if place is not None else None

    def is_sealed(self, key: str) -> bool:
        """Return whether the server says that the room ``key`` is encrypted."""
        view = self.view(key)
        return view is not None and view.encrypted
