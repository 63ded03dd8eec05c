"""Runs ``twistd`` with a server that takes all of this machine's addresses but one for others'.

So that what counts by address can be tested on one machine: 127.0.0.1 is this machine, 127.0.0.2
somebody else.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

from twisted.scripts.twistd import run

from chatnet.core import addresses

HERE = "127.0.0.1"


def elsewhere(address: str) -> IPv4Address | IPv6Address | None:
    """Return ``address``; None if it is this machine's."""
    return None if address in ("", HERE) else ip_address(address)


if __name__ == "__main__":
    addresses._elsewhere = elsewhere
    run()
