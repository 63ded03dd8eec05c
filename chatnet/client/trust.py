"""Whether a server is the one it says it is: an authority vouches for it, or it is known."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from service_identity import CertificateError, VerificationError
from service_identity.cryptography import (
    verify_certificate_hostname,
    verify_certificate_ip_address,
)

from chatnet.wires.certificates import keep

UNSIGNED = "is signed by nobody who is trusted here"
_VOUCHED = "CA"  # stands for the fingerprint of a server that an authority vouches for


class Untrusted(Exception):
    """The server may be another one than it says. Nothing was sent to it; the sentence says why."""


class KnownServers:
    """The servers that were met before, a line each: ``host:port SHA256:AA:BB:...``."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def find(self, place: str) -> str:
        """Return what is known of the server at ``place``; empty if that is nothing.

        Raises:
            OSError: the file cannot be read.
        """
        for line in self._lines():
            words = line.split()
            if len(words) == 2 and words[0] == place:
                return words[1]
        return ""

    def add(self, place: str, mark: str) -> None:
        """Remember that the server at ``place`` has ``mark``.

        Raises:
            OSError: the file cannot be written.
        """
        self.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _alone_in(self.path.parent):
            lines = [*self._lines(), f"{place} {mark}"]
            keep(self.path, "".join(f"{line}\n" for line in lines).encode())

    def _lines(self) -> list[str]:
        try:
            return self.path.read_text(encoding="utf-8", errors="replace").splitlines()
        except (FileNotFoundError, NotADirectoryError):
            return []


def data_folder() -> Path:
    """Return where the platform keeps what this user's client has to remember."""
    folder = os.environ.get("XDG_DATA_HOME", "")
    if not os.path.isabs(folder):
        folder = os.path.expanduser("~/.local/share")
    return Path(folder, "chatnet")


def known_servers() -> KnownServers:
    """Return those that this user has met."""
    return KnownServers(data_folder() / "known_servers")


class Trust:
    """Judges the certificate of one server, before anything is sent to it."""

    def __init__(
        self, host: str, port: int, ca: str, known: KnownServers, tell: Callable[[str], None]
    ) -> None:
        """Believe what the PEM file ``ca`` holds or vouches for, and nothing else.

        If that is empty, believe the system's authorities, or else a server that is ``known``: the
        first time that is any, and ``tell`` is told of it.
        """
        self.ca = ca
        self.host = host.lower().rstrip(".")
        self.place = f"[{self.host}]:{port}" if ":" in self.host else f"{self.host}:{port}"
        self._known = known
        self._tell = tell

    def judge(self, certificate: x509.Certificate | None, doubt: str) -> None:
        """Decide on ``certificate``; ``doubt`` is what is wrong with it, as far as is known.

        Raises:
            Untrusted: do not go on.
        """
        if certificate is None:
            raise Untrusted(f"{self.place} shows no certificate. Nothing was sent.")
        doubt = doubt or self._misnamed(certificate)
        if self.ca:
            if doubt and not self._is_given(certificate):
                raise Untrusted(
                    f"The certificate of {self.place} {doubt}; --ca trusts {self.ca} alone. Nothing"
                    f" was sent. It has the fingerprint\n  {fingerprint(certificate)}"
                )
            return
        try:
            known = self._known.find(self.place)
        except OSError as error:
            if not doubt:
                return
            raise Untrusted(
                f"Cannot read {self._known.path}, where the servers you know are kept:"
                f" {error.strerror}. Nothing was sent."
            ) from error
        if not doubt:
            if not known:
                self._remember(_VOUCHED)
        elif not known:
            self._first_time(fingerprint(certificate), doubt)
        elif known != fingerprint(certificate):
            raise Untrusted(self._changed(known, fingerprint(certificate), doubt))

    def _is_given(self, certificate: x509.Certificate) -> bool:
        """Return whether the user gave the server's own certificate, wherever that is from."""
        try:
            return certificate in x509.load_pem_x509_certificates(Path(self.ca).read_bytes())
        except (OSError, ValueError):
            return False

    def _misnamed(self, certificate: x509.Certificate) -> str:
        try:
            if is_address(self.host):
                verify_certificate_ip_address(certificate, self.host)
            else:
                verify_certificate_hostname(certificate, hostname(self.host).decode())
        except (VerificationError, CertificateError, ValueError):
            return f"is not for {self.host}"
        return ""

    def _first_time(self, mark: str, doubt: str) -> None:
        kept = self._remember(mark)
        usual = ", as it is with servers that make their own" if doubt == UNSIGNED else ""
        self._tell(
            f"You meet {self.place} for the first time. Its certificate {doubt}{usual}. It has the"
            f" fingerprint\n  {mark}\n"
            f"The server's log has the same one, or it is another server. {kept}"
        )

    def _remember(self, mark: str) -> str:
        try:
            self._known.add(self.place, mark)
        except OSError as error:
            return f"It is not remembered: cannot write {self._known.path}: {error.strerror}."
        return "It is remembered; another one will be refused."

    def _changed(self, known: str, mark: str, doubt: str) -> str:
        was = "signed by an authority that is trusted" if known == _VOUCHED else known
        return (
            f"DO NOT GO ON: {self.place} SHOWS ANOTHER CERTIFICATE THAN BEFORE. Nothing was sent.\n"
            f"  known: {was}\n"
            f"  shown: {mark}, which {doubt}\n"
            "Somebody may stand between you and the server, to read and change what you say. Or"
            " whoever runs it has\ngiven it a new certificate: ask them, and compare the second"
            f" fingerprint with the one in the server's log.\nOnly if it is the same, remove this"
            f" line from {self._known.path}:\n  {self.place} {known}"
        )


def fingerprint(certificate: x509.Certificate) -> str:
    """Return what ``certificate`` is known by, as the server's log has it."""
    return "SHA256:" + certificate.fingerprint(hashes.SHA256()).hex(":").upper()


def is_address(host: str) -> bool:
    """Return whether ``host`` is an IP address and not a name."""
    try:
        ip_address(host)
    except ValueError:
        return False
    return True


def is_here(host: str) -> bool:
    """Return whether ``host`` is this machine, so that nobody is on the way to it."""
    return ip_address(host).is_loopback if is_address(host) else host.lower() == "localhost"


def hostname(host: str) -> bytes:
    """Return ``host`` as it stands in certificates."""
    try:
        return host.encode("idna")
    except UnicodeError:
        return host.encode("ascii", "replace")


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Let no other client write in ``folder`` meanwhile."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
