"""What staff can turn for the whole server while it runs, and how far.

Each thing has a name: ``motd``, ``registration``, ``level``, ``limit NAME``, ``log NAMESPACE`` or,
for all that is logged, ``log``.
"""

from __future__ import annotations

import re

from chatnet.core.limits import Registration, check_limit
from chatnet.core.plain import is_text
from chatnet.core.refusals import Malformed

MOTD, REGISTRATION, LEVEL, LIMIT, LOG = "motd", "registration", "level", "limit", "log"
HIGHEST_LEVEL = 4
LOG_LEVELS = ("debug", "info", "warn", "error", "critical")
LONGEST_MOTD, MOST_LINES = 4000, 100  # characters, and lines
_NAMESPACE = re.compile(r"(?:chatnet|twisted)(?:\.\w{1,40}){0,8}", re.ASCII)


def checked(what: str, value: str) -> str:
    """Return ``value`` as it is kept, to which ``what`` may be turned.

    Raises:
        Malformed: there is no such thing, or it cannot be that.
    """
    kind, _, name = what.partition(" ")
    match kind:
        case "motd" if not name:
            return _motd(value)
        case "registration" if not name:
            return _one_of("registration", value, [one.value for one in Registration])
        case "level" if not name:
            return _one_of("level", value, [str(n) for n in range(HIGHEST_LEVEL + 1)])
        case "limit":
            try:
                check_limit(name, value)
            except ValueError as error:
                raise Malformed(f"{str(error)[0].upper()}{str(error)[1:]}.") from None
            return value
        case "log":
            if name and not _NAMESPACE.fullmatch(name):
                raise Malformed("A namespace is like chatnet, chatnet.server or twisted.")
            return _one_of("log level", value, LOG_LEVELS)
        case _:
            raise Malformed(f"What can be set is {MOTD}, {REGISTRATION}, {LEVEL}, {LIMIT}, {LOG}.")


def _motd(text: str) -> str:
    text = text.replace("\r\n", "\n").strip("\n")
    if len(text) > LONGEST_MOTD or text.count("\n") >= MOST_LINES or not is_text(text):
        raise Malformed(
            f"A message of the day has at most {LONGEST_MOTD:,} characters, in {MOST_LINES} lines."
        )
    return text


def _one_of(name: str, value: str, choices: list[str] | tuple[str, ...]) -> str:
    if value not in choices:
        raise Malformed(f"{name} is {', '.join(choices[:-1])} or {choices[-1]}, not {value[:64]}.")
    return value
