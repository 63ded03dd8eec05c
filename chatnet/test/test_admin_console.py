"""What the operator's console makes of the command line and of Tab."""

from __future__ import annotations

import io
import sys
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatnet.admin.__main__ import main
from chatnet.admin.commandline import Asked, by_itself, parse
from chatnet.admin.completion import DiscreetHistory, _verbs, wanted
from chatnet.admin.oneshot import happening
from chatnet.admin.tables import Shown
from chatnet.admin.verbs import VERBS, help_text, understand
from chatnet.core.refusals import Malformed


class CommandLineTests(SynchronousTestCase):
    def refusal(self, *words: str) -> str:
        said = io.StringIO()
        self.patch(sys, "stderr", said)
        with self.assertRaises(SystemExit) as caught:
            parse(words)
        self.assertEqual(caught.exception.code, 2)
        sentence = said.getvalue()
        self.assertEqual(sentence.count("\n"), 1, sentence)
        return sentence

    def asked(self, *words: str) -> Asked:
        return parse(words)

    def test_options_may_stand_before_or_behind_the_verb(self) -> None:
        for words in (
            ("--data", "/srv/chat", "--json", "kick", "bob", "--reason", "x y"),
            ("kick", "bob", "--reason", "x y", "--json", "--data=/srv/chat"),
        ):
            asked = self.asked(*words)
            self.assertEqual(asked.where.path, "/srv/chat/admin.sock")
            self.assertTrue(asked.json)
            self.assertEqual(asked.words, ["kick", "bob", "--reason", "x y"])
        self.assertEqual(self.asked("say", "tea", "--", "--json").words, ["say", "tea", "--json"])

    def test_they_may_also_before_what_needs_no_server(self) -> None:
        self.assertEqual(
            by_itself(("--data", "/srv/chat", "backup", "chat.gz", "--force")),
            ["backup", "--data", "/srv/chat", "chat.gz", "--force"],
        )
        self.assertEqual(by_itself(("verify", "-d", "x")), ["verify", "-d", "x"])
        self.assertEqual(by_itself(("--data", "x", "kick", "backup")), [])
        with self.assertRaisesRegex(Malformed, "In a shell: python -m chatnet.admin restore"):
            understand(["restore", "chat.gz"])

    def test_the_servers_file_names_its_folder(self) -> None:
        path = Path(self.mktemp())
        path.write_text('port = 8888\ndata = "/srv/tea"\n')
        self.assertEqual(self.asked("--config", str(path)).where.path, "/srv/tea/admin.sock")
        path.write_text("data =")
        self.assertIn("is not TOML", self.refusal("-c", str(path)))

    def test_another_machine_takes_an_account(self) -> None:
        path = Path(self.mktemp())
        path.write_text("open-sesame\n")
        where = self.asked(
            "--connect", "[::1]:8890", "--user", "ann", "--password-file", str(path)
        ).where
        self.assertEqual((where.host, where.port, where.user), ("::1", 8890, "ann"))
        self.assertEqual(where.password, "open-sesame")
        self.assertNotIn("sesame", repr(where))
        self.assertEqual(self.asked("--connect", "unix:/run/c").where.path, "/run/c")

    def test_nonsense_is_refused_in_one_line(self) -> None:
        for words, sentence in (
            (("--connect", "host:8890"), "takes --user NAME"),
            (("--connect", "host"), "--connect is HOST:PORT or unix:FILE"),
            (("--user", "ann", "status"), "go with --connect"),
            (("--frob", "status"), "unrecognized arguments: --frob"),
            (("-c", "/nowhere.toml"), "cannot read /nowhere.toml"),
        ):
            self.assertIn(sentence, self.refusal(*words))

    def test_help_needs_no_server(self) -> None:
        for words, sentence in (
            (["help"], "without ROOM"),
            (["help", "kick"], "kick WHO [ROOM] [--reason REASON]"),
            (["kick", "--help"], "kick WHO [ROOM] [--reason REASON]"),
        ):
            said = io.StringIO()
            self.patch(sys, "stdout", said)
            self.assertEqual(main(words), 0)
            if words != ["help"]:
                self.assertIn(sentence, said.getvalue())

    def test_the_list_of_verbs_breaks_lines_between_words(self) -> None:
        lines = help_text().splitlines()
        self.assertLessEqual(max(map(len, lines)), 79)
        listed = " ".join("\n".join(lines).split())
        for whole in (
            "memory, store and certificate",
            "a name (or a pattern: spam*), an address or a network (192.0.2.0/24)",
            "room delete put everybody out of a room and let nobody in room restore",
        ):
            self.assertIn(whole, listed)


class CompletionTests(SynchronousTestCase):
    def name(self, line: str) -> str:
        verb, *words = line.split()
        argument = wanted(VERBS[verb], words)
        return argument.name if argument else ""

    def test_what_is_completed_is_what_comes_next(self) -> None:
        for line, name in (
            ("kick", "who"),
            ("kick bob", "room"),
            ("kick bob --reason", "reason"),
            ("kick bob --reason x", "room"),
            ("kick bob tea", ""),
            ("say tea one two", "text"),
            ("who --sort", "sort"),
        ):
            self.assertEqual(self.name(line), name, line)

    def test_verbs_of_two_words_are_completed_word_by_word(self) -> None:
        self.assertEqual(_verbs("cert", 0), ["cert show", "cert reload"])
        self.assertEqual(_verbs("cert s", 1), ["show"])
        self.assertEqual(_verbs("hel", 0), ["help"])

    def test_lines_with_a_password_are_forgotten(self) -> None:
        history = DiscreetHistory()
        for line in ("who tea", "account add ann sesame", "lock tea sesame", "frob"):
            history.append_string(line)
        self.assertEqual(history.get_strings(), ["who tea", "frob"])


class HappeningTests(SynchronousTestCase):
    def test_what_happens_is_a_line_that_obeys_nobody(self) -> None:
        row: Shown = {"at": 1.8e9, "level": "warn", "text": "a\x1b[2J\nb"}
        self.assertEqual(happening(row), "08:00 warn: a\u241b[2J\u240ab")
