"""All that is kept of a person: found, told as it is, and erased."""

from __future__ import annotations

from collections.abc import AsyncIterator, Container

from chatnet.core import events as e, staff as rules
from chatnet.core.counting import counted
from chatnet.core.names import Name, fold, own_logs
from chatnet.core.refusals import NotAllowed, Unavailable
from chatnet.core.roles import Rank
from chatnet.core.room import Actor, RoomState
from chatnet.server.host import Host
from chatnet.server.staff import PIECE, rooms

_EVER = 2**62  # a seq behind all others


async def said(host: Host, room: str, key: str, since: float) -> AsyncIterator[e.Entry]:
    """Yield what is kept in the log ``room`` of the words of ``key`` since that time, in order.

    It reads the whole log: what a search gives up on is found as well.
    """
    after = 0
    while page := await host.network.journal.read(room, after, _EVER):
        after = page[-1].seq
        for entry in page:
            spoken = not isinstance(entry.event, e.Erased) and e.speaker(entry.event)
            if spoken and entry.at >= since and fold(spoken) == key:
                yield entry


async def places(host: Host) -> AsyncIterator[tuple[str, RoomState]]:
    """Yield each room's key, and what is so in it."""
    for room in await rooms(host):
        audience = host.network.audiences.get(room)
        state = audience.room.state if audience else await host.network.journal.state(room)
        if audience is None:
            state.members.clear()  # nobody is in a room that is not in memory
        yield room, state


def standing(state: RoomState, key: str) -> list[str]:
    """Return what the account ``key`` is to a room."""
    held: dict[str, Container[str]] = {
        "member": state.members,
        "moderator": state.moderators,
        "owner": {state.owner},
        "voice": state.voices,
        "invited": state.invited,
        "banned": state.bans,
        "muted": state.mutes,
    }
    return [what for what, keys in held.items() if key in keys]


def check_not_last(host: Host, name: Name) -> None:
    """See that the server has another owner than ``name``, if that is one.

    Raises:
        NotAllowed: it has none.
    """
    ranks = host.network.office.ranks
    owners = {key for key, (_, rank) in ranks.items() if rank is Rank.OWNER}
    if owners - host.network.erasing == {name.key}:
        raise NotAllowed(f"{name.text} is the server's last owner: make someone else one first.")


async def erase(host: Host, actor: Actor, name: Name, since: float, reason: str) -> e.Entry:
    """Remove the account ``name``, made at ``since``, with what it said and what it is to rooms.

    Its own log goes, its messages are deleted in pieces, and its name is free at the end. Broken
    off, it can be asked for again: until then nobody logs in.

    Raises:
        Refused: the rules say no, or the store does.
    """
    rules.check_below(host.network.office, actor, name.text)
    check_not_last(host, name)
    erasing = host.network.erasing
    if name.key in erasing:
        raise NotAllowed(f"{name.text} is just being erased: see audit when that is done.")
    erasing.add(name.key)
    try:
        return await _erase(host, actor, name, since, reason)
    finally:
        erasing.discard(name.key)


async def _erase(host: Host, actor: Actor, name: Name, since: float, reason: str) -> e.Entry:
    await _shut(host, actor, name)
    await _part_with(host, name)
    count = 0
    async for room, state in places(host):
        await _strip(host, actor, name, room, state)
        count += await _delete(host, actor, name, room, since, reason)
    await _part_with(host, name)  # who had given the old password when that was changed
    await _discard_log(host, name)
    await host.accounts.remove(name)
    act = e.Acted(actor.name, "erase", name.text, to=counted(count, "message"), reason=reason)
    (entry,) = await host.network.note([act])
    return entry


async def _shut(host: Host, actor: Actor, name: Name) -> None:
    """Let nobody log in to the account ``name`` any more."""
    _, most = host.accounts.password_length
    await host.accounts.reset(name, host.entropy(64).hex()[:most])
    note = "so that nobody logs in while the account is erased"
    await host.network.note([e.Acted(actor.name, "passwd", name.text, note=note)])


async def _part_with(host: Host, name: Name) -> None:
    """Close the connections of who is logged in as ``name``, and wait until they are gone."""
    person = host.network.people.find(name.key)
    if person is not None and person.registered and person.sessions:
        gone = host.network.vacated(person)
        for session in list(person.sessions):
            session.part("Your account is erased. Goodbye.", "refused")
        await gone


async def _strip(host: Host, actor: Actor, name: Name, room: str, state: RoomState) -> None:
    """Let ``name`` be nothing to ``room`` that the next one of that name would inherit."""
    events: list[e.Event] = []
    if name.key in state.moderators:
        events.append(e.Demoted(name.text, actor.name))
    if name.key in state.voices:
        events.append(e.Devoiced(name.text, actor.name))
    if name.key in state.readers:
        events.append(e.Left(name.text))
    if events:
        await host.network.open(room)
        await host.network.write(room, events)


async def _delete(
    host: Host, actor: Actor, name: Name, room: str, since: float, reason: str
) -> int:
    """Delete what ``name`` said in ``room``; return how much that was."""
    piece, count = list[e.Event](), 0
    async for entry in said(host, room, name.key, since):
        if isinstance(entry.event, e.WRITTEN):
            piece.append(e.Deleted(actor.name, entry.seq, reason, entry.event.by))
        if len(piece) >= PIECE:
            count += await _write(host, room, piece)
            piece = []
    return count + await _write(host, room, piece)


async def _write(host: Host, room: str, piece: list[e.Event]) -> int:
    if piece:
        await host.network.open(room)
        await host.network.write(room, piece)
    return len(piece)


async def _discard_log(host: Host, name: Name) -> None:
    """Discard what was told to ``name`` alone.

    Raises:
        Unavailable: it is written to, or read.
    """
    log = f"@{name.key}"
    await host.network.settle()
    devices = (await host.network.open(log)).room.state.devices
    for key in (*own_logs(name.key, devices), log):
        await host.network.open(key)
        host.network.rooms.let_go(key)
        if key in host.network.audiences:
            raise Unavailable(f"The log of {name.text} is in use. Ask for that again.")
        host.network.rooms.discard(key)
