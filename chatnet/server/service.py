"""The service: what runs from start to stop."""

from __future__ import annotations

import gc
import resource
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any, cast

from twisted.application.service import Service
from twisted.internet.defer import Deferred, DeferredList, maybeDeferred
from twisted.internet.interfaces import (
    IListeningPort,
    IProtocolFactory,
    IReactorTime,
    IStreamServerEndpoint,
)
from twisted.internet.task import deferLater
from twisted.logger import ILogObserver, Logger
from twisted.python.components import Componentized
from twisted.python.failure import Failure

from chatnet import __version__
from chatnet.folder import CannotStart, DataFolder
from chatnet.server.factory import ChatFactory
from chatnet.server.hangup import Hangup, Threads
from chatnet.server.notify import Manager
from chatnet.settings import Settings
from chatnet.shell import Shell

Door = tuple[str, IStreamServerEndpoint, IProtocolFactory]  # first how the operator wrote it
_CONNECT = (
    "connect with:  nc HOST {port}   or:  python -m chatnet.client --host HOST --port {port}"
    "   or, in a browser:  http://HOST:{port}/"
)
_BY_TLS = (
    "connect with:  openssl s_client -quiet -connect HOST:{port}"
    "   or:  python -m chatnet.client --tls --host HOST --port {port}"
    "   or, in a browser:  https://HOST:{port}/"
)
SWITCH_SECONDS = 0.001
_POLL_SECONDS = 0.05


class ChatService(Service):
    """Listens, and sees that everyone hears when that ends."""

    name = "chatnet"
    _log = Logger()

    def __init__(
        self,
        clock: IReactorTime,
        endpoints: Sequence[tuple[str, IStreamServerEndpoint]],
        build: Callable[[], tuple[ChatFactory, Callable[[], None]]],
        folder: DataFolder | None,
        stop_seconds: float,
        manager: Manager | None = None,
        log: Callable[[], ILogObserver] | None = None,
        logs_apart: bool = True,
    ) -> None:
        """Listen on ``endpoints``, each with how the operator wrote it.

        ``build`` opens the store and returns the factory and how to close what it opened. ``log``
        opens the log of the application that this is in, unless that is done as always; it is
        ``logs_apart``, or goes where who starts the server sees it.
        """
        self._clock = clock
        self._endpoints = endpoints
        self._build = build
        self._folder = folder
        self._stop_seconds = stop_seconds
        self._open_log = log
        self._shell = Shell(logs_apart)
        self._manager = manager or Manager(clock, {})
        self._ports: list[IListeningPort] = []
        self._desks: list[IListeningPort] = []
        self.desks: Callable[[ChatFactory], Sequence[Door]] = lambda _: ()  # where operators come
        self.hung_up: Callable[[], object] | None = None  # what SIGHUP calls
        self._hangup = Hangup()
        self._places: list[str] = []  # where they are, in words
        self.factory: ChatFactory | None = None

    def setServiceParent(self, parent: Any) -> None:
        """Belong to ``parent``; if that is an application, it logs where this one says.

        Raises:
            CannotStart: nothing can be logged there.
        """
        super().setServiceParent(parent)
        if self._open_log is not None and isinstance(parent, Componentized):
            try:
                parent.setComponent(ILogObserver, self._open_log())
            except CannotStart:
                self._leave_nothing()
                raise
        self._shell.hold()

    def privilegedStartService(self) -> None:
        """Open the store, then listen: nobody is accepted before the reactor runs.

        Raises:
            CannotStart: the sentence says why, unless that was said already.
        """
        super().privilegedStartService()
        try:
            self._start()
        except CannotStart as error:
            raise self._shell.tell(error) from None

    def _start(self) -> None:
        try:
            self._open()
        except CannotStart:
            self._leave_nothing()
            raise

    def _open(self) -> None:
        _allow_many_files()
        if self._folder is not None:
            self._folder.acquire()
        self.factory, self._close = self._build()
        for written, endpoint in self._endpoints:
            self._listen(written, endpoint, self.factory.front, self._listening)
        for written, endpoint, heard in self.desks(self.factory):
            self._listen(written, endpoint, heard, self._opened)
        if self.hung_up is not None:
            self._hangup.start(cast(Threads, self._clock), self.hung_up)
        self._clock.callLater(0, self._ready)  # when the reactor turns
        gc.freeze()  # what is here now stays
        # Entries form no cycles, and dead connections few: looking for them seldom is enough. But
        # never for so many at once that everybody waits: a million take a second.
        gc.set_threshold(50_000, 4, 50)
        # A thread that stores a large message lets the reactor go on after a millisecond.
        sys.setswitchinterval(SWITCH_SECONDS)

    def _leave_nothing(self) -> None:
        if self._folder is not None:
            self._folder.undo()

    def _ready(self) -> None:
        self._manager.ready(f"listens on {'; '.join(self._places)}")

    def startService(self) -> None:
        """Do what is still to be done: ``twist``, unlike ``twistd``, calls nothing else."""
        super().startService()
        self._shell.release()
        if self.factory is None:
            self._start()

    def stopService(self) -> Deferred[None]:
        """Tell everyone, commit what was accepted, then close."""
        super().stopService()
        return Deferred.fromCoroutine(self._stop())

    def lock_up(self) -> Deferred[Any]:
        """Let nobody in any more but operators."""
        ports, self._ports = self._ports, []
        return DeferredList([maybeDeferred(port.stopListening) for port in ports])

    def _listen(
        self,
        written: str,
        endpoint: IStreamServerEndpoint,
        factory: IProtocolFactory,
        listening: Callable[[IListeningPort], None],
    ) -> None:
        failures: list[Failure] = []
        endpoint.listen(factory).addCallbacks(listening, failures.append)
        if failures:
            error = failures[0].value
            inner = getattr(error, "socketError", error)
            reason = getattr(inner, "strerror", None) or str(inner)
            hint = " Is another server running there?" if "in use" in reason else ""
            raise CannotStart(f"chatnet: cannot listen on {written}: {reason}.{hint}")

    def _listening(self, port: IListeningPort) -> None:
        self._ports.append(port)
        if self.factory is not None:
            self.factory.ports.append(port)
        address: Any = port.getHost()
        number = getattr(address, "port", None)
        where = getattr(address, "name", b"").decode() if number is None else address.host
        place = where if number is None else f"{where}, port {number}"
        self._places.append(place)
        self._log.info("chatnet {version} listens on {where}", version=__version__, where=place)
        if number is not None:
            closed = self.factory is not None and self.factory.host.settings.tls_only
            self._log.info(_BY_TLS if closed else _CONNECT, port=number)

    def _opened(self, port: IListeningPort) -> None:
        self._desks.append(port)
        address: Any = port.getHost()
        where = getattr(address, "name", b"").decode() or f"{address.host}, port {address.port}"
        self._log.info("operators are heard at {where}", where=where)

    async def _stop(self) -> None:
        factory = self.factory
        if factory is None:
            return
        self._manager.stopping()
        self._hangup.stop()
        await self.lock_up()
        await DeferredList([maybeDeferred(port.stopListening) for port in self._desks])
        sessions = list(factory.sessions.values())
        network = factory.host.network
        for session in sessions:
            session.hush()
            session.mark_seen()
            network.visitors.sees(session.actor)
        await network.visitors.write()
        network.rooms.stop()
        await self._settled()
        self._log.info(
            "the server stops; {count} connections are told", count=len(factory.registry)
        )
        factory.say_goodbye("Server is shutting down.")
        await self._emptied(factory)
        await self._settled()
        network.chronicle.stop()
        self._close()
        if self._folder is not None:
            self._folder.release()
        self._manager.stop()
        self._log.info("{fate}; goodbye", fate=_fate(factory.host.settings))

    async def _settled(self) -> None:
        assert self.factory is not None
        with suppress(Exception):  # refused and told to those who asked
            await self.factory.host.network.settle()
        await deferLater(self._clock, 0)  # the turn in which it is shown

    async def _emptied(self, factory: ChatFactory) -> None:
        """Wait until all connections are gone; cut those that take too long."""
        deadline = self._clock.seconds() + self._stop_seconds
        while factory.registry and self._clock.seconds() < deadline:
            await deferLater(self._clock, _POLL_SECONDS)
        for door in factory.registry:
            door.abort()


def _fate(settings: Settings) -> str:
    """Return what became of all that there was."""
    if settings.forgets:
        return "nothing was kept"
    return "all is stored" if settings.store != "memory:" else "all but the accounts is stored"


def _allow_many_files() -> None:
    """Raise the limit on open files to the hard one: every connection is a file."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
