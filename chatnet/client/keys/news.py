"""What people are to be told about keys: a closed set, and each in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from chatnet.client.keys.people import Change, DeviceGone, DeviceNew, KeysChanged


@dataclass(frozen=True, slots=True)
class Made:
    """This device is new: its keys are on this machine alone."""

    device: str


@dataclass(frozen=True, slots=True)
class NotGiven:
    """The device of ``name`` was given no key, for ``why``: it cannot read what is said now."""

    name: str
    device: str
    why: str


@dataclass(frozen=True, slots=True)
class Withheld:
    """So many messages of ``by`` before the one at ``seq`` in ``room`` never came."""

    room: str
    by: str
    seq: int
    count: int


@dataclass(frozen=True, slots=True)
class Downgraded:
    """The server says that ``room`` is not encrypted, which it is for good."""

    room: str


@dataclass(frozen=True, slots=True)
class Replaced:
    """``room`` is the name of another room now than of the one that was encrypted."""

    room: str


@dataclass(frozen=True, slots=True)
class Asked:
    """The device of ``name`` asks to be verified; ``Verifier.accept`` agrees."""

    name: str
    device: str


@dataclass(frozen=True, slots=True)
class Compare:
    """Both see these, if nobody is between them. Then ``Verifier.matches``, else ``differs``."""

    name: str
    device: str
    emoji: tuple[tuple[str, str], ...]  # seven, each with its name
    numbers: tuple[int, int, int]


@dataclass(frozen=True, slots=True)
class Verified:
    """The device of ``name`` is verified now."""

    name: str
    device: str


@dataclass(frozen=True, slots=True)
class NotVerified:
    """It is not, for ``why``."""

    name: str
    device: str
    why: str


@dataclass(frozen=True, slots=True)
class Trouble:
    """Something about keys does not work; ``text`` says what, why, and what next."""

    text: str


News = (
    Change | Made | NotGiven | Withheld | Downgraded | Replaced | Asked | Compare | Verified
    | NotVerified | Trouble
)  # fmt: skip

_WARNS = (DeviceNew, DeviceGone, KeysChanged, Withheld, Downgraded, Replaced)


def spell(news: News) -> str:
    """Return ``news`` in words. What must not be overlooked begins with ``!!!``."""
    return f"!!! {_spell(news)}" if is_warning(news) else _spell(news)


def is_warning(news: News) -> bool:
    """Return whether ``news`` must not be overlooked."""
    return isinstance(news, _WARNS)


def _spell(news: News) -> str:
    match news:
        case DeviceNew(name, device, label, waits):
            what = f"{name} has a new device: {device}{f' ({label})' if label else ''}."
            if waits:
                return (
                    f"{what} Nothing is encrypted for it until you have looked: ask {name}, then"
                    f" /verify {name}, or /trust {name}."
                )
            return f"{what} Was that {name}? /verify {name} makes sure."
        case DeviceGone(name, device):
            return f"{name} has removed the device {device}. It reads nothing from now on."
        case KeysChanged(name, device):
            return (
                f"The server gives OTHER KEYS for the device {device} of {name} than before:"
                " somebody may be listening. Nothing is encrypted for it. Ask the person by"
                " another way."
            )
        case Made(device):
            return (
                f"This is your device {device}. Its keys are on this machine alone: /recovery new"
                " gives you 12 words that bring what you can read back on another one."
            )
        case NotGiven(name, device, why):
            return f"{name} cannot read this on the device {device}: {why}"
        case Withheld(room, by, seq, count):
            many = "A message" if count == 1 else f"{count} messages"
            return f"{many} of {by} in {room}, before #{seq}, never came: deleted, or withheld."
        case Downgraded(room):
            return (
                f"The server says that {room} is not encrypted. It was, and that is for good: the"
                " server is lying, or the room was deleted and opened anew. Nothing is said there;"
                " /encrypt forget lets you speak in plain words."
            )
        case Replaced(room):
            return (
                f"{room} is another room than the one that was encrypted under that name. It is"
                " encrypted too, for whom you see in it and perhaps not those you know: /encrypt"
                " lists them, and /verify USER makes sure."
            )
        case Asked(name, device):
            return f"{name} wants to compare keys (device {device}): /verify {name} begins."
        case Compare(name, _, emoji, numbers):
            shown = "  ".join(f"{sign} {word}" for sign, word in emoji)
            return (
                f"Does {name} see the same? {shown}  (or {' '.join(map(str, numbers))})  Ask by"
                " voice or face to face, then /verify yes or /verify no."
            )
        case Verified(name, device):
            return f"{name} is verified on the device {device}: nobody is between you."
        case NotVerified(name, device, why):
            return f"{name} is not verified on the device {device}: {why}"
        case Trouble(text):
            return text
        case _:
            assert_never(news)
