"""What became of named commands, so that to repeat one does nothing twice."""

from __future__ import annotations

from collections.abc import Mapping
from weakref import WeakValueDictionary

from chatnet.core.replies import Done
from chatnet.interfaces import REMEMBERED, IJournal


class Answers:
    """The answers to the named commands of one origin: those that are known, and what is asked."""

    def __init__(self, origin: str) -> None:
        self.origin = origin
        self.complete = False  # whether it knows of all that are not on their way
        self._done: dict[str, Done] = {}  # by cid, the oldest first
        self._on_their_way: set[str] = set()
        self._failures = 0

    def __contains__(self, cid: str) -> bool:
        """Return whether ``cid`` was done, or is on its way."""
        return cid in self._done or cid in self._on_their_way

    def get(self, cid: str) -> Done | None:
        """Return the answer to ``cid``, if it was done."""
        return self._done.get(cid)

    def expect(self, cid: str) -> None:
        """``cid`` is on its way to the log."""
        self._on_their_way.add(cid)

    def add(self, done: Done) -> None:
        """What was on its way is durable."""
        self._on_their_way.discard(done.cid)
        self._done[done.cid] = done
        if len(self._done) > REMEMBERED:
            del self._done[next(iter(self._done))]

    def fail(self, cid: str) -> None:
        """Only the store knows what became of ``cid``; it is asked before the next command."""
        self._on_their_way.discard(cid)
        self._failures += 1
        self.complete = False

    async def recall(self, journal: IJournal) -> None:
        """Ask the store for what is not known here.

        Raises:
            OSError: it cannot be read.
        """
        failures = self._failures
        stored: Mapping[str, Done] = await journal.answers(self.origin)
        self._done = {**stored, **self._done}
        self.complete = failures == self._failures  # else it may have been asked too early


class Origins:
    """The answers of all who are here, or have something on its way; one for each origin."""

    def __init__(self) -> None:
        self._answers: WeakValueDictionary[str, Answers] = WeakValueDictionary()

    def answers(self, origin: str) -> Answers:
        """Return the answers of ``origin``. They last as long as somebody holds them."""
        answers = self._answers.get(origin)
        if answers is None:
            answers = self._answers[origin] = Answers(origin)
        return answers
