"""The JSON dialect from its other end: commands to bytes, bytes to entries and replies. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, fields, is_dataclass
from functools import cache
from math import isfinite
from typing import Any, NoReturn, get_args, get_origin, get_type_hints

from chatnet.core import commands as c, refusals, replies as r
from chatnet.core.codec import KINDS
from chatnet.core.events import Entry, Event, Noticed
from chatnet.core.plain import plain
from chatnet.dialects.jsonl import VERBS

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode
_VERBS: dict[type[c.Command], str] = {kind: verb for verb, kind in VERBS.items()}
_REPLIES: dict[str, type[Any]] = {kind.__name__.lower(): kind for kind in get_args(r.Reply)}
_SIGNALS: dict[str, type[Any]] = {"typing": r.Typing, "wait": r.Wait}
_REFUSALS: dict[str, type[refusals.Refused]] = {
    kind.code: kind
    for kind in vars(refusals).values()
    if isinstance(kind, type) and issubclass(kind, refusals.Refused)
}
_LONGEST_KIND = 40  # characters of the name of a kind that are shown
_WITHHELD = frozenset(("target", "lock"))  # fields of events that nobody is shown


@dataclass(frozen=True, slots=True)
class Heard:
    """One thing that the server said; a reply says to which command."""

    what: Entry | r.Reply
    cid: str | None = None


@dataclass(frozen=True, slots=True)
class Strange(Noticed):
    """Something of a kind that only newer clients know, which ``line`` said.

    It stands at its place in the log as if the server had told people so.
    """

    line: bytes


def encode(command: c.Command, cid: str | None = None) -> bytes:
    """Return ``command``, named ``cid``, as one line."""
    asked: dict[str, Any] = {"do": _VERBS[type(command)]}
    for field in fields(command):
        value = getattr(command, field.name)
        if value != field.default or isinstance(command, c.Hello):  # which says its protocol
            asked[field.name] = value
    if cid is not None:
        asked["cid"] = cid
    return _dumps(asked).encode(errors="replace") + b"\n"


def decode(line: bytes) -> Heard | None:
    """Return what ``line`` says; None if it is an answer that only newer clients know.

    An entry that only they know is one with a ``Strange`` event.

    Raises:
        ValueError: it is not a JSON object; nothing that speaks this dialect sent it.
    """
    said = json.loads(line, parse_constant=_no_number)
    if not isinstance(said, dict):
        raise ValueError("not an object")
    try:
        return _heard(said, line)
    except (KeyError, TypeError):
        return None


def _heard(said: Mapping[str, Any], line: bytes) -> Heard:
    cid = _build(str, said["cid"]) if "cid" in said else None
    if "event" in said:
        place = (_build(str, said["room"]), _build(int, said["seq"]), _build(float, said["at"]))
        return Heard(Entry(*place, _event(said, line)))
    if "ok" in said:
        done = r.Done(
            *(_build(kind, said[k]) for k, kind in (("ok", str), ("room", str), ("seq", int)))
        )
        return Heard(done, done.cid)
    if "error" in said:
        kind = _REFUSALS.get(said["error"], refusals.Refused)
        return Heard(r.Sorry(kind(_build(str, said["text"]))), cid)
    if "signal" in said:
        return Heard(_build(_SIGNALS[said["signal"]], said))
    return Heard(_build(_REPLIES[said["reply"]], said), cid)


def _event(said: Mapping[str, Any], line: bytes) -> Event:
    kind: str = _build(str, said["event"])
    try:
        event: Event = _build(KINDS[kind], said)
    except (KeyError, TypeError):
        shown = plain(kind)[:_LONGEST_KIND]
        return Strange(f"something this client is too old to show: {shown}; update chatnet", line)
    return event


def _build(hint: Any, value: Any) -> Any:
    """Return ``value``, as JSON has it, as what the type ``hint`` says.

    Raises:
        KeyError, TypeError: it cannot be that.
    """
    if is_dataclass(hint):
        return _build_fields(hint, value)
    if get_origin(hint) is tuple:
        if not isinstance(value, list):
            raise TypeError("not a list")
        kind, *more = get_args(hint)
        kinds = [kind] * len(value) if more == [...] else [kind, *more]
        if len(kinds) != len(value):
            raise TypeError("too long or short")
        return tuple(map(_build, kinds, value))
    if not _IS[hint](value):
        raise TypeError(f"not a {hint}")
    return value


def _build_fields(kind: Any, value: Any) -> Any:
    if not isinstance(value, Mapping):
        raise TypeError("not an object")
    given: dict[str, Any] = {}
    for name, (hint, required) in _shape(kind).items():
        if name in value:
            given[name] = _build(hint, value[name])
        elif name in _WITHHELD:
            given[name] = ""
        elif required:
            raise KeyError(name)
    return kind(**given)


@cache
def _shape(kind: type[Any]) -> dict[str, tuple[Any, bool]]:
    hints = get_type_hints(kind)
    return {f.name: (hints[f.name], f.default is MISSING) for f in fields(kind)}


_IS: dict[Any, Callable[[Any], bool]] = {
    str: lambda v: isinstance(v, str),
    bool: lambda v: isinstance(v, bool),
    int: lambda v: isinstance(v, int) and not isinstance(v, bool),
    float: lambda v: isinstance(v, int | float) and not isinstance(v, bool) and _is_finite(v),
}


def _is_finite(number: float) -> bool:
    try:
        return isfinite(number)
    except OverflowError:  # a whole number of more digits than there are
        return False


def _no_number(word: str) -> NoReturn:
    raise ValueError(f"{word} is no number")
