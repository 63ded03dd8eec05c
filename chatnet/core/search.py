"""What a search finds: one meaning of "word" for every store."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from chatnet.core.events import Entry, Said
from chatnet.core.names import fold

MOST_WORDS = 16  # of a search
LONGEST_WORD = 64  # characters; of a longer one, that is what counts
SEARCHED = 65_536  # characters of a message; what is behind them is not found

_ASCII = bytes(  # each byte of a text as it counts
    ord(chr(byte).lower()) if byte < 128 and chr(byte).isalnum() else ord(" ")
    for byte in range(256)
)
# Scripts without spaces between words (Thai and Lao, kana, Han): each character is a word.
_SINGLE = r"\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
_WORDS = re.compile(rf"[{_SINGLE}]|[^\W_{_SINGLE}]+")


@dataclass(frozen=True, slots=True)
class Search:
    """What is looked for: messages with all of ``words``, which ``words_of`` returned.

    ``by`` is the key of who said them (empty: anybody), ``since`` the earliest time, in UTC
    seconds since the epoch.
    """

    words: tuple[str, ...]
    by: str = ""
    since: float = 0.0


def words_of(text: str) -> list[str]:
    """Return the words of ``text``, once each, in order, as they are found.

    Case, width, accents and punctuation do not count, nor what is behind ``SEARCHED`` characters.
    """
    text = text[:SEARCHED]
    if text.isascii():
        found = text.encode().translate(_ASCII).decode().split()
        if len(text) <= LONGEST_WORD:
            return list(dict.fromkeys(found))
    else:
        bare = "".join(
            [c for c in unicodedata.normalize("NFKD", text) if unicodedata.category(c) != "Mn"]
        )
        found = _WORDS.findall(unicodedata.normalize("NFKC", bare).casefold())
    return list(dict.fromkeys([word[:LONGEST_WORD] for word in found]))


def finds(search: Search, entry: Entry) -> bool:
    """Return whether ``search`` finds ``entry``."""
    event = entry.event
    return (
        isinstance(event, Said)
        and entry.at >= search.since
        and (not search.by or fold(event.by) == search.by)
        and set(search.words).issubset(words_of(event.body))
    )
