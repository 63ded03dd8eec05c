"""What the full-text index of a database is given, so that all of them find the same.

Each word becomes a token of ASCII letters and digits, with a prefix: so none is too short for an
index, none is a stop word, and no database takes it apart or folds it in a way of its own. The
room and the speaker of a message are tokens too.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from hashlib import blake2b

from chatnet.core.events import Event, Said, Sealed
from chatnet.core.names import fold
from chatnet.core.search import Search, words_of

_DIGEST_BYTES = 6  # enough: what is found is looked at again


def indexed(room: str, event: Event) -> str | None:
    """Return the tokens of ``event``, with spaces between them; None if it is not searched."""
    if isinstance(event, Sealed):  # found by who said it, and by nothing else
        return f"{_place(room)} {_speaker(fold(event.by))}"
    if not isinstance(event, Said):
        return None
    words = words_of(event.body)
    if event.body.isascii():  # nearly always
        said = " zz".join(["", *words])
    else:
        said = "".join([f" {_token(word)}" for word in words])
    return f"{_place(room)} {_speaker(fold(event.by))}{said}"


def sought(search: Search, rooms: Iterable[str] = ()) -> tuple[list[str], list[str]]:
    """Return the tokens that a message must have, and those of which it must have one."""
    tokens = [_speaker(search.by)] if search.by else []
    return tokens + [_token(word) for word in search.words], [_place(room) for room in rooms]


def _token(word: str) -> str:
    return f"zz{word}" if word.isascii() else f"zx{_short(word)}"


@lru_cache(maxsize=4096)
def _place(room: str) -> str:
    return f"rr{_short(room)}"


@lru_cache(maxsize=4096)
def _speaker(key: str) -> str:
    return f"ss{_short(key)}"


def _short(text: str) -> str:
    return blake2b(text.encode(), digest_size=_DIGEST_BYTES).hexdigest()
