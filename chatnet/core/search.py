"""What a search finds: one meaning of "word" for every store."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

from chatnet.core.events import WRITTEN, Entry, Said
from chatnet.core.names import fold

MOST_WORDS = 16  # of a search
LONGEST_WORD = 64  # characters; of a longer one, that is what counts
SEARCHED = 65_536  # characters of a message; what is behind them is not found

_NEAR = 20_000  # characters of a message, among which a word is looked for to show it
ENOUGH = 16 * 1024 * 1024  # characters of messages that were found, at which a search may end

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
        isinstance(event, WRITTEN)
        and entry.at >= search.since
        and (not search.by or fold(event.by) == search.by)
        and set(search.words).issubset(words_of(event.body) if isinstance(event, Said) else ())
    )


def excerpt(body: str, words: tuple[str, ...], most: int) -> str:
    """Return up to ``most`` characters of ``body`` and dots where some are left out.

    They are around the first of ``words``, if that stands near the beginning, as it is written
    here; else they are the first ones.
    """
    if len(body) <= most:
        return body
    begin = min(max(0, _first(words, body[:_NEAR]) - most // 3), len(body) - most)
    end = begin + most
    return f"{'… ' if begin else ''}{body[begin:end].strip()}{' …' if end < len(body) else ''}"


def _first(words: tuple[str, ...], text: str) -> int:
    """Return where the first of ``words`` stands in ``text``: as a word, or else within one."""
    any_of = "|".join([re.escape(word) for word in words])
    whole = rf"(?<![^\W_])(?:{any_of})(?![^\W_])"
    match = re.search(whole, text, re.IGNORECASE) or re.search(any_of, text, re.IGNORECASE)
    return match.start() if match else 0
