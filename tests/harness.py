"""The real server in a process of its own, and people who talk to it over real sockets."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import sys
from collections.abc import Callable, Coroutine, Iterable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any, TypeVar

from twisted.internet import reactor as installed  # noqa: TID251 -- whole systems run on it
from twisted.internet.defer import Deferred, TimeoutError as Late
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import ProcessProtocol, Protocol, connectionDone
from twisted.internet.task import deferLater
from twisted.python.failure import Failure
from twisted.trial.unittest import TestCase

from chatnet.test import schema
from tests.starting import run, start

reactor: Any = installed
T = TypeVar("T")

SOON = 20.0  # seconds: far more than anything here takes, and less than a test may
TWISTD = (sys.executable, str(Path(sys.executable).with_name("twistd")))
# Passwords are guessed as slowly as everywhere.
NO_LIMITS = ("--limit=none", "--limit=logins=5/15m", "--limit=logins-address=20/1h")
_POLL_SECONDS = 0.02
_WHERE = re.compile(rb"listens on [^,]*, port (\d+)")


def coming(work: Coroutine[Deferred[Any], Any, T]) -> Deferred[T]:
    """Start ``work``."""
    return Deferred.fromCoroutine(work)


async def turn() -> None:
    """Let the reactor do what is to be done now."""
    await deferLater(reactor, 0)


async def poll(ready: Callable[[], bool], what: str, seconds: float = SOON) -> None:
    """Wait until ``ready``, where there is nothing to be told by."""
    deadline = reactor.seconds() + seconds
    while not ready():
        if reactor.seconds() > deadline:
            raise AssertionError(f"not in {seconds} s: {what}")
        await deferLater(reactor, _POLL_SECONDS)


class Signal:
    """Something to wait for: fires all who wait whenever it is rung."""

    def __init__(self) -> None:
        self._waiting: list[Deferred[None]] = []

    def ring(self) -> None:
        waiting, self._waiting = self._waiting, []
        for one in waiting:
            one.callback(None)

    async def when(
        self, ready: Callable[[], bool], what: Callable[[], str], seconds: float = SOON
    ) -> None:
        """Return once ``ready``, which only changes when this is rung."""
        deadline = reactor.seconds() + seconds
        while not ready():
            rung: Deferred[None] = Deferred()
            self._waiting.append(rung)
            rung.addTimeout(max(0, deadline - reactor.seconds()), reactor)
            try:
                await rung
            except Late:
                raise AssertionError(f"not in {seconds} s: {what()}") from None


class Server(ProcessProtocol):
    """One ``twistd -n chatnet``. What it prints is ``log`` and ``complaints``."""

    def __init__(self) -> None:
        self.log = b""
        self.complaints = b""  # standard error
        self.suffers = False  # a test sees to it that something breaks
        self.status: int | None = None  # exit status, or minus the signal that ended it
        self._news = Signal()

    def outReceived(self, data: bytes) -> None:
        self.log += data
        self._news.ring()

    def errReceived(self, data: bytes) -> None:
        self.complaints += data

    def processEnded(self, reason: Failure) -> None:
        ended: Any = reason.value
        self.status = -ended.signal if ended.signal else ended.exitCode
        self._news.ring()

    @property
    def pid(self) -> int:
        pid: int = self.transport.pid  # type: ignore[union-attr]
        return pid

    @property
    def ports(self) -> list[int]:
        """The TCP ports it listens on, in the order of the options."""
        return [int(port) for port in _WHERE.findall(self.log)]

    @property
    def port(self) -> int:
        return self.ports[0]

    async def logged(self, text: str, times: int = 1) -> None:
        """Wait until it has logged ``text``."""
        wanted = text.encode()
        await self._news.when(
            lambda: self.log.count(wanted) >= times or self.status is not None,
            lambda: f"{text!r} in the log\n{self.log.decode()}",
        )
        if self.log.count(wanted) < times:
            log = (self.log + self.complaints).decode()
            raise AssertionError(f"ended before it logged {text!r}:\n{log}")

    async def ended(self) -> int:
        """Wait until it has ended; return its exit status."""
        await self._news.when(lambda: self.status is not None, lambda: "the server's end")
        assert self.status is not None
        return self.status

    async def stop(self, number: int = signal.SIGTERM) -> None:
        """Ask it to stop, as an operator does, and wait until it has.

        Twisted ends by the signal that it was sent, once it is done.
        """
        self.kill(number)
        status = await self.ended()
        if status not in (0, -number):
            raise AssertionError(f"ended with {status}: {self.log.decode()}")
        if b"; goodbye" not in self.log:
            raise AssertionError(f"no goodbye: {self.log.decode()}")

    def kill(self, number: int = signal.SIGKILL) -> None:
        if self.status is None:
            os.kill(self.pid, number)

    def memory(self) -> int:
        """Return the bytes of memory it has, at the most so far."""
        status = Path(f"/proc/{self.pid}/status").read_text()
        return int(status.partition("VmHWM:")[2].split()[0]) * 1024


class Client(Protocol):
    """Someone on a socket, and the lines they have heard and not yet taken."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []
        self.gone = False
        self._parts: list[bytes] = []  # of a line whose end has not come
        self._news = Signal()

    def dataReceived(self, data: bytes) -> None:
        first, *rest = data.split(b"\n")
        self._parts.append(first)
        if rest:
            self.lines.append(b"".join(self._parts))
            self._parts = [rest.pop()]
            self.lines += rest
            self._news.ring()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.gone = True
        self._news.ring()

    # -- speaking ------------------------------------------------------------------

    def types(self, *lines: str) -> None:
        """Type ``lines``, as on a terminal."""
        self.sends("".join(f"{line}\r\n" for line in lines).encode())

    def asks(self, do: str, **fields: Any) -> None:
        """Send a command in the programs' dialect."""
        self.sends(json.dumps({"do": do} | fields).encode() + b"\n")

    def sends(self, data: bytes) -> None:
        self.transport.write(data)  # type: ignore[union-attr]

    def says_no_more(self) -> None:
        """Close the sending half, as ``nc -N`` does at the end of its input."""
        self.transport.loseWriteConnection()  # type: ignore[union-attr]

    def hangs_up(self) -> None:
        self.transport.abortConnection()  # type: ignore[union-attr]

    def stops_reading(self) -> None:
        self.transport.pauseProducing()  # type: ignore[union-attr]

    def reads_again(self) -> None:
        self.transport.resumeProducing()  # type: ignore[union-attr]

    # -- listening -----------------------------------------------------------------

    async def until(self, text: str, seconds: float = SOON) -> list[str]:
        """Take the lines up to the first one that holds ``text``, which is the last of them."""
        wanted, looked = text.encode(), 0

        def found() -> bool:
            nonlocal looked
            while looked < len(self.lines):
                looked += 1
                if wanted in self.lines[looked - 1]:
                    return True
            return self.gone

        await self._news.when(found, lambda: f"{text!r} in {self._last_words()}", seconds)
        if not looked or wanted not in self.lines[looked - 1]:
            raise AssertionError(f"closed before {text!r} came: {self._last_words()}")
        return self._take(looked)

    async def arrived(self, count: int, seconds: float = SOON) -> None:
        """Wait until there are ``count`` lines to take."""
        await self._news.when(
            lambda: len(self.lines) >= count or self.gone,
            lambda: f"{count} lines, there are {len(self.lines)}: {self._last_words()}",
            seconds,
        )
        if len(self.lines) < count:
            raise AssertionError(f"closed before {count} lines came: {self._last_words()}")

    async def hears(self, count: int, seconds: float = SOON) -> list[str]:
        """Take the next ``count`` lines."""
        await self.arrived(count, seconds)
        return self._take(count)

    async def answered(self, seconds: float = SOON) -> list[str]:
        """Take all lines that come before the answer to everything asked so far."""
        self.types("/ping")
        return (await self.until("pong", seconds))[:-1]

    async def receives(self, seconds: float = SOON) -> list[dict[str, Any]]:
        """The same in the programs' dialect."""
        self.asks("ping")
        lines = await self.until('{"reply":"pong"', seconds)
        return [json.loads(line) for line in lines[:-1]]

    async def closed(self, seconds: float = SOON) -> list[str]:
        """Take everything that comes until the server closes."""
        await self._news.when(
            lambda: self.gone, lambda: f"the end of {self._last_words()}", seconds
        )
        return self._take(len(self.lines))

    @property
    def unended(self) -> bytes:
        """What came of a line whose end did not."""
        return b"".join(self._parts)

    def _take(self, count: int) -> list[str]:
        taken, self.lines[:count] = self.lines[:count], []
        lines = [line.decode().removesuffix("\r") for line in taken]
        for line in lines:
            if line.startswith('{"'):  # so no person's, and as docs/protocol.schema.json says
                schema.heard(json.loads(line))
        return lines

    def _last_words(self) -> str:
        return repr([line[:200] for line in self.lines[-20:]])


class LiveTestCase(TestCase):
    """Starts servers and clients, and leaves none. No server's log may hold a surprise."""

    timeout = 60

    def setUp(self) -> None:
        self.folder = Path(mkdtemp(prefix="chatnet-test-"))
        self.addCleanup(shutil.rmtree, self.folder)
        self.servers: list[Server] = []

    # -- servers -------------------------------------------------------------------

    async def serves(self, *options: str, data: str = "data", listen: bool = True) -> Server:
        """Return a server that listens on a free port of this machine.

        It knows no limits, unless ``options`` say which: most tests are about something else, and
        all of them come from one address.
        """
        options = (
            options
            if any(option.startswith("--limit") for option in options)
            else (*NO_LIMITS, *options)
        )
        where = ("--port", "0", "--interface", "127.0.0.1") if listen else ()
        server = self.launches("--data", str(self.folder / data), *where, *options)
        await server.logged("connect with:")
        return server

    def launches(self, *options: str, shell: str = "") -> Server:
        """Return a server that may not start; run ``shell`` before it in its process."""
        pidfile = str(self.folder / f"{len(self.servers)}.pid")
        server = Server()
        command = (*TWISTD, "-n", "--pidfile", pidfile, "chatnet", *options)
        if shell:
            command = ("/bin/sh", "-c", f'{shell}; exec "$@"', "sh", *command)
        scratch = {**os.environ, "TMPDIR": str(self.folder)}  # stays behind when it is killed
        start(server, command, scratch, self.folder)
        self.tidies(server)
        return server

    def tidies(self, server: Server) -> None:
        """See that ``server`` ends with the test, and had nothing to complain about."""
        self.servers.append(server)
        self.addCleanup(lambda: coming(self._tidy(server)))

    async def fails(self, *options: str) -> str:
        """Return the one line with which a server refuses to start; its log does not repeat it."""
        server = self.launches(*options)
        status = await server.ended()
        complaint = server.complaints.decode()
        self.assertEqual((status, complaint.count("\n")), (1, 1), complaint)
        self.assertNotIn(complaint.encode(), server.log)
        return complaint.rstrip("\n")

    async def runs(
        self, *command: str, path: str | Path | None = None, env: dict[str, str] | None = None
    ) -> tuple[str, str, int]:
        """Return what ``command`` prints, to standard output and error, and its exit status."""
        return await run(command, env, path or self.folder)

    async def _tidy(self, server: Server) -> None:
        server.kill()
        await server.ended()
        if not server.suffers:
            self.assertNoSurprise(server.log + server.complaints)

    def assertNoSurprise(self, log: bytes) -> None:  # noqa: N802 -- as trial's assertions
        for word in (b"Traceback", b"Unhandled"):
            self.assertNotIn(word, log)

    # -- people --------------------------------------------------------------------

    async def connects(self, server: Server | int, client: Client | None = None) -> Client:
        """Return a connection that has said nothing yet."""
        port = server if isinstance(server, int) else server.port
        endpoint = TCP4ClientEndpoint(reactor, "127.0.0.1", port)
        client = await connectProtocol(endpoint, client or Client())
        client.transport.setTcpNoDelay(True)  # type: ignore[union-attr]
        self.addCleanup(lambda: coming(_hang_up(client)))
        return client

    async def arrives(self, server: Server | int, name: str, *lines: str) -> Client:
        """Return someone called ``name`` who typed ``lines`` and was answered."""
        client = await self.connects(server)
        client.types(f"/nick {name}", *lines)
        await client.answered()
        return client

    async def registers(self, server: Server | int, name: str, password: str) -> Client:
        """Return someone who has just made an account."""
        client = await self.connects(server)
        client.types(f"/newuser {name} {password}")
        await client.until(f"You are logged in as {name}.")
        return client

    async def joins(self, server: Server | int, name: str, room: str = "tea") -> Client:
        """Return a guest called ``name`` in ``room``, whose welcome was heard."""
        return await self.arrives(server, name, f"/join {room}")

    async def observes(
        self, server: Server | int, name: str = "observer", room: str = "tea", **how: Any
    ) -> Client:
        """Return a program in ``room`` that has seen itself arrive, and sees every ``seq``."""
        client = await self.connects(server)
        client.asks("nick", name=name)
        client.asks("join", room=room, **how)
        self.assertEqual(json.loads((await client.until(f'"who":"{name}"'))[-1])["event"], "joined")
        return client


async def told(client: Client, room: str, count: str = "all") -> list[str]:
    """Return what ``/history`` in ``room`` shows ``client``, who is there, without the times."""
    client.types(f"/history {count}")
    await client.until(f" messages of {room} ---")
    heard = await client.until("--- end of history ---")
    return [line.partition("] ")[2] for line in heard[:-1]]


async def _hang_up(client: Client) -> None:
    if not client.gone:
        client.hangs_up()
        await client.closed()


def said(events: Iterable[dict[str, Any]]) -> list[str]:
    """Return what people said, the way that people see it."""
    return [f"{e['by']}: {e['body']}" for e in events if e.get("event") == "said"]


def speech(lines: Iterable[str]) -> list[str]:
    """Return those of ``lines`` that someone said."""
    return [line for line in lines if ": " in line]
