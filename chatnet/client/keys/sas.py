"""Two people compare seven emoji, so as to know that nobody is between their devices.

The messages and their order are those of Matrix's ``m.sas.v1``, see docs/encryption.md: the one
who accepts is bound to its key by a commitment before it sees that of the other one, so a liar
between them has one guess in 2**42. Pure: what is to be sent is returned.
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from hashlib import sha256
from typing import Any

from chatnet.client.keys.emoji import EMOJI
from chatnet.client.keys.formats import Address, Misshapen, text_in
from chatnet.client.keys.olm import vodozemac as v

Step = dict[str, str]


class Stage(Enum):
    """How far it has come."""

    STARTED = auto()  # by this side, which waits for the other to accept
    ASKED = auto()  # by the other side
    ACCEPTED = auto()  # keys are exchanged
    COMPARING = auto()
    SAID_YES = auto()  # this side; the other one's MAC is yet to come
    DONE = auto()
    ENDED = auto()


class Fails(Exception):
    """The verification has failed, for ``code``; the sentence says why."""

    def __init__(self, code: str, why: str) -> None:
        super().__init__(why)
        self.code = code


@dataclass(frozen=True, slots=True)
class Signs:
    """What both sides see."""

    emoji: tuple[tuple[str, str], ...]
    numbers: tuple[int, int, int]


class Sas:
    """One verification between ``me`` and ``other``; begun by ``me`` if ``starts``."""

    def __init__(self, me: Address, other: Address, txn: str, starts: bool) -> None:
        self.other = other
        self.txn = txn
        self.stage = Stage.STARTED if starts else Stage.ASKED
        self.signs: Signs | None = None
        self._me = me
        self._starts = starts
        self._sas = v.Sas()
        self._key = str(self._sas.public_key.to_base64())
        self._commitment = ""
        self._established: Any = None
        self._their_mac = ""

    def start(self) -> Step:
        """Return how to ask."""
        return self._step("start")

    def accept(self) -> Step:
        """Agree to what the other side asked."""
        self.stage = Stage.ACCEPTED
        return self._step("accept", commitment=self._committed(self._key, self.other))

    def matches(self) -> list[Step]:
        """The person says that both see the same.

        Raises:
            Fails: the other side said so of another key.
        """
        self.stage = Stage.SAID_YES
        mac = self._established.calculate_mac(
            self._me.signing, self._mac_info(self._me, self.other)
        )
        return [self._step("mac", mac=str(mac)), *self._finish()]

    def hear(self, fields: Mapping[str, Any]) -> list[Step]:
        """Return what to answer to a step of the other side.

        Raises:
            Fails, Misshapen: it is not what it should be.
        """
        match text_in(fields, "step"), self.stage, self._starts:
            case "accept", Stage.STARTED, True:
                self._commitment = text_in(fields, "commitment")
                self.stage = Stage.ACCEPTED
                return [self._step("key", key=self._key)]
            case "key", Stage.ACCEPTED, True:
                key = text_in(fields, "key")
                if self._committed(key, self._me) != self._commitment:
                    raise Fails("commitment", "the other side changed its key on the way.")
                self._agree(key)
                return []
            case "key", Stage.ACCEPTED, False:
                self._agree(text_in(fields, "key"))
                return [self._step("key", key=self._key)]
            case "mac", Stage.COMPARING | Stage.SAID_YES, _:
                self._their_mac = text_in(fields, "mac")
                return self._finish() if self.stage is Stage.SAID_YES else []
            case "done", _, _:
                return []
            case _:
                raise Misshapen("that step is not the next one")

    def cancel(self, code: str, text: str) -> Step:
        """Return how to end it."""
        self.stage = Stage.ENDED
        return self._step("cancel", code=code, text=text)

    def _finish(self) -> list[Step]:
        if not self._their_mac:
            return []
        try:
            self._established.verify_mac(
                self.other.signing, self._mac_info(self.other, self._me), self._their_mac
            )
        except ValueError as error:
            raise Fails("mismatch", "the other side's key is not the one seen here.") from error
        self.stage = Stage.DONE
        return [self._step("done")]

    def _agree(self, key: str) -> None:
        try:
            self._established = self._sas.diffie_hellman(v.Curve25519PublicKey.from_base64(key))
        except ValueError as error:
            raise Misshapen("that is no key") from error
        mine = f"{self._me}|{self._me.signing}|{self._key}"
        theirs = f"{self.other}|{self.other.signing}|{key}"
        one, two = (mine, theirs) if self._starts else (theirs, mine)
        made = self._established.bytes(f"CHATNET_SAS|{one}|{two}|{self.txn}")
        self.signs = Signs(tuple(EMOJI[at] for at in made.emoji_indices), tuple(made.decimals))
        self.stage = Stage.COMPARING

    def _committed(self, key: str, starter: Address) -> str:
        lines = (key, self.txn, starter.account, starter.device, starter.signing)
        return b64encode(sha256("\n".join(lines).encode()).digest()).decode().rstrip("=")

    def _mac_info(self, sender: Address, receiver: Address) -> str:
        return f"CHATNET_MAC|{sender}|{receiver}|{self.txn}"

    def _step(self, step: str, **fields: str) -> Step:
        return {"txn": self.txn, "step": step, **fields}
