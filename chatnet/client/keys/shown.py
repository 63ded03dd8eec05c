"""How encrypted messages look to people: as any others, or a sentence that says why not."""

from __future__ import annotations

from chatnet.client.keys.causes import Earlier, Lock, explain
from chatnet.client.keys.keys import Keys
from chatnet.client.link import Keyring
from chatnet.client.places import Manner
from chatnet.client.screen import lines_of
from chatnet.core import events as e

LOCK = "\N{LOCK}"


class Shown:
    """Turns entries into lines; what cannot be read because it is too old, into one for all."""

    def __init__(self) -> None:
        self._folded: set[str] = set()  # rooms whose unreadable past is being shown

    def lines(
        self, keys: Keyring | None, entry: e.Entry, manner: Manner, mine: bool, me: str
    ) -> list[str]:
        """Return what to show of ``entry`` to who is called ``me``."""
        usual = lines_of(entry, manner, mine, me)
        if not isinstance(keys, Keys):
            return usual
        cause = keys.why(entry)
        if cause is None:
            if usual and isinstance(entry.event, e.MESSAGES):
                self._folded.discard(entry.room)
            return [self._marked(keys, entry, line) for line in usual]
        if isinstance(cause, Earlier):
            if entry.room in self._folded:
                return []
            self._folded.add(entry.room)
            return ["--- what was said before you came is encrypted for those who were here ---"]
        assert isinstance(entry.event, e.Sealed | e.SealedWhisper)
        return [f"{entry.event.by}: ({explain(cause)})"]

    def _marked(self, keys: Keys, entry: e.Entry, line: str) -> str:
        lock = keys.lock_of(entry)
        if lock is Lock.PLAIN:
            return f"!!! not encrypted, so perhaps made up by the server: {line}"
        whisper = isinstance(entry.event, e.Whispered) and lock is not Lock.NONE
        return f"{LOCK} {line}" if whisper else line
