"""``python -m chatnet.client``: talk at a terminal, or pipe lines."""

from __future__ import annotations

import asyncio
import io
import os
import sys
from importlib.util import find_spec
from typing import Any

from chatnet.client.exits import INTERRUPTED, Exit
from chatnet.client.link import Link
from chatnet.client.options import Options, parse
from chatnet.client.plain import PATIENCE_SECONDS, Plain, Printer
from chatnet.client.running import Face, open_standard_descriptors, run_face, tell_bugs
from chatnet.client.settings import BadSettings, read_settings, settings_path
from chatnet.client.transfers import Transfers

_NO_SCREEN = (
    "The full-screen client needs Textual: pip install 'chatnet[tui]'. This is the line mode, which"
    " --plain asks for without this sentence."
)

_DUMB = ("dumb", "unknown")  # what a terminal says that can only print lines


def main(words: list[str], name: str = "python -m chatnet.client") -> int:
    """Do what ``words``, the command line behind ``name``, say. Return the exit status."""
    open_standard_descriptors()
    terminal = os.isatty(0) and os.isatty(1)
    try:
        options = parse(words, terminal, settings=read_settings(settings_path()), name=name)
    except BadSettings as error:
        Printer(2)(f"{error} Mend it, or move it away.")
        return Exit.USAGE
    except KeyboardInterrupt:
        return INTERRUPTED
    if terminal:
        from twisted.internet import asyncioreactor

        asyncioreactor.install(asyncio.new_event_loop())
        for stream in (sys.stdout, sys.stderr):
            if isinstance(stream, io.TextIOWrapper):
                stream.reconfigure(errors="replace")
    patience = None if terminal else PATIENCE_SECONDS
    return run_face(
        options.server,
        options.rooms,
        options.history,
        patience,
        lambda link, transfers, reactor: _face(link, transfers, options, terminal, reactor),
        "terminal" if terminal else "pipe",
        piped=not terminal,
    )


def _face(link: Link, transfers: Transfers, options: Options, terminal: bool, reactor: Any) -> Face:
    """Return what to talk with over ``link``. What is a bug is told there."""
    say = Printer(2)
    if not terminal:
        tell_bugs(say)
        return Plain(link, Printer(1), say, transfers)
    whole = not options.plain and os.environ.get("TERM") not in _DUMB
    if whole and not find_spec("textual"):
        say(_NO_SCREEN)
    elif whole and os.isatty(2):  # where Textual draws
        from chatnet.client.full.client import full

        client = full(link, transfers, options, reactor)
        tell_bugs(client.hearing.notice)
        return client
    from chatnet.client.prompt import Terminal

    tell_bugs(say)
    return Terminal(link, transfers)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
