"""From the command line to a running server: the only place that names concrete classes."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, cast

from twisted.application.service import IService
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import (
    IReactorFromThreads,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.protocol import Factory
from twisted.logger import Logger, LogLevelFilterPredicate
from twisted.protocols.tls import TLSMemoryBIOFactory

from chatnet.accounts.accounts import Accounts
from chatnet.accounts.throttle import Throttle
from chatnet.admin.desk import Building
from chatnet.admin.listening import open_desks
from chatnet.admin.reloading import reload_by_signal
from chatnet.core.events import Entry, Seen, Visited, Whispered, weight
from chatnet.core.large import LARGE
from chatnet.core.limits import Limits
from chatnet.core.names import EVERYBODY, STAFF
from chatnet.core.room import Room
from chatnet.dialects.jsonl import JsonDialect
from chatnet.dialects.styles import LIVE
from chatnet.dialects.text import TextDialect
from chatnet.folder import CannotStart, DataFolder
from chatnet.interfaces import Batch
from chatnet.opening import open_stores
from chatnet.options import Options
from chatnet.server.defence import Defence
from chatnet.server.factory import ChatFactory
from chatnet.server.files import Files
from chatnet.server.host import Host
from chatnet.server.invitations import Invitations
from chatnet.server.lost import Lost
from chatnet.server.meter import Pulse
from chatnet.server.network import Network
from chatnet.server.notify import Manager
from chatnet.server.service import ChatService, Door
from chatnet.server.turn import Turn
from chatnet.settings import Settings
from chatnet.stores.journal import Journal
from chatnet.stores.pieces import orphans
from chatnet.stores.shelf import FILES, Shelf
from chatnet.stores.worker import AtOnce, Worker
from chatnet.web.site import ChatSite
from chatnet.wires.budget import Budget
from chatnet.wires.certificates import CannotUse, Certificates
from chatnet.wires.proxied import Proxies
from chatnet.wires.records import Tls

FILERS = 2  # threads for what is written to, and read from, files
GATHER_SECONDS = 0.02  # between two commits where many speak: nobody sees that


def makeService(options: Options, reactor: Any = None) -> IService:
    """Return the server that ``options`` describe.

    Raises:
        CannotStart: the data folder cannot be used, or a port not be listened on.
    """
    _see_pidfile(options.parent)
    if reactor is None:
        from twisted.internet import reactor as installed  # noqa: TID251 -- the one place that may

        reactor = installed
    settings = options.settings
    endpoints = [(written, _endpoint(reactor, written)) for written in settings.listen]
    desks = [(written, _endpoint(reactor, written)) for written in settings.admin]
    folder = None
    if not settings.forgets:
        folder = DataFolder(settings.data)
        folder.prepare()
    service = ChatService(
        cast(IReactorTime, reactor),
        endpoints,
        lambda: build(settings, reactor, options.keeps),
        folder,
        settings.stop_seconds,
        Manager(cast(IReactorTime, reactor), os.environ),
        options.log,
        options.logs_apart,
    )

    def opened(factory: ChatFactory) -> Sequence[Door]:
        building = Building(
            factory, reactor.seconds(), reactor.stop, service.lock_up, lambda: again(options),
            getattr(reactor, "spawnProcess", None),
        )  # fmt: skip
        service.hung_up = lambda: reload_by_signal(building)
        return open_desks(building, desks, reactor)

    service.desks = opened
    return service


def _see_pidfile(twistd: Mapping[str, Any] | None) -> None:
    """See that ``twistd`` can write its number where it will: else it ends with a traceback."""
    path = twistd.get("pidfile") if twistd is not None and not twistd.get("chroot") else None
    if not path:
        return
    there = os.path.lexists(path)
    try:
        with open(path, "ab"):
            pass
        if not there:
            os.unlink(path)
    except OSError as error:
        raise CannotStart(
            f"chatnet: twistd cannot write the number of its process to {path}: {error.strerror}."
            " Name another file with twistd --pidfile FILE; with twistd --pidfile= there is none."
        ) from None


def _endpoint(reactor: Any, written: str) -> IStreamServerEndpoint:
    try:
        return cast(IStreamServerEndpoint, serverFromString(reactor, written))
    except (ValueError, KeyError, TypeError, IndexError, OSError) as error:
        raise CannotStart(
            f"chatnet: {written} is no endpoint to listen on ({error}). They look like"
            " tcp:8888 or tcp:8888:interface=127.0.0.1."
        ) from None


def again(options: Options) -> tuple[Settings | None, list[str]]:
    """Return the settings that a start would have now; None, and what is wrong with them."""
    anew = Options()
    anew.parent = options.parent
    try:
        anew.parseOptions(options.words)
    except SystemExit:
        return None, anew.faults
    return anew.settings, []


def hashers(cores: int) -> int:
    """Return how many threads compute passwords: two, if that leaves a core for everything else."""
    return max(1, min(2, cores - 1))


def _cores() -> int:
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


def build(
    settings: Settings, reactor: Any, keeps: LogLevelFilterPredicate | None = None
) -> tuple[ChatFactory, Callable[[], None]]:
    """Open the store; return the server's factory, and how to close what was opened.

    ``keeps`` says what is kept in the log.

    Raises:
        CannotStart: the store cannot be opened.
    """
    clock = cast(IReactorTime, reactor)
    threads = cast(IReactorFromThreads, reactor)
    write, read = open_stores(settings, _notice)
    write.log.write(Batch([], discards=[*write.log.strays(), *orphans(write.log)]))
    writer: AtOnce | Worker = AtOnce()  # memory keeps nobody waiting
    reader = writer
    if read is not write:
        writer, reader = Worker(threads, "chatnet writer"), Worker(threads, "chatnet reader")
    at_once = hashers(_cores())
    hasher = Worker(threads, "chatnet passwords", at_once)
    journal = Journal(clock, writer, write.log, reader, read.log, GATHER_SECONDS)
    turn = Turn(clock)
    budget = Budget(clock, settings.budget)
    transcript = _transcript if settings.transcript else None
    network = Network(journal, turn, clock, transcript, settings.retention, budget)
    journal.catch_up()
    network.start(journal.open_now(EVERYBODY), journal.open_now(STAFF))
    limits = Limits(settings.limits)
    scratch = TemporaryDirectory(prefix="chatnet-") if settings.forgets else None
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
        at_once,
    )
    throttle, defence = Throttle(clock, limits), Defence(clock, limits)
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
    host.dials.logs = keeps
    host.dials.turn_logs()
    workers = list(dict.fromkeys((writer, reader, hasher, filer)))
    certificates = _certificates(settings) if settings.tls else None
    tls = None
    if certificates is not None:
        certificates.start(clock)
        tls = TLSMemoryBIOFactory(certificates, False, Factory(), clock)
        tls.protocol = Tls
    factory = ChatFactory(host, TextDialect, JsonDialect, tls)
    factory.certificates, factory.aside = certificates, reader
    factory.web = ChatSite(factory, certificates).answer
    factory.front = Proxies(factory, clock, host.proxies, settings.max_clients)
    pulse = Pulse(clock, network.meter.delays)
    pulse.start()
    lost = Lost(clock, factory.registry, limits)
    lost.start()

    def close() -> None:
        pulse.stop()
        lost.stop()
        if certificates is not None:
            certificates.stop()
        host.dials.stop()
        defence.levels.stop()
        journal.stop()
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
    """Log what an operator should know of a store."""
    _stores_log.warn("{sentence}", sentence=sentence)


_log = Logger("chatnet.transcript")


def _transcript(room: Room, entry: Entry) -> None:
    """Log what is shown in rooms. What people whisper is theirs alone."""
    if isinstance(entry.event, Whispered | Seen | Visited):
        return
    large = weight(entry.event) >= LARGE
    shown = LIVE.part(entry, 0)[0] + b"\n(and more)" if large else LIVE.render(entry)
    for line in shown.decode().splitlines():
        _log.info("[{room}] {line}", room=room.name, line=line)
