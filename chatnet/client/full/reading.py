"""Entries as items, with what is known of their encryption."""

from __future__ import annotations

from chatnet.client.full.items import Item, Kind, flat, item_of
from chatnet.client.keys.causes import Earlier, Lock, explain
from chatnet.client.keys.keys import Keys
from chatnet.client.link import Link
from chatnet.core import events as e

FOLDED = "What was said before you came is encrypted for those who were here."
_MADE_UP = "(not encrypted, so perhaps made up by the server)"


def read(link: Link, entry: e.Entry, words: tuple[str, ...]) -> Item | None:
    """Return what ``entry`` looks like; any of ``words`` in it is a mention. None: like nothing."""
    item = item_of(entry, link.dialogue.name, words)
    keys = link.keys
    if item is None or not isinstance(keys, Keys):
        return item
    cause = keys.why(entry)
    if isinstance(cause, Earlier):
        return Item(Kind.FOLD, entry.at, "", (FOLDED,), entry.seq)
    if cause is not None:
        assert isinstance(entry.event, e.Sealed | e.SealedWhisper)
        by = flat(entry.event.by)
        return Item(Kind.UNREAD, entry.at, by, (flat(explain(cause)),), entry.seq)
    lock = keys.lock_of(entry)
    if lock is Lock.PLAIN:
        item.kind, item.lines = Kind.UNREAD, (_MADE_UP, *item.lines)
    item.locked = isinstance(entry.event, e.Whispered) and lock is not Lock.NONE
    return item


def is_encrypted(link: Link, key: str) -> bool:
    """Return whether what is said in the room ``key`` is encrypted, and the server says so."""
    keys = link.keys
    return isinstance(keys, Keys) and keys.is_encrypted(key) and not keys.is_denied(key)
