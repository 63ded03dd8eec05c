"""What people type: lines to commands."""

from __future__ import annotations

from chatnet.client.keys.commands import KeyCommands
from chatnet.client.keys.keys import Keys
from chatnet.client.link import Link
from chatnet.client.transfers import Transfers
from chatnet.core import commands as c, replies as r
from chatnet.dialects.text import TextDialect


class Talk:
    """Sends what is typed."""

    def __init__(self, link: Link, transfers: Transfers | None = None) -> None:
        """Let ``transfers`` see to files."""
        self._link = link
        self._transfers = transfers
        self._dialect = TextDialect()

    def typed(self, line: str) -> r.Reply | None:
        """Send what ``line`` means. Return what the client itself answers to it.

        Raises:
            Refused: it was not sent; the sentence says why.
        """
        if self._transfers is not None and self._transfers.typed(line):
            return None
        if isinstance(self._link.keys, Keys):
            answer = KeyCommands(self._link, self._link.keys).typed(line)
            if answer:
                return None if answer is True else answer
        command = self.meant(line, bool(self._link.dialogue.here))
        if not isinstance(command, c.Command):
            return command
        if isinstance(command, c.Quit):
            self._link.leave()
            return None
        self._link.submit(command)
        return None

    def meant(self, line: str, in_room: bool) -> c.Command | r.Reply | None:
        """Return the command that ``line`` is, or what the client itself answers to it.

        Raises:
            Refused: it is none; the sentence says why.
        """
        asked = self._dialect.receive(line.encode(errors="replace"), in_room)
        return asked.command if isinstance(asked, c.Request) else asked
