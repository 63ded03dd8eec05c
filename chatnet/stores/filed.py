"""Accounts in a file: by key, and found by what their names claim."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping

from chatnet.core.names import Name
from chatnet.interfaces import Account
from chatnet.stores.keyed import Table, pack

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class FiledAccounts:
    """The accounts in the file ``path``."""

    def __init__(self, path: str, notice: Callable[[str], object]) -> None:
        self._claims: dict[str, str] = {}  # the key of the account that has a claim
        self.table = Table(path, notice, self._hear)

    def holders(self, claims: Iterable[str]) -> Mapping[str, Account]:
        """Return, by those of ``claims`` that an account has, which one that is."""
        self.table.refresh()
        held = {claim: self._claims[claim] for claim in claims if claim in self._claims}
        texts = {key: text for key in set(held.values()) if (text := self.table.get(key))}
        return {claim: _account(key, texts[key])[0] for claim, key in held.items() if key in texts}

    def added(self, name: Name, verifier: str, at: float) -> bytes:
        """Return the record of a new account."""
        return pack(name.key, _dumps((name.text, verifier, at, sorted(name.claims))))

    def changed(self, key: str, verifier: str) -> bytes:
        """Return the record of the account ``key`` with another password."""
        text, _, at, claims = json.loads(self.table.get(key))
        return pack(key, _dumps((text, verifier, at, claims)))

    def removed(self, key: str) -> bytes:
        """Return the record that there is no account ``key`` any more."""
        return pack(key, "")

    def all(self) -> Iterator[tuple[Account, float]]:
        """Yield every account, and when it was made."""
        for key in self.table.names():
            for _, text in self.table.texts([key]):
                yield _account(key, text)

    def _hear(self, key: str, text: bytes) -> None:
        if text:
            self._claims |= dict.fromkeys(json.loads(text)[3], key)
        else:
            self._claims = {claim: of for claim, of in self._claims.items() if of != key}


def _account(key: str, text: str) -> tuple[Account, float]:
    name, verifier, at, _ = json.loads(text)
    return Account(name, key, verifier, at), at
