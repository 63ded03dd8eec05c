"""Events and states as text, for stores."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import astuple, fields
from typing import Any, get_args

from chatnet.core.events import Event, Said
from chatnet.core.room import Member, RoomState, Sanction

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

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
    if type(event) is Said:  # nearly always
        return _dumps(("said", event.by, event.body, event.action))
    kind = type(event)
    return _dumps((_NAMES[kind], *[getattr(event, name) for name in _FIELDS[kind]]))


def decode_event(text: str) -> Event:
    """Return what ``encode_event`` was given. Fields that a newer release added may be missing."""
    kind, *values = json.loads(text)
    return KINDS[kind](*[tuple(v) if isinstance(v, list) else v for v in values])


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
    )
