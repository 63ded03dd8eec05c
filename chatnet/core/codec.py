"""Events and states as text, for stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, fields
from json import JSONDecoder
from json.encoder import encode_basestring
from typing import Any, get_args

from chatnet.core.devices import Device
from chatnet.core.events import Event, RoomDeleted, Said
from chatnet.core.large import LARGE, SLICE, Parked, finish, scanning
from chatnet.core.office import Office
from chatnet.core.room import Member, RoomState, Sanction

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_decode = JSONDecoder().raw_decode
quoted = encode_basestring  # as ``_dumps`` writes a str, without asking what it is

KINDS: dict[str, Callable[..., Event]] = {kind.__name__.lower(): kind for kind in get_args(Event)}
_NAMES: dict[type[Event], str] = {kind: kind.__name__.lower() for kind in get_args(Event)}
_FIELDS: dict[type[Event], tuple[str, ...]] = {
    kind: tuple(field.name for field in fields(kind)) for kind in _NAMES
}


def kind_of(event: Event) -> str:
    """Return the name of the kind of ``event``, as it stands in stores and on wires."""
    return _NAMES[type(event)]


def fields_of(event: Event) -> tuple[str, ...]:
    """Return the names of the fields of ``event``, in order."""
    return _FIELDS[type(event)]


def encode_event(event: Event) -> str:
    """Return ``event`` as one line of JSON: its kind, then its fields."""
    if type(event) is Said and type(event.body) is str and len(event.body) < LARGE:  # nearly always
        action = "true" if event.action else "false"
        return f'["said",{quoted(event.by)},{quoted(event.body)},{action}]'
    kind = type(event)
    values = [getattr(event, name) for name in _FIELDS[kind]]
    parts = ['["', _NAMES[kind], '"']
    for value in values:
        parts.append(",")
        parts += _quoted(value)
    return "".join([*parts, "]"])


def decode_event(text: str) -> Event:
    """Return what ``encode_event`` was given. Fields that a newer release added may be missing."""
    kind, *values = json.loads(text) if len(text) < LARGE else _values(text)
    return KINDS[kind](*[v if isinstance(v, str) else _value(v) for v in values])


def _value(value: Any) -> Any:
    match value:
        case list():
            return tuple(value)
        case {"key": key, "pieces": pieces, "sha256": digest}:
            return Parked("", key, pieces, digest)
        case _:
            return value


def _quoted(value: Any) -> list[str]:
    """Return ``value`` in JSON, in pieces: no thread holds up the others for long."""
    if isinstance(value, Parked):
        return [_dumps({"key": value.key, "pieces": value.pieces, "sha256": value.digest})]
    if not isinstance(value, str):
        return [_dumps(value)]
    starts = range(0, len(value), SLICE)
    return ['"', *[_dumps(value[start : start + SLICE])[1:-1] for start in starts], '"']


def _values(text: str) -> list[Any]:
    """Return what is in ``text``, which ``encode_event`` made, in slices."""
    values: list[Any] = []
    at = 0
    while text[at] != "]":
        if text.startswith('"', at + 1):
            value, at = finish(scanning(text, at + 2))
        else:
            value, at = _decode(text, at + 1)
        values.append(value)
    return values


def encode_state(state: RoomState) -> str:
    """Return ``state`` as one line of JSON."""
    plain: dict[str, Any] = {
        "name": state.name,
        "topic": state.topic,
        "lock": state.lock,
        "seen": state.seen,
        "members": {key: astuple(member) for key, member in state.members.items()},
        "moderators": state.moderators,
        "bans": {key: astuple(ban) for key, ban in state.bans.items()},
        "mutes": {key: astuple(mute) for key, mute in state.mutes.items()},
        "retention": state.retention,
        "owner": state.owner,
        "voices": state.voices,
        "invited": state.invited,
        "settings": state.settings,
        "deleted": astuple(state.deleted) if state.deleted else None,
        "office": state.office.told() if state.office else None,
        "encrypted": state.encrypted,
        "epoch": state.epoch,
        "readers": state.readers,
        "devices": {key: astuple(device) for key, device in state.devices.items()},
        "backup": state.backup,
        "told": state.told,
    }
    return _dumps({key: value for key, value in plain.items() if value})


def decode_state(text: str) -> RoomState:
    """Return what ``encode_state`` was given."""
    plain = json.loads(text)
    return RoomState(
        plain.get("name", ""),
        plain.get("topic", ""),
        plain.get("lock", ""),
        plain.get("seen", 0),
        {key: Member(*values) for key, values in plain.get("members", {}).items()},
        plain.get("moderators", {}),
        {key: Sanction(*values) for key, values in plain.get("bans", {}).items()},
        {key: Sanction(*values) for key, values in plain.get("mutes", {}).items()},
        plain.get("retention", 0.0),
        plain.get("owner", next(iter(plain.get("moderators", ())), "")),
        plain.get("voices", {}),
        Office.of(plain["office"]) if "office" in plain else None,
        plain.get("invited", {}),
        plain.get("settings", {}),
        RoomDeleted(*plain["deleted"]) if "deleted" in plain else None,
        plain.get("encrypted", False),
        plain.get("epoch", 0),
        plain.get("readers", {}),
        {key: _device(values) for key, values in plain.get("devices", {}).items()},
        plain.get("backup", ""),
        plain.get("told", {}),
    )


def _device(values: list[Any]) -> Device:
    return Device(*[_value(value) for value in values])
