"""What this device is: its own keys, and its Olm sessions with others."""

from __future__ import annotations

from base64 import b32encode, b64decode, b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from chatnet.client.keys.formats import Address, device_lines, key_lines
from chatnet.client.keys.olm import check, vodozemac as v
from chatnet.client.keys.vault import Shut, Vault
from chatnet.core import commands as c, replies as r

FEWEST_KEYS, MORE_KEYS = 25, 50  # one-time keys on the server: when to send more, and how many
MOST_SESSIONS = 5  # with one device: both sides may begin some


@dataclass(frozen=True, slots=True)
class Peer:
    """Another device: where it is, and its identity key, Curve25519."""

    address: Address
    identity: str

    @property
    def name(self) -> str:
        """Under what is kept what this device has with it."""
        return f"{self.address}|{self.identity}"


class Illegible(Exception):
    """A letter cannot be opened."""


class OwnDevice:
    """One's own device. What changes is saved before anything that depends on it is sent."""

    def __init__(self, vault: Vault, account: str, entropy: Callable[[int], bytes]) -> None:
        """Be the device whose keys are in ``vault``, or a new one, of ``account``, a key.

        Raises:
            NoOlm: the extra is not installed.
            Shut: the keys are those of another account.
        """
        check()
        self._vault = vault
        self.is_new = (kept := vault.get("self")) is None
        if kept is None:
            self._account = v.Account()
            self.id = b32encode(entropy(8)).decode()[:10]
        else:
            if kept["account"] != account:
                raise Shut(f"These are the keys of {kept['account']}, and not of {account}.")
            self._account = v.Account.from_pickle(kept["pickle"], vault.pickle_key)
            self.id = kept["id"]
        self.identity = self._account.curve25519_key.to_base64()
        self.address = Address(account, self.id, self._account.ed25519_key.to_base64())
        if self.is_new:
            self._save()

    def be(self, label: str, since: int) -> c.BeDevice:
        """Return how to tell the server who this is."""
        lines = device_lines(self.address.account, self.id, self.identity, self.address.signing)
        return c.BeDevice(
            self.id, self.identity, self.address.signing, self.sign(lines), label, since
        )

    def sign(self, message: bytes) -> str:
        """Return the signature of ``message``."""
        return str(self._account.sign(message).to_base64())

    def more_keys(self, left: int, fallback: bool) -> c.PublishKeys | None:
        """Return what to publish when the server has so many ``left``, and perhaps a fallback."""
        keys: list[str] = []
        if left < FEWEST_KEYS:
            self._account.generate_one_time_keys(MORE_KEYS)
            keys = [self._signed(k.to_base64()) for k in self._account.one_time_keys.values()]
        other = ""
        if not fallback:
            self._account.generate_fallback_key()
            (key,) = self._account.fallback_key.values()
            other = self._signed(key.to_base64(), True)
        if not (keys or other):
            return None
        self._account.mark_keys_as_published()  # those that do not arrive are no loss
        self._save()
        return c.PublishKeys(" ".join(keys[:MORE_KEYS]), other)

    def _signed(self, key: str, fallback: bool = False) -> str:
        lines = key_lines(self.address.account, self.id, key, fallback)
        return f"{key}.{self.sign(lines)}"

    def _save(self) -> None:
        pickle = self._account.pickle(self._vault.pickle_key)
        kept = {"account": self.address.account, "id": self.id, "pickle": pickle}
        self._vault.put("self", "", kept)

    # -- Olm ---------------------------------------------------------------------------

    def knows(self, peer: Peer) -> bool:
        """Return whether there is a session with ``peer``."""
        return bool(self._vault.get("olm", peer.name))

    def meet(self, peer: Peer, claimed: r.Claimed) -> None:
        """Begin a session with ``peer`` by a one-time key of its.

        Raises:
            Illegible: the key is not signed by it.
        """
        lines = key_lines(peer.address.account, peer.address.device, claimed.key, claimed.fallback)
        verify(peer.address.signing, lines, claimed.signature)
        try:
            session = self._account.create_outbound_session(
                v.Curve25519PublicKey.from_base64(peer.identity),
                v.Curve25519PublicKey.from_base64(claimed.key),
            )
        except ValueError as error:
            raise Illegible("that is no key") from error
        self._keep(peer, [session, *self._sessions(peer)])

    def seal(self, peer: Peer, plain: bytes) -> str:
        """Return ``plain`` as a letter to ``peer``, with whom there is a session."""
        session, *others = self._sessions(peer)
        kind, text = session.encrypt(plain).to_parts()
        self._keep(peer, [session, *others])
        return f"{kind}.{b64encode(text).decode().rstrip('=')}"

    def open(self, peer: Peer, body: str) -> bytes:
        """Return what is in a letter from ``peer``; what that changes is yet to be flushed.

        Raises:
            Illegible: it cannot be opened.
        """
        kind, _, text = body.partition(".")
        try:
            raw = b64decode(text + "=" * (-len(text) % 4))
            message = v.AnyOlmMessage.from_parts(int(kind), raw)
        except ValueError as error:
            raise Illegible("it is no letter") from error
        sessions = self._sessions(peer)
        for at, session in enumerate(sessions):
            try:
                plain: bytes = session.decrypt(message)
            except ValueError:
                continue
            self._keep(peer, [session, *sessions[:at], *sessions[at + 1 :]])
            return plain
        if kind != "0":
            raise Illegible("there is no session for it")
        try:
            begun, plain = self._account.create_inbound_session(
                v.Curve25519PublicKey.from_base64(peer.identity), message.to_pre_key()
            )
        except ValueError as error:
            raise Illegible(str(error)) from error
        self._save()
        self._keep(peer, [begun, *sessions])
        return plain

    def forget(self, peer: Peer) -> None:
        """Let the sessions with ``peer`` go."""
        self._vault.drop("olm", peer.name)

    def _sessions(self, peer: Peer) -> list[Any]:
        kept = self._vault.get("olm", peer.name) or []
        return [v.Session.from_pickle(pickle, self._vault.pickle_key) for pickle in kept]

    def _keep(self, peer: Peer, sessions: list[Any]) -> None:
        pickles = [one.pickle(self._vault.pickle_key) for one in sessions[:MOST_SESSIONS]]
        self._vault.put("olm", peer.name, pickles)


def verify(signing: str, message: bytes, signature: str) -> None:
    """See that the key ``signing`` signed ``message``.

    Raises:
        Illegible: it did not.
    """
    try:
        v.Ed25519PublicKey.from_base64(signing).verify_signature(
            message, v.Ed25519Signature.from_base64(signature)
        )
    except ValueError as error:
        raise Illegible("the signature is not right") from error
