"""What a person wants of the client by default: a file of TOML at the platform's place."""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

from platformdirs import user_config_path, user_log_path, user_state_path

from chatnet.wires.certificates import keep

Value = str | int | bool | list[str]


class BadSettings(Exception):
    """The settings make no sense; the sentence says what is wrong, and where."""


@dataclass(frozen=True, slots=True)
class Settings:
    """The settings, each of them with what it is if the file says nothing."""

    host: str = ""  # where the server is
    port: int = 0  # its TCP port
    name: str = ""  # what to be called as a guest
    user: str = ""  # the account to be
    password_file: str = ""  # whose first line is its password
    rooms: tuple[str, ...] = ()  # to enter at the start
    plain: bool = False  # the line mode, always
    theme: str = "textual-dark"  # the colours
    notify: str = "bell"  # when one is meant: bell, title, both, none
    highlight: tuple[str, ...] = ()  # words that mean one, besides one's name
    joins: bool = True  # show who comes and goes
    times: str = "%H:%M"  # before each message, as for strftime
    log: str = ""  # the file that what comes is written to


BY_DEFAULT = Settings()
_NOTIFY = ("bell", "title", "both", "none")
_NAMES = {field.name: field for field in fields(Settings)}


def settings_path() -> Path:
    """Return where the settings are."""
    return Path(user_config_path("chatnet"), "client.toml")


def state_path(name: str) -> Path:
    """Return where the client keeps what it called ``name`` for the next time."""
    return Path(user_state_path("chatnet"), name)


def log_path(place: str) -> Path:
    """Return where the log of what is said at ``place`` is, if nobody says another one."""
    name = re.sub(r"[^\w.-]+", "-", place)
    return Path(user_log_path("chatnet"), f"{name}.log")


def read_settings(path: Path) -> Settings:
    """Return what the file at ``path`` says; without one, what is so by default.

    Raises:
        BadSettings: it cannot be read, or says what makes no sense.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        return Settings()
    except OSError as error:
        raise BadSettings(f"Cannot read {path}: {error.strerror}.") from error
    except UnicodeDecodeError as error:
        raise BadSettings(f"Cannot read {path}: it is not UTF-8.") from error
    try:
        return understood(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise BadSettings(f"{path} is not TOML: {error}.") from error
    except BadSettings as error:
        raise BadSettings(f"{path}: {error}") from error


def understood(given: Mapping[str, Any]) -> Settings:
    """Return ``given`` as settings.

    Raises:
        BadSettings: there is no such setting, or it cannot have that value.
    """
    values: dict[str, Any] = {}
    for name, value in given.items():
        if name not in _NAMES:
            raise BadSettings(f"There is no setting {name}. There are: {', '.join(_NAMES)}.")
        default = getattr(BY_DEFAULT, name)
        if isinstance(default, tuple):
            if not (isinstance(value, list) and all(isinstance(one, str) for one in value)):
                raise BadSettings(f'{name} is a list of words, like ["tea", "lobby"].')
            value = tuple(value)
        elif type(value) is not type(default):
            what = {bool: "true or false", int: "a number", str: 'text, like "this"'}
            raise BadSettings(f"{name} is {what[type(default)]}.")
        values[name] = value
    settings = Settings(**values)
    if settings.notify not in _NOTIFY:
        raise BadSettings(f"notify is one of {', '.join(_NOTIFY)}.")
    if not 0 <= settings.port <= 65535:
        raise BadSettings("port is a number from 1 to 65535.")
    return settings


def change(path: Path, name: str, word: str) -> Settings:
    """Let the setting ``name`` in the file at ``path`` be what ``word`` says. Return them all.

    Raises:
        BadSettings: that makes no sense, or cannot be written.
    """
    read_settings(path)
    try:
        text = path.read_text(encoding="utf-8")
    except (FileNotFoundError, NotADirectoryError):
        text = ""
    changed = put(text, name, _value(name, word))
    settings = understood(tomllib.loads(changed))
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        keep(path, changed.encode())
    except OSError as error:
        raise BadSettings(f"Cannot write {path}: {error.strerror}.") from error
    return settings


def listed(settings: Settings) -> list[str]:
    """Return ``settings`` as they stand in the file, a line each."""
    values = ((name, getattr(settings, name)) for name in _NAMES)
    return [f"{n} = {_spelled(list(v) if isinstance(v, tuple) else v)}" for n, v in values]


def put(text: str, name: str, value: Value) -> str:
    """Return ``text``, which is TOML, with ``name`` being ``value``, and all else as it was.

    Raises:
        BadSettings: what is there spans several lines, or the like: a person must change it.
    """
    line = f"{name} = {_spelled(value)}"
    before = tomllib.loads(text)
    lines = text.removesuffix("\n").split("\n") if text else []
    places = [i for i, one in enumerate(lines) if re.match(rf"\s*{name}\s*=", one)]
    if places:
        lines[places[0]] = line
    else:
        lines.append(line)
    changed = "\n".join(lines) + "\n"
    try:
        if tomllib.loads(changed) == {**before, name: value}:
            return changed
    except tomllib.TOMLDecodeError:
        pass
    raise BadSettings(
        f"Change {name} in the file yourself: it is written there in a way of its own."
    )


def _value(name: str, word: str) -> Value:
    if name not in _NAMES:
        raise BadSettings(f"There is no setting {name}. There are: {', '.join(_NAMES)}.")
    match getattr(BY_DEFAULT, name):
        case bool():
            if word.lower() not in ("on", "off", "true", "false"):
                raise BadSettings(f"{name} is on or off.")
            return word.lower() in ("on", "true")
        case int():
            if not (word.isascii() and word.isdigit() and len(word) < 6):
                raise BadSettings(f"{name} is a number.")
            return int(word)
        case tuple():
            return word.split()
        case _:
            return word


def _spelled(value: Value) -> str:
    spelled = json.dumps(value, ensure_ascii=False)
    return spelled.replace("\x7f", "\\u007f")
