"""TLS, written to without what is looked at again for each record."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from OpenSSL.SSL import Connection as Cipher
from twisted.internet.tcp import Connection
from twisted.protocols.tls import TLSMemoryBIOProtocol
from twisted.python.failure import Failure

from chatnet.wires.straight import Straight

try:
    from _chatnet_sends import Records as _Compiled  # chatnet/server/_sends.c
except ImportError:  # there was no compiler where this was installed
    _Compiled = None
try:  # what pyOpenSSL is made of: no promise of its
    from OpenSSL._util import ffi as _ffi, lib as _lib
except ImportError:  # pragma: no cover
    _ffi = _lib = None

LONGEST = 2**14  # bytes in one record, RFC 8446 section 5.1
_TAKEN_FOR = ("int(*)(SSL *, void *, int)", "int(*)(BIO *, void *, int)")
_ROOM = 2**15  # bytes that one record takes at most, and some more
if _lib is not None:
    _record: Any = _ffi.new("char[]", _ROOM)  # the reactor makes one at a time
    _made = memoryview(_ffi.buffer(_record))
    _encrypt, _take = _lib.SSL_write, _lib.BIO_read
_addresses: tuple[int, ...] = ()  # of these two, if they are what C takes them for
with suppress(AttributeError, TypeError):
    _found = [_ffi.addressof(_lib._original_lib, name) for name in ("SSL_write", "BIO_read")]
    if list(map(_ffi.typeof, _found)) == list(map(_ffi.typeof, _TAKEN_FOR)):
        _addresses = tuple(int(_ffi.cast("uintptr_t", function)) for function in _found)


class Tls(TLSMemoryBIOProtocol):
    """Twisted's TLS, which leaves nothing for the garbage collector when it is broken off."""

    def _tlsShutdownFinished(self, reason: Failure | None) -> None:  # noqa: N802 -- Twisted's name
        if reason is not None:
            reason.cleanFailure()  # of the stack, which holds all that this connection is
        super()._tlsShutdownFinished(reason)


def below(transport: object) -> Connection | None:
    """Return the TCP connection that ``transport``, if it is TLS, sends straight through."""
    if _lib is None or not isinstance(transport, TLSMemoryBIOProtocol):
        return None
    cipher: object = transport.getHandle()
    if not (hasattr(cipher, "_ssl") and hasattr(cipher, "_from_ssl")):  # no promise, either
        return None
    straight: object = transport.transport
    return straight.plain if isinstance(straight, Straight) else None


def sending(tls: TLSMemoryBIOProtocol, plain: Connection) -> Callable[[bytes], int]:
    """Return the ``send`` of ``Records``: the compiled ones, where there are some."""
    if _Compiled is None or not _addresses:
        return Records(tls, plain).send
    cipher: Any = tls.getHandle()
    handles = [int(_ffi.cast("uintptr_t", handle)) for handle in (cipher._ssl, cipher._from_ssl)]
    send: Callable[[bytes], int] = _Compiled(
        tls, plain, plain.socket.send, cipher._ssl, (*_addresses, *handles)
    ).send
    return send


class Records:
    """Sends through ``tls`` on ``plain``, with nothing in between but the cipher.

    Twisted and pyOpenSSL take five calls for what is here one. Whatever is not as always is left to
    them, in the same order: the cipher is the same.
    """

    __slots__ = ("_bio", "_plain", "_send", "_ssl", "_tls")

    def __init__(self, tls: TLSMemoryBIOProtocol, plain: Connection) -> None:
        cipher: Cipher = tls.getHandle()
        self._tls, self._plain, self._send = tls, plain, plain.socket.send
        self._ssl, self._bio = cipher._ssl, cipher._from_ssl

    def send(self, data: bytes) -> int:
        """Send ``data``, or leave it to ``tls``; return its length."""
        tls, length = self._tls, len(data)
        if (
            length > LONGEST
            or tls._appSendBuffer
            or tls.disconnecting
            or tls._lostTLSConnection
            or _encrypt(self._ssl, data, length) <= 0
        ):
            tls.write(data)
            return length
        size = _take(self._bio, _record, _ROOM)
        record = _made[:size]
        plain, sent = self._plain, 0
        if not (plain.dataBuffer or plain._tempDataBuffer):  # which goes first
            try:
                sent = self._send(record)
            except OSError:  # full, or broken: the reactor finds out which
                sent = 0
        if sent < size:
            plain.write(bytes(record[sent:]))
        return length
