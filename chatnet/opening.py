"""Where all is kept: the options that say so, and the stores that they name."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from twisted.python import usage

from chatnet.folder import CannotStart
from chatnet.settings import Settings
from chatnet.stores.memory import MemoryStore
from chatnet.stores.sqlite import SqliteStore

_DEFAULTS = Settings()

Store = MemoryStore | SqliteStore


class StoreOptions(usage.Options):
    """What every program of chatnet takes that opens a store."""

    optParameters: ClassVar[list[list[str | None]]] = [
        ["data", "d", _DEFAULTS.data, "folder for all that is kept; made if it is not there"],
        ["store", "s", _DEFAULTS.store, "sqlite:, sqlite:FILE or memory: (forgets at the end)"],
        ["config", "c", "", "TOML file with these options; the command line wins"],
    ]
    optFlags: ClassVar[list[list[str | None]]] = []
    lists: ClassVar[Mapping[str, str]] = {}  # options that may be repeated, and what they list

    def data(self) -> str:
        """Return the folder of all that is kept."""
        data: str = self["data"]
        return os.path.abspath(data)

    def store(self) -> str:
        """Return which store it is.

        Raises:
            usage.UsageError: there is none of that name.
        """
        store: str = self["store"]
        scheme = store.partition(":")[0]
        if ":" not in store or scheme not in ("sqlite", "memory"):
            raise usage.UsageError(f"--store is sqlite:, sqlite:FILE or memory:, not {store}")
        if scheme == "memory" and store != "memory:":
            raise usage.UsageError("--store memory: takes no file")
        return store

    def read_config(self, words: list[str]) -> None:
        """Take what the file says that ``words`` name, if they do.

        Raises:
            usage.UsageError: it makes no sense; the sentence says what.
        """
        first = type(self)()
        first.postOptions = lambda: None  # type: ignore[method-assign]
        usage.Options.parseOptions(first, words)  # however --config is written
        path = first["config"]
        if not path:
            return
        try:
            with open(path, "rb") as file:
                config = tomllib.load(file)
        except OSError as error:
            raise usage.UsageError(f"cannot read {path}: {error.strerror}") from None
        except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
            raise usage.UsageError(f"{path} is not TOML: {error}") from None
        for key, value in config.items():
            self.take(path, key, value)

    def take(self, path: str, key: str, value: Any) -> None:
        """Take ``value``, which the file at ``path`` gives to the option ``key``.

        Raises:
            usage.UsageError: it makes no sense.
        """
        if key == "config" or key not in self:
            raise usage.UsageError(f"{path}: there is no option {key}")
        if key in self.lists:
            values = [value] if isinstance(value, str) else value
            if not isinstance(values, list) or not all(isinstance(v, str) for v in values):
                raise usage.UsageError(f"{path}: {key} is a list of {self.lists[key]}")
            self[key] = values
        elif key in (flag for flag, *_ in self.optFlags):
            if not isinstance(value, bool):
                raise usage.UsageError(f"{path}: {key} is true or false")
            self[key] = value
        elif isinstance(value, str | int) and not isinstance(value, bool):
            self[key] = str(value)
        else:
            raise usage.UsageError(f"{path}: {key} is text or a number")


@dataclass(frozen=True, slots=True)
class Stores:
    """What is kept: ``accounts``, and in ``log`` all else. Often they are one."""

    log: Store
    accounts: Store

    def close(self) -> None:
        """Let go of what is held."""
        for store in dict.fromkeys((self.log, self.accounts)):
            store.close()


def files_of(settings: Settings) -> list[Path]:
    """Return the files that all is kept in, as far as they are on this machine."""
    scheme, _, name = settings.store.partition(":")
    return [Path(settings.data, name or "chatnet.db")] if scheme == "sqlite" else []


def open_stores(settings: Settings) -> tuple[Stores, Stores]:
    """Return the stores to write to, and the same to read from on another thread.

    Raises:
        CannotStart: one cannot be opened.
    """
    if settings.store == "memory:":
        memory = MemoryStore()
        one = Stores(memory, memory)
        return one, one
    return open_once(settings, True), open_once(settings, False)


def open_once(settings: Settings, writes: bool) -> Stores:
    """Return the stores; without ``writes`` they are only read, and a server may have them too.

    Raises:
        CannotStart: one cannot be opened.
    """
    (path,) = files_of(settings)
    try:
        store = SqliteStore(str(path))
    except Exception as error:
        raise CannotStart(f"chatnet: cannot open the store {path}: {error}") from None
    return Stores(store, store)
