"""What people and rooms may be called, and which names are too alike to exist together."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import cache, lru_cache

from confusable_homoglyphs.confusables import confusables_data
from precis_i18n import get_profile

from chatnet.core.refusals import BadName
from chatnet.core.values import value

SHORTEST_PERSON, LONGEST_PERSON = 3, 32  # characters
LONGEST_ROOM = 64  # characters
GUEST = "guest-"  # what the names given to the unnamed begin with
EVERYBODY = "*"  # the key of the log that everyone reads
STAFF = "*staff"  # the key of the log of what staff does to the server; no room is called so
VISITS = "*visits"  # the key of the log of who was here lately, see server.visitors
OPERATOR = "operator"  # what who is at the server's own machine is called
GUEST_LOG = "@~"  # what the key of a guest's own log begins with
BACKUP = "backup"  # what the key of the log of an account's backup ends with
PIECES = "@="  # what the key of a log begins with that is one large message, in pieces
SERVER = "server"  # and what the server itself is called, where it does something
RESERVED = frozenset(
    ("all", "chatnet", "everybody", "everyone", "here", "nobody", OPERATOR, SERVER)
)

_precis = get_profile("UsernameCasePreserved")  # RFC 8265 section 3.4
_PUNCTUATION = frozenset("-_.")
_PLAIN = re.compile("[A-Za-z0-9][A-Za-z0-9._-]*")  # names that PRECIS leaves as they are


@value
class Name:
    """A person's or a room's name.

    ``text`` is how it is shown, ``key`` how it is found, whatever the case. Two names that share
    any of their ``claims`` are the same, or look the same, and cannot exist together.
    """

    text: str
    key: str
    claims: frozenset[str]


LONGEST = 256  # characters of anything that is looked at as a name


def fold(text: str) -> str:
    """Return the key of ``text``: what is left when case and width do not count.

    Of what is too long to be a name, that is the text itself: to normalise it could take hours.
    """
    return _fold(text) if len(text) <= LONGEST else text


@lru_cache(maxsize=4096)
def _fold(text: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())


def skeleton(text: str) -> str:
    """Return what ``text`` looks like: equal for names that a person could confuse.

    Follows UTS 39 section 4, with each class of confusable characters represented by one of them.
    Of what is too long to be a name, that is the text itself, as in ``fold``.
    """
    if len(text) > LONGEST:
        return text
    shape = unicodedata.normalize("NFD", text).translate(_looks())
    return shape.casefold().replace("0", "o")  # O and 0 are one class; case does not count here


def letters_of(account: str, device: str) -> str:
    """Return the key of the log of what is left to ``device`` of ``account``, a key."""
    return f"@{account}/{device}"


def backup_of(account: str) -> str:
    """Return the key of the log of the backup of ``account``, a key."""
    return f"@{account}/{BACKUP}"


def own_logs(account: str, devices: Iterable[str]) -> list[str]:
    """Return the keys of the logs that ``account``, a key with ``devices``, has besides its own."""
    return [backup_of(account), *(letters_of(account, device) for device in devices)]


def person_name(text: str) -> Name:
    """Return ``text`` as a person's name.

    Raises:
        BadName: it is too short or long, or holds what a name may not hold, or is not to be had.
    """
    return _persons(text, "Please choose another one.")


def account_name(text: str) -> Name:
    """Return ``text`` as the name of an account that somebody may log in to.

    Raises:
        BadName: as for ``person_name``.
    """
    return _persons(
        text,
        "Use the name of your account: /login NAME PASSWORD. /newuser NAME PASSWORD makes one.",
    )


def _persons(text: str, instead: str) -> Name:
    name = _checked(text, "name", SHORTEST_PERSON, LONGEST_PERSON)
    if name.claims & _operators():
        raise BadName(
            f"{name.text} is no account's name: it is, or looks like, what whoever runs this server"
            f" is called. {instead}"
        )
    if name.claims & _reserved():
        raise BadName(f"The name {name.text} is reserved. {instead}")
    if any(claim.startswith((GUEST, skeleton(GUEST))) for claim in name.claims):
        raise BadName(f'Names that begin with "{GUEST}" are given by the server. {instead}')
    return name


def guest_name(digits: str) -> Name:
    """Return the name of someone who has not chosen one; ``digits`` tell guests apart."""
    text = GUEST + digits
    return Name(text, text, frozenset((text,)))


def room_name(text: str) -> Name:
    """Return ``text``, with or without ``#``, as a room's name.

    Raises:
        BadName: as for people.
    """
    return _checked(text.removeprefix("#"), "room name", 1, LONGEST_ROOM)


def _checked(text: str, what: str, shortest: int, longest: int) -> Name:
    if len(text) > LONGEST:  # PRECIS would take its time with it
        raise BadName(f"A {what} has {shortest} to {longest} characters; that has {len(text):,}.")
    return _made(text, what, shortest, longest)


@lru_cache(maxsize=4096)
def _made(text: str, what: str, shortest: int, longest: int) -> Name:
    plain = _PLAIN.fullmatch(text)
    try:
        text = text if plain or not text else str(_precis.enforce(text))
    except UnicodeEncodeError as error:
        raise BadName(
            f"A {what} is made of letters and digits, with - _ . between them."
        ) from error
    if not shortest <= len(text) <= longest:
        raise BadName(f"A {what} has {shortest} to {longest} characters; that has {len(text)}.")
    if not plain and not (
        text[0].isalnum()
        and all(c in _PUNCTUATION or unicodedata.category(c)[0] in "LMN" for c in text)
    ):
        raise BadName(f"A {what} is made of letters and digits, with - _ . between them.")
    return known_name(text)


def known_name(text: str) -> Name:
    """Return ``text``, which was taken for a name before, as one."""
    key = fold(text)
    shape = skeleton(text)
    return Name(text, key, frozenset((key, shape, shape if key == text else skeleton(key))))


@cache
def _operators() -> frozenset[str]:
    return frozenset((OPERATOR, skeleton(OPERATOR)))


@cache
def _reserved() -> frozenset[str]:
    return RESERVED | {skeleton(name) for name in RESERVED}


@cache
def _looks() -> dict[int, str]:
    """Return, for each confusable character, what stands for all that look like it."""
    parent: dict[str, str] = {}

    def root(c: str) -> str:
        while parent.setdefault(c, c) != c:
            c = parent[c]
        return c

    longer: dict[str, str] = {}
    for char, alike in confusables_data.items():
        for other in (entry["c"].strip("\u200e") for entry in alike):
            if len(char) == len(other) == 1:
                one, two = sorted((root(char), root(other)))
                parent[two] = one
            elif len(char) == 1 and char.isascii() and other.isascii():
                longer[char] = other  # m and rn
    looks = {char: root(char) for char in parent}
    looks |= {
        char: "".join(looks.get(c, c) for c in other)
        for char, other in longer.items()
        if char.isalnum()
    }
    return str.maketrans(looks)
