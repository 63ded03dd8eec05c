"""The client as people and programs start it, against the real server."""

from __future__ import annotations

import fcntl
import os
import re
import struct
import sys
import termios
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Factory, ProcessProtocol, Protocol
from twisted.python.failure import Failure

from tests.harness import SOON, LiveTestCase, Server, Signal, coming, poll, reactor, told
from tests.starting import start

CLIENT = (sys.executable, "-m", "chatnet.client")
_ESCAPES = re.compile(r"\x1b(?:\[[0-9;?]*[A-Za-z]|[()=>][0B]?|\][^\x07]*\x07)")
_SIZE = struct.pack("HHHH", 24, 80, 0, 0)  # rows, columns


class Relay(Factory):
    """Stands between clients and a server, which does not learn that a client is gone."""

    noisy = False

    def __init__(self, port: int) -> None:
        self.near: list[Protocol] = []
        self.far: list[Protocol] = []
        self._port = port

    def buildProtocol(self, addr: object) -> Protocol:
        near, far = Protocol(), Protocol()
        self.near.append(near)
        self.far.append(far)
        connected = connectProtocol(TCP4ClientEndpoint(reactor, "127.0.0.1", self._port), far)

        def pass_on(data: bytes) -> None:
            connected.addCallback(lambda _: far.transport.write(data))  # type: ignore[union-attr]

        near.dataReceived = pass_on  # type: ignore[method-assign]
        far.dataReceived = lambda data: near.transport.write(data)  # type: ignore[method-assign,union-attr]
        return near

    def hang_up(self) -> None:
        for one in self.near + self.far:
            if one.connected:
                one.transport.abortConnection()  # type: ignore[union-attr]


class Program(ProcessProtocol):
    """A client in a process of its own, at a pipe or at a terminal."""

    def __init__(self) -> None:
        self.out = ""
        self.err = ""
        self.status: int | None = None
        self._bytes = b""
        self._news = Signal()

    def outReceived(self, data: bytes) -> None:
        self._bytes += data
        self.out = _ESCAPES.sub("", self._bytes.decode(errors="ignore"))
        self._news.ring()

    def errReceived(self, data: bytes) -> None:
        self.err += data.decode()
        self._news.ring()

    def processEnded(self, reason: Failure) -> None:
        ended: Any = reason.value
        self.status = -ended.signal if ended.signal else ended.exitCode
        self._news.ring()

    def types(self, text: str) -> None:
        self.transport.write(text.encode())  # type: ignore[union-attr]

    async def listens(self) -> None:
        """Wait until it takes single keys: while it prints, the terminal itself eats Ctrl-D."""
        descriptor: Any = self.transport
        await poll(
            lambda: not termios.tcgetattr(descriptor.fd)[3] & termios.ICANON,
            "a prompt that listens",
        )

    def says_no_more(self) -> None:
        self.transport.closeStdin()  # type: ignore[union-attr]

    async def shows(self, text: str, seconds: float = SOON) -> None:
        """Wait until ``text`` was printed, where is all the same."""
        await self._news.when(
            lambda: text in self.out + self.err or self.status is not None,
            lambda: f"{text!r} in {self.out!r} {self.err!r}",
            seconds,
        )
        if text not in self.out + self.err:
            raise AssertionError(f"ended before {text!r}: {self.out!r} {self.err!r}")

    async def ended(self, seconds: float = SOON) -> int:
        await self._news.when(
            lambda: self.status is not None, lambda: f"its end: {self.out!r} {self.err!r}", seconds
        )
        assert self.status is not None
        return self.status


class ClientTestCase(LiveTestCase):
    """Starts clients, and leaves none."""

    def starts(self, server: Server | int, *options: str, terminal: bool = False) -> Program:
        port = server if isinstance(server, int) else server.port
        program = Program()
        command = (*CLIENT, "--host", "127.0.0.1", "--port", str(port), *options)
        command += ("--plain",) if terminal else ()
        environment = {
            **os.environ,
            "TERM": "xterm",
            "PROMPT_TOOLKIT_NO_CPR": "1",
            **self.home(),
        }
        start(program, command, environment, self.folder, terminal)
        if terminal:
            descriptor: Any = program.transport
            fcntl.ioctl(descriptor.fd, termios.TIOCSWINSZ, _SIZE)
        self.ends_with_the_test(program)
        return program

    def home(self) -> dict[str, str]:
        """Return what leads a client to folders of this test's own."""
        names = ("XDG_DATA_HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME")
        return {name: str(self.folder / "home") for name in names}

    def ends_with_the_test(self, program: Program) -> None:
        self.addCleanup(lambda: coming(_end(program)))

    async def pipes(self, server: Server | int, text: str, *options: str) -> tuple[str, str, int]:
        """Return what a client to which ``text`` is piped prints, and its exit status."""
        program = self.starts(server, *options)
        program.types(text)
        program.says_no_more()
        status = await program.ended()
        return program.out, program.err, status

    async def restarts(self, server: Server, *options: str) -> Server:
        """Kill ``server`` and return another one in its place."""
        port = str(server.port)
        server.kill()
        await server.ended()
        where = ("--port", port, "--interface", "127.0.0.1")
        return await self.serves(*where, *options, listen=False)

    def secret(self, text: str) -> str:
        path = self.folder / "secret"
        path.write_text(text)
        return str(path)


async def _end(program: Program) -> None:
    if program.status is None:
        program.transport.signalProcess("KILL")  # type: ignore[union-attr]
        await program.ended()


class PipeTests(ClientTestCase):
    async def test_what_is_piped_is_said_and_acknowledged(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann", "ci")
        self.assertEqual(await self.pipes(server, "done\n", "ci", "--name", "bot"), ("", "", 0))
        self.assertEqual(
            await ann.answered(),
            ["bot has joined the room.", "bot: done", "bot has left the room."],
        )

    async def test_thousands_of_lines_arrive_in_order(self) -> None:
        server = await self.serves()
        text = "".join(f"line {n} ä\n" for n in range(5000))
        self.assertEqual(await self.pipes(server, text, "--name", "bot"), ("", "", 0))
        out, err, status = await self.pipes(server, "", "--history", "all")
        self.assertEqual(out, "".join(f"bot: {line}\n" for line in text.splitlines()))
        self.assertEqual((err, status), ("", 0))

    async def test_a_file_and_nothing_at_all_can_be_piped(self) -> None:
        server = await self.serves()
        lines = self.folder / "lines"
        lines.write_text("one\ntwo")
        for source in (str(lines), os.devnull):
            command = f'"$@" --host 127.0.0.1 --port {server.port} --name bot < {source}'
            ended = await self.runs("/bin/sh", "-c", command, "sh", *CLIENT)
            self.assertEqual(ended, ("", "", 0))
        out, _, _ = await self.pipes(server, "", "--history", "10")
        self.assertEqual(out, "bot: one\nbot: two\n")

    async def test_what_others_say_is_printed(self) -> None:
        server = await self.serves()
        program = self.starts(server, "tea", "--name", "ear")
        ann = await self.joins(server, "ann")
        await ann.until("ear")
        ann.types("hello")
        await program.shows("ann: hello\n")
        program.says_no_more()
        self.assertEqual((await program.ended(), program.out), (0, "ann: hello\n"))

    async def test_a_refused_line_is_told_and_the_rest_is_said(self) -> None:
        server = await self.serves()
        out, err, status = await self.pipes(server, "/nope\n/topic\n/kick nobody\nend\n", "tea")
        self.assertEqual(out, "tea has no topic.\n")
        self.assertEqual(
            err,
            "There is no command /nope. Did you mean /op? // begins a message with a slash.\n"
            "nobody is not in tea.\n",
        )
        self.assertEqual(status, 1)

    async def test_the_reader_may_go_away(self) -> None:
        server = await self.serves()
        command = f'echo /help | "$@" --host 127.0.0.1 --port {server.port} | true'
        ended = await self.runs("/bin/sh", "-c", command, "sh", *CLIENT)
        self.assertEqual(ended, ("", "", 0))


class MishapTests(ClientTestCase):
    async def test_nobody_there(self) -> None:
        server = await self.serves()
        server.kill()
        await server.ended()
        out, err, status = await self.pipes(server.port, "hi\n")
        self.assertIn(f"Nothing listens at 127.0.0.1:{server.port}.", err)
        self.assertEqual((out, err.count("\n"), status), ("", 1, 3))

    async def test_a_wrong_password(self) -> None:
        server = await self.serves()
        await self.registers(server, "ann", "geheim")
        options = ("--user", "ann", "--password-file")
        _, err, status = await self.pipes(server, "hi\n", *options, self.secret("falsch"))
        self.assertEqual(status, 4)
        self.assertTrue(err.startswith("Wrong name or password."), err)
        ended = await self.pipes(server, "hi\n", *options, self.secret("geheim"))
        self.assertEqual(ended, ("", "", 0))

    async def test_the_servers_password(self) -> None:
        server = await self.serves("--password", "sesam")
        _, err, status = await self.pipes(server, "hi\n")
        self.assertEqual(status, 4)
        self.assertTrue(err.startswith("This server has a password."), err)
        _, err, status = await self.pipes(server, "hi\n", "--server-password", "x")
        self.assertEqual((err, status), ("That is not this server's password.\n", 4))
        file = self.secret("sesam\n")
        ended = await self.pipes(server, "hi\n", "--server-password-file", file)
        self.assertEqual(ended, ("", "", 0))

    async def test_a_taken_name(self) -> None:
        server = await self.serves()
        await self.joins(server, "ann")
        _, err, status = await self.pipes(server, "hi\n", "--name", "ann")
        self.assertEqual(status, 5)
        self.assertTrue(err.startswith("The name ann is in use.\n"), err)

    async def test_misuse(self) -> None:
        for options in (("a b",), ("--port", "x"), ("--nope",), ("--user", "ann", "--name", "x")):
            _, err, status = await self.pipes(1, "", *options)
            self.assertEqual((status, err.count("\n")), (2, 1), err)

    async def test_a_full_server(self) -> None:
        server = await self.serves("--max-clients", "1")
        await self.joins(server, "ann")
        _, err, status = await self.pipes(server, "hi\n")
        self.assertEqual(status, 1)
        self.assertTrue(err.startswith("The server is full"), err)

    async def test_an_interrupt_ends_it_without_a_word(self) -> None:
        server = await self.serves()
        program = self.starts(server, "tea", "--name", "bot")
        ann = await self.joins(server, "ann")
        await ann.until("bot")
        program.transport.signalProcess("INT")  # type: ignore[union-attr]
        self.assertEqual((await program.ended(), program.out, program.err), (130, "", ""))


class ReturnTests(ClientTestCase):
    timeout = 120

    async def test_a_killed_server_loses_and_doubles_nothing(self) -> None:
        server = await self.serves()
        listener = self.starts(server, "tea", "--name", "ear")
        ann = await self.joins(server, "ann")
        await ann.until("ear")
        speaker = self.starts(server, "tea", "--name", "bot")
        count = 0
        for _ in range(3):
            for _ in range(400):
                speaker.types(f"line {count}\n")
                count += 1
            await listener.shows(f"bot: line {count - 350}\n")
            server = await self.restarts(server)
        speaker.says_no_more()
        self.assertEqual(await speaker.ended(60), 0, speaker.err)
        await listener.shows(f"bot: line {count - 1}\n", 60)
        listener.says_no_more()
        self.assertEqual(await listener.ended(), 0)
        said = [f"bot: line {n}" for n in range(count)]
        self.assertEqual(listener.out.splitlines(), said)
        reader = await self.joins(server, "reader")
        self.assertEqual(await told(reader, "tea"), said)
        self.assertIn("The link to the server is lost.", speaker.err)
        self.assertIn("The link is back.", speaker.err)

    async def test_a_connection_that_only_the_server_believes_in_makes_way(self) -> None:
        server = await self.serves()
        relay = Relay(server.port)
        port = reactor.listenTCP(0, relay, interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(relay.hang_up)
        program = self.starts(port.getHost().port, "tea", "--name", "bot")
        ann = await self.joins(server, "ann")
        await ann.until("bot")
        program.types("one\n")
        await ann.until("bot: one")
        relay.near[0].transport.abortConnection()  # type: ignore[union-attr]
        program.types("two\n")
        await ann.until("bot: two")
        program.says_no_more()
        self.assertEqual(await program.ended(), 0, program.err)
        self.assertEqual(len(relay.far), 2)


class TLSTests(ClientTestCase):
    timeout = 120

    async def test_a_server_is_met_and_known_the_next_time(self) -> None:
        server = await self.serves()
        out, err, status = await self.pipes(server, "hi\n", "--tls")
        self.assertEqual((out, status), ("", 0))
        self.assertIn("for the first time", err)
        [mark] = re.findall("SHA256:([0-9A-F:]{95})\n", err)
        self.assertIn(f"fingerprint: {mark}".encode(), server.log)
        known = self.folder / "home" / "chatnet" / "known_servers"
        self.assertEqual(known.read_text(), f"127.0.0.1:{server.port} SHA256:{mark}\n")
        self.assertEqual(await self.pipes(server, "ho\n", "--tls"), ("", "", 0))
        reader = await self.joins(server, "reader", "lobby")
        self.assertEqual(
            [line.partition(": ")[2] for line in await told(reader, "lobby")], ["hi", "ho"]
        )

    async def _listens(self, server: Server) -> Program:
        """Return a client over TLS that has heard something."""
        listener = self.starts(server, "tea", "--tls", "--name", "ear")
        ann = await self.joins(server, "ann")
        await ann.until("ear")
        ann.types("first")
        await listener.shows("ann: first\n")
        return listener

    async def test_another_server_in_its_place_is_told_nothing(self) -> None:
        server = await self.serves()
        listener = await self._listens(server)
        again = await self.restarts(server, "--data", str(self.folder / "other"))
        self.assertEqual(await listener.ended(), 7)
        _, err, status = await self.pipes(again, "secret\n", "tea", "--tls")
        self.assertEqual(status, 7)
        for words in (listener.err, err):
            self.assertIn("SHOWS ANOTHER CERTIFICATE THAN BEFORE. Nothing was sent.", words)
        self.assertNotIn(b"spoke", again.log)

    async def test_the_same_server_is_the_same_after_a_restart(self) -> None:
        server = await self.serves()
        listener = await self._listens(server)
        again = await self.restarts(server)
        await listener.shows("The link is back.")
        ann = await self.joins(again, "ann")
        ann.types("hello")
        await listener.shows("ann: hello\n")
        listener.says_no_more()
        self.assertEqual(await listener.ended(), 0)

    async def test_only_the_authority_that_was_given_is_trusted(self) -> None:
        server = await self.serves()
        own, other = (str(self.folder / name / "tls-cert.pem") for name in ("data", "other"))
        await self.serves(data="other")
        self.assertEqual(await self.pipes(server, "hi\n", "--ca", own), ("", "", 0))
        _, err, status = await self.pipes(server, "hi\n", "--ca", other)
        self.assertEqual(status, 7)
        self.assertIn(f"--ca trusts {other} alone. Nothing was sent.", err)

    async def test_passwords_travel_encrypted(self) -> None:
        server = await self.serves("--password", "sesam")
        secret = ("--server-password-file", self.secret("sesam"))
        ended = await self.pipes(server, "/newuser ann geheim\n", "--tls", *secret)
        self.assertEqual(ended[2], 0, ended)
        account = ("--user", "ann", "--password-file", self.secret("geheim"))
        secret = ("--server-password", "sesam")
        ended = await self.pipes(server, "hi\n", "--tls", *account, *secret)
        self.assertEqual(ended, ("", "", 0))

    async def test_a_server_without_tls_is_no_partner(self) -> None:
        server = await self.serves("--no-tls")
        _, err, status = await self.pipes(server, "hi\n", "--tls")
        self.assertEqual((status, err.count("\n")), (3, 1), err)
        self.assertIn("does not speak TLS on that port", err)

    async def test_a_server_that_wants_tls_says_so(self) -> None:
        server = await self.serves("--tls-only")
        _, err, status = await self.pipes(server, "hi\n")
        self.assertEqual(status, 1)
        self.assertTrue(err.startswith("This server speaks TLS only"), err)

    async def test_at_a_terminal_too(self) -> None:
        server = await self.serves()
        ann = self.starts(server, "tea", "--tls", "--name", "ann", terminal=True)
        await ann.shows("for the first time")
        await ann.shows("tea>")
        bob = await self.joins(server, "bob")
        ann.types("hello\r")
        await bob.until("ann: hello")
        await ann.listens()
        ann.types("\x04")
        self.assertEqual(await ann.ended(), 0)


class TerminalTests(ClientTestCase):
    async def test_two_people_talk(self) -> None:
        server = await self.serves()
        ann = self.starts(server, "tea", "--name", "ann", terminal=True)
        await ann.shows("tea>")
        bob = self.starts(server, "tea", "--name", "bob", terminal=True)
        await ann.shows("bob has joined the room.")
        await bob.shows("tea>")
        ann.types("hello\r")
        await bob.shows("ann: hello")
        bob.types("/wh\tann psst\r")
        bob.types("grüße 日本語 😀\r")
        await ann.shows("bob: grüße 日本語 😀")
        bob.types("/quit\r")
        self.assertEqual(await bob.ended(), 0)
        await ann.shows("bob has left the room.")
        await ann.listens()
        ann.types("\x04")
        self.assertEqual(await ann.ended(), 0)
        self.assertNotIn("ann: hello", ann.out)
        self.assertNotIn("Traceback", ann.out + bob.out)

    async def test_one_sees_who_is_writing(self) -> None:
        server = await self.serves()
        ann = self.starts(server, "tea", "--name", "ann", terminal=True)
        await ann.shows("tea>")
        bob = self.starts(server, "tea", "--name", "bob", terminal=True)
        await bob.shows("tea>")
        await bob.listens()
        bob.types("/no")  # which is not for others
        await bob.shows("/no")
        bob.types("\x15gru")
        await ann.shows("bob is writing")
        bob.types("ß\r")
        await ann.shows("bob: gruß")
        self.assertNotIn("is writing", bob.out)

    async def test_a_password_is_not_shown(self) -> None:
        server = await self.serves()
        ann = self.starts(server, "tea", "--name", "ann", terminal=True)
        await ann.shows("tea>")
        await ann.listens()
        ann.types("/login bob xyzzy\r")
        await ann.shows("or there is no account called bob.")
        self.assertIn("\N{BULLET}", ann.out)
        self.assertNotIn("y", ann.out.partition("/login")[2].partition("Wrong")[0])

    async def test_tab_completes_commands_and_people(self) -> None:
        server = await self.serves()
        other = await self.joins(server, "bartholomew")
        ann = self.starts(server, "tea", "--name", "ann", terminal=True)
        await ann.shows("tea>")
        ann.types("/whisp\t")
        await ann.shows("/whisper")
        ann.types("bar\t")
        await ann.shows("/whisperbartholomew")  # between them the cursor is moved
        ann.types("psst\r")
        await other.until("[whisper] ann: psst")

    async def test_lines_typed_without_a_link_are_sent_later(self) -> None:
        server = await self.serves()
        ann = self.starts(server, "tea", "--name", "ann", terminal=True)
        await ann.shows("tea>")
        port = server.port
        server.kill()
        await ann.shows("The link to the server is lost.")
        ann.types("still here\r")
        await ann.shows("The link is down. This will be sent when it is back.")
        again = await self.serves("--port", str(port), "--interface", "127.0.0.1", listen=False)
        await ann.shows("The link is back.")
        bob = await self.joins(again, "bob")
        await ann.listens()
        ann.types("done\r")
        await bob.until("ann: done")
        self.assertEqual(await told(bob, "tea"), ["ann: still here", "ann: done"])
        await ann.listens()
        ann.types("\x03")
        self.assertEqual(await ann.ended(), 0)

    async def test_the_servers_password_is_asked_for_unseen(self) -> None:
        server = await self.serves("--password", "sesam")
        ann = self.starts(server, "tea", "--name", "ann", terminal=True)
        await ann.shows("Password of the server:")
        ann.types("sesam\r")
        await ann.shows("Welcome to room tea!")
        self.assertNotIn("sesam", ann.out)
