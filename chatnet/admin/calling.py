"""How a server's operators reach it: its socket on this machine, or TLS and an account."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from twisted.internet.defer import CancelledError, Deferred, TimeoutError as Late
from twisted.internet.endpoints import UNIXClientEndpoint
from twisted.internet.error import ConnectingCancelledError, ConnectionRefusedError as Closed
from twisted.internet.interfaces import IReactorTime, IStreamClientEndpoint
from twisted.internet.protocol import Factory, connectionDone
from twisted.protocols import amp
from twisted.python.failure import Failure

from chatnet.admin.calls import COMMANDS, Happened, Login, More
from chatnet.admin.grammar import Given, Verb
from chatnet.admin.places import LONGEST_PATH
from chatnet.admin.tables import Shown
from chatnet.client.tls import reach
from chatnet.client.trust import known_servers
from chatnet.core.refusals import Refused

CONNECT_SECONDS = 15.0


class Unreachable(Exception):
    """There is no server, or none that answers; the sentence says it."""


@dataclass(frozen=True, slots=True)
class Where:
    """Where a server is heard: the path of a socket, or a host and a port, and as whom."""

    path: str = ""
    host: str = ""
    port: int = 0
    ca: str = ""
    user: str = ""
    password: str = field(default="", repr=False)

    def __str__(self) -> str:
        return self.path or f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Told:
    """An answer, with all of its rows."""

    said: str
    rows: Sequence[Shown]


class Line(amp.AMP):
    """A connection to a server."""

    def __init__(self, heard: Callable[[Sequence[Shown]], None]) -> None:
        super().__init__()
        self.heard = heard
        self.lost: Deferred[None] = Deferred()
        self.open = False

    def connectionMade(self) -> None:
        super().connectionMade()
        self.open = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.open = False
        super().connectionLost(reason)
        self.lost.callback(None)

    @Happened.responder
    def happened(self, rows: Sequence[str]) -> dict[str, Any]:
        """Pass on what happened."""
        self.heard([json.loads(row) for row in rows])
        return {}


class Calls:
    """Asks a server; connects when it has to."""

    def __init__(
        self, reactor: Any, where: Where, tell: Callable[[str], None] = lambda _: None
    ) -> None:
        """Reach the server ``where``; ``tell`` hears of one whose certificate is new."""
        self.line: Line | None = None
        self.heard: Callable[[Sequence[Shown]], None] = lambda _: None
        self._reactor = reactor
        self._where = where
        self._tell = tell

    async def ask(self, verb: Verb, given: Given) -> Told:
        """Return the answer to ``verb``.

        Raises:
            Refused: the server says no.
            Unreachable: it says nothing.
        """
        line = await self._connected()
        answer = await self._call(line, COMMANDS[verb.name], **given.values)
        rows = list(answer["rows"])
        while answer["next"]:
            answer = await self._call(line, More, next=answer["next"])
            rows += answer["rows"]
        return Told(answer["said"], [json.loads(row) for row in rows])

    async def _call(self, line: Line, command: type[amp.Command], **values: Any) -> Any:
        try:
            return await line.callRemote(command, **values)
        except (Refused, CancelledError):
            raise
        except amp.TooLong:
            raise Refused("That is too long: 65,535 bytes are the most.") from None
        except amp.UnhandledCommand:
            raise Refused("That server does not know this: it is another release.") from None
        except Exception as error:
            raise Unreachable(f"The server at {self._where} is gone: {error}") from None

    async def _connected(self) -> Line:
        if self.line is not None and self.line.open:
            return self.line
        line = Line(lambda rows: self.heard(rows))
        await self._connect(line)
        self.line = line
        if self._where.user:
            where = self._where
            await self._call(line, Login, name=where.user, password=where.password)
        return line

    async def _connect(self, line: Line) -> None:
        factory = Factory.forProtocol(lambda: line)
        factory.noisy = False
        done = self._endpoint().connect(factory)
        clock: IReactorTime = self._reactor
        try:
            await done.addTimeout(CONNECT_SECONDS, clock, lambda _, __: Failure(Late()))
        except Late:
            raise Unreachable(f"There is no answer from {self._where}.") from None
        except (CancelledError, ConnectingCancelledError):
            raise CancelledError from None
        except Exception as error:
            raise Unreachable(self._sentence(error)) from None

    def _endpoint(self) -> IStreamClientEndpoint:
        where = self._where
        if not where.path:
            known = known_servers()
            return reach(self._reactor, where.host, where.port, True, where.ca, known, self._tell)
        if len(os.fsencode(where.path)) > LONGEST_PATH:
            raise Unreachable(
                f"A socket's path has at most {LONGEST_PATH} bytes; {where.path} has more. Start"
                " the server with --admin unix:FILE, and give --connect unix:FILE here."
            )
        return UNIXClientEndpoint(self._reactor, where.path, CONNECT_SECONDS, False)

    def _sentence(self, error: Exception) -> str:
        where = self._where
        if not where.path:
            if isinstance(error, Closed):
                return f"Nothing listens at {where}. Was the server started with --admin tcp:PORT?"
            return f"Cannot reach {where}: {error}"
        folder = os.path.dirname(where.path)
        try:
            os.lstat(where.path)
        except PermissionError:
            return f"You may not look into {folder}: be the server's user, or root."
        except NotADirectoryError:
            return f"{folder} is no folder: --data DIR or --config FILE names the server's."
        except OSError:
            return (
                f"There is no {where.path}. Is the server running, and is that its data folder?"
                " --data DIR or --config FILE names it."
            )
        if not os.access(where.path, os.W_OK):
            return f"{where.path} is not yours to use: be the server's user, or root."
        return f"Nobody answers at {where.path}: the server is not running."
