"""Deletion: which message is meant, who said it, and whether that is certainly oneself."""

from __future__ import annotations

from dataclasses import replace

from chatnet.core import commands as c
from chatnet.core.events import WRITTEN, Entry, Erased
from chatnet.core.names import fold
from chatnet.core.refusals import NoSuchMessage
from chatnet.core.room import Room
from chatnet.core.search import Search
from chatnet.interfaces import Account
from chatnet.server.audience import Audience
from chatnet.server.host import Host
from chatnet.server.seats import Asker


async def resolve(host: Host, session: Asker, audience: Audience, command: c.Delete) -> c.Delete:
    """Return ``command`` with the message that it means, its author, and whether that is one's own.

    An account's message is its own if the account was there when it was said. A guest's is its
    own while nothing came between: it never left the room, and had that name all the time.

    Raises:
        NoSuchMessage: there is nothing to delete there.
    """
    room = audience.room
    account = await host.accounts.find(session.person.name) if session.person.registered else None
    if not command.message:
        entry = await _last(host, session, room)
        if entry is None or not _is_own(entry, session, room, account):
            raise NoSuchMessage(f"You said nothing in {room.name} that is yours to delete.")
    else:
        entry = await _get(host, room, command.message)
    assert isinstance(entry.event, WRITTEN)
    own = _is_own(entry, session, room, account)
    return replace(command, message=entry.seq, author=entry.event.by, own=own)


def _is_own(entry: Entry, session: Asker, room: Room, account: Account | None) -> bool:
    key = session.actor.key
    if not isinstance(entry.event, WRITTEN) or fold(entry.event.by) != key:
        return False
    if account is not None and account.key == key and entry.at > account.made:
        return True
    return key in room.named and entry.seq > room.named[key]


async def _last(host: Host, session: Asker, room: Room) -> Entry | None:
    """Return the last message, or file, under one's name."""
    for entry in reversed(room.log.between(room.log.tail, room.log.head)):
        if isinstance(entry.event, WRITTEN) and fold(entry.event.by) == session.actor.key:
            return entry
    found = await host.network.journal.search([room.key], Search((), session.actor.key), 1)
    return found[0] if found and found[0].seq > room.log.floor else None


async def _get(host: Host, room: Room, seq: int) -> Entry:
    if not 0 < seq <= room.log.head:
        raise NoSuchMessage(f"There is no message #{seq} in {room.name}.")
    if seq <= room.log.floor:
        raise NoSuchMessage(f"Message #{seq} of {room.name} is not kept any more.")
    entries = await host.network.journal.read(room.key, seq - 1, seq)
    event = entries[0].event if entries else None
    if isinstance(event, Erased):
        raise NoSuchMessage(f"Message #{seq} of {room.name} was deleted before.")
    if not isinstance(event, WRITTEN):
        raise NoSuchMessage(f"#{seq} of {room.name} is not a message that someone wrote.")
    return entries[0]
