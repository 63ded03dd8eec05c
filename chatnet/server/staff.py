"""What those in charge ask for, at whichever door: commands as everybody's, and noted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from chatnet.core import commands as c, events as e, rules, staff
from chatnet.core.names import LONGEST, STAFF, fold, known_name
from chatnet.core.refusals import (
    BadPassword,
    Malformed,
    NoSuchMessage,
    NoSuchRoom,
    NotAllowed,
)
from chatnet.core.room import Actor
from chatnet.core.search import Search
from chatnet.server import naming, queries
from chatnet.server.host import Host

PIECE = 100  # messages that are deleted at once
MOST_COUNTED = 1000  # messages that would be purged

Order = c.Moderation | c.Delete | c.Governing | c.Purge


async def order(host: Host, actor: Actor, command: Order) -> Sequence[e.Entry]:
    """Do ``command`` for ``actor``, who need not be connected, and return its entries.

    Rooms are named as people do. The last entry of the staff's log is its note of it.

    Raises:
        Refused: the rules say no, or the store does.
    """
    match command:
        case c.Purge():
            return await purge(host, actor, command)
        case (
            c.SetRank() | c.ServerBan() | c.ServerUnban() | c.Exempt() | c.Unexempt()
            | c.ServerSet() | c.ServerUnset()
        ):  # fmt: skip
            return await govern(host, actor, command)
        case _:
            key, prepared = await ready(host, actor, command)
            return await host.network.order(actor, key, prepared)


async def ready(
    host: Host, actor: Actor, command: c.Moderation | c.Delete
) -> tuple[str, c.RoomCommand]:
    """Return the key of the room that ``command`` is about, which is open, and how it is decided.

    Raises:
        Refused: there is no such room, or it is not for ``actor``.
    """
    network, key = host.network, host.network.key_of(command.room)
    await network.open(key)
    if not network.audiences[key].room.decided.name:
        raise NoSuchRoom(f"There is no room called {command.room}.")
    rules.permit(network.audiences[key].room.decided, actor, type(command), host.clock.seconds())
    prepared = await _prepare(host, actor, key, command)
    if isinstance(prepared, c.RenameRoom):
        await network.open(network.key_of(prepared.name))
    await network.open(key)
    return key, aimed(host, actor, prepared)


async def govern(host: Host, actor: Actor, command: c.Governing) -> Sequence[e.Entry]:
    """Do ``command``, which is about the server.

    Raises:
        Refused: the rules say no, or the store does.
    """
    prepared = await identified(host, actor, command)
    network = host.network
    events = staff.decide(network.office, actor, prepared, host.clock.seconds(), everyone(host))
    return await network.note(events)


async def identified(host: Host, actor: Actor, command: c.Governing) -> c.Governing:
    """Return ``command`` with the account that it means, if it means one.

    Raises:
        NotAllowed: it is not for ``actor``.
    """
    staff.permit(actor, type(command))
    if isinstance(command, c.SetRank):
        account = await host.accounts.find(known_name(command.who))
        same = account is not None and account.key == fold(command.who)
        return replace(command, target=account.name if account and same else "")
    return command


def everyone(host: Host) -> list[Actor]:
    """Return all who are here, once for each connection."""
    return [session.actor for person in host.network.people for session in person.sessions]


async def act(host: Host, id: int) -> e.Entry:
    """Return the entry of the staff's log that has this ``id``, its seq.

    Raises:
        NoSuchMessage: there is none.
    """
    entries = await host.network.journal.read(STAFF, id - 1, id) if id > 0 else ()
    if not entries:
        raise NoSuchMessage(f"There is no act {id}.")
    return entries[0]


async def undoing(host: Host, actor: Actor, id: int) -> Order:
    """Return the command by which ``actor`` takes back what the act ``id`` did.

    Raises:
        Refused: there is no such act, or it cannot be taken back, or not by ``actor``.
    """
    event = (await act(host, id)).event
    assert isinstance(event, e.Acted), event
    staff.check_by(host.network.office, actor, event.by)
    command = staff.undo(event, host.clock.seconds())
    if command is None:
        raise NotAllowed(f"Act {id} ({event.verb}) cannot be taken back, or is over.")
    return command


def check_in(host: Host, name: str, registered: bool) -> None:
    """See that nobody called ``name`` is kept off the server.

    Raises:
        Banned: it is.
    """
    now = host.clock.seconds()
    ban = host.network.office.bars_name(name, registered, now)
    if ban is not None:
        raise staff.refusal(ban, now)


def aimed(host: Host, actor: Actor, command: c.RoomCommand) -> c.RoomCommand:
    """Return ``command`` with whom it holds against, if that is someone who is here now."""
    if not isinstance(command, c.Ban | c.Mute | c.Kick | c.Invite):
        return command
    who = fold(command.who)
    if not isinstance(command, c.Invite):
        rank = host.network.office.rank(who)
        command = replace(command, shielded=bool(rank) and rank >= actor.rank)
    person = host.network.people.find(who)
    if isinstance(command, c.Kick) or person is None or not person.sessions:
        return command
    target = person.name.key
    if not person.registered:
        target = next(iter(person.sessions)).actor.target
    return replace(command, target=target)


async def _prepare(
    host: Host, actor: Actor, key: str, command: c.Moderation | c.Delete
) -> c.RoomCommand:
    match command:
        case c.RenameRoom():
            await naming.check_looks(host, actor, key, command)
            return command
        case c.DeleteRoom():
            return naming.with_grace(host, command)
        case c.Ban() | c.Mute() | c.Invite():
            return replace(command, target=await queries.account_key(host, command.who))
        case c.Lock(_, password):
            if not 1 <= len(password) <= rules.LONGEST_LOCK:
                raise BadPassword(f"A room's password has 1 to {rules.LONGEST_LOCK} characters.")
            return replace(command, lock=await host.accounts.hash(password))
        case c.Delete(_, message):
            entries = await host.network.journal.read(key, message - 1, message)
            event = entries[0].event if message > 0 and entries else None
            if not isinstance(event, e.WRITTEN):
                raise NoSuchMessage(f"There is no message #{message} in {command.room}.")
            return replace(command, author=event.by, own=False)
        case _:
            return command


async def purge(host: Host, actor: Actor, command: c.Purge) -> Sequence[e.Entry]:
    """Delete what was said under a name, in pieces, the latest first; note how much it was.

    Raises:
        Refused: the rules say no, or the store does.
    """
    where, wanted = await _wanted(host, actor, command)
    everywhere = command.room == "*"
    count = 0
    for room in where:
        count += await _purge(host, actor, room, wanted, command.reason)
    act = e.Acted(
        actor.name, "purge", command.who, "" if everywhere else where[0], to=str(count),
        was=f"{command.seconds:g}", reason=command.reason,
    )  # fmt: skip
    return await host.network.note([act])


async def purgeable(host: Host, actor: Actor, command: c.Purge) -> int:
    """Return how many messages ``command`` would delete, as far as ``MOST_COUNTED``.

    Raises:
        Refused: the rules do not allow it.
    """
    rooms, wanted = await _wanted(host, actor, command)
    said = len(await host.network.journal.search(rooms, wanted, MOST_COUNTED))
    return said + sum([len(await _files(host, key, wanted)) for key in rooms])


async def _wanted(host: Host, actor: Actor, command: c.Purge) -> tuple[list[str], Search]:
    """Return in which rooms ``command`` looks, and for what."""
    staff.permit(actor, c.Purge)
    if command.seconds <= 0:
        raise Malformed("Say for how long back: 10m, 2h, 1d.")
    if len(command.reason) > staff.LONGEST_REASON or len(command.who) > LONGEST:
        raise Malformed(f"A reason has at most {staff.LONGEST_REASON} characters.")
    since = host.clock.seconds() - command.seconds
    everywhere = command.room == "*"
    where = await rooms(host) if everywhere else [host.network.key_of(command.room)]
    return where, Search((), fold(command.who), since)


async def _purge(host: Host, actor: Actor, key: str, wanted: Search, reason: str) -> int:
    network, done = host.network, set[int]()
    sent = await _files(host, key, wanted)
    while True:
        found, sent = [*sent, *await network.journal.search([key], wanted, PIECE)], []
        new = [entry for entry in found if entry.seq not in done]
        if not new:
            return len(done)
        await network.open(key)
        done.update(entry.seq for entry in new)
        await network.write(
            key, [e.Deleted(actor.name, entry.seq, reason, e.speaker(entry.event)) for entry in new]
        )


async def _files(host: Host, key: str, wanted: Search) -> list[e.Entry]:
    """Return the entries of files in the room ``key`` that are ``wanted``: no search finds them."""
    found = []
    for seq in host.files.places(key):
        for entry in await host.network.journal.read(key, seq - 1, seq):
            event = entry.event
            if isinstance(event, e.Shared) and fold(event.by) == wanted.by:
                found += [entry] if entry.at >= wanted.since else []
    return found


async def rooms(host: Host) -> list[str]:
    """Return the keys of all rooms, those in memory first."""
    kept = await host.network.journal.logs()
    keys = dict.fromkeys([*host.network.audiences, *kept])
    return [key for key in keys if key[0] not in "@*"]
