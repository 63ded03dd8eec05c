"""Whose devices are known here, and how far each is trusted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import Enum

from chatnet.client.keys.device import Illegible, Peer, verify
from chatnet.client.keys.formats import Address, device_lines
from chatnet.client.keys.vault import Vault
from chatnet.core import replies as r


class Trust(Enum):
    """How far a device is trusted."""

    KNOWN = "known"  # since it was first seen
    WAITING = "waiting"  # it is new, of someone of whom another device is verified
    VERIFIED = "verified"


@dataclass(frozen=True, slots=True)
class DeviceNew:
    """``name`` has a device that was not there before; ``waits``: nothing is encrypted for it."""

    name: str
    device: str
    label: str
    waits: bool


@dataclass(frozen=True, slots=True)
class DeviceGone:
    """``name`` has the device no more."""

    name: str
    device: str


@dataclass(frozen=True, slots=True)
class KeysChanged:
    """The device has other keys than before, or they are not signed by it: it is an impostor."""

    name: str
    device: str


Change = DeviceNew | DeviceGone | KeysChanged


class People:
    """The devices of others, and one's own others, as they were first seen.

    Accounts are named by their keys. Once seen, the keys of a device stay what they are.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._kept: dict[str, dict[str, list[str]]] = {}

    def learn(self, listed: r.Devices, me: Address) -> list[Change]:
        """Take note of the devices that an account has now, and return what has changed.

        Of who is seen for the first time, all devices are known. ``me`` is this device.
        """
        account, name = listed.account, listed.name
        kept = self._devices(account)
        first, changes = not kept, list[Change]()
        present: set[str] = set()
        for line in listed.devices:
            if (account, line.device) == (me.account, me.device):
                if line.signing != me.signing:
                    changes.append(KeysChanged(name, line.device))
                continue
            known = kept.get(line.device)
            if known is not None and known[:2] == [line.identity, line.signing]:
                present.add(line.device)
                if known[3] != "here":  # removed, and here again: as any that is new
                    changes.append(self._enters(kept, line, name))
                continue
            lines = device_lines(account, line.device, line.identity, line.signing)
            try:
                verify(line.signing, lines, line.signature)
            except Illegible:
                changes.append(KeysChanged(name, line.device))
                continue
            if known is not None:
                changes.append(KeysChanged(name, line.device))
                continue
            present.add(line.device)
            new = self._enters(kept, line, name)
            if not first or account == me.account:
                changes.append(new)
        for device, one in kept.items():
            if (device in present) != (one[3] == "here"):
                one[3] = "here" if device in present else "gone"
                if device not in present:
                    changes.append(DeviceGone(name, device))
        self._vault.put("people", account, kept)
        return changes

    def _enters(self, kept: dict[str, list[str]], line: r.DeviceLine, name: str) -> DeviceNew:
        waits = any(one[2] != Trust.KNOWN.value for one in kept.values())
        trust = Trust.WAITING if waits else Trust.KNOWN
        kept[line.device] = [line.identity, line.signing, trust.value, "here"]
        return DeviceNew(name, line.device, line.label, waits)

    def find(self, account: str, device: str) -> Peer | None:
        """Return the device, also one that is gone; None if it was never seen."""
        one = self._devices(account).get(device)
        return None if one is None else Peer(Address(account, device, one[1]), one[0])

    def here(self, account: str) -> Iterator[tuple[Peer, Trust]]:
        """Yield the devices that an account has, as far as they were seen."""
        for device, one in self._devices(account).items():
            if one[3] == "here":
                yield Peer(Address(account, device, one[1]), one[0]), Trust(one[2])

    def had(self, account: str) -> bool:
        """Return whether the account ever had a device."""
        return bool(self._devices(account))

    def trust_in(self, account: str, device: str) -> Trust | None:
        """Return how far a device is trusted; None if it was never seen."""
        one = self._devices(account).get(device)
        return None if one is None else Trust(one[2])

    def verified(self, address: Address) -> None:
        """Somebody made sure that the device at ``address`` is the one it seems to be."""
        one = self._devices(address.account).get(address.device)
        if one is not None and one[1] == address.signing:
            one[2] = Trust.VERIFIED.value
            self._vault.put("people", address.account, self._devices(address.account))

    def accept(self, account: str) -> list[str]:
        """Let the devices that wait be known, and return their ids."""
        kept = self._devices(account)
        waiting = [device for device, one in kept.items() if one[2] == Trust.WAITING.value]
        for device in waiting:
            kept[device][2] = Trust.KNOWN.value
        if waiting:
            self._vault.put("people", account, kept)
        return waiting

    def _devices(self, account: str) -> dict[str, list[str]]:
        """Return identity, signing key, trust, and whether it is here, by device."""
        if account not in self._kept:
            self._kept[account] = self._vault.get("people", account) or {}
        return self._kept[account]
