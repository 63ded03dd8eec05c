"""Whose an address is."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

_NEAR = tuple(
    ip_network(net)
    for net in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
        "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


def party_of(address: str) -> str:
    """Return what of ``address`` is one party's: all of it, or in IPv6 its /64.

    Empty for this machine: a loopback address, or a UNIX socket's.
    """
    ip = _elsewhere(address)
    if ip is None:
        return ""
    return str(ip) if ip.version == 4 else str(IPv6Address(int(ip) >> 64 << 64))


def is_near(address: str) -> bool:
    """Return whether ``address`` is this machine's, or one that is not reached from everywhere."""
    ip = _elsewhere(address)
    return ip is None or any(ip in net for net in _NEAR if net.version == ip.version)


def _elsewhere(address: str) -> IPv4Address | IPv6Address | None:
    """Return ``address``; None if it is this machine's."""
    try:
        ip = ip_address(address)
    except ValueError:  # a UNIX socket
        return None
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip
    return None if ip.is_loopback else ip
