"""What is signed and what is encrypted, to the letter; see docs/encryption.md. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

VERSION = 1
_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), sort_keys=True).encode


@dataclass(frozen=True, slots=True)
class Address:
    """A device: of which account (a key), which one, and its signing key."""

    account: str
    device: str
    signing: str

    def __str__(self) -> str:
        return f"{self.account}|{self.device}"


class Misshapen(Exception):
    """What was decrypted is not what it should be; ``newer`` if a newer client may know it."""

    def __init__(self, what: str, newer: bool = False) -> None:
        super().__init__(what)
        self.newer = newer


def device_lines(account: str, device: str, identity: str, signing: str) -> bytes:
    """Return what a device signs of itself."""
    return "\n".join(("chatnet device 1", account, device, identity, signing)).encode()


def key_lines(account: str, device: str, key: str, fallback: bool) -> bytes:
    """Return what a device signs of a key that others use once."""
    what = "fallback" if fallback else "one-time"
    return "\n".join((f"chatnet {what} key 1", account, device, key)).encode()


def talk_of(one: str, other: str) -> str:
    """Return the "room" of what two accounts, keys, whisper to each other."""
    first, last = sorted((one, other))
    return f"@{first}@{last}"


def pack(type_: str, /, **fields: Any) -> bytes:
    """Return what is to be encrypted."""
    return _dumps({"v": VERSION, "type": type_, **fields}).encode()


def unpack(plain: bytes) -> dict[str, Any]:
    """Return what ``pack`` was given, with its ``type``.

    Raises:
        Misshapen: it is nothing like that.
    """
    try:
        fields = json.loads(plain)
    except (ValueError, RecursionError) as error:
        raise Misshapen("it holds no JSON") from error
    if not isinstance(fields, dict) or not isinstance(fields.get("type"), str):
        raise Misshapen("it holds no object with a type")
    if fields.get("v") != VERSION:
        raise Misshapen("it is of another version", newer=True)
    return fields


def text_in(fields: Mapping[str, Any], name: str) -> str:
    """Return the text ``name`` in ``fields``.

    Raises:
        Misshapen: there is none.
    """
    value = fields.get(name)
    if not isinstance(value, str):
        raise Misshapen(f"it says no {name}")
    return value


def sender_fields(sender: Address) -> dict[str, str]:
    """Return by whom something is, as it stands inside what is encrypted."""
    return {"by": sender.account, "device": sender.device, "signing": sender.signing}


def receiver_fields(receiver: Address) -> dict[str, str]:
    """Return for whom a letter is, likewise."""
    return {
        "to": receiver.account, "to_device": receiver.device, "to_signing": receiver.signing
    }  # fmt: skip


def check_fields(fields: Mapping[str, Any], wanted: Mapping[str, str], what: str) -> None:
    """See that ``fields`` hold all that is ``wanted``.

    Raises:
        Misshapen: one is another.
    """
    for name, value in wanted.items():
        if fields.get(name) != value:
            raise Misshapen(f"{what} says another {name.replace('_', ' ')} inside")
