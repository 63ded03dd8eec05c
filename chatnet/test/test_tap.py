"""From the command line to settings."""

from __future__ import annotations

import io
import os
import sys
from importlib import import_module
from pathlib import Path
from unittest.mock import patch

from twisted.application.service import IService
from twisted.internet.testing import MemoryReactorClock
from twisted.python.usage import UsageError
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.limits import Registration
from chatnet.folder import CannotStart, DataFolder
from chatnet.options import Options
from chatnet.settings import ALL, Settings
from chatnet.tap import build, hashers, makeService

EVERYTHING = """
    --port 1 --interface ::1 --data /d --store memory: --password p --max-clients 2
    --max-message 0 --password-length 6-9 --replay all --registration closed
    --name N --motd M --transcript --stall-seconds 7
    --tls-cert /c --tls-key /k --tls-only --allow-plaintext-passwords --budget 9 --origin http://a
    --limit messages=20+5/s --limit connections=none
"""


def parse(*words: str) -> Settings:
    options = Options()
    options.parseOptions(list(words))
    return options.settings


class OptionsTests(SynchronousTestCase):
    def refusal(self, *words: str) -> str:
        with self.assertRaises(SystemExit) as caught:
            parse(*words)
        sentence = str(caught.exception.code)
        self.assertNotIn("\n", sentence)
        return sentence

    def test_without_any_it_listens_on_8888_and_keeps_everything_here(self) -> None:
        settings = parse()
        self.assertEqual(settings.listen, ("tcp:8888:backlog=1024",))
        self.assertEqual(settings.data, str(Path("chatnet-data").absolute()))
        expected = Settings(listen=settings.listen, data=settings.data)
        self.assertEqual(settings, expected)

    def test_every_option_arrives(self) -> None:
        settings = parse(*EVERYTHING.split())
        listen = ("tcp:1:backlog=1024:interface=\\:\\:1",)
        self.assertEqual(
            settings,
            Settings(
                *(
                    "N",
                    "M",
                    listen,
                    "/d",
                    "memory:",
                    "p",
                    2,
                    0,
                    (6, 9),
                    ALL,
                    Registration.CLOSED,
                    True,
                    7,
                ),
                tls_cert="/c",
                tls_key="/k",
                tls_only=True,
                allow_plaintext_passwords=True,
                origins=("http://a",),
                budget=9,
                limits=(("messages", "20+5/s"), ("connections", "none")),
            ),
        )
        self.assertFalse(parse("--no-tls").tls)

    def test_operators_are_heard_where_it_is_safe(self) -> None:
        settings = parse("--admin", "tcp:8890", "--admin", "unix:/run/a", "--no-admin")
        self.assertEqual(settings.admin, ("tcp:8890", "unix:/run/a:mode=600"))
        self.assertFalse(settings.admin_socket)
        self.assertEqual(parse("--admin", "unix:a:mode=660").admin, ("unix:a:mode=660",))
        self.assertIn("--admin is like", self.refusal("--admin", "ssl:8890"))
        self.assertIn("speaks TLS", self.refusal("--admin", "tcp:8890", "--no-tls"))
        self.assertEqual(parse("--admin", "unix:a", "--no-tls").admin, ("unix:a:mode=600",))

    def test_endpoints_take_the_place_of_the_port_unless_both_are_given(self) -> None:
        self.assertEqual(
            parse("--listen", "unix:a", "--listen", "unix:b").listen, ("unix:a", "unix:b")
        )
        self.assertEqual(
            parse("--listen", "unix:a", "--port", "8888").listen,
            ("unix:a", "tcp:8888:backlog=1024"),
        )

    def test_nonsense_is_refused_in_one_line(self) -> None:
        for words, part in (
            ("--port x", "--port is a number, not x"),
            ("--port 70000", "--port is 0 to 65535, not 70000"),
            ("--max-clients 0", "--max-clients is 1 or more, not 0"),
            ("--max-clients many", "--max-clients is a number, not many"),
            ("--max-message -1", "--max-message is 0 or more"),
            ("--stall-seconds soon", "--stall-seconds is a number, not soon"),
            ("--replay -2", "--replay is 0 or more"),
            ("--password-length 0-3", "--password-length is 1 to 1024, not 0"),
            (
                "--retention 59s",
                "--retention is like 12h, 30d or 52w (60s or more) or none, not 59s",
            ),
            ("--store sqlite", "or memory:, not sqlite. See"),
            ("--password-length 4", "--password-length is MIN-MAX, like 4-128, not 4"),
            ("--password-length 9-4", "9 is more than 4"),
            ("--replay some", "--replay is a number, not some"),
            (
                "--retention soon",
                "--retention is like 12h, 30d or 52w (60s or more) or none, not soon",
            ),
            ("--retention 5s", "--retention is like 12h, 30d or 52w (60s or more) or none, not 5s"),
            ("--registration maybe", "--registration is open, invite or closed, not maybe"),
            ("--limit words=5", "--limit: there is no limit words; there are connections,"),
            ("--limit messages=x", "--limit: messages is a number in a time, like 32/10m"),
            ("--store oracle://ann:secret@db/x", "or memory:, not oracle:. See"),
            ("--store mysql+pymysql:x", "--store is like mysql+pymysql://USER@HOST/DATABASE"),
            ("--store-password-file x", "is for a --store on a database server"),
            ("--journal sqlite:", "--journal is files:DIR, not sqlite:"),
            ("--store memory:x", "takes no file"),
            ("--no-tls --tls-only", "give --no-tls or --tls-only, not both"),
            ("--no-tls --tls-cert c", "give --no-tls or --tls-cert, not both"),
            ("--no-tls --tls-key k", "give --no-tls or --tls-key, not both"),
            ("--tls-key k", "--tls-key goes with --tls-cert"),
            ("--config nowhere.toml", "cannot read nowhere.toml: No such file"),
            ("--config", "--config"),
            ("--password-file nowhere", "cannot read nowhere"),
            ("--nonsense", "--nonsense"),
            ("8888", "8888 is no option"),
            ("--data=", "--data, or data in a file of options, is empty: name a folder"),
        ):
            self.assertIn(part, self.refusal(*words.split()), words)

    def test_a_file_sets_the_same_options_and_the_command_line_wins(self) -> None:
        path = self.mktemp()
        Path(path).write_text(
            'port = 1\nmotd = "hi"\ntranscript = true\nreplay = "all"\nmax-clients = 5\n'
        )
        settings = parse("--config", path, "--max-clients", "6")
        self.assertEqual(settings.listen, ("tcp:1:backlog=1024",))
        self.assertEqual((settings.motd, settings.transcript, settings.replay), ("hi", True, ALL))
        self.assertEqual(settings.max_clients, 6)
        Path(path).write_text('listen = ["unix:a", "unix:b"]\n')
        for words in ((f"--config={path}",), (f"-c{path}",), ("--conf", path)):
            self.assertEqual(parse(*words).listen, ("unix:a", "unix:b"))
        self.assertEqual(parse("-c", path, "--listen", "unix:c").listen, ("unix:c",))
        self.assertEqual(parse("-c", path, "--port", "7").listen, ("tcp:7:backlog=1024",))

    def test_messages_may_be_kept_elsewhere_than_accounts(self) -> None:
        settings = parse("--journal", "files:/a", "--store", "sqlite:b.db")
        self.assertEqual((settings.journal, settings.store), ("files:/a", "sqlite:b.db"))
        settings = parse("--journal", "files:", "--store", "files:")
        self.assertEqual((settings.journal, settings.store), ("", "files:"))

    def test_a_file_may_set_what_concerns_tls(self) -> None:
        path = self.mktemp()
        Path(path).write_text(
            'tls-cert = "c"\ntls-key = "k"\ntls-only = true\nallow-plaintext-passwords = true\n'
            'origin = ["https://a", "https://b"]\n'
        )
        settings = parse("--config", path)
        here = Path.cwd()
        self.assertEqual((settings.tls_cert, settings.tls_key), (str(here / "c"), str(here / "k")))
        self.assertTrue(settings.tls and settings.tls_only and settings.allow_plaintext_passwords)
        self.assertEqual(settings.origins, ("https://a", "https://b"))
        settings = parse("--config", path, "--tls-cert", "/both", "--origin", "https://c")
        self.assertEqual((settings.tls_cert, settings.tls_key), ("/both", ""))
        self.assertEqual(settings.origins, ("https://c",))
        Path(path).write_text('no-tls = true\norigin = "https://a"')
        settings = parse("--config", path)
        self.assertEqual((settings.tls, settings.origins), (False, ("https://a",)))
        self.assertIn("not both", self.refusal("--config", path, "--tls-only"))

    def test_an_origin_is_what_a_browser_says(self) -> None:
        for given, origin in (
            ("https://chat.example.org", "https://chat.example.org"),
            ("HTTPS://Chat.Example.org:443", "https://chat.example.org"),
            ("http://localhost:80", "http://localhost"),
            ("https://localhost:80", "https://localhost:80"),
            ("http://[::1]:8000", "http://[::1]:8000"),
        ):
            self.assertEqual(parse("--origin", given, "--origin", origin).origins, (origin,))
        for nonsense in (
            "chat.example.org",
            "ftp://chat.example.org",
            "https://",
            "https://a/",
            "https://a/chat",
            "https://a?b",
            "https://a:0",
            "https://a:65536",
            "https://a:b",
            "https://me@a",
            "null",
            "*",
        ):
            self.assertIn("--origin is like https://", self.refusal("--origin", nonsense))

    def test_nonsense_in_the_file_is_refused_with_its_name(self) -> None:
        path = self.mktemp()
        for text, part in (
            ("prot = 1", "there is no option prot"),
            ("port = [1]", "port is text or a number"),
            ("listen = 7", "listen is a list of endpoints"),
            ("origin = 7", "origin is a list of URLs"),
            ('origin = "x"', "--origin is like https://"),
            ('transcript = "yes"', "transcript is true or false"),
            ("no-tls = 1", "no-tls is true or false"),
            ("port = ", "is not TOML"),
            ("port = 99999", "--port is 0 to 65535"),
        ):
            Path(path).write_text(text)
            sentence = self.refusal("--config", path)
            self.assertIn(part, sentence)

    def test_the_password_may_stand_in_a_file(self) -> None:
        path = self.mktemp()
        Path(path).write_text("open sesame\nnot this\n")
        self.assertEqual(parse("--password-file", path).password, "open sesame")
        self.assertIn("not both", self.refusal("--password-file", path, "--password", "x"))
        Path(path).write_text("\n")
        self.assertIn("is empty", self.refusal("--password-file", path))

    def test_a_store_may_be_a_database_server_with_its_password_in_a_file(self) -> None:
        path = self.mktemp()
        Path(path).write_text("sesame\n")
        url = "postgresql+psycopg://ann@db/chat"
        settings = parse("--store", url, "--store-password-file", path)
        self.assertEqual((settings.store, settings.store_password), (url, "sesame"))
        self.assertNotIn("sesame", repr(settings))
        for store in ("memory:", "sqlite:"):
            refusal = self.refusal("--store", store, "--store-password-file", path)
            self.assertIn("for a --store on a database server", refusal)
        refusal = self.refusal("--store", "oracle://ann:sesame@db/chat")
        self.assertNotIn("sesame", refusal)

    def test_the_settings_are_checked_after_parsing(self) -> None:
        options = Options()
        options["name"] = "\x1b"
        self.assertRaises(UsageError, options.postOptions)

    def test_it_tells_its_version(self) -> None:
        out = io.StringIO()
        self.patch(sys, "stdout", out)
        with self.assertRaises(SystemExit):
            parse("--version")
        self.assertRegex(out.getvalue(), r"^chatnet \d")


class ServiceTests(SynchronousTestCase):
    def test_passwords_leave_a_core_for_everything_else(self) -> None:
        self.assertEqual([hashers(cores) for cores in (1, 2, 3, 64)], [1, 1, 2, 2])

    def test_a_bad_endpoint_is_refused(self) -> None:
        options = Options()
        options.parseOptions(["--store", "memory:", "--listen", "carrier-pigeon:7"])
        with self.assertRaisesRegex(CannotStart, "carrier-pigeon:7 is no endpoint"):
            makeService(options, MemoryReactorClock())

    def test_it_is_a_service(self) -> None:
        options = Options()
        options.parseOptions(["--store", "memory:"])
        self.assertTrue(IService.providedBy(makeService(options, MemoryReactorClock())))

    def test_a_store_that_cannot_be_opened_ends_the_start_with_a_line(self) -> None:
        import_module("chatnet.stores.sql")  # else it would be gone again with the patch
        absent = patch.dict(sys.modules, pymysql=None)
        absent.start()
        self.addCleanup(absent.stop)
        scheme = "mysql+pymysql"
        for store, sentence in (
            (f"{scheme}://ann:sesame@db/x", "its driver is missing: pip install 'chatnet[mysql]'"),
            ("postgresql+psycopg://ann:sesame@db:x/x", "it is written like postgresql+psycopg://"),
            ("sqlite:/", "unable to open database file"),
        ):
            with self.assertRaises(CannotStart) as caught:
                build(Settings(store=store), MemoryReactorClock())
            said = str(caught.exception)
            self.assertIn(sentence, said)
            self.assertNotIn("sesame", said)
            self.assertNotIn("\n", said)

    def test_a_folder_serves_one_server_at_a_time_and_its_owner_alone(self) -> None:
        path = self.mktemp()
        one, two = DataFolder(path), DataFolder(path)
        one.prepare()
        one.acquire()
        with self.assertRaisesRegex(CannotStart, "another server is using"):
            two.acquire()
        one.release()
        two.acquire()
        two.release()
        self.assertEqual(Path(path).stat().st_mode & 0o777, 0o700)

    def test_a_start_that_failed_leaves_no_folder_where_there_was_none(self) -> None:
        outer = Path(self.mktemp())
        folder = DataFolder(str(outer / "data"))
        folder.prepare()
        folder.undo()
        self.assertFalse(outer.exists())
        folder.prepare()
        folder.acquire()
        (folder.path / "files").mkdir()
        folder.undo()
        self.assertFalse(outer.exists())

    def test_what_was_there_before_is_left_there(self) -> None:
        folder = DataFolder(self.mktemp())
        folder.prepare()
        folder.acquire()
        folder.release()  # as a server does that stops
        folder.acquire()
        folder.undo()
        self.assertTrue(folder.path.exists())

    def test_another_folder_of_the_same_name_is_left_there(self) -> None:
        folder = DataFolder(str(Path(self.mktemp()) / "data"))
        folder.prepare()
        folder.path.rename(folder.path.with_name("made"))
        folder.path.mkdir()  # as after a chroot
        (folder.path / "kept").touch()
        folder.acquire()
        folder.undo()
        self.assertTrue((folder.path / "kept").exists())

    def test_what_another_server_took_meanwhile_is_left_to_it(self) -> None:
        path = self.mktemp()
        one, two = DataFolder(path), DataFolder(path)
        one.prepare()
        two.acquire()
        self.assertRaises(CannotStart, one.acquire)
        one.undo()
        self.assertTrue((two.path / "lock").exists())
        two.release()

    def test_a_folder_that_is_none_is_refused(self) -> None:
        path = self.mktemp()
        Path(path).write_text("")
        with self.assertRaisesRegex(CannotStart, f"{path} is no folder. Name one for data with"):
            DataFolder(path).prepare()
        with self.assertRaisesRegex(CannotStart, "for data: Not a directory. Name another folder"):
            DataFolder(f"{path}/below").prepare()

    def test_a_store_that_cannot_be_made_is_named_once(self) -> None:
        path = os.path.abspath(self.mktemp())
        Path(path).write_text("")
        for store, said in (
            (
                f"sqlite:{path}s/x.db",
                f"{path}s/x.db: No such file or directory. Is its folder there?",
            ),
            (f"files:{path}", f"{path}: {path}/format: Not a directory"),
        ):
            with self.assertRaises(CannotStart) as caught:
                build(Settings(store=store), MemoryReactorClock())
            self.assertEqual(str(caught.exception), f"chatnet: cannot open the store {said}")
