"""What an operator does that is no single command: to connections, accounts, and the server."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.interfaces import IDelayedCall

from chatnet.admin import (
    accounts,
    health,
    inviting,
    jobs,
    looks,
    orders,
    reloading,
    rooms,
    turning,
)
from chatnet.admin.desk import Answer, Desk, Does
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core import commands as c
from chatnet.core.counting import counted
from chatnet.core.durations import spell_duration
from chatnet.core.events import Acted
from chatnet.core.names import fold, person_name
from chatnet.core.refusals import Closed, NoSuchPerson, NotAllowed, Refused
from chatnet.core.rules import LONGEST_REASON
from chatnet.server.session import Session

SOON = 0.2  # seconds, for an answer to be out before the server stops
_LEAST_NOTICE = 5.0  # seconds ahead, from which on people are told that the server stops


async def kick(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Put somebody out of a room, or of all."""
    who, reason = given.text("who"), given.text("reason")
    if given.text("room"):
        return await desk.ask(operator, c.Kick(given.text("room"), who, reason))
    rooms = rooms_of(desk, who)
    answers = [await desk.ask(operator, c.Kick(room, who, reason)) for room in rooms]
    rows = [row for answer in answers for row in answer.rows]
    return Answer(f"Done: {who} is out of {', '.join(rooms)}.", rows)


def rooms_of(desk: Desk, who: str) -> list[str]:
    """Return the rooms that somebody is in.

    Raises:
        NoSuchPerson: it is in none.
    """
    every = desk.host.network.audiences.values()
    rooms = sorted(a.room.name for a in every if fold(who) in a.room.decided.members)
    person = desk.host.network.people.find(fold(who))
    if not rooms and (person is None or not person.sessions):
        raise NoSuchPerson(f"Nobody called {who} is here. who lists who is.")
    if not rooms:
        raise NoSuchPerson(f"{who} is in no room. logout {who} closes the connection.")
    return rooms


async def logout(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Close the connections of somebody."""
    who, reason = given.text("who"), given.text("reason")[:LONGEST_REASON]
    found = to_close(desk, operator, who)
    for session in found:
        why = f": {reason}" if reason else "."
        session.part(f"The server's operator closed your connection{why}", "refused")
    await desk.note(Acted(operator.actor.name, "logout", who, reason=reason))
    return Answer(
        f"Done: {counted(len(found), 'connection')} closed.",
        [{"id": session.id} for session in found],
    )


def to_close(desk: Desk, operator: Operator, who: str) -> list[Session]:
    """Return the connections of ``who``.

    Raises:
        Refused: there are none, or they are not for ``operator`` to close.
    """
    found = looks.connections_of(desk, who)
    if not found:
        raise NoSuchPerson(f"{who} is not connected.")
    for session in found:
        rank = session.actor.rank
        if rank and rank >= operator.actor.rank and session.actor.key != operator.actor.key:
            raise NotAllowed(f"{session.actor.name} is {rank.name.lower()} of this server.")
    return found


async def say(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Say something in a room, as the table of rights has it."""
    audience = await desk.room(given.text("room"))
    room, text = audience.room, given.text("text")
    desk.check_length(text)
    (entry,) = await desk.host.network.order(operator.actor, room.key, c.Say(room.name, text))
    await desk.note(Acted(operator.actor.name, "say", "", room.name, f"#{entry.seq}"))
    return Answer(
        f"Done: {room.name}, entry {entry.seq}.", [{"room": room.name, "entry": entry.seq}]
    )


async def tell(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Tell somebody alone."""
    answer = await desk.ask(operator, telling(given))
    await desk.note(Acted(operator.actor.name, "tell", given.text("who")))
    return answer


def telling(given: Given) -> c.Whisper:
    """Return what is asked for by who tells somebody something."""
    return c.Whisper(given.text("who"), given.text("text"))


async def shout(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Tell everyone on the server."""
    answer = await desk.ask(operator, shouting(given))
    await desk.note(Acted(operator.actor.name, "shout"))
    return answer


def shouting(given: Given) -> c.Announce:
    """Return what is asked for by who tells everyone something."""
    return c.Announce(given.text("text"))


async def account_add(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Make an account."""
    name = person_name(given.text("name"))
    try:
        account = await desk.host.accounts.register(name, given.text("password"), "")
    except Closed:
        raise Closed("No accounts are made here: start with --registration open.") from None
    await desk.note(Acted(operator.actor.name, "account-add", account.name))
    return Answer(f"Done: the account {account.name} is made.", [{"account": account.name}])


async def cert_show(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show the certificate."""
    certificates = desk.building.certificates
    if certificates is None:
        raise Refused("This server speaks no TLS.")
    return Answer(
        "",
        [
            {
                "names": " ".join(certificates.names),
                "expires": certificates.expires.timestamp(),
                "fingerprint": certificates.fingerprint,
            }
        ],
    )


async def cert_reload(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Look at the certificate's files now."""
    certificates = desk.building.certificates
    if certificates is None:
        raise Refused("This server speaks no TLS.")
    before = certificates.fingerprint
    certificates.refresh()
    await desk.note(Acted(operator.actor.name, "cert-reload"))
    shown = await cert_show(desk, operator, given)
    if certificates.fingerprint != before:
        return Answer("Done: connections from now on see the new one.", shown.rows)
    return Answer("It is the same as before. If that is wrong, the log says why.", shown.rows)


async def stop(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Stop the server, now or later, or do not."""
    if given.flag("never"):
        return await _never(desk, operator)
    seconds = given.seconds()
    _stop_in(desk, max(SOON, seconds))
    words = spell_duration(seconds)
    await desk.note(Acted(operator.actor.name, "stop", to=f"in {words}"))
    if seconds < _LEAST_NOTICE:
        return Answer("Done: the server stops.")
    await desk.ask(operator, c.Announce(f"This server stops in {words}."))
    return Answer(f"Done: the server stops in {words}. stop --never calls it off.")


async def drain(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let nobody in any more, tell all, and stop later."""
    desk.building.lock_up()
    seconds = given.seconds()
    _stop_in(desk, max(SOON, seconds))
    words = spell_duration(seconds)
    await desk.note(Acted(operator.actor.name, "drain", to=f"in {words}"))
    await desk.ask(operator, c.Announce(given.text("text")))
    count = len(desk.building.factory.registry)
    return Answer(
        f"Done: nobody is let in any more; {count} connected; it stops in {words}.",
        [{"connections": count, "seconds": seconds}],
    )


async def _never(desk: Desk, operator: Operator) -> Answer:
    the_end(desk).cancel()
    await desk.note(Acted(operator.actor.name, "stop", to="never"))
    await desk.ask(operator, c.Announce("This server does not stop after all."))
    return Answer("Done: the server goes on.")


def the_end(desk: Desk) -> IDelayedCall:
    """Return the end of the server that can be called off.

    Raises:
        Refused: it is not about to stop.
    """
    if desk.end is None or not desk.end.active():
        raise Refused("The server is not about to stop.")
    return desk.end


def _stop_in(desk: Desk, seconds: float) -> None:
    if desk.end is not None and desk.end.active():
        desk.end.cancel()
    end: Callable[[], object] = desk.building.stop
    desk.end = desk.host.clock.callLater(seconds, end)


def all_of_them() -> dict[str, Does]:
    """Return what does each verb that is no ordinary command."""
    return {
        "status": health.status,
        "who": looks.who,
        "info": looks.info,
        "rooms": looks.rooms,
        "room": looks.room,
        "why": looks.why,
        "top": looks.top,
        "bans": looks.bans,
        "sessions": looks.sessions,
        "account show": looks.account_show,
        "kick": kick,
        "logout": logout,
        "ban": orders.ban,
        "unban": orders.unban,
        "exempt": orders.exempt,
        "unexempt": orders.unexempt,
        "audit": orders.audit,
        "undo": orders.undo,
        "account add": account_add,
        "account suspend": accounts.suspend,
        "account resume": accounts.resume,
        "account passwd": accounts.passwd,
        "account reset-code": accounts.reset_code,
        "account export": accounts.export,
        "account erase": accounts.erase,
        "warn": accounts.warn,
        "room rename": rooms.rename,
        "room delete": rooms.delete,
        "topic": rooms.topic,
        "say": say,
        "tell": tell,
        "shout": shout,
        "motd": turning.motd,
        "limit get": turning.limit_get,
        "limit set": turning.limit_set,
        "limit reset": turning.limit_reset,
        "registration": turning.registration,
        "level": turning.level,
        "log level": turning.log_level,
        "invite new": inviting.invite_new,
        "invite list": inviting.invite_list,
        "invite revoke": inviting.invite_revoke,
        "config check": reloading.check,
        "config reload": reloading.reload,
        "backup": jobs.backup,
        "verify": jobs.verify,
        "cert show": cert_show,
        "cert reload": cert_reload,
        "drain": drain,
        "stop": stop,
        "du": health.usage,
        "doctor": health.doctor,
    }
