"""Which rooms were encrypted once, by log and by name: no server talks anybody out of that."""

from __future__ import annotations

from typing import Any

from chatnet.client.keys.vault import Vault
from chatnet.core.names import fold


class Rooms:
    """What one account knows of the rooms of one server, for good.

    A room is known by its log, the key, and by each name under which it was seen encrypted. A log
    that is not encrypted and goes by such a name is suspect, as is the log itself.
    """

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._logs: dict[str, str] = {}  # by folded name
        self._suspects: dict[str, set[str]] = {}  # names that logs go by, or were asked for by
        for key, kept in vault.all("room").items():
            for name in {key, *kept.get("names", ())}:
                self._logs[name] = key

    def __bool__(self) -> bool:
        return bool(self._logs)

    def get(self, key: str) -> Any:
        """Return what is known of the log ``key``: since when it is encrypted; None if nothing."""
        return self._vault.get("room", key)

    def knows(self, key: str, name: str) -> bool:
        """Return whether the room ``key``, called ``name``, was encrypted, or says that it is one
        that was."""
        return key in self._suspects or key in self._logs or fold(name) in self._logs

    def is_suspect(self, key: str) -> bool:
        """Return whether the server said of the log ``key`` that it is not encrypted."""
        return key in self._suspects

    def encrypted(self, key: str, name: str, seq: int) -> bool:
        """The log ``key`` is encrypted, as was learnt at ``seq``, and is called ``name``.

        What was learnt before holds. Return whether another log was known by that name.
        """
        known, others = self.get(key), self._others(key, name)
        kept = known or {"since": seq}
        new = {**kept, "names": sorted({*kept.get("names", ()), fold(name)})}
        if new.pop("left", False):  # one reads on from here
            new["from"] = seq
        self._suspects.pop(key, None)
        if new != known:
            self._vault.put("room", key, new)
        self._logs[key] = self._logs[fold(name)] = key
        return known is None and bool(others)

    def plain(self, key: str, *names: str) -> bool:
        """The server says that the log ``key`` is not encrypted, and goes by ``names``.

        Return whether that is suspect.
        """
        if self.get(key) is None and not self._others(key, *names):
            return False
        self._suspects.setdefault(key, set()).update(map(fold, names))
        return True

    def left(self, key: str) -> None:
        """One reads no more what is said in the log ``key``, until one comes back."""
        kept = self.get(key)
        if kept is not None:
            self._vault.put("room", key, {**kept, "left": True})

    def forget(self, key: str, name: str) -> None:
        """Believe what the server says of the room ``key``, called ``name``."""
        names = {fold(name), *self._suspects.pop(key, ())}
        for log in {key, *self._others(key, *names)}:
            self._vault.drop("room", log)
            self._logs = {one: other for one, other in self._logs.items() if other != log}

    def _others(self, key: str, *names: str) -> set[str]:
        """Return the other logs that were encrypted and went by any of ``names``."""
        return {self._logs[name] for name in map(fold, names) if name in self._logs} - {key}
