"""What an operator does about floods, and about who may make an account."""

from __future__ import annotations

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.operator import Operator
from chatnet.admin.verbs import Given
from chatnet.core.durations import spell_duration
from chatnet.core.events import Acted
from chatnet.core.limits import Registration
from chatnet.core.refusals import Malformed
from chatnet.server.levels import LEVELS


async def limit_get(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show the limits that hold now, or one."""
    name = given.text("name")
    rows = [
        {"limit": entry.name, "value": value, "unless set": entry.value, "of": entry.about}
        for entry, value in desk.host.defence.limits.all()
        if name in ("", entry.name)
    ]
    if not rows:
        raise Malformed(f"There is no limit {name}. limit get lists them.")
    return Answer("", rows)


async def limit_set(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Change a limit until the server stops."""
    limits, name, value = desk.host.defence.limits, given.text("name"), given.text("value")
    try:
        was = limits.get(name)
        limits.set(name, value)
    except ValueError as error:
        raise Malformed(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
    await _note(desk, Acted(operator.actor.name, "limit", name, to=value, was=was))
    return Answer(f"Done: {name} is {value}, and was {was}, until the server stops.")


async def registration(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or change, whether people can make accounts."""
    invitations, word = desk.host.invitations, given.text("to")
    was = invitations.registration.value
    if not word:
        return Answer("", [{"registration": was}])
    invitations.registration = Registration(word)
    await _note(desk, Acted(operator.actor.name, "registration", to=word, was=was))
    return Answer(f"Done: registration is {word}, and was {was}, until the server stops.")


async def invite_new(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Make an invitation."""
    uses, seconds = given.number("uses", 1), given.seconds()
    token = await desk.host.invitations.new(operator.actor.name, uses, seconds, given.text("note"))
    span = f" for {spell_duration(seconds)}" if seconds else ""
    return Answer(
        f"Done: /newuser NAME PASSWORD {token} makes {uses} account{'s' * (uses > 1)}{span}."
        " It is shown this once.",
        [{"invitation": token}],
    )


async def invite_list(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show the invitations that are good for something."""
    rows: list[Row] = [
        {"id": one.id, "uses": one.uses, "until": one.until, "by": one.by, "note": one.note}
        for one in desk.host.invitations.all()
    ]
    return Answer("" if rows else "There are none: invite new makes one.", rows)


async def invite_revoke(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Let an invitation be good for nothing."""
    count = await desk.host.invitations.revoke(operator.actor.name, given.text("id"))
    what = f"{count} invitations are" if count > 1 else "1 invitation is"
    return Answer(f"Done: {what} good for nothing now.")


async def level(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Show, or set, how careful the server is with those who are new."""
    levels, word = desk.host.defence.levels, given.text("to")
    was = levels.level
    if word:
        levels.set(None if word == "auto" else int(word), given.seconds())
        await _note(desk, Acted(operator.actor.name, "level", to=word, was=str(was)))
    rows: list[Row] = [
        {"level": number, "now": "here" if number == levels.level else "", "what": one.about}
        for number, one in enumerate(LEVELS)
    ]
    return Answer(f"The level is {levels.level}, and was {was}." if word else "", rows)


async def _note(desk: Desk, act: Acted) -> None:
    await desk.host.network.note([act])
