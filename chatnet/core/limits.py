"""How much of what anyone may do: one table, and the arithmetic of its rates."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum
from math import inf

from chatnet.core.durations import parse_duration, spell_span

NONE = "none"
_COUNT = re.compile(r"(\d{1,12})([KMG]?)", re.ASCII | re.IGNORECASE)
_FACTORS = {"": 1, "K": 1024, "M": 1024 * 1024, "G": 1024 * 1024 * 1024}


class Registration(Enum):
    """Whether people can make accounts."""

    OPEN = "open"
    INVITE = "invite"
    CLOSED = "closed"


class Kind(Enum):
    """What a limit is a limit of."""

    COUNT = "a number, like 16, 64K or 2G"
    TIME = "a time, like 60s or 10m"
    RATE = "a number in a time, like 32/10m, or one at once and then a rate, like 10+2/s"


@dataclass(frozen=True, slots=True)
class Limit:
    """So many: in all, or, of a rate, at once.

    Of a rate, one more may be had each ``each`` seconds; 0: as soon as it is asked for.
    """

    most: float
    each: float = 0.0
    # How many seconds it takes until all that may be had at once may be had again.
    span: float = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "span", self.most * self.each if self.each else inf)


UNLIMITED = Limit(inf)


@dataclass(slots=True)
class Bucket:
    """How much somebody took of a rate: one number, whatever the rate.

    This is the "generic cell rate algorithm" of ITU-T I.371, on any clock's seconds.
    """

    full_at: float = 0.0  # when all that was taken has come back

    def take(self, limit: Limit, cost: float, now: float) -> float:
        """Take ``cost`` at ``now``, even if there is not so much.

        Returns how many seconds it takes until nothing is owed; 0 or less if nothing is.
        """
        at = self.full_at
        self.full_at = at = (at if at > now else now) + cost * limit.each
        return at - now - limit.span

    def has(self, limit: Limit, cost: float, now: float) -> bool:
        """Return whether there is ``cost`` at ``now``."""
        return max(0.0, self.full_at - now) + cost * limit.each <= limit.span

    def give_back(self, limit: Limit, cost: float) -> None:
        """Let ``cost`` not have been taken."""
        self.full_at -= cost * limit.each


@dataclass(frozen=True, slots=True)
class Entry:
    """A line of the table: ``value`` as it is written, and what it limits."""

    name: str
    kind: Kind
    value: str
    about: str


TABLE = (
    Entry("connections", Kind.COUNT, "16", "connections at once from one address"),
    Entry("arrivals", Kind.RATE, "32/10m", "new connections from one address"),
    Entry("flood", Kind.RATE, "600+10/s", "new connections of all: more of them are a flood"),
    Entry("quiet", Kind.TIME, "2m", "without a flood, after which the level steps down"),
    Entry("level", Kind.COUNT, "3", "the highest level that a flood leads to"),
    Entry("newcomer-bytes", Kind.COUNT, "64K", "bytes before one takes a name or enters a room"),
    Entry("newcomer-lines", Kind.COUNT, "100", "lines before that"),
    Entry("newcomer-time", Kind.TIME, "60s", "to do that"),
    Entry("messages", Kind.RATE, "10+2/s", "messages on one connection; more of them wait"),
    Entry("bytes", Kind.RATE, "256K+32K/s", "bytes on one connection; more of them wait"),
    Entry("held", Kind.RATE, "60/10m", "seconds of such waiting, after which one is muted"),
    Entry("mute", Kind.TIME, "1m", "that one is muted, the first time"),
    Entry("mute-again", Kind.TIME, "10m", "that one is muted when it happens again"),
    Entry("logins", Kind.RATE, "5/15m", "wrong passwords for one account from one address"),
    Entry("logins-address", Kind.RATE, "20/1h", "wrong passwords from one address"),
    Entry("registrations", Kind.RATE, "3/1h", "new accounts from one address"),
    Entry("rooms", Kind.RATE, "32/10m", "rooms that are opened from one address"),
    Entry("file-size", Kind.COUNT, "100M", "bytes of a file that is sent; 0: there are no files"),
    Entry("file-quota", Kind.COUNT, "1G", "bytes of all files of one account"),
    Entry("file-quota-guest", Kind.COUNT, "100M", "bytes of all files of guests at one address"),
    Entry("files", Kind.COUNT, "20G", "bytes of all files together"),
    Entry("file-spare", Kind.COUNT, "1G", "bytes of the disk that no file may take"),
    Entry("file-expiry", Kind.TIME, "30d", "that a file is kept"),
    Entry("upload-expiry", Kind.TIME, "24h", "that a file is kept of which no more comes"),
    Entry("file-bytes", Kind.RATE, "64M+32M/s", "bytes of files for one connection, each way"),
    Entry("file-token", Kind.TIME, "1h", "that a token for files is good"),
    Entry("file-link", Kind.TIME, "15m", "that a link to one file is good"),
    Entry("ping", Kind.TIME, "45s", "of silence, after which a sign of life is asked for"),
    Entry("silence", Kind.TIME, "120s", "after which a connection is taken for dead"),
)
_ENTRIES = {entry.name: entry for entry in TABLE}


class Limits:
    """The limits of one server, which may be changed while it runs."""

    __slots__ = (
        "_written", "arrivals", "bytes", "connections", "file_bytes", "file_expiry", "file_link",
        "file_quota", "file_quota_guest", "file_size", "file_spare", "file_token", "files", "flood",
        "held", "level", "logins", "logins_address", "messages", "mute", "mute_again",
        "newcomer_bytes", "newcomer_lines", "newcomer_time", "ping", "quiet", "registrations",
        "rooms", "silence", "upload_expiry",
    )  # fmt: skip
    connections: Limit
    arrivals: Limit
    flood: Limit
    quiet: Limit
    level: Limit
    newcomer_bytes: Limit
    newcomer_lines: Limit
    newcomer_time: Limit
    messages: Limit
    bytes: Limit
    held: Limit
    mute: Limit
    mute_again: Limit
    logins: Limit
    logins_address: Limit
    registrations: Limit
    rooms: Limit
    file_size: Limit
    file_quota: Limit
    file_quota_guest: Limit
    files: Limit
    file_spare: Limit
    file_expiry: Limit
    upload_expiry: Limit
    file_bytes: Limit
    file_token: Limit
    file_link: Limit
    ping: Limit
    silence: Limit

    def __init__(self, changes: Iterable[tuple[str, str]] = ()) -> None:
        """Begin with the table, and with ``changes``, each as for ``set``.

        Raises:
            ValueError: as ``set`` does.
        """
        self._written: dict[str, str] = {}
        for entry in TABLE:
            self.set(entry.name, entry.value)
        for name, value in changes:
            self.set(name, value)

    def set(self, name: str, value: str) -> None:
        """Let the limit ``name`` be ``value`` from now on; ``none`` turns it off.

        The name ``all`` is for all of them, with the value ``none``.

        Raises:
            ValueError: there is no such limit, or it cannot be that; the sentence says so.
        """
        if name == "all" and value == NONE:
            for entry in TABLE:
                self.set(entry.name, NONE)
            return
        entry = _entry(name)
        limit = _parse(entry, value)
        setattr(self, name.replace("-", "_"), limit)
        self._written[name] = value

    def get(self, name: str) -> str:
        """Return what the limit ``name`` is, as ``set`` takes it.

        Raises:
            ValueError: there is no such limit.
        """
        return self._written[_entry(name).name]

    def all(self) -> list[tuple[Entry, str]]:
        """Return the table, and what is so now."""
        return [(entry, self._written[entry.name]) for entry in TABLE]


def parse_change(text: str) -> tuple[str, str]:
    """Return the name and the value in ``text``, like ``messages=20+5/s``; ``none`` is all of them.

    Raises:
        ValueError: it is none; the sentence says why.
    """
    if text == NONE:
        return "all", NONE
    name, equals, value = text.partition("=")
    if not equals:
        raise ValueError(f"a limit is written NAME=VALUE, not {text}")
    if (name, value) != ("all", NONE):
        check_limit(name, value)
    return name, value


def check_limit(name: str, value: str) -> None:
    """See that the limit ``name`` may be ``value``.

    Raises:
        ValueError: not so; the sentence says why.
    """
    _parse(_entry(name), value)


def _entry(name: str) -> Entry:
    entry = _ENTRIES.get(name)
    if entry is None:
        raise ValueError(f"there is no limit {name}; there are {', '.join(_ENTRIES)}")
    return entry


def _parse(entry: Entry, value: str) -> Limit:
    if value == NONE:
        return UNLIMITED
    limit = _PARSERS[entry.kind](value)
    if limit is None:
        raise ValueError(f"{entry.name} is {entry.kind.value}, or none, not {value}")
    return limit


def _count(text: str) -> Limit | None:
    number = _number(text)
    return None if number is None else Limit(number)


def _time(text: str) -> Limit | None:
    seconds = parse_duration(text)
    return Limit(seconds) if seconds else None


def _rate(text: str) -> Limit | None:
    amount, _, per = text.partition("/")
    at_once, plus, rate = amount.partition("+")
    most, number = _number(at_once), _number(rate if plus else at_once)
    seconds = parse_duration(per if per[:1].isdigit() else f"1{per}")
    if not (most and number and seconds):
        return None
    return Limit(most, seconds / number)


_PARSERS = {Kind.COUNT: _count, Kind.TIME: _time, Kind.RATE: _rate}


def _number(text: str) -> int | None:
    found = _COUNT.fullmatch(text)
    return int(found[1]) * _FACTORS[found[2].upper()] if found else None


def spell_rate(limit: Limit) -> str:
    """Return in words how much ``limit`` allows for good, like ``2 a second``."""
    if limit.each <= 1:
        return f"{1 / limit.each:,.0f} a second"
    return f"one every {spell_span(limit.each)}" if limit.each >= 60 else f"one in {limit.each:g} s"
