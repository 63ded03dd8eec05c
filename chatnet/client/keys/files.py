"""Files, encrypted in slices: nobody who has not the key reads, changes, shortens or reorders them.

This is the STREAM construction (Hoang, Reyhanitabar, Rogaway and Vizár, 2015) of ChaCha20-Poly1305:
the nonce is the slice's number, and whether it is the last one. Each file has a key of its own.
"""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from dataclasses import dataclass
from pathlib import Path

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305

from chatnet.core.refusals import NotWhole

SLICE = 64 * 1024  # bytes of the file that are encrypted at once
SEALED_NAME = "encrypted"  # what the server is told that it is called
_TAG, _ABOUT = 16, b"chatnet file 1"


@dataclass(frozen=True, slots=True)
class Secret:
    """What opens a file, and what it is: of what the server is told nothing."""

    key: str  # 32 bytes, in base64
    name: str
    size: int
    kind: str  # media type
    sha256: str  # of what is encrypted, in hexadecimal digits


def lock(path: Path, to: Path) -> tuple[str, int]:
    """Encrypt the file at ``path`` into ``to``. Return its key, and its size. Blocks.

    Raises:
        OSError: it cannot be read or written.
    """
    key = os.urandom(32)
    cipher, size, number = ChaCha20Poly1305(key), 0, 0
    with open(path, "rb") as source, open(to, "xb", opener=_private) as target:
        piece = source.read(SLICE)
        while True:
            after = source.read(SLICE)
            target.write(cipher.encrypt(_nonce(number, not after), piece, _ABOUT))
            size, number, piece = size + len(piece), number + 1, after
            if not after:
                return b64encode(key).decode().rstrip("="), size


def unlock(path: Path, to: Path, secret: Secret) -> None:
    """Decrypt the file at ``path`` into ``to``, which is there only if all is well. Blocks.

    Raises:
        NotWhole: it is not the file of ``secret``.
        OSError: it cannot be read or written.
    """
    number, size = 0, 0
    try:
        cipher = ChaCha20Poly1305(b64decode(secret.key + "=" * (-len(secret.key) % 4)))
        with open(path, "rb") as source, open(to, "xb", opener=_private) as target:
            piece = source.read(SLICE + _TAG)
            while True:
                after = source.read(SLICE + _TAG)
                plain = cipher.decrypt(_nonce(number, not after), piece, _ABOUT)
                target.write(plain)
                size, number, piece = size + len(plain), number + 1, after
                if not after:
                    break
        if size != secret.size:
            raise ValueError("another size")
    except (ValueError, InvalidTag) as error:
        to.unlink(missing_ok=True)
        raise NotWhole(
            f"{secret.name} is not the file that was sent: the server, or somebody on it, changed"
            " it. It was dropped."
        ) from error
    except BaseException:
        to.unlink(missing_ok=True)
        raise


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11) + bytes([last])


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
