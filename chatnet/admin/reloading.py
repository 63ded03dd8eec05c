"""The configuration, read again while the server runs: all of it is taken up, or nothing."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

from twisted.logger import Logger

from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Building, Desk
from chatnet.admin.grammar import Given
from chatnet.admin.operator import Operator
from chatnet.core.events import Acted
from chatnet.core.limits import Limits, Registration
from chatnet.core.names import OPERATOR
from chatnet.core.refusals import NotAllowed, Unavailable
from chatnet.settings import ALL, Settings
from chatnet.wires.certificates import CannotUse, Certificates

LIVE = frozenset((  # what can be taken up while the server runs
    "allow_plaintext_passwords", "limits", "log_level", "max_clients", "max_message", "metrics",
    "motd", "name", "origins", "password", "proxies", "registration", "replay", "retention",
    "room_grace", "stall_seconds",
))  # fmt: skip
_SECRETS = frozenset(field.name for field in fields(Settings) if not field.repr)
_SPELLED = {
    "origins": "origin", "proxies": "proxy", "admin_socket": "admin.sock",
    "password_length": "password-length",
}  # fmt: skip
_OVER = ("motd", "registration", "log")  # what staff may have set otherwise, and each limit
_log = Logger()


@dataclass(frozen=True, slots=True)
class Change:
    """``setting`` would be another one than it ``was``; ``live`` if that takes no restart."""

    setting: str
    was: str
    now: str
    live: bool


def changes(before: Settings, after: Settings) -> Iterator[Change]:
    """Yield what is not the same in ``after`` as it is ``before``."""
    for field in fields(Settings):
        old, new = getattr(before, field.name), getattr(after, field.name)
        if not field.compare or old == new:
            continue
        if field.name == "limits":
            yield from _limits(before, after)
            continue
        name, live = _SPELLED.get(field.name, field.name.replace("_", "-")), field.name in LIVE
        if field.name in _SECRETS:
            yield Change(name, _hidden(old), _hidden(new), live)
        else:
            yield Change(name, _spelled(old), _spelled(new), live)


def _limits(before: Settings, after: Settings) -> Iterator[Change]:
    old, new = Limits(before.limits), Limits(after.limits)
    for (entry, was), (_, now) in zip(old.all(), new.all(), strict=True):
        if was != now:
            yield Change(f"limit {entry.name}", was, now, True)


def _hidden(secret: str) -> str:
    return "(secret)" if secret else ""


def _spelled(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case Registration():
            return value.value
        case tuple():
            return " ".join(map(str, value))
        case _ if value == ALL:
            return "all"
        case float():
            return f"{value:g}"
        case _:
            return str(value)


async def check(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Read the configuration as a start would."""
    found = _read(desk.building)
    if isinstance(found, Settings):
        rows = list(_rows(desk.building, found))
        return Answer(_summary(rows), rows)
    return Answer(f"Wrong: {len(found)}. A start would fail.", [{"wrong": one} for one in found])


async def reload(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Take up what changed in the configuration."""
    rows = take_up(desk.building)
    live = _live(rows)
    if not live:
        return Answer(_summary(rows), rows)
    await desk.note(_act(operator.actor.name, live))
    return Answer(f"Done. {_summary(rows)}", rows)


def reload_by_signal(building: Building) -> None:
    """Do the same for who is at the machine and sent SIGHUP; what comes of it is logged."""
    _log.info("SIGHUP: the configuration is read again")
    if building.certificates is not None:
        building.certificates.refresh()
    try:
        rows = take_up(building)
    except NotAllowed as refusal:
        _log.error("{why}", why=str(refusal))
        return
    for row in rows:
        setting, takes = row["setting"], row["takes"]
        told = "is taken up" if takes == "a reload" else f"changed: that takes {takes}"
        _log.info("{setting} {told}", setting=setting, told=told)
    live = _live(rows)
    if not live:
        _log.info("{summary}", summary=_summary(rows))
        return
    noted = building.host.network.note([_act(OPERATOR, live)])
    noted.addErrback(lambda failure: failure.trap(Unavailable))
    noted.addCallback(lambda _: _log.info("{summary}", summary=_summary(rows)))


def take_up(building: Building) -> list[Row]:
    """Let all hold at once that changed and takes no restart; return what changed.

    Raises:
        NotAllowed: something is wrong with the configuration; nothing was changed.
    """
    host, after = building.host, _read(building)
    if not isinstance(after, Settings):
        faults = "; ".join(after)
        raise NotAllowed(f"Nothing was changed, for the configuration is wrong: {faults}.")
    rows, before = list(_rows(building, after)), host.settings
    host.settings = replace(
        before, sources=after.sources, **{name: getattr(after, name) for name in LIVE}
    )
    try:
        host.dials.renew()
    except BaseException:
        host.settings = before
        host.dials.renew()
        raise
    building.factory.registry.most = host.settings.max_clients
    return rows


def _read(building: Building) -> Settings | Sequence[str]:
    """Return the settings that a start would have now, or what is wrong with them."""
    after, faults = building.again()
    before = building.host.settings
    if after is None:
        return faults
    if after.tls_cert and (after.tls_cert, after.tls_key) != (before.tls_cert, before.tls_key):
        try:
            Certificates.from_files(after.tls_cert, after.tls_key)
        except CannotUse as error:
            return [str(error)]
    return after


def _rows(building: Building, after: Settings) -> Iterator[Row]:
    dials = building.host.dials
    for change in changes(building.host.settings, after):
        takes = "a reload" if change.live else "a restart"
        name = change.setting.removesuffix("-level")
        if (name in _OVER or name.startswith("limit ")) and dials.held(name) is not None:
            takes = f"a reload, and effect when {dials.source(name)} is over or undone"
        yield {"setting": change.setting, "was": change.was, "will be": change.now, "takes": takes}


def _summary(rows: Sequence[Row]) -> str:
    if not rows:
        return "All is as it was."
    live = len(_live(rows))
    return f"Without a restart: {live}. With one: {len(rows) - live}."


def _live(rows: Sequence[Row]) -> Sequence[Row]:
    """Return those of ``rows`` that take no restart."""
    return [row for row in rows if row["takes"] != "a restart"]


def _act(by: str, rows: Sequence[Row]) -> Acted:
    return Acted(by, "config-reload", to=", ".join(str(row["setting"]) for row in rows)[:390])
