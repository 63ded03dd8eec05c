"""What is measured with, and the peers: built and fetched into ``build/benchmarks``, once.

The peers come out of Debian's packages without being installed: it takes neither root nor a
service that starts by itself. miniircd comes from PyPI, twisted.words with Twisted.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
BUILT = HERE.parent / "build" / "benchmarks"
PACKAGES = ("ngircd", "inspircd", "libident")  # libident is what ngIRCd needs besides
_MACHINE = "x86_64-linux-gnu"
_PEERS = {
    "ngircd": "debian/usr/sbin/ngircd",
    "inspircd": "debian/usr/sbin/inspircd",
    "inspircd-modules": "debian/usr/lib/inspircd/modules",
    "miniircd": "python/miniircd.py",
}


def built(name: str) -> Path:
    """Return the program made of ``name.c``, as it is now."""
    source, program = HERE / f"{name}.c", BUILT / name
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        BUILT.mkdir(parents=True, exist_ok=True)
        made = program.with_suffix(f".{os.getpid()}")  # others may be building it as well
        subprocess.run(["cc", "-O2", "-Wall", "-Wextra", "-Werror", "-o", made, source], check=True)
        made.replace(program)
    return program


def peer(name: str) -> Path:
    """Return where the peer's ``name`` is, which is fetched if it is not there."""
    path = BUILT / _PEERS[name]
    if not path.exists():
        fetch()
    return path


def fetch() -> None:
    """Fetch the peers."""
    debian, python = BUILT / "debian", BUILT / "python"
    debian.mkdir(parents=True, exist_ok=True)
    subprocess.run(["apt-get", "download", "-qq", *PACKAGES], cwd=debian, check=True)
    for package in debian.glob("*.deb"):
        subprocess.run(["dpkg", "-x", package, debian], check=True)
    subprocess.run(
        [sys.executable, "-m", "pip", "install", "-q", "--no-deps", "--target", python, "miniircd"],
        check=True,
    )


def environment() -> dict[str, str]:
    """Return the environment in which what was fetched finds its libraries."""
    library = BUILT / "debian" / "usr" / "lib" / _MACHINE
    return os.environ | {"LD_LIBRARY_PATH": str(library), "PYTHONPATH": str(HERE.parent)}


def first_in_line() -> bool:
    """Let this process and all that it starts run before whatever else there is to do.

    Else a crowd that has to wait for a core is not woken for each message, which is what a send
    costs most for, and everybody looks cheap. Return whether that is allowed: it takes root.
    """
    try:
        os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1))
    except PermissionError:
        return False
    return True
