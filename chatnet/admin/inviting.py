"""What an operator does about invitations."""

from __future__ import annotations

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core.counting import counted
from chatnet.core.durations import spell_duration


async def invite_new(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Make an invitation."""
    uses, seconds = given.number("uses", 1), given.seconds()
    token = await desk.host.invitations.new(operator.actor.name, uses, seconds, given.text("note"))
    span = f" for {spell_duration(seconds)}" if seconds else ""
    return Answer(
        f"Done: /newuser NAME PASSWORD {token} makes {counted(uses, 'account')}{span}."
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
