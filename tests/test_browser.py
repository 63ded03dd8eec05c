"""The page in a real browser: what people see and do there."""

from __future__ import annotations

import json
import signal
from hashlib import sha256
from importlib.resources import files
from typing import Any

from twisted.internet.endpoints import TCP4ServerEndpoint
from twisted.internet.protocol import connectionDone
from twisted.protocols.portforward import ProxyFactory, ProxyServer
from twisted.python.failure import Failure

from chatnet.core.files import spell_size
from chatnet.web.crypto import MESSAGES
from tests.browser import BrowserTestCase, Key, Page, address
from tests.harness import LiveTestCase, poll, reactor, said, told

MOST_BYTES = 88 * 1024  # of what is fetched at first, as it is kept
ON_DEMAND = {  # what is fetched when it is wanted, and how large it may be
    "more.js": 6 * 1024, "menus.js": 8 * 1024, "files.js": 12 * 1024, "keys.js": 16 * 1024,
    "sealing.js": 8 * 1024, "letters.js": 6 * 1024,
    "megolm.js": 8 * 1024, "olm.js": 8 * 1024, "peers.js": 4 * 1024, "vault.js": 6 * 1024,
    "verify.js": 12 * 1024, "secrets.js": 4 * 1024, "slices.js": 8 * 1024, "backup.js": 8 * 1024,
    "devices.js": 8 * 1024, "recovery.js": 4 * 1024,
}  # fmt: skip
HOSTILE = (
    "<img src=x onerror=alert(1)>",
    "<script>document.title='owned'</script><style>*{display:none}</style>",
    '"><a href="javascript:alert(1)">javascript:alert(1)</a>',
    "\u202egnp.exe \u2066isolated\u2069 \x1b[31mred\x07 \u200f\u0665",
    "e" + "\u0301\u0327\u0335" * 200,
    "w" * 20_000,
    "&lt;b&gt; &amp; {{7*7}} ${7*7}",
)


class Severed(ProxyServer):
    """One connection through a link that can be cut."""

    factory: Wire
    transport: Any

    def connectionMade(self) -> None:
        if self.factory.cut:
            self.transport.abortConnection()
            return
        self.factory.open.add(self)
        super().connectionMade()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.open.discard(self)
        super().connectionLost(reason)


class Wire(ProxyFactory):
    """A link to ``port`` that can be cut while both ends live."""

    protocol = Severed
    noisy = False

    def __init__(self, port: int) -> None:
        super().__init__("127.0.0.1", port)
        self.open: set[Severed] = set()
        self.cut = False

    def sever(self) -> None:
        self.cut = True
        for one in list(self.open):
            one.transport.abortConnection()

    def mend(self) -> None:
        self.cut = False


class TogetherTests(BrowserTestCase):
    async def told(self, server: Any, room: str = "tea") -> list[str]:
        """Return what the room's log holds, by someone who was not there."""
        reader = await self.connects(server)
        reader.asks("nick", name="reader")
        reader.asks("join", room=room, replay=-1)
        lines = await reader.until('"reply":"caughtup"')
        return said(map(json.loads, lines))

    async def test_everyone_sees_the_same_in_the_same_order(self) -> None:
        server = await self.serves()
        ann, bob = await self.visits(server, "ann"), await self.visits(server, "bob")
        zoe = await self.joins(server, "zoe")
        for n in range(5):
            await ann.types(f"ann {n}")
            zoe.types(f"zoe {n}")
            await bob.types(f"bob {n}")
        await zoe.answered()
        order = await self.told(server)
        self.assertEqual(len(order), 15)
        for page in (ann, bob):
            await page.reads(*order)
            self.assertEqual(await page.said(), order)

    async def test_a_killed_server_costs_no_message(self) -> None:
        server = await self.serves()
        ann, bob = await self.visits(server, "ann"), await self.visits(server, "bob")
        await ann.types("before")
        await bob.reads("ann: before")
        server.kill(signal.SIGKILL)
        await server.ended()
        await ann.until("return !document.getElementById('banner').hidden")
        await ann.types("while it was down", "and again")
        await ann.until("return document.querySelectorAll('#pending .sending').length === 2")
        again = await self.serves(
            "--port", str(server.port), "--interface", "127.0.0.1", listen=False
        )
        words = ["ann: before", "ann: while it was down", "ann: and again"]
        for page in (ann, bob):
            await page.runs("document.getElementById('retry').click()")
            await page.reads(*words)
            self.assertEqual(await page.said(), words)
            await page.until("return document.getElementById('banner').hidden")
        self.assertEqual(await self.told(again), words)

    async def test_a_cut_link_costs_no_message_and_doubles_none(self) -> None:
        server = await self.serves()
        wire = Wire(server.port)
        port: Any = await TCP4ServerEndpoint(reactor, 0, interface="127.0.0.1").listen(wire)
        self.addCleanup(port.stopListening)
        self.addCleanup(wire.sever)
        ann = await self.visits(port.getHost().port, "ann")
        zoe = await self.joins(server, "zoe")
        await ann.types("before")
        await zoe.until("ann: before")
        wire.sever()
        await ann.until("return !document.getElementById('banner').hidden")
        await ann.types("meanwhile, ann")
        zoe.types(*(f"meanwhile {n}" for n in range(20)))
        await zoe.answered()
        wire.mend()
        await ann.runs("document.getElementById('retry').click()")
        await zoe.until("ann: meanwhile, ann")
        zoe.types("after")
        await ann.shows("after")
        order = await self.told(server)
        self.assertEqual(
            order,
            ["ann: before", *(f"zoe: meanwhile {n}" for n in range(20)), "ann: meanwhile, ann",
             "zoe: after"],
        )  # fmt: skip
        self.assertEqual(await ann.said(), order)

    async def test_hostile_words_stay_words(self) -> None:
        server = await self.serves()
        ann = await self.visits(server, "ann")
        await ann.complaints()
        eve = await self.observes(server, "Eve_\u0335\u0335\u0335x")
        eve.asks("topic", room="tea", topic=HOSTILE[0])
        for words in HOSTILE:
            eve.asks("say", room="tea", body=words)
        eve.asks("say", room="tea", body="harmless")
        await ann.shows("harmless")
        shown = [line.partition(": ")[2] for line in await ann.said()]
        for number in (0, 1, 2, 4, 6):
            self.assertIn(HOSTILE[number], shown)
        self.assertNotRegex("".join(shown), "[\u202a-\u202e\u2066-\u2069\x00-\x08\x0b-\x1f]")
        foreign = "return document.querySelectorAll('#log img, #log script, #log style, #log a')"
        self.assertEqual(await ann.runs(f"{foreign}.length"), 0)
        self.assertTrue((await ann.runs("return document.title")).endswith("chatnet · tea"))
        self.assertEqual(await overflow(ann), 0)
        self.assertEqual(await ann.complaints(), [])

    async def test_words_are_found_and_what_was_deleted_is_gone(self) -> None:
        server = await self.serves()
        ann, bob = await self.visits(server, "ann"), await self.visits(server, "bob")
        await ann.types("green tea", "black tea")
        await bob.reads("ann: green tea", "ann: black tea")
        await bob.types("/search green from:ann since:1h")
        await bob.shows("ann: green tea", "#rows .card")
        await ann.types("/delete by mistake", "/ban bob 2x")
        await ann.shows("/delete [#NUMBER [REASON]] - delete your last message, or #12")
        await ann.shows("2x is no length of time, like 90s")
        await ann.types("/delete #5 by mistake")
        for page in (ann, bob):
            await page.shows("ann deleted their own message: by mistake")
            await page.shows("ann: (deleted)")
            self.assertEqual(await page.said(), ["ann: green tea"])
        await bob.types("/delete #4")
        await bob.shows("Only a moderator of tea can delete what others said. Ask one: ann.")
        await bob.types("milk tea")
        await ann.types("/delete #7")
        await bob.shows("ann deleted a message by bob")
        zoe = await self.visits(server, "zoe")
        await zoe.shows("ann: (deleted)")
        self.assertEqual(await zoe.said(), ["ann: green tea"])
        self.assertEqual(await bob.complaints(), [])

    async def test_blanks_before_a_command_do_not_make_it_speech(self) -> None:
        server = await self.serves()
        ann = await self.visits(server, "ann")
        await ann.types("  /nick annie")
        await ann.shows("annie", "#self")
        await ann.types(" // shrug", "done")
        await ann.reads("annie:  // shrug", "annie: done")
        await ann.types(" /newuser annie geheim")
        await ann.presses(Key.UP)
        recalled = "return document.getElementById('write').value"
        self.assertEqual(await ann.runs(recalled), "done")
        self.assertEqual(await ann.complaints(), [])

    async def test_links_lead_out_and_tell_nothing(self) -> None:
        server = await self.serves()
        ann, zoe = await self.visits(server, "ann"), await self.joins(server, "zoe")
        zoe.types("see https://example.org/a?b=(c), or ftp://no.example javascript:no")
        links = await ann.until(
            "const all = [...document.querySelectorAll('#rows a')];"
            "return all.length && all.map((a) => [a.href, a.rel, a.target])"
        )
        self.assertEqual(
            links, [["https://example.org/a?b=(c)", "noopener noreferrer nofollow", "_blank"]]
        )

    async def test_a_whisper_is_a_conversation_of_its_own(self) -> None:
        server = await self.serves()
        ann, bob = await self.visits(server, "ann"), await self.visits(server, "bob")
        await ann.types("/w bob psst")
        await ann.reads("ann: psst")
        await ann.until("return location.hash === '#@bob'")
        await bob.clicks("[data-key='@ann']")
        await bob.reads("ann: psst")
        await bob.types("what is it?")
        await ann.reads("ann: psst", "bob: what is it?")
        zoe = await self.joins(server, "zoe")
        self.assertEqual(await told(zoe, "tea"), [])

    async def test_a_moderator_puts_someone_out_from_the_menu(self) -> None:
        server = await self.serves()
        ann = await self.visits(server, "ann")
        bob = await self.visits(server, "bob")
        await ann.clicks("#people [data-key='bob']")
        await ann.chooses("Put out")
        await ann.shows("bob was put out by ann")
        await bob.shows("ann put you out of this room", "#apart")
        await bob.clicks("#enter-again")
        await bob.shows_room("tea")
        await ann.until("return document.querySelector(\"#people [data-key='bob']\")")
        await ann.clicks("#people [data-key='bob']")
        await ann.chooses("10 min", "Mute")
        await ann.shows("bob was muted by ann")
        await bob.types("but")
        await bob.shows("You are muted", "#pending .refused")

    async def test_a_room_is_renamed_and_deleted_while_people_are_in_it(self) -> None:
        server = await self.serves()
        ann = await self.page()
        await ann.opens(address(server))
        await ann.clicks("#as-register")
        await ann.comes_in("Ann", password="Ann11 and more")
        bob = await self.visits(server, "bob")
        await ann.types("/rename coffee")
        for page in (ann, bob):
            await page.shows("Ann renamed the room: coffee")
            await page.shows_room("coffee")
        await bob.types("still here")
        await ann.reads("bob: still here")
        await bob.does(lambda driver: driver.refresh())
        await bob.shows_room("coffee")
        await bob.types("back again")
        await ann.reads("bob: back again")
        await ann.types("/deleteroom coffee over")
        await bob.shows("Ann deleted the room: over")
        await bob.shows("You are no longer in this room", "#apart")
        await bob.clicks("#enter-again")
        await bob.until("return document.body.textContent.includes('was deleted by Ann: over')")

    async def test_history_comes_as_one_scrolls_up(self) -> None:
        server = await self.serves()
        zoe = await self.joins(server, "zoe")
        zoe.types(*(f"message {n}" for n in range(300)))
        await zoe.answered()
        ann = await self.visits(server, "ann")
        await ann.reads("zoe: message 299")
        scroll = (
            "const log = document.getElementById('log');"
            "if (log.textContent.includes('zoemessage 0') || "
            "    [...log.querySelectorAll('.body')].some((b) => b.textContent === 'message 0'))"
            "  return true;"
            "log.scrollTop = 0; return false"
        )
        await ann.until(scroll)
        await ann.shows("This is the beginning of the room.")
        shown = await ann.said()
        first = int(shown[0].rpartition(" ")[2])
        self.assertEqual(shown, [f"zoe: message {n}" for n in range(first, first + len(shown))])
        self.assertEqual(first, 0)
        await ann.clicks("#jump")
        await ann.reads("zoe: message 299")
        self.assertLess(await ann.runs("return document.querySelectorAll('.row').length"), 450)

    async def test_a_command_leaves_the_end_in_sight(self) -> None:
        server = await self.serves()
        zoe = await self.joins(server, "zoe")
        zoe.types(*(f"message {n}" for n in range(40)))
        await zoe.answered()
        ann = await self.visits(server, "ann")
        await ann.reads("zoe: message 39")
        await ann.types("/help")
        await ann.until("return document.body.textContent.includes('list the commands')")
        below = "return log.scrollHeight - log.scrollTop - log.clientHeight"
        self.assertEqual(await ann.runs(f"const log = document.getElementById('log'); {below}"), 0)

    async def test_the_address_says_which_room_is_open(self) -> None:
        server = await self.serves()
        page = await self.page()
        await page.opens(address(server, "t%C3%A9"))
        await page.fills(name="ann")
        await page.shows_room("té")
        await page.types("/join coffee")
        await page.shows_room("coffee")
        self.assertEqual(await page.runs("return location.hash"), "#coffee")
        await page.runs("history.back()")
        await page.shows_room("té")

    async def test_a_reload_comes_back_as_the_same_guest_in_the_same_rooms(self) -> None:
        server = await self.serves()
        ann = await self.visits(server, "ann")
        await ann.types("/join coffee")
        await ann.shows_room("coffee")
        await ann.does(lambda driver: driver.refresh())
        await ann.shows_room("coffee")
        rooms = "return [...document.querySelectorAll('.talk bdi')].map((b) => b.textContent)"
        await ann.until(f"{rooms.replace('return', 'return (')}).join() === 'coffee,tea'")
        await ann.shows("ann", "#self")

    async def test_one_who_came_again_elsewhere_is_told_and_can_come_back(self) -> None:
        server = await self.serves()
        ann, again = await self.visits(server, "ann"), await self.page()
        kept = await ann.runs("return {...sessionStorage}")
        await again.opens(address(server))
        await again.runs("Object.assign(sessionStorage, arguments[0])", kept)
        await again.does(lambda driver: driver.refresh())
        await again.shows_room("tea")
        await ann.shows("in another window", "#trouble")
        await ann.clicks("#retry")
        await ann.until("return document.getElementById('banner').hidden")
        await again.shows("in another window", "#trouble")

    async def test_a_keyboard_does_it_all(self) -> None:
        server = await self.serves()
        ann = await self.visits(server, "ann")
        await self.joins(server, "Zoe")
        await ann.until("return document.querySelector(\"#people [data-key='zoe']\")")
        await ann.presses("hello zo", Key.TAB, "and ", "@z", Key.TAB, Key.SHIFT + Key.ENTER)
        await ann.presses("second line", Key.ENTER)
        await ann.reads("ann: hello Zoe and @Zoe \nsecond line")
        await ann.presses(Key.UP, Key.ENTER)
        await ann.reads(*["ann: hello Zoe and @Zoe \nsecond line"] * 2)
        await ann.presses("/jo", Key.TAB, "coffee", Key.ENTER)
        await ann.shows_room("coffee")
        await ann.presses(Key.ALT + Key.DOWN)
        await ann.shows_room("tea")

    async def test_the_title_counts_what_was_not_read(self) -> None:
        server = await self.serves()
        ann, zoe = await self.visits(server, "ann"), await self.joins(server, "zoe")
        await ann.types("/join coffee")
        await ann.shows_room("coffee")
        zoe.types("one", "two", "three for ann")
        await ann.until("return document.title.startsWith('(3) chatnet')")
        await ann.shows("@ 3", "[data-key='tea'] .called")
        await ann.clicks("[data-key='tea']")
        await ann.until("return document.title.startsWith('chatnet')")

    async def test_what_one_may_delete_has_a_button_where_one_points(self) -> None:
        server = await self.serves()
        bob = await self.joins(server, "bob")
        ann = await self.visits(server, "ann")
        bob.types("mine")
        await ann.types("oops", "/roll")
        await ann.until("return document.querySelectorAll('#rows .die').length === 1")
        await ann.points(1)
        self.assertTrue(await ann.runs("return !!document.querySelector('.bin')"))
        for other in (0, 2):
            await ann.points(other)
            self.assertFalse(await ann.runs("return !!document.querySelector('.bin')"))
        await ann.points(1)
        await ann.clicks("#write")
        await ann.until("return !document.querySelector('.bin')")
        await ann.points(1)
        await ann.clicks(".bin")
        await ann.chooses("Delete the message")
        await bob.until("ann deleted")
        await ann.reads("bob: mine")
        await ann.shows("ann: (deleted)")

    async def test_a_narrow_screen_has_nothing_outside(self) -> None:
        server = await self.serves()
        page = await self.page()
        size = {"width": 360, "height": 740, "deviceScaleFactor": 1, "mobile": True}
        await page.does(
            lambda driver: driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        )
        await page.opens(address(server))
        self.assertEqual(await overflow(page), 0)
        await page.comes_in(
            "ann", "a-room-with-a-name-as-long-as-they-can-be-in-any-language-at-all"
        )
        zoe = await self.connects(server)
        zoe.asks("nick", name="z" * 32)
        room = "a-room-with-a-name-as-long-as-they-can-be-in-any-language-at-all"
        zoe.asks("join", room=room)
        zoe.asks("say", room=room, body="w" * 2000)
        await page.shows("wwww")
        self.assertEqual(await overflow(page), 0)
        for opener, shown in (("#to-side button", "#side"), ("#to-people", "#people")):
            await page.clicks(opener)
            await page.until(
                "const box = document.querySelector(arguments[0]).getBoundingClientRect();"
                "return box.left >= 0 && box.right <= 360", shown,
            )  # fmt: skip
            await page.runs("document.getElementById('shade').click()")
            self.assertEqual(await overflow(page), 0)

    async def test_a_narrow_screen_has_room_for_what_is_wrong_and_what_is_written(self) -> None:
        server = await self.serves()
        page = await self.visits(server, "ann")
        size = {"width": 390, "height": 844, "deviceScaleFactor": 1, "mobile": True}
        await page.does(
            lambda driver: driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
        )
        clip, send = await page.runs(
            "return ['#composer .tool', '#send'].map((one) => {"
            "  const {left, right} = document.querySelector(one).getBoundingClientRect();"
            "  return {left, right}; })"
        )
        self.assertLessEqual(send["left"] - clip["right"], 8)
        server.kill(signal.SIGKILL)
        await server.ended()
        await page.until("return !document.getElementById('banner').hidden")
        wide = await page.runs("return document.getElementById('trouble').offsetWidth")
        self.assertGreaterEqual(wide, 260)


class AccountTests(BrowserTestCase):
    async def test_an_account_is_made_and_used_again(self) -> None:
        server = await self.serves()
        page = await self.page()
        await page.opens(address(server))
        await page.clicks("#as-register")
        await page.comes_in("Tom", password="Tom11 and more")
        await page.shows("account", "#self")
        await page.types("/logout")
        await page.until("return !document.getElementById('door').hidden")
        await page.clicks("#as-login")
        await page.fills(name="Tom", password="wrong")
        await page.until("return document.getElementById('door-wrong').textContent")
        await page.comes_in("Tom", password="Tom11 and more")
        await page.shows("account", "#self")
        await page.does(lambda driver: driver.refresh())
        await page.until("return document.getElementById('name').value === 'Tom'")
        zoe = await self.joins(server, "zoe")
        zoe.types("/w Tom for when you come back")
        await zoe.until("will read it at the next login")
        await page.comes_in("Tom", password="Tom11 and more")
        await page.clicks("[data-key='@zoe']")
        await page.reads("zoe: for when you come back")
        stored = await page.runs("return JSON.stringify([{...localStorage}, {...sessionStorage}])")
        self.assertNotIn("Tom11", stored)

    async def test_a_name_that_is_taken_is_told_in_place(self) -> None:
        server = await self.serves()
        await self.joins(server, "ann")
        page = await self.page()
        await page.opens(address(server))
        await page.fills(name="ann")
        await page.shows("The name ann is in use.", "#door-wrong")
        await page.comes_in("bea")

    async def test_a_servers_password_is_asked_for(self) -> None:
        (self.folder / "pw").write_text("open sesame\n")
        server = await self.serves("--password-file", str(self.folder / "pw"))
        page = await self.page()
        await page.opens(address(server))
        await page.fills(name="ann", gate="wrong")
        await page.until("return document.getElementById('door-wrong').textContent")
        await page.comes_in("ann", gate="open sesame")
        await page.does(lambda driver: driver.refresh())
        await page.shows("This server has a password.", "#door-wrong")
        await page.comes_in("ann", gate="open sesame")


_DROPS = """
const data = new DataTransfer();
const bytes = new Uint8Array(arguments[1]).fill(7);
data.items.add(new File([bytes], arguments[0], {type: arguments[2]}));
const event = new Event('drop', {bubbles: true, cancelable: true});
event.dataTransfer = data;
document.body.dispatchEvent(event);
"""


class FileTests(BrowserTestCase):
    async def test_what_is_dropped_is_sent_and_comes_back(self) -> None:
        server = await self.serves()
        bob = await self.observes(server, "bob")
        page = await self.page()
        await page.comes_in("ann", address=address(server))
        await page.runs(_DROPS, "holiday <b>.png", 3_000_000, "image/png")
        shared = json.loads((await bob.until('"event":"shared"'))[-1])
        self.assertEqual((shared["name"], shared["size"]), ("holiday _b_.png", 3_000_000))
        self.assertEqual(shared["sha256"], sha256(bytes([7]) * 3_000_000).hexdigest())
        await page.until("return document.querySelector('#rows strong').textContent")
        got = await page.until(
            "window.got ??= import('/page/client.js').then((client) => client.ask('get', {id:"
            " arguments[0]})).then(({url}) => fetch(new URL(url).pathname)).then((answer) =>"
            " answer.blob()).then(({size}) => (window.size = size)); return window.size",
            shared["id"],
        )
        self.assertEqual(got, 3_000_000)
        await page.types("in the same room")
        await bob.until("in the same room")

    async def test_sizes_are_written_as_in_a_terminal(self) -> None:
        page = await self.visits(await self.serves(), "ann")
        sizes = [0, 1, 999, 1023, 1024, 90_000, 102_350, 1 << 20, 3_000_000, 1 << 30, 5 << 50]
        spelt = await page.until(
            "import('/page/text.js').then((text) => (window.spelt ="
            " arguments[0].map(text.spellSize))); return window.spelt",
            sizes,
        )
        self.assertEqual(spelt, [spell_size(size) for size in sizes])

    async def test_it_shows_how_far_it_is_and_is_given_up(self) -> None:
        server = await self.serves("--limit", "file-bytes=1M+1M/s", "--limit", "file-spare=0")
        page = await self.page()
        await page.comes_in("ann", address=address(server))
        await page.runs(_DROPS, "large.bin", 20_000_000, "")
        await page.until("return document.querySelector('.sends progress')?.value > 0")
        await page.runs("document.querySelector('.sends button').click()")
        await page.until("return !document.querySelector('.sends')")
        await page.until("return /given up/.test(document.getElementById('rows').textContent)")
        await poll(lambda: not list((self.folder / "data" / "files").iterdir()), "it is gone")


class SizeTests(LiveTestCase):
    def test_the_page_is_small(self) -> None:
        folder = files("chatnet.web") / "page"
        sizes = {
            file.name: len(file.read_bytes())
            for file in folder.iterdir()
            if file.is_file() and file.name not in MESSAGES.files
        }
        for name, most in ON_DEMAND.items():
            self.assertLess(sizes.pop(name), most, name)
        self.assertLess(sum(sizes.values()), MOST_BYTES, sizes)


async def overflow(page: Page) -> int:
    """Return by how many pixels the page is wider than its window."""
    width: int = await page.runs(
        "return Math.max(document.documentElement.scrollWidth, document.body.scrollWidth,"
        " ...[...document.querySelectorAll('#log, #rows, .row')].map((e) => e.scrollWidth))"
        " - window.innerWidth"
    )
    return max(0, width)
