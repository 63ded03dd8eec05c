"""For whom a request is made: by those who are connected, or by a proxy for somebody else."""

from __future__ import annotations

import re
from dataclasses import dataclass

from chatnet.core.addresses import Named, bare_address, party_of
from chatnet.web.request import ChatRequest

_FOR = re.compile(r'(?:^|[;,])\s*for\s*=\s*("[^"]*"|[^\s;,"]+)', re.IGNORECASE)


class Contradiction(Exception):
    """What is said of the client contradicts itself; the sentence says how."""


@dataclass(frozen=True, slots=True)
class Asker:
    """A client: its address, and what is known of the way to it."""

    address: str
    forwarded: bool  # somebody says that it asks for somebody else
    vouched: bool  # who says so is a proxy that the operator named
    overheard: bool  # and it says that the way from the client to it can be read by others


class Askers:
    """Believes those proxies which the operator named."""

    def __init__(self, proxies: Named) -> None:
        self._proxies = proxies

    def of(self, request: ChatRequest) -> Asker:
        """Return for whom ``request`` is made.

        A proxy adds an address at the right of ``X-Forwarded-For``, or an element to ``Forwarded``
        (RFC 7239); what stands further left may be the client's own invention. So the client is
        the rightmost that is no named proxy.

        Raises:
            Contradiction: a named proxy passes on two headers that do not say the same: one of
                them is not its own.
        """
        address = request.door.address
        old, new = _said(request, b"x-forwarded-for"), _said(request, b"forwarded")
        forwarded = bool(old or new)
        if not forwarded or address not in self._proxies():
            return Asker(address, forwarded, False, False)
        named = {self._client(way, address) for way in (_listed(old), _elements(new)) if way}
        if len(named) > 1:
            raise Contradiction("X-Forwarded-For and Forwarded do not say the same.")
        for client in named:
            proto = _said(request, b"x-forwarded-proto").rpartition(",")[2].strip().lower()
            overheard = proto in ("http", "ws") and bool(party_of(client))
            return Asker(client, True, True, overheard)
        raise Contradiction("X-Forwarded-For and Forwarded have to name addresses.")

    def _client(self, way: list[str], nearest: str) -> str:
        client = nearest
        for written in reversed(way):
            address = bare_address(written)
            if not address:
                raise Contradiction("X-Forwarded-For and Forwarded have to name addresses.")
            client = address
            if client not in self._proxies():
                break
        return client


def _said(request: ChatRequest, name: bytes) -> str:
    values = request.requestHeaders.getRawHeaders(name) or []
    return ",".join(value.decode("latin-1") for value in values)


def _listed(said: str) -> list[str]:
    return [part.strip() for part in said.split(",") if part.strip()]


def _elements(said: str) -> list[str]:
    return [value.strip('"') for value in _FOR.findall(said)]
