"""What an operator does to accounts: suspended, given another password, shown and erased."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from chatnet.admin import looks
from chatnet.admin.calls import LONGEST, Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given, Value
from chatnet.admin.operator import Operator
from chatnet.core import commands as c, staff as rules
from chatnet.core.codec import kind_of
from chatnet.core.events import Acted, Entry, Rolled, Whispered, body_of, speaker
from chatnet.core.names import EVERYBODY, Name, known_name
from chatnet.core.refusals import Malformed, NoSuchPerson
from chatnet.server import codes, persons
from chatnet.server.queries import addressee
from chatnet.server.session import Session


async def suspend(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let nobody log in to an account: a ban of it, and of nothing else."""
    return await desk.ask(operator, await suspending(desk, given))


async def suspending(desk: Desk, given: Given) -> c.ServerBan:
    """Return what is asked for by who suspends an account."""
    name = await _account(desk, given)
    return c.ServerBan("account", name.key, given.seconds(), given.text("reason"))


async def resume(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let an account be logged in to again."""
    return await desk.ask(operator, await resuming(desk, given))


async def resuming(desk: Desk, given: Given) -> c.ServerUnban:
    """Return what is asked for by who lets an account be logged in to again."""
    name = await _account(desk, given)
    return c.ServerUnban("account", name.key, given.text("reason"))


async def warn(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Tell somebody alone, in the name of the staff, now or at the next login."""
    name, text = await warned(desk, given), given.text("text")
    whisper = c.Whisper(name.text, f"A warning from this server's staff: {text}")
    await desk.ask(operator, whisper)
    return await _noted(desk, Acted(operator.actor.name, "warn", name.text, reason=text))


async def warned(desk: Desk, given: Given) -> Name:
    """Return who is to be warned.

    Raises:
        Refused: there is nobody of that name, or the warning is too long.
    """
    if len(given.text("text")) > rules.LONGEST_REASON:
        raise Malformed(f"A warning has at most {rules.LONGEST_REASON} characters.")
    name, _ = await addressee(desk.host, given.text("who"))
    return name


async def passwd(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Give an account another password, and close its connections."""
    name = await below(desk, operator, given)
    await desk.host.accounts.reset(name, given.text("password"))
    _part(desk, name, "Staff gave your account another password. Log in again with that.")
    return await _noted(desk, Acted(operator.actor.name, "passwd", name.text))


async def reset_code(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Make a code with which somebody who forgot a password can choose another one."""
    name = await below(desk, operator, given)
    code = codes.make(desk.host.entropy)
    verifier = await desk.host.accounts.hash(code)
    until = desk.host.clock.seconds() + codes.SECONDS
    act = Acted(operator.actor.name, "reset-code", name.text, was=verifier, until=until)
    (entry,) = await desk.host.network.note([act])
    said = (
        f"Done: act {entry.seq}. For a day, and until the password is changed, {name.text} comes in"
        f" with /login {name.text} {code} and then says /passwd {code} NEW."
    )
    return Answer(said, [{"account": name.text, "code": code, "until": until}])


async def export(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return all that is kept of an account."""
    name = await below(desk, operator, given)
    rows = [row async for row in _kept(desk, name)]
    await desk.host.network.note([Acted(operator.actor.name, "export", name.text)])
    return Answer("", rows)


async def _kept(desk: Desk, name: Name) -> AsyncIterator[Row]:
    known = await looks.account_row(desk, name.text)
    assert known is not None
    yield {"kept": "account", **known}
    since, rooms = float(known["made"]), [EVERYBODY]
    async for room, state in persons.places(desk.host):
        rooms.append(room)
        for what in persons.standing(state, name.key):
            yield {"kept": "membership", "room": state.name, "is": what}
    for room in rooms:
        async for entry in persons.said(desk.host, room, name.key, since):
            for row in _told(entry, room):
                yield row
    journal, after = desk.host.network.journal, 0
    while page := await journal.read(f"@{name.key}", after, 2**62):
        after = page[-1].seq
        for entry in page:
            for row in _told(entry, ""):
                yield row


def _told(entry: Entry, room: str) -> Iterator[Row]:
    """Yield what somebody said, in as many rows as it takes."""
    event, text = entry.event, body_of(entry.event)
    row: dict[str, Value] = {"kept": kind_of(event), "room": room, "number": entry.seq}
    row |= {"at": entry.at, "by": speaker(event)}
    match event:
        case Whispered(_, to):
            row["to"] = to
        case Rolled(_, dice, faces):
            text = f"{dice}: {' '.join(map(str, faces))}"
        case _ if not row["by"]:
            return
    for place in range(0, max(1, len(text)), LONGEST):
        yield row | {"part": place // LONGEST + 1, "text": text[place : place + LONGEST]}


async def erase(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Remove an account, and what it said."""
    name = await below(desk, operator, given)
    persons.check_not_last(desk.host, name)
    if not given.flag("sure"):
        raise Malformed(
            f"That deletes all that {name.text} said, and cannot be taken back. Export it first, if"
            " it is wanted; then say --sure."
        )
    row = await looks.account_row(desk, name.text)
    since = float(row["made"]) if row is not None else 0.0
    reason = given.text("reason")[: rules.LONGEST_REASON]
    entry = await persons.erase(desk.host, operator.actor, name, since, reason)
    assert isinstance(entry.event, Acted)
    said = f"Done: act {entry.seq}. {name.text} is erased, with {entry.event.to}."
    return Answer(said, [{"act": entry.seq}])


async def _account(desk: Desk, given: Given) -> Name:
    """Return the name of the account that is meant.

    Raises:
        NoSuchPerson: there is none.
    """
    row = await looks.account_row(desk, given.text("who"))
    if row is None:
        raise NoSuchPerson(f"There is no account called {given.text('who')}.")
    return known_name(str(row["account"]))


async def below(desk: Desk, operator: Operator, given: Given) -> Name:
    """Return the name of the account that is meant, which ``operator`` may take over.

    Raises:
        Refused: there is none, or its rank is as high as the operator's.
    """
    name = await _account(desk, given)
    rules.check_below(desk.host.network.office, operator.actor, name.text)
    return name


def _part(desk: Desk, name: Name, why: str) -> None:
    """Close the connections of who is logged in as ``name``."""
    for session in logged_in(desk, name):
        session.part(why, "refused")


def logged_in(desk: Desk, name: Name) -> list[Session]:
    """Return the connections of who is logged in as ``name``."""
    found = looks.connections_of(desk, name.text)
    return [one for one in found if one.actor.registered and one.actor.key == name.key]


async def _noted(desk: Desk, act: Acted) -> Answer:
    """Put ``act`` into the staff's log."""
    (entry,) = await desk.host.network.note([act])
    row: Row = {"act": entry.seq}
    return Answer(f"Done: act {entry.seq}.", [row])
