"""What an operator sets for the whole server while it runs: acts of staff, which are kept.

What a verb ``means`` is one or more commands, or none if it only looks.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core import commands as c
from chatnet.core.dials import LEVEL, LIMIT, LOG, MOTD, REGISTRATION
from chatnet.core.durations import spell_duration
from chatnet.core.refusals import Malformed, NotAllowed
from chatnet.server.levels import LEVELS

_SHOWN = 60  # characters of a message of the day, in a sentence

Turn = c.ServerSet | c.ServerUnset
Means = Callable[[Desk, Given], Sequence[Turn]]


def means_motd(desk: Desk, given: Given) -> Sequence[Turn]:
    """Return the message of the day that is wanted."""
    text = given.text("text").replace("\\n", "\n")
    if sum((bool(text), given.flag("clear"), given.flag("reset"))) > 1:
        raise Malformed("Give a TEXT, or --clear, or --reset.")
    if given.flag("reset"):
        return [_unset(given, MOTD)]
    return [_set(given, MOTD, text)] if text or given.flag("clear") else []


def means_limit(desk: Desk, given: Given) -> Sequence[Turn]:
    """Return the limit that is wanted."""
    return [_set(given, f"{LIMIT} {given.text('name')}", given.text("value"))]


def means_no_limit(desk: Desk, given: Given) -> Sequence[Turn]:
    """Return that the limit is wanted with which the server was started."""
    return [_unset(given, f"{LIMIT} {given.text('name')}")]


def means_registration(desk: Desk, given: Given) -> Sequence[Turn]:
    """Return who is to make accounts."""
    word = given.text("to")
    if word == "reset":
        return [_unset(given, REGISTRATION)]
    return [_set(given, REGISTRATION, word)] if word else []


def means_level(desk: Desk, given: Given) -> Sequence[Turn]:
    """Return the level that is wanted."""
    word = given.text("to")
    if word != "auto":
        return [_set(given, LEVEL, word)] if word else []
    if desk.host.dials.held(LEVEL) is None:
        raise NotAllowed("Nobody set the level: it rises and sinks by itself.")
    return [_unset(given, LEVEL)]


def means_logs(desk: Desk, given: Given) -> Sequence[Turn]:
    """Return what the log is to keep."""
    word, namespace = given.text("to"), given.text("namespace")
    if desk.host.dials.logs is None:
        raise NotAllowed(
            "This server's log is not its own: it was started with twist, --logger or --syslog."
        )
    if not given.flag("reset"):
        return [_set(given, f"{LOG} {namespace}".strip(), word)] if word else []
    if word:
        raise Malformed("log level --reset lets all be as it was started.")
    held = desk.host.network.office.turned(LOG, desk.host.clock.seconds())
    if not held:
        raise NotAllowed("Nobody set what the log keeps: it is as the server was started.")
    return [_unset(given, one.what) for one in held]


def _set(given: Given, what: str, value: str) -> c.ServerSet:
    return c.ServerSet(what, value, given.seconds(), given.text("reason"))


def _unset(given: Given, what: str) -> c.ServerUnset:
    return c.ServerUnset(what, given.text("reason"))


# -- doing it --------------------------------------------------------------------------


async def motd(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or set, what everyone is told who connects."""
    turns = means_motd(desk, given)
    if turns:
        return await _turn(desk, operator, turns)
    now = desk.host.dials.motd
    row = {"motd": now, "from": desk.host.dials.source(MOTD)}
    return Answer("" if now else "There is none: motd TEXT sets one.", [row])


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
    return await _turn(desk, operator, means_limit(desk, given))


async def limit_reset(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let a limit be what the server was started with."""
    return await _turn(desk, operator, means_no_limit(desk, given))


async def registration(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or change, whether people can make accounts."""
    turns = means_registration(desk, given)
    if turns:
        return await _turn(desk, operator, turns)
    source = desk.host.dials.source(REGISTRATION)
    return Answer("", [{"registration": now(desk, REGISTRATION), "from": source}])


async def level(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or set, how careful the server is with those who are new."""
    said = (await _turn(desk, operator, means_level(desk, given))).said
    now, source = desk.host.defence.levels.level, desk.host.dials.source(LEVEL)
    here = "here" if source == "default" else f"by {source}"
    rows: list[Row] = [
        {"level": number, "now": here if number == now else "", "what": one.about}
        for number, one in enumerate(LEVELS)
    ]
    return Answer(said, rows)


async def log_level(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or set, what the log keeps."""
    turns = means_logs(desk, given)
    if turns:
        return await _turn(desk, operator, turns)
    dials = desk.host.dials
    rows: list[Row] = [
        {"log": "all", "level": desk.host.settings.log_level, "from": dials.source(LOG)}
    ]
    for one in desk.host.network.office.turned(LOG, desk.host.clock.seconds()):
        name = one.what.partition(" ")[2]
        row: Row = {"log": name or "all", "level": one.value, "from": dials.source(one.what)}
        rows[0 if not name else len(rows) :] = [row]
    return Answer("", rows)


async def _turn(desk: Desk, operator: Operator, turns: Sequence[Turn]) -> Answer:
    answers = []
    for turn in turns:
        sentence = f"{turn.what} is {after(desk, turn)}"
        if isinstance(turn, c.ServerSet):
            sentence += f", and was {now(desk, turn.what)}"
        done = await desk.ask(operator, turn)
        head, _, hint = done.said.partition(".")
        answers.append(Answer(f"{head}: {sentence}.{hint}", done.rows))
    rows = [row for answer in answers for row in answer.rows]
    return Answer(" ".join(answer.said for answer in answers), rows)


def after(desk: Desk, turn: Turn) -> str:
    """Return what that will be which ``turn`` turns, in words.

    Raises:
        Malformed: there is no such thing.
    """
    if isinstance(turn, c.ServerUnset):
        return f"{_started(desk, turn.what)}, as it was started"
    span = f" for {spell_duration(turn.seconds)}" if turn.seconds else ""
    return f"{_quoted(turn.value) if turn.what == MOTD else turn.value}{span}"


def now(desk: Desk, what: str) -> str:
    """Return what ``what`` is, as ``core.dials`` names it, in words.

    Raises:
        Malformed: there is no such thing.
    """
    kind, _, name = what.partition(" ")
    match kind:
        case "motd":
            return _quoted(desk.host.dials.motd)
        case "registration":
            return desk.host.invitations.registration.value
        case "level":
            return str(desk.host.defence.levels.level)
        case "limit":
            return _of_limits(desk.host.defence.limits.get, name)
        case _:
            held = desk.host.dials.held(what)
            return held.value if held is not None else desk.host.settings.log_level


def _started(desk: Desk, what: str) -> str:
    """Return what ``what`` was when the server was started."""
    kind, _, name = what.partition(" ")
    match kind:
        case "motd":
            return _quoted(desk.host.settings.motd)
        case "registration":
            return desk.host.settings.registration.value
        case "level":
            return "as many as come"
        case "limit":
            return _of_limits(desk.host.dials.limit, name)
        case _:
            return desk.host.settings.log_level


def _of_limits(get: Callable[[str], str], name: str) -> str:
    try:
        return get(name)
    except ValueError as error:
        raise Malformed(f"{str(error)[0].upper()}{str(error)[1:]}.") from None


def _quoted(text: str) -> str:
    """Return how ``text`` begins."""
    lines = text.splitlines()
    more = len(lines) > 1 or len(text) > _SHOWN
    return f'"{lines[0][:_SHOWN]}{" ..." if more else ""}"' if lines else "nothing"
