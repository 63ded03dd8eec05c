"""The letters to this device: opened in order, remembered, and only then collected."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater
from twisted.logger import Logger
from twisted.python.failure import Failure

from chatnet.client.keys.device import Illegible, Peer
from chatnet.client.keys.formats import (
    Misshapen,
    check_fields,
    receiver_fields,
    sender_fields,
    text_in,
    unpack,
)
from chatnet.client.keys.news import Trouble
from chatnet.client.keys.ring import Ring
from chatnet.client.keys.vault import Shut
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold
from chatnet.core.refusals import Refused, Unavailable

AGAIN_SECONDS = 5.0  # until the server is asked again, when it could not say
ANEW_SECONDS = 3600.0  # between two sessions that are begun because letters cannot be opened

Handle = Callable[[Peer, str, dict[str, Any]], None]


class Letters:
    """Opens one letter after the other; whose sender is not known is asked for meanwhile."""

    _log = Logger()

    def __init__(self, ring: Ring, handle: Handle, caught_up: Callable[[], None]) -> None:
        """Give what is in each to ``handle``, and call ``caught_up`` when none is left."""
        self.log = ""  # where they stand; empty: this connection is no device
        self._ring = ring
        self._handle = handle
        self._tell = caught_up
        self._queue: deque[e.Entry] = deque()
        self._working: Deferred[None] | None = None
        self._upto = 0  # what waited when it began,
        self._waiter: Deferred[None] | None = None  # and who waits for it
        self._anew: dict[Peer, float] = {}

    @property
    def place(self) -> int:
        """The seq up to which they are safe here."""
        return int(self._ring.vault.get("letters") or 0)

    @property
    def is_busy(self) -> bool:
        """Whether one is being opened."""
        return self._working is not None

    async def begin(self, attached: r.Attached) -> None:
        """Expect the letters that ``attached`` announces, and return when those are open."""
        self.log, self._upto = attached.log, attached.upto
        if self.place > attached.upto:  # the server lost part of its data
            self._ring.vault.put("letters", "", attached.upto)
        if self.place < attached.upto:
            self._waiter = Deferred()
            await self._waiter

    def put(self, entry: e.Entry) -> None:
        """``entry`` stands in the log of this device."""
        if entry.seq <= self.place:
            return
        self._queue.append(entry)
        if self._working is None:
            self._working = Deferred()
            Deferred.fromCoroutine(self._work()).addErrback(self._broke)

    def stop(self) -> None:
        """The link is lost: what waits comes again."""
        self._queue.clear()
        self.log, self._working = "", None
        waiter, self._waiter = self._waiter, None
        if waiter is not None and not waiter.called:
            waiter.errback(Unavailable("The link is lost."))

    def _broke(self, bug: Failure) -> None:
        self._log.failure("letters broke", bug)
        self.stop()

    async def _work(self) -> None:
        working, collect = self._working, 0
        while self._queue and self._working is working:
            entry = self._queue[0]
            try:
                await self._open(entry)
            except Unavailable:
                if self._working is working:  # the server cannot say now
                    await deferLater(self._ring.clock, AGAIN_SECONDS)
                if self._working is working:
                    continue
                return  # the link is lost, and will be back
            except Shut as error:
                self._ring.tell(Trouble(str(error)))
            except Exception:  # one letter is no reason to read no others
                self._log.failure("a letter broke")
            if self._working is not working:
                return
            self._queue.popleft()
            collect = entry.seq if isinstance(entry.event, e.Letter) else collect
        self._working = None
        if collect:
            self._ring.line.ask(c.Collected(collect)).addErrback(lambda f: f.trap(Refused))
        self._tell()
        if self._waiter is not None and self.place >= self._upto:
            waiter, self._waiter = self._waiter, None
            waiter.callback(None)

    async def _open(self, entry: e.Entry) -> None:
        event = entry.event
        if not isinstance(event, e.Letter):
            with self._ring.vault.saving(later=True):
                self._ring.vault.put("letters", "", entry.seq)
            return
        account = fold(event.by)
        peer = self._ring.people.find(account, event.device)
        if peer is None:
            self._ring.epochs.pop(account, None)
            try:
                await self._ring.look_up(event.by, account)
            except Unavailable:
                raise
            except Refused as refusal:
                self._log.debug("a letter of nobody's: {why}", why=str(refusal))
            peer = self._ring.people.find(account, event.device)
        with self._ring.vault.saving():
            if peer is not None:
                self._read(peer, event.body)
            self._ring.vault.put("letters", "", entry.seq)

    def _read(self, peer: Peer, body: str) -> None:
        try:
            plain = self._ring.own.open(peer, body)
        except Illegible as why:
            self._log.debug("a letter cannot be opened: {why}", why=str(why))
            self._begin_anew(peer)
            return
        try:
            fields = unpack(plain)
            wanted = {
                **sender_fields(peer.address), **receiver_fields(self._ring.own.address)
            }  # fmt: skip
            check_fields(fields, wanted, "the letter")
            self._handle(peer, text_in(fields, "type"), fields)
        except Misshapen as error:
            self._log.info("a letter is not what it should be: {why}", why=str(error))

    def _begin_anew(self, peer: Peer) -> None:
        """Let the other side have another session, in which it can be understood."""
        now = self._ring.clock.seconds()
        if now - self._anew.get(peer, -ANEW_SECONDS) < ANEW_SECONDS:
            return
        self._anew[peer] = now
        done = Deferred.fromCoroutine(self._dummy(peer))
        done.addErrback(lambda failure: failure.trap(Refused))

    async def _dummy(self, peer: Peer) -> None:
        await self._ring.meet_anew(peer)
        await self._ring.write(peer, "dummy")
