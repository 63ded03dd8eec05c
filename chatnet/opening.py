"""Where all is kept: the options that say so, and the stores that they name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, TypeAlias

from twisted.python import usage

from chatnet.folder import CannotStart
from chatnet.settings import Settings, data_folder, read_options
from chatnet.stores.files import FilesStore
from chatnet.stores.memory import MemoryStore

if TYPE_CHECKING:
    from chatnet.stores.sql import SqlStore

Store: TypeAlias = "MemoryStore | SqlStore | FilesStore"

_DEFAULTS = Settings()
_STORES = (
    "sqlite:, sqlite:FILE, files:DIR, mysql+pymysql://..., postgresql+psycopg://... or memory:"
)
_SERVERS = ("mysql+pymysql", "postgresql+psycopg")
_NAMES = {"sqlite": "chatnet.db", "files": "chatnet.files"}  # of what is in the data folder


class StoreOptions(usage.Options):
    """What every program of chatnet takes that opens a store."""

    optParameters: ClassVar[list[list[str | None]]] = [
        ["data", "d", _DEFAULTS.data, "folder for all that is kept; made if it is not there"],
        ["store", "s", _DEFAULTS.store, f"{_STORES} (memory: forgets at the end)"],
        ["journal", "j", "", "files:DIR, for messages alone; what else there is goes to --store"],
        ["store-password-file", None, "", "a file whose first line is the database's password"],
        ["config", "c", "", "TOML file with these options; the command line wins"],
    ]
    optFlags: ClassVar[list[list[str | None]]] = []
    lists: ClassVar[Mapping[str, str]] = {}  # options that may be repeated, and what they list

    def __init__(self) -> None:
        super().__init__()
        # What --help shows: no gaps where the source has a new line, no default that is nothing.
        self.docs = {name: " ".join(doc.split()) for name, doc in self.docs.items()}
        self.defaults = {name: value or None for name, value in self.defaults.items()}

    def where(self) -> Settings:
        """Return the settings that say where all is kept.

        Raises:
            usage.UsageError: they make no sense; the sentence says what.
        """
        try:
            data = data_folder(self["data"])
        except ValueError as error:
            raise usage.UsageError(str(error)) from None
        return Settings(
            data=data,
            store=self._store(),
            journal=self._journal(),
            store_password=self.first_line("store-password-file"),
        )

    def read_config(self, words: list[str]) -> list[str]:
        """Take what the file says that ``words`` name, if they do; return what is wrong with it.

        Raises:
            usage.UsageError: it cannot be read at all; the sentence says why.
        """
        first = type(self)()
        first.postOptions = lambda: None  # type: ignore[method-assign]
        usage.Options.parseOptions(first, words)  # however --config is written
        path = first["config"]
        if not path:
            return []
        try:
            config = read_options(path)
        except ValueError as error:
            raise usage.UsageError(str(error)) from None
        faults = []
        for key, value in config.items():
            try:
                self.take(path, key, value)
            except usage.UsageError as error:
                faults.append(str(error))
        return faults

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

    def first_line(self, option: str) -> str:
        """Return the first line of the file that ``option`` names, or an empty string.

        Raises:
            usage.UsageError: it cannot be read, or is empty.
        """
        path: str = self[option]
        if not path:
            return ""
        try:
            lines = Path(path).read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise usage.UsageError(f"cannot read {path}: {reason}") from None
        if not lines or not lines[0].strip():
            raise usage.UsageError(f"the first line of {path} is empty")
        return lines[0].strip()

    def _store(self) -> str:
        store: str = self["store"]
        scheme, colon, rest = store.partition(":")
        if not colon or scheme not in (*_NAMES, "memory", *_SERVERS):
            raise usage.UsageError(f"--store is {_STORES}, not {scheme}{colon}")
        if scheme == "memory" and rest:
            raise usage.UsageError("--store memory: takes no file")
        if scheme in _SERVERS and not rest.startswith("//"):
            raise usage.UsageError(f"--store is like {scheme}://USER@HOST/DATABASE")
        if self["store-password-file"] and scheme not in _SERVERS:
            raise usage.UsageError("--store-password-file is for a --store on a database server")
        return store

    def _journal(self) -> str:
        journal: str = self["journal"]
        if journal and not journal.startswith("files:"):
            raise usage.UsageError(f"--journal is files:DIR, not {journal}")
        return "" if journal == self["store"] else journal


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
    """Return the files and folders that all is kept in, as far as they are on this machine."""
    paths = (_path_of(settings, url) for url in (settings.journal, settings.store))
    return [path for path in paths if path is not None]


def open_stores(
    settings: Settings, notice: Callable[[str], object] = lambda _: None
) -> tuple[Stores, Stores]:
    """Return the stores to write to, and the same to read from on another thread.

    ``notice`` hears a sentence on what is not as it should be and was put right, and on what will
    not be kept.

    Raises:
        CannotStart: one cannot be opened.
    """
    if settings.store != "memory:":
        return open_once(settings, True, notice), open_once(settings, False)
    memory = MemoryStore()
    one = Stores(memory, memory)
    if settings.forgets:
        notice("--store memory: keeps nothing: all is forgotten when the server stops")
        return one, one
    log, reads = (_open(settings, settings.journal, writes, notice) for writes in (True, False))
    notice("--store memory: keeps no accounts: they are forgotten when the server stops")
    return Stores(log, memory), Stores(reads, memory)


def open_once(
    settings: Settings, writes: bool, notice: Callable[[str], object] = lambda _: None
) -> Stores:
    """Return the stores; without ``writes`` they are only read, and a server may have them too.

    Raises:
        CannotStart: one cannot be opened.
    """
    accounts = _open(settings, settings.store, writes, notice)
    if not settings.journal:
        return Stores(accounts, accounts)
    return Stores(_open(settings, settings.journal, writes, notice), accounts)


def _path_of(settings: Settings, url: str) -> Path | None:
    """Return where ``url`` keeps what is kept, if that is on this machine."""
    scheme, _, name = url.partition(":")
    return Path(settings.data, name or _NAMES[scheme]) if scheme in _NAMES else None


def _open(
    settings: Settings, url: str, writes: bool, notice: Callable[[str], object]
) -> SqlStore | FilesStore:
    scheme, path = url.partition(":")[0], _path_of(settings, url)
    shown = str(path or scheme)
    try:
        if scheme == "files":
            return FilesStore(str(path), writes, notice)
        # SQLAlchemy takes its time to import: who does not need it need not wait.
        from chatnet.stores.databases import Sqlite, server
        from chatnet.stores.sql import SqlStore

        database = Sqlite(str(path)) if path else server(url, settings.store_password)
        shown = str(path or database.shown)
        return SqlStore(database)
    except OSError as error:
        where = shown if error.filename in (None, shown) else f"{shown}: {error.filename}"
        hint = ". Is its folder there?" if isinstance(error, FileNotFoundError) else ""
        raise CannotStart(
            f"chatnet: cannot open the store {where}: {error.strerror or error}{hint}"
        ) from None
    except Exception as error:
        raise CannotStart(f"chatnet: cannot open the store {shown}: {error}") from None
