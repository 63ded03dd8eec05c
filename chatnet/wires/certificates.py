"""Who the server is, in TLS: its certificate and key, from files that may change while it runs."""

from __future__ import annotations

import os
import re
import socket
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from OpenSSL import SSL
from twisted.internet.interfaces import IOpenSSLServerConnectionCreator, IReactorTime
from twisted.internet.task import LoopingCall
from twisted.logger import Logger
from twisted.protocols.tls import TLSMemoryBIOProtocol
from zope.interface import implementer

POLL_SECONDS = 10.0
WARN_DAYS = 14  # before a certificate expires, or in the last third of its life if that is later
CERTIFICATE_FILE = "tls-cert.pem"
KEY_FILE = "tls-key.pem"
_SELF_SIGNED_DAYS = 3653  # it is known by its fingerprint, not by who vouches for it
_MOST = 2**20  # bytes of a file that are looked at
_DAY = 86400.0
_CIPHERS = b"ECDHE+AESGCM:ECDHE+CHACHA20"  # of TLS 1.2; all of TLS 1.3 are good
_KEY = re.compile(rb"-----BEGIN ([A-Z ]*PRIVATE KEY)-----.+?-----END \1-----", re.DOTALL)
_HOST = re.compile(r"(?=.{1,253}$)[a-z0-9-]{1,63}(\.[a-z0-9-]{1,63})*", re.IGNORECASE)

Key = (
    rsa.RSAPrivateKey
    | ec.EllipticCurvePrivateKey
    | ed25519.Ed25519PrivateKey
    | ed448.Ed448PrivateKey
)


class CannotUse(Exception):
    """A certificate or a key cannot be used; the sentence says why, and what next."""


@dataclass(frozen=True, slots=True)
class _Pair:
    """A certificate, followed by those that vouch for it, and its key."""

    chain: tuple[x509.Certificate, ...]
    key: Key


class _Files:
    """Where a pair is kept; both may be in one file."""

    def __init__(self, certificate: str, key: str) -> None:
        self._certificate = certificate
        self._key = key
        self._stamps: object = None

    def changed(self) -> bool:
        """Return whether either file is another one than when this was last asked."""
        before, self._stamps = self._stamps, (_stamp(self._certificate), _stamp(self._key))
        return self._stamps != before

    def read(self) -> _Pair:
        """Return what is in the files.

        Raises:
            CannotUse: they are not a certificate and its key.
        """
        chain = _read_chain(self._certificate)
        key = _read_key(self._key)
        try:
            belongs = chain[0].public_key() == key.public_key()
        except (ValueError, UnsupportedAlgorithm):
            belongs = False
        if not belongs:
            raise CannotUse(
                f"the key in {self._key} does not belong to the first certificate in"
                f" {self._certificate}. Give the two files that were made together, with the"
                " server's own certificate before those that vouch for it."
            )
        return _Pair(chain, key)


@implementer(IOpenSSLServerConnectionCreator)
class Certificates:
    """The certificate that the server shows, with its key.

    When the files change, connections made from then on see the new one; the others go on.
    """

    _log = Logger()

    def __init__(self, pair: _Pair, files: _Files | None = None) -> None:
        self._files = files
        self._take(pair)
        self._broken = False  # what is in the files now cannot be used
        self._warned: float | None = None  # when, of the certificate's dates
        self._clock: IReactorTime | None = None
        self._polls: LoopingCall | None = None

    @classmethod
    def from_files(cls, certificate: str, key: str = "") -> Certificates:
        """Use PEM files: the certificate with its chain, and its key if that is elsewhere.

        Raises:
            CannotUse: they are not a certificate and its key.
        """
        files = _Files(certificate, key or certificate)
        files.changed()
        return cls(files.read(), files)

    @classmethod
    def self_signed(
        cls, folder: str | os.PathLike[str], now: datetime | None = None
    ) -> Certificates:
        """Use the certificate in ``folder``, made and signed by the server itself at first.

        Raises:
            CannotUse: it cannot be written or read, or one of its two files is missing.
        """
        certificate, key = (os.path.join(folder, name) for name in (CERTIFICATE_FILE, KEY_FILE))
        here = [path for path in (certificate, key) if os.path.lexists(path)]
        if len(here) == 1:
            missing = key if here == [certificate] else certificate
            raise CannotUse(
                f"{here[0]} is there, but {missing} is not. Put it back, or remove {here[0]}"
                " as well for a new certificate."
            )
        if not here:
            pair = _make_self_signed(now)
            try:
                keep(key, key_pem(pair.key))
                keep(certificate, certificate_pem(*pair.chain))
            except OSError as error:
                raise CannotUse(
                    f"cannot keep a certificate in {folder}: {error.strerror}. Give your own with"
                    " --tls-cert and --tls-key, or go without with --no-tls."
                ) from None
            cls._log.info("made a certificate: {certificate}", certificate=certificate)
        return cls.from_files(certificate, key)

    @classmethod
    def in_memory(cls, now: datetime | None = None) -> Certificates:
        """Make a certificate, signed by the server itself, that is forgotten at the end."""
        return cls(_make_self_signed(now))

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate, as ``AB:CD:...``."""
        return self._leaf.fingerprint(hashes.SHA256()).hex(":").upper()

    @property
    def expires(self) -> datetime:
        """When it does, in UTC."""
        return self._leaf.not_valid_after_utc

    @property
    def names(self) -> tuple[str, ...]:
        """The hosts and addresses that it is for."""
        try:
            held = self._leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        except (ValueError, x509.ExtensionNotFound):
            return ()
        hosts = held.get_values_for_type(x509.DNSName)
        return (*hosts, *(str(address) for address in held.get_values_for_type(x509.IPAddress)))

    def serverConnectionForTLS(  # noqa: N802 -- Twisted's name
        self,
        tlsProtocol: TLSMemoryBIOProtocol,  # noqa: N803
    ) -> SSL.Connection:
        """Return a connection that shows the certificate of now."""
        return SSL.Connection(self._context, None)

    def start(self, clock: IReactorTime) -> None:
        """Tell the log what is shown, and look for changes from now on."""
        self._clock = clock
        self._tell()
        self._warn_of_dates()
        self._polls = LoopingCall(self._poll)
        self._polls.clock = clock
        self._polls.start(POLL_SECONDS, now=False).addErrback(
            lambda failure: self._log.failure("the certificate is watched no more", failure)
        )

    def stop(self) -> None:
        """Look for changes no more."""
        if self._polls is not None and self._polls.running:
            self._polls.stop()
        self._polls = None

    def refresh(self) -> None:
        """Take up what is in the files, if that has changed and can be used."""
        if self._files is None or not self._files.changed():
            return
        before, broken = self._leaf, self._broken
        try:
            self._take(self._files.read())
        except CannotUse as error:
            self._broken = True
            self._log.warn(
                "the TLS certificate stays as it was until its files change: {why}", why=str(error)
            )
            return
        self._broken = False
        if self._leaf != before:
            self._warned = None
        if broken or self._leaf != before:
            self._tell()

    def _take(self, pair: _Pair) -> None:
        self._context = _context(pair)
        self._leaf = pair.chain[0]

    def _poll(self) -> None:
        try:
            self.refresh()
            self._warn_of_dates()
        except Exception:  # whatever is in the files now, look again later
            self._log.failure("cannot look at the certificate")

    def _tell(self) -> None:
        self._log.info(
            "TLS certificate for {names}, until {expires}",
            names=", ".join(self.names) or "nobody by name",
            expires=f"{self.expires:%Y-%m-%d}",
        )
        self._log.info("its SHA-256 fingerprint: {fingerprint}", fingerprint=self.fingerprint)

    def _warn_of_dates(self) -> None:
        assert self._clock is not None
        now = self._clock.seconds()
        if self._warned is not None and now - self._warned < _DAY:
            return
        begins, ends = self._leaf.not_valid_before_utc, self.expires
        left = ends.timestamp() - now
        if left <= 0:
            words = f"expired on {ends:%Y-%m-%d}: clients refuse it. Put a new one in its place"
        elif left < min(WARN_DAYS * _DAY, (ends - begins).total_seconds() / 3):
            words = f"expires on {ends:%Y-%m-%d}. Put a new one in its place before that"
        elif now < begins.timestamp():
            words = f"is not valid before {begins:%Y-%m-%d}. Is the clock right?"
        else:
            return
        self._warned = now
        self._log.warn("the TLS certificate {words}", words=words)


def issue(
    owner: str,
    key: ec.EllipticCurvePrivateKey,
    now: datetime,
    days: int,
    names: Sequence[str] = (),
    by: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None = None,
) -> x509.Certificate:
    """Return a certificate that ``key`` is ``owner``'s, as RFC 5280 has them.

    It is for a server at ``names``, hosts and addresses; without any, for an authority that
    vouches for servers itself. It is signed ``by`` an authority with its key, or by ``key``.

    Raises:
        ValueError: a name is none.
    """
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, owner)])
    issuer, signer = (by[0].subject, by[1]) if by else (subject, key)
    authority = not names
    usage = x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
    signers = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))  # clocks differ
        .not_valid_after(now + timedelta(days=days))
        .add_extension(x509.BasicConstraints(authority, 0 if authority else None), critical=True)
        .add_extension(usage, critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(signers, critical=False)
    )
    if names:
        builder = builder.add_extension(
            x509.SubjectAlternativeName([_general_name(name) for name in names]), critical=False
        ).add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
    return builder.sign(signer, hashes.SHA256())


def new_key() -> ec.EllipticCurvePrivateKey:
    """Return a new key, on the curve that everyone knows."""
    return ec.generate_private_key(ec.SECP256R1())


def certificate_pem(*chain: x509.Certificate) -> bytes:
    """Return the certificates, one after the other."""
    return b"".join(each.public_bytes(serialization.Encoding.PEM) for each in chain)


def key_pem(key: Key) -> bytes:
    """Return the key, not encrypted."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def keep(path: str | os.PathLike[str], data: bytes, mode: int = 0o600) -> None:
    """Write ``data`` to a file, which is there whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    folder = os.path.dirname(os.path.abspath(path))
    file, draft = tempfile.mkstemp(dir=folder, prefix=f".{os.path.basename(path)}.")
    try:
        with os.fdopen(file, "wb") as out:
            os.fchmod(file, mode)
            out.write(data)
            out.flush()
            os.fsync(file)
        os.rename(draft, path)
    except BaseException:
        with suppress(OSError):
            os.unlink(draft)
        raise
    entry = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(entry)
    finally:
        os.close(entry)


def _make_self_signed(now: datetime | None) -> _Pair:
    host = socket.gethostname()
    names = ["localhost", *([host] if _HOST.fullmatch(host) else []), "127.0.0.1", "::1"]
    key = new_key()
    begins = now or datetime.now(UTC)
    chain = issue("chatnet", key, begins, _SELF_SIGNED_DAYS, tuple(dict.fromkeys(names)))
    return _Pair((chain,), key)


def _general_name(name: str) -> x509.GeneralName:
    with suppress(ValueError):
        return x509.IPAddress(ip_address(name))
    if not _HOST.fullmatch(name.removeprefix("*.")):
        raise ValueError(f"{name} is neither a host nor an address")
    return x509.DNSName(name)


def _context(pair: _Pair) -> SSL.Context:
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.set_min_proto_version(SSL.TLS1_2_VERSION)
    context.set_options(SSL.OP_NO_COMPRESSION | SSL.OP_NO_RENEGOTIATION)
    context.set_mode(SSL.MODE_RELEASE_BUFFERS)  # of those who say nothing just now
    context.set_session_cache_mode(SSL.SESS_CACHE_OFF)  # clients keep tickets instead
    context.set_cipher_list(_CIPHERS)
    context.set_alpn_select_callback(_select)
    try:
        context.use_certificate(pair.chain[0])
        for certificate in pair.chain[1:]:
            context.add_extra_chain_cert(certificate)
        context.use_privatekey(pair.key)
        context.check_privatekey()
    except SSL.Error as error:
        reasons = "; ".join(reason for *_, reason in error.args[0]) or "it is not said why"
        raise CannotUse(
            f"TLS does not take the certificate or its key: {reasons}. Give others with --tls-cert"
            " and --tls-key."
        ) from None
    return context


def _select(
    connection: SSL.Connection, offered: list[bytes]
) -> bytes | SSL._NoOverlappingProtocols:
    """Choose HTTP where a browser offers it; whoever offers anything else gets no answer."""
    return b"http/1.1" if b"http/1.1" in offered else SSL.NO_OVERLAPPING_PROTOCOLS


def _stamp(path: str) -> object:
    try:
        found = os.stat(path)
    except OSError as error:
        return error.errno
    return found.st_mtime_ns, found.st_ctime_ns, found.st_dev, found.st_ino, found.st_size


def _open(path: str, flags: int) -> int:
    return os.open(path, flags | os.O_NONBLOCK)  # what is no file must not stop the server


def _read(path: str) -> bytes:
    try:
        with open(path, "rb", opener=_open) as file:
            return file.read(_MOST) or b""
    except OSError as error:
        raise CannotUse(
            f"cannot read {path}: {error.strerror}. It has to be a PEM file that this server's"
            " user may read."
        ) from None


def _read_chain(path: str) -> tuple[x509.Certificate, ...]:
    try:
        return tuple(x509.load_pem_x509_certificates(_read(path)))
    except (ValueError, x509.InvalidVersion):
        raise CannotUse(
            f"there is no PEM certificate in {path}. It has to have a part that begins with"
            " -----BEGIN CERTIFICATE-----."
        ) from None


def _read_key(path: str) -> Key:
    found = _KEY.search(_read(path))
    try:
        if found is None:
            raise ValueError
        key = serialization.load_pem_private_key(found[0], None)
    except TypeError:
        raise CannotUse(
            f"the key in {path} is encrypted, and nobody is there to type its password. Decrypt it"
            f" with openssl pkey -in {path} -out FILE, and give that with --tls-key."
        ) from None
    except (ValueError, UnsupportedAlgorithm):
        raise CannotUse(
            f"there is no PEM key in {path}. It has to have a part that begins with -----BEGIN"
            " PRIVATE KEY-----; give its file with --tls-key if it is elsewhere."
        ) from None
    if not isinstance(key, Key):
        raise CannotUse(
            f"the key in {path} is of a kind that TLS does not use. Make one with RSA or on an"
            " elliptic curve, and a certificate for it."
        )
    return key
