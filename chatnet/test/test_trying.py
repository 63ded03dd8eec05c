"""What an operator's verb would do: told before it is done, and nothing changes by it."""

from __future__ import annotations

import json
import shlex

from twisted.python.failure import Failure

from chatnet.admin import trying
from chatnet.admin.calls import COMMANDS, Login
from chatnet.admin.verbs import ALL_VERBS, understand
from chatnet.core.codec import encode_event
from chatnet.core.refusals import Malformed, Refused
from chatnet.server.visitors import WRITE_SECONDS
from chatnet.test.test_admin_port import PortCase

EVERY_WRITER = (  # with what each says, or whom it hits: ann owns tea, bob is in it, cat was
    ("kick bob", "Out of tea: 1 who is here would be hit"),
    ("mute bob tea", "bob"),
    ("warn bob be kind", "bob would be told"),
    ("unmute fay tea", "fay"),
    ("ban bob tea", "bob cat"),  # of one address
    ("ban 198.51.100.0/24 --purge 1h", "An address says nothing"),
    ("ban 198.51.100.0/24", "bob cat"),
    ("ban b*b --purge 1h", "--purge is for one name"),
    ("ban nobody --purge 1h", "0 messages would be deleted"),
    ("ban b?b", "bob"),
    ("unban 203.0.113.9", "0 who are here"),
    ("unban eve tea", "eve"),
    ("exempt 203.0.113.9", "0 who are here"),
    ("unexempt 10.0.0.7", "0 who are here"),
    ("purge bob * 1h", "2 messages of bob would be deleted"),
    ("undo 1", "The address 203.0.113.9 would be banned no more. 0 who are here"),
    ("undo 2", "The address 10.0.0.7 would be exempt no more. "),
    ("undo 4", "limit mute would be none, as it was started, and is 5m. Nothing was done."),
    ("logout bob", "bob"),
    ("account add newcomer secret", "newcomer would be made"),
    ("account add newcomer abc", "A password has 4 to 128 characters here."),
    ("account add z0e secret", "There is an account called z0e, or too much like it."),
    ("account add operator secret", "whoever runs this server"),
    ("account role zoe moderator", "zoe"),
    ("account suspend zoe", "zoe"),
    ("account resume mia", "mia"),
    ("account passwd zoe another", "zoe"),
    ("account reset-code zoe", "zoe would have a code"),
    ("account export zoe", "All of zoe would be shown"),
    ("account erase zoe --sure", "zoe"),
    ("account erase zoe", "zoe would be erased, with 0 messages."),
    ("op bob tea", "bob"),
    ("deop ann tea", "belongs to ann"),
    ("owner bob tea", "ann bob"),
    ("voice bob tea", "bob"),
    ("devoice dan tea", "dan"),
    ("invite zoe tea", "zoe"),
    ("set tea invite-only on", "cat"),
    ("set tea members-only on", "cat"),
    ("set tea announce-only on", "bob"),
    ("set tea slow 10s", "bob"),
    ("set tea closed on", "ann bob dan fay cat"),
    ("set tea closed off", "That is so already. Nothing was done."),
    ("room rename tea teas", "in it would stay"),
    ("room delete tea", "would be put out"),
    ("room restore tea", "tea"),
    ("topic tea scones", "The topic would be scones, and is none."),
    ("lock tea sesame", "cat"),
    ("unlock tea", "has no password"),
    ("retain tea 30d", "0 entries would be let go"),
    ("delete tea/{said} --reason rude", "What bob said, tea/{said}, would be deleted."),
    ("say tea good morning", "4 people would hear that"),
    ("tell bob psst", "bob would be told"),
    ("shout all hear", "people would hear that"),
    ("motd", "That only looks; nothing was done."),
    ("motd Hear all", 'motd would be "Hear all", and is nothing. Nothing was done.'),
    ("motd --reset", "Nobody set motd: it is as the server was started."),
    ("limit set messages 20+5/s", "limit messages would be 20+5/s, and is none"),
    ("limit set connections 0", " addresses have more now, and would keep them."),
    ("limit reset messages", "Nobody set limit messages"),
    ("limit reset tea", "There is no limit tea"),
    ("limit reset mute", "limit mute would be none, as it was started, and is 5m."),
    ("limit set messages lots", "Messages is a number in a time"),
    ("registration closed", "3 accounts made in the last 7 days"),
    ("registration reset", "Nobody set registration"),
    ("log level debug", "This server's log is not its own"),
    ("config reload", "All is as it was. Nothing was done."),
    ("backup /nowhere/chat.backup", "There is no folder /nowhere"),
    ("verify", "No process can be started here"),
    ("invite new --uses 2", "It would be good for 2 accounts"),
    ("invite revoke all", "There is no invitation all"),
    ("level 3", "cat"),
    ("level 4", "cat"),
    ("level 2 --for 1h", "level would be 2 for 1 hour, and is 0. "),
    ("level auto", "Nobody set the level"),
    ("cert reload", "speaks no TLS"),
    ("drain 1h We move.", "The server would stop in 1 hour."),
    ("stop --in 1h", "The server would stop in 1 hour."),
    ("stop", "The server would stop in a moment."),
    ("stop --never", "The server is not about to stop."),
)


class TryingTests(PortCase):
    def setUp(self) -> None:
        super().setUp()
        self.line = self.calls_at()
        ann = self.rig.member("ann", address="192.0.2.9")
        self.rig.account("mia")
        self.rig.account("bea")
        zoe = self.rig.account("zoe")
        zoe.types("/leave tea")
        self.rig.member("dan", address="192.0.2.3")
        bob = self.rig.member("bob", address="198.51.100.7")
        bob.types("one", "two")
        self.said = self.rig.room("tea").log.head
        self.rig.member("cat", address="198.51.100.7").hangs_up()
        self.rig.settle()
        self.rig.member("fay", address="192.0.2.4")
        self.rig.member("eve", address="192.0.2.5")
        ann.types("/voice dan", "/mute fay", "/ban eve")
        for words in (
            "ban 203.0.113.9", "exempt 10.0.0.7", "ban mia", "limit set mute 5m",
        ):  # fmt: skip
            self.answer(self.line, words)
        self.rig.clock.advance(WRITE_SECONDS)
        self.rig.settle()

    def kept(self) -> dict[str, list[str]]:
        """Return all logs, as they are stored, and what else an operator can change."""
        store, host = self.rig.store, self.rig.host
        logs = {
            key: [f"{e.seq} {e.at} {encode_event(e.event)}" for e in store.kept(key)]
            for key in store.logs()
        }
        accounts = [repr(account) for account, _ in store.accounts()]
        limits = [f"{entry.name} {value}" for entry, value in host.defence.limits.all()]
        other = [str(host.defence.levels.level), host.invitations.registration.value]
        sessions = [f"{one.actor} {one.ended}" for one in self.rig.factory.sessions.values()]
        return logs | {"accounts": accounts, "other": [*other, *limits, *sessions, *self.stopped]}

    def tried(self, words: str) -> tuple[str, set[str]]:
        """Return what is said to ``words``, or why it is refused, and whom it would hit."""
        verb, given = understand(shlex.split(words))
        result = self._result(self.line, COMMANDS[verb.name], given.values)
        if isinstance(result, Failure):
            self.assertIsInstance(result.value, Refused, words)
            return str(result.value), set()
        return result["said"], {str(json.loads(row).get("name")) for row in result["rows"]}

    def test_every_verb_that_writes_can_be_tried_and_then_writes_nothing(self) -> None:
        before = self.kept()
        for words, expected in EVERY_WRITER:
            words = words.replace("{said}", str(self.said))
            expected = expected.replace("{said}", str(self.said))
            said, names = self.tried(f"{words} --dry-run")
            hit = set(expected.split())
            self.assertTrue(expected in said or names == hit, (words, said, names))
            self.assertEqual(self.kept(), before, words)
        covered = {understand(shlex.split(words))[0].name for words, _ in EVERY_WRITER}
        writers = {verb.name for verb in ALL_VERBS if verb.writes}
        self.assertEqual(covered, writers)
        self.assertEqual(set(trying.all_of_them()), writers)

    def test_that_the_server_goes_on_is_said_with_how_long_it_had(self) -> None:
        self.answer(self.line, "stop --in 1h")
        self.rig.clock.advance(600)
        said, _ = self.tried("stop --never --dry-run")
        self.assertEqual(
            said, "The server would go on, and not stop in 50 minutes; nothing was done."
        )
        self.rig.clock.advance(3000)
        self.assertEqual(self.stopped, ["stop"])

    def test_what_undo_would_bring_about_is_said(self) -> None:
        for words, expected in (
            ("mute bob tea", "bob could speak in tea. "),
            ("ban dan tea --for 1h", "dan would be banned from tea no more. "),
            ("unban dan tea", "dan would be banned from tea for 1 hour. "),
            ("owner bob tea", "tea would belong to ann. "),
            ("set tea slow 10s", "slow of tea would be off. "),
            ("room rename tea teas", "tea would be called tea. "),
            ("room delete tea", "tea would be there again. "),
            ("account role zoe moderator", "zoe would be user of the server. "),
        ):
            self.answer(self.line, words)
            (row, *_) = self.rows(self.line, "audit --limit 1")
            said, _ = self.tried(f"undo {row['act']} --dry-run")
            self.assertIn(expected, said, words)
            if words.startswith("room"):
                self.answer(self.line, f"undo {row['act']}")

    def test_what_would_be_refused_is_refused(self) -> None:
        for words in (
            "kick eve", "kick eve tea", "ban operator", "ban 127.0.0.1", "account add zoe secret",
            "account role zoe king", "topic nowhere tea", "unban zoe", "account erase nobody",
            "undo 99", "tell nobody hello", "delete tea/1", "level 7", "limit set none 1",
            "invite new --uses 0", "owner cat tea",
        ):  # fmt: skip
            try:
                said, _ = self.tried(f"{words} --dry-run")
            except Refused as refusal:
                said = str(refusal)
            self.assertNotIn("nothing was done", said, words)

    def test_it_takes_the_same_rank(self) -> None:
        self.answer(self.line, "account role bea moderator")
        values = {"name": "bea", "password": "secret"}
        self.line = self.calls_at(trusted=False, tls=True)
        self.asks(self.line, Login, values)
        for words in ("stop --dry-run", "account erase zoe --dry-run", "undo 1 --dry-run"):
            said, _ = self.tried(words)
            self.assertNotIn("nothing was done", said, words)

    def test_what_cannot_be_tried_is_refused_and_not_done(self) -> None:
        self.desk._tries.pop("logout")
        said, _ = self.tried("logout bob --dry-run")
        self.assertEqual(said, "logout cannot be tried out.")
        self.assertFalse(any(one.ended for one in self.rig.factory.sessions.values()))

    def test_what_only_looks_takes_no_such_option(self) -> None:
        with self.assertRaisesRegex(Malformed, "who has no option --dry-run"):
            understand(["who", "--dry-run"])
