"""Changes of several files that happen together or not at all.

Every commit is written to the commit log first, whole, with a checksum, and made durable there by
one ``fsync``: that is when it has happened. Only then are the files themselves changed, and nobody
waits for their disk. When the commit log has grown, the files are made durable and it begins
anew. After a crash, what is in the commit log is done again, which changes nothing where it had
been done: everything has its place.

The newest file of the commit log counts alone, since it is made when all before is durable.
"""

from __future__ import annotations

import os
from collections import OrderedDict
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress

from chatnet.stores.changes import BEGIN, Change, Changes, What, commits, first, head, pack
from chatnet.stores.disk import Disk, read_at, reading

_MOST_BYTES = 16 * 1024 * 1024  # of the commit log, before it begins anew
_MOST_FILES = 512  # that are held open
_SYNCS = 8  # at a time: a disk makes many durable about as fast as one


class _Redone:
    """Files to which something was appended again, and what they lack that was durable."""

    def __init__(self) -> None:
        self.ends: dict[str, int] = {}
        self.lost: dict[str, str] = {}

    def removed(self, path: str) -> None:
        """The file or folder ``path`` was removed: it lacks nothing."""
        for other in [other for other in self.ends if f"{other}/".startswith(f"{path}/")]:
            del self.ends[other]
            self.lost.pop(other, None)


class Commits:
    """The commit log in ``folder``, and the files that it is for. For one thread."""

    def __init__(self, folder: str, disk: Disk, notice: Callable[[str], object]) -> None:
        """Do again what a crash left undone.

        ``notice`` hears a sentence on each thing that was not as it should be.
        """
        self._folder, self._disk, self._notice = folder, disk, notice
        self._files: OrderedDict[str, int] = OrderedDict()
        self._dirty: dict[str, None] = {}  # files and folders that are not durable by themselves
        self._held: dict[str, int] = {}  # of which the commit log has something, from which offset
        self._log = ""  # the path of the commit log
        self._size = 0
        self._stale = False  # files may lack what is in the commit log
        self._doubtful = False  # the commit log may have more than was said to have happened
        self.number = 1  # of the next commit
        if not os.path.isdir(self._path("commits")):
            disk.make_folder(self._path("commits"))
            disk.sync(folder)
        self._recover()

    def commit(self, changes: Changes) -> None:
        """Make all of ``changes`` durable.

        Raises:
            OSError: nothing was changed, or, if even that cannot be had, it will be, before
                anything else is.
        """
        self.mend()
        if self._size >= _MOST_BYTES:
            self.settle()
        batch = pack(self.number, changes)
        file, size = self._open(self._log), self._size
        try:
            self._disk.write(file, batch, size)
            self._disk.sync(self._path(self._log))
        except BaseException:
            self._take_back()
            raise
        self.number += 1
        self._size += len(batch)
        self._apply(changes)
        if changes.wipe:
            with suppress(OSError):  # it is tried again with the next commit
                self.settle()

    def holds(self, path: str, end: int | None = None) -> bool:
        """Return whether the commit log has some of the file ``path`` before ``end``."""
        first = self._held.get(path)
        return first is not None and (end is None or first < end)

    def mend(self) -> None:
        """Finish what an earlier commit could not, so that the files are as they should be."""
        if self._stale or self._doubtful:
            self.settle()

    def settle(self) -> None:
        """Make all files durable, and begin the commit log anew.

        After a failure nothing is believed of what the system says it holds: all is done again.
        """
        if self._stale:
            self._redo(self._log, self.number)
        self._stale = True
        self._sync_all()
        self._stale, self._doubtful = False, True
        self._begin()
        self._doubtful = False

    def replace(self, path: str, parts: Iterable[bytes]) -> None:
        """Put a file made of ``parts`` in the place of ``path``, at once and durably."""
        self.settle()  # what is in the commit log is about the old one
        self._forget(path)
        new = self._path(path + ".new")
        file = self._disk.open(new)
        try:
            self._disk.truncate(file, 0)
            size = 0
            for part in parts:
                self._disk.write(file, part, size)
                size += len(part)
        finally:
            self._disk.close(file)
        self._disk.sync(new)
        self._disk.rename(new, self._path(path))
        self._dirty[os.path.dirname(path)] = None
        self._doubtful = True  # until it is sure that the old one will not come back
        self.mend()

    def cut(self, path: str, size: int) -> None:
        """Cut the file ``path`` to ``size`` bytes, durably."""
        self._disk.truncate(self._open(path), size)
        self._disk.sync(self._path(path))

    def drop(self, path: str) -> None:
        """Remove the file ``path``, durably."""
        self._remove(path)
        self._disk.sync(self._path(os.path.dirname(path)))

    def close(self) -> None:
        """Let everything go. What cannot be settled now is when it is opened again."""
        with suppress(OSError):
            if self._dirty or self._stale or self._doubtful:
                self.settle()
        for path in list(self._files):
            self._forget(path)

    # -- a commit ------------------------------------------------------------------

    def _apply(self, changes: Changes) -> None:
        self._stale = True  # until all of it is done
        begun: list[tuple[str, int]] = []
        try:
            for path, (offset, parts) in changes.appends.items():
                begun.append((path, offset))
                self._append(path, offset, b"".join(parts))
        except OSError:
            self._undo(begun, changes)
            raise
        try:
            for change in changes.flat():
                if change.what is not What.APPEND:
                    self._change(change)
        except OSError as error:  # it has happened all the same
            self._notice(f"a commit is to be finished later: {error}")
        else:
            self._stale = False

    def _undo(self, begun: list[tuple[str, int]], changes: Changes) -> None:
        """Take a commit back whose files have no space; if that fails, it is to be finished.

        The files come first: without the commit log nobody would know what they have too much.
        """
        with suppress(OSError):
            for path, offset in begun:
                if offset:
                    self.cut(path, offset)
                elif os.path.exists(self._path(path)):
                    self.drop(path)
            self._stale = False
            self.number -= 1
            self._size -= len(pack(self.number, changes))
            self._take_back()

    def _take_back(self) -> None:
        """Cut what did not happen off the commit log, which is not trusted any more."""
        self._doubtful = True
        with suppress(OSError):
            self._disk.truncate(self._open(self._log), self._size)
            self._disk.sync(self._path(self._log))

    def _append(self, path: str, offset: int, data: bytes) -> None:
        if not offset:
            self._make_folder(os.path.dirname(path))
        self._held.setdefault(path, offset)
        self._touch(path, not offset)
        self._disk.write(self._open(path), data, offset)

    def _touch(self, path: str, new: bool) -> None:
        """Remember to make ``path`` durable, and that there is such a file if it is ``new``."""
        self._dirty[path] = None
        if new:
            self._dirty[os.path.dirname(path)] = None

    def _change(self, change: Change) -> None:
        path = change.path
        if change.what is What.REMOVE:
            self._remove(path)
        elif os.path.exists(self._path(path)):
            self._dirty[path] = None
            self._disk.write(self._open(path), change.data or bytes(change.size), change.offset)

    def _make_folder(self, path: str) -> None:
        if path and not os.path.isdir(self._path(path)):
            self._make_folder(os.path.dirname(path))
            self._disk.make_folder(self._path(path))
            self._dirty[os.path.dirname(path)] = None

    def _remove(self, path: str) -> None:
        """Remove the file or the folder ``path``, if it is there."""
        whole = self._path(path)
        self._dirty[os.path.dirname(path)] = None
        if os.path.isdir(whole):
            for name in sorted(os.listdir(whole), reverse=True):
                self._remove(os.path.join(path, name))
            self._disk.remove_folder(whole)
        elif os.path.exists(whole):
            self._forget(path)
            self._disk.remove(whole)

    # -- the commit log ------------------------------------------------------------

    def _begin(self) -> None:
        """Begin the commit log anew, when all before is durable."""
        old = self._logs()
        path = f"commits/{int(old[-1][8:-4]) + 1 if old else 1:012d}.log"
        try:
            self._disk.write(self._open(path), head(self.number), 0)
            self._disk.sync(self._path(path))
            self._disk.sync(self._path("commits"))
        except OSError:
            with suppress(OSError):
                self._remove(path)
            raise
        self._log, self._size = path, BEGIN
        self._held.clear()
        for other in old:
            self._remove(other)
        self._disk.sync(self._path("commits"))
        self._dirty.pop("commits", None)

    def _recover(self) -> None:
        for path in reversed(self._logs()):
            with reading(self._path(path)) as file:
                number = first(file)
                holds = next(commits(file), None) is not None
            if number is None and holds:
                self._notice(f"{self._path(path)}: the first {BEGIN} bytes are damaged")
            if number is not None or holds:  # else it was about to be begun
                self.number, self._log = number or 1, path
                self._redo(path, None)
                break
        self._sync_all()
        self._begin()

    def _redo(self, path: str, stop: int | None) -> None:
        """Do again what is in the commit log ``path``, up to the commit number ``stop``."""
        end, redone, whole = BEGIN, _Redone(), True
        with reading(self._path(path)) as file:
            size = os.fstat(file).st_size
            for commit in commits(file):
                if stop is not None and commit.number >= stop:
                    break
                if commit.offset > end:
                    self._keep_damaged(path, end, commit.offset)
                    whole = False
                for change in commit.changes:
                    if change.what is What.APPEND:
                        self._append_again(change, redone)
                    else:
                        self._change(change)
                    if change.what is What.REMOVE:
                        redone.removed(change.path)
                self.number, end = commit.number + 1, commit.end
        for sentence in redone.lost.values():
            self._notice(sentence)
        if stop is None and size > end:
            self._notice(
                f"{self._path(path)}: cut {size - end} bytes of a commit that is not whole"
            )
        if whole and (stop is not None or size == end):
            self._cut_all(redone.ends)

    def _append_again(self, change: Change, redone: _Redone) -> None:
        path, offset = change.path, change.offset
        redone.ends[path] = offset + change.size
        self._make_folder(os.path.dirname(path))
        self._touch(path, True)
        file = self._open(path)
        size = os.fstat(file).st_size
        if size < offset:
            redone.lost[path] = f"{self._path(path)}: bytes {size} to {offset} are lost"
        if size > offset and read_at(file, change.size, offset) != change.data:
            self._disk.truncate(file, offset)
        self._disk.write(file, change.data, offset)  # what can be read need not be on disk

    def _cut_all(self, ends: dict[str, int]) -> None:
        """Cut off what files have that was taken back; a damaged commit log would not tell."""
        for path, end in ends.items():
            if os.fstat(self._open(path)).st_size > end:
                self._disk.truncate(self._open(path), end)

    def _keep_damaged(self, path: str, offset: int, end: int) -> None:
        kept = self._path(path)[:-4] + ".damaged"
        with suppress(FileExistsError):
            os.link(self._path(path), kept)
        self._notice(
            f"{self._path(path)}: a commit at bytes {offset} to {end} is damaged; see {kept}"
        )

    def _logs(self) -> list[str]:
        names = sorted(os.listdir(self._path("commits")))
        return [f"commits/{name}" for name in names if name.endswith(".log")]

    # -- files ---------------------------------------------------------------------

    def _sync_all(self) -> None:
        paths = [path for path in map(self._path, self._dirty) if os.path.exists(path)]
        if len(paths) < _SYNCS:
            for path in paths:
                self._disk.sync(path)
        else:
            with ThreadPoolExecutor(_SYNCS) as threads:
                list(threads.map(self._disk.sync, paths))
        self._dirty.clear()

    def _path(self, path: str) -> str:
        return os.path.join(self._folder, path)

    def _open(self, path: str) -> int:
        if path in self._files:
            self._files.move_to_end(path)
        else:
            while len(self._files) >= _MOST_FILES:
                self._disk.close(self._files.popitem(last=False)[1])
            self._files[path] = self._disk.open(self._path(path))
        return self._files[path]

    def _forget(self, path: str) -> None:
        if path in self._files:
            self._disk.close(self._files.pop(path))
