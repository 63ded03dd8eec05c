"""What rooms are called, and which there are: looked up for lists, and before one is renamed."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import deferLater

from chatnet.core import commands as c
from chatnet.core.room import Actor, RoomState
from chatnet.server.host import Host
from chatnet.server.likeness import MOST_KNOWN

_SLICE = 100  # rooms that are looked at in one turn of the reactor


async def rooms(host: Host, most: int) -> dict[str, RoomState]:
    """Return how it is in up to ``most`` rooms that are kept, and in those in memory, by key.

    Those that are deleted are left out, and those that were discarded.
    """
    network = host.network
    states = dict(await network.journal.rooms(most))
    for key, audience in network.audiences.items():
        if key[0] not in "@*" and audience.room.state.name:
            states[key] = audience.room.state
    directory = network.office.rooms
    for key, state in states.items():
        if key not in network.audiences:  # a state that was kept may be older than the name
            state.name = directory.name_of(key, state.name)
    return {
        key: state for key, state in states.items() if state.name and not directory.is_deleted(key)
    }


async def check_looks(host: Host, actor: Actor, key: str, command: c.RenameRoom) -> None:
    """See that the room ``key`` may be called what ``command`` says, by all that is known now.

    Whether it still may is seen when that is decided.

    Raises:
        Refused: no room can be called that, or another one is, or looks so.
    """
    network = host.network
    room = (await network.open(key)).room
    await network.open(network.key_of(command.name))
    await know(host)
    network.check_name(room, actor, command)


async def know(host: Host) -> None:
    """See that it is known what rooms are called, also those that are not in memory.

    Raises:
        OSError: the store cannot be read.
    """
    likeness = host.network.rooms.likeness
    if likeness.complete:
        return
    async with likeness.reading:
        if not likeness.complete:
            await _read_names(host)
            likeness.complete = True


async def _read_names(host: Host) -> None:
    likeness, directory = host.network.rooms.likeness, host.network.office.rooms
    kept = list((await rooms(host, MOST_KNOWN)).items())
    for at in range(0, len(kept), _SLICE):
        if at:
            await deferLater(host.clock, 0)
        for key, state in kept[at : at + _SLICE]:
            if key not in likeness and not directory.is_deleted(key):
                likeness.note(key, state, old=True)


def with_grace(host: Host, command: c.DeleteRoom) -> c.DeleteRoom:
    """Return ``command`` with how long the room can be restored."""
    return replace(command, grace=host.settings.room_grace)
