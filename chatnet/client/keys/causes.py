"""Why a message cannot be read, and what to do about it: a closed set."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import assert_never


@dataclass(frozen=True, slots=True)
class Earlier:
    """It was said before this device had keys for the room."""


@dataclass(frozen=True, slots=True)
class KeyMissing:
    """Its session's key has not come from ``by``, who has the device ``device``."""

    by: str
    device: str


@dataclass(frozen=True, slots=True)
class Forged:
    """It is not what it says: by whom, on which device, or for which room. ``what`` is wrong."""

    what: str


@dataclass(frozen=True, slots=True)
class Replayed:
    """It stood in the log before, at ``seq``."""

    seq: int


@dataclass(frozen=True, slots=True)
class Disordered:
    """``by`` said it before, or after, what it stands behind here."""

    by: str


@dataclass(frozen=True, slots=True)
class Newer:
    """It is of a kind that only newer clients know."""


@dataclass(frozen=True, slots=True)
class NoKeys:
    """This connection has no keys at all, for ``why``; empty: nobody is logged in."""

    why: str = ""


Cause = Earlier | KeyMissing | Forged | Replayed | Disordered | Newer | NoKeys


class Unreadable(Exception):
    """A message cannot be read, for this ``cause``."""

    def __init__(self, cause: Cause) -> None:
        super().__init__(explain(cause))
        self.cause = cause


class Lock(Enum):
    """How sure one can be of a message that is shown."""

    NONE = "it was not encrypted, and need not be"
    PLAIN = "it was not encrypted, in a room where all is: the server may have made it up"
    KNOWN = "it was encrypted, by a device that was not verified"
    VERIFIED = "it was encrypted, by a device that was verified"


def explain(cause: Cause) -> str:
    """Return a sentence or two: what is wrong with a message, and what to do."""
    match cause:
        case Earlier():
            return "It was said before this device had keys here; /recovery may bring them."
        case KeyMissing(by, device):
            return (
                f"Its key has not come from {by} (device {device}). It is shown when it comes;"
                f" else ask {by} to say it again."
            )
        case Forged(what):
            return (
                f"It is forged: {what}. The server, or somebody on it, is lying. Do not trust it."
            )
        case Replayed(seq):
            return f"It is a copy of message #{seq}, which the server shows again. Ignore it."
        case Disordered(by):
            return f"The server shows it out of order: {by} said it at another time. Be careful."
        case Newer():
            return "It is of a newer client. Bring this one up to date."
        case NoKeys(why):
            return f"It is encrypted. {why or 'Keys belong to an account: /login NAME PASSWORD'}"
        case _:
            assert_never(cause)
