"""Search: what was said, in the rooms whose history the asker may read."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from chatnet.core import commands as c, rules
from chatnet.core.events import Entry, Said, speaker, weigh
from chatnet.core.names import fold
from chatnet.core.refusals import Malformed, NotAllowed, NotAMember, Refused
from chatnet.core.replies import Found, Hit
from chatnet.core.search import ENOUGH, MOST_WORDS, Search, excerpt, words_of
from chatnet.core.times import NO_TIME, parse_time
from chatnet.server.host import Host

if TYPE_CHECKING:
    from chatnet.server.session import Session

MOST_FOUND = 100  # messages in one answer
LONGEST = 2000  # characters of a message in it
LONGEST_QUERY = 2000  # characters
_IGNORED_TOO = 4  # so many times what is wanted is looked for if some of it is not shown


async def find(host: Host, session: Session, query: c.Find) -> Found:
    """Return what ``query`` finds, of what ``session`` reads.

    Raises:
        Refused: there is nothing to look for, or it is not for ``session`` to read.
    """
    search = _search(query, host.clock.seconds())
    if not 1 <= query.limit <= MOST_FOUND:
        raise Malformed(f"You can be shown 1 to {MOST_FOUND} messages at once.")
    rooms = _rooms(host, session, query.room)
    wanted = query.limit * (_IGNORED_TOO if session.ignored else 1) + 1
    found = await host.network.journal.search(list(rooms), search, wanted)
    shown = [e for e in found if fold(speaker(e.event)) not in session.ignored]
    size = weigh([entry.event for entry in found])
    more = len(found) == wanted or len(shown) > query.limit or size >= ENOUGH
    hits = [
        _hit(entry, entry.event, rooms[entry.room], search.words)
        for entry in reversed(_readable(host, session, shown[: query.limit]))
        if isinstance(entry.event, Said)
    ]
    return Found(search.words, tuple(hits), more)


def _search(query: c.Find, now: float) -> Search:
    if len(query.words) > LONGEST_QUERY:
        raise Malformed("That is too much to look for. Give some words.")
    words = words_of(query.words)
    if not words and (query.words.strip() or not query.by):
        raise Malformed("There is no word to look for: /search WORDS")
    if len(words) > MOST_WORDS:
        raise Malformed(f"You can look for up to {MOST_WORDS} words at once; those are more.")
    since = parse_time(query.since, now) if query.since else 0.0
    if since is None:
        raise Malformed(NO_TIME)
    return Search(tuple(words), fold(query.by), since)


def _rooms(host: Host, session: Session, name: str) -> dict[str, str]:
    """Return the keys of the rooms to look into, and what they are called.

    Raises:
        Refused: it is not for ``session`` to read what is said there, or there are none.
    """
    if name:
        key = session.key_of(name)
        audience = host.network.audiences.get(key)
        if audience is None:
            raise NotAMember(f"You are not in {name}. /join it first.")
        rules.permit(audience.room.state, session.actor, c.Find, host.clock.seconds())
        if not audience.has(session):
            raise NotAllowed(f"You do not read {audience.room.name} on this connection.")
        return {key: audience.room.name}
    rooms = {key: seat.audience.room.name for key, seat in session.rooms.items()}
    rooms = {key: name for key, name in rooms.items() if _may_read(host, session, key)}
    if not rooms:
        raise NotAMember("You are in no room. You can look for what was said in rooms you are in.")
    return rooms


def _may_read(host: Host, session: Session, key: str) -> bool:
    audience = host.network.audiences.get(key)
    if audience is None or not audience.has(session):
        return False
    try:
        rules.permit(audience.room.state, session.actor, c.Find, host.clock.seconds())
    except Refused:
        return False
    return True


def _readable(host: Host, session: Session, found: Sequence[Entry]) -> list[Entry]:
    """Return those of ``found`` that were not let go or shut off while they were looked for."""
    audiences = host.network.audiences
    return [
        entry
        for entry in found
        if _may_read(host, session, entry.room) and entry.seq > audiences[entry.room].room.log.floor
    ]


def _hit(entry: Entry, said: Said, name: str, words: tuple[str, ...]) -> Hit:
    body = excerpt(said.body, words, LONGEST)
    return Hit(entry.room, name, entry.seq, entry.at, said.by, body, said.action)
