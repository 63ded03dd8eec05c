"""What would come of an operator's verb, with ``--dry-run``: nothing is done, and nothing noted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence

from chatnet.admin import accounts, deeds, jobs, orders, reloading, rooms, turning
from chatnet.admin.desk import Answer, Desk, Does
from chatnet.admin.fates import told
from chatnet.admin.grammar import Asked, Given
from chatnet.admin.operator import Operator
from chatnet.admin.verbs import ALL_VERBS
from chatnet.core import commands as c
from chatnet.core.counting import counted
from chatnet.core.durations import spell_duration
from chatnet.core.foresight import KEPT_OUT, outcome
from chatnet.core.limits import Limits
from chatnet.core.names import person_name
from chatnet.core.refusals import NameTaken, NoSuchPerson
from chatnet.core.room import Actor
from chatnet.server import errands, foresight, persons, staff
from chatnet.server.foresight import Fate
from chatnet.server.levels import ACCOUNTS_ONLY, NOBODY_NEW
from chatnet.server.session import Session
from chatnet.server.visitors import DAY, DAYS

_LOOKS = Answer("That only looks; nothing was done.")


async def asked(desk: Desk, operator: Operator, command: Asked) -> Answer:
    """Return whom ``command`` would hit.

    Raises:
        Refused: it would be refused.
    """
    match command:
        case c.Purge():
            return await _purge(desk, operator, command)
        case c.Whisper() | c.Announce():
            return await _tell(desk, operator, command)
        case c.ServerSet() | c.ServerUnset():
            return await _turn(desk, operator, command)
        case _:
            found = await foresight.foresee(desk.host, operator.actor, command)
            if not found.events:
                return Answer("That is so already. Nothing was done.")
            return told(found.fates, await _about(desk, operator, command))


def _closing(sessions: Sequence[Session], about: str = "") -> Answer:
    """Return what there is to say of ``sessions``, which would be closed."""
    return told([Fate(one.actor, True, "connected", "closed") for one in sessions], about)


async def _about(
    desk: Desk, operator: Operator, command: c.Moderation | c.Delete | c.Governing
) -> str:
    """Return what ``command`` would change besides people."""
    match command:
        case c.SetTopic(room, topic):
            was = (await desk.room(room)).room.decided.topic
            return f"The topic would be {topic or 'none'}, and is {was or 'none'}. "
        case c.Delete(room, message):
            entries = await desk.host.network.journal.read(
                (await desk.room(room)).room.key, message - 1, message
            )
            by = getattr(entries[0].event, "by", "somebody")
            return f"What {by} said, {room}/{message}, would be deleted. "
        case c.Retain(room, seconds):
            here = (await desk.room(room)).room
            at = desk.host.clock.seconds() - seconds
            upto = await desk.host.network.journal.seq_at(here.key, at) if seconds else 0
            many = counted(max(0, upto - here.log.floor), "entry", "entries")
            return f"{many} would be let go. "
        case _:
            return ""


async def _purge(desk: Desk, operator: Operator, command: c.Purge) -> Answer:
    count = await staff.purgeable(desk.host, operator.actor, command)
    words = f"{_messages(count)} of {command.who} would be deleted"
    return Answer(f"{words}; nothing was done.", [{"messages": count}])


async def _tell(desk: Desk, operator: Operator, command: c.Telling) -> Answer:
    desk.check_length(command.body)
    await errands.address(desk.host, operator, command)
    if isinstance(command, c.Announce):
        return _hearing(len(desk.building.factory.registry))
    return Answer(f"{command.who} would be told; nothing was done.")


async def _turn(desk: Desk, operator: Operator, turn: turning.Turn) -> Answer:
    """Return what would be otherwise, and for how many, where that can be told."""
    host, what = desk.host, turn.what
    sentence = f"{what} would be {turning.after(desk, turn)}, and is {turning.now(desk, what)}."
    await foresight.foresee(host, operator.actor, turn)
    match turn:
        case c.ServerSet("level", number):
            fates = await _level(desk, int(number))
            return Answer(f"{sentence} {fates.said}", fates.rows)
        case c.ServerSet("registration"):
            count = await host.accounts.made_since(host.clock.seconds() - DAYS * DAY)
            sentence += f" {counted(count, 'account')} made in the last {DAYS} days."
        case c.ServerSet("limit connections", value):
            crowded = host.defence.crowded(Limits([("connections", value)]).connections.most)
            have = "address has" if crowded == 1 else "addresses have"
            sentence += f" {crowded:,} {have} more now, and would keep them."
    return Answer(f"{sentence} Nothing was done.")


def _hearing(count: int) -> Answer:
    people = counted(count, "person", "people")
    return Answer(f"{people} would hear that; nothing was done.", [{"people": count}])


def _messages(count: int) -> str:
    words = counted(count, "message")
    return words if count < staff.MOST_COUNTED else words.replace(" ", " or more ")


# -- what is no ordinary command ---------------------------------------------------------


async def kick(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Who would be put out."""
    who, reason = given.text("who"), given.text("reason")
    where = [given.text("room")] if given.text("room") else deeds.rooms_of(desk, who)
    fates = list[Fate]()
    for room in where:
        command = c.Kick(room, who, reason)
        fates += (await foresight.foresee(desk.host, operator.actor, command)).fates
    once = {(fate.actor.key, fate.actor.address): fate for fate in fates}
    return told(list(once.values()), f"Out of {', '.join(where)}: ")


async def ban(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Who would be kept out, and how much would be deleted."""
    answer = await asked(desk, operator, await orders.banning(desk, given))
    purge = orders.purging(given)
    if purge is None:
        return answer
    count = await staff.purgeable(desk.host, operator.actor, purge)
    return Answer(f"{_messages(count)} would be deleted. {answer.said}", answer.rows)


async def undo(desk: Desk, operator: Operator, given: Given) -> Answer:
    """What would be so if that were taken back, and who would be hit."""
    command = await staff.undoing(desk.host, operator.actor, given.number("act"))
    answer = await asked(desk, operator, command)
    return Answer(f"{outcome(command)}{answer.said}", answer.rows)


async def logout(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Whose connections would be closed."""
    return _closing(deeds.to_close(desk, operator, given.text("who")))


async def warn(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Who would be warned."""
    name = await accounts.warned(desk, given)
    return Answer(f"{name.text} would be told; nothing was done.")


async def account_add(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Whether there is room for such an account."""
    name = person_name(given.text("name"))
    desk.host.accounts.check_length(given.text("password"))
    if await desk.host.accounts.find(name) is not None:
        raise NameTaken(f"There is an account called {name.text}, or too much like it.")
    return Answer(f"The account {name.text} would be made; nothing was done.")


async def another_password(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Whose connections would be closed."""
    name = await accounts.below(desk, operator, given)
    return _closing(accounts.logged_in(desk, name), f"{name.text} would have another password. ")


async def another_code(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Whether there would be a code."""
    name = await accounts.below(desk, operator, given)
    return Answer(f"{name.text} would have a code for a day; nothing was done.")


async def export(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Whether it would be shown, and noted."""
    name = await accounts.below(desk, operator, given)
    return Answer(f"All of {name.text} would be shown, and that noted; nothing was done.")


async def erase(desk: Desk, operator: Operator, given: Given) -> Answer:
    """How much would be deleted, and whose connections closed."""
    name = await accounts.below(desk, operator, given)
    persons.check_not_last(desk.host, name)
    here, now = accounts.logged_in(desk, name), desk.host.clock.seconds()
    purge = c.Purge("*", name.text, now, "")
    count = await staff.purgeable(desk.host, operator.actor, purge)
    return _closing(here, f"{name.text} would be erased, with {_messages(count)}. ")


async def say(desk: Desk, operator: Operator, given: Given) -> Answer:
    """How many would hear it."""
    room, text = (await desk.room(given.text("room"))).room, given.text("text")
    desk.check_length(text)
    desk.host.network.foresee(operator.actor, room.key, c.Say(room.name, text))
    return _hearing(len(room.state.members))


async def topic(desk: Desk, operator: Operator, given: Given) -> Answer:
    """What a room would be about."""
    command = rooms.topic_of(given)
    return await asked(desk, operator, command) if command is not None else _LOOKS


async def _level(desk: Desk, number: int) -> Answer:
    """Who was here lately, and would be treated otherwise as somebody new."""
    found = dict[tuple[str, str], Fate]()
    here = {(one.key, one.address) for one in staff.everyone(desk.host)}
    async for some in desk.host.network.visitors.lately():
        for one in some:
            after = _newcomer(number, one)
            if after and (one.key, one.address) not in here:
                found[one.key, one.address] = Fate(one, False, "let in", after)
    return told(list(found.values()), "Who is here stays. ")


def _newcomer(level: int, one: Actor) -> str:
    """Return what would become of ``one`` at ``level``, if it came now; empty if nothing."""
    if level >= NOBODY_NEW:
        return KEPT_OUT
    if one.registered or not level:
        return ""
    return "needs an account" if level >= ACCOUNTS_ONLY else "heard slowly"


async def invite_new(desk: Desk, operator: Operator, given: Given) -> Answer:
    """How much an invitation would be good for."""
    uses = given.number("uses", 1)
    desk.host.invitations.check(uses)
    return Answer(f"It would be good for {counted(uses, 'account')}; nothing was done.")


async def invite_revoke(desk: Desk, operator: Operator, given: Given) -> Answer:
    """How many would be good for nothing."""
    id, every = given.text("id"), desk.host.invitations.all()
    count = sum(id in ("all", str(one.id)) for one in every)
    if not count:
        raise NoSuchPerson(f"There is no invitation {id}.")
    return Answer(f"{count:,} would be good for nothing; nothing was done.")


async def reload(desk: Desk, operator: Operator, given: Given) -> Answer:
    """What of the configuration would be taken up."""
    found = await reloading.check(desk, operator, given)
    return Answer(f"{found.said} Nothing was done.", found.rows)


async def backup(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Whether there can be a backup there."""
    path = jobs.to_write(desk, operator, given)
    return Answer(f"All that is kept would be written to {path}; nothing was done.")


async def verify(desk: Desk, operator: Operator, given: Given) -> Answer:
    """What would be looked at."""
    what = " ".join(jobs.to_read(desk, operator, given)) or "All that is kept"
    return Answer(f"{what} would be looked at; nothing was done.")


async def cert_reload(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Whose certificate it is now."""
    shown = await deeds.cert_show(desk, operator, given)
    return Answer("The files would be looked at; nothing was done.", shown.rows)


async def ending(desk: Desk, operator: Operator, given: Given) -> Answer:
    """How many would be parted with, and when."""
    if given.flag("never"):
        left = spell_duration(deeds.the_end(desk).getTime() - desk.host.clock.seconds())
        return Answer(f"The server would go on, and not stop in {left}; nothing was done.")
    words = spell_duration(given.seconds()) if given.seconds() else "a moment"
    every = list(desk.building.factory.sessions.values())
    return _closing(every, f"The server would stop in {words}. ")


def _means(means: turning.Means) -> Does:
    async def tries(desk: Desk, operator: Operator, given: Given) -> Answer:
        answers = [await asked(desk, operator, turn) for turn in means(desk, given)]
        if not answers:
            return _LOOKS
        rows = [row for answer in answers for row in answer.rows]
        return Answer(" ".join(answer.said for answer in answers), rows)

    return tries


def _asks(ask: Callable[[Given], Asked]) -> Does:
    async def tries(desk: Desk, operator: Operator, given: Given) -> Answer:
        return await asked(desk, operator, ask(given))

    return tries


def _orders(order: Callable[[Desk, Given], Awaitable[Asked]]) -> Does:
    async def tries(desk: Desk, operator: Operator, given: Given) -> Answer:
        return await asked(desk, operator, await order(desk, given))

    return tries


def all_of_them() -> dict[str, Does]:
    """Return what tells of each verb that writes what would come of it."""
    return {verb.name: _asks(verb.asks) for verb in ALL_VERBS if verb.writes and verb.asks} | {
        "room rename": rooms.try_rename,
        "room delete": rooms.try_delete,
        "topic": topic,
        "kick": kick,
        "logout": logout,
        "ban": ban,
        "unban": _orders(orders.unbanning),
        "exempt": _orders(orders.exempting),
        "unexempt": _orders(orders.unexempting),
        "undo": undo,
        "account add": account_add,
        "account suspend": _orders(accounts.suspending),
        "account resume": _orders(accounts.resuming),
        "account passwd": another_password,
        "account reset-code": another_code,
        "account export": export,
        "account erase": erase,
        "warn": warn,
        "say": say,
        "tell": _asks(deeds.telling),
        "shout": _asks(deeds.shouting),
        "motd": _means(turning.means_motd),
        "limit set": _means(turning.means_limit),
        "limit reset": _means(turning.means_no_limit),
        "registration": _means(turning.means_registration),
        "level": _means(turning.means_level),
        "log level": _means(turning.means_logs),
        "invite new": invite_new,
        "invite revoke": invite_revoke,
        "config reload": reload,
        "backup": backup,
        "verify": verify,
        "cert reload": cert_reload,
        "drain": ending,
        "stop": ending,
    }
