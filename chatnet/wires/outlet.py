"""The sending half of a wire, and its gate: what lines and WebSocket messages have in common."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from twisted.internet.interfaces import (
    IConsumer,
    IDelayedCall,
    IPushProducer,
    IReactorTime,
    ISSLTransport,
    ITransport,
)
from twisted.internet.tcp import Connection
from twisted.protocols.tls import TLSMemoryBIOProtocol

from chatnet.interfaces import ISession
from chatnet.wires.budget import PACE_BYTES, Budget
from chatnet.wires.gate import Gate
from chatnet.wires.gone import GONE
from chatnet.wires.records import below, sending
from chatnet.wires.spool import Source, Spool

SHORT = 4096  # bytes of a unit, until the session allows more
SHARE = 64 * 1024  # bytes of a unit that count for nothing, however many connections there are
STEP = 1024 * 1024  # bytes of the budget that are asked for at once
_WORKING = ("slow", "busy")  # why a session holds its wire while it works on a unit
CLOSE_SECONDS = 5.0  # from the wish to close until the connection is cut


class Outlet:
    """Writes what a session says, and stops reading when the session wants it to."""

    session: ISession
    transport: ITransport | None
    _plain: Connection | None = None  # the TCP connection, if all goes straight through it
    _direct: Callable[[bytes], int] | None = None  # sends through it, while nothing is in parts
    _spool: Spool | None = None  # from when the session can speak until the connection is gone
    _cutting: IDelayedCall | None = None

    def __init__(
        self,
        clock: IReactorTime,
        longest: int,
        shut: Callable[[], None],
        open_: Callable[[], None],
        budget: Budget | None = None,
    ) -> None:
        self._clock = clock
        self._longest = longest
        self._budget = budget
        self._length = 0  # of the unit that is coming
        self._claim = 0  # bytes of the budget that are taken for it, or asked for
        self._with_session = False  # that unit is complete, and is being worked on
        self._seen = -1  # its length when it was asked last whether it makes headway
        self._gate = Gate(shut, open_)
        self.hold = self._gate.hold

    def release(self, reason: str) -> None:
        """Drop one reason to hold."""
        if self._with_session and reason in _WORKING:
            self._gate.hold("moment")
            self._gate.release(reason)
            self._ease()
            reason = "moment"
        self._gate.release(reason)

    def url(self, secure: bool) -> str:
        """Return where it leads to, as a browser writes it; ``secure``: over TLS in any case."""
        if self.transport is None or self.transport is GONE:
            return ""
        here: Any = self.transport.getHost()
        host, port = getattr(here, "host", "localhost"), getattr(here, "port", None)
        scheme = "https" if secure or ISSLTransport.providedBy(self.transport) else "http"
        shown = f"[{host}]" if ":" in host else host
        return f"{scheme}://{shown}:{port}" if port else f"{scheme}://{shown}"

    def allow(self, longest: int) -> None:
        """Take units of up to ``longest`` bytes from now on; 0: of any length."""
        self._longest = longest

    def write(self, data: bytes) -> None:
        """Send ``data``: at once if nothing waits before it, without asking the reactor twice."""
        # What a delivery costs here, besides the system call: see docs/performance.md.
        direct, plain = self._direct, self._plain
        if direct is None or plain is None or plain._tempDataBuffer or plain.dataBuffer:
            self._write_behind(data)
            return
        try:
            sent = direct(data)
        except OSError:  # full, or broken: the reactor finds out which
            sent = 0
        if sent < len(data):
            self.session.queued()
            plain.write(data[sent:])

    @property
    def direct(self) -> Callable[[bytes], int] | None:
        """What sends at once, as a socket does, until the session hears that something waits.

        None if something does now, or nothing can be sent.
        """
        plain, spool = self._plain, self._spool
        if spool is None or spool.queue:
            return None
        if plain is None:
            return self._take
        if plain._tempDataBuffer or plain.dataBuffer:
            return None
        if self._direct is None:
            self._direct = self._way(plain)
        return self._direct

    def _take(self, data: bytes) -> int:
        self._pass(data)
        return len(data)

    def _write_behind(self, data: bytes) -> None:
        """Send ``data`` after what waits before it, or as the transport does by itself."""
        plain, spool = self._plain, self._spool
        if spool is not None and spool.queue:
            spool.add(data)
        elif self._direct is None and plain is not None and spool is not None:
            self._direct = self._way(plain)  # all that went out in parts is out
            self.write(data)
        else:
            self._pass(data)

    def _way(self, plain: Connection) -> Callable[[bytes], int]:
        transport: object = self.transport
        if isinstance(transport, TLSMemoryBIOProtocol):
            return sending(transport, plain)
        send: Callable[[bytes], int] = plain.socket.send
        return send

    def unroll(self, source: Source) -> None:
        """Send what ``source`` has, in parts, before anything that is written later."""
        if self._spool is not None:
            self._direct = None
            self._spool.add(source)
        else:
            source.close()

    @property
    def coming(self) -> int:
        """How many bytes have come of a unit that is not complete."""
        return self._length

    @property
    def sent(self) -> int:
        """How many parts of what is large have gone out: it grows as long as they are read."""
        return self._spool.sent if self._spool is not None else 0

    def _pass(self, data: bytes) -> None:
        """Let the transport send ``data`` when it can."""
        cast(ITransport, self.transport).write(data)

    def close(self) -> None:
        """Close once everything is sent, or in a few seconds."""
        if self._cutting is None and self.transport is not None:
            self.session.stopProducing()  # for nobody says when to wait any more
            self._cutting = self._clock.callLater(CLOSE_SECONDS, self._cut)
            IPushProducer(self.transport).resumeProducing()  # to hear the other side close
            if self._spool is not None:
                self._spool.finish(self._finish_sending)
            else:
                self._finish_sending()

    def abort(self) -> None:
        """Close now; what was not sent is lost."""
        transport = ITransport(self.transport)
        abort: Callable[[], None] = getattr(transport, "abortConnection", transport.loseConnection)
        abort()

    def _begin(self) -> None:
        """Let the session speak: both sides can."""
        transport: object = self.transport
        if isinstance(transport, Connection) and not transport.TLS:
            self._plain = transport
        else:
            self._plain = below(transport)
        # The spool and not self: a wire's own pauseProducing means "pause input".
        self._spool = Spool(self._clock, self.session, self._pass)
        IConsumer(self.transport).registerProducer(self._spool, True)
        self.session.begin()

    def _finish_sending(self) -> None:
        IConsumer(self.transport).unregisterProducer()  # TLS waits for a registered producer
        self._say_goodbye()

    def _say_goodbye(self) -> None:
        ITransport(self.transport).loseConnection()

    def _end(self) -> None:
        """Let the session know that the connection is gone."""
        if self._cutting is not None:
            self._cutting.cancel()
            self._cutting = None
        if not self._with_session:
            self._free()
        self._gate.forget()
        self.session.end()
        self._detach()

    def _detach(self) -> None:
        """Let go of the transport, and what it could not send: a session may be long at its end."""
        if self._spool is not None:
            self._spool.clear()
        self._plain, self._direct, self.transport, self._spool = None, None, GONE, None

    def _cut(self) -> None:
        self._cutting = None
        self.abort()

    # -- the budget: see chatnet.wires.budget.Holder ---------------------------------

    def granted(self) -> None:
        """There is room for more of the unit that is coming."""
        self.release("budget")

    def stuck(self) -> bool:
        """Return whether too little came since this was asked last, though it was listened to."""
        if self._with_session or (self._gate.shut and not self._gate.for_good):
            self._seen = -1
            return False
        seen, self._seen = self._seen, self._length
        return seen >= 0 and self._length - seen < PACE_BYTES

    def give_way(self) -> None:
        """Drop the unit that is coming."""
        self._drop()
        self.session.late()

    def _drop(self) -> None:
        """Drop what came of a unit, and what will."""
        self._free()

    def _weigh(self, length: int) -> None:
        """Take of the budget what a unit takes of which ``length`` bytes have come.

        If there is no room for it, no more of it is read until there is.
        """
        self._length = length
        if self._budget is not None and length > max(SHARE, self._claim):
            more = -(-(length - self._claim) // STEP) * STEP
            self._claim += more
            if not self._budget.take(self, more):
                self.hold("budget")

    def _complete(self) -> None:
        """See that a large unit is counted until the session is done with it."""
        self._length = 0
        self._with_session = bool(self._claim)

    def _ease(self) -> None:
        """Give back what a unit took that the session is done with."""
        if self._with_session and not self._gate.held_by(*_WORKING):
            self._free()

    def _free(self) -> None:
        self._length, self._seen, self._with_session = 0, -1, False
        if self._claim and self._budget is not None:
            self._claim = 0
            self._budget.give_back(self)
            self.release("budget")
