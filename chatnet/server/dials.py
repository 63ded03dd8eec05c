"""What holds on this server now: what staff set while it runs, or else what it was started with."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from twisted.internet.interfaces import IDelayedCall
from twisted.logger import LogEvent, LogLevel, LogLevelFilterPredicate, PredicateResult

from chatnet.core.dials import LEVEL, LIMIT, LOG, MOTD, REGISTRATION
from chatnet.core.events import Acted, Entry
from chatnet.core.limits import TABLE, Limits, Registration
from chatnet.core.names import STAFF
from chatnet.core.office import Office, Setting

if TYPE_CHECKING:
    from chatnet.server.host import Host

_NOBODY = Office()  # is in charge: one for all who ask, who only read it
LONGEST_WAIT = 1e6  # seconds, after which it is looked again what has ended


class Dials:
    """Turns the limits, the level and the rest to what the staff's log and the settings say.

    There is nothing to remember but the log: what ends, ends when its time comes or, if the server
    was down then, at the start.
    """

    def __init__(self, host: Host) -> None:
        self.logs: LogLevelFilterPredicate | None = None  # what the log keeps, if that is ours
        self._host = host
        self._timer: IDelayedCall | None = None
        self._level: Setting | None = None  # that was set
        self.renew()
        host.network.watchers.append(self._acted)

    @property
    def motd(self) -> str:
        """What everybody is told who connects."""
        held = self.held(MOTD)
        return held.value if held is not None else self._host.settings.motd

    def held(self, what: str) -> Setting | None:
        """Return what staff set ``what`` to; None if it did not."""
        return self._office.setting(what, self._host.clock.seconds())

    def limit(self, name: str) -> str:
        """Return to what the limit ``name`` was set when the server was started."""
        return self._started.get(name)

    def source(self, what: str) -> str:
        """Return where that comes from which ``what`` is now."""
        held = self.held(what)
        if held is None:
            return dict(self._host.settings.sources).get(what, "default")
        until = f" until {datetime.fromtimestamp(held.until, UTC):%Y-%m-%d %H:%M}"
        return f"{held.by} #{held.id}{until if held.until else ''}"

    def renew(self) -> None:
        """Take up the settings, which are others than before."""
        settings = self._host.settings
        self._started = Limits(settings.limits)
        self._host.defence.proxies = self._host.proxies()
        self._host.network.rooms.keep(settings.retention)
        self.turn()

    def turn(self) -> None:
        """Let everything be as it is to be now."""
        limits, now = self._host.defence.limits, self._host.clock.seconds()
        for entry in TABLE:
            held = self.held(f"{LIMIT} {entry.name}")
            value = held.value if held is not None else self._started.get(entry.name)
            if limits.get(entry.name) != value:
                limits.set(entry.name, value)
        held = self.held(REGISTRATION)
        registration = Registration(held.value) if held else self._host.settings.registration
        self._host.invitations.registration = registration
        level = self.held(LEVEL)
        if level != self._level:
            self._level = level
            left = level.until - now if level is not None and level.until else 0.0
            self._host.defence.levels.set(int(level.value) if level is not None else None, left)
        self.turn_logs()
        self._look_later(now)

    def keeps(self, event: LogEvent) -> bool:
        """Return whether the log keeps ``event``; all but details where it is not ours."""
        if self.logs is None:
            return event.get("log_level") is not LogLevel.debug
        return self.logs(event) is not PredicateResult.no

    def turn_logs(self) -> None:
        """Let the log keep what it is to keep now."""
        if self.logs is not None:
            self.logs.clearLogLevels()
            self._keep("", self._host.settings.log_level)
            for held in self._office.turned(LOG, self._host.clock.seconds()):
                self._keep(held.what.partition(" ")[2], held.value)

    def _keep(self, namespace: str, level: str) -> None:
        assert self.logs is not None
        self.logs.setLogLevelForNamespace(namespace, LogLevel.levelWithName(level))

    def stop(self) -> None:
        """Stop the clock."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    @property
    def _office(self) -> Office:
        """What is known to be stored: what is on its way may come to nothing."""
        return self._host.network.audiences[STAFF].room.state.office or _NOBODY

    def _acted(self, entry: Entry) -> None:
        if isinstance(entry.event, Acted) and entry.event.verb in ("set", "unset"):
            self.turn()

    def _look_later(self, now: float) -> None:
        self.stop()
        ends = [one.until - now for one in self._office.passing.values() if one.holds(now)]
        if ends:
            self._timer = self._host.clock.callLater(min(*ends, LONGEST_WAIT), self._look)

    def _look(self) -> None:
        self._timer = None
        self.turn()
