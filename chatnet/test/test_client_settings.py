from __future__ import annotations

import tomllib
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatnet.client import cursors
from chatnet.client.cursors import BadCursor, Cursor
from chatnet.client.full.commands import OWN, keys_text, own
from chatnet.client.full.items import item_of
from chatnet.client.full.logbook import Logbook
from chatnet.client.full.marks import Marks
from chatnet.client.settings import BadSettings, Settings, change, listed, put, read_settings
from chatnet.core import events as e
from chatnet.dialects.verbs import VERBS
from chatnet.test.properties import given, settings as hypothesis_settings, st

WORDS = st.text(st.characters(codec="utf-8"), max_size=20)


class SettingsTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp(), "chatnet", "client.toml")

    def write(self, text: str) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text(text)

    def test_without_a_file_all_is_as_usual(self) -> None:
        self.assertEqual(read_settings(self.path), Settings())

    def test_the_file_says_what_is_different(self) -> None:
        self.write('host = "chat.example.org"\nrooms = ["tea", "lobby"]\njoins = false\n')
        expected = Settings(host="chat.example.org", rooms=("tea", "lobby"), joins=False)
        self.assertEqual(read_settings(self.path), expected)

    def test_what_makes_no_sense_is_told_with_its_place(self) -> None:
        for text, sentence in (
            ("colour = 1", "There is no setting colour."),
            ("port = 'x'", "port is a number."),
            ("port = true", "port is a number."),
            ("port = 70000", "port is a number from 1 to 65535."),
            ("rooms = 'tea'", "rooms is a list of words"),
            ("notify = 'loud'", "notify is one of bell"),
            ("joins = ", "is not TOML"),
        ):
            self.write(text)
            error = self.assertRaises(BadSettings, read_settings, self.path)
            self.assertIn(sentence, str(error))
            self.assertIn(str(self.path), str(error))
        self.path.write_bytes(b"\xff")
        self.assertRaises(BadSettings, read_settings, self.path)

    def test_a_change_is_kept_for_the_owner_alone_and_leaves_the_rest(self) -> None:
        change(self.path, "theme", "nord")
        self.write("# mine\n" + self.path.read_text() + "port = 1 # one\n")
        self.assertEqual(change(self.path, "theme", "gruvbox").theme, "gruvbox")
        self.assertEqual(self.path.read_text(), '# mine\ntheme = "gruvbox"\nport = 1 # one\n')
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_words_are_read_as_what_the_setting_is(self) -> None:
        self.assertFalse(change(self.path, "joins", "off").joins)
        self.assertEqual(change(self.path, "rooms", "tea lobby").rooms, ("tea", "lobby"))
        self.assertEqual(change(self.path, "port", "7").port, 7)
        for name, word in (("joins", "x"), ("port", "-1"), ("no", "x"), ("notify", "x")):
            self.assertRaises(BadSettings, change, self.path, name, word)
        self.assertEqual(change(self.path, "port", "8").rooms, ("tea", "lobby"))

    @given(WORDS, st.dictionaries(st.sampled_from(["host", "name", "log"]), WORDS))
    @hypothesis_settings(derandomize=True, deadline=None, max_examples=60)
    def test_whatever_is_put_is_read_again(self, value: str, before: dict[str, str]) -> None:
        text = ""
        for name, word in before.items():
            text = put(text, name, word)
        self.assertEqual(tomllib.loads(put(text, "theme", value)), {**before, "theme": value})

    def test_what_is_written_in_a_way_of_its_own_is_left_to_people(self) -> None:
        self.assertRaises(BadSettings, put, 'rooms = [\n "tea",\n]\n', "rooms", ["x"])

    def test_they_are_listed_as_they_are_written(self) -> None:
        self.assertEqual(tomllib.loads("\n".join(listed(Settings())))["times"], "%H:%M")


class CursorTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.path = Path(self.mktemp(), "cursor")

    def test_what_is_saved_is_loaded(self) -> None:
        self.assertIsNone(cursors.load(self.path, "h:1", "tea"))
        cursors.save(self.path, Cursor("h:1", "tea", 7))
        self.assertEqual(cursors.load(self.path, "h:1", "tea"), 7)
        self.assertEqual(self.path.stat().st_mode & 0o777, 0o600)

    def test_a_cursor_of_another_room_or_none_at_all_is_refused(self) -> None:
        cursors.save(self.path, Cursor("h:1", "tea", 7))
        self.assertRaises(BadCursor, cursors.load, self.path, "h:1", "cake")
        self.assertRaises(BadCursor, cursors.load, self.path, "h:2", "tea")
        for text in ("", "7", "{}", '{"server": "h:1", "room": "tea", "seq": "7"}'):
            self.path.write_text(text)
            self.assertRaises(BadCursor, cursors.load, self.path, "h:1", "tea")

    def test_rooms_and_servers_have_files_of_their_own_inside_the_folder(self) -> None:
        paths = {cursors.kept_for(*of) for of in (("h:1", "tea"), ("h:1", "../x"), ("a/b:1", "x"))}
        self.assertEqual(len(paths), 3)
        self.assertEqual(len({path.parent for path in paths}), 1)


class MarksTests(SynchronousTestCase):
    def test_how_far_one_read_is_known_in_the_next_life(self) -> None:
        path = Path(self.mktemp(), "read.json")
        Marks(path, "h:1").save({"tea": 7, "cake": 1})
        Marks(path, "h:2").save({"tea": 9})
        Marks(path, "h:1").save({"tea": 8})
        self.assertEqual(Marks(path, "h:1").load(), {"tea": 8, "cake": 1})
        path.write_text("[]")
        self.assertEqual(Marks(path, "h:1").load(), {})


class LogbookTests(SynchronousTestCase):
    def test_what_comes_is_written_for_the_owner_alone(self) -> None:
        path = Path(self.mktemp(), "log")
        book = Logbook()
        item = item_of(e.Entry("tea", 1, 0.5, e.Said("bob", "hi\x1b[2J\nthere")), "ann")
        assert item is not None
        book.note("tea", item)
        for _ in range(2):
            book.open(path)
            book.note("tea", item)
        book.close()
        book.note("tea", item)
        lines = path.read_text().splitlines()
        self.assertEqual(len(lines), 4)
        self.assertTrue(lines[0].endswith(" [tea] bob: hi␛[2J"), lines)
        self.assertEqual(path.stat().st_mode & 0o777, 0o600)


class OwnTests(SynchronousTestCase):
    def test_own_commands_take_no_name_of_the_dialect(self) -> None:
        self.assertEqual([one.name for one in OWN if one.name in VERBS], [])

    def test_they_are_told_from_speech(self) -> None:
        self.assertEqual(own("/Query bob "), ("query", "bob"))
        for line in ("query bob", "//query bob", "/kick bob", "", "/"):
            self.assertIsNone(own(line))

    def test_the_keys_fit_on_a_narrow_screen(self) -> None:
        self.assertLessEqual(max(map(len, keys_text().splitlines())), 78)
