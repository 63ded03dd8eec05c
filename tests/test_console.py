"""The operators' port and console: real sockets, real programs, a real terminal."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import sys
from typing import Any

from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import ProcessProtocol
from twisted.internet.utils import getProcessOutput
from twisted.python.failure import Failure

from chatnet.admin.calling import Calls, Line, Told, Unreachable, Where
from chatnet.admin.calls import COMMANDS
from chatnet.admin.verbs import VERBS, understand
from chatnet.core.refusals import NotAllowed, Refused, WrongPassword
from tests.harness import LiveTestCase, Server, Signal, coming, poll, reactor
from tests.starting import start

ADMIN = (sys.executable, "-m", "chatnet.admin")

EVERY_VERB = (  # in this order, with what each says or returns; ann moderates tea, bob is in it
    ("status", '"connections": 3'),
    ("who --sort idle", '"name": "bob"'),
    ("who tea", '"rooms": "tea"'),
    ("info bob", '"door": "text"'),
    ("info 127.0.0.0/8", '"name": "eve"'),
    ("rooms", '"room": "tea"'),
    ("room tea", '"moderators": "ann"'),
    ("why bob topic tea", '"allowed": false'),
    ("top", '"what": "connection"'),
    ("watch", "You see what happens"),
    ("watch --off", "You see no more"),
    ("sessions bob", '"address": "127.0.0.1"'),
    ("mute bob tea --for 1h --reason loud", "Done: tea, entry"),
    ("bans tea", '"reason": "loud"'),
    ("unmute bob tea", "Done: tea, entry"),
    ("op bob tea", "Done: tea, entry"),
    ("deop bob tea", "Done: tea, entry"),
    ("voice bob tea", "Done: tea, entry"),
    ("devoice bob tea", "Done: tea, entry"),
    ("invite bob tea", "Done: tea, entry"),
    ("set tea slow 10s", "Done: tea, entry"),
    ("topic tea all about tea", "Done: tea, entry"),
    ("topic tea", "all about tea"),
    ("lock tea sesame", "Done: tea, entry"),
    ("unlock tea", "Done: tea, entry"),
    ("retain tea 30d", "Done: tea, entry"),
    ("say tea good morning", "Done: tea, entry"),
    ("tell bob between us", "Done: it is told."),
    ("shout to everybody", "Done: it is told."),
    ("motd", "There is none"),
    ("motd 'Be kind.\\nBe brief.'", 'motd is "Be kind. ...", and was nothing. undo '),
    ("motd", '"from": "operator #'),
    ("delete tea/4 --reason rude", "Done: tea, entry"),
    ("kick bob --reason again", "Done: bob is out of tea."),
    ("ban eve tea --for 2h", "Done: tea, entry"),
    ("unban eve tea", "Done: tea, entry"),
    ("account add zoe open-sesame", "the account zoe is made"),
    ("account role zoe moderator --reason trusted", "undo "),
    ("account show zoe", '"rank": "moderator"'),
    ("account suspend zoe --for 2h --reason rude", "Done: act "),
    ("account resume zoe", "Done: act "),
    ("account passwd zoe another-sesame", "Done: act "),
    ("account reset-code zoe", '"code": "'),
    ("account export zoe", '"kept": "account"'),
    ("account erase zoe --sure --reason asked", "zoe is erased, with 0 messages"),
    ("warn bob be kind", "Done: act "),
    ("ban spam* --for 1h --reason spam --note again --dry-run", "0 who are here would be hit"),
    ("ban spam* --for 1h --reason spam --note again", "Done: act "),
    ("bans", '"who": "spam*"'),
    ("bans --match spammer", '"note": "again"'),
    ("bans --export", '"until": '),
    ("unban spam*", "Done: act "),
    ("exempt 10.0.0.7", "Done: act "),
    ("unexempt 10.0.0.7", "Done: act "),
    ("purge bob * 1h --reason rude", "Done: act "),
    ("owner ann tea", "so already"),
    ("room rename tea Coffee --dry-run", "nothing was done"),
    ("room rename tea Coffee", " takes it back."),
    ("room delete coffee --dry-run", "1 person would be put out; "),
    ("room delete coffee --reason over", " takes it back."),
    ("rooms --deleted", '"reason": "over"'),
    ("room restore tea", "Done: Coffee, entry"),
    ("room rename Coffee tea", " takes it back."),
    ("audit --limit 200", '"whom": "name spam*"'),
    ("audit --match zoe", '"did": "rank"'),
    ("undo 9", "Done: tea, entry"),
    ("limit get messages", '"value": "none", "from": "option"'),
    ("limit set messages 20+5/s --dry-run", "Nothing was done."),
    ("limit set messages 20+5/s --for 1h", "limit messages is 20+5/s for 1 hour, and was none. un"),
    ("limit reset messages", "limit messages is none, as it was started. undo "),
    ("registration invite", "registration is invite, and was open. undo "),
    ("log level debug chatnet.server --for 10m", "is debug for 10 minutes, and was info. undo "),
    ("log level", '"log": "chatnet.server", "level": "debug"'),
    ("status", '"registration": "invite (operator #'),
    ("invite new --uses 2 --for 7d --note friends", "makes 2 accounts for 1 week."),
    ("invite list", '"note": "friends"'),
    ("invite revoke all", "Done: 1 invitation"),
    ("level 2 --for 1h", "level is 2 for 1 hour, and was 0. undo "),
    ("level auto", "level is as many as come, as it was started. undo "),
    ("config check", "All is as it was."),
    ("config reload", "All is as it was."),
    ("verify", "all is whole."),
    ("cert show", '"fingerprint": "'),
    ("cert reload", "It is the same as before."),
    ("du", '"entries": '),
    ("doctor", '"check": "fsync"'),
    ("logout eve --reason enough", "1 connection closed"),
    ("audit --match logout", '"reason": "enough"'),
    ("stop --in 1h", "it off"),
    ("stop --never", "goes on"),
    ("audit --match stop", '"to": "never"'),
    ("drain 1h We move.", "nobody is let in any more"),
    ("stop", "the server stops"),
)


class Shot(ProcessProtocol):
    """The one-shot form, in a process of its own."""

    def __init__(self) -> None:
        self.out = self.err = ""
        self.status: int | None = None
        self._news = Signal()

    def outReceived(self, data: bytes) -> None:
        self.out += data.decode()
        self._news.ring()

    def errReceived(self, data: bytes) -> None:
        self.err += data.decode()

    def processEnded(self, reason: Failure) -> None:
        ended: Any = reason.value
        self.status = -ended.signal if ended.signal else ended.exitCode
        self._news.ring()

    async def shows(self, text: str) -> None:
        await self._news.when(lambda: text in self.out, lambda: f"{text!r} in {self.out!r}")

    async def ended(self) -> int:
        await self._news.when(lambda: self.status is not None, lambda: "its end")
        assert self.status is not None
        return self.status


class ConsoleCase(LiveTestCase):
    @property
    def socket(self) -> str:
        return str(self.folder / "data" / "admin.sock")

    async def opens(self, *options: str, data: str = "data") -> Server:
        """Return a server at which operators are heard."""
        server = await self.serves(*options, data=data)
        await server.logged("operators are heard at ")
        return server

    def calls(self, where: Where | None = None) -> Calls:
        calls = Calls(reactor, where or Where(self.socket))
        self.addCleanup(lambda: coming(hang_up(calls)))
        return calls

    async def asks(self, calls: Calls, words: str) -> Told:
        verb, given = understand(shlex.split(words))
        return await calls.ask(verb, given)

    async def does(self, *words: str, data: str = "data") -> tuple[str, str, int]:
        """Return what the one-shot form prints, and its status."""
        return await self.runs(*ADMIN, "--data", str(self.folder / data), *words)


class PortTests(ConsoleCase):
    async def test_every_verb_does_what_it_says_through_the_socket(self) -> None:
        server = await self.opens()
        ann = await self.joins(server, "ann")
        bob = await self.joins(server, "bob")
        bob.types("something rude")
        await ann.until("something rude")
        eve = await self.joins(server, "eve")
        self.assertEqual(os.stat(self.socket).st_mode & 0o777, 0o600)
        calls = self.calls()
        verbs = [*EVERY_VERB]
        verbs.insert(-3, (f"backup {self.folder}/chat.backup", "Done: "))
        for words, expected in verbs:
            if VERBS[understand(shlex.split(words))[0].name].writes and "--dry-run" not in words:
                before = await self.asks(calls, "audit --limit 1")
                tried = await self.asks(calls, f"{words} --dry-run")
                self.assertIn("othing was done", tried.said, words)
                self.assertEqual(await self.asks(calls, "audit --limit 1"), before, words)
            told = await self.asks(calls, words)
            shown = told.said + "".join(json.dumps(row) for row in told.rows)
            self.assertIn(expected, shown, words)
        covered = {understand(shlex.split(words))[0].name for words, _ in verbs}
        self.assertEqual(set(VERBS), covered)
        await server.logged("all is stored; goodbye")
        self.assertFalse(os.path.exists(self.socket))
        heard = "\n".join([line for client in (ann, bob, eve) for line in await client.closed()])
        for words in ("operator: good morning", "[whisper] operator: between us", "We move.",
                      "bob was kicked by operator: again", "your connection: enough"):  # fmt: skip
            self.assertIn(words, heard)
        log = server.log.decode()
        self.assertIn("operator asks for: kick who=bob reason=again", log)
        for secret in ("sesame", "between us", "good morning"):
            self.assertNotIn(secret, log)

    async def test_the_socket_of_a_server_that_was_killed_is_replaced(self) -> None:
        server = await self.opens()
        server.kill()
        await server.ended()
        self.assertTrue(os.path.exists(self.socket))
        with self.assertRaisesRegex(Unreachable, "the server is not running"):
            await self.asks(self.calls(), "status")
        await self.opens()
        await self.asks(self.calls(), "status")

    async def test_why_nobody_is_reached_is_said(self) -> None:
        folder = self.folder / "data"

        def denies(path: str) -> None:
            raise PermissionError

        async def refused(sentence: str) -> None:
            with self.assertRaisesRegex(Unreachable, sentence):
                await self.asks(self.calls(), "status")

        await refused(f"There is no {folder}/admin.sock. Is the server running")
        folder.write_text("")
        await refused(f"{folder} is no folder: --data DIR or --config FILE names the server's.")
        self.patch(os, "lstat", denies)
        await refused(f"You may not look into {folder}: be the server's user, or root.")

    async def test_there_is_none_where_none_fits_or_is_wanted(self) -> None:
        deep, other = "d" * 100, str(self.folder / "o.sock")
        server = await self.serves(data=deep)
        await server.logged("a socket's path has at most 107 bytes")
        out, err, status = await self.does("status", data=deep)
        self.assertEqual((out, status), ("", 3))
        self.assertIn("--admin unix:FILE", err)
        await self.opens("--no-admin", "--admin", f"unix:{other}")
        self.assertFalse(os.path.exists(self.socket))
        self.assertEqual(os.stat(other).st_mode & 0o777, 0o600)
        out, err, status = await self.runs(*ADMIN, "--connect", f"unix:{other}", "du")
        self.assertEqual((out, err, status), ("There is no room yet.\n", "", 0))


class PipeTests(ConsoleCase):
    async def pipes(self, text: str, *words: str) -> tuple[str, str, int]:
        """Return what comes of ``text`` at standard input, and the status."""
        (self.folder / "verbs").write_text(text)
        command = ("/bin/sh", "-c", f'cat {self.folder}/verbs | "$@"', "sh", *ADMIN)
        return await self.runs(*command, "--data", str(self.folder / "data"), *words)

    async def test_each_line_is_a_verb_and_only_what_comes_of_it_is_printed(self) -> None:
        await self.opens()
        text = "rooms\n\n  \nhelp unlock\naccount add zoe\nopen sesame\ndu"
        out, err, status = await self.pipes(text)
        self.assertEqual((err, status), ("", 0))
        first, usage, *_, made, last = out.splitlines()
        self.assertEqual((first, usage), ("There is no room yet.", "unlock ROOM [--dry-run]"))
        self.assertEqual((made, last), ("Done: the account zoe is made.", first))
        out, err, status = await self.pipes("rooms\nquit\nfrob\n")
        self.assertEqual((out, err, status), ("There is no room yet.\n", "", 0))
        self.assertEqual(await self.pipes(""), ("", "", 0))
        said = '{"said": "There is no room yet."}\n'
        self.assertEqual(await self.pipes("rooms\n", "--json"), (said, "", 0))

    async def test_the_status_is_that_of_the_first_line_that_was_not_done(self) -> None:
        await self.opens()
        here = "There is no room yet.\n"
        nobody = "Nobody called bob is here. who lists who is."
        none = "There is no verb frob. help lists what there is."
        missing = "The password is missing: it is the next line."
        quotes = "No closing quotation: quotes come in pairs."
        for text, expected in (
            ("kick bob\nfrob\nrooms\n", (here, [f"line 1: {nobody}", f"line 2: {none}"], 1)),
            ("rooms\nfrob\nkick bob", (here, [f"line 2: {none}", f"line 3: {nobody}"], 2)),
            ("account add zoe", ("", [f"line 1: {missing}"], 2)),
            ('say "tea\n', ("", [f"line 1: {quotes}"], 2)),
        ):
            out, err, status = await self.pipes(text)
            said = [line.removeprefix("chatnet: ") for line in err.splitlines()]
            self.assertEqual((out, said, status), expected)

    async def test_where_no_server_is_reached_nothing_more_is_tried(self) -> None:
        out, err, status = await self.pipes("rooms\nrooms\n")
        self.assertEqual((out, err.count("\n"), status), ("", 1, 3))
        self.assertIn("line 1: There is no ", err)

    async def test_what_happens_is_printed_to_who_watches(self) -> None:
        await self.opens()
        out, _, status = await self.pipes("watch\nsay nowhere hello\nlog level\n")
        self.assertEqual(status, 1)
        self.assertIn("operator asks for: say room=nowhere", out)


class TlsTests(ConsoleCase):
    async def serves_operators(self) -> tuple[Server, int]:
        server = await self.serves("--admin", "tcp:0:interface=127.0.0.1")
        await server.logged("operators are heard at 127.0.0.1, port ")
        port = server.log.partition(b"heard at 127.0.0.1, port ")[2].split()[0]
        return server, int(port)

    def where(self, port: int, user: str, password: str) -> Where:
        certificate = str(self.folder / "data" / "tls-cert.pem")
        return Where("", "127.0.0.1", port, certificate, user, password)

    async def test_on_tcp_it_is_tls_and_an_account_of_the_staff_or_nothing(self) -> None:
        server, port = await self.serves_operators()
        await self.registers(server, "ann", "open-sesame")
        await self.registers(server, "mia", "open-sesame")
        with self.assertRaises(WrongPassword):
            await self.asks(self.calls(self.where(port, "ann", "wrong")), "status")
        with self.assertRaisesRegex(NotAllowed, "not one of this server's staff"):
            await self.asks(self.calls(self.where(port, "ann", "open-sesame")), "status")
        await self.asks(self.calls(), "account role mia moderator")
        mia = self.calls(self.where(port, "mia", "open-sesame"))
        bob = await self.joins(server, "bob")
        await self.asks(mia, "kick bob --reason rude")
        await bob.until("bob was kicked by mia: rude")
        with self.assertRaisesRegex(NotAllowed, "stop takes the rank of owner"):
            await self.asks(mia, "stop")
        await self.asks(self.calls(), "account role mia user")
        with self.assertRaisesRegex(NotAllowed, "takes the rank of moderator"):
            await self.asks(mia, "status")
        await self.is_refused_in_plain_text(port)

    async def is_refused_in_plain_text(self, port: int) -> None:
        line = await connectProtocol(
            TCP4ClientEndpoint(reactor, "127.0.0.1", port), Line(lambda rows: None)
        )
        try:
            await line.callRemote(COMMANDS["status"])
        except Exception as error:
            self.assertNotIsInstance(error, Refused)
        else:
            self.fail("it was answered")
        self.assertFalse(line.open)


class OneShotTests(ConsoleCase):
    async def test_its_status_says_what_came_of_it(self) -> None:
        server = await self.opens()
        await self.joins(server, "ann")
        bob = await self.joins(server, "bob")
        out, err, status = await self.does("kick", "bob", "--reason", "too loud")
        self.assertEqual((out, err, status), ("Done: bob is out of tea.\n", "", 0))
        await bob.until("bob was kicked by operator: too loud")
        out, err, status = await self.does("kick", "bob", "tea")
        self.assertEqual((out, err, status), ("", "chatnet: bob is not in tea.\n", 1))
        out, err, status = await self.does("kick")
        self.assertEqual((out, status), ("", 2))
        self.assertIn("kick WHO [ROOM] [--reason REASON]", err)
        out, err, status = await self.does("status", data="none")
        self.assertEqual((out, status), ("", 3))
        out, err, status = await self.does("who", "--json")
        self.assertEqual([json.loads(line)["name"] for line in out.splitlines()], ["ann", "bob"])
        out, err, status = await self.does("who")
        self.assertEqual(
            out.split()[:2] + out.split("\n")[1].split()[:1], ["NAME", "ACCOUNT", "ann"]
        )

    async def test_bans_are_exported_and_laid_at_another_server(self) -> None:
        await self.opens()
        calls = self.calls()
        for words in (
            "ban spam* --for 1h --reason rude --note again",
            "ban 2001:db8::7",
            "exempt 10.0.0.7 --reason ours",
        ):
            await self.asks(calls, words)
        out, err, status = await self.does("bans", "--export")
        self.assertEqual((len(out.splitlines()), err, status), (3, "", 0))
        file = self.folder / "bans.jsonl"
        for bad in ("{", "[]", '{"is": "banned", "kind": "name", "who": "*"}', '{"is": "odd"}',
                    '{"is": "banned", "kind": "name", "who": "bad*", "until": 1e999}'):  # fmt: skip
            file.write_text(f"{out}\n{bad}\n")
            _, err, status = await self.does("ban", "import", str(file))
            self.assertEqual(status, 1, bad)
            self.assertIn("Line 5: ", err)
        file.write_text(out)
        said = await self.does("ban", "import", str(file))
        self.assertEqual(said, ("Done: 0 laid; 3 there already; 0 refused.\n", "", 0))
        await self.asks(calls, "unban spam*")
        await self.asks(calls, "unexempt 10.0.0.7")
        said = await self.does("ban", "import", str(file))
        self.assertEqual(said, ("Done: 2 laid; 1 there already; 0 refused.\n", "", 0))
        again, _, _ = await self.does("bans", "--export")
        self.assertEqual(laid_by(again), laid_by(out))
        _, err, status = await self.does("ban", "import", str(self.folder / "none"))
        self.assertEqual(status, 2)

    async def test_it_follows_what_happens_until_it_is_interrupted(self) -> None:
        server = await self.opens()
        shot = Shot()
        command = (*ADMIN, "--data", str(self.folder / "data"), "watch", "--json")
        start(shot, command)
        await server.logged("Port connection established")
        await poll_until_watched(self, server, shot)
        os.kill(shot.transport.pid, signal.SIGINT)  # type: ignore[union-attr]
        self.assertEqual((await shot.ended(), shot.err), (0, ""))
        self.assertTrue(all(json.loads(line)["text"] for line in shot.out.splitlines()))


def laid_by(export: str) -> list[list[Any]]:
    """Return what ``export`` has of each ban that is the same wherever it is laid."""
    rows = [json.loads(line) for line in export.splitlines()]
    return sorted(
        [[row[key] for key in ("is", "kind", "who", "reason", "note")] for row in rows], key=str
    )


async def poll_until_watched(case: ConsoleCase, server: Server, shot: Shot) -> None:
    """Let somebody come until that is seen: when watching began is not told."""
    number = 0
    while "joined tea" not in shot.out:
        await case.joins(server, f"visitor{number}")
        number += 1
        assert number < 200, shot.out


class TerminalTests(ConsoleCase):
    """The console in tmux, as an operator sees it."""

    if shutil.which("tmux") is None:
        skip = "there is no tmux"

    async def tmux(self, *words: str) -> str:
        path = shutil.which("tmux")
        assert path is not None
        command = ("-L", f"chatnet-{os.getpid()}", "-f", os.devnull, *words)
        out = await getProcessOutput(path, command, dict(os.environ), errortoo=True)
        text: str = out.decode()
        return text

    async def opens_console(self) -> None:
        words = shlex.join([*ADMIN, "--data", str(self.folder / "data")])
        await self.tmux("new-session", "-d", "-x", "80", "-y", "30", f"{words}; sleep 60")
        self.addCleanup(lambda: coming(self.tmux("kill-server")))
        await self.sees("chatnet>")

    async def types(self, text: str, *keys: str) -> None:
        await self.tmux("send-keys", "-l", "--", text)
        for key in keys:
            await self.tmux("send-keys", key)

    async def screen(self) -> str:
        return await self.tmux("capture-pane", "-p")

    async def sees(self, *texts: str) -> str:
        """Return the screen once all of ``texts`` are on it."""
        deadline = reactor.seconds() + 20
        while True:
            shown = await self.screen()
            if all(text in shown for text in texts):
                return shown
            if reactor.seconds() > deadline:
                raise AssertionError(f"{texts} on\n{shown}")

    async def test_a_person_looks_around_completes_and_acts(self) -> None:
        server = await self.opens()
        ann = await self.joins(server, "ann")
        await self.joins(server, "bob")
        await self.opens_console()
        await self.types("who", "Enter")
        shown = await self.sees("NAME  ACCOUNT", "ann", "bob")
        self.assertLessEqual(max(map(len, shown.splitlines())), 80)
        await self.types("ki", "Tab")
        await self.sees("> kick")
        await self.types("bo", "Tab")
        await self.sees("> kick bob")
        await self.types("te", "Tab")
        await self.sees("> kick bob tea")
        await self.types("--reason 'much too loud'", "Enter")
        await self.sees("Done: tea, entry")
        await ann.until("bob was kicked by operator: much too loud")
        await self.types("frobnicate", "Enter")
        await self.sees("There is no verb frobnicate")
        await self.types("help kick", "Enter")
        await self.sees("kick WHO [ROOM] [--reason REASON]")
        await self.types("watch", "Enter")
        await self.sees("You see what happens from now on.")
        await self.joins(server, "eve")
        await self.sees("eve joined tea")
        await self.tmux("send-keys", "C-c")
        await self.sees("You see no more of what happens.")
        await self.types("account add zoe", "Enter")
        await self.sees("Password:")
        await self.types("open-sesame", "Enter")
        shown = await self.sees("the account zoe is made")
        self.assertNotIn("open-sesame", shown)
        await self.tmux("send-keys", "C-d")
        await poll(lambda: b"Port connection lost" in server.log, "its end")


async def hang_up(calls: Calls) -> None:
    line = calls.line
    if line is not None and line.open:
        assert line.transport is not None
        line.transport.loseConnection()
        await line.lost
