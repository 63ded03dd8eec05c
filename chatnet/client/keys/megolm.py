"""Megolm sessions: the one in which one speaks in a room, and all that others spoke in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chatnet.client.keys.causes import Disordered, Forged, KeyMissing, Newer, Replayed, Unreadable
from chatnet.client.keys.device import Peer
from chatnet.client.keys.formats import (
    Address,
    Misshapen,
    check_fields,
    pack,
    sender_fields,
    text_in,
    unpack,
)
from chatnet.client.keys.olm import vodozemac as v
from chatnet.client.keys.vault import Vault

MOST_MESSAGES, MOST_SECONDS = 100, 7 * 86400.0  # of one session
_CACHED = 200  # sessions that are in memory


class Outgoing:
    """A session in which one speaks. It is never written down: each start begins another one."""

    def __init__(self, talk: str, sender: Address, now: float) -> None:
        self.talk = talk
        self.given: set[Peer] = set()
        self.taken = 0  # messages that the server took
        self._session = v.GroupSession()
        self._sender = sender
        self._began = now

    @property
    def id(self) -> str:
        """What it is called."""
        return str(self._session.session_id)

    @property
    def key(self) -> str:
        """What opens what is said from now on, and nothing before."""
        return str(self._session.session_key.to_base64())

    def is_over(self, now: float) -> bool:
        """Return whether enough was said in it, or it is old."""
        long = now - self._began >= MOST_SECONDS
        return long or self._session.message_index >= MOST_MESSAGES

    def seal(self, kind: str, fields: dict[str, Any]) -> str:
        """Return a message, encrypted."""
        plain = pack(
            kind, room=self.talk, n=self.taken + 1, **sender_fields(self._sender), **fields
        )
        return str(self._session.encrypt(plain).to_base64())


@dataclass(frozen=True, slots=True)
class Place:
    """Where an encrypted message stands, and what stands there besides it."""

    log: str
    seq: int
    talk: str  # the room, or between whom it is
    by: str  # a key, as the next one
    device: str
    session: str


@dataclass(slots=True)
class Opened:
    """What was in a message: its kind, its fields, by which device; and if some are ``missing``."""

    kind: str
    fields: dict[str, Any]
    sender: Address
    missing: int = 0


@dataclass(slots=True)
class _Incoming:
    session: Any
    signing: str
    talk: str
    seen: dict[int, tuple[str, int]] = field(default_factory=dict)  # places, by index
    last: int = 0  # the number of the last message that was read live


class Sessions:
    """The sessions of others, and one's own, by what they are called and whose they are."""

    def __init__(self, vault: Vault) -> None:
        self._vault = vault
        self._cache: dict[str, _Incoming] = {}

    def add(self, talk: str, sender: Address, id: str, key: str, exported: bool = False) -> bool:
        """Keep the session ``id`` of ``sender``, if it opens more than what is kept of it.

        Returns whether it does.
        """
        try:
            session = (
                v.InboundGroupSession.import_session(v.ExportedSessionKey(key))
                if exported
                else v.InboundGroupSession(v.SessionKey(key))
            )
        except ValueError:
            return False
        name = f"{sender}|{id}"
        if session.session_id != id:
            return False
        kept = self._get(name)
        if kept is not None:
            same = (kept.talk, kept.signing) == (talk, sender.signing)
            if not same or session.first_known_index >= kept.session.first_known_index:
                return False
            kept.session = session
        incoming = kept or _Incoming(session, sender.signing, talk)
        self._keep(name, incoming)
        return True

    def open(self, place: Place, body: str, live: bool) -> Opened:
        """Return what is in the message ``body``, which stands at ``place``.

        ``live`` is whether all that stood before it in the log was read here.

        Raises:
            Unreadable: it cannot be read, or not be believed.
        """
        name = f"{place.by}|{place.device}|{place.session}"
        kept = self._get(name)
        if kept is None:
            raise Unreadable(KeyMissing(place.by, place.device))
        try:
            message = v.MegolmMessage.from_base64(body)
            if message.message_index() < kept.session.first_known_index:
                raise Unreadable(KeyMissing(place.by, place.device))
            opened = kept.session.decrypt(message)
        except ValueError as error:
            raise Unreadable(Forged("its session does not open it")) from error
        if kept.talk != place.talk:
            raise Unreadable(Forged("its session is for another room"))
        here, index = (place.log, place.seq), opened.message_index
        self._check_place(kept, here, index, place.by)
        try:
            fields = unpack(opened.plaintext)
            sender = Address(place.by, place.device, kept.signing)
            check_fields(fields, {"room": place.talk, **sender_fields(sender)}, "the message")
            kind = text_in(fields, "type")
        except Misshapen as error:
            raise Unreadable(Newer() if error.newer else Forged(str(error))) from error
        number, missing = fields.get("n"), 0
        if live and isinstance(number, int):
            missing = max(0, number - kept.last - 1) if kept.last else 0
            kept.last = max(kept.last, number)
        if kept.seen.get(index) != here or live:
            kept.seen[index] = here
            with self._vault.saving(later=True):
                self._keep(name, kept)
        return Opened(kind, fields, sender, missing)

    def _check_place(self, kept: _Incoming, here: tuple[str, int], index: int, by: str) -> None:
        before = kept.seen.get(index)
        if before is not None and before != here:
            raise Unreadable(Replayed(before[1]))
        for other, (log, seq) in kept.seen.items():
            if log == here[0] and other != index and (other < index) != (seq < here[1]):
                raise Unreadable(Disordered(by))

    def export(self) -> Iterator[dict[str, str]]:
        """Yield all that is needed to read again what was read, session by session."""
        for name, kept in self._vault.all("session").items():
            incoming = self._cache.get(name) or self._load(kept)
            yield self._exported(name, incoming)

    def export_one(self, sender: Address, id: str) -> dict[str, str]:
        """Return the same of one session, which is kept."""
        name = f"{sender}|{id}"
        incoming = self._get(name)
        assert incoming is not None
        return self._exported(name, incoming)

    def _exported(self, name: str, incoming: _Incoming) -> dict[str, str]:
        by, device, id = name.split("|")
        key = incoming.session.export_at(incoming.session.first_known_index)
        return {
            "room": incoming.talk, "by": by, "device": device, "signing": incoming.signing,
            "session": id, "key": key.to_base64(),
        }  # fmt: skip

    def _get(self, name: str) -> _Incoming | None:
        if name not in self._cache:
            kept = self._vault.get("session", name)
            if kept is None:
                return None
            self._cache[name] = self._load(kept)
            if len(self._cache) > _CACHED:
                del self._cache[next(iter(self._cache))]
        return self._cache[name]

    def _load(self, kept: dict[str, Any]) -> _Incoming:
        session = v.InboundGroupSession.from_pickle(kept["pickle"], self._vault.pickle_key)
        seen = {int(index): (log, seq) for index, (log, seq) in kept["seen"].items()}
        return _Incoming(session, kept["signing"], kept["talk"], seen, kept["last"])

    def _keep(self, name: str, incoming: _Incoming) -> None:
        self._cache[name] = incoming
        kept = {
            "pickle": incoming.session.pickle(self._vault.pickle_key),
            "signing": incoming.signing,
            "talk": incoming.talk,
            "seen": {str(index): place for index, place in incoming.seen.items()},
            "last": incoming.last,
        }
        self._vault.put("session", name, kept)
