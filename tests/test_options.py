"""What an operator can set, and what is said about what they cannot."""

from __future__ import annotations

import os
import socket
from pathlib import Path

from twisted.internet.endpoints import UNIXClientEndpoint, connectProtocol

from tests.harness import TWISTD, Client, LiveTestCase, Server, reactor

MIB = 1024 * 1024


class PlacesTests(LiveTestCase):
    async def test_two_may_come_and_a_third_is_told_so(self) -> None:
        server = await self.serves("--max-clients", "2")
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        for _ in range(3):
            third = await self.connects(server)
            self.assertEqual(
                await third.closed(),
                ["The server is full: 2 people are here. Please try again later."],
            )
        ann.types("just us")
        self.assertEqual(await ann.answered(), ["bob has joined the room."])
        self.assertEqual(await bob.answered(), ["ann: just us"])
        bob.types("/quit")
        await ann.until("bob has left the room.")
        await bob.closed()
        await server.logged("is gone: bob")
        sam = await self.joins(server, "sam")
        sam.types("hello")
        await sam.answered()
        self.assertEqual(await ann.answered(), ["sam has joined the room.", "sam: hello"])

    async def test_one_who_says_nothing_takes_a_place_too(self) -> None:
        server = await self.serves("--max-clients", "1")
        await self.connects(server)
        await server.logged("connection ")
        third = await self.connects(server)
        self.assertIn("full", (await third.closed())[0])


class ServerPasswordTests(LiveTestCase):
    async def test_it_is_asked_first_and_opens(self) -> None:
        server = await self.serves("--password", "open sesame")
        ann = await self.connects(server)
        self.assertEqual(await ann.hears(1), ["chatnet has a password. Please type it:"])
        ann.types("open sesame", "/join tea")
        heard = await ann.answered()
        self.assertIn("Welcome to room tea!", heard)

    async def test_a_wrong_one_is_refused_and_closed(self) -> None:
        server = await self.serves("--password", "open sesame")
        for wrong in ("sesame", "OPEN SESAME", "/join tea", "open sesame open sesame"):
            eve = await self.connects(server)
            eve.types(wrong, "/join tea", "open sesame", "/rooms")
            heard = await eve.closed()
            refused = ["That is not this server's password.", "Goodbye."]
            self.assertEqual(heard[1:], refused, wrong)
        program = await self.connects(server)
        program.asks("password", password="sesame")
        program.asks("rooms")
        self.assertIn('"error":"wrong-password"', (await program.closed())[-2])

    async def test_programs_are_not_let_in_without_it(self) -> None:
        server = await self.serves("--password", "open sesame")
        program = await self.connects(server)
        for verb in ("rooms", "who"):
            program.asks(verb)
        program.asks("join", room="tea")
        program.asks("register", name="Eve", password="secret")
        heard = await program.receives()
        self.assertTrue(heard[0]["password_needed"])
        self.assertEqual([h["error"] for h in heard[1:]], ["password-needed"] * 4)
        program.asks("password", password="open sesame")
        program.asks("rooms")
        heard = await program.receives()
        self.assertEqual([h["reply"] for h in heard], ["hello", "rooms"])

    async def test_it_may_be_kept_in_a_file(self) -> None:
        (self.folder / "pw").write_text("Grüße, all\nnothing else counts\n")
        server = await self.serves("--password-file", "pw")
        ann = await self.connects(server)
        ann.types("Grüße, all", "/join tea")
        self.assertIn("Welcome to room tea!", await ann.answered())
        eve = await self.connects(server)
        eve.types("nothing else counts")
        self.assertIn("That is not this server's password.", await eve.closed())


class LengthTests(LiveTestCase):
    async def test_a_longer_message_is_refused_with_the_limit_and_nothing_is_cut(self) -> None:
        server = await self.serves("--max-message", "100")
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        await ann.answered()
        fits, too_long = "ö" * 50, "ö" * 50 + "x"
        for text in (too_long, "x" * 5000, "y" * 100_000, fits):
            ann.types(text)
        sorry = "That is too long: a message has at most 100 bytes here. It was not sent."
        self.assertEqual(await ann.answered(), [sorry] * 3)
        self.assertEqual(await bob.answered(), [f"ann: {fits}"])
        ann.types(f"/me {'x' * 101}", f"/whisper bob {'x' * 101}", f"/shout {'x' * 101}", "bye")
        self.assertEqual(await ann.answered(), [sorry] * 3)
        self.assertEqual(await bob.answered(), ["ann: bye"])

    async def test_programs_hear_the_same(self) -> None:
        server = await self.serves("--max-message", "100")
        program = await self.observes(server)
        program.asks("say", room="tea", body="x" * 101, cid="c1")
        program.asks("say", room="tea", body="x" * 100_000, cid="c2")
        program.asks("say", room="tea", body="\u4e16" * 33)
        heard = await program.receives()
        self.assertEqual([h.get("error") for h in heard], ["too-long", "too-long", None])
        self.assertEqual(heard[0]["cid"], "c1")
        self.assertEqual(heard[2]["body"], "\u4e16" * 33)

    async def test_without_a_limit_twenty_mebibytes_pass_whole(self) -> None:
        server = await self.serves("--max-message", "0")
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        long = "0123456789abcdef" * (20 * MIB // 16)
        ann.types(long, "short")
        self.assertEqual(await ann.answered(), ["bob has joined the room."])
        heard = await bob.answered()
        self.assertEqual([len(line) for line in heard], [len("ann: ") + len(long), 10])
        self.assertEqual(heard[0], f"ann: {long}")

    async def test_sixteen_mebibytes_pass_without_a_word(self) -> None:
        server = await self.serves()
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        ann.types("x" * 16 * MIB, "x" * (16 * MIB + 1))
        self.assertEqual(
            (await ann.answered())[1:],
            ["That is too long: a message has at most 16,777,216 bytes here. It was not sent."],
        )
        self.assertEqual([len(line) for line in await bob.answered()], [16 * MIB + 5])


class AccountOptionTests(LiveTestCase):
    async def test_closed_registration_keeps_the_old_accounts(self) -> None:
        server = await self.serves()
        await self.registers(server, "Ann", "secret")
        await server.stop()
        server = await self.serves("--registration", "closed")
        eve = await self.arrives(server, "eve")
        eve.types("/newuser Eve secret", "/login Ann secret")
        refused, welcome = await eve.answered()
        self.assertIn("account", refused)
        self.assertNotIn("logged in", refused)
        self.assertEqual(welcome, "You are logged in as Ann.")

    async def test_passwords_are_as_long_as_the_operator_says(self) -> None:
        server = await self.serves("--password-length", "6-8")
        ann = await self.connects(server)
        ann.types("/newuser Ann 12345", "/newuser Ann 123456789", "/newuser Ann 12345678")
        short, long, welcome = (await ann.answered())[2:]
        for refused in (short, long):
            self.assertRegex(refused, "6.*8")
        self.assertEqual(welcome, "You are logged in as Ann.")
        ann.types("/passwd 12345678 1234", "/passwd 12345678 654321")
        refused, done = await ann.answered()
        self.assertRegex(refused, "6.*8")
        self.assertEqual(done, "Your password is changed.")


class ReplayTests(LiveTestCase):
    async def _history(self, *options: str) -> list[str]:
        server = await self.serves(*options)
        ann = await self.joins(server, "ann")
        ann.types(*(f"message {number}" for number in range(60)))
        await ann.answered()
        bob = await self.arrives(server, "bob")
        bob.types("/join tea")
        await bob.until("Current users:")
        heard = await bob.answered()
        heard += await bob.answered()
        return [line for line in heard if line.startswith("ann: ")]

    async def test_the_last_fifty_are_shown_if_nothing_is_said(self) -> None:
        self.assertEqual(await self._history(), [f"ann: message {n}" for n in range(10, 60)])

    async def test_as_many_are_shown_as_the_operator_says(self) -> None:
        self.assertEqual(
            await self._history("--replay", "2"), ["ann: message 58", "ann: message 59"]
        )

    async def test_all_of_it_can_be_shown(self) -> None:
        self.assertEqual(
            await self._history("--replay", "all"), [f"ann: message {n}" for n in range(60)]
        )

    async def test_none_of_it_can_be_shown(self) -> None:
        self.assertEqual(await self._history("--replay", "0"), [])


class LogTests(LiveTestCase):
    async def _talks(self, server: Server) -> bytes:
        ann, bob = await self.joins(server, "ann"), await self.joins(server, "bob")
        ann.types("xylophone", "/me marimba", "/whisper bob vibraphone", "/quit")
        await ann.closed()
        await bob.until("ann has left the room.")
        bob.types("glockenspiel")
        await bob.answered()
        await server.stop()
        return server.log + server.complaints

    async def test_it_tells_who_came_and_spoke_where_and_not_what(self) -> None:
        log = await self._talks(await self.serves())
        for line in (b"ann opened tea", b"ann joined tea", b"ann spoke in tea", b"ann left tea"):
            self.assertIn(line, log)
        self.assertIn(b"is gone: bob", log)
        for word in (b"xylophone", b"marimba", b"vibraphone", b"glockenspiel"):
            self.assertNotIn(word, log)

    async def test_a_transcript_tells_what_as_well_but_not_what_was_whispered(self) -> None:
        log = await self._talks(await self.serves("--transcript"))
        for line in (b"[tea] ann: xylophone", b"[tea] * ann marimba", b"[tea] bob: glockenspiel"):
            self.assertIn(line, log)
        self.assertNotIn(b"vibraphone", log)

    async def test_no_password_is_in_the_log_or_in_the_data(self) -> None:
        secrets = [f"geheim-{word}-7" for word in ("server", "ann", "neu", "falsch", "zimmer")]
        house, first, second, wrong, room = secrets
        server = await self.serves("--transcript", "--password", house)
        ann = await self.connects(server)
        ann.types(house, f"/newuser Ann {first}", "/join tea", f"/lock {room}", "hello")
        ann.types(f"/passwd {wrong} {second}", f"/passwd {first} {second}")
        heard = await ann.answered()
        self.assertIn("Your password is changed.", heard)
        program = await self.connects(server)
        program.asks("password", password=house)
        program.asks("login", name="Ann", password=wrong)
        program.asks("login", name="Ann", password=second)
        program.asks("join", room="tea", password=room)
        await program.until('"hello"')
        await self._is_without(server, secrets)
        await server.stop()
        await self._is_without(server, secrets)

    async def _is_without(self, server: Server, secrets: list[str]) -> None:
        for path in filter(Path.is_file, (self.folder / "data").iterdir()):  # no sockets
            data = path.read_bytes()
            self.assertEqual([word for word in secrets if word.encode() in data], [], path)
        log = server.log + server.complaints
        self.assertEqual([word for word in secrets if word.encode() in log], [])

    async def test_the_data_is_for_the_owner_alone(self) -> None:
        before = os.umask(0o022)
        self.addCleanup(os.umask, before)
        server = await self.serves()
        ann = await self.registers(server, "Ann", "secret")
        ann.types("/join tea", "hello")
        await ann.answered()
        data = self.folder / "data"
        modes = {path.name: path.stat().st_mode & 0o777 for path in (data, *data.iterdir())}
        self.assertGreater(len(modes), 2)
        folders = ("data", "files")
        self.assertEqual(modes, {name: 0o700 if name in folders else 0o600 for name in modes})


class ListenTests(LiveTestCase):
    async def test_two_endpoints_are_one_server(self) -> None:
        local = "interface=127.0.0.1"
        server = await self.serves(
            "--listen", f"tcp:0:{local}", "--listen", f"tcp:0:{local}", listen=False
        )
        await server.logged("connect with:", times=2)
        one, two = server.ports
        ann, bob = await self.joins(one, "ann"), await self.joins(two, "bob")
        ann.types("hello over there")
        await ann.answered()
        self.assertEqual(await bob.answered(), ["ann: hello over there"])

    async def test_a_unix_socket_will_do(self) -> None:
        path = self.folder / "chat.sock"
        server = self.launches("--data", "data", "--listen", f"unix:{path}")
        await server.logged("listens on")
        client = await connectProtocol(UNIXClientEndpoint(reactor, str(path)), Client())
        client.types("/join tea")
        await client.answered()
        await server.stop()
        self.assertEqual((await client.closed())[-1], "Server is shutting down.")

    async def test_a_port_beside_them_counts_too(self) -> None:
        server = await self.serves("--listen", "tcp:0:interface=127.0.0.1")
        await server.logged("connect with:", times=2)
        self.assertEqual(len(server.ports), 2)

    async def test_it_starts_again_at_once_where_it_was(self) -> None:
        server = await self.serves()
        port = server.port
        ann = await self.joins(server, "ann")
        await server.stop()
        await ann.closed()
        again = await self.serves("--listen", f"tcp:{port}:interface=127.0.0.1", listen=False)
        await self.joins(again, "ann")


class ConfigTests(LiveTestCase):
    async def test_a_file_says_the_same_as_the_command_line(self) -> None:
        self._write(
            'name = "The Inn"\nmax-message = 10\nreplay = 1\ntranscript = true\n'
            'listen = ["tcp:0:interface=127.0.0.1"]\n'
        )
        server = await self.serves("--config", "chatnet.toml", listen=False)
        ann = await self.connects(server)
        ann.types("/join tea", "x" * 11, "xylophone")
        heard = await ann.answered()
        self.assertTrue(heard[0].startswith("Welcome to The Inn!"), heard)
        self.assertIn("at most 10 bytes", heard[-1])
        await server.logged("xylophone")

    async def test_the_command_line_wins(self) -> None:
        self._write('name = "The Inn"\nmax-message = 10\nlisten = ["tcp:1", "tcp:2"]\n')
        server = await self.serves(
            "--config=chatnet.toml",
            *("--listen", "tcp:0:interface=127.0.0.1", "--max-message", "20", "--name", "Home"),
            listen=False,
        )
        ann = await self.connects(server)
        ann.types("/join tea", "x" * 21)
        heard = await ann.answered()
        self.assertTrue(heard[0].startswith("Welcome to Home!"), heard)
        self.assertIn("at most 20 bytes", heard[-1])

    async def test_what_is_wrong_with_it_is_one_line(self) -> None:
        for config, complaint in (
            ("nmae = 'x'\n", "nmae"),
            ("name = \n", "TOML"),
            ("name = [1]\n", "name"),
            ("port = 70000\n", "port"),
            ("transcript = 'yes'\n", "transcript"),
            ("listen = 7\n", "listen"),
        ):
            self._write(config)
            self.assertIn(complaint, await self.fails("--config", "chatnet.toml"))
        self.assertIn("missing.toml", await self.fails("--config", "missing.toml"))
        self.assertIn(str(self.folder), await self.fails("--config", str(self.folder)))

    def _write(self, config: str) -> None:
        (self.folder / "chatnet.toml").write_text(config)


class RefusalTests(LiveTestCase):
    """Whatever is wrong: one line on standard error, exit status 1, no traceback."""

    async def test_numbers_and_choices(self) -> None:
        # Those of all options are seen in chatnet.test.test_tap; these, by whoever starts a server.
        for options in (("--port", "70000"), ("--replay", "some"), ("--store", "clay:")):
            complaint = await self.fails(*options)
            self.assertIn(options[0].removeprefix("--"), complaint)

    async def test_words_that_are_no_options(self) -> None:
        self.assertIn("colour", await self.fails("--colour", "red"))
        await self.fails("--port")
        await self.fails("loose", "words")

    async def test_endpoints(self) -> None:
        for endpoint in (
            "carrier-pigeon:7",
            "tcp:chat",
            "tcp",
            "",
            "tcp:0:interface=not.an.address",
        ):
            complaint = await self.fails("--data", "data", "--listen", endpoint)
            self.assertIn(endpoint, complaint)

    async def test_an_interface_that_is_not_here(self) -> None:
        options = ("--data", "data", "--port", "0", "--interface", "192.0.2.7")
        self.assertIn("192.0.2.7", await self.fails(*options))

    async def test_a_port_in_use(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            options = ("--data", "data", "--interface", "127.0.0.1", "--port", port)
            complaint = await self.fails(*options)
            twist = (TWISTD[0], str(Path(TWISTD[1]).with_name("twist")))
            out, err, status = await self.runs(*twist, "chatnet", *options)
        self.assertIn(port, complaint)
        self.assertIn("in use", complaint)
        self.assertEqual((complaint in out + err, status), (True, 1))
        self.assertFalse((self.folder / "data").exists())

    async def test_what_twistd_cannot_write(self) -> None:
        for options, part in (
            (("--pidfile", "nowhere/pid"), "cannot write the number of its process to"),
            (("--pidfile=", "--logfile", "nowhere/log"), "cannot write the log to"),
        ):
            for daemon in ((), ("-n",)):
                command = (*TWISTD, *daemon, *options, "chatnet", "--port=0", "--data", "a/data")
                out, err, status = await self.runs(*command)
                self.assertEqual((out, status, err.count("\n")), ("", 1, 1), err)
                self.assertIn(f"{part} {self.folder}/nowhere/", err)
        self.assertEqual(list(self.folder.iterdir()), [])

    async def test_password_files(self) -> None:
        self.assertIn("missing", await self.fails("--password-file", "missing"))
        (self.folder / "pw").write_text("\n")
        self.assertIn("empty", await self.fails("--password-file", "pw"))
        (self.folder / "pw").write_bytes(b"\xff\xfe\n")
        self.assertIn("pw", await self.fails("--password-file", "pw"))
        await self.fails("--password-file", "pw", "--password", "x")

    async def test_a_data_folder_that_is_none(self) -> None:
        (self.folder / "data").write_text("I am a file")
        local = ("--port", "0", "--interface", "127.0.0.1")
        self.assertIn("data", await self.fails("--data", "data", *local))
        self.assertIn("data", await self.fails("--data", "data/below", *local))
        self.assertIn("/proc", await self.fails("--data", "/proc/chatnet", *local))

    async def test_a_database_that_is_none(self) -> None:
        data = self.folder / "data"
        data.mkdir()
        (data / "chatnet.db").write_bytes(b"I am no database, whatever my name says. " * 100)
        local = ("--port", "0", "--interface", "127.0.0.1")
        self.assertIn("chatnet.db", await self.fails("--data", "data", *local))

    async def test_a_data_folder_that_another_server_has(self) -> None:
        server = await self.serves()
        local = ("--port", "0", "--interface", "127.0.0.1")
        complaint = await self.fails("--data", str(self.folder / "data"), *local)
        self.assertIn("another server", complaint)
        await self.joins(server, "ann")

    async def test_help_and_version_are_not_mistakes(self) -> None:
        out, err, status = await self.runs(*TWISTD, "chatnet", "--help")
        self.assertEqual((err, status), ("", 0))
        self.assertTrue(out.startswith("Usage: twistd [options of twistd] chatnet [options]\n"))
        self.assertNotRegex(out, r"[.;] {2,}\w|default:\s*\]")
        for option in ("--port=", "--listen=", "--data=", "--max-clients=", "--transcript"):
            self.assertIn(option, out)
        out, err, status = await self.runs(*TWISTD, "chatnet", "--version")
        self.assertEqual((err, status), ("", 0))
        self.assertRegex(out, r"^chatnet \d")
