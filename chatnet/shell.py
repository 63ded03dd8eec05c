"""Who started the server: hears why it did not start, of a daemon too."""

from __future__ import annotations

import os
from contextlib import suppress

from twisted.logger import Logger

from chatnet.folder import CannotStart


class Told(CannotStart):
    """The server cannot start, and who started it knows why: nothing more is printed."""

    def __init__(self) -> None:
        super().__init__("the reason stands above")
        self.code = 1


class Shell:
    """The standard error that the server was started with.

    ``twistd`` makes ``sys.stderr`` a part of the log, and a daemon's is closed before its store is
    opened; of what a daemon cannot do, ``twistd`` passes on a hundred bytes.
    """

    _log = Logger()

    def __init__(self, logs: bool) -> None:
        """Log what is told as well, if it ``logs``: if the log is not what the shell shows."""
        self._logs = logs
        self._error: int | None = None

    def hold(self) -> None:
        """Keep hold of it, whatever becomes of the process."""
        with suppress(OSError):  # there is none
            self._error = os.dup(2)

    def tell(self, why: CannotStart) -> CannotStart:
        """Say ``why`` the server cannot start; return what is to be raised then."""
        if self._error is None:
            return why
        with suppress(OSError):  # nobody listens any more
            os.write(self._error, f"{why}\n".encode())
        if self._logs:
            self._log.critical("{why}", why=str(why))
        self.release()
        return Told()

    def release(self) -> None:
        """Let it go, so that who waits for its end need not wait for the server's."""
        if self._error is not None:
            os.close(self._error)
            self._error = None
