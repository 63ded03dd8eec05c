"""Copies of the keys of sessions on the server, which only twelve words open."""

from __future__ import annotations

import json
import os
from base64 import b64decode, b64encode
from collections.abc import Iterable
from hashlib import sha256
from importlib import import_module
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from twisted.internet.defer import Deferred

from chatnet.client.keys.formats import Address, Misshapen, text_in
from chatnet.client.keys.news import Trouble
from chatnet.client.keys.olm import MISSING, NoOlm
from chatnet.client.keys.ring import Ring
from chatnet.core import commands as c, replies as r
from chatnet.core.devices import LONGEST_CHUNK, MOST_CHUNKS
from chatnet.core.refusals import BadPassword, NoDevice, Refused, Stale, Unavailable

WORDS = 12
PATIENCE_SECONDS = 5.0  # for more keys, until those that are new are sent
_NONCE = 12
_ROOM = LONGEST_CHUNK * 3 // 4 - 200  # bytes of JSON in a chunk


def _list_of_words() -> Any:
    try:
        return import_module("mnemonic").Mnemonic("english")
    except ImportError as error:
        raise NoOlm(MISSING) from error


def new_phrase(entropy: bytes) -> str:
    """Return ``entropy``, 16 bytes, as words that can be written down."""
    return str(_list_of_words().to_mnemonic(entropy))


def key_of(phrase: str, account: str) -> bytes:
    """Return the key that the words make for ``account``, a key.

    Raises:
        BadPassword: these are not such words.
    """
    words = phrase.lower().split()
    try:
        if len(words) != WORDS:
            raise ValueError("not so many words")
        entropy = bytes(_list_of_words().to_entropy(words))
    except (ValueError, LookupError) as error:
        raise BadPassword(
            f"That is no recovery phrase: it has {WORDS} words of a list, and the last one proves"
            " the others. Look for one that is written wrongly."
        ) from error
    info = f"chatnet backup 1\n{account}".encode()
    return HKDF(algorithm=SHA256(), length=32, salt=None, info=info).derive(entropy)


def mark_of(key: bytes) -> str:
    """Return what the versions of backups under ``key`` begin with."""
    return f"r{sha256(key).hexdigest()[:10]}"


def seal(key: bytes, version: str, sessions: list[dict[str, str]]) -> str:
    """Return ``sessions`` as a chunk of the backup ``version``."""
    plain = json.dumps({"v": 1, "sessions": sessions}, separators=(",", ":")).encode()
    nonce = os.urandom(_NONCE)
    sealed = ChaCha20Poly1305(key).encrypt(nonce, plain, version.encode())
    return b64encode(nonce + sealed).decode().rstrip("=")


def unseal(key: bytes, version: str, chunk: str) -> list[dict[str, str]]:
    """Return the sessions in ``chunk``.

    Raises:
        ValueError: it is damaged, or of another key.
    """
    try:
        raw = b64decode(chunk + "=" * (-len(chunk) % 4))
        plain = ChaCha20Poly1305(key).decrypt(raw[:_NONCE], raw[_NONCE:], version.encode())
    except InvalidTag as error:
        raise ValueError("damaged") from error
    found = json.loads(plain)
    return list(found["sessions"])


class Backup:
    """Sends the keys of new sessions to the backup, if there is one; brings all of them back."""

    def __init__(self, ring: Ring) -> None:
        self._ring = ring
        self._waiting: dict[tuple[Address, str], None] = {}
        self._timer: Any = None
        self.online = False

    @property
    def is_on(self) -> bool:
        """Whether there is a backup that this device adds to."""
        return bool(self._ring.vault.get("backup"))

    async def begin(self) -> str:
        """Begin a backup with all that is here, and return the phrase that opens it.

        Raises:
            Refused: the server does not take it.
        """
        phrase = new_phrase(self._ring.entropy(16))
        key = key_of(phrase, self._ring.own.address.account)
        await self._fill(key)
        return phrase

    async def restore(self, phrase: str) -> int:
        """Bring back what the backup holds, and go on adding to it. Return how many keys came.

        Raises:
            Refused: it is not the phrase of the backup, or there is none.
        """
        key = key_of(phrase, self._ring.own.address.account)
        after, count, damaged, version = 0, 0, 0, ""
        while True:
            page = await self._ring.line.ask(c.ShowBackup(after))
            assert isinstance(page, r.Kept)
            version = page.version
            if not version:
                raise NoDevice("There is no backup on the server. /recovery new begins one.")
            if not version.startswith(mark_of(key)):
                raise BadPassword("These words are not those of the backup that the server has.")
            for chunk in page.chunks:
                try:
                    sessions = unseal(key, version, chunk)
                    with self._ring.vault.saving():
                        count += sum([self._take(one) for one in sessions])
                except (ValueError, LookupError, TypeError, Misshapen):
                    damaged += 1
            after = page.upto
            if not page.more:
                break
        self._ring.vault.put("backup", "", {"key": key.hex(), "version": version, "chunks": after})
        if damaged:
            self._ring.tell(
                Trouble(f"{damaged} parts of the backup are damaged; the rest is here.")
            )
        return count

    def _take(self, one: dict[str, str]) -> bool:
        sender = Address(*(text_in(one, name) for name in ("by", "device", "signing")))
        return self._ring.sessions.add(
            text_in(one, "room"), sender, text_in(one, "session"), text_in(one, "key"), True
        )

    def add(self, sender: Address, session: str) -> None:
        """The session is new: keep it in the backup soon."""
        if not self.is_on:
            return
        self._waiting[sender, session] = None
        if self._timer is None:
            self._timer = self._ring.clock.callLater(PATIENCE_SECONDS, self._time)

    def stop(self) -> None:
        """Send nothing more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _time(self) -> None:
        self._timer = None
        if self.online:
            Deferred.fromCoroutine(self.flush()).addErrback(lambda f: f.trap(Refused))

    async def flush(self) -> None:
        """Send what waits.

        Raises:
            Refused: the server does not take it; then it waits on.
        """
        kept = self._ring.vault.get("backup")
        if not (kept and self._waiting):
            return
        key = bytes.fromhex(kept["key"])
        waiting = list(self._waiting)
        try:
            if kept["chunks"] >= MOST_CHUNKS - 100:
                await self._fill(key)  # fewer and fuller parts
            else:
                sessions = [self._ring.sessions.export_one(*one) for one in waiting]
                for part in _parts(sessions):
                    chunk = seal(key, kept["version"], part)
                    await self._ring.line.ask(c.KeepBackup(kept["version"], chunk))
                    kept["chunks"] += 1
                self._ring.vault.put("backup", "", kept)
        except Unavailable:
            raise
        except Stale:
            self._ring.vault.drop("backup", "")
            self._ring.tell(
                Trouble("Another device began a new backup. /recovery and its words join in here.")
            )
        for one in waiting:
            self._waiting.pop(one, None)

    async def _fill(self, key: bytes) -> None:
        """Begin a backup under ``key`` with all that is here."""
        version = f"{mark_of(key)}-{self._ring.entropy(4).hex()}"
        parts = _parts(list(self._ring.sessions.export())) or [[]]
        for at, part in enumerate(parts):
            chunk = seal(key, version, part)
            await self._ring.line.ask(c.KeepBackup(version, chunk, fresh=not at))
        kept = {"key": key.hex(), "version": version, "chunks": len(parts)}
        self._ring.vault.put("backup", "", kept)


def _parts(sessions: Iterable[dict[str, str]]) -> list[list[dict[str, str]]]:
    """Return ``sessions`` in parts, each of which fits into a chunk."""
    parts: list[list[dict[str, str]]] = []
    room = 0
    for one in sessions:
        size = len(json.dumps(one, separators=(",", ":")).encode()) + 1
        if size > room:
            parts.append([])
            room = _ROOM
        parts[-1].append(one)
        room -= size
    return parts
