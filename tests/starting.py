"""Starts programs as processes; those in Python that are chatnet's without importing all anew.

A process is one like any other: with a number, pipes or a terminal, signals and an exit status.
"""

from __future__ import annotations

import atexit
import ctypes
import json
import os
import resource
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from twisted.internet import reactor as installed  # noqa: TID251 -- whole systems run on it
from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IProcessProtocol
from twisted.internet.process import Process, PTYProcess
from twisted.internet.protocol import ProcessProtocol
from twisted.python.failure import Failure

from tests.forker import BORN, LENGTH

reactor: Any = installed
_FORKER = Path(__file__).with_name("forker.py")
_PR_SET_CHILD_SUBREAPER = 36
_OF_PYTHON = ("PYTHON", "LANG", "LC_")  # variables that are read before anything is imported


def start(
    protocol: IProcessProtocol,
    command: Sequence[str],
    environment: Mapping[str, str] | None = None,
    path: str | Path = ".",
    terminal: bool = False,
) -> None:
    """Start ``command`` in the folder ``path``, for ``protocol``, at pipes or at a terminal."""
    environment = dict(os.environ if environment is None else environment)
    ours = _is_ours(command, environment)
    what = (reactor, command[0], list(command), environment, str(path), protocol)
    if terminal:
        (_AtTerminal if ours else PTYProcess)(*what, None, None, True)
    else:
        (_Piped if ours else Process)(*what)


def run(
    command: Sequence[str], environment: Mapping[str, str] | None, path: str | Path
) -> Deferred[tuple[str, str, int]]:
    """Return what ``command`` prints, to standard output and error, and its exit status.

    That is minus the signal, if one ended it.
    """
    ending = _Ending()
    start(ending, command, environment, path)
    return ending.ended


class _Ending(ProcessProtocol):
    """Collects what a process prints."""

    def __init__(self) -> None:
        self.ended: Deferred[tuple[str, str, int]] = Deferred()
        self._printed: dict[int, list[bytes]] = {1: [], 2: []}

    def outReceived(self, data: bytes) -> None:
        self._printed[1].append(data)

    def errReceived(self, data: bytes) -> None:
        self._printed[2].append(data)

    def processEnded(self, reason: Failure) -> None:
        out, err = (b"".join(parts).decode() for parts in self._printed.values())
        ended: Any = reason.value
        self.ended.callback((out, err, -ended.signal if ended.signal else ended.exitCode))


# -- forking -----------------------------------------------------------------------


def _is_ours(command: Sequence[str], environment: Mapping[str, str]) -> bool:
    """Return whether ``command`` is Python code that may begin with the imports done."""
    if sys.platform != "linux" or command[0] != sys.executable or len(command) < 2:
        return False
    if command[1].startswith("-") and not (command[1] == "-m" and command[2].startswith("chatnet")):
        return False
    return _python(environment) == _python(os.environ)


def _python(environment: Mapping[str, str]) -> dict[str, str]:
    return {k: v for k, v in environment.items() if k.startswith(_OF_PYTHON)}


class _Forked:
    """A process that is forked off by the forker. Twisted asks for posix_spawn, if it can."""

    pid: Any

    def _trySpawnInsteadOfFork(  # noqa: N802 -- Twisted's
        self,
        path: str,
        uid: None,
        gid: None,
        executable: str,
        args: Sequence[str],
        environment: Mapping[str, str],
        kwargs: Any,
    ) -> bool:
        slave = kwargs.get("slavefd")
        umask = os.umask(0)
        os.umask(umask)
        asked = {
            "terminal": slave is not None,
            "command": args[1:],
            "environment": environment,
            "path": os.path.abspath(path),
            "umask": umask,
            "files": resource.getrlimit(resource.RLIMIT_NOFILE),
        }
        given = [slave] * 3 if slave is not None else [kwargs["fdmap"][fd] for fd in range(3)]
        self.pid = _ask(json.dumps(asked).encode(), given)
        return True


class _Piped(_Forked, Process):
    pass


class _AtTerminal(_Forked, PTYProcess):
    pass


def _ask(asked: bytes, descriptors: list[int]) -> int:
    """Return the number of the process, whose parent this process is."""
    asking = _forker()
    _adopt(True)
    try:
        socket.send_fds(asking, [LENGTH.pack(len(asked))], descriptors)
        asking.sendall(asked)
        born = asking.recv(BORN.size)
    finally:
        _adopt(False)
    pid: int = BORN.unpack(born)[0]
    return pid


@cache
def _forker() -> socket.socket:
    """Start the forker, which ends with this process. Return where to ask it."""
    ours, its = socket.socketpair()
    process = subprocess.Popen(
        [sys.executable, str(_FORKER), str(its.fileno())],
        pass_fds=[its.fileno()],
        stdin=subprocess.DEVNULL,
    )
    its.close()

    def end() -> None:
        ours.close()
        process.wait()

    atexit.register(end)
    return ours


def _adopt(orphans: bool) -> None:
    """Become the parent of processes whose own parent has ended, or no more."""
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, int(orphans), 0, 0, 0)
