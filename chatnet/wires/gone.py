"""A transport that is no more: for those who still have something to say to it."""

from __future__ import annotations

from collections.abc import Iterable

from twisted.internet.interfaces import IAddress, IConsumer, IProducer, IPushProducer, ITransport
from zope.interface import implementer


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


GONE = Gone()
