"""What an operator orders for the whole server; and what staff did, and takes back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import UTC, datetime

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core import commands as c
from chatnet.core.addresses import network_of, party_network
from chatnet.core.events import Acted, Entry
from chatnet.core.names import STAFF, fold
from chatnet.core.office import spell
from chatnet.core.refusals import Malformed
from chatnet.server import queries, staff

ACTS, MOST_ACTS = 50, 10_000  # that audit shows, and that it does at most
_PAGE = 256  # of them, that are read at once


async def ban(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Keep somebody out of a room, or off the server."""
    command = await banning(desk, given)
    answer = await desk.ask(operator, command)
    if isinstance(command, c.ServerBan):
        answer = _widened(answer, command.kind, command.what)
    purge = purging(given)
    if purge is not None:
        await desk.ask(operator, purge)
    return answer


async def banning(desk: Desk, given: Given) -> c.Ban | c.ServerBan:
    """Return what is asked for by who bans somebody.

    Raises:
        Malformed: it makes no sense.
    """
    who, room, reason = given.text("who"), given.text("room"), given.text("reason")
    if room:
        if given.text("note") or given.text("kind"):
            raise Malformed("--note and --kind are for bans from the server.")
        return c.Ban(room, who, given.seconds(), reason)
    kind = await _kind(desk, given)
    if given.seconds("purge") and kind == "address":
        raise Malformed("An address says nothing: --purge is for an account or a name.")
    if given.seconds("purge") and any(wild in who for wild in "*?"):
        raise Malformed("--purge is for one name, not for a pattern. purge takes the names.")
    return c.ServerBan(kind, who, given.seconds(), reason, given.text("note"))


def purging(given: Given) -> c.Purge | None:
    """Return what else is asked for by who bans, if it is."""
    seconds, reason = given.seconds("purge"), given.text("reason")
    return (
        c.Purge(given.text("room") or "*", given.text("who"), seconds, reason) if seconds else None
    )


async def unban(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let somebody in again."""
    return await desk.ask(operator, await unbanning(desk, given))


async def unbanning(desk: Desk, given: Given) -> c.Unban | c.ServerUnban:
    """Return what is asked for by who lifts a ban."""
    if given.text("room"):
        return c.Unban(given.text("room"), given.text("who"))
    kind = await _held(desk, given)
    return c.ServerUnban(kind, given.text("who"), given.text("reason"))


async def exempt(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let no ban hit somebody."""
    command = await exempting(desk, given)
    return _widened(await desk.ask(operator, command), command.kind, given.text("who"))


async def exempting(desk: Desk, given: Given) -> c.Exempt:
    """Return what is asked for by who exempts somebody."""
    kind = given.text("kind") or ("address" if network_of(given.text("who")) else "account")
    return c.Exempt(kind, given.text("who"), given.seconds(), given.text("reason"))


def _widened(answer: Answer, kind: str, who: str) -> Answer:
    """Return ``answer``, which says it if more than the address ``who`` is meant."""
    net = party_network(who) if kind == "address" else None
    if net is None or net == network_of(who):
        return answer
    return replace(answer, said=f"{answer.said} It holds for {net}; {who}/128 is that one alone.")


async def unexempt(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let bans hit somebody again."""
    return await desk.ask(operator, await unexempting(desk, given))


async def unexempting(desk: Desk, given: Given) -> c.Unexempt:
    """Return what is asked for by who lets bans hit somebody again."""
    kind = given.text("kind") or ("address" if network_of(given.text("who")) else "account")
    return c.Unexempt(kind, given.text("who"), given.text("reason"))


async def _kind(desk: Desk, given: Given) -> str:
    """Return what it is that is to be banned: an account, unless there is none of that name."""
    who = given.text("who")
    if given.text("kind"):
        return given.text("kind")
    if network_of(who) is not None:
        return "address"
    if "*" in who or "?" in who:
        return "name"
    return "account" if await queries.account_key(desk.host, who) else "name"


async def _held(desk: Desk, given: Given) -> str:
    """Return of which kind the ban is that is to be lifted."""
    for kind in ("account", "name", "address"):
        place = f"{kind} {spell(kind, given.text('who'))}"
        if place in desk.host.network.office.bans and given.text("kind") in ("", kind):
            return kind
    return await _kind(desk, given)


async def audit(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return what staff did, the last first."""
    most, by, match = given.number("limit", ACTS), fold(given.text("by")), given.text("match")
    most = min(most, MOST_ACTS)
    rows: list[Row] = []
    async for entry in _acts(desk):
        act = entry.event
        assert isinstance(act, Acted)
        row = _act(entry, act)
        if by and fold(act.by) != by:
            continue
        words = " ".join(value for value in row.values() if isinstance(value, str))
        if match and fold(match) not in words.casefold():
            continue
        rows.append(row)
        if len(rows) >= most:
            break
    return Answer("" if rows else "There is nothing.", rows)


async def _acts(desk: Desk) -> AsyncIterator[Entry]:
    """Yield the entries of the staff's log, the last first."""
    audience = await desk.host.network.open(STAFF)
    upto = audience.room.log.head
    while upto > 0:
        after, page = max(0, upto - _PAGE), list[Entry]()
        while not page or page[-1].seq < upto:
            since = page[-1].seq if page else after
            entries = await desk.host.network.journal.read(STAFF, since, upto)
            if not entries:
                break
            page += entries
        for entry in reversed(page):
            if isinstance(entry.event, Acted):
                yield entry
        upto = after


def _act(entry: Entry, act: Acted) -> Row:
    what = act.to
    if act.until:
        what = f"{what} until {datetime.fromtimestamp(act.until, UTC):%Y-%m-%d %H:%M}".strip()
    return {
        "act": entry.seq,
        "at": entry.at,
        "by": act.by,
        "did": act.verb,
        "whom": act.whom,
        "room": act.where,
        "to": what,
        "reason": act.reason,
        "note": act.note,
    }


async def undo(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Take back what staff did."""
    command = await staff.undoing(desk.host, operator.actor, given.number("act"))
    return await desk.ask(operator, command)
