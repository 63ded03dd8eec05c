"""Passes: what a connection is given so that it can send and fetch files over HTTP.

A token is good for all files that its connection may send or fetch, a link for one. Both are good
for a while, and no longer than the connection that asked for them is here, and is the same person.
Only their hashes are kept.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import sha256
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IReactorTime

from chatnet.core.limits import Bucket
from chatnet.server.people import Person

if TYPE_CHECKING:
    from chatnet.server.session import Session

MOST = 64  # passes that one connection has; the oldest make way
BYTES = 16  # of a secret


@dataclass(frozen=True, slots=True, eq=False)
class Pass:
    """What ``session``, which was ``person`` then, was given; for the ``file`` of that id alone."""

    session: Session
    person: Person
    until: float
    file: str = ""


@dataclass(slots=True)
class Purse:
    """The passes of one connection, by their hashes, and what bytes it took, each way."""

    passes: dict[bytes, Pass] = field(default_factory=dict)
    up: Bucket = field(default_factory=Bucket)
    down: Bucket = field(default_factory=Bucket)


class Passes:
    """All passes that are good."""

    def __init__(self, clock: IReactorTime, entropy: Callable[[int], bytes]) -> None:
        self._clock = clock
        self._entropy = entropy
        self._purses: dict[Session, Purse] = {}
        self._holders: dict[bytes, Session] = {}

    def issue(self, session: Session, seconds: float, file: str = "") -> str:
        """Return a secret that is good for ``seconds``."""
        secret = self._entropy(BYTES).hex()
        key = _hash(secret)
        purse = self.purse(session)
        while len(purse.passes) >= MOST:
            self._drop(purse, next(iter(purse.passes)))
        until = self._clock.seconds() + seconds
        purse.passes[key] = Pass(session, session.person, until, file)
        self._holders[key] = session
        return secret

    def find(self, secret: str) -> Pass | None:
        """Return what ``secret`` is good for; None if it is nothing."""
        key = _hash(secret)
        session = self._holders.get(key)
        if session is None:
            return None
        held = self._purses[session].passes[key]
        if held.until <= self._clock.seconds():
            self._drop(self._purses[session], key)
            return None
        return held if is_good(held) else None

    def purse(self, session: Session) -> Purse:
        """Return what ``session`` has; nothing is kept of one that is gone."""
        return self._purses.setdefault(session, Purse()) if session.is_here else Purse()

    def revoke(self, session: Session) -> None:
        """Let all passes of ``session`` be good for nothing: it is gone."""
        purse = self._purses.pop(session, None)
        for key in purse.passes if purse is not None else ():
            del self._holders[key]

    def _drop(self, purse: Purse, key: bytes) -> None:
        del purse.passes[key]
        del self._holders[key]


def is_good(held: Pass) -> bool:
    """Return whether ``held`` is still good, but for the time."""
    session = held.session
    return session.is_here and session.person is held.person


def _hash(secret: str) -> bytes:
    return sha256(secret.encode(errors="replace")).digest()
