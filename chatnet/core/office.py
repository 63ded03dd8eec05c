"""The server's own affairs: who is staff, and who is kept out. The sum of the staff's log."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import astuple, dataclass, field, fields, replace
from functools import lru_cache
from typing import Any, TypeVar

from chatnet.core import directory
from chatnet.core.addresses import around, network_of, party_network, spell_network
from chatnet.core.events import Acted
from chatnet.core.names import GUEST, fold, skeleton
from chatnet.core.roles import Rank

Passing = TypeVar("Passing", "Measure", "Setting")  # what ends

MOST_MEASURES = 5000  # bans, and exemptions from bans, that hold on one server
KINDS = ("account", "name", "address")


@dataclass(frozen=True, slots=True)
class Measure:
    """A ban from the server, or an exemption from such bans.

    ``id`` is the seq of its entry in the staff's log. ``kind`` and ``what`` are as in
    ``commands.ServerBan``. It holds until ``until`` (UTC seconds since the epoch; 0: for good).
    """

    id: int
    kind: str
    what: str
    by: str
    until: float = 0.0
    reason: str = ""
    note: str = ""

    def holds(self, now: float) -> bool:
        """Return whether it is in force at ``now``."""
        return not self.until or now < self.until


@dataclass(frozen=True, slots=True)
class Invitation:
    """So many accounts may be made with what ``digest`` was made of, until ``until``.

    That is in UTC seconds since the epoch; 0: for good. ``id`` is the seq of its entry in the
    staff's log, and ``note`` is for staff.
    """

    id: int
    digest: str
    by: str
    uses: int
    until: float = 0.0
    note: str = ""

    def holds(self, now: float) -> bool:
        """Return whether it is good for something at ``now``."""
        return self.uses > 0 and (not self.until or now < self.until)


@dataclass(frozen=True, slots=True)
class Setting:
    """Staff let ``what``, as ``dials`` names it, be ``value`` until ``until``.

    That is in UTC seconds since the epoch; 0: for good. ``id`` is the seq of its entry in the
    staff's log.
    """

    id: int
    what: str
    value: str
    by: str
    until: float = 0.0

    def holds(self, now: float) -> bool:
        """Return whether it is so at ``now``."""
        return not self.until or now < self.until


@dataclass(slots=True)
class Office:
    """What is so on the server; a pure function of the staff's log.

    ``acts`` is how many entries that has, so the seq of the last one. ``ranks`` are by an account's
    key, with its name; who is not among them is a user. ``bans`` and ``exempt`` are by kind and
    what, with a space between. ``rooms`` is what they are called, and which are deleted. ``codes``
    are what an account's password can be changed with, by its key: until when that is so, and the
    code's verifier. ``settings`` are by what is set for good, ``passing`` by what is set for a
    while, and goes before those.
    """

    acts: int = 0
    ranks: dict[str, tuple[str, Rank]] = field(default_factory=dict)
    bans: dict[str, Measure] = field(default_factory=dict)
    exempt: dict[str, Measure] = field(default_factory=dict)
    codes: dict[str, tuple[float, str]] = field(default_factory=dict)
    _widths: frozenset[tuple[int, int]] = field(  # IP version and bits of the networks above,
        default=frozenset(),
        compare=False,  # and of some that were lifted
    )
    _patterns: tuple[Measure, ...] = field(default=(), compare=False)  # the bans of names
    invitations: dict[str, Invitation] = field(default_factory=dict)  # by their digests
    settings: dict[str, Setting] = field(default_factory=dict)
    passing: dict[str, Setting] = field(default_factory=dict)
    rooms: directory.Directory = field(default_factory=directory.Directory)

    def evolve(self, event: Acted) -> None:
        """Take ``event`` into account. Total: accepts any event in any state."""
        self.acts += 1
        if event.where:
            if event.verb in directory.VERBS:
                self.rooms.evolve(event, self.acts)
            return
        kind, _, what = event.whom.partition(" ")
        match event.verb:
            case "rank":
                self.ranks.pop(fold(event.whom), None)
                rank = parse_rank(event.to)
                if rank:
                    self.ranks[fold(event.whom)] = (event.whom, rank)
            case "ban" | "exempt":
                measure = Measure(
                    self.acts, kind, what, event.by, event.until, event.reason, event.note
                )
                _hold(self.bans if event.verb == "ban" else self.exempt, event.whom, measure)
                self._look(measure)
            case "set":
                setting = Setting(self.acts, event.whom, event.to, event.by, event.until)
                self.passing.pop(event.whom, None)
                _hold(self.passing if event.until else self.settings, event.whom, setting)
            case "unset":
                self.passing.pop(event.whom, None)
                self.settings.pop(event.whom, None)
            case "reset-code":
                self.codes[fold(event.whom)] = (event.until, event.was)
            case "passwd":
                self.codes.pop(fold(event.whom), None)
            case "erase":
                self.ranks.pop(fold(event.whom), None)
            case "unban":
                lifted = self.bans.pop(event.whom, None)
                if lifted is not None and lifted.kind == "name":
                    self._look(lifted)
            case "unexempt":
                self.exempt.pop(event.whom, None)
            case "invite":
                self.invitations[event.whom] = Invitation(
                    self.acts, event.whom, event.by, int(event.to), event.until, event.note
                )
            case "admit" if event.whom in self.invitations:
                held = self.invitations[event.whom]
                self.invitations[event.whom] = replace(held, uses=held.uses - 1)
            case "uninvite":
                self.invitations.pop(event.whom, None)

    def copy(self) -> Office:
        """Return an equal one that changes by itself."""
        return Office(
            self.acts,
            dict(self.ranks),
            dict(self.bans),
            dict(self.exempt),
            dict(self.codes),
            self._widths,
            self._patterns,
            dict(self.invitations),
            dict(self.settings),
            dict(self.passing),
            self.rooms.copy(),
        )

    def with_only(self, event: Acted) -> Office:
        """Return one of the same ranks and exemptions, in which only the ban in ``event`` holds."""
        office = Office(self.acts, self.ranks, {}, self.exempt)
        office.evolve(event)
        return office

    def told(self) -> dict[str, Any]:
        """Return it in lists and dictionaries; ``of`` takes them."""
        return {
            "acts": self.acts,
            "ranks": self.ranks,
            "bans": [astuple(measure) for measure in self.bans.values()],
            "exempt": [astuple(measure) for measure in self.exempt.values()],
            "invitations": [astuple(one) for one in self.invitations.values()],
            "codes": self.codes,
            "settings": [astuple(one) for one in (*self.settings.values(), *self.passing.values())],
            "rooms": self.rooms.told(),
        }

    @staticmethod
    def of(told: dict[str, Any]) -> Office:
        """Return what ``told`` tells of."""
        office = Office(
            told["acts"],
            {key: (name, Rank(rank)) for key, (name, rank) in told["ranks"].items()},
            _by_place(told["bans"]),
            _by_place(told["exempt"]),
            {key: (until, verifier) for key, (until, verifier) in told.get("codes", {}).items()},
        )
        for measure in (*office.bans.values(), *office.exempt.values()):
            if measure.kind == "address":
                office._look(measure)
        office._patterns = office._names()
        invitations = [Invitation(*values) for values in told.get("invitations", ())]
        office.invitations = {one.digest: one for one in invitations}
        for setting in (Setting(*values) for values in told.get("settings", ())):
            (office.passing if setting.until else office.settings)[setting.what] = setting
        office.rooms = directory.Directory.of(told.get("rooms", []))
        return office

    def rank(self, key: str) -> Rank:
        """Return the rank of the account ``key``."""
        return self.ranks[key][1] if key in self.ranks else Rank.USER

    def setting(self, what: str, now: float) -> Setting | None:
        """Return what staff set ``what`` to at ``now``; None if it did not."""
        passing = self.passing.get(what)
        return passing if passing is not None and passing.holds(now) else self.settings.get(what)

    def turned(self, kind: str, now: float) -> list[Setting]:
        """Return all that staff set at ``now`` whose name begins with the word ``kind``."""
        names = sorted({*self.settings, *self.passing})
        found = (self.setting(what, now) for what in names if what.partition(" ")[0] == kind)
        return [one for one in found if one is not None]

    def code(self, key: str, now: float) -> str:
        """Return the verifier of the code that holds for the account ``key``; empty if none."""
        until, verifier = self.codes.get(key, (0.0, ""))
        return verifier if now < until else ""

    def bars_address(self, address: str, now: float) -> Measure | None:
        """Return the ban that keeps out who comes from ``address``; None if none does.

        None does from this machine, nor from a UNIX socket.
        """
        places = self._places(address)
        if _first(self.exempt, places, now) is not None:
            return None
        return _first(self.bans, places, now)

    def bars_name(self, name: str, registered: bool, now: float) -> Measure | None:
        """Return the ban that keeps out who is called ``name``, ``registered`` or as a guest.

        Patterns hit no staff, and nobody whom the server itself named.
        """
        account = f"account {fold(name)}"
        if registered and _first(self.exempt, (account,), now) is not None:
            return None
        barred = _first(self.bans, (account,), now) if registered else None
        if barred is not None or (registered and self.rank(fold(name))) or name.startswith(GUEST):
            return barred
        if not self._patterns:
            return None
        key, shape = fold(name), skeleton(name)
        return next((b for b in self._patterns if b.holds(now) and _fits(key, shape, b.what)), None)

    def is_exempt(self, kind: str, what: str, now: float) -> bool:
        """Return whether no ban may be laid on ``what``, which is as ``spell`` returned it."""
        net = network_of(what) if kind == "address" else None
        places: Iterable[str] = (f"{kind} {what}",)
        if net is not None:
            places = self._places(str(net.network_address), net.prefixlen)
        return _first(self.exempt, places, now) is not None

    def holding(self, now: float) -> list[Measure]:
        """Return the bans that hold at ``now``, the oldest first."""
        return sorted((b for b in self.bans.values() if b.holds(now)), key=lambda ban: ban.id)

    def _places(self, address: str, most: int = 128) -> tuple[str, ...]:
        """Return where measures of up to ``most`` bits are that hold for ``address``."""
        widths = [(version, width) for version, width in self._widths if width <= most]
        nets = (around(address, version, width) for version, width in widths)
        return tuple(f"address {spell_network(net)}" for net in nets if net is not None)

    def _look(self, measure: Measure) -> None:
        """See how wide the network of ``measure`` is, or which patterns are banned now."""
        net = network_of(measure.what) if measure.kind == "address" else None
        if net is not None:
            self._widths |= {(net.version, net.prefixlen)}
        elif measure.kind == "name":
            self._patterns = self._names()

    def _names(self) -> tuple[Measure, ...]:
        return tuple(ban for ban in self.bans.values() if ban.kind == "name")


def parse_rank(word: str) -> Rank | None:
    """Return the rank called ``word``; None if there is none."""
    return Rank.__members__.get(word.upper())


def spell(kind: str, what: str) -> str:
    """Return ``what`` as it is kept: one way for each thing; empty if it is nothing of ``kind``."""
    match kind:
        case "account":
            return fold(what.strip())
        case "name":
            return re.sub(r"\*+", "*", fold(what.strip()))
        case "address":
            net = party_network(what)
            return spell_network(net) if net is not None else ""
        case _:
            return ""


def is_like(name: str, pattern: str) -> bool:
    """Return whether ``name`` is, or looks like, something that ``pattern`` describes."""
    return _fits(fold(name), skeleton(name), pattern)


def _fits(key: str, shape: str, pattern: str) -> bool:
    exact, alike = _compiled(pattern)
    return bool(exact.fullmatch(key) or alike.fullmatch(shape))


@lru_cache(maxsize=MOST_MEASURES)
def _compiled(pattern: str) -> tuple[re.Pattern[str], re.Pattern[str]]:
    return _expression(pattern, fold), _expression(pattern, skeleton)


def _expression(pattern: str, spelled: Callable[[str], str]) -> re.Pattern[str]:
    """Return what matches ``pattern`` and never goes back, so that no name takes long."""
    first, *others = [
        ".".join(re.escape(spelled(part)) for part in piece.split("?"))
        for piece in pattern.split("*")
    ]
    if not others:
        return re.compile(first)
    *between, last = others
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in between) + f".*{last}")


def _first(held: dict[str, Measure], places: Iterable[str], now: float) -> Measure | None:
    found = (held.get(place) for place in places)
    return next((measure for measure in found if measure and measure.holds(now)), None)


def _hold(held: dict[str, Passing], place: str, measure: Passing) -> None:
    """Add ``measure``; of too many, that is forgotten that ends first: it ended already."""
    held.pop(place, None)
    held[place] = measure
    if len(held) > MOST_MEASURES:
        del held[min(held, key=lambda one: held[one].until or float("inf"))]


def _by_place(told: Iterable[Any]) -> dict[str, Measure]:
    measures = [Measure(*values[: len(fields(Measure))]) for values in told]
    return {f"{measure.kind} {measure.what}": measure for measure in measures}
