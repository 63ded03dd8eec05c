"""The server's own password."""

from __future__ import annotations

from hashlib import sha256
from hmac import compare_digest

from chatnet.server.host import Host


async def opens(host: Host, password: str, address: str) -> bool:
    """Return whether ``password`` is the server's, after as long as tries from ``address`` cost.

    Raises:
        TooManyTries: the wait would be too long.
    """
    await host.throttle.brake("the server", address)
    ours, theirs = host.settings.password.encode(), password.encode()
    right = compare_digest(sha256(ours).digest(), sha256(theirs).digest())
    if right:
        host.throttle.succeeded("the server", address)
    return right
