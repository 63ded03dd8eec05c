"""``chatnet``, or ``python -m chatnet``: what there is to start, by name."""

from __future__ import annotations

import sys

_USAGE = """\
usage: chatnet WHAT ...

  chatnet client [ROOM ...]        talk: the whole screen at a terminal, lines in a pipe
  chatnet send ROOM [TEXT ...]     say something, or what comes from standard input
  chatnet tail ROOM                print what is said, from where it was printed last
  chatnet admin [VERB ...]         the operators' console, and the care of stores

Each has a --help of its own. A server is started by twistd: twistd -n chatnet --help
"""


def main(words: list[str]) -> int:
    """Do what ``words`` say. Return the exit status."""
    what, rest = (words[0], words[1:]) if words else ("", [])
    match what:
        case "client":
            from chatnet.client.__main__ import main as client

            return client(rest, "chatnet client")
        case "send":
            from chatnet.client.sending import main as send

            return send(rest)
        case "tail":
            from chatnet.client.tailing import main as tail

            return tail(rest)
        case "admin":
            from chatnet.admin.__main__ import main as admin

            return admin(rest)
        case "--version":
            from chatnet import __version__

            sys.stdout.write(f"chatnet {__version__}\n")
            return 0
        case "-h" | "--help" | "help":
            sys.stdout.write(_USAGE)
            return 0
    problem = f"There is nothing called {what} to start.\n\n" if what else ""
    sys.stderr.write(problem + _USAGE)
    return 2


def entry() -> int:
    """Do what the command line says; the console script."""
    return main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(entry())
