"""Passwords become verifiers: Argon2id, in PHC string format (RFC 9106)."""

from __future__ import annotations

from collections.abc import Callable

from cryptography.exceptions import InvalidKey
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id

# OWASP's first choice for Argon2id: 19 MiB, two passes, one lane. About 22 ms of one core.
_MEMORY_KIB, _PASSES, _LANES = 19456, 2, 1
_SALT_BYTES, _HASH_BYTES = 16, 32
_PARAMETERS = f"$argon2id$v=19$m={_MEMORY_KIB},t={_PASSES},p={_LANES}$"


def derive(password: str, entropy: Callable[[int], bytes]) -> str:
    """Return a verifier for ``password``. Blocks for tens of milliseconds."""
    hasher = Argon2id(
        salt=entropy(_SALT_BYTES),
        length=_HASH_BYTES,
        iterations=_PASSES,
        lanes=_LANES,
        memory_cost=_MEMORY_KIB,
    )
    return hasher.derive_phc_encoded(password.encode())


def matches(password: str, verifier: str) -> bool:
    """Return whether ``verifier`` was made of ``password``. Blocks for tens of milliseconds."""
    try:
        Argon2id.verify_phc_encoded(password.encode(), verifier)
    except InvalidKey:
        return False
    return True


def outdated(verifier: str) -> bool:
    """Return whether ``verifier`` was made with other parameters than today's."""
    return not verifier.startswith(_PARAMETERS)
