"""A process that has imported chatnet already, and becomes whichever of its programs is asked for.

Each program gets a process of its own, forked off, and runs from its first line on: only the
imports, which take more time than most tests, are done once. See ``starting.py``, which asks.
"""

from __future__ import annotations

import gc
import json
import os
import random
import resource
import runpy
import signal
import socket
import struct
import sys
import tempfile
import termios
import time
from fcntl import ioctl
from importlib import import_module
from pathlib import Path
from typing import Any, TextIO

IMPORTED = (
    "twisted.scripts.twistd",
    "twisted.plugins",
    "twisted.internet.asyncioreactor",
    "twisted.internet.epollreactor",
    "chatnet.stores.databases",
    "chatnet.stores.sql",
    "chatnet.tap",
    "chatnet.admin.commandline",
    "chatnet.admin.importing",
    "chatnet.admin.oneshot",
    "chatnet.client.plain",
    "chatnet.client.running",
    "chatnet.client.settings",
    "chatnet.client.transfers",
)
LENGTH = struct.Struct("!I")  # of what follows: a JSON object
BORN = struct.Struct("!i")  # the process's number
_DESCRIPTORS = 3  # standard input, output and error


def hear(asking: socket.socket) -> tuple[dict[str, Any], list[int]] | None:
    """Return what is to be run and with which descriptors, or ``None`` at the end."""
    head, descriptors, _, _ = socket.recv_fds(asking, LENGTH.size, _DESCRIPTORS)
    if not head:
        return None
    (left,) = LENGTH.unpack(head)
    body = b""
    while len(body) < left:
        body += asking.recv(left - len(body))
    asked: dict[str, Any] = json.loads(body)
    return asked, descriptors


def serve(asking: socket.socket) -> tuple[dict[str, Any], list[int]]:
    """Fork for all who ask. Returns in each process that is born, what it is to be."""
    while (heard := hear(asking)) is not None:
        reading, writing = os.pipe()
        middle = os.fork()
        if middle == 0:
            born = os.fork()
            if born == 0:
                asking.close()
                os.close(reading)
                os.close(writing)
                return heard
            os.write(writing, BORN.pack(born))
            os._exit(0)  # so that whoever asked becomes the parent
        os.waitpid(middle, 0)
        asking.sendall(os.read(reading, BORN.size))
        for descriptor in (reading, writing, *heard[1]):
            os.close(descriptor)
    sys.exit()


def become(asked: dict[str, Any], descriptors: list[int]) -> None:
    """Be the program that was asked for, as if just started."""
    if asked["terminal"]:
        os.setsid()
        ioctl(descriptors[0], termios.TIOCSCTTY, 0)
    for number, descriptor in enumerate(descriptors):
        os.dup2(descriptor, number)
    for descriptor in descriptors:
        os.close(descriptor)
    sys.stdin, sys.stdout, sys.stderr = (opened(name) for name in ("stdin", "stdout", "stderr"))
    signal.signal(signal.SIGINT, signal.default_int_handler)
    resource.setrlimit(resource.RLIMIT_NOFILE, tuple(asked["files"]))
    os.umask(asked["umask"])
    os.chdir(asked["path"])
    os.environ.clear()
    os.environ.update(asked["environment"])
    time.tzset()
    tempfile.tempdir = None  # as nobody asked yet
    random.seed()
    program, *words = asked["command"]
    if program == "-m":
        program, *words = words
        sys.path[0] = os.getcwd()
        sys.argv = [program, *words]
        runpy.run_module(program, run_name="__main__", alter_sys=True)
    else:
        sys.path[0] = str(Path(program).parent)
        sys.argv = [program, *words]
        runpy.run_path(program, run_name="__main__")


def opened(name: str) -> TextIO:
    """Return the standard stream ``name`` of what its descriptor is now; Python goes by that."""
    before: TextIO = getattr(sys, f"__{name}__")  # nobody closes it, and the descriptor with it
    number = before.fileno()
    lines = name == "stderr" or os.isatty(number)
    return open(
        number,
        "r" if name == "stdin" else "w",
        buffering=1 if lines else -1,
        encoding=before.encoding,
        errors=before.errors,
        closefd=False,
    )


def prepare() -> None:
    """Import everything, and leave it be: what nobody writes to is shared."""
    sys.path[0] = str(Path(__file__).parent.parent)
    for name in IMPORTED:
        import_module(name)
    assert "twisted.internet.reactor" not in sys.modules  # each process has its own
    gc.collect()
    gc.freeze()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ends with those who ask
    prepare()
    become(*serve(socket.socket(fileno=int(sys.argv[1]))))
