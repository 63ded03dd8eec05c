"""Private database servers, each in a folder and on a port of its own; the machine's stay alone.

Everything here blocks. A test that has a reactor to run calls it in a thread.
"""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress as ignoring
from glob import glob
from pathlib import Path
from typing import ClassVar

START_SECONDS = 60.0  # after a kill it recovers first
STOP_SECONDS = 60.0
_POLL_SECONDS = 0.05
_FOLDERS = ("/usr/sbin", "/usr/local/sbin", "/usr/lib/postgresql/*/bin", "/usr/pgsql-*/bin")
_UNCHANGED = -1  # a file's group


def program(*names: str) -> str:
    """Return the path of the first of ``names`` that is installed, or ``""``."""
    for name in names:
        if found := shutil.which(name):
            return found
        for pattern in _FOLDERS:
            if paths := sorted(glob(f"{pattern}/{name}")):
                return paths[-1]  # of the newest release
    return ""


class DatabaseServer:
    """One server with one empty database, ``chatnet``, to begin with.

    ``scheme`` begins its URLs, ``account`` is whom it runs as if this is root, and each of
    ``programs`` is something it needs, under all its names.
    """

    scheme: ClassVar[str]
    owner: ClassVar[str]  # the database's user, who needs no password
    account: ClassVar[str]
    programs: ClassVar[Mapping[str, tuple[str, ...]]]
    ready: ClassVar[str]  # what it logs once it may be asked

    def __init__(self) -> None:
        """Make the folder and what a server needs to begin.

        Raises:
            FileNotFoundError: a program is missing; the sentence says which.
        """
        if missing := self.missing():
            raise FileNotFoundError(missing)
        self._paths = {name: program(*names) for name, names in self.programs.items()}
        self._user, self._group = self._account()
        self.folder = Path(tempfile.mkdtemp(prefix="chatnet-db-"))
        self.port = _free_port()
        self._log = self.folder / "log"
        self._process: subprocess.Popen[bytes] | None = None
        if self._user is not None:
            os.chown(self.folder, self._user, _UNCHANGED)
        self._install()

    @classmethod
    def missing(cls) -> str:
        """Return what to tell someone on whose machine it cannot run, or ``""``."""
        names = [names[0] for names in cls.programs.values() if not program(*names)]
        return f"{cls.__name__} needs {', '.join(names)}, not installed here" if names else ""

    def url(self, database: str = "chatnet") -> str:
        return f"{self.scheme}://{self.owner}@127.0.0.1:{self.port}/{database}"

    @property
    def running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    # -- its life ------------------------------------------------------------------

    def start(self) -> None:
        """Start it, and wait until it answers."""
        seen = self._log.stat().st_size if self._log.exists() else 0
        with open(self._log, "ab") as log:
            self._process = subprocess.Popen(
                self._command(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd=self.folder,
                user=self._user,
                group=self._group,
            )
        deadline = time.monotonic() + START_SECONDS
        while self.ready not in self._log.read_text(errors="replace")[seen:]:
            if not self.running or time.monotonic() > deadline:
                log_text = self._log.read_text(errors="replace")
                self.kill()
                raise RuntimeError(f"{type(self).__name__} does not start:\n{log_text}")
            time.sleep(_POLL_SECONDS)

    def stop(self) -> None:
        """Stop it as an operator does, whoever is connected, and wait until it has."""
        self._end(self._stop_signal())

    def kill(self) -> None:
        """End it, and whatever it started, without any warning."""
        self._end(signal.SIGKILL)

    def restart(self, killed: bool = False, away: float = 0.0) -> None:
        """Stop or kill it, and start it again after ``away`` seconds, on the same port."""
        if killed:
            self.kill()
        else:
            self.stop()
        time.sleep(away)
        self.start()

    def remove(self) -> None:
        """End it for good, with all it kept."""
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def make(self, database: str) -> str:
        """Make an empty database in the running server; return its URL."""
        self._execute(f"CREATE DATABASE {database}")
        return self.url(database)

    def drop(self, database: str) -> None:
        """Drop what ``make`` made."""
        self._execute(f"DROP DATABASE {database}")

    # -- for each kind -------------------------------------------------------------

    def _install(self) -> None:
        raise NotImplementedError

    def _command(self) -> Sequence[str]:
        raise NotImplementedError

    def _execute(self, statement: str) -> None:
        raise NotImplementedError

    def _stop_signal(self) -> int:
        return signal.SIGTERM

    # -- processes -----------------------------------------------------------------

    def _end(self, number: int) -> None:
        if self._process is None:
            return
        children = _children(self._process.pid) if number == signal.SIGKILL else []
        self._process.send_signal(number)
        for child in children:
            with ignoring(ProcessLookupError):
                os.kill(child, number)
        try:
            self._process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            raise

    def _does(self, *command: str) -> None:
        """Run ``command`` to its end."""
        done = subprocess.run(
            command,
            capture_output=True,
            timeout=START_SECONDS,
            check=False,
            cwd=self.folder,
            user=self._user,
            group=self._group,
        )
        if done.returncode:
            raise RuntimeError(f"{command}: {(done.stdout + done.stderr).decode()}")

    def _account(self) -> tuple[int | None, int | None]:
        """Return the user and group it runs as, if they are not those of this process."""
        if os.geteuid() != 0:
            return None, None
        entry = pwd.getpwnam(self.account)
        return entry.pw_uid, entry.pw_gid


class MariaDB(DatabaseServer):
    """MariaDB, with messages of any size."""

    scheme = "mysql+pymysql"
    owner = "root"
    account = "mysql"
    programs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "server": ("mariadbd", "mysqld"),
        "install": ("mariadb-install-db", "mysql_install_db"),
        "client": ("mariadb", "mysql"),
    }
    ready = "ready for connections"

    def _install(self) -> None:
        temporary = self.folder / "tmp"
        temporary.mkdir()
        if self._user is not None:
            os.chown(temporary, self._user, _UNCHANGED)
        self._does(
            self._paths["install"],
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            self._temporary(),
            "--auth-root-authentication-method=normal",
            "--skip-test-db",
        )
        (self.folder / "first.sql").write_text("CREATE DATABASE IF NOT EXISTS chatnet;\n")

    def _command(self) -> Sequence[str]:
        return (
            self._paths["server"],
            "--no-defaults",
            f"--datadir={self.folder / 'data'}",
            self._temporary(),
            f"--socket={self.folder / 'socket'}",
            f"--pid-file={self.folder / 'pid'}",
            f"--init-file={self.folder / 'first.sql'}",
            f"--port={self.port}",
            "--bind-address=127.0.0.1",
            "--max-allowed-packet=1G",
            "--innodb-buffer-pool-size=64M",
            "--skip-log-bin",
        )

    def _temporary(self) -> str:
        """Return the option for its temporary files: a server that starts deletes all it finds."""
        return f"--tmpdir={self.folder / 'tmp'}"

    def _execute(self, statement: str) -> None:
        socket_option = f"--socket={self.folder / 'socket'}"
        client = (self._paths["client"], "--no-defaults", socket_option, f"--user={self.owner}")
        self._does(*client, f"--execute={statement}")


class PostgreSQL(DatabaseServer):
    """PostgreSQL, which refuses to run as root."""

    scheme = "postgresql+psycopg"
    owner = "postgres"
    account = "postgres"
    programs: ClassVar[Mapping[str, tuple[str, ...]]] = {
        "server": ("postgres",),
        "install": ("initdb",),
        "client": ("psql",),
    }
    ready = "database system is ready to accept connections"

    def _install(self) -> None:
        self._does(
            self._paths["install"],
            f"--pgdata={self.folder / 'data'}",
            "--auth=trust",
            f"--username={self.owner}",
            "--encoding=UTF8",
            "--locale=C",
            "--no-sync",
        )

    def start(self) -> None:
        first = self._process is None
        super().start()
        if first:
            self.make("chatnet")

    def _command(self) -> Sequence[str]:
        return (
            self._paths["server"],
            "-D",
            str(self.folder / "data"),
            "-p",
            str(self.port),
            "-c",
            "listen_addresses=127.0.0.1",
            "-c",
            f"unix_socket_directories={self.folder}",
        )

    def _stop_signal(self) -> int:
        return signal.SIGINT  # "fast": does not wait until everybody has gone

    def _execute(self, statement: str) -> None:
        client = (self._paths["client"], "--no-psqlrc", f"--host={self.folder}")
        who = (f"--port={self.port}", f"--username={self.owner}", "--dbname=postgres")
        self._does(*client, *who, f"--command={statement}")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _children(pid: int) -> list[int]:
    with ignoring(OSError):
        return [int(word) for word in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return []
