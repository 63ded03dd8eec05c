"""The devices of accounts, and what others may take of their keys.

What an account's own log adds up to. The server sees public keys and signatures, and checks none:
that is for those who use them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from chatnet.core import commands as c, events as e
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed, NoDevice, NotAllowed

MOST_DEVICES = 10  # of an account
MOST_KEYS = 100  # one-time keys of a device
MOST_AT_ONCE = 50  # of them that are published
MOST_LETTERS = 2000  # that wait for a device
MOST_CHUNKS = 2000  # of a backup
LONGEST_LABEL = 32  # characters
LONGEST_LETTER = 8192
LONGEST_CHUNK = 16_384
LONGEST_SEALED = 192 * 1024  # of what is encrypted: it is never large

_ID = re.compile(r"[A-Z2-7]{10}")
_KEY = re.compile(r"[A-Za-z0-9+/]{43}")
_SIGNATURE = re.compile(r"[A-Za-z0-9+/]{86}")
_SIGNED_KEY = re.compile(r"[A-Za-z0-9+/]{43}\.[A-Za-z0-9+/]{86}")
_OPAQUE = re.compile(r"[A-Za-z0-9+/]+")
_LETTER = re.compile(r"[01]\.[A-Za-z0-9+/]+")
_VERSION = re.compile(r"[a-z0-9-]{1,40}")


@dataclass(frozen=True, slots=True)
class Device:
    """A device: its public keys, and those that are still to be had once. See ``c.BeDevice``."""

    label: str
    identity: str
    signing: str
    signature: str
    keys: tuple[str, ...] = ()
    fallback: str = ""
    spent: bool = True  # whether somebody has the fallback key


def evolve(devices: dict[str, Device], event: e.Event) -> bool:
    """Take ``event`` into account; return whether the list of devices has changed."""
    match event:
        case e.DeviceAdded(device, label, identity, signing, signature):
            devices[device] = Device(label, identity, signing, signature)
            return True
        case e.DeviceRemoved(device):
            return devices.pop(device, None) is not None
        case e.KeysPublished(device, keys, fallback) if device in devices:
            one = devices[device]
            one = replace(one, keys=(*one.keys, *keys)[-MOST_KEYS:])
            devices[device] = replace(one, fallback=fallback, spent=False) if fallback else one
        case e.KeyTaken(device, key, _, fallback) if device in devices:
            one = devices[device]
            left = tuple(other for other in one.keys if other != key)
            devices[device] = replace(one, keys=left, spent=one.spent or fallback)
        case _:
            pass
    return False


def be(devices: Mapping[str, Device], command: c.BeDevice) -> list[e.Event]:
    """Return what happens when an account with ``devices`` asks for ``command``.

    Raises:
        Refused: nothing happens.
    """
    known = devices.get(command.device)
    if known is not None:
        if (known.identity, known.signing) != (command.identity, command.signing):
            raise NotAllowed(
                f"The device {command.device} has other keys, and keeps them. Be another one, or"
                f" remove it first: /rmdevice {command.device}"
            )
        return []
    keys = (command.identity, command.signing)
    if not (_ID.fullmatch(command.device) and all(map(_KEY.fullmatch, keys))):
        raise Malformed("A device has an id of 10 of A-Z2-7, and two keys of 43 characters.")
    if not _SIGNATURE.fullmatch(command.signature):
        raise Malformed("A signature has 86 characters of base64.")
    label = plain(command.label.strip())
    if len(label) > LONGEST_LABEL:
        raise Malformed(f"A device's label has at most {LONGEST_LABEL} characters.")
    if len(devices) >= MOST_DEVICES:
        raise NotAllowed(
            f"You have {MOST_DEVICES} devices. Remove one first: /devices lists them, /rmdevice ID"
        )
    return [e.DeviceAdded(command.device, label, *keys, command.signature)]


def remove(devices: Mapping[str, Device], device: str) -> list[e.Event]:
    """Return what happens when ``device`` is to be removed.

    Raises:
        NoDevice: there is none.
    """
    if device not in devices:
        raise NoDevice(f"You have no device {plain(device[:32])}. /devices lists them.")
    return [e.DeviceRemoved(device)]


def publish(devices: Mapping[str, Device], device: str, command: c.PublishKeys) -> list[e.Event]:
    """Return what happens when ``device`` asks for ``command``.

    Raises:
        Malformed: these are no keys, or too many.
    """
    keys = command.keys.split(" ") if command.keys else []
    given = [*keys, *([command.fallback] if command.fallback else [])]
    if not given or not all(map(_SIGNED_KEY.fullmatch, given)):
        raise Malformed("A key is 43 characters of base64, a dot, and 86 of its signature.")
    if len(keys) > MOST_AT_ONCE or len(devices[device].keys) + len(keys) > MOST_KEYS:
        raise Malformed(
            f"So many one-time keys are not kept: {MOST_AT_ONCE} at once, {MOST_KEYS} in all."
        )
    return [e.KeysPublished(device, tuple(keys), command.fallback)]


def claim(
    devices: Mapping[str, Device], by: str, who: str, device: str
) -> tuple[str, bool, list[e.Event]]:
    """Return the key of ``device`` of ``who`` that ``by`` gets, and what happens then.

    And, between them, whether it is the fallback key, which others may have as well.

    Raises:
        NoDevice: there is no such device, or it has none left.
    """
    one = devices.get(device)
    if one is None:
        raise no_such(who, device)
    if one.keys:
        return one.keys[0], False, [e.KeyTaken(device, one.keys[0], by)]
    if not one.fallback:
        raise NoDevice(
            f"The device {device} of {who} has no keys left; it brings new ones when it comes."
        )
    first = [] if one.spent else [e.KeyTaken(device, one.fallback, by, True)]
    return one.fallback, True, [*first]


def no_such(who: str, device: str) -> NoDevice:
    """Return the refusal of what is about a device that ``who`` does not have."""
    return NoDevice(f"{who} has no device {plain(device[:32])}. /devices {who} lists them.")


def check_sealed(session: str, body: str) -> None:
    """See that these can be an encrypted message and the name of its session.

    Raises:
        Malformed: they cannot.
    """
    if not (_KEY.fullmatch(session) and _OPAQUE.fullmatch(body) and len(body) <= LONGEST_SEALED):
        raise Malformed(
            "An encrypted message is base64, of a session with a name of 43 characters, and at"
            f" most {LONGEST_SEALED:,} long."
        )


def check_letter(body: str) -> None:
    """See that ``body`` can be a letter.

    Raises:
        Malformed: it cannot.
    """
    if not (_LETTER.fullmatch(body) and len(body) <= LONGEST_LETTER):
        raise Malformed(
            f"A letter is 0 or 1, a dot, and base64, and has at most {LONGEST_LETTER:,} characters."
        )


def check_chunk(version: str, body: str) -> None:
    """See that these can be a part of a backup, and what that is called.

    Raises:
        Malformed: they cannot.
    """
    if not (_VERSION.fullmatch(version) and _OPAQUE.fullmatch(body) and len(body) <= LONGEST_CHUNK):
        raise Malformed(
            "A backup's version is up to 40 of a-z0-9-; its parts are base64, and have at most"
            f" {LONGEST_CHUNK:,} characters."
        )
