from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC
from importlib.util import find_spec
from pathlib import Path
from time import monotonic
from typing import Any

from twisted.internet.defer import Deferred

from chatnet.client.dialogue import Identity
from chatnet.client.full.items import Item, Kind
from chatnet.client.keys.news import Compare
from chatnet.client.keys.people import KeysChanged
from chatnet.client.settings import Settings
from chatnet.client.transfers import Transfers
from chatnet.test.test_client_link import LinkTestCase

if find_spec("textual") is None:
    skip = "the full-screen client needs Textual"
else:
    from textual.driver import Driver
    from textual.pilot import Pilot
    from textual.widgets import Input, OptionList, Static

    from chatnet.client.full import app as screenful
    from chatnet.client.full.client import Full
    from chatnet.client.full.dialogs import Asking, Comparing, Picker, Reading, Search
    from chatnet.client.full.keyboard import know_keys
    from chatnet.client.full.marks import Marks


class Courier:
    """Notes what it is to carry, and carries it when a test says so."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []
        self.progress: Any = None
        self.done: Deferred[Any] = Deferred()

    def name_of(self, link: Any) -> str:
        return str(link.name)

    async def send(self, to: str, path: Path, progress: Any) -> Any:
        self.asked.append((to, path.name))
        self.progress = progress
        return await self.done

    async def fetch(self, id: str, to: Path, progress: Any) -> Any:
        self.asked.append((id, to))
        self.progress = progress
        return await self.done


class ScreenTestCase(LinkTestCase):
    """Ann at a terminal that is none; a server that says what a test has it say."""

    def make(self, identity: Identity, **more: Any) -> None:
        super().make(identity, **more)
        self.patch_folders()
        marks = Marks(Path(self.mktemp(), "read.json"), "h:1")
        self.courier = Courier()
        carrier: Any = self.courier
        self.transfers = Transfers(self.link, carrier)
        self.full = Full(
            self.link, self.transfers, "h:1", self.clock, self.clock.seconds, Settings(), marks
        )
        self.app = self.full.app
        self.app.messages.zone = UTC
        self.bells = 0

    def patch_folders(self) -> None:
        folder = self.mktemp()
        for place in ("settings_path", "log_path"):
            self.patch(
                __import__("chatnet.client.full.deeds", fromlist=[place]),
                place,
                lambda *of, place=place: Path(folder, place),
            )

    def run_at(
        self,
        scenario: Callable[[Pilot[None]], Coroutine[Any, Any, None]],
        size: tuple[int, int] = (100, 24),
    ) -> None:
        """Let ``scenario`` play on a screen of ``size``."""

        async def play() -> None:
            async with self.app.run_test(size=size) as pilot:
                self.running = self.link.run("lobby")
                self.server.accepts()
                self.server.greets()
                self.server.names()
                self.server.lets_in(3, 3)
                await self.settle(pilot)
                await scenario(pilot)

        loop = asyncio.new_event_loop()
        try:
            loop.run_until_complete(play())
        finally:
            loop.close()

    async def settle(self, pilot: Pilot[None]) -> None:
        """Wait until all that is known is drawn."""
        await pilot.pause()
        self.app.draw()  # and not when its time has come, which a busy machine makes late
        await pilot.pause()

    def sees(self) -> list[str]:
        """Return the rows of messages that are not empty."""
        messages = self.app.messages
        rows = (messages.render_line(y).text.strip() for y in range(messages.height))
        return [row.removesuffix("▐").strip() for row in rows if row]

    def side(self, widget: Any) -> list[str]:
        rows = ("".join(part for part, _ in row) for row in widget.rows)
        return [" ".join(row.split()) for row in rows]

    def status(self) -> str:
        return str(self.app.query_one("#status").render())


class MessagesTests(ScreenTestCase):
    def test_what_is_said_is_seen_and_what_is_typed_is_said(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            self.server.tells(5, "bob", "[b]hi[/b] \x1b[2J 漢字 ann")
            await self.settle(pilot)
            self.assertIn("00:00        bob │ [b]hi[/b] ␛[2J 漢字 ann", self.sees())
            await pilot.press("h", "i", "ctrl+j", "x", "enter")
            await self.settle(pilot)
            asked = next(one for one in self.server.hears() if one["do"] == "say")
            self.assertEqual(asked["body"], "hi\nx")
            self.assertEqual(self.sees()[-2:], ["00:00        ann │ hi", "│ x …"])
            self.server.tells(6, "ann", "hi\nx")
            self.server.confirms(asked, 6)
            await self.settle(pilot)
            self.assertEqual(self.sees()[-1], "│ x")
            self.assertEqual(self.app.composer.text, "")

        self.run_at(scenario)

    def test_who_reads_back_stays_there_and_older_messages_are_loaded(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            [asked] = [one for one in self.server.hears() if one["do"] == "history"]
            self.assertEqual(asked["before"], 4)
            for seq in range(5, 45):
                self.server.tells(seq, "bob", f"m{seq}")
            await self.settle(pilot)
            self.assertTrue(self.sees()[-1].endswith("m44"))
            await pilot.press("pageup")
            await self.settle(pilot)
            before = self.sees()
            self.server.tells(45, "bob", "m45")
            await self.settle(pilot)
            self.assertEqual(self.sees(), before)
            self.assertIn("older", self.status())
            name = {"room": "lobby", "name": "lobby"}
            self.server.answers(
                asked, {"reply": "history", **name, "since": 0, "upto": 4, "count": 100}
            )
            for seq in (2, 3):
                self.server.tells(seq, "bob", f"m{seq}")
            self.server.says({"reply": "caughtup", **name, "seq": 4})
            await self.settle(pilot)
            self.app.messages.turn(-99)
            self.assertEqual(self.sees()[0], "This is where it begins.")
            await pilot.press("escape")
            await self.settle(pilot)
            self.assertTrue(self.sees()[-1].endswith("m45"))

        self.run_at(scenario)

    def test_the_status_says_that_the_link_is_silent(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            self.full.typed("hi")
            self.assertIn("● online", self.status())
            for _ in range(15):
                self.clock.advance(1)
            await self.settle(pilot)
            self.assertIn("○ nothing heard for 15 seconds", self.status())
            self.server.tells(5, "bob", "yes?")
            await self.settle(pilot)
            self.assertIn("● online", self.status())

        self.run_at(scenario)

    def test_a_new_size_wraps_anew_and_small_ones_are_usable(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            self.server.tells(5, "bob", "word " * 30)
            for width, height in ((100, 24), (80, 24), (60, 20), (30, 20), (120, 40)):
                await pilot.resize_terminal(width, height)
                await self.settle(pilot)
                said = " ".join(" ".join(self.sees()).replace("│", " ").split())
                self.assertIn("word word word", said)
                self.assertEqual(said.count("word"), 30, (width, self.sees()))
                self.assertEqual(self.app.rooms.display, width >= 72)
                self.assertEqual(self.app.members.display, width >= 96)

        self.run_at(scenario)

    def test_a_flood_is_drawn_a_bounded_number_of_times(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            now = monotonic()
            self.patch(screenful, "monotonic", lambda: now)
            await self.settle(pilot)
            timers: list[tuple[float, Callable[[], None]]] = []
            self.patch(self.app, "set_timer", lambda *of: timers.append(of))
            drawn = 0
            show = self.app.messages.show

            def counted(*of: Any) -> None:
                nonlocal drawn
                drawn += 1
                show(*of)

            self.app.messages.show = counted  # type: ignore[method-assign,assignment]
            for seq in range(5, 2005):
                self.server.tells(seq, "bob", f"m{seq}")
                if seq % 100 == 0:
                    await pilot.pause(0)
            self.assertLessEqual(drawn, 1)  # for a timer from before
            [(wait, draw)] = timers
            self.assertAlmostEqual(wait, screenful.FRAME_SECONDS)
            draw()
            self.assertTrue(self.sees()[-1].endswith("m2004"))

        self.run_at(scenario)


class WindowsTests(ScreenTestCase):
    def whisper(self, seq: int = 1) -> None:
        self.server.says(
            {"event": "whispered", "room": "@ann", "seq": seq, "at": 0, "by": "bob", "to": "ann",
             "body": "psst"}
        )  # fmt: skip

    def test_rooms_people_and_members_are_listed_with_marks(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            self.whisper()
            await self.settle(pilot)
            self.assertEqual(self.side(self.app.rooms), ["1 lobby", "2 @bob 1!", "3 h:1"])
            self.assertEqual(self.side(self.app.members), ["1 here", "ann"])
            self.assertIn("2:@bob(1!)", self.status())

        self.run_at(scenario)

    def test_keys_and_the_mouse_go_to_windows_and_keep_what_is_typed(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            self.whisper()
            await pilot.press("x")
            await pilot.press("alt+a")
            await self.settle(pilot)
            self.assertEqual(self.full.windows.current.key, "@bob")
            self.assertEqual(self.app.composer.text, "")
            self.assertEqual(self.sees()[-1], "00:00        bob │ psst")
            await pilot.press("alt+1")
            await self.settle(pilot)
            self.assertEqual(
                (self.full.windows.current.key, self.app.composer.text), ("lobby", "x")
            )
            await pilot.click("#rooms", offset=(3, 1))
            await self.settle(pilot)
            self.assertEqual(self.full.windows.current.key, "@bob")
            await pilot.press("alt+down")
            self.assertEqual(self.full.windows.current.key, "*")

        self.run_at(scenario)

    def test_quick_switch_finds_by_letters_and_enters_other_rooms(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            await pilot.press("ctrl+k")
            await pilot.pause()
            self.assertIsInstance(self.app.screen, Picker)
            asked = next(one for one in self.server.hears() if one["do"] == "rooms")
            line = {"people": 1, "topic": "", "locked": False}
            rooms = [{"room": name, "name": name, **line} for name in ("lobby", "tea")]
            self.server.answers(asked, {"reply": "rooms", "rooms": rooms, "more": 0})
            await self.app.workers.wait_for_complete()
            await pilot.press("t", "e", "enter")
            await self.settle(pilot)
            asked = next(one for one in self.server.hears() if one["do"] == "join")
            self.assertEqual(asked["room"], "tea")

        self.run_at(scenario)

    def test_who_looks_away_is_rung_for(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            rung: list[int] = []
            self.patch(self.app, "bell", lambda: rung.append(1))
            self.server.tells(5, "bob", "hi ann")
            self.assertEqual(len(rung), 0)
            self.full.windows.watch(False)
            self.server.tells(6, "bob", "hi ann")
            self.server.tells(7, "bob", "hi all")
            self.assertEqual(len(rung), 1)
            self.full.apply(Settings(notify="none"))
            self.server.tells(8, "bob", "hi ann")
            self.assertEqual(len(rung), 1)

        self.run_at(scenario)


class TypingTests(ScreenTestCase):
    def test_tab_completes_names_and_commands_in_turn(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            for seq, who in ((5, "bob"), (6, "boris")):
                self.server.says(
                    {"event": "joined", "room": "lobby", "seq": seq, "at": 0, "who": who,
                     "registered": False}
                )  # fmt: skip
            composer = self.app.composer
            for keys, text in (
                (("b", "tab"), "bob: "),
                (("tab",), "boris: "),
                (("shift+tab",), "bob: "),
            ):
                await pilot.press(*keys)
                await pilot.pause()
                self.assertEqual(composer.text, text)
            self.assertIn("boris:", self.status())
            composer.take("/que")
            await pilot.press("tab")
            self.assertEqual(composer.text, "/query ")
            self.assertIs(self.app.focused, composer)

        self.run_at(scenario)

    def test_what_is_typed_is_said_where_it_was_typed(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            self.full.windows.person("bob")
            self.app.composer.take("for all")
            self.app.action_number(2)
            self.app.composer._enter()
            asked = [one for one in self.server.hears() if one["do"] in ("say", "whisper")]
            self.assertEqual([one.get("room") for one in asked], ["lobby"])
            await self.settle(pilot)
            self.assertEqual((self.full.windows.current.key, self.app.composer.text), ("@bob", ""))

        self.run_at(scenario)

    def test_a_password_is_dots_where_one_types(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            def line(y: int) -> str:
                return self.app.composer.render_line(y).text.rstrip()

            await pilot.press(*"/login ann s3cret")
            self.assertEqual(line(0), "/login ann ••••••")
            self.assertEqual(self.app.composer.text, "/login ann s3cret")
            await pilot.press("ctrl+j", "x")
            self.assertEqual((line(0), line(1)), ("/login ann ••••••", "•"))
            await pilot.press(*["backspace"] * 2, "enter")
            asked = next(one for one in self.server.hears() if one["do"] == "login")
            self.assertEqual(asked["password"], "s3cret")
            await pilot.press(*"ann s3cret")
            self.assertEqual(line(0), "ann s3cret")

        self.run_at(scenario)

    def test_up_brings_back_what_was_typed(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            for line in ("one", "two"):
                self.app.composer.take(line)
                await pilot.press("enter")
            await pilot.press("x", "up", "up")
            self.assertEqual(self.app.composer.text, "one")
            await pilot.press("down", "down")
            self.assertEqual(self.app.composer.text, "x")

        self.run_at(scenario)

    def test_what_is_pasted_may_have_lines_and_steers_nothing(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            from textual.events import Paste

            self.app.composer.post_message(Paste("one\r\n\x1b[2Jtwo"))
            await pilot.pause()
            self.assertEqual(self.app.composer.text, "one\n␛[2Jtwo")

        self.run_at(scenario)

    def test_what_is_wrong_is_told_where_one_types(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            for line, sentence in (
                ("/nope", "There is no command /nope."),
                ("/theme nope", "There is no theme nope."),
                ("/settings nope 1", "There is no setting nope."),
                ("/go nope", "There is no window nope."),
                ("/save x", "Use it like this: /save #NUMBER FILE"),
                ("/query", "Use it like this: /query USER"),
                ("/send-file nowhere", "There is no file nowhere."),
                ("/send-file", "Use it like this: /send-file ROOM|USER PATH"),
                ("/send-file ~nobody.at.all/x", "There is no file ~nobody.at.all/x."),
                (f"/send-file {'x' * 300}", "There is no file xxx"),
                ("/log ~nobody.at.all/x", "nobody.at.all"),
            ):
                self.app.composer.take(line)
                await pilot.press("enter")
                await self.settle(pilot)
                seen = " ".join(" ".join(self.sees()).replace("│", " ").split())
                self.assertIn(sentence, seen)

        self.run_at(scenario)

    def test_a_bug_is_told_and_costs_nobody_the_screen(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            def broken(line: str) -> bool:
                raise RuntimeError(line)

            self.patch(self.full.deeds, "obey", broken)
            self.app.composer.take("/query bob")
            await pilot.press("enter", "x")
            self.assertEqual(self.app.composer.text, "x")
            self.assertEqual(len(self.flushLoggedErrors(RuntimeError)), 1)

        self.run_at(scenario)

    def test_all_is_drawn_again_after_the_background(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            drawn: list[int] = []
            self.patch(self.app, "action_redraw", lambda: drawn.append(1))
            self.app.post_message(Driver.SignalResume())
            await pilot.pause()
            self.assertEqual(drawn, [1])

        self.run_at(scenario)

    def test_settings_and_themes_are_changed_at_once_and_kept(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            for line in ("/theme nord", "/settings times %H:%M:%S"):
                self.app.composer.take(line)
                await pilot.press("enter")
                await self.settle(pilot)
            self.server.tells(5, "bob", "hi")
            await self.settle(pilot)
            self.assertEqual(self.app.theme, "nord")
            self.assertEqual(self.sees()[-1], "00:00:00        bob │ hi")
            await pilot.press("ctrl+t")
            self.assertEqual(self.app.theme, "textual-light")

        self.run_at(scenario)

    def test_what_comes_is_logged_on_demand_and_a_message_saved(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            log, saved = self.mktemp(), self.mktemp()
            self.full.typed(f"/log {log}")
            self.server.tells(5, "bob", "x" * 20_000)
            self.full.typed(f"/save #5 {saved}")
            self.full.typed("/log off")
            self.server.tells(6, "bob", "not this")
            self.assertEqual(Path(saved).read_text(), "x" * 20_000)
            [line] = Path(log).read_text().splitlines()
            self.assertIn("[lobby] bob: xxx", line)

        self.run_at(scenario)

    def test_a_message_that_was_read_again_is_saved_too(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            saved = self.mktemp()
            again = Item(Kind.SAID, 0.5, "bob", ("old",), body="old", number=2)
            self.full.windows.current.add(again)
            self.full.typed(f"/save #0 {saved}")
            self.assertFalse(Path(saved).exists())
            self.full.typed(f"/save #2 {saved}")
            self.assertEqual(Path(saved).read_text(), "old")

        self.run_at(scenario)


class FilesTests(ScreenTestCase):
    def test_a_file_is_sent_to_the_window_with_a_bar_and_given_up(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            path = Path(self.mktemp())
            path.write_text("x")
            self.full.typed(f"/send-file {path}")
            self.assertEqual(self.courier.asked, [("lobby", path.name)])
            self.courier.progress(1 << 20, 1 << 22)
            await self.settle(pilot)
            self.assertIn("25 % of 4.0 MiB", self.sees()[-1])
            self.assertIn("↑", self.sees()[-1])
            self.full.typed("/cancel")
            await self.settle(pilot)
            self.assertEqual(self.sees()[-1], f"00:00                │ {path.name} is given up.")

        self.run_at(scenario, (120, 24))

    def test_a_file_that_is_offered_is_fetched_by_a_click_or_get(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            self.server.says(
                {"event": "shared", "room": "lobby", "seq": 5, "at": 0, "by": "bob",
                 "id": "0123456789ab", "name": "re[b]port\x1b.pdf", "size": 2048,
                 "type": "application/pdf", "sha256": "0" * 64}
            )  # fmt: skip
            await self.settle(pilot)
            self.assertIn("bob │ re[b]port␛.pdf (2.0 KiB, application/pdf)", " ".join(self.sees()))
            await pilot.click("#messages", offset=(30, self.app.messages.height - 2))
            self.full.typed("/get")
            asked = [one["id"] for one in self.server.hears() if one["do"] == "get"]
            self.assertEqual(asked, ["0123456789ab"] * 2)

        self.run_at(scenario)


class DialogTests(ScreenTestCase):
    def test_what_is_found_can_be_gone_to(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            for seq in range(5, 80):
                self.server.tells(seq, "bob", f"tea {seq}")
            await pilot.press("ctrl+r")
            await pilot.pause()
            self.assertIsInstance(self.app.screen, Search)
            await pilot.press("t", "e", "a", "enter")
            await pilot.pause()
            asked = next(one for one in self.server.hears() if one["do"] == "search")
            self.assertEqual(asked["words"], "tea")
            hit = {"room": "lobby", "name": "lobby", "at": 0, "by": "[b]bob", "action": False}
            hits = [{**hit, "seq": seq, "body": f"tea {seq}"} for seq in (10, 70)]
            self.server.answers(
                asked, {"reply": "found", "words": ["tea"], "hits": hits, "more": False}
            )
            await pilot.pause()
            listed = self.app.screen.query_one(OptionList)
            self.assertEqual(listed.option_count, 2)
            self.assertIn("[b]bob: tea 70", str(listed.get_option_at_index(0).prompt))
            await pilot.press("down", "enter")
            await pilot.pause()
            await self.settle(pilot)
            self.assertTrue(any(row.endswith("tea 10") for row in self.sees()), self.sees())

        self.run_at(scenario)

    def test_the_keys_are_explained(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            await pilot.press("f1")
            await pilot.pause()
            self.assertIsInstance(self.app.screen, Reading)
            await pilot.press("escape")
            await pilot.pause()
            await pilot.press("h")
            self.assertEqual(self.app.composer.text, "h")

        self.run_at(scenario)

    def test_a_password_is_asked_for_hidden(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            asked = asyncio.ensure_future(self.app.ask("Password of the server:"))
            await pilot.pause()
            self.assertIsInstance(self.app.screen, Asking)
            self.assertTrue(self.app.screen.query_one(Input).password)
            await pilot.press("s", "x", "enter")
            self.assertEqual(await asked, "sx")

        self.run_at(scenario)

    def test_what_two_compare_is_asked_and_answered(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            typed: list[str] = []
            self.patch(self.full, "typed", typed.append)
            signs = tuple((sign, sign) for sign in "abcdefg")
            for key in ("y", "n", "escape"):
                self.full.told_of_keys(Compare("bob", "PHONE", signs, (1, 2, 3)))
                await pilot.pause()
                await pilot.pause()
                self.assertIsInstance(self.app.screen, Comparing)
                asked = str(self.app.screen.query(Static).first().render())
                self.assertIn("or 1 2 3. Ask", asked)
                await pilot.press(key)
                await pilot.pause()
            self.assertEqual(typed, ["/verify yes", "/verify no"])

        self.run_at(scenario)

    def test_a_change_of_keys_is_shouted(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            self.full.told_of_keys(KeysChanged("bob", "PHONE"))
            await self.settle(pilot)
            self.assertIn("OTHER KEYS", " ".join(self.sees()))
            for window in (self.full.windows.current, self.full.windows.server):
                self.assertIs(window.items[-1].kind, Kind.REFUSAL)

        self.run_at(scenario)

    def test_ctrl_c_says_how_to_leave_where_there_is_nothing_to_copy(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            await pilot.press("x", "ctrl+c", "ctrl+a", "shift+end", "ctrl+c")
            await pilot.pause()
            told = [toast.message for toast in self.app._notifications]
            self.assertEqual(told, ["Ctrl-Q leaves, /quit too."])
            self.assertFalse(self.link.leaving)

        self.run_at(scenario)

    def test_ctrl_d_leaves_where_nothing_is_typed(self) -> None:
        async def scenario(pilot: Pilot[None]) -> None:
            await pilot.press("x", "ctrl+d")
            self.assertFalse(self.link.leaving)
            await pilot.press("backspace", "ctrl+d")
            await pilot.pause()
            self.assertTrue(self.link.leaving)

        self.run_at(scenario)


class KeyboardTests(LinkTestCase):
    def test_keys_are_told_apart_where_the_terminal_speaks_the_old_way(self) -> None:
        from textual._xterm_parser import XTermParser
        from textual.events import Key

        know_keys()
        for sent, key in (
            ("\x1b\r", "alt+enter"),
            ("\r", "enter"),
            ("\n", "ctrl+j"),
            ("\x1b7", "alt+7"),
        ):
            parser = XTermParser()
            [event] = [*parser.feed(sent), *parser.feed("")]
            assert isinstance(event, Key)
            self.assertEqual(event.key, key)
