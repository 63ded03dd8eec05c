"""A store that forgets everything when the process ends."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence
from itertools import islice

from zope.interface import implementer

from chatnet.core.codec import decode_state, encode_state
from chatnet.core.events import MESSAGES, Entry
from chatnet.core.names import Name
from chatnet.core.replies import Done
from chatnet.core.room import RoomState
from chatnet.interfaces import REMEMBERED, Account, Batch, IAccountStore, IStore


@implementer(IStore, IAccountStore)
class MemoryStore:
    """Lists of entries by room, answers by origin, accounts by claim."""

    def __init__(self) -> None:
        self._rooms: dict[str, list[Entry]] = {}
        self._answers: dict[str, deque[Done]] = {}
        self._states: dict[str, tuple[int, str]] = {}
        self._accounts: dict[str, Account] = {}

    def write(self, batch: Batch) -> None:
        for entry in batch.entries:
            log = self._rooms.setdefault(entry.room, [])
            if entry.seq != len(log) + 1:
                raise ValueError(f"place {entry.seq} of {entry.room} is not the next")
            log.append(entry)
        for origin, done in batch.answers:
            self._answers.setdefault(origin, deque(maxlen=REMEMBERED)).append(done)
        for room, (seq, state) in batch.states.items():
            self._states[room] = (seq, encode_state(state))
        for room in batch.discards:
            self._rooms.pop(room, None)
            self._states.pop(room, None)

    def load(self, room: str) -> tuple[int, RoomState]:
        if room not in self._states:
            return 0, RoomState()
        seq, text = self._states[room]
        return seq, decode_state(text)

    def read(self, room: str, after: int, upto: int, limit: int) -> Sequence[Entry]:
        return self._rooms.get(room, [])[after : min(upto, after + limit)]

    def back(self, room: str, upto: int, count: int) -> int:
        said = [e.seq for e in self._rooms.get(room, [])[:upto] if isinstance(e.event, MESSAGES)]
        return said[-count:][0] - 1 if said else upto

    def rooms(self, limit: int) -> Mapping[str, RoomState]:
        rooms = (room for room in reversed(self._states) if room[0] not in "@*")
        return {room: decode_state(self._states[room][1]) for room in islice(rooms, limit)}

    def strays(self) -> Sequence[str]:
        return []  # nothing outlives a server here

    def recall(self, origin: str, limit: int) -> Sequence[Done]:
        return list(self._answers.get(origin, ()))[-limit:]

    def close(self) -> None:
        pass

    def find(self, claims: Iterable[str]) -> Account | None:
        return next((self._accounts[claim] for claim in claims if claim in self._accounts), None)

    def add(self, name: Name, verifier: str, at: float) -> bool:
        if self.find(name.claims):
            return False
        self._accounts |= dict.fromkeys(name.claims, Account(name.text, name.key, verifier))
        return True

    def change(self, key: str, verifier: str) -> None:
        account = self._accounts[key]
        for claim, held in list(self._accounts.items()):
            if held is account:
                self._accounts[claim] = Account(account.name, account.key, verifier)
