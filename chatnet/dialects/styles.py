"""How entries look to people: as they happen, as a room's history, and with the time."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from itertools import accumulate
from typing import Any, assert_never

from zope.interface import implementer

from chatnet.core import events as e
from chatnet.core.durations import spell_duration, spell_span
from chatnet.core.files import spell_size
from chatnet.core.large import SLICE
from chatnet.core.names import fold
from chatnet.core.plain import is_printable, plain, plain_lines
from chatnet.core.series import Series
from chatnet.interfaces import MAX_BYTES, IStyle

_END = "\r\n"
_SEALED = "(encrypted: a client with keys can read it, python -m chatnet.client)"
_TOLD = (e.Whispered, e.SealedWhisper)


class OneByOne:
    """How any style prints many."""

    def render(self, entry: e.Entry) -> bytes:
        raise NotImplementedError

    def run(self, entries: Series) -> tuple[bytes, Sequence[int]]:
        pieces, size = [], 0
        for piece in map(self.render, entries):
            pieces.append(piece)
            size += len(piece)
            if size >= MAX_BYTES:  # an entry may take many times as much as it has characters
                break
        return b"".join(pieces), list(map(len, pieces))


@implementer(IStyle)
class LiveStyle(OneByOne):
    """What happens, a line each."""

    def render(self, entry: e.Entry) -> bytes:
        return _units(_lines(entry))

    def run(self, entries: Series) -> tuple[bytes, Sequence[int]]:
        said: Sequence[Any] = entries.events
        if entries.kinds != {e.Said} or [event for event in said if event.action]:
            return super().run(entries)
        lines = [f"{event.by}: {event.body}" for event in said]
        if is_printable("".join(lines)):  # nearly always
            text, end = _END.join([*lines, ""]), len(_END)
            whole = text.encode()
            if len(whole) == len(text):
                sizes = [len(line) + end for line in lines]
            else:
                sizes = [len(line.encode()) + end for line in lines]
            if len(whole) > MAX_BYTES:
                del sizes[bisect_left(list(accumulate(sizes)), MAX_BYTES) + 1 :]
                whole = whole[: sum(sizes)]
            return whole, sizes
        return super().run(entries)

    def part(self, entry: e.Entry, place: int) -> tuple[bytes, int]:
        return _part(entry, place)


@implementer(IStyle)
class PastStyle(OneByOne):
    """What was said, a line each, and nothing else."""

    def render(self, entry: e.Entry) -> bytes:
        return LIVE.render(entry) if isinstance(entry.event, e.MESSAGES) else b""

    def part(self, entry: e.Entry, place: int) -> tuple[bytes, int]:
        return LIVE.part(entry, place) if isinstance(entry.event, e.MESSAGES) else (b"", -1)


@implementer(IStyle)
class DatedStyle(OneByOne):
    """What was said, when (UTC), and where in the log."""

    def render(self, entry: e.Entry) -> bytes:
        if not isinstance(entry.event, (*e.MESSAGES, *_TOLD)):
            return b""
        at = _dated(entry)
        return _units([at + line for line in _lines(entry)])

    def part(self, entry: e.Entry, place: int) -> tuple[bytes, int]:
        if not isinstance(entry.event, (*e.MESSAGES, *_TOLD)):
            return b"", -1
        return _part(entry, place, _dated(entry))


def _dated(entry: e.Entry) -> str:
    place = "" if entry.room.startswith("@") else f" #{entry.seq}"
    return f"[{when(entry.at)}{place}] "


def when(at: float) -> str:
    """Return ``at``, UTC seconds since the epoch, as date and time to the minute."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M}"
    except (ValueError, OverflowError):
        return "the end of time"


def _units(lines: list[str]) -> bytes:
    return "".join([plain(line) + _END for line in lines]).encode()


def _part(entry: e.Entry, place: int, before: str = "") -> tuple[bytes, int]:
    """Return what stands at ``place`` of a large message, with ``before`` in each line."""
    event = entry.event
    assert isinstance(event, e.Said | e.Whispered | e.Announced), "nothing else is large"
    end = place + SLICE
    if event.body.startswith("\n", end) and event.body.endswith("\r", place, end):
        end += 1
    lines = event.body[place:end].replace("\r\n", "\n").split("\n")
    lead = before + _lines(replace(entry, event=replace(event, body="x")))[0][:-1]
    last = end >= len(event.body)
    text = (_END + lead).join([plain(line) for line in lines])
    text = ("" if place else lead) + text + (_END if last else "")
    return text.encode(), -1 if last else end


LIVE, PAST, DATED = LiveStyle(), PastStyle(), DatedStyle()


def _lines(entry: e.Entry) -> list[str]:
    event = entry.event
    match event:
        case e.Said(by, body, False):
            return [f"{by}: {line}" for line in plain_lines(body)]
        case e.Said(by, body):
            return [f"* {by} {line}" for line in plain_lines(body)]
        case e.Rolled(by, dice, faces):
            thrown = " + ".join(map(str, faces)) + (f" = {sum(faces)}" if len(faces) > 1 else "")
            return [f"{by} rolled {dice}: {thrown}"]
        case e.Shared(by, id, name, size, kind, _, _, to):
            whom = f" to {to}" if to else ""
            mark = "[whisper] " if to else ""
            what = f"{name} ({spell_size(size)}, {kind})"
            return [f"{mark}{by} sent a file{whom}: {what}. /get {id} fetches it."]
        case e.Whispered(by, to, body):
            if _is_own(entry, by):
                return [f"[whisper to {to}] {by}: {line}" for line in plain_lines(body)]
            return [f"[whisper] {by}: {line}" for line in plain_lines(body)]
        case e.Sealed(by):
            return [f"{by}: {_SEALED}"]
        case e.SealedWhisper(by, to):
            return [f"[whisper{f' to {to}' if _is_own(entry, by) else ''}] {by}: {_SEALED}"]
        case e.Announced(by, body):
            return [f"[all] {by}: {line}" for line in plain_lines(body)]
        case e.Noticed(text):
            return [f"*** {line}" for line in plain_lines(text)]
        case (
            e.Opened() | e.Seen() | e.RoomDiscarded() | e.KeysPublished() | e.KeyTaken()
            | e.Letter() | e.Kept() | e.Visited()
        ):  # fmt: skip
            return []
        case e.Encrypted(by):
            return [f"{by} had this room encrypted: from here on, only clients with keys can read."]
        case e.Rekeyed(who, ""):
            return [f"{who} has other devices than before."]
        case e.Rekeyed(who, device, added):
            return [f"{who} has {'a new device' if added else 'no longer the device'}, {device}."]
        case e.DeviceAdded(device, label):
            return [
                f"Your account has a new device: {device}, {label or 'without a name'}. If you do"
                f" not know it, /rmdevice {device} and change your password."
            ]
        case e.DeviceRemoved(device):
            return [f"Your account has no longer the device {device}."]
        case e.Joined(who):
            return [f"{who} has joined the room."]
        case e.Left(who, dropped):
            return [f"{who} has {'disconnected' if dropped else 'left the room'}."]
        case e.Renamed(old, new):
            return [f"{old} is now known as {new}."] if old != new else []
        case e.Kicked(who, by, reason):
            return [f"{who} was kicked by {by}{_why(reason)}"]
        case e.Banned(who, by, _, until, reason):
            return [f"{who} was banned by {by}{_for(until, entry.at)}{_why(reason)}"]
        case e.Unbanned(who, by):
            return [f"{by} lifted the ban on {who}."]
        case e.Muted(who, by, _, until, reason):
            return [f"{who} was muted by {by}{_for(until, entry.at)}{_why(reason)}"]
        case e.Unmuted(who, by):
            return [f"{by} let {who} speak again."]
        case e.Promoted(who, by):
            return [f"{by} made {who} a moderator."]
        case e.Demoted(who, by):
            return [f"{by} took {who}'s moderation away."]
        case e.Voiced(who, by):
            return [f"{by} gave {who} a voice."]
        case e.Devoiced(who, by):
            return [f"{by} took {who}'s voice."]
        case e.Invited(who, by):
            return [f"{by} invited {who}."]
        case e.Configured(by, setting, value):
            if not value:
                return [f"{by} turned {setting} off."]
            return [f"{by} set {setting}" + (f" to {spell_duration(value)}." if value > 1 else ".")]
        case e.RoomRenamed(by, _, new):
            return [f"{by} renamed this room: it is called {new} now."]
        case e.RoomDeleted(by, reason):
            return [f"{by} deleted this room{_why(reason)}"]
        case e.RoomRestored(by):
            return [f"{by} restored this room."]
        case e.Owned(who, by):
            return [f"{by} let the room belong to {who}."]
        case e.Acted(by, verb, whom, room, to, _, until, reason):
            what = " ".join(filter(None, (verb, whom, f"in {room}" if room else "", to)))
            return [f"{by}: {what}{_for(until, entry.at)}{_why(reason)}"]
        case e.TopicSet(by, topic):
            if not topic:
                return [f"{by} removed the topic."]
            return [f"{by} changed the topic to: {topic}"]
        case e.Locked(by):
            return [f"{by} gave the room a password."]
        case e.Unlocked(by):
            return [f"{by} removed the room's password."]
        case e.Deleted(by, _, reason, author):
            whose = "their own message" if fold(author) == fold(by) else f"a message by {author}"
            return [f"{by} deleted {whose}{_why(reason)}"]
        case e.Erased(by):
            return [f"{by}: (deleted)"]
        case e.RetentionSet(by, seconds):
            if not seconds:
                return [f"{by} lets messages be kept as long as the server keeps them."]
            return [f"{by} lets messages be kept for {spell_span(seconds)}."]
        case _:
            assert_never(event)


def _is_own(entry: e.Entry, by: str) -> bool:
    """Return whether ``by`` said it, and it is read on another connection of the same person."""
    return entry.room == f"@{fold(by)}"


def _why(reason: str) -> str:
    return f": {reason}" if reason else "."


def _for(until: float, at: float) -> str:
    return f" for {spell_duration(until - at)}" if until else ""
