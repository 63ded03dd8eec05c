"""What an operator does to a room as a whole, and what that would come to."""

from __future__ import annotations

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core import commands as c, events as e
from chatnet.core.counting import counted
from chatnet.core.directory import VERBS
from chatnet.core.durations import spell_span
from chatnet.core.names import STAFF
from chatnet.server import foresight
from chatnet.server.audience import Audience

MOST_READ = 100_000  # entries that are looked at to tell how much a room is


async def topic(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or set, what a room is about."""
    command = topic_of(given)
    if command is not None:
        return await desk.ask(operator, command)
    room = (await desk.room(given.text("room"))).room
    said = "" if room.state.topic else f"There is none: topic {room.name} TEXT sets one."
    return Answer(said, [{"room": room.name, "topic": room.state.topic}])


def topic_of(given: Given) -> c.SetTopic | None:
    """Return what is asked for by who sets a topic; None, if it is only to be shown."""
    if "text" not in given.values:
        return None
    text = given.text("text")
    return c.SetTopic(given.text("room"), "" if text == "-" else text)


async def rename(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let a room be called something else."""
    command = c.RenameRoom(given.text("room"), given.text("name"))
    return _noted(desk, await desk.ask(operator, command))


async def try_rename(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Who would be in a room of another name."""
    command = c.RenameRoom(given.text("room"), given.text("name"))
    await foresight.foresee(desk.host, operator.actor, command)
    audience = await desk.room(command.room)
    row: Row = {"room": audience.room.name, "name": command.name, **_here(audience)}
    return Answer(f"{_people(audience)} in it would stay; nothing was done.", [row])


async def delete(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Delete a room."""
    command = c.DeleteRoom(given.text("room"), given.text("reason"))
    return _noted(desk, await desk.ask(operator, command))


async def try_delete(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Who would be put out, and how much nobody could read."""
    command = c.DeleteRoom(given.text("room"), given.text("reason"))
    await foresight.foresee(desk.host, operator.actor, command)
    audience = await desk.room(command.room)
    messages, size, whole = await _weigh(desk, audience)
    row: Row = {"room": audience.room.name, **_here(audience), "messages": messages, "bytes": size}
    least = "" if whole else "more than "
    grace = desk.host.settings.room_grace
    kept = f"for {spell_span(grace)}" if grace else "for good"
    return Answer(
        f"{_people(audience)} would be put out; {least}{counted(messages, 'message')} of"
        f" {counted(size, 'byte')} would be kept {kept}; nothing was done.",
        [row],
    )


def _noted(desk: Desk, done: Answer) -> Answer:
    """Return ``done`` with the number by which it is taken back, unless nothing was done."""
    staff = desk.host.network.audiences[STAFF].room.log
    for row in done.rows:
        key = desk.host.network.key_of(str(row["room"]))
        acts = (x for x in reversed(staff.between(staff.tail, staff.head)) if _is_about(x, key))
        act = next(acts).seq
        return Answer(f"Done: act {act}. undo {act} takes it back.", [{"act": act, **row}])
    return done


def _is_about(entry: e.Entry, key: str) -> bool:
    event = entry.event
    return isinstance(event, e.Acted) and event.verb in VERBS and event.whom == key


def _here(audience: Audience) -> Row:
    return {"people": len(audience.room.state.members), "connections": len(audience)}


def _people(audience: Audience) -> str:
    return counted(len(audience.room.state.members), "person", "people")


async def _weigh(desk: Desk, audience: Audience) -> tuple[int, int, bool]:
    """Return how many messages a room has, of how many bytes; False if it has more than that."""
    room, journal = audience.room, desk.host.network.journal
    messages = size = 0
    after, most = room.log.floor, room.log.floor + MOST_READ
    while entries := await journal.read(room.key, after, min(room.log.head, most)):
        after = entries[-1].seq
        messages += sum([isinstance(entry.event, e.MESSAGES) for entry in entries])
        size += sum([len(e.body_of(entry.event).encode()) for entry in entries])
    return messages, size, room.log.head <= most
