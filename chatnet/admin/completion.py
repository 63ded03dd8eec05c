"""What Tab completes: verbs, their options and choices, rooms and the names of people."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable

from prompt_toolkit.completion import CompleteEvent, Completer, Completion
from prompt_toolkit.document import Document
from prompt_toolkit.history import InMemoryHistory
from twisted.internet.defer import Deferred

from chatnet.admin.calling import Calls, Unreachable
from chatnet.admin.grammar import Argument, Given, Kind, Verb
from chatnet.admin.verbs import ALL_VERBS, VERBS, find
from chatnet.core.names import fold
from chatnet.core.refusals import Malformed, Refused

_COLUMNS = {Kind.ROOM: ("rooms", "room"), Kind.PERSON: ("who", "name")}


class Completions(Completer):
    """Completes from the table of verbs, and from what the server says that there is."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls

    def get_completions(
        self, document: Document, complete_event: CompleteEvent
    ) -> Iterable[Completion]:
        return ()

    async def get_completions_async(
        self, document: Document, complete_event: CompleteEvent
    ) -> AsyncGenerator[Completion, None]:
        before = document.text_before_cursor.lstrip()
        word = before.rpartition(" ")[2]
        for one in sorted(await self._fitting(before, word), key=fold):
            yield Completion(one + " ", -len(word))

    async def _fitting(self, before: str, word: str) -> list[str]:
        words = before.split()
        done = words if before.endswith(" ") or not words else words[:-1]
        helping = bool(done) and done[0] == "help"
        if not done or helping:
            return _verbs(" ".join([*done[helping:], word]), len(done[helping:]))
        try:
            verb, rest = find(done)
        except Malformed:
            return _verbs(" ".join([*done, word]), len(done))
        if word.startswith("-"):
            options = [f"--{a.option}" for a in verb.arguments if a.option]
            return [option for option in options if option.startswith(word)]
        argument = wanted(verb, list(rest))
        if argument is None:
            return []
        names = argument.choices or await self._names(argument.kind)
        return [name for name in names if fold(name).startswith(fold(word))]

    async def _names(self, kind: Kind) -> Iterable[str]:
        if kind not in _COLUMNS:
            return ()
        verb, column = _COLUMNS[kind]
        asked = Deferred.fromCoroutine(self._calls.ask(VERBS[verb], Given({})))
        try:
            told = await asked.asFuture(asyncio.get_running_loop())
        except (Refused, Unreachable):
            return ()
        return dict.fromkeys(str(row[column]) for row in told.rows)


def wanted(verb: Verb, words: list[str]) -> Argument | None:
    """Return what ``verb`` takes next, after ``words``."""
    places = [argument for argument in verb.arguments if not argument.option]
    while words:
        word = words.pop(0)
        option = next((a for a in verb.arguments if a.option and f"--{a.option}" == word), None)
        if option is None:
            if places and places[0].kind is not Kind.TEXT:
                places.pop(0)
        elif option.kind is not Kind.FLAG:
            if not words:
                return option
            words.pop(0)
    return places[0] if places else None


def _verbs(beginning: str, skip: int) -> list[str]:
    """Return the verbs that begin so, without their first ``skip`` words."""
    names = [*(verb.name for verb in ALL_VERBS), *([] if skip else ["help"])]
    fitting = [name for name in names if name.startswith(beginning.lower())]
    return [" ".join(name.split()[skip:]) for name in fitting]


class DiscreetHistory(InMemoryHistory):
    """The lines that were typed, without those that hold a password."""

    def append_string(self, string: str) -> None:
        try:
            verb, _ = find(string.split())
        except Malformed:
            super().append_string(string)
            return
        if not any(argument.kind is Kind.SECRET for argument in verb.arguments):
            super().append_string(string)
