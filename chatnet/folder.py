"""The folder of all that is kept."""

from __future__ import annotations

import fcntl
import os
import shutil
from contextlib import suppress
from pathlib import Path


class CannotStart(SystemExit, Exception):
    """The server cannot start; the sentence says why.

    A ``SystemExit``, so that ``twistd -n`` ends with that sentence and status 1; an
    ``Exception`` as well, so that a daemon tells it to the shell that started it.
    """

    def __repr__(self) -> str:
        return str(self)


class DataFolder:
    """The folder of all that is kept, for the owner's eyes only, and for one server at a time."""

    def __init__(self, path: str) -> None:
        self.path = Path(path)
        self._lock: int | None = None
        self._made: dict[Path, tuple[int, int]] = {}  # on the way there, the innermost first

    def prepare(self) -> None:
        """Make the folder if it is not there.

        Raises:
            CannotStart: it cannot be made, or not be written to.
        """
        try:
            if not self.path.is_dir():
                missing = [path for path in (self.path, *self.path.parents) if not path.exists()]
                self.path.mkdir(mode=0o700, parents=True)
                self._made = {path: _identity(path) for path in missing}
        except FileExistsError:
            if self.path.is_dir():  # another server made it meanwhile
                return
            raise CannotStart(
                f"chatnet: {self.path} is no folder. Name one for data with --data DIR."
            ) from None
        except OSError as error:
            raise self._useless(error) from None

    def acquire(self) -> None:
        """Take the folder.

        Raises:
            CannotStart: another server has it, or it cannot be written to.
        """
        try:
            self._lock = os.open(self.path / "lock", os.O_CREAT | os.O_RDWR | os.O_NOFOLLOW, 0o600)
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise CannotStart(
                f"chatnet: another server is using {self.path}. Stop it, or give this one its"
                " own folder with --data."
            ) from None
        except OSError as error:
            raise self._useless(error) from None

    def _useless(self, error: OSError) -> CannotStart:
        return CannotStart(
            f"chatnet: cannot use {self.path} for data: {error.strerror}. Name another folder with"
            " --data DIR."
        )

    def undo(self) -> None:
        """Remove what ``prepare`` made, and what was put there since the folder was taken.

        For a server that did not start: nobody was there yet. What is called the same and is
        another folder by now, as after ``twistd --chroot``, stays.
        """
        for folder, identity in self._made.items():
            with suppress(OSError):  # it is gone, or somebody else has put something there
                if _identity(folder) != identity:
                    break
                if folder == self.path and self._lock is not None:
                    shutil.rmtree(folder)
                else:
                    folder.rmdir()
        self.release()

    def release(self) -> None:
        """Let the folder go, and what is in it stay."""
        self._made = {}
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def _identity(folder: Path) -> tuple[int, int]:
    """Return which one ``folder`` is, whatever it is called: its device and inode."""
    found = os.stat(folder, follow_symlinks=False)
    return found.st_dev, found.st_ino
