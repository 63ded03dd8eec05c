"""Where a device's keys lie: one SQLite file, readable by its owner alone, all of it encrypted.

What it holds is rows of JSON. Of a row, nobody without the secret can tell even what it is about:
its name is a MAC, its value is sealed with ChaCha20-Poly1305. The key for that is made of a
passphrase, or of a key file, by Argon2id.
"""

from __future__ import annotations

import json
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hmac import digest
from pathlib import Path
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id
from cryptography.hazmat.primitives.kdf.hkdf import HKDFExpand

MEMORY, ITERATIONS, LANES = 64 * 1024, 3, 4  # KiB; RFC 9106 section 4, the second choice
_NONCE, _SECRET = 12, 32  # bytes
_DAMAGED = "The keys are damaged: restore them from a copy, or /recovery."
_SHAPE = """
    PRAGMA secure_delete = ON;
    PRAGMA journal_mode = TRUNCATE;
    PRAGMA synchronous = FULL;
    CREATE TABLE IF NOT EXISTS head
        (salt BLOB, memory INTEGER, iterations INTEGER, lanes INTEGER, proof BLOB);
    CREATE TABLE IF NOT EXISTS rows (id BLOB PRIMARY KEY, kind BLOB, sealed BLOB);
    CREATE INDEX IF NOT EXISTS kinds ON rows (kind);
"""


class Shut(Exception):
    """The keys cannot be had; the sentence says why."""


class Vault:
    """Rows by kind and name. Opening blocks for as long as Argon2id takes; the rest is quick."""

    def __init__(
        self, path: str, secret: bytes, memory: int = MEMORY, iterations: int = ITERATIONS
    ) -> None:
        """Open the file ``path``, or make it, with ``secret``; the costs are for a new one.

        Raises:
            Shut: another client has it open, the secret is another one, or the disk does not do it.
        """
        try:
            self._db = self._open(path)
            salt, proof, *costs = self._head(memory, iterations)
        except (OSError, sqlite3.Error) as error:
            raise Shut(_why(path, error)) from error
        kdf = Argon2id(
            salt=salt, length=32, iterations=costs[1], lanes=costs[2], memory_cost=costs[0]
        )
        master = kdf.derive(secret)
        self._rows = ChaCha20Poly1305(_derive(master, b"rows"))
        self._names = _derive(master, b"names")
        self.pickle_key = _derive(master, b"pickles")  # of vodozemac's own objects
        self._depth = 0
        mine = digest(self._names, b"proof", "sha256")
        if proof is not None and proof != mine:
            self._db.close()
            raise Shut(f"That is not the passphrase of the keys in {path}.")
        if proof is None:
            with self._sure(path):
                self._db.execute("UPDATE head SET proof = ?", (mine,))
                self._db.commit()

    def _open(self, path: str) -> sqlite3.Connection:
        if path != ":memory:":
            Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            os.close(os.open(path, os.O_CREAT | os.O_RDWR, 0o600))
            os.chmod(path, 0o600)
        db = sqlite3.connect(path, timeout=0.2, isolation_level=None, check_same_thread=False)
        db.execute("PRAGMA locking_mode = EXCLUSIVE")  # two clients would use the same keys twice
        db.executescript(_SHAPE)
        db.execute("BEGIN EXCLUSIVE")
        return db

    def _head(self, memory: int, iterations: int) -> tuple[Any, ...]:
        row = self._db.execute("SELECT salt, proof, memory, iterations, lanes FROM head").fetchone()
        if row is None or row[1] is None:
            row = (os.urandom(16), None, memory, iterations, LANES)
            self._db.execute("DELETE FROM head")
            self._db.execute(
                "INSERT INTO head (salt, memory, iterations, lanes) VALUES (?, ?, ?, ?)",
                (row[0], *row[2:]),
            )
        return tuple(row)

    def get(self, kind: str, name: str = "") -> Any:
        """Return the value of a row; None if there is none."""
        row = self._db.execute(
            "SELECT sealed FROM rows WHERE id = ?", (self._id(kind, name),)
        ).fetchone()
        if row is None:
            return None
        found, value = self._unseal(row[0], kind)
        if found != name:
            raise Shut(_DAMAGED)  # rows were exchanged
        return value

    def all(self, kind: str) -> dict[str, Any]:
        """Return all values of a kind, by name."""
        rows = self._db.execute("SELECT sealed FROM rows WHERE kind = ?", (self._id(kind),))
        return dict(self._unseal(sealed, kind) for (sealed,) in rows.fetchall())

    def put(self, kind: str, name: str, value: Any) -> None:
        """Keep ``value``, which JSON has; durable when the ``saving`` around it ends, or now.

        Raises:
            Shut: the disk does not do it.
        """
        plain = json.dumps([name, value], separators=(",", ":")).encode()
        nonce = os.urandom(_NONCE)
        sealed = nonce + self._rows.encrypt(nonce, plain, kind.encode())
        with self.saving(), self._sure("the keys"):
            self._db.execute(
                "INSERT OR REPLACE INTO rows VALUES (?, ?, ?)",
                (self._id(kind, name), self._id(kind), sealed),
            )

    def drop(self, kind: str, name: str) -> None:
        """Keep a row no longer.

        Raises:
            Shut: as for ``put``.
        """
        with self.saving(), self._sure("the keys"):
            self._db.execute("DELETE FROM rows WHERE id = ?", (self._id(kind, name),))

    @contextmanager
    def saving(self, later: bool = False) -> Iterator[None]:
        """Make durable, at the end and all at once, what is put within; if ``later``, sometime.

        Raises:
            Shut: the disk does not do it, and nothing of it was kept.
        """
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if not (self._depth or later):
                self.flush()

    def flush(self) -> None:
        """Make durable what was put.

        Raises:
            Shut: as for ``put``.
        """
        with self._sure("the keys"):
            if self._db.in_transaction:
                self._db.commit()
            self._db.execute("BEGIN EXCLUSIVE")

    def close(self) -> None:
        """Let go of the file."""
        with suppress(sqlite3.Error):
            if self._db.in_transaction:
                self._db.commit()
            self._db.close()

    @contextmanager
    def _sure(self, path: str) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise Shut(_why(path, error)) from error

    def _id(self, *names: str) -> bytes:
        return digest(self._names, json.dumps(names).encode(), "sha256")

    def _unseal(self, sealed: bytes, kind: str) -> tuple[str, Any]:
        try:
            plain = self._rows.decrypt(sealed[:_NONCE], sealed[_NONCE:], kind.encode())
        except InvalidTag as error:
            raise Shut(_DAMAGED) from error
        name, value = json.loads(plain)
        return name, value


def _derive(master: bytes, what: bytes) -> bytes:
    return HKDFExpand(algorithm=SHA256(), length=32, info=b"chatnet keys " + what).derive(master)


def _why(path: str, error: Exception) -> str:
    if isinstance(error, sqlite3.OperationalError) and "locked" in str(error):
        return f"Another client uses the keys in {path}. Leave it first, or be another device."
    return f"The keys in {path} cannot be opened or written: {error}"


def key_file(path: str) -> bytes:
    """Return what is in the key file ``path``, which is made if there is none.

    Raises:
        Shut: it cannot be read or made.
    """
    try:
        Path(path).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600)
        except FileExistsError:
            secret = Path(path).read_bytes()
            if len(secret) != _SECRET:  # the disk was full, perhaps: anybody could guess that
                raise Shut(
                    f"The key file {path} is not whole. Restore it from a copy; or remove it, and"
                    " the keys beside it, and be a new device."
                ) from None
            return secret
        secret = os.urandom(_SECRET)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secret)
            file.flush()
            os.fsync(file.fileno())
        return secret
    except OSError as error:
        raise Shut(f"The key file {path} cannot be used: {error}") from error
