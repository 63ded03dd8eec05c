"""A transport and a wire that are no more: for those who still have something to say to them."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IAddress, IConsumer, IProducer, IPushProducer, ITransport
from zope.interface import implementer

from chatnet.wires.spool import Source


@implementer(ITransport, IConsumer, IPushProducer)
class Gone:
    """Takes everything, and does nothing."""

    def write(self, data: bytes) -> None:
        """Drop ``data``."""

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Drop ``data``."""

    def loseConnection(self) -> None:
        """It is lost."""

    def getPeer(self) -> IAddress:
        raise RuntimeError("nobody is there")

    def getHost(self) -> IAddress:
        raise RuntimeError("nobody is there")

    def registerProducer(self, producer: IProducer, streaming: bool) -> None:
        """Want nothing of it."""

    def unregisterProducer(self) -> None:
        """There is none."""

    def pauseProducing(self) -> None:
        """Nothing comes."""

    def resumeProducing(self) -> None:
        """Nothing comes."""

    def stopProducing(self) -> None:
        """Nothing comes."""


class GoneWire:
    """What a session has in its wire's place when that is gone."""

    coming = sent = 0
    direct = None

    def url(self, secure: bool) -> str:
        """Return nothing: it leads nowhere."""
        return ""

    def write(self, data: bytes) -> None:
        """Drop ``data``."""

    def unroll(self, source: Source) -> None:
        """Send nothing of ``source``."""
        source.close()

    def hold(self, reason: str) -> None:
        """Nothing comes."""

    def release(self, reason: str) -> None:
        """Nothing comes."""

    def allow(self, longest: int) -> None:
        """Nothing comes."""

    def close(self) -> None:
        """It is gone."""

    def abort(self) -> None:
        """It is gone."""


GONE = Gone()
GONE_WIRE = GoneWire()
