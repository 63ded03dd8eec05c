"""Whose an address is."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from functools import lru_cache
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)

Network = IPv4Network | IPv6Network

_ZONE = re.compile(r"%[^/]+")

_NEAR = tuple(
    ip_network(net)
    for net in (
        "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "169.254.0.0/16", "100.64.0.0/10",
        "fc00::/7", "fe80::/10",
    )
)  # fmt: skip


@lru_cache(maxsize=4096)
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


def network_of(text: str) -> Network | None:
    """Return the network that ``text`` is, or the address as one of itself; None if neither.

    On which link an address of IPv6 is (``fe80::1%eth0``) does not count.
    """
    written = _ZONE.sub("", text.strip()) if ":" in text else text.strip()
    try:
        net = ip_network(written, strict=False)
    except ValueError:
        return None
    if isinstance(net, IPv6Network) and net.prefixlen >= 96:
        mapped = net.network_address.ipv4_mapped
        if mapped is not None:
            return IPv4Network((int(mapped), net.prefixlen - 96))
    return net


def party_network(text: str) -> Network | None:
    """Return the network that is one party's, if ``text`` is an address of it without a width.

    That is of IPv6 its /64, but for what is on this machine or on the link alone. Otherwise as
    ``network_of``.
    """
    net = network_of(text)
    single = net is not None and "/" not in text and isinstance(net, IPv6Network)
    if net is None or not single or net.is_loopback or net.is_link_local:
        return net
    return net.supernet(new_prefix=64)


def around(address: str, version: int, width: int) -> Network | None:
    """Return the network of ``width`` bits that ``address`` is in; None if it has none.

    This machine's own addresses are in none, and those of another IP ``version`` neither.
    """
    ip = _elsewhere(address)
    if ip is None or ip.version != version:
        return None
    kind = IPv4Network if version == 4 else IPv6Network
    return kind((int(ip), width), strict=False)


def spell_network(net: Network) -> str:
    """Return ``net`` as people write it: a single address of IPv4 without its width."""
    return str(net.network_address) if net.prefixlen == 32 and net.version == 4 else str(net)


class Networks:
    """Addresses that an operator named: single ones, networks like ``10.0.0.0/8``, or ``unix``.

    That is whoever comes through a UNIX socket, and has no address.
    """

    def __init__(self, written: Iterable[str]) -> None:
        """Take them as they were written.

        Raises:
            ValueError: one is none of these; the sentence says which, and why.
        """
        written = list(written)
        self._unix = "unix" in written
        self._nets = tuple(ip_network(one) for one in written if one != "unix")

    def __bool__(self) -> bool:
        return self._unix or bool(self._nets)

    def __contains__(self, address: object) -> bool:
        if not (address and self._nets):
            return self._unix and not address
        try:
            ip = _unmapped(ip_address(str(address)))
        except ValueError:
            return False
        return any(ip in net for net in self._nets if net.version == ip.version)


Named = Callable[[], Networks]  # those that the operator names at this moment


@lru_cache(maxsize=16)
def networks(written: tuple[str, ...]) -> Networks:
    """Return those that are ``written``, which make sense."""
    return Networks(written)


def bare_address(written: str) -> str:
    """Return the address in ``written``, which may have a port behind it; empty if there is none.

    IPv6 with a port is in brackets. Without the link that it may be on: that is anything at all.
    """
    host = written
    if written.startswith("["):
        host = written[1:].partition("]")[0]
    elif written.count(":") == 1:
        host = written.partition(":")[0]
    try:
        return str(_unmapped(ip_address(host))).partition("%")[0]
    except ValueError:
        return ""


def _unmapped(ip: IPv4Address | IPv6Address) -> IPv4Address | IPv6Address:
    """Return the IPv4 address that ``ip`` stands for, if it does; or else ``ip``."""
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def _elsewhere(address: str) -> IPv4Address | IPv6Address | None:
    """Return ``address``; None if it is this machine's."""
    try:
        ip = _unmapped(ip_address(address))
    except ValueError:  # a UNIX socket
        return None
    return None if ip.is_loopback else ip
