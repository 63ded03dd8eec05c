from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import Any

from twisted.internet.error import ConnectionRefusedError, DNSLookupError
from twisted.trial.unittest import SynchronousTestCase

from chatnet.client import __main__ as program, prompt
from chatnet.client.dialogue import Dismissed
from chatnet.client.exits import Exit, explain
from chatnet.client.link import CannotConnect, Link, LinkLost
from chatnet.client.options import Options, parse
from chatnet.client.settings import Settings
from chatnet.client.tls import NoTLS
from chatnet.client.trust import Untrusted
from chatnet.core.refusals import Banned, NameTaken, PasswordNeeded, WrongPassword
from chatnet.test.test_client_link import LinkTestCase
from chatnet.wires.certificates import certificate_pem, issue, new_key

CERTIFICATE = certificate_pem(issue("me", new_key(), datetime.now(UTC), 1)).decode()


class OptionsTests(SynchronousTestCase):
    def parse(self, *words: str, terminal: bool = True, **more: Any) -> Options:
        return parse(words, terminal, **more)

    def assert_misuse(self, *words: str, **more: Any) -> None:
        with open(os.devnull, "w") as nowhere:
            self.patch(__import__("sys"), "stderr", nowhere)
            error = self.assertRaises(SystemExit, self.parse, *words, **more)
        self.assertEqual(error.code, Exit.USAGE)

    def write(self, text: str) -> str:
        path = str(self.mktemp())
        with open(path, "w") as file:
            file.write(text)
        return path

    def test_nothing_said_is_the_lobby_of_this_machine(self) -> None:
        options = self.parse()
        self.assertEqual(
            (options.rooms, options.server.host, options.server.port),
            (("lobby",), "localhost", 8888),
        )
        self.assertIsNone(options.history)

    def test_a_pipe_reads_nothing_of_the_past_unless_that_is_said(self) -> None:
        self.assertEqual(self.parse(terminal=False).history, 0)
        self.assertEqual(self.parse("--history", "7", terminal=False).history, 7)
        self.assertEqual(self.parse("--history", "all", terminal=False).history, -1)

    def test_an_accounts_password_is_asked_for(self) -> None:
        options = self.parse("--user", "ann", ask=lambda question: "geheim")
        self.assertEqual(options.server.identity.password, "geheim")

    def test_passwords_come_from_the_first_line_of_files(self) -> None:
        options = self.parse(
            "--user", "ann", "--password-file", self.write("geheim\nmore\n"),
            "--server-password-file", self.write("sesam\r\n"),
        )  # fmt: skip
        self.assertEqual(options.server.identity.password, "geheim")
        self.assertEqual(options.server.identity.server_password, "sesam")

    def test_the_link_is_encrypted_but_to_this_machine(self) -> None:
        for words, tls in (
            ((), False),
            (("--tls",), True),
            (("--host", "127.0.0.1"), False),
            (("--host", "::1"), False),
            (("--host", "chat.example.org"), True),
            (("--host", "192.0.2.1"), True),
            (("--host", "192.0.2.1", "--no-tls"), False),
            (("--ca", self.write(CERTIFICATE)), True),
        ):
            self.assertEqual(self.parse(*words).server.tls, tls, words)

    def test_passwords_are_sent_where_nobody_else_can_read_them(self) -> None:
        away = ("--host", "192.0.2.1", "--no-tls")
        secrets = (
            ("--user", "ann"), ("--server-password", "x"),
            ("--server-password-file", self.write("sesam")),
        )  # fmt: skip
        for secret in secrets:
            self.assert_misuse(*away, *secret, ask=lambda _: "geheim")
            for where in ((), ("--host", "192.0.2.1"), (*away, "--allow-plaintext-passwords")):
                options = self.parse(*where, *secret, ask=lambda _: "geheim")
                self.assertTrue(options.server.confides)
        self.assertFalse(self.parse(*away).server.confides)

    def test_several_rooms_are_for_the_whole_screen(self) -> None:
        self.assertEqual(self.parse("tea", "#lobby").rooms, ("tea", "lobby"))
        self.assert_misuse("tea", "lobby", "--plain")
        self.assert_misuse("tea", "lobby", terminal=False)

    def test_the_line_mode_is_for_pipes_and_for_who_asks_for_it(self) -> None:
        self.assertFalse(self.parse().plain)
        self.assertTrue(self.parse("--plain").plain)
        self.assertTrue(self.parse(terminal=False).plain)
        self.assertTrue(self.parse(settings=Settings(plain=True)).plain)

    def test_what_is_not_said_is_as_the_settings_have_it(self) -> None:
        settings = Settings(host="::1", port=99, name="ann", rooms=("tea", "cake"))
        options = self.parse(settings=settings)
        self.assertEqual((options.server.host, options.server.port), ("::1", 99))
        self.assertEqual((options.server.identity.name, options.rooms), ("ann", ("tea", "cake")))
        options = self.parse("ops", "--host", "localhost", "--name", "bob", settings=settings)
        self.assertEqual((options.server.host, options.rooms), ("localhost", ("ops",)))
        self.assertEqual(options.server.identity.name, "bob")

    def test_a_guest_is_not_the_account_of_the_settings(self) -> None:
        settings = Settings(user="ann", password_file=self.write("geheim\n"))
        identity = self.parse(settings=settings).server.identity
        self.assertEqual((identity.name, identity.password), ("ann", "geheim"))
        identity = self.parse("--name", "bob", settings=settings).server.identity
        self.assertEqual((identity.name, identity.password), ("bob", ""))

    def test_passwords_are_not_printed(self) -> None:
        options = self.parse("--user", "ann", "--server-password", "s", ask=lambda _: "geheim")
        self.assertNotIn("geheim", repr(options) + repr(options.server.identity))

    def test_what_makes_no_sense_is_misuse(self) -> None:
        def ask(question: str) -> str:
            raise OSError

        self.assert_misuse("a b")
        self.assert_misuse("--port", "0")
        self.assert_misuse("--history", "some")
        self.assert_misuse("--name", "x")
        self.assert_misuse("--user", "ann", "--name", "bob")
        self.assert_misuse("--password-file", "x")
        self.assert_misuse("--user", "ann", "--password-file", "/does/not/exist")
        self.assert_misuse("--user", "ann", "--password-file", self.write("\n"))
        self.assert_misuse("--user", "ann", ask=ask)
        self.assert_misuse("--ca", "/does/not/exist")
        self.assert_misuse("--ca", self.write("no certificate"))
        self.assert_misuse("--ca", self.write(CERTIFICATE), "--no-tls")


class FaceTests(LinkTestCase):
    def test_without_textual_there_is_a_sentence_and_the_line_mode(self) -> None:
        said: list[str] = []
        made: list[Link] = []
        transfers: Any = None
        self.patch(program, "find_spec", lambda name: None)
        self.patch(program, "tell_bugs", lambda say: None)
        self.patch(program, "Printer", lambda descriptor: said.append)
        self.patch(prompt, "Terminal", lambda link, transfers: made.append(link))
        program._face(self.link, transfers, parse([], True), True, self.clock)
        self.assertEqual(made, [self.link])
        [sentence] = said
        self.assertIn("pip install 'chatnet[tui]'", sentence)
        program._face(self.link, transfers, parse(["--plain"], True), True, self.clock)
        self.assertEqual((len(made), len(said)), (2, 1))
        self.patch(program, "find_spec", lambda name: self.fail("there is no screen to draw on"))
        self.patch(os, "environ", {**os.environ, "TERM": "dumb"})
        program._face(self.link, transfers, parse([], True), True, self.clock)
        self.assertEqual((len(made), len(said)), (3, 1))


class ExplainTests(SynchronousTestCase):
    def explain(self, error: BaseException, cause: BaseException | None = None) -> tuple[int, str]:
        error.__cause__ = cause
        return explain(error, "there", 8888)

    def test_every_end_has_its_status(self) -> None:
        for error, status in (
            (CannotConnect(), Exit.UNREACHABLE),
            (WrongPassword("No."), Exit.WRONG_PASSWORD),
            (PasswordNeeded("No."), Exit.WRONG_PASSWORD),
            (NameTaken("No."), Exit.NAME_TAKEN),
            (LinkLost(), Exit.LOST),
            (Untrusted("No."), Exit.UNTRUSTED),
            (Dismissed("No.", "refused"), Exit.REFUSED),
            (Dismissed("No.", "replaced"), Exit.LOST),
            (Dismissed("No.", "late"), Exit.WRONG_PASSWORD),
            (Banned("No."), Exit.REFUSED),
            (ZeroDivisionError(), Exit.REFUSED),
        ):
            self.assertEqual(self.explain(error)[0], status)

    def test_it_says_what_to_try(self) -> None:
        for cause, words in (
            (ConnectionRefusedError(), "Nothing listens at there:8888."),
            (DNSLookupError(), "There is no host called there."),
            (NoTLS("No TLS."), "No TLS."),
            (None, "Is it a chatnet server?"),
            (OSError("odd"), "Cannot connect to there:8888: odd"),
        ):
            self.assertIn(words, self.explain(CannotConnect(), cause)[1])
