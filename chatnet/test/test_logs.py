"""The log: lines as Twisted writes them, or one JSON object a line, whatever is logged."""

from __future__ import annotations

import json
import signal
from io import StringIO
from pathlib import Path
from typing import Any, cast

from twisted.logger import (
    ILogObserver,
    LogEvent,
    Logger,
    LogPublisher,
    PredicateResult,
    formatEventAsClassicLogText,
)
from twisted.trial.unittest import SynchronousTestCase

from chatnet.logs import as_text, json_observer, opener


class JsonTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.out = StringIO()
        self.publisher = LogPublisher(json_observer(self.out))
        self.log = Logger("chatnet.test", observer=self.publisher)

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    def test_an_event_is_when_how_bad_who_and_what_with_its_values(self) -> None:
        self.log.info("{by} spoke in {room}", by="ann", room="tea", times=3)
        (said,) = self.lines()
        self.assertRegex(said.pop("time"), r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{6}Z$")
        self.assertEqual(
            said,
            {
                "level": "info",
                "namespace": "chatnet.test",
                "text": "ann spoke in tea",
                "by": "ann",
                "room": "tea",
                "times": 3,
            },
        )

    def test_nothing_breaks_a_line(self) -> None:
        self.log.warn("{what}", what='"\n\r\u2028\x00{}\ud800', number=float("nan"))
        (said,) = self.lines()
        self.assertEqual((said["what"], "number" in said), ('"\n\r\u2028\x00{}\ud800', False))

    def test_values_that_are_neither_text_nor_numbers_stand_in_the_text_alone(self) -> None:
        self.log.info("{error}", error=OSError("disk full"), secret=object())
        (said,) = self.lines()
        self.assertEqual(
            (said["text"], "error" in said, "secret" in said), ("disk full", False, False)
        )

    def test_a_value_does_not_take_the_place_of_what_every_line_has(self) -> None:
        self.log.info("{text} {traceback}", text="mine", traceback="high", time="never")
        (said,) = self.lines()
        self.assertEqual((said["text"], said["level"]), ("mine high", "info"))
        self.assertNotEqual(said["time"], "never")

    def test_a_failure_brings_its_traceback(self) -> None:
        try:
            raise OSError("disk full")
        except OSError:
            self.log.failure("could not commit {count} appends", count=2)
        (said,) = self.lines()
        self.assertEqual((said["level"], said["error"]), ("critical", "OSError: disk full"))
        self.assertEqual(said["text"], "could not commit 2 appends")
        self.assertIn("test_logs.py", said["traceback"])

    def test_twisted_s_older_way_is_understood(self) -> None:
        self.publisher(
            {"log_time": 0.0, "log_format": "{log_text}", "log_text": "Site starting", "isError": 0,
             "message": (), "system": "-", "time": 0.0}
        )  # fmt: skip
        (said,) = self.lines()
        self.assertEqual(
            said,
            {
                "time": "1970-01-01T00:00:00.000000Z",
                "level": "info",
                "namespace": "",
                "text": "Site starting",
            },
        )


class TextTests(SynchronousTestCase):
    """Lines for people are those of Twisted."""

    def test_each_event_is_written_as_twisted_does(self) -> None:
        events: list[LogEvent] = []
        publisher = LogPublisher(cast(ILogObserver, events.append))
        log = Logger("chatnet.some.Thing", observer=publisher)
        log.info("{by} joined {room}", by="ann", room="tea")
        log.info("{name} is gone ({count} now)", name="ann", count=3)
        log.warn("a\nb {x!r} {x:>10} {{}} {y.real}", x="q", y=3)
        log.debug("{missing} and {call()}", call=lambda: 3)
        log.info("")
        try:
            raise ValueError("oops")
        except ValueError:
            log.failure("cannot do {what}", what="that")
        events += [{"log_format": "{a}", "a": 1}, {"log_time": 1.5e9, "log_system": "-"}]
        events.append({"log_time": 1.5e9, "log_format": "{a}", "a": 1, "log_system": "HTTP"})
        for event in events:
            self.assertEqual(as_text(dict(event)), formatEventAsClassicLogText(dict(event)))


class FileTests(SynchronousTestCase):
    def opens(self, path: str) -> int:
        """Open the log at ``path``; return its mode."""
        self.addCleanup(signal.signal, signal.SIGUSR1, signal.getsignal(signal.SIGUSR1))
        twistd = {"logfile": path, "nodaemon": True}
        opener(twistd, True, lambda event: PredicateResult.maybe)()  # type: ignore[arg-type]
        return Path(path).stat().st_mode & 0o777

    def test_it_is_for_its_owner_alone_unless_that_one_opened_it_to_others(self) -> None:
        path = self.mktemp()
        self.assertEqual(self.opens(path), 0o600)
        Path(path).chmod(0o640)
        self.assertEqual(self.opens(path), 0o640)
