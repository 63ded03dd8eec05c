"""What an operator sets for the whole server while it runs: acts of staff, which are kept."""

from __future__ import annotations

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core import commands as c, staff as rules
from chatnet.core.dials import LEVEL, LIMIT, LOG, MOTD, REGISTRATION
from chatnet.core.durations import spell_duration
from chatnet.core.limits import Limits
from chatnet.core.refusals import Malformed, NotAllowed
from chatnet.server.levels import LEVELS

_SHOWN = 60  # characters of a message of the day, in a sentence


async def motd(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or set, what everyone is told who connects."""
    text = given.text("text").replace("\\n", "\n")
    if sum((bool(text), given.flag("clear"), given.flag("reset"))) > 1:
        raise Malformed("Give a TEXT, or --clear, or --reset.")
    now = desk.host.dials.motd
    if not text and not given.flag("clear") and not given.flag("reset"):
        row = {"motd": now, "from": desk.host.dials.source(MOTD)}
        return Answer("" if now else "There is none: motd TEXT sets one.", [row])
    if given.flag("reset"):
        return await _reset(desk, operator, given, MOTD, _quoted(desk.host.settings.motd))
    return await _set(desk, operator, given, MOTD, text, _quoted(text), _quoted(now))


def _quoted(text: str) -> str:
    """Return how ``text`` begins."""
    lines = text.splitlines()
    more = len(lines) > 1 or len(text) > _SHOWN
    return f'"{lines[0][:_SHOWN]}{" ..." if more else ""}"' if lines else "nothing"


async def limit_get(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show the limits that hold now, or one, and where they come from."""
    name = given.text("name")
    rows = [
        {
            "limit": entry.name,
            "value": value,
            "from": desk.host.dials.source(f"{LIMIT} {entry.name}"),
            "unless set": entry.value,
            "of": entry.about,
        }
        for entry, value in desk.host.defence.limits.all()
        if name in ("", entry.name)
    ]
    if not rows:
        raise Malformed(f"There is no limit {name}. limit get lists them.")
    return Answer("", rows)


async def limit_set(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Change a limit."""
    name, value = given.text("name"), given.text("value")
    was = _limit(desk, name)
    return await _set(desk, operator, given, f"{LIMIT} {name}", value, value, was)


async def limit_reset(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let a limit be what the server was started with."""
    name = given.text("name")
    _limit(desk, name)
    return await _reset(desk, operator, given, f"{LIMIT} {name}", desk.host.dials.limit(name))


def _limit(desk: Desk, name: str) -> str:
    """Return what the limit ``name`` is now.

    Raises:
        Malformed: there is none.
    """
    try:
        return desk.host.defence.limits.get(name)
    except ValueError as error:
        raise Malformed(f"{str(error)[0].upper()}{str(error)[1:]}.") from None


async def registration(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or change, whether people can make accounts."""
    word, now = given.text("to"), desk.host.invitations.registration.value
    if not word:
        source = desk.host.dials.source(REGISTRATION)
        return Answer("", [{"registration": now, "from": source}])
    if word == "reset":
        started = desk.host.settings.registration.value
        return await _reset(desk, operator, given, REGISTRATION, started)
    return await _set(desk, operator, given, REGISTRATION, word, word, now)


async def level(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or set, how careful the server is with those who are new."""
    word, was = given.text("to"), desk.host.defence.levels.level
    said = ""
    if word == "auto":
        if desk.host.dials.held(LEVEL) is None:
            raise NotAllowed("Nobody set the level: it rises and sinks by itself.")
        said = (await _reset(desk, operator, given, LEVEL, "as many as come")).said
    elif word:
        said = (await _set(desk, operator, given, LEVEL, word, word, str(was))).said
    now, source = desk.host.defence.levels.level, desk.host.dials.source(LEVEL)
    here = "here" if source == "default" else f"by {source}"
    rows: list[Row] = [
        {"level": number, "now": here if number == now else "", "what": one.about}
        for number, one in enumerate(LEVELS)
    ]
    return Answer(said, rows)


async def log_level(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or set, what the log keeps."""
    dials, word, namespace = desk.host.dials, given.text("to"), given.text("namespace")
    if dials.logs is None:
        raise NotAllowed(
            "This server's log is not its own: it was started with twist, --logger or --syslog."
        )
    what = f"{LOG} {namespace}".strip()
    started = desk.host.settings.log_level
    if given.flag("reset"):
        if word:
            raise Malformed("log level --reset lets all be as it was started.")
        return await _reset_logs(desk, operator, given)
    if word:
        held = dials.held(what)
        was = held.value if held is not None else started
        return await _set(desk, operator, given, what, word, word, was)
    rows: list[Row] = [{"log": "all", "level": started, "from": dials.source(LOG)}]
    for one in desk.host.network.office.turned(LOG, desk.host.clock.seconds()):
        name = one.what.partition(" ")[2]
        row: Row = {"log": name or "all", "level": one.value, "from": dials.source(one.what)}
        rows[0 if not name else len(rows) :] = [row]
    return Answer("", rows)


async def _reset_logs(desk: Desk, operator: Operator, given: Given) -> Answer:
    held = desk.host.network.office.turned(LOG, desk.host.clock.seconds())
    if not held:
        raise NotAllowed("Nobody set what the log keeps: it is as the server was started.")
    answers = [
        await _reset(desk, operator, given, one.what, desk.host.settings.log_level) for one in held
    ]
    return Answer(" ".join(a.said for a in answers), [row for a in answers for row in a.rows])


async def _set(
    desk: Desk, operator: Operator, given: Given, what: str, value: str, shown: str, was: str
) -> Answer:
    """Let ``what`` be ``value``, which is ``shown`` so, and ``was`` what it was."""
    command = c.ServerSet(what, value, given.seconds(), given.text("reason"))
    span = f" for {spell_duration(given.seconds())}" if given.seconds() else ""
    return await _turn(desk, operator, given, command, f"{what} is {shown}{span}, and was {was}")


async def _reset(desk: Desk, operator: Operator, given: Given, what: str, started: str) -> Answer:
    """Let ``what`` be again as the server was started: ``started``."""
    command = c.ServerUnset(what, given.text("reason"))
    return await _turn(desk, operator, given, command, f"{what} is {started}, as it was started")


async def _turn(
    desk: Desk,
    operator: Operator,
    given: Given,
    command: c.ServerSet | c.ServerUnset,
    sentence: str,
) -> Answer:
    if not given.flag("dry"):
        done = await desk.ask(operator, command)
        head, _, hint = done.said.partition(".")
        return Answer(f"{head}: {sentence}.{hint}", done.rows)
    network, now = desk.host.network, desk.host.clock.seconds()
    rules.decide(network.office, operator.actor, command, now)
    hit = ""
    if isinstance(command, c.ServerSet) and command.what == f"{LIMIT} connections":
        most = Limits([("connections", command.value)]).connections.most
        crowded = desk.host.defence.crowded(most)
        hit = f" {crowded} addresses have more now, and keep them."
    return Answer(f"It would be so: {sentence}. Nothing was done.{hit}")
