"""The operator's console at a pipe: a verb a line, what comes of each, and a status at the end."""

from __future__ import annotations

from twisted.internet.defer import DeferredQueue
from twisted.internet.protocol import Protocol, connectionDone
from twisted.python.failure import Failure

from chatnet.admin.commandline import USAGE
from chatnet.admin.grammar import Given, Kind, Verb
from chatnet.admin.oneshot import DONE, UNREACHABLE, OneShot, complain, status_of, write
from chatnet.admin.typed import LEAVING, read
from chatnet.core.refusals import Malformed


class Lines(Protocol):
    """The lines of standard input."""

    def __init__(self) -> None:
        self.number = 0  # of the line that was taken last, from 1
        self._rest = b""
        self._come: DeferredQueue[bytes | None] = DeferredQueue()

    def dataReceived(self, data: bytes) -> None:
        *lines, self._rest = (self._rest + data).split(b"\n")
        for line in lines:
            self._come.put(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._rest:
            self._come.put(self._rest)
        self._come.put(None)

    async def next(self) -> str | None:
        """Return the next line once there is one; None behind the last."""
        line = await self._come.get()
        if line is None:
            self._come.put(None)  # for who asks again
            return None
        self.number += 1
        return line.decode(errors="replace")


class Piped:
    """Does what ``lines`` say, one after the other."""

    def __init__(self, shot: OneShot, lines: Lines) -> None:
        self._shot = shot
        self._lines = lines

    async def converse(self) -> int:
        """Return the exit status: of the first line that came to nothing, if there is one."""
        status = DONE
        while (line := await self._lines.next()) is not None and line.strip() not in LEAVING:
            ended = await self._typed(line)
            status = status or ended
            if ended == UNREACHABLE:
                break
        return status

    async def _typed(self, line: str) -> int:
        where = f"line {self._lines.number}: "
        try:
            asked = read(line)
            if isinstance(asked, str):
                if asked:
                    write(asked)
                return DONE
            await self._ask_secrets(*asked)
        except Malformed as error:
            complain(f"{where}{error}")
            return USAGE
        return await status_of(self._do(*asked), where)

    async def _do(self, verb: Verb, given: Given) -> int:
        await self._shot.ask(verb, given)
        return DONE

    async def _ask_secrets(self, verb: Verb, given: Given) -> None:
        """Take the passwords that are missing: each is the next line.

        Raises:
            Malformed: there is none.
        """
        for argument in verb.arguments:
            if argument.kind is Kind.SECRET and argument.name not in given.values:
                line = await self._lines.next()
                if line is None:
                    raise Malformed(f"The {argument.name} is missing: it is the next line.")
                given.values[argument.name] = line.rstrip("\r")
