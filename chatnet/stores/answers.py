"""Answers to named commands, in up to 256 files: an origin's are all in one of them."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator, Sequence
from hashlib import sha256

from chatnet.core.replies import Done
from chatnet.interfaces import REMEMBERED
from chatnet.stores.keyed import Growing, pack

_dumps = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


class Answers:
    """The answers in ``folder``."""

    def __init__(self, folder: str, notice: Callable[[str], object]) -> None:
        self._folder, self._notice = os.path.join(folder, "answers"), notice
        self.files: dict[str, Growing] = {}  # those that were written to, by name

    def file(self, name: str) -> Growing:
        """Return the file of this name, unread."""
        return Growing(os.path.join(self._folder, f"{name}.log"), self._notice)

    def packed(self, answers: Sequence[tuple[str, Done]]) -> dict[str, bytes]:
        """Return ``answers`` as records, by the name of the file that they belong to."""
        origins: dict[str, list[Done]] = {}
        for origin, done in answers:
            origins.setdefault(origin, []).append(done)
        files: dict[str, bytes] = {}
        for origin, dones in origins.items():
            name = _name(origin)
            files[name] = files.get(name, b"") + _pack(origin, dones)
        return files

    def recall(self, origin: str) -> list[Done]:
        """Return the last thousand answers to ``origin``, oldest first."""
        kept: dict[str, Done] = {}
        for other, dones in self._rows(_name(origin)):
            if other == origin:
                _take(kept, dones)
        return _last(kept)

    def all(self) -> Iterator[tuple[str, Done]]:
        """Yield all answers, each with its origin."""
        names = sorted(os.listdir(self._folder)) if os.path.isdir(self._folder) else []
        for name in [name[:-4] for name in names if name.endswith(".log")]:
            for origin, kept in self._origins(name).items():
                for done in _last(kept):
                    yield origin, done

    def anew(self, name: str) -> Iterator[bytes]:
        """Yield what is needed of a file, as records."""
        for origin, kept in self._origins(name).items():
            yield _pack(origin, _last(kept))

    def _origins(self, name: str) -> dict[str, dict[str, Done]]:
        origins: dict[str, dict[str, Done]] = {}
        for origin, dones in self._rows(name):
            _take(origins.setdefault(origin, {}), dones)
        return origins

    def _rows(self, name: str) -> Iterator[tuple[str, list[Done]]]:
        with self.file(name).open() as opened:
            for _, _, origin, text in opened[1] if opened is not None else ():
                yield origin, [Done(*answer) for answer in json.loads(text)]


def _name(origin: str) -> str:
    return sha256(origin.encode()).hexdigest()[:2]


def _pack(origin: str, dones: Sequence[Done]) -> bytes:
    return pack(origin, _dumps([(done.cid, done.room, done.seq) for done in dones]))


def _take(kept: dict[str, Done], dones: Sequence[Done]) -> None:
    for done in dones:
        kept.pop(done.cid, None)  # of two with one name the later holds, in its place
        kept[done.cid] = done


def _last(kept: dict[str, Done]) -> list[Done]:
    return list(kept.values())[-REMEMBERED:]
