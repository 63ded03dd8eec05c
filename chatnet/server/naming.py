"""What rooms are called, and which there are: looked up for lists, and before one is renamed."""

from __future__ import annotations

from dataclasses import replace

from twisted.internet.task import deferLater

from chatnet.core import commands as c
from chatnet.core.names import known_name, room_name
from chatnet.core.refusals import NameTaken
from chatnet.core.room import Actor, RoomState
from chatnet.server.host import Host

MOST_COMPARED = 10_000  # rooms, the newest ones, that a new name must not look like
_SLICE = 100  # of them, that are looked at in one turn of the reactor


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
    network, name = host.network, room_name(command.name)
    room = (await network.open(key)).room
    await network.open(network.key_of(command.name))
    network.check_name(room, actor, command)
    if network.key_of(command.name) == key:
        return
    others = list((await rooms(host, MOST_COMPARED)).items())
    for at in range(0, len(others), _SLICE):
        for other, state in others[at : at + _SLICE]:
            if other != key and name.claims & known_name(state.name).claims:
                raise NameTaken(
                    f"{name.text} looks too much like {state.name}, which is another room."
                )
        await deferLater(host.clock, 0)


def with_grace(host: Host, command: c.DeleteRoom) -> c.DeleteRoom:
    """Return ``command`` with how long the room can be restored."""
    return replace(command, grace=host.settings.room_grace)
