"""What the command line of the operator's console says."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NoReturn

from chatnet import __version__
from chatnet.admin.calling import Where
from chatnet.admin.places import socket_in
from chatnet.admin.verbs import BY_THEMSELVES, help_text
from chatnet.client.options import ask_hidden
from chatnet.settings import Settings, data_folder, read_options

USAGE = 2  # the exit status of what makes no sense
_MORE = """\
Without a VERB, a console opens: help lists the verbs there too, Tab completes, Ctrl-D leaves.
From a pipe, each line is a VERB; the exit status is that of the first one that is not done.

{verbs}

exit status:
  0  it is done
  1  the server refused it; the reason is on standard error
  2  the command line makes no sense
  3  no server was reached
"""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the command line asks for; no ``words``: a console."""

    where: Where
    json: bool
    words: Sequence[str]


class _Parser(argparse.ArgumentParser):
    """Says what is wrong in one line."""

    def error(self, message: str) -> NoReturn:
        self.exit(USAGE, f"chatnet: {message}. See {self.prog} --help.\n")


def parse(words: Sequence[str]) -> Asked:
    """Return what ``words`` ask for.

    Raises:
        SystemExit: they make no sense, or ask for help; all is said.
    """
    parser = _parser()
    ours, rest = _split(words)
    given = parser.parse_args(ours)
    where = _where(parser, given)
    return Asked(where, given.json, rest)


def by_itself(words: Sequence[str]) -> list[str]:
    """Return ``words``, what they do first, if that needs no server; else nothing."""
    ours, rest = _split(words)
    if words and words[0] in BY_THEMSELVES:
        return list(words)
    needs_none = bool(rest) and rest[0] in BY_THEMSELVES
    return [rest[0], *ours, *rest[1:]] if needs_none else []


def _parser() -> _Parser:
    parser = _Parser(
        prog="python -m chatnet.admin",
        usage="python -m chatnet.admin [options] [VERB ...]",
        description="Look after a chatnet server that runs.",
        epilog=_MORE.format(verbs=help_text()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = parser.add_argument
    add("--data", "-d", metavar="DIR", help="the server's data folder, where its socket"
        f" is ({Settings().data})")  # fmt: skip
    add("--config", "-c", default="", metavar="FILE", help="the server's TOML file, which names it")
    add("--connect", default="", metavar="WHERE", help="HOST:PORT, over TLS, or unix:FILE: what the"
        " server was given as --admin")  # fmt: skip
    add("--user", default="", metavar="NAME", help="the account to be there; its password is asked"
        " for")  # fmt: skip
    add("--password-file", default="", metavar="FILE", help="the first line of FILE is that"
        " password")  # fmt: skip
    add("--ca", default="", metavar="FILE", help="trust the authorities or the certificate in FILE"
        " alone (PEM)")  # fmt: skip
    add("--json", action="store_true", help="print an object of JSON a line")
    add("--version", action="version", version=f"chatnet {__version__}")
    return parser


def _split(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the words that are ours, wherever they stand before a ``--``, and the verb's."""
    valued = {"--data", "-d", "--config", "-c", "--connect", "--user", "--password-file", "--ca"}
    flags = {"--json", "--version"}
    ours: list[str] = []
    rest: list[str] = []
    left = list(words)
    while left:
        word = left.pop(0)
        name, equals, _ = word.partition("=")
        if word == "--":
            rest += left
            break
        if word in flags or (word in ("--help", "-h") and not rest):
            ours.append(word)
        elif name in valued:
            ours += [word] if equals else [word, *left[:1]]
            left = left if equals else left[1:]
        elif word.startswith("-") and len(word) > 1 and not rest:
            ours.append(word)  # which argparse says is none
        else:
            rest.append(word)
    return ours, rest


def _where(parser: _Parser, given: argparse.Namespace) -> Where:
    if not given.connect:
        if given.user or given.ca or given.password_file:
            parser.error("--user, --password-file and --ca go with --connect HOST:PORT")
        return Where(socket_in(_data(parser, given)))
    kind, _, rest = given.connect.partition(":")
    if kind == "unix":
        return Where(os.path.abspath(rest))
    host, colon, port = given.connect.removeprefix("tcp:").rpartition(":")
    if not (colon and host and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536):
        parser.error(f"--connect is HOST:PORT or unix:FILE, not {given.connect}")
    if not given.user:
        parser.error("--connect HOST:PORT takes --user NAME: an account of the server's staff")
    password = _password(parser, given)
    return Where("", host.strip("[]"), int(port), given.ca, given.user, password)


def _data(parser: _Parser, given: argparse.Namespace) -> str:
    try:
        options = read_options(given.config) if given.config and given.data is None else {}
        named = options.get("data", Settings().data) if given.data is None else given.data
        return data_folder(str(named))
    except ValueError as error:
        parser.error(str(error))


def _password(parser: _Parser, given: argparse.Namespace) -> str:
    if given.password_file:
        try:
            with open(given.password_file, encoding="utf-8") as file:
                return file.readline().rstrip("\r\n")
        except (OSError, UnicodeDecodeError) as error:
            parser.error(f"cannot read {given.password_file}: {error}")
    return secret(f"Password of {given.user}: ")


def _first_line() -> str:
    """Return the first line of standard input, and read no further: verbs may follow."""
    line = bytearray()
    while (byte := os.read(0, 1)) not in (b"", b"\n"):
        line += byte
    return line.decode(errors="replace").rstrip("\r")


def secret(question: str) -> str:
    """Return a password that is typed unseen, or, without a terminal, standard input's first line.

    Raises:
        SystemExit: there is none.
    """
    try:
        terminal = sys.stdin is not None and sys.stdin.isatty()
        return ask_hidden(question) if terminal else _first_line()
    except (OSError, EOFError):
        sys.stderr.write("chatnet: there is nobody to ask for the password.\n")
        raise SystemExit(USAGE) from None
