"""The operator's console at a terminal: a line to type in, and above it what comes of it."""

from __future__ import annotations

import asyncio
import shutil
import sys
from collections.abc import Sequence

from prompt_toolkit import PromptSession
from prompt_toolkit.patch_stdout import patch_stdout
from twisted.internet.defer import Deferred

from chatnet.admin.calling import Calls, Unreachable, Where
from chatnet.admin.completion import Completions, DiscreetHistory
from chatnet.admin.grammar import Given, Kind, Verb
from chatnet.admin.oneshot import DONE, UNREACHABLE, happening
from chatnet.admin.tables import Shown, lines_of
from chatnet.admin.typed import LEAVING, read
from chatnet.admin.verbs import VERBS, understand
from chatnet.core.plain import plain
from chatnet.core.refusals import Malformed, Refused


class Console:
    """Talks with an operator. Needs a reactor that runs in asyncio's loop."""

    def __init__(self, calls: Calls, where: Where) -> None:
        self._calls = calls
        self._where = where
        self._prompt = "chatnet> "
        self._watching = False
        calls.heard = self._show
        self._session: PromptSession[str] = PromptSession(
            history=DiscreetHistory(), completer=Completions(calls), complete_while_typing=False
        )

    async def converse(self) -> int:
        """Stay until the operator leaves. Return the exit status."""
        try:
            told = await self._calls.ask(VERBS["status"], Given({}))
        except (Refused, Unreachable) as error:
            sys.stderr.write(f"chatnet: {error}\n")
            return UNREACHABLE
        status = told.rows[0]
        name, version = plain(str(status["name"])), status["version"]
        self._prompt = f"{name}> "
        self._print(
            f"{name}, chatnet {version}: {status['connections']} connected. help lists the verbs,"
            " Ctrl-D leaves."
        )
        await Deferred.fromFuture(asyncio.ensure_future(self._type()))
        return DONE

    async def _type(self) -> None:
        with patch_stdout():
            while True:
                try:
                    line = await self._session.prompt_async(self._prompt, handle_sigint=False)
                except KeyboardInterrupt:
                    await self._stop_watching()
                    continue
                except EOFError:
                    return
                if line.strip() in LEAVING:
                    return
                await self._typed(line)

    async def _typed(self, line: str) -> None:
        try:
            asked = read(line)
            if not isinstance(asked, str):
                await self._do(*asked)
            elif asked:
                self._print(asked)
        except (Refused, Unreachable) as error:
            self._print(plain(str(error)))

    async def _do(self, verb: Verb, given: Given) -> None:
        for argument in verb.arguments:
            if argument.kind is Kind.SECRET and argument.name not in given.values:
                given.values[argument.name] = await self._ask_secret(argument.name)
        if verb.name == "watch":
            self._watching = not given.flag("off")
        asked = Deferred.fromCoroutine(self._calls.ask(verb, given))
        told = await asked.asFuture(asyncio.get_running_loop())
        columns = shutil.get_terminal_size((80, 24)).columns
        self._print(*lines_of(told.said, told.rows, columns, verb.upright))

    async def _stop_watching(self) -> None:
        if self._watching:
            try:
                await self._do(*understand(["watch", "--off"]))
            except (Refused, Unreachable) as error:
                self._print(plain(str(error)))

    async def _ask_secret(self, name: str) -> str:
        hidden: PromptSession[str] = PromptSession()
        question = f"{name.capitalize()}: "
        try:
            return await hidden.prompt_async(question, is_password=True, handle_sigint=False)
        except (EOFError, KeyboardInterrupt):
            raise Malformed("Nothing was done.") from None

    def _show(self, rows: Sequence[Shown]) -> None:
        shown = [row for row in rows if self._watching or row.get("level") == "progress"]
        self._print(*map(happening, shown))

    def _print(self, *lines: str) -> None:
        for line in lines:
            sys.stdout.write(f"{line}\n")
