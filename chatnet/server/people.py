"""Everyone who is here, by name; and no two whose names are, or look, the same."""

from __future__ import annotations

from collections.abc import Iterator
from hashlib import sha256
from typing import TYPE_CHECKING

from chatnet.core.names import Name
from chatnet.core.refusals import NameTaken
from chatnet.server.answers import Answers

if TYPE_CHECKING:
    from chatnet.server.seats import Participant


class Person:
    """A guest, who has one session, or an account, which may have many."""

    __slots__ = ("answers", "name", "registered", "secret", "sessions", "tag")

    def __init__(self, name: Name, registered: bool, tag: str = "") -> None:
        """Make a person; ``tag`` tells a guest apart from every other one, now and later."""
        self.name = name
        self.registered = registered
        self.tag = tag
        self.secret = ""  # that a guest gave, by which it is known again
        self.sessions: dict[Participant, None] = {}  # a set that keeps its order
        self.answers: Answers | None = None  # to its named commands; None before the first one

    @property
    def origin(self) -> str:
        """Under what its named commands are remembered."""
        if self.registered:
            return self.name.key
        return f"~{sha256(self.secret.encode()).hexdigest()}" if self.secret else f"~{self.tag}"


class People:
    """Who is here. A name is claimed before it is used, and free when it was released."""

    def __init__(self) -> None:
        self._by_key: dict[str, Person] = {}
        self._claims: dict[str, Person] = {}

    def __len__(self) -> int:
        return len(set(self._by_key.values()))

    def __iter__(self) -> Iterator[Person]:
        return iter(dict.fromkeys(self._by_key.values()))

    def find(self, key: str) -> Person | None:
        """Return who is called ``key``."""
        return self._by_key.get(key)

    def holder(self, name: Name, besides: Person) -> Person | None:
        """Return who has ``name``, or one that looks like it, other than ``besides``."""
        held = (self._claims.get(claim) for claim in sorted(name.claims))
        return next((person for person in held if person not in (None, besides)), None)

    def claim(self, name: Name, person: Person, instead: Person | None = None) -> None:
        """Let ``name`` belong to ``person``, even if ``instead`` had it.

        Raises:
            NameTaken: someone else has it, or one that looks like it.
        """
        for claim in sorted(name.claims):
            if self._claims.get(claim, person) not in (person, instead):
                holder = self._claims[claim]
                if self._by_key.get(name.key) is holder:
                    raise NameTaken(f"The name {name.text} is in use.")
                other = holder.name.text if claim in holder.name.claims else "one in use"
                raise NameTaken(f"The name {name.text} looks too much like {other}.")
        self._claims |= dict.fromkeys(name.claims, person)
        self._by_key[name.key] = person

    def release(self, name: Name, person: Person, keeping: Name | None = None) -> None:
        """Let ``name`` go, as far as it belongs to ``person``, who may be ``keeping`` another."""
        kept = keeping.claims if keeping else frozenset()
        for claim in name.claims - kept:
            if self._claims.get(claim) is person:
                del self._claims[claim]
        if self._by_key.get(name.key) is person and not (keeping and keeping.key == name.key):
            del self._by_key[name.key]
