"""What the command line of ``python -m chatnet.admin`` says."""

from __future__ import annotations

import sys
from getopt import GetoptError, gnu_getopt
from typing import Any, ClassVar

from twisted.python import usage

from chatnet import __version__
from chatnet.opening import StoreOptions
from chatnet.settings import Settings

UNABLE = 2  # the exit status when something cannot be done
_SHARED = frozenset(name for name, *_ in StoreOptions.optParameters)


class _Task(StoreOptions):
    """What all that is done to a store has in common."""

    def __init__(self) -> None:
        super().__init__()
        self.settings = Settings()
        self.file = ""  # that was named

    def take(self, path: str, key: str, value: Any) -> None:
        """Take what concerns the store; the rest of the file is the server's."""
        if key in _SHARED:
            super().take(path, key, value)

    def parseOptions(self, options: Any = None) -> None:
        """Parse; anything wrong is one line on standard error and exit status 2."""
        words = self._options_first(list(options or ()))
        try:
            for fault in self.read_config(words):
                refuse(fault)
            super().parseOptions(words)
        except usage.UsageError as error:
            refuse(str(error))

    def _options_first(self, words: list[str]) -> list[str]:
        """Return ``words`` with the options before the file, as ``getopt`` wants them."""
        try:
            options, files = gnu_getopt(words, self.shortOpt, self.longOpt)
        except GetoptError:
            return words  # which is refused with a sentence
        said = list[str]()
        for option, value in options:
            taking = f"{option[2:]}=" in self.longOpt or f"{option[1:]}:" in self.shortOpt
            said += [option, value] if taking else [option]
        return [*said, "--", *files]

    def opt_version(self) -> None:
        """Print chatnet's version."""
        _print_version()

    def postOptions(self) -> None:
        """Make ``settings`` of what was given."""
        self.settings = self.where()

    def parseArgs(self, *words: str) -> None:
        """Take the name of a file.

        Raises:
            usage.UsageError: there is none, or more than one.
        """
        if len(words) != 1:
            raise usage.UsageError("name one file")
        self.file = words[0]


class BackupOptions(_Task):
    """What ``backup`` takes."""

    synopsis = "python -m chatnet.admin backup [options] FILE"
    longdesc = (
        "Writes all that is kept to FILE, compressed if that ends in .gz, or to standard output if"
        " it is -. The server may run meanwhile. FILE is as secret as the store itself."
    )
    optFlags: ClassVar[list[list[str | None]]] = [
        ["force", "f", "take the place of a file that is there"],
        ["without-files", None, "leave out the files that people sent: they may be large"],
    ]


class RestoreOptions(_Task):
    """What ``restore`` takes."""

    synopsis = "python -m chatnet.admin restore [options] FILE"
    longdesc = (
        "Puts a backup back, into a store with nothing in it, of any kind. All of FILE is checked"
        " before anything is written."
    )
    optFlags: ClassVar[list[list[str | None]]] = [
        ["faulty", None, "restore what can be read of a backup that is not whole, faults and all"],
    ]


class VerifyOptions(_Task):
    """What ``verify`` takes."""

    synopsis = "python -m chatnet.admin verify [options] [FILE]"
    longdesc = (
        "Looks for entries that are lost, changed or moved, in a backup if FILE is given (- is"
        " standard input), else in the store itself, while the server runs or not. Exit status:"
        " 0 all is whole, 1 something is not, 2 it could not be found out."
    )
    optFlags: ClassVar[list[list[str | None]]] = [
        ["heads", None, "print the place and the link of the last entry of each log"],
    ]
    optParameters: ClassVar[list[list[str | None]]] = [
        ["since-heads", None, "", "a file with what --heads once printed, to compare with"],
    ]

    def parseArgs(self, *words: str) -> None:
        """Take the name of a file, if there is one."""
        if words:
            super().parseArgs(*words)


class Options(usage.Options):
    """What ``python -m chatnet.admin`` takes."""

    synopsis = "python -m chatnet.admin TASK [options]"
    longdesc = "TASK --help says more of each."
    subCommands: ClassVar = [
        ["backup", None, BackupOptions, "write all that is kept to a file, while the server runs"],
        ["restore", None, RestoreOptions, "put a backup back into an empty store"],
        ["verify", None, VerifyOptions, "find what is lost, changed or moved"],
    ]

    def opt_version(self) -> None:
        """Print chatnet's version."""
        _print_version()


def parse(words: list[str]) -> BackupOptions | RestoreOptions | VerifyOptions:
    """Return what ``words`` ask for.

    Raises:
        SystemExit: they make no sense, or ask for help; all is said.
    """
    options = Options()
    try:
        options.parseOptions(words)
        if options.subCommand is None:
            raise usage.UsageError("say what to do: backup, restore or verify")
    except usage.UsageError as error:
        refuse(str(error))
    task: BackupOptions | RestoreOptions | VerifyOptions = options.subOptions
    return task


def refuse(sentence: str) -> None:
    """Say ``sentence``, and end.

    Raises:
        SystemExit: always.
    """
    sys.stderr.write(f"chatnet: {sentence}. See python -m chatnet.admin --help.\n")
    raise SystemExit(UNABLE)


def _print_version() -> None:
    sys.stdout.write(f"chatnet {__version__}\n")
    raise SystemExit(0)
