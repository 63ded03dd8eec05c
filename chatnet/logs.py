"""The log: for people as Twisted writes it, or for programs, one JSON object a line."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from math import isfinite
from typing import Any, TextIO, cast

from twisted.logger import (
    FileLogObserver,
    FilteringLogObserver,
    ILogFilterPredicate,
    ILogObserver,
    LogEvent,
    LogLevel,
    formatEvent,
    formatEventAsClassicLogText,
    formatTime,
)
from twisted.python.failure import Failure
from twisted.python.logfile import LogFile

from chatnet.folder import CannotStart

# What Twisted's older way of logging adds, and says better elsewhere.
_TWICE = frozenset(("format", "isError", "message", "printed", "system", "time"))


def as_json(event: LogEvent) -> str:
    """Return ``event`` as a line: when, how bad, who says it, what; and the values in it.

    Values that are neither text nor numbers stand in the text alone, if they do.
    """
    said: dict[str, object] = {
        "time": datetime.fromtimestamp(event["log_time"], UTC)
        .isoformat(timespec="microseconds")
        .replace("+00:00", "Z"),
        "level": event.get("log_level", LogLevel.info).name,
        "namespace": event.get("log_namespace", ""),
        "text": formatEvent(event),
    }
    failure = event.get("log_failure")
    if isinstance(failure, Failure):
        said["error"] = f"{type(failure.value).__name__}: {failure.getErrorMessage()}"
        said["traceback"] = failure.getTraceback()
    for key, value in event.items():
        plain = value is None or isinstance(value, str | int) or _is_number(value)
        if plain and not key.startswith("log_") and key not in _TWICE and key not in said:
            said[key] = value
    return json.dumps(said) + "\n"


def as_text(event: LogEvent) -> str | None:
    """Return ``event`` as Twisted's own log has it, in a fifth of the time that takes Twisted.

    Most events are a template with names in it, none of which is called (``{name()}``), and many
    come within one second.
    """
    template = event.get("log_format")
    if (
        not (isinstance(template, str) and template)
        or "()" in template
        or "log_failure" in event
        or event.get("log_system")
        or "log_time" not in event
    ):
        return formatEventAsClassicLogText(event)
    try:
        text = template.format_map(event).replace("\n", "\n\t")
    except Exception:  # a value that cannot be shown, say: Twisted tells which
        return formatEventAsClassicLogText(event)
    level = event.get("log_level")
    source = f"{event.get('log_namespace', '-')}#{level.name if level else '-'}"
    return f"{_second(int(event['log_time']))} [{source}] {text}\n"


@lru_cache(maxsize=1)
def _second(at: int) -> str:
    return formatTime(at)


def _is_number(value: object) -> bool:
    """Return whether JSON has a number for ``value``."""
    return isinstance(value, float) and isfinite(value)


def json_observer(out: TextIO) -> ILogObserver:
    """Return what writes every event to ``out``."""
    return cast(ILogObserver, FileLogObserver(out, as_json))


def text_observer(out: TextIO) -> ILogObserver:
    """Return what writes every event to ``out``, as Twisted does."""
    return cast(ILogObserver, FileLogObserver(out, as_text))


def opener(
    twistd: Mapping[str, Any], text: bool, keeps: ILogFilterPredicate
) -> Callable[[], ILogObserver]:
    """Return how to open the log where ``twistd``, its options, would have its own.

    In ``text`` or JSON, and with what ``keeps`` does not refuse.

    A file is rotated as twistd's, also by SIGUSR1; a daemon's is ``twistd.log`` if it has no name.
    What is returned raises ``CannotStart`` if there can be no such file.
    """

    def observer(out: TextIO) -> ILogObserver:
        every = text_observer(out) if text else json_observer(out)
        return cast(ILogObserver, FilteringLogObserver(every, [keeps]))

    def opened() -> ILogObserver:
        name = twistd["logfile"] or ("" if twistd["nodaemon"] else "twistd.log")
        if name in ("", "-"):
            if name and not twistd["nodaemon"]:
                sys.exit("Daemons cannot log to stdout, exiting!")  # twistd's own words
            return observer(sys.stdout)
        # Who is here from where is nobody's business; whoever gave the file its mode keeps it.
        mode = None if os.path.exists(name) else 0o600
        try:
            file = LogFile.fromFullPath(name, defaultMode=mode)
        except OSError as error:
            raise CannotStart(
                f"chatnet: cannot write the log to {os.path.abspath(name)}: {error.strerror}. Name"
                " another file with twistd --logfile FILE."
            ) from None
        if not signal.getsignal(signal.SIGUSR1):
            signal.signal(signal.SIGUSR1, lambda *_: _rotate(file))
        return observer(cast(TextIO, file))

    return opened


def _rotate(file: LogFile) -> None:
    from twisted.internet import reactor  # noqa: TID251 -- a signal brings no arguments

    cast(Any, reactor).callFromThread(file.rotate)
