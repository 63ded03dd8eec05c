"""From the command line to a running server: the only place that names concrete classes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from itertools import chain
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, ClassVar, cast

from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IReactorFromThreads,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import ILogObserver, Logger
from twisted.protocols.tls import TLSMemoryBIOFactory, TLSMemoryBIOProtocol
from twisted.python import usage

from chatnet import __version__
from chatnet.accounts.accounts import Accounts
from chatnet.accounts.throttle import Throttle
from chatnet.admin.desk import Building
from chatnet.admin.listening import open_desks
from chatnet.core.addresses import Networks
from chatnet.core.durations import parse_duration
from chatnet.core.events import Entry, Seen, Whispered, weight
from chatnet.core.large import LARGE
from chatnet.core.limits import Limits, Registration, parse_change
from chatnet.core.names import EVERYBODY, STAFF
from chatnet.core.room import Room
from chatnet.core.rules import LONGEST_RETENTION, SHORTEST_RETENTION
from chatnet.dialects.jsonl import JsonDialect
from chatnet.dialects.styles import LIVE
from chatnet.dialects.text import TextDialect
from chatnet.folder import CannotStart, DataFolder
from chatnet.interfaces import Batch
from chatnet.logs import opener
from chatnet.opening import StoreOptions, open_stores
from chatnet.server.defence import Defence
from chatnet.server.factory import ChatFactory
from chatnet.server.files import Files
from chatnet.server.host import Host
from chatnet.server.invitations import Invitations
from chatnet.server.meter import Pulse
from chatnet.server.network import Network
from chatnet.server.notify import Manager
from chatnet.server.service import ChatService
from chatnet.server.turn import Turn
from chatnet.settings import ALL, Settings
from chatnet.stores.journal import Journal
from chatnet.stores.pieces import orphans
from chatnet.stores.shelf import FILES, Shelf
from chatnet.stores.worker import Worker
from chatnet.web.site import ChatSite
from chatnet.wires.budget import Budget
from chatnet.wires.certificates import CannotUse, Certificates
from chatnet.wires.proxied import Proxies

HASHERS = 2  # threads for passwords
FILERS = 2  # threads for what is written to, and read from, files
_DEFAULTS = Settings()
_DESKS = "tcp:8890:interface=127.0.0.1 or unix:/run/chatnet.sock"
_BACKLOG = 1024  # connections that may wait to be accepted
_TOGETHER = (("port", "listen"), ("tls-cert", "tls-key"), ("origin",))  # one replaces all of them
_ORIGIN = re.compile(r"https?://(\[[0-9a-f:]+\]|[a-z0-9_.-]+)(:\d{1,5})?")


class Options(StoreOptions):
    """What ``twistd chatnet`` takes."""

    synopsis = "[options]"
    longdesc = (
        f"chatnet {__version__}: a chat network on one port. With no options it listens on"
        " port 8888 and keeps everything in ./chatnet-data."
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
        self._configured: dict[str, Any] = {}  # what the file says of what goes together

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
            self.read_config(words)
            for key in chain(*_TOGETHER):
                self._configured[key] = self[key]
                self[key] = [] if key in self.lists else ""
            super().parseOptions(words)
        except usage.UsageError as error:
            raise SystemExit(f"chatnet: {error}. See twistd chatnet --help.") from None

    def postOptions(self) -> None:
        """Make ``settings`` of what was given.

        Raises:
            usage.UsageError: it makes no sense; the sentence says what.
        """
        for keys in _TOGETHER:
            if not any(self[key] for key in keys):
                self.update({key: self._configured.get(key, self[key]) for key in keys})
        self._check_tls()
        self._check_log()
        self.settings = replace(
            self.where(),
            name=_text(self["name"], "name"),
            motd=self["motd"],
            listen=self._endpoints(),
            password=self._password(),
            max_clients=_number(self["max-clients"], "max-clients", 1),
            max_message=_number(self["max-message"], "max-message", 0),
            budget=_number(self["budget"], "budget", 0),
            password_length=_range(self["password-length"], "password-length"),
            replay=ALL if self["replay"] == "all" else _number(self["replay"], "replay", 0),
            retention=_duration(self["retention"], "retention"),
            room_grace=_duration(self["room-grace"], "room-grace"),
            registration=_registration(self["registration"]),
            transcript=bool(self["transcript"]),
            stall_seconds=_number(self["stall-seconds"], "stall-seconds", 1),
            admin_socket=not self["no-admin"],
            admin=tuple(self._desk(endpoint) for endpoint in self["admin"]),
            tls=not self["no-tls"],
            tls_cert=_path(self["tls-cert"]),
            tls_key=_path(self["tls-key"]),
            tls_only=bool(self["tls-only"]),
            allow_plaintext_passwords=bool(self["allow-plaintext-passwords"]),
            limits=tuple(_limit(change) for change in self["limit"]),
            proxies=_networks(self["proxy"], "proxy"),
            metrics=_networks(self["metrics"], "metrics"),
            url=_origin(self["url"], "url") if self["url"] else "",
            origins=tuple(dict.fromkeys(_origin(url) for url in self["origin"])),
        )

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
        text = _choice(self["log-format"], "log-format", ("text", "json"))
        if text or self.parent is None:
            return
        if "logger" not in self.parent:
            raise usage.UsageError("--log-format is twistd's; twist has an option of its own")
        if self.parent["logger"] or self.parent["syslog"]:
            raise usage.UsageError("--log-format json goes with neither --logger nor --syslog")
        self.log = opener(self.parent)

    def _password(self) -> str:
        if self["password"] and self["password-file"]:
            raise usage.UsageError("give --password or --password-file, not both")
        return cast(str, self["password"]) or self.first_line("password-file")


def makeService(options: Options, reactor: Any = None) -> IService:
    """Return the server that ``options`` describe.

    Raises:
        CannotStart: the data folder cannot be used, or a port not be listened on.
    """
    if reactor is None:
        from twisted.internet import reactor as installed  # noqa: TID251 -- the one place that may

        reactor = installed
    settings = options.settings
    endpoints = [(written, _endpoint(reactor, written)) for written in settings.listen]
    desks = [(written, _endpoint(reactor, written)) for written in settings.admin]
    folder = None
    if settings.store != "memory:" or settings.journal:
        folder = DataFolder(settings.data)
        folder.prepare()
    service = ChatService(
        cast(IReactorTime, reactor),
        endpoints,
        lambda: build(settings, reactor),
        folder,
        settings.stop_seconds,
        Manager(cast(IReactorTime, reactor), os.environ),
        options.log,
    )
    service.desks = lambda factory: open_desks(
        Building(factory, reactor.seconds(), reactor.stop, service.lock_up, lambda: _news(options)),
        desks,
        reactor,
    )
    return service


def _endpoint(reactor: Any, written: str) -> IStreamServerEndpoint:
    try:
        return cast(IStreamServerEndpoint, serverFromString(reactor, written))
    except (ValueError, KeyError, TypeError, IndexError, OSError) as error:
        raise CannotStart(
            f"chatnet: {written} is no endpoint to listen on ({error}). They look like"
            " tcp:8888 or tcp:8888:interface=127.0.0.1."
        ) from None


def _news(options: Options) -> list[str]:
    """Return what a start would complain of now, or which settings it would have changed."""
    again = Options()
    try:
        again.parseOptions(options.words)
    except SystemExit as refusal:
        return [str(refusal.code)]
    before, after = options.settings, again.settings
    names = [field.name for field in fields(before)]
    changed = [name for name in names if getattr(before, name) != getattr(after, name)]
    return [f"{name.replace('_', '-')} changed: a restart takes it up" for name in changed]


def build(settings: Settings, reactor: Any) -> tuple[ChatFactory, Callable[[], None]]:
    """Open the store; return the server's factory, and how to close what was opened.

    Raises:
        CannotStart: the store cannot be opened.
    """
    clock = cast(IReactorTime, reactor)
    threads = cast(IReactorFromThreads, reactor)
    write, read = open_stores(settings, _notice)
    write.log.write(Batch([], discards=[*write.log.strays(), *orphans(write.log)]))
    writer = Worker(threads, "chatnet writer")
    reader = writer if read is write else Worker(threads, "chatnet reader")
    hasher = Worker(threads, "chatnet passwords", HASHERS)
    journal = Journal(clock, writer, write.log, reader, read.log)
    turn = Turn(clock)
    budget = Budget(clock, settings.budget)
    transcript = _transcript if settings.transcript else None
    network = Network(journal, turn, clock, transcript, settings.retention, budget)
    network.start(journal.open_now(EVERYBODY), journal.open_now(STAFF))
    limits = Limits(settings.limits)
    forgets = settings.store == "memory:" and not settings.journal
    scratch = TemporaryDirectory(prefix="chatnet-") if forgets else None
    shelf = Shelf(Path(scratch.name if scratch else settings.data, FILES))
    accounts = Accounts(
        clock,
        write.accounts,
        writer,
        read.accounts,
        reader,
        hasher,
        os.urandom,
        settings.password_length,
        limits,
    )
    throttle, defence = Throttle(clock, limits), Defence(clock, limits, settings.proxies)
    invitations = Invitations(network, clock, os.urandom, settings.registration)
    filer = Worker(threads, "chatnet files", FILERS)
    files = Files(network, clock, os.urandom, limits, shelf, filer)
    try:
        files.start()
    except OSError as error:
        raise CannotStart(
            f"chatnet: cannot use {shelf.folder} for files: {error.strerror}"
        ) from None
    host = Host(
        settings, network, accounts, turn, clock, os.urandom, throttle, defence, invitations, files
    )
    workers = list(dict.fromkeys((writer, reader, hasher, filer)))
    certificates = _certificates(settings) if settings.tls else None
    tls = None
    if certificates is not None:
        certificates.start(clock)
        tls = TLSMemoryBIOFactory(certificates, False, Factory(), clock)
        tls.protocol = TLSMemoryBIOProtocol
    factory = ChatFactory(host, TextDialect, JsonDialect, tls)
    factory.certificates, factory.aside = certificates, reader
    factory.web = ChatSite(factory, certificates).answer
    if settings.proxies:
        factory.front = Proxies(factory, clock, settings.proxies, settings.max_clients)
    pulse = Pulse(clock, network.meter.delays)
    pulse.start()

    def close() -> None:
        pulse.stop()
        if certificates is not None:
            certificates.stop()
        defence.levels.stop()
        for worker in workers:
            worker.stop()
        for stores in dict.fromkeys((write, read)):
            stores.close()
        if scratch is not None:
            scratch.cleanup()

    return factory, close


def _certificates(settings: Settings) -> Certificates:
    try:
        if settings.tls_cert:
            return Certificates.from_files(settings.tls_cert, settings.tls_key)
        if settings.store == "memory:":
            return Certificates.in_memory()
        return Certificates.self_signed(settings.data)
    except CannotUse as error:
        raise CannotStart(f"chatnet: {error}") from None


_stores_log = Logger("chatnet.stores")


def _notice(sentence: str) -> None:
    """Log what a store found not to be as it should."""
    _stores_log.warn("{sentence}", sentence=sentence)


_log = Logger("chatnet.transcript")


def _transcript(room: Room, entry: Entry) -> None:
    """Log what is shown in rooms. What people whisper is theirs alone."""
    if isinstance(entry.event, Whispered | Seen):
        return
    large = weight(entry.event) >= LARGE
    shown = LIVE.part(entry, 0)[0] + b"\n(and more)" if large else LIVE.render(entry)
    for line in shown.decode().splitlines():
        _log.info("[{room}] {line}", room=room.name, line=line)


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


def _choice(value: str, name: str, choices: tuple[str, str]) -> bool:
    if value not in choices:
        raise usage.UsageError(f"--{name} is {' or '.join(choices)}, not {value}")
    return value == choices[0]
