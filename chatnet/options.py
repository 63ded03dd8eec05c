"""What ``twistd chatnet`` takes, and the settings that come of it."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import chain
from typing import Any, ClassVar, cast

from twisted.logger import ILogObserver, LogLevelFilterPredicate
from twisted.python import usage

from chatnet import __version__
from chatnet.core.addresses import Networks
from chatnet.core.dials import LOG_LEVELS
from chatnet.core.durations import parse_duration
from chatnet.core.limits import TABLE, Registration, parse_change
from chatnet.core.rules import LONGEST_RETENTION, SHORTEST_RETENTION
from chatnet.logs import opener
from chatnet.opening import StoreOptions
from chatnet.settings import ALL, Settings

_DEFAULTS = Settings()
_DESKS = "tcp:8890:interface=127.0.0.1 or unix:/run/chatnet.sock"
_BACKLOG = 1024  # connections that may wait to be accepted
_TOGETHER = (("port", "listen"), ("tls-cert", "tls-key"), ("origin",))  # one replaces all of them
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9_.-]+)(:\d{1,5})?")


class Options(StoreOptions):
    """What ``twistd chatnet`` takes."""

    synopsis = "Usage: twistd [options of twistd] chatnet [options]"
    longdesc = (
        f"chatnet {__version__}: a chat network on one port. With no options it listens on"
        " port 8888 and keeps everything in ./chatnet-data. Options of twistd stand before chatnet:"
        " -n stays in the foreground, twistd --help lists all."
    )
    optParameters: ClassVar[list[list[str | None]]] = [
        ["port", "p", "", "TCP port to listen on; 8888 if neither this nor --listen is given"],
        ["interface", "i", "", "address to listen on; all if not given"],
        ["password", None, "", "a password for the whole server, asked first"],
        ["password-file", None, "", "a file whose first line is that password"],
        ["max-clients", None, "10000", "connections at once"],
        ["max-message", None, "16777216", "bytes of a message; 0 for any length"],
        ["budget", None, "268435456", "bytes for all large messages that are on their way"],
        ["password-length", None, "4-128", "fewest and most characters of people's passwords"],
        ["replay", None, "50", "messages shown on joining a room, or all"],
        ["retention", None, "none", "how long what is said is kept, like 30d; none: for good"],
        ["room-grace", None, "7d", "how long a deleted room can be restored; none: for good"],
        ["registration", None, "open", "open, invite or closed: may people make accounts?"],
        ["stall-seconds", None, "600", "without reading, after which a connection is closed"],
        ["name", None, _DEFAULTS.name, "what the server calls itself"],
        ["url", None, "", "where people find the server, like https://chat.example.org, for links"],
        ["motd", None, "", "a message for everyone who connects"],
        ["log-format", None, "text", "text, or json: an object a line, for programs"],
        ["log-level", None, "info", f"what the log keeps: {', '.join(LOG_LEVELS)}"],
        ["tls-cert", None, "", "PEM file with the certificate, its chain, and perhaps its key"],
        ["tls-key", None, "", "PEM file with the key, if it is not in --tls-cert's"],
    ]
    optFlags: ClassVar[list[list[str | None]]] = [
        ["transcript", "t", "print every message of every room to the log"],
        ["no-tls", None, "speak no TLS"],
        ["no-admin", None, "have no socket for operators in the data folder"],
        ["tls-only", None, "turn away who does not speak TLS"],
        ["allow-plaintext-passwords", None, "take passwords without TLS from afar"],
    ]
    lists: ClassVar = {
        "listen": "endpoints",
        "origin": "URLs",
        "limit": "limits",
        "admin": "endpoints",
        "proxy": "addresses",
        "metrics": "addresses",
    }
    compData = usage.Completions(multiUse=set(lists))

    def __init__(self) -> None:
        super().__init__()
        self.update({key: [] for key in self.lists})
        self.settings = _DEFAULTS
        self.words: list[str] = []  # of the command line
        self.log: Callable[[], ILogObserver] | None = None  # opens twistd's, if not its own way
        self.keeps: LogLevelFilterPredicate | None = None  # of what is logged; None: all
        self.faults: list[str] = []  # a sentence on each thing that makes no sense
        self._configured: dict[str, Any] = {}  # what the file says of what goes together
        self._filed: dict[str, Any] = {}  # and of all else

    def opt_listen(self, endpoint: str) -> None:
        """A Twisted endpoint to listen on, like tcp:8888:interface=127.0.0.1; may be repeated.

        Takes the place of --port, unless that is given too.
        """
        self["listen"].append(endpoint)

    def opt_origin(self, url: str) -> None:
        """Another site whose pages may connect, like https://chat.example.org; may be repeated."""
        self["origin"].append(url)

    def opt_limit(self, change: str) -> None:
        """A limit on what one may do, like messages=20+5/s or connections=none; may be repeated.

        none alone turns all of them off. docs/operating.md lists them.
        """
        self["limit"].append(change)

    def opt_admin(self, endpoint: str) -> None:
        """Hear operators there too, like tcp:8890 (which is TLS) or unix:FILE; may be repeated."""
        self["admin"].append(endpoint)

    def opt_proxy(self, address: str) -> None:
        """A proxy, or a network of them, that may say for whom it speaks; may be repeated.

        By a header of the PROXY protocol, or in HTTP by X-Forwarded-For. "unix" is whoever comes
        through a UNIX socket.
        """
        self["proxy"].append(address)

    def opt_metrics(self, address: str) -> None:
        """Who may read /metrics besides this machine, like 10.0.0.7; may be repeated."""
        self["metrics"].append(address)

    def parseArgs(self, *words: str) -> None:
        """Refuse what is no option."""
        if words:
            raise usage.UsageError(f"{words[0]} is no option")

    def opt_version(self) -> None:
        """Print chatnet's version."""
        sys.stdout.write(f"chatnet {__version__}\n")
        raise SystemExit(0)

    def parseOptions(self, options: Any = None) -> None:
        """Parse; anything wrong is one line on standard error and exit status 1.

        ``twistd`` itself would print all of the help and exit 0.
        """
        words = self.words = list(sys.argv[1:] if options is None else options)
        try:
            before = dict(self)
            self.faults = self.read_config(words)
            self._filed = {
                key: list(value) if isinstance(value, list) else value
                for key, value in self.items()
                if value != before[key]
            }
            for key in chain(*_TOGETHER):
                self._configured[key] = self[key]
                self[key] = [] if key in self.lists else ""
            super().parseOptions(words)
        except usage.UsageError as error:
            if str(error) not in self.faults:
                self.faults.append(str(error))
        if self.faults:
            raise SystemExit(f"chatnet: {self.faults[0]}. See twistd chatnet --help.") from None

    def postOptions(self) -> None:
        """Make ``settings`` of what was given.

        Raises:
            usage.UsageError: it makes no sense; the sentence says what.
        """
        for keys in _TOGETHER:
            if not any(self[key] for key in keys):
                self.update({key: self._configured.get(key, self[key]) for key in keys})
        for check in (self._check_tls, self._check_log):
            self._try(check)
        made = {name: self._try(make) for name, make in self._makers().items()}
        if self.faults:
            raise usage.UsageError(self.faults[0])
        self.settings = replace(self.where(), **made, sources=tuple(self._sources().items()))

    def _try(self, make: Callable[[], Any]) -> Any:
        """Return what ``make`` returns; what it has to say against that is kept."""
        try:
            return make()
        except usage.UsageError as error:
            self.faults.append(str(error))

    def _makers(self) -> dict[str, Callable[[], Any]]:
        """Return how each setting is made of what was given."""
        return {
            "data": lambda: self.where().data,
            "name": lambda: _text(self["name"], "name"),
            "motd": lambda: self["motd"],
            "listen": self._endpoints,
            "password": self._password,
            "max_clients": lambda: _number(self["max-clients"], "max-clients", 1),
            "max_message": lambda: _number(self["max-message"], "max-message", 0),
            "budget": lambda: _number(self["budget"], "budget", 0),
            "password_length": lambda: _range(self["password-length"], "password-length"),
            "replay": self._replay,
            "retention": lambda: _duration(self["retention"], "retention"),
            "room_grace": lambda: _duration(self["room-grace"], "room-grace"),
            "registration": lambda: _registration(self["registration"]),
            "transcript": lambda: bool(self["transcript"]),
            "stall_seconds": lambda: _number(self["stall-seconds"], "stall-seconds", 1),
            "admin_socket": lambda: not self["no-admin"],
            "admin": lambda: tuple(self._desk(endpoint) for endpoint in self["admin"]),
            "tls": lambda: not self["no-tls"],
            "tls_cert": lambda: _path(self["tls-cert"]),
            "tls_key": lambda: _path(self["tls-key"]),
            "tls_only": lambda: bool(self["tls-only"]),
            "allow_plaintext_passwords": lambda: bool(self["allow-plaintext-passwords"]),
            "limits": lambda: tuple(_limit(change) for change in self["limit"]),
            "proxies": lambda: _networks(self["proxy"], "proxy"),
            "metrics": lambda: _networks(self["metrics"], "metrics"),
            "url": lambda: _origin(self["url"], "url") if self["url"] else "",
            "origins": lambda: tuple(dict.fromkeys(_origin(url) for url in self["origin"])),
            "log_level": lambda: _choice(self["log-level"], "log-level", LOG_LEVELS),
        }

    def _sources(self) -> dict[str, str]:
        """Return where that comes from which staff can set later, unless it is the default."""
        found: dict[str, str] = {}
        for key, default in (
            ("motd", _DEFAULTS.motd),
            ("registration", _DEFAULTS.registration.value),
        ):
            if key in self._filed and self[key] == self._filed[key]:
                found[key] = "config"
            elif self[key] != default:
                found[key] = "option"
        filed = len(self._filed.get("limit", ()))
        for place, change in enumerate(self["limit"]):
            name, _ = parse_change(change)
            for one in [entry.name for entry in TABLE] if name == "all" else [name]:
                found[f"limit {one}"] = "config" if place < filed else "option"
        return found

    def _replay(self) -> int:
        return ALL if self["replay"] == "all" else _number(self["replay"], "replay", 0)

    def _endpoints(self) -> tuple[str, ...]:
        port = _number(self["port"] or "8888", "port", 0, 65535)
        interface = f":interface={self['interface'].replace(':', chr(92) + ':')}"
        tcp = f"tcp:{port}:backlog={_BACKLOG}" + (interface if self["interface"] else "")
        listen: list[str] = self["listen"]
        return (*listen, *([tcp] if self["port"] or not listen else []))

    def _desk(self, endpoint: str) -> str:
        kind = endpoint.partition(":")[0]
        if kind not in ("tcp", "tcp6", "unix"):
            raise usage.UsageError(f"--admin is like {_DESKS}, not {endpoint}")
        if kind != "unix" and self["no-tls"]:
            raise usage.UsageError(f"--admin {endpoint} speaks TLS: not with --no-tls")
        return endpoint if kind != "unix" or ":mode=" in endpoint else f"{endpoint}:mode=600"

    def _check_tls(self) -> None:
        for key in ("tls-cert", "tls-key", "tls-only"):
            if self["no-tls"] and self[key]:
                raise usage.UsageError(f"give --no-tls or --{key}, not both")
        if self["tls-key"] and not self["tls-cert"]:
            raise usage.UsageError("--tls-key goes with --tls-cert")

    def _check_log(self) -> None:
        """See that twistd can write its log as it is wanted."""
        text = _choice(self["log-format"], "log-format", ("text", "json")) == "text"
        if self.parent is None:
            return
        plain = text and self["log-level"] == LOG_LEVELS[1]
        if "logger" not in self.parent:
            if plain:
                return
            raise usage.UsageError(
                "--log-format and --log-level are twistd's; twist has options of its own"
            )
        if self.parent["logger"] or self.parent["syslog"]:
            if plain:
                return
            raise usage.UsageError(
                "--log-format json and --log-level go with neither --logger nor --syslog"
            )
        self.keeps = LogLevelFilterPredicate()
        self.log = opener(self.parent, text, self.keeps)

    @property
    def logs_apart(self) -> bool:
        """Whether the log goes anywhere but to standard output."""
        twistd = self.parent
        if twistd is None or "logger" not in twistd or twistd["logger"] or twistd["syslog"]:
            return True
        return not twistd["nodaemon"] or twistd["logfile"] not in (None, "", "-")

    def _password(self) -> str:
        if self["password"] and self["password-file"]:
            raise usage.UsageError("give --password or --password-file, not both")
        return cast(str, self["password"]) or self.first_line("password-file")


def _text(value: str, name: str) -> str:
    if not value.strip() or not value.isprintable():
        raise usage.UsageError(f"--{name} is a line of text")
    return value.strip()


def _path(value: str) -> str:
    return os.path.abspath(value) if value else ""


def _origin(value: str, name: str = "origin") -> str:
    """Return a site as browsers write it."""
    origin = value.lower()
    found = _ORIGIN.fullmatch(origin)
    if found is None or not 0 < int((found[2] or ":1")[1:]) < 65536:
        raise usage.UsageError(
            f"--{name} is like https://chat.example.org or http://localhost:8000, not {value}"
        )
    return re.sub("^(http:.*):80$|^(https:.*):443$", r"\1\2", origin)


def _limit(value: str) -> tuple[str, str]:
    try:
        return parse_change(value)
    except ValueError as error:
        raise usage.UsageError(f"--limit: {error}") from None


def _networks(values: list[str], name: str) -> tuple[str, ...]:
    for value in values:
        try:
            Networks((value,))
        except ValueError as error:
            raise usage.UsageError(f"--{name} is like 10.0.0.7 or 10.0.0.0/8: {error}") from None
    return tuple(dict.fromkeys(values))


def _number(value: str, name: str, least: int, most: int = 2**40) -> int:
    try:
        number = int(value)
    except ValueError:
        raise usage.UsageError(f"--{name} is a number, not {value}") from None
    if not least <= number <= most:
        limits = f"{least} to {most}" if most < 2**40 else f"{least} or more"
        raise usage.UsageError(f"--{name} is {limits}, not {number}")
    return number


def _duration(value: str, name: str) -> float:
    if value in ("none", "0"):
        return 0.0
    seconds = parse_duration(value)
    if seconds is None or not SHORTEST_RETENTION <= seconds <= LONGEST_RETENTION:
        raise usage.UsageError(
            f"--{name} is like 12h, 30d or 52w (60s or more) or none, not {value}"
        )
    return float(seconds)


def _range(value: str, name: str) -> tuple[int, int]:
    fewest, dash, most = value.partition("-")
    if not dash:
        raise usage.UsageError(f"--{name} is MIN-MAX, like 4-128, not {value}")
    low, high = _number(fewest, name, 1, 1024), _number(most, name, 1, 1024)
    if low > high:
        raise usage.UsageError(f"--{name} is MIN-MAX, and {low} is more than {high}")
    return low, high


def _registration(value: str) -> Registration:
    try:
        return Registration(value)
    except ValueError:
        raise usage.UsageError(f"--registration is open, invite or closed, not {value}") from None


def _choice(value: str, name: str, choices: tuple[str, ...]) -> str:
    if value not in choices:
        raise usage.UsageError(f"--{name} is {' or '.join(choices)}, not {value}")
    return value
