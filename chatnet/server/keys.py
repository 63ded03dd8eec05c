"""Keys of accounts' devices: public ones that others ask for, and what devices leave each other.

Which devices an account has, and what keys are to be had of them, is what its own log adds up to;
so a one-time key is taken as a name in a room is: once, by whoever is first in the log. Each
device has a log of its own, where letters to it stand until it has collected them, and an account
has one more for its backup. What of them was collected, or begun anew, the broom takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, assert_never

from twisted.internet.defer import Deferred

from chatnet.core import commands as c, devices, events as e, rules
from chatnet.core.names import Name, backup_of, letters_of
from chatnet.core.refusals import Malformed, NoDevice, NoSuchPerson, NotAllowed, Stale
from chatnet.core.replies import Attached, CaughtUp, Claimed, DeviceLine, Devices, Kept
from chatnet.core.room import Room, RoomState
from chatnet.server import arrivals, queries
from chatnet.server.cursors import Cursor
from chatnet.server.host import Host

if TYPE_CHECKING:
    from chatnet.server.session import Session

PAGE_BYTES = 256 * 1024  # of a backup that are told at once


async def handle(host: Host, session: Session, command: c.KeyCommand, cid: str | None) -> None:
    """Do ``command``, and answer it.

    Raises:
        Refused: it cannot be done.
    """
    match command:
        case c.BeDevice():
            await _be(host, session, command, cid)
        case c.RemoveDevice(device):
            await _remove(host, session, device, cid)
        case c.PublishKeys():
            room = await _own_log(host, session)
            events = devices.publish(room.decided.devices, device_of(session), command)
            session.answer_to(host.network.tell(session, [room.key], events, cid), cid)
        case c.ListDevices(who):
            session.say(await _list(host, session, who), cid)
        case c.ClaimKey(who, device):
            await _claim(host, session, who, device, cid)
        case c.Deliver():
            await _deliver(host, session, command, cid)
        case c.Collected(upto):
            await _collected(host, session, upto, cid)
        case c.KeepBackup():
            await _keep(host, session, command, cid)
        case c.ShowBackup(after):
            session.say(await _show(host, session, after), cid)
        case _:
            assert_never(command)


def device_of(session: Session) -> str:
    """Return the id of the device that ``session`` is.

    Raises:
        NeedsAccount, NoDevice: it is none.
    """
    rules.permit_person(session.actor, c.BeDevice)
    if not session.device:
        raise NoDevice(
            "This connection is no device with keys, so it cannot encrypt. The client"
            " python -m chatnet.client does that when it is logged in to an account."
        )
    return session.device


async def epoch_of(host: Host, one: Name, other: Name) -> int:
    """Return how often it changed what devices these two accounts have."""
    return sum([(await _open(host, name.key)).decided.epoch for name in (one, other)])


def check_talk(host: Host, logs: Sequence[str], command: c.SealWhisper) -> None:
    """See that ``command`` is for the devices that the accounts with these open ``logs`` have.

    Raises:
        Stale: it is not.
    """
    decided = [host.network.audiences[log].room.decided for log in logs]
    rules.check_epoch(command.epoch, sum([state.epoch for state in decided]), "this talk")


async def _own_log(host: Host, session: Session) -> Room:
    return await _open(host, session.actor.key)


async def _open(host: Host, account: str) -> Room:
    return (await host.network.open(f"@{account}")).room


async def _be(host: Host, session: Session, command: c.BeDevice, cid: str | None) -> None:
    if session.device:
        raise NotAllowed(f"This connection is the device {session.device} already.")
    network, account = host.network, session.actor.key
    log = letters_of(account, command.device)
    devices.be((await _own_log(host, session)).decided.devices, command)
    backup = await _state(host, backup_of(account))
    await arrivals.open_inbox(host, session)
    await _all_open(host, log, f"@{account}")
    own = network.audiences[f"@{account}"].room
    events = devices.be(own.decided.devices, command)
    session.device = command.device
    try:
        await _change(host, session, events)
    except BaseException:
        session.device = ""
        raise
    audience = await network.open(log)
    if session.ended or command.device not in own.decided.devices:
        return
    one, head = own.state.devices[command.device], audience.room.log.head
    since = command.since or audience.room.state.seen
    since = max(min(since, head), audience.room.log.floor)
    past = Cursor(session, session.past, since, head, held=True)
    told = Attached(
        account, command.device, own.state.epoch, log, since, head,
        len(one.keys), bool(one.fallback) and not one.spent, backup.backup,
    )  # fmt: skip
    past.opening = session.printed(told, cid)
    past.closing = session.printed(CaughtUp(log, log, head), None)
    audience.open(past, Cursor(session, session.style, head))
    session.read_after_replies(audience)


async def _remove(host: Host, session: Session, device: str, cid: str | None) -> None:
    account, room = session.actor.key, await _own_log(host, session)
    events = devices.remove(room.decided.devices, device)
    gone = [one for one in session.person.sessions if one.device == device]
    session.answer_to(_change(host, session, events, cid), cid)
    await session.settled()
    if device in room.state.devices:  # that could not be stored
        return
    log = letters_of(account, device)
    for one in gone:
        text = "The device that you are was removed from your account."
        one.leave_for_good(text, "removed", of_own_accord=False)
        if log in host.network.audiences:
            host.network.audiences[log].drop(one)
    host.network.rooms.let_go(log)
    if log not in host.network.audiences:
        host.network.journal.discard(log)


def _change(
    host: Host, session: Session, events: Sequence[e.Event], cid: str | None = None
) -> Deferred[object]:
    """Let the devices of the person of ``session`` change, and the rooms in memory know at once.

    The others learn of it when they are opened, see ``rekeying``.
    """
    network, account = host.network, session.actor.key
    done = network.tell(session, [f"@{account}"], events, cid)
    for event in events:
        assert isinstance(event, e.DeviceAdded | e.DeviceRemoved)
        added, told = isinstance(event, e.DeviceAdded), network.rooms.rekeying.changes(account)
        rekeyed = e.Rekeyed(session.actor.name, event.device, added, told)
        for key, audience in network.audiences.items():
            if account in audience.room.decided.readers:
                network.write(key, [rekeyed]).addErrback(lambda _: None)  # falls with it
    return done


async def _all_open(host: Host, *keys: str) -> None:
    """See that all these logs are in memory now."""
    while closed := [key for key in keys if key not in host.network.audiences]:
        for key in closed:
            await host.network.open(key)


async def _state(host: Host, key: str) -> RoomState:
    audience = host.network.audiences.get(key)
    return audience.room.state if audience is not None else await host.network.journal.state(key)


async def _list(host: Host, session: Session, who: str) -> Devices:
    name = await _account(host, who or session.actor.name)
    state = await _state(host, f"@{name.key}")
    lines = [
        DeviceLine(id, one.label, one.identity, one.signing, one.signature)
        for id, one in state.devices.items()
    ]
    return Devices(name.key, name.text, state.epoch, tuple(lines))


async def _account(host: Host, who: str) -> Name:
    """Return the name of the account called ``who``.

    Raises:
        NoSuchPerson: there is none.
    """
    name = await queries.account_name(host, who)
    if name is None:
        raise NoSuchPerson(f"Nobody called {who} has an account here, and guests have no devices.")
    return name


async def _claim(host: Host, session: Session, who: str, device: str, cid: str | None) -> None:
    name = await _account(host, who)
    room = await _open(host, name.key)
    told, fallback, events = devices.claim(
        room.decided.devices, session.actor.name, name.text, device
    )
    key, _, signature = told.partition(".")
    done = host.network.tell(session, [room.key], events, cid)
    session.answer_to(done, cid, 0, Claimed(name.key, device, key, signature, fallback))


async def _deliver(host: Host, session: Session, command: c.Deliver, cid: str | None) -> None:
    sender = device_of(session)
    devices.check_letter(command.body)
    name = await _account(host, command.who)
    log = letters_of(name.key, command.device)
    if command.device in (await _open(host, name.key)).decided.devices:
        await _all_open(host, log, f"@{name.key}")
    if command.device not in host.network.audiences[f"@{name.key}"].room.decided.devices:
        raise devices.no_such(name.text, command.device)
    room = host.network.audiences[log].room
    if room.log.head - room.state.seen >= devices.MOST_LETTERS:
        raise NotAllowed(
            f"{devices.MOST_LETTERS:,} letters wait for the device {command.device} of {name.text}"
            " already. It has to come and collect them."
        )
    letter = e.Letter(session.actor.name, sender, command.body)
    session.answer_to(host.network.tell(session, [log], [letter], cid), cid, len(command.body))


async def _collected(host: Host, session: Session, upto: int, cid: str | None) -> None:
    room = (await host.network.open(letters_of(session.actor.key, device_of(session)))).room
    upto = min(upto, room.log.head)
    events = [e.Seen(upto)] if upto > room.decided.seen else []
    session.answer_to(host.network.tell(session, [room.key], events, cid), cid)


async def _keep(host: Host, session: Session, command: c.KeepBackup, cid: str | None) -> None:
    devices.check_chunk(command.version, command.body)
    room = (await host.network.open(backup_of(session.actor.key))).room
    events: list[e.Event] = [e.Kept(command.version, command.body)]
    if command.fresh:
        events.insert(0, e.Seen(room.log.head))
    elif command.version != room.decided.backup:
        raise Stale(
            "That is not the backup that is kept: another one was begun, with another recovery"
            " phrase. Ask for it, or begin this one afresh."
        )
    elif room.log.head - room.state.seen >= devices.MOST_CHUNKS:
        raise NotAllowed("The backup is full. Begin it afresh, with fewer and fuller parts.")
    session.answer_to(host.network.tell(session, [room.key], events, cid), cid, len(command.body))


async def _show(host: Host, session: Session, after: int) -> Kept:
    if after < 0:
        raise Malformed('"after" is a number from 0 on.')
    room = (await host.network.open(backup_of(session.actor.key))).room
    at = max(after, room.state.seen, room.log.floor)
    chunks: list[str] = []
    size, head = 0, room.log.head
    while at < head and size < PAGE_BYTES:
        page = await host.network.journal.read(room.key, at, head)
        if not page:
            break
        for entry in page:
            if size >= PAGE_BYTES:
                break
            at = entry.seq
            if isinstance(entry.event, e.Kept):
                chunks.append(entry.event.body)
                size += len(entry.event.body)
    return Kept(room.state.backup, tuple(chunks), at, at < head)
