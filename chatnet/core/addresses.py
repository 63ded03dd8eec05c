"""Whose an address is."""

from __future__ import annotations

from ipaddress import IPv6Address, ip_address


def party_of(address: str) -> str:
    """Return what of ``address`` is one party's: all of it, or in IPv6 its /64.

    Empty for this machine: a loopback address, or a UNIX socket's.
    """
    try:
        ip = ip_address(address)
    except ValueError:  # a UNIX socket
        return ""
    if isinstance(ip, IPv6Address):
        ip = ip.ipv4_mapped or ip
    if ip.is_loopback:
        return ""
    return str(ip) if ip.version == 4 else str(IPv6Address(int(ip) >> 64 << 64))
