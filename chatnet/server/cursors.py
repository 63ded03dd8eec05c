"""Who reads, and where: places in a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from chatnet.core.replies import Typing
from chatnet.interfaces import IStyle

if TYPE_CHECKING:
    from chatnet.server.audience import Audience
    from chatnet.server.scroll import Reading


# Takes what is to be sent, and returns how much of it was: as a socket does, and raises as it does.
Send = Callable[[bytes], int]


class Reader(Protocol):
    """What an audience needs of a session."""

    full: bool  # the wire takes no more for now
    ignored: frozenset[str]  # keys of those whose words are not shown to it

    @property
    def style(self) -> IStyle:
        """How this reader reads what is new."""

    @property
    def send(self) -> Send | None:
        """What sends to it at once; None if something waits before that, or it is unlike others."""

    def write(self, data: bytes) -> None:
        """Pass printed entries to the wire."""

    def unroll(self, source: Reading) -> None:
        """Pass a large entry to the wire, part by part."""

    def reads(self, audience: Audience) -> None:
        """It reads in ``audience`` from now on, and is to be resumed there when it has room."""

    def turned(self) -> None:
        """A page that it waited for has come, and it was shown what it takes of it."""

    def finished(self, audience: Audience, put_out: bool) -> None:
        """It has read its last entry in ``audience``."""

    def signal(self, signal: Typing) -> None:
        """Pass on ``signal``, if there is room for it."""

    def part(self, reason: str, code: str) -> None:
        """Close, for ``reason``; it may come back and go on where it was."""


@dataclass(slots=True, eq=False)
class Cursor:
    """The place of a reader that goes alone: all up to ``after`` has been written to it."""

    reader: Reader
    style: IStyle
    after: int
    upto: int | None = None  # the last entry to read; None: there is no last one yet
    held: bool = False  # waits until what is said before it is said
    paging: bool = False  # waits for a page from the store
    put_out: bool = False  # it ends because others want it to
    skip: set[int] | None = None  # places of its own words, which it need not be shown
    opening: bytes = b""  # what is said before the first entry
    closing: bytes = b""  # what is said when ``upto`` is reached
    then: Cursor | None = None  # where to go on when ``upto`` is reached

    @property
    def is_plain(self) -> bool:
        """Whether it is to be shown what is new, all of it, and nothing else."""
        return not (self.upto or self.held or self.paging or self.skip or self.opening or self.then)
