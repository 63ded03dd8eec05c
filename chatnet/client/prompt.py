"""The client at a terminal: a line to type in, and above it what happens."""

from __future__ import annotations

import asyncio
import sys

from prompt_toolkit import PromptSession
from prompt_toolkit.buffer import Buffer
from prompt_toolkit.patch_stdout import patch_stdout
from twisted.internet.defer import Deferred

from chatnet.client.completion import Completions, DiscreetHistory, Veil
from chatnet.client.exits import Exit
from chatnet.client.keys.keys import Keys
from chatnet.client.keys.shown import LOCK, Shown
from chatnet.client.link import Link
from chatnet.client.places import Manner
from chatnet.client.screen import lines_of_reply
from chatnet.client.talk import Talk
from chatnet.client.transfers import Transfers
from chatnet.client.writing import (
    SIGNAL_SECONDS,
    WRITING_SECONDS,
    heard_nothing,
    unsent,
    who_writes,
)
from chatnet.core import commands as c, events as e, replies as r
from chatnet.core.names import fold
from chatnet.core.plain import plain
from chatnet.core.refusals import Muted, NotAMember, PasswordNeeded, Refused
from chatnet.dialects.verbs import is_command


class Terminal:
    """Talks with a person. Needs a reactor that runs in asyncio's loop."""

    def __init__(self, link: Link, transfers: Transfers) -> None:
        self.status = Exit.FINE
        link.dialogue.ear = self
        self._link = link
        self._talk = Talk(link, transfers)
        self._transfers = transfers
        transfers.changed = self._refresh
        self._shown = Shown()
        self._completions = Completions(link)
        self._session: PromptSession[str] = PromptSession(
            history=DiscreetHistory(),
            completer=self._completions,
            complete_while_typing=False,
            rprompt=self._writing,
            input_processors=[Veil()],
        )
        self._session.default_buffer.on_text_changed += self._wrote
        self._writers: dict[str, tuple[str, float]] = {}  # by key, and until when that is shown
        self._wrote_at = -SIGNAL_SECONDS
        self._typing: asyncio.Task[None] | None = None
        self._told = False  # that what is typed while the link is down waits

    async def converse(self, *rooms: str) -> None:
        """Stay until the person leaves.

        Raises:
            CannotConnect, Refused: as ``Link.run`` does.
        """
        try:
            try:
                await self._link.run(*rooms)
            except PasswordNeeded as needed:
                self._link.dialogue.identity.server_password = await self._ask_password(needed)
                await self._link.run(*rooms)
        finally:
            await self._stop_typing()
            if self._link.dialogue.outbox:
                self._print(unsent(len(self._link.dialogue.outbox)))

    def close(self) -> None:
        """Nothing has to be given back: the prompt ends with the link."""

    # -- chatnet.client.link.Ear ---------------------------------------------------

    def online(self) -> None:
        self._told = False
        if self._typing is None:
            self._typing = asyncio.ensure_future(self._type())
        self._refresh()

    def entry(self, entry: e.Entry, manner: Manner, mine: bool) -> None:
        if manner is Manner.LIVE:
            self._completions.saw(entry.event)
            self._writers.pop(fold(e.speaker(entry.event)), None)
        self._print(
            *self._shown.lines(self._link.keys, entry, manner, mine, self._link.dialogue.name)
        )

    def answered(self, reply: r.Reply, command: c.Command | None) -> None:
        self._print(*lines_of_reply(reply))
        self._refresh()

    def refused(self, refusal: Refused, command: c.Command | None) -> None:
        if command is None and isinstance(refusal, Muted | NotAMember):
            return  # a signal, of which nobody should hear that it was none
        self._print(plain(str(refusal)))
        self._refresh()

    def signalled(self, signal: r.Typing) -> None:
        if signal.room == self._link.dialogue.places.here:
            loop = asyncio.get_running_loop()
            self._writers[fold(signal.who)] = signal.who, loop.time() + WRITING_SECONDS
            loop.call_later(WRITING_SECONDS, self._refresh)
            self._refresh()

    def concluded(self) -> None:
        self._refresh()

    def silent(self) -> None:
        self._refresh()

    def notice(self, text: str) -> None:
        self._print(text)
        self._refresh()

    # -- typing --------------------------------------------------------------------

    async def _type(self) -> None:
        with patch_stdout():
            while not self._link.leaving:
                try:
                    text = await self._session.prompt_async(self._prompt, handle_sigint=False)
                except (EOFError, KeyboardInterrupt):
                    self._link.leave()
                    return
                for line in text.split("\n"):
                    self._typed(line)

    def _typed(self, line: str) -> None:
        try:
            answer = self._talk.typed(line)
        except Refused as refusal:
            self._print(plain(str(refusal)))
            return
        if answer is not None:
            self._print(*lines_of_reply(answer))
        elif not self._link.online and not self._told and self._link.dialogue.outbox:
            self._told = True
            self._print("The link is down. This will be sent when it is back.")

    def _wrote(self, buffer: Buffer) -> None:
        """Let the others see that something is being written, if it is for them."""
        hello, now = self._link.dialogue.hello, asyncio.get_running_loop().time()
        if (
            hello is not None
            and "typing" in hello.features
            and self._link.dialogue.places.here
            and buffer.text
            and not is_command(buffer.text)
            and now - self._wrote_at >= SIGNAL_SECONDS
        ):
            self._wrote_at = now
            self._link.tell(c.Typing(self._link.dialogue.places.room))

    def _writing(self) -> str:
        if self._session.app.is_done:  # the line stays on the screen
            return ""
        if self._transfers.running:
            return str(self._transfers)
        now = asyncio.get_running_loop().time()
        names = [name for name, until in self._writers.values() if until > now]
        return who_writes(names)

    async def _stop_typing(self) -> None:
        if self._typing is None:
            return
        if self._session.app.is_running:
            self._session.app.exit(exception=EOFError())
        await Deferred.fromFuture(self._typing)

    async def _ask_password(self, needed: PasswordNeeded) -> str:
        hidden: PromptSession[str] = PromptSession()
        asked = hidden.prompt_async(
            "Password of the server: ", is_password=True, handle_sigint=False
        )
        try:
            return await Deferred.fromFuture(asyncio.ensure_future(asked))
        except (EOFError, KeyboardInterrupt):
            raise needed from None

    def _prompt(self) -> str:
        room = self._link.dialogue.places.room
        waits = [heard_nothing(self._link.silence)] if self._link.online else ["no link"]
        waits += [f"{self._link.waiting} to be sent"] if self._link.waiting else []
        keys, here = self._link.keys, self._link.dialogue.places.here
        lock = ""
        if isinstance(keys, Keys) and keys.is_encrypted(here):
            lock = " (NOT ENCRYPTED)" if keys.is_denied(here) else f" {LOCK}"
        told = ", ".join(filter(None, waits))
        return f"{room}{lock}{f' ({told})' if told else ''}> "

    def _refresh(self) -> None:
        if self._session.app.is_running:
            self._session.app.invalidate()

    def _print(self, *lines: str) -> None:
        for line in lines:
            sys.stdout.write(f"{line}\n")
