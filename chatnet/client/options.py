"""What the command line says."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from getpass import getpass
from typing import NoReturn

from cryptography.x509 import load_pem_x509_certificates

from chatnet import __version__
from chatnet.client.dialogue import Identity
from chatnet.client.settings import BY_DEFAULT, Settings
from chatnet.client.trust import is_here
from chatnet.core.durations import parse_duration
from chatnet.core.names import person_name, room_name
from chatnet.core.refusals import BadName

_MORE = """\
At a terminal it takes the whole screen: type and press Enter; F1 shows the keys, /help lists the
commands, Tab completes, Ctrl-D leaves. That needs Textual (pip install 'chatnet[tui]'); without it,
or with --plain, there is a line to type in, and above it what happens.
With a pipe or a file as standard input every line is sent as a message (or obeyed, if it is a
/command), and when all is acknowledged the client ends: echo done | python -m chatnet.client ci

What is always the same can stand in ~/.config/chatnet/client.toml, a line each, like host =
"chat.example.org"; in the full-screen client /settings lists what there is, and changes it.

The link is encrypted with TLS unless the server is on this machine (localhost); with --tls it is
there too. A certificate is trusted if an authority that this system trusts vouches for it. If none
does, as where a server made its own, the first one that it shows is trusted: its fingerprint is
remembered in ~/.local/share/chatnet/known_servers, and any other one is refused.

exit status:
  0  all is well
  1  the server refused something
  2  the command line makes no sense
  3  the server cannot be reached
  4  a password is wrong or missing
  5  the name is taken
  6  the link was lost and did not come back within 60 seconds (not at a terminal)
  7  the server may be another one than it says: its certificate is not the one it had before, or
     not one that --ca trusts; nothing was sent to it
"""


@dataclass(frozen=True, slots=True)
class Server:
    """Which server, and who to be there."""

    host: str
    port: int
    tls: bool
    ca: str
    confides: bool  # passwords may be sent
    identity: Identity = field(repr=False)
    keys: str = ""  # the folder with the keys; empty: the user's own
    passphrase: str = field(default="", repr=False)  # of them; empty: they have a key file
    wait: float = 0.0  # seconds that are tried for a server that is not there


@dataclass(frozen=True, slots=True)
class Options:
    """What was asked for; ``history`` as for ``Join.replay``."""

    server: Server
    rooms: tuple[str, ...]
    history: int | None
    plain: bool
    log: str  # a file, or nothing
    settings: Settings


def ask_hidden(question: str) -> str:
    """Return what is typed at the terminal, unseen.

    Raises:
        OSError: there is no terminal. (``getpass`` alone would take it from standard input.)
    """
    os.close(os.open("/dev/tty", os.O_RDWR))
    try:
        return getpass(question)
    except KeyboardInterrupt:
        sys.stderr.write("\n")  # what comes next begins a line of its own
        raise


def parse(
    words: Sequence[str],
    terminal: bool,
    ask: Callable[[str], str] = ask_hidden,
    settings: Settings = BY_DEFAULT,
    name: str = "python -m chatnet.client",
) -> Options:
    """Return what ``words`` behind ``name`` say, and ``settings`` where they say nothing.

    Passwords that are missing are asked for with ``ask``, hidden. Without a ``terminal``, nothing
    of the past of a room is read unless that is said.

    Raises:
        SystemExit: they make no sense, or ask for help; all is said.
    """
    parser = _parser(name)
    given = parser.parse_args(words)
    plain = given.plain or settings.plain or not terminal
    try:
        asked = given.room or settings.rooms or ("lobby",)
        rooms = tuple(room_name(room).text for room in asked)
    except BadName as error:
        parser.error(str(error).rstrip("."))
    if plain and len(given.room) > 1:
        parser.error("there is one room at a time with --plain or a pipe")
    history = given.history if given.history is not None or terminal else 0
    server = server_of(parser, given, ask, settings)
    log = given.log or settings.log
    return Options(server, rooms[:1] if plain else rooms, history, plain, log, settings)


def server_of(
    parser: argparse.ArgumentParser,
    given: argparse.Namespace,
    ask: Callable[[str], str],
    settings: Settings,
) -> Server:
    """Return which server the options of ``add_server`` mean that were ``given``.

    Raises:
        SystemExit: they make no sense; all is said.
    """
    host, port = given.host or settings.host or "localhost", given.port or settings.port or 8888
    user = given.user or ("" if given.name else settings.user)
    guest = given.name or ("" if user else settings.name)
    file = given.password_file or (settings.password_file if user and not given.user else "")
    try:
        name = person_name(user or guest).text if user or guest else ""
    except BadName as error:
        parser.error(str(error).rstrip("."))
    if given.user and given.name:
        parser.error("an account has its own name: give --user or --name, not both")
    if file and not user:
        parser.error("--password-file goes with --user")
    if given.ca and given.tls is False:
        parser.error("give --ca or --no-tls, not both")
    here = is_here(host)
    tls = given.tls if given.tls is not None else bool(given.ca) or not here
    if given.ca:
        _check_ca(parser, given.ca)
    confides = tls or here or given.allow_plaintext_passwords
    if not confides and (user or given.server_password or given.server_password_file):
        parser.error(
            f"without TLS everyone on the way to {host} could read the password: leave"
            " --no-tls away, or add --allow-plaintext-passwords"
        )
    password = ""
    if file:
        password = _first_line(parser, file)
    elif user:
        password = _asked(parser, ask, f"Password of {name}: ")
    secret = given.server_password
    if given.server_password_file:
        secret = _first_line(parser, given.server_password_file)
    identity = Identity(name, password, secret)
    passphrase = ""
    if given.passphrase_file:
        passphrase = _first_line(parser, given.passphrase_file)
    elif given.passphrase:
        passphrase = _asked(parser, ask, "Passphrase of the keys on this machine: ")
    known = given.keys, passphrase, given.wait
    return Server(host, port, tls, given.ca, confides, identity, *known)


class Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{message}. See {self.prog} --help.\n")


def _parser(name: str) -> argparse.ArgumentParser:
    parser = Parser(
        prog=name,
        description="Talk in rooms of a chatnet server.",
        epilog=_MORE,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("room", nargs="*", metavar="ROOM", help="the room to enter, or several (lobby)")
    add("--history", type=_history, metavar="N", help="read the last N messages of the room, or"
        " all (at a terminal as many as the server likes, else 0)")  # fmt: skip
    add("--plain", action="store_true", help="the line mode also at a terminal")
    add("--log", default="", metavar="FILE", help="write what comes to the end of FILE (full"
        " screen)")  # fmt: skip
    add_server(parser)
    add("--version", action="version", version=f"chatnet {__version__}")
    return parser


def add_server(parser: argparse.ArgumentParser) -> None:
    """Let ``parser`` take the options that say which server, and who to be there."""
    add = parser.add_argument
    add("--host", default="", help="where the server is (localhost)")
    add("--port", type=_port, default=0, help="its TCP port (8888)")
    add("--wait", type=_seconds, default=0.0, metavar="TIME", help="try for so long (90s, 5m) if"
        " there is no server yet, as when a machine starts; else that ends it at once")  # fmt: skip
    add("--name", default="", help="what to be called as a guest (visitor- and four digits)")
    add("--user", default="", help="the account to be; its password is asked for")
    add("--password-file", metavar="FILE", help="the first line of FILE is that password")
    add("--server-password", default="", metavar="PASSWORD", help="the password of the server;"
        " others on this machine may see it: better use")  # fmt: skip
    add("--server-password-file", metavar="FILE", help="the first line of FILE is that password")
    add("--tls", action=argparse.BooleanOptionalAction, help="encrypt the link, or do not (it"
        " is encrypted unless the server is on this machine)")  # fmt: skip
    add("--ca", default="", metavar="FILE", help="encrypt it, and trust the authorities or the"
        " certificate in FILE alone (PEM)")  # fmt: skip
    add("--allow-plaintext-passwords", action="store_true", help="send passwords also where"
        " everyone on the way can read them")  # fmt: skip
    add("--keys", default="", metavar="FOLDER", help="where the keys for encrypted rooms lie"
        " (~/.local/share/chatnet/keys)")  # fmt: skip
    add("--passphrase", action="store_true", help="encrypt them under a passphrase, which is asked"
        " for each time, and not under a key file")  # fmt: skip
    add("--passphrase-file", metavar="FILE", help="the first line of FILE is that passphrase")


def _port(word: str) -> int:
    if not (word.isascii() and word.isdigit() and 1 <= int(word[:6]) <= 65535):
        raise argparse.ArgumentTypeError("a port is a number from 1 to 65535")
    return int(word)


def _seconds(word: str) -> float:
    seconds = float(word) if word.isascii() and word.isdigit() else parse_duration(word)
    if seconds is None:
        raise argparse.ArgumentTypeError("a time is like 90s, 5m or 1h")
    return seconds


def _history(word: str) -> int:
    if word == "all":
        return -1
    if not (word.isascii() and word.isdigit()):
        raise argparse.ArgumentTypeError("say how many messages, or all")
    return int(word[:9])


def _first_line(parser: argparse.ArgumentParser, path: str) -> str:
    try:
        with open(path, encoding="utf-8") as file:
            password = file.readline().rstrip("\r\n")
    except OSError as error:
        parser.error(f"cannot read {path}: {error.strerror}")
    except UnicodeDecodeError:
        parser.error(f"cannot read {path}: it is not UTF-8")
    if not password:
        parser.error(f"the first line of {path} is empty")
    return password


def _check_ca(parser: argparse.ArgumentParser, path: str) -> None:
    try:
        with open(path, "rb") as file:
            load_pem_x509_certificates(file.read())
    except OSError as error:
        parser.error(f"cannot read {path}: {error.strerror}")
    except ValueError:
        parser.error(f"there is no certificate in {path}, in PEM")


def _asked(parser: argparse.ArgumentParser, ask: Callable[[str], str], question: str) -> str:
    try:
        password = ask(question)
    except OSError:
        parser.error("--user needs --password-file where there is no terminal to ask at")
    except EOFError:
        password = ""
    if not password:
        parser.error("the password is empty")
    return password
