"""Everything an operator can set."""

from __future__ import annotations

import os
import tomllib
from dataclasses import dataclass, field
from typing import Any

from chatnet.core.limits import Registration

ALL = -1  # as a number of messages to replay


@dataclass(frozen=True, slots=True)
class Settings:
    """One server's settings. Sizes are in bytes, times in seconds."""

    name: str = "chatnet"
    motd: str = ""
    listen: tuple[str, ...] = ("tcp:8888",)  # Twisted endpoint strings
    data: str = "chatnet-data"  # the folder of all that is kept
    store: str = field(default="sqlite:", repr=False)  # a URL, perhaps with a password
    password: str = field(default="", repr=False)  # asked for first; empty: none
    max_clients: int = 10_000
    max_message: int = 16 * 1024 * 1024  # 0: any length
    password_length: tuple[int, int] = (4, 128)  # characters
    replay: int = 50  # messages shown on joining, or ALL
    registration: Registration = Registration.OPEN
    transcript: bool = False
    stall_seconds: float = 600.0  # without progress, after which a reader is parted with
    tls: bool = True
    tls_cert: str = ""  # PEM file, with the chain; empty: the server makes its own
    tls_key: str = ""  # PEM file; empty: it is in that of the certificate
    tls_only: bool = False
    allow_plaintext_passwords: bool = False  # from other machines, without TLS
    origins: tuple[str, ...] = ()  # other sites whose pages may connect
    proxies: tuple[str, ...] = ()  # addresses and networks that may say for whom they speak
    metrics: tuple[str, ...] = ()  # and those, besides this machine, that may read /metrics
    budget: int = 256 * 1024 * 1024  # for large messages on their way, of everyone together
    store_password: str = field(default="", repr=False)  # for a URL without one
    password_seconds: float = 60.0  # to say the server's password
    stop_seconds: float = 5.0  # for the last words to reach everyone when the server stops
    retention: float = 0.0  # for which what is said is kept; 0: for good
    room_grace: float = 604_800.0  # for which a deleted room can be restored; 0: for good
    limits: tuple[tuple[str, str], ...] = ()  # changes to chatnet.core.limits.TABLE
    admin_socket: bool = True  # operators of this machine are heard, at a socket in the folder
    admin: tuple[str, ...] = ()  # endpoints where they are heard besides
    log_level: str = "info"  # and worse is kept in the log
    url: str = ""  # where people find the server with a browser; empty: where they connected
    journal: str = ""  # where messages are kept; empty: in the store
    sources: tuple[tuple[str, str], ...] = field(default=(), compare=False)  # "config" or "option"

    @property
    def forgets(self) -> bool:
        """Whether all is in memory alone, and gone when the server stops."""
        return self.store == "memory:" and not self.journal


def data_folder(named: str) -> str:
    """Return the path of the data folder that an operator named.

    Raises:
        ValueError: nothing was named; the sentence says what to do.
    """
    if not named.strip():
        raise ValueError("--data, or data in a file of options, is empty: name a folder")
    return os.path.abspath(named)


def read_options(path: str) -> dict[str, Any]:
    """Return what the TOML file ``path`` says.

    Raises:
        ValueError: it cannot be read; the sentence says why.
    """
    try:
        with open(path, "rb") as file:
            return tomllib.load(file)
    except OSError as error:
        raise ValueError(f"cannot read {path}: {error.strerror}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{path} is not TOML: it is not UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise ValueError(f"{path} is not TOML: {error}") from None
