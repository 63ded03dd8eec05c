"""What the screen needs of the client that it is the face of."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from chatnet.client.full.windows import Window, Windows
from chatnet.client.link import Link
from chatnet.client.transfers import Transfer


class Desk(Protocol):
    """What the screen needs of the client that it is the face of."""

    link: Link
    windows: Windows

    def now(self) -> float:
        """Return how late it is: UTC seconds since the epoch."""

    def typed(self, text: str) -> None:
        """Obey what was typed."""

    def typing(self, text: str) -> None:
        """So far, this was typed."""

    def offers(self, before: str) -> list[str]:
        """Return what the last word of ``before`` may be completed to."""

    def older(self, window: Window) -> None:
        """Have what is older in ``window`` read."""

    def choose(self, key: str) -> None:
        """Go to the window ``key``, or enter the room of that name."""

    def whisper(self, name: str) -> None:
        """Go to where one whispers with ``name``."""

    async def places(self) -> list[tuple[str, str]]:
        """Return the keys and names of the rooms that one may enter besides."""

    def search(self, words: str) -> str:
        """Look for messages with ``words``. Return what is wrong with them, or nothing."""

    def reach(self, place: str) -> None:
        """Show the message at the ``place`` that ``found`` gave."""

    def fetch(self, file: str) -> None:
        """Fetch the file of that id."""

    def leave(self) -> None:
        """Say goodbye."""

    @property
    def files(self) -> Sequence[Transfer]:
        """The files on their way."""
        ...

    @property
    def is_logging(self) -> bool:
        """Whether what comes is written to a file."""
