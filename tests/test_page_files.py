"""Files in encrypted rooms: between the page and a client of the library, and what goes wrong."""

from __future__ import annotations

import os
from base64 import b64decode, b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any

from chatnet.client.keys.files import Secret, lock, unlock
from chatnet.core import commands as c, events as e
from chatnet.core.files import safe_name
from tests.browser import SOON, Page
from tests.harness import poll, reactor
from tests.pagekeys import KeysTestCase, Person

SIZE = 300_001  # bytes: several slices, and a part of one
NAMES = (
    "report.pdf", "../../etc/passwd", "C:\\x\\y.txt", ".bashrc", "con.txt", "a\u202egnp.exe",
    "  two   words .", "", "x" * 300 + ".tar.gz", "\u00e4" * 120, "a\u0308.txt", "nul",
    "lpt\u00b9.x", "<b>?", ".",
)  # fmt: skip
_DROPS = """
const data = new DataTransfer();
const bytes = Uint8Array.from(atob(arguments[1]), (c) => c.charCodeAt(0));
data.items.add(new File([bytes], arguments[0], {type: arguments[2]}));
const event = new Event(arguments[3], {bubbles: true, cancelable: true});
event[arguments[3] === 'drop' ? 'dataTransfer' : 'clipboardData'] = data;
document.body.dispatchEvent(event);
"""
_LOCKS = """
const [text, from] = arguments;
const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const { Locked } = await import('/page/slices.js');
const locked = new Locked(new File([bytes], 'x'));
const whole = new Uint8Array(await (await locked.piece(0)).arrayBuffer());
const again = new Uint8Array(await (await locked.piece(from)).arrayBuffer());
const rest = whole.subarray(from);
const same = again.length === rest.length && again.every((byte, at) => byte === rest[at]);
let sealed = '';
for (const byte of whole) sealed += String.fromCharCode(byte);
return {...locked.secret, size: locked.size, same, sealed: btoa(sealed)};
"""
_OPENS = """
const [text, secret, step] = arguments;
const bytes = Uint8Array.from(atob(text), (c) => c.charCodeAt(0));
const { Opening } = await import('/page/slices.js');
try {
  const opening = new Opening(secret);
  for (let at = 0; at < bytes.length; at += step) opening.take(bytes.subarray(at, at + step));
  let plain = '';
  const opened = new Uint8Array(await opening.blob().arrayBuffer());
  for (const byte of opened) plain += String.fromCharCode(byte);
  return btoa(plain);
} catch ({message}) {
  return `!${message}`;
}
"""


_CUTS = """
const [fetch, {send}] = [window.fetch, XMLHttpRequest.prototype];
window.fetch = async (...asked) => {
  window.fetch = fetch;
  const bytes = new Uint8Array(await (await fetch(...asked)).arrayBuffer()).slice(0, 100_001);
  let read = 0;
  return new Response(new ReadableStream({
    pull: (to) => read++ ? to.error(new TypeError('cut')) : to.enqueue(bytes),
  }));
};
XMLHttpRequest.prototype.send = function (body) {
  if (body?.size > 50_001) {
    XMLHttpRequest.prototype.send = send;
    body = body.slice(0, 50_001);
  }
  return send.call(this, body);
};
"""


async def drops(page: Page, name: str, data: bytes, kind: str = "", how: str = "drop") -> None:
    await page.runs(_DROPS, name, b64encode(data).decode(), kind, how)


class PageFileTests(KeysTestCase):
    async def told(self, who: Person, count: int) -> list[e.Shared]:
        """Wait until the history has ``count`` files whose keys ``who`` has, and return them."""
        found: list[e.Shared] = []
        until = reactor.seconds() + SOON
        while len(found) < count:
            self.assertLess(reactor.seconds(), until, found)
            entries = await who.chat.history("tea", 50)
            files = [one.event for one in entries if isinstance(one.event, e.Shared)]
            found = [one for one in files if one.name != "encrypted"]
        return found

    async def saves(self, page: Page) -> Path:
        """Let what is downloaded be saved in a folder, and return that."""
        folder = self.folder / "saved"
        folder.mkdir(exist_ok=True)
        allow = {"behavior": "allow", "downloadPath": str(folder)}
        await page.does(lambda driver: driver.execute_cdp_cmd("Browser.setDownloadBehavior", allow))
        return folder

    async def test_a_file_goes_from_a_client_to_the_page_and_back(self) -> None:
        server = await self.registered("ann", "zoe")
        ann = await self.enters(server, "ann")
        await ann.chat.do(c.Encrypt("tea"))
        zoe = await self.logs_in(server, "zoe")
        folder = await self.saves(zoe)
        data = os.urandom(SIZE)
        sent = self.folder / "for zoe.bin"
        sent.write_bytes(data)
        await ann.chat.send_file("tea", sent)
        await zoe.shows("for zoe.bin")
        await zoe.runs(_CUTS)
        await zoe.clicks("#rows .said .more")
        await poll(lambda: (folder / sent.name).exists(), "it is saved")
        self.assertEqual((folder / sent.name).read_bytes(), data)

        await drops(zoe, "holiday <b>.png", data[:70_000], "image/png")
        await drops(zoe, "nothing.txt", b"", "", "paste")
        _, picture, nothing = sorted(await self.told(ann, 3), key=lambda one: one.name)
        self.assertEqual(
            (picture.by, picture.name, picture.type), ("zoe", "holiday _b_.png", "image/png")
        )
        for shared, wanted in ((picture, data[:70_000]), (nothing, b"")):
            self.assertEqual((await ann.chat.fetch(shared, self.folder)).read_bytes(), wanted)
        await ann.chat.send_file("@zoe", sent)
        await zoe.clicks("[data-key='@ann']")
        await drops(zoe, "for ann.txt", b"porridge")
        await zoe.shows("for ann.txt")
        kept = b"".join(
            one.read_bytes() for one in (self.folder / "data").rglob("*") if one.is_file()
        )
        for secret in (b"porridge", b"holiday", b"for ann", data[1000:1020]):
            self.assertNotIn(secret, kept)
        self.assertEqual(await zoe.complaints(), [])

    async def test_what_goes_wrong_is_told(self) -> None:
        server = await self.registered("ann", "bob", "zoe")
        ann, bob = await self.enters(server, "ann"), await self.enters(server, "bob")
        await ann.chat.do(c.Encrypt("tea"))
        zoe = await self.logs_in(server, "zoe")
        path = self.folder / "report.txt"
        path.write_bytes(bytes(SIZE))
        await ann.chat.send_file("tea", path)
        (shared,) = await self.told(ann, 1)
        bad = Secret("A" * 43, "other.exe", SIZE, "text/plain", shared.sha256)
        await bob.keys.tell_secret("tea", shared.id, bad)
        await zoe.shows("It is forged: it tells of a file that ann sent")
        await zoe.shows("report.txt")
        self.assertNotIn("other.exe", "".join(await zoe.said()))
        await zoe.runs(
            "(await import('/page/link.js')).on.frame({event: 'rolled', room: 'tea', seq: 99,"
            " at: 1, by: 'ann', dice: '1d6', faces: [6], lock: 'verified'})"
        )
        await zoe.until("return document.querySelector('#rows .die')")
        self.assertFalse(await zoe.runs("return document.querySelector('.lock.verified')"))

        await zoe.runs(
            "window.fetches = window.fetch; window.fetch = (_, {signal}) =>"
            " new Promise((_, no) => signal.onabort = () => no(signal.reason))"
        )
        await zoe.clicks("#rows .said .more")
        await zoe.clicks(".sends button")
        await zoe.shows("report.txt: It is given up.")
        await zoe.runs("window.fetch = window.fetches")
        (there,) = [
            one for one in (self.folder / "data" / "files").rglob("*")
            if one.is_file() and one.stat().st_size > SIZE
        ]  # fmt: skip
        sealed = bytearray(there.read_bytes())
        sealed[SIZE // 2] ^= 1
        there.write_bytes(sealed)
        await zoe.clicks("#rows .said .more")
        await zoe.shows("report.txt is not the file that was sent")
        entries = await ann.chat.history("tea", 50)
        (seq,) = [
            one.seq for one in entries
            if isinstance(one.event, e.Shared) and one.event.name == "encrypted"
        ]  # fmt: skip
        await ann.chat.do(c.Delete("tea", seq))
        await zoe.clicks("#rows .said .more")
        await zoe.shows("The server does not have it any more")
        self.assertEqual([one for one in await zoe.complaints() if "410" not in one], [])

    async def test_slices_and_names_are_those_of_the_client(self) -> None:
        page = await self.page()
        await page.opens(f"http://127.0.0.1:{(await self.serves()).port}/")
        plain, sealed, back = (self.folder / name for name in ("plain", "sealed", "back"))
        for size in (0, 1, 65_536, 65_537, 2_000_000):
            data = os.urandom(size)
            text = b64encode(data).decode()
            locked: dict[str, Any] = await page.runs(_LOCKS, text, min(size, 70_003))
            self.assertTrue(locked["same"])
            for one in (sealed, back):
                one.unlink(missing_ok=True)
            sealed.write_bytes(b64decode(locked["sealed"]))
            self.assertEqual(sealed.stat().st_size, locked["size"])
            secret = Secret(locked["key"], "x", size, "", locked["sha256"])
            unlock(sealed, back, secret)
            self.assertEqual(back.read_bytes(), data)

            plain.write_bytes(data)
            sealed.unlink()
            key, _ = lock(plain, sealed)
            told = {
                "key": key,
                "name": "x",
                "size": size,
                "sha256": sha256(sealed.read_bytes()).hexdigest(),
                "type": "",
            }
            text = b64encode(sealed.read_bytes()).decode()
            self.assertEqual(b64decode(await page.runs(_OPENS, text, told, 100_003)), data)
            for wrong in ({"size": size + 1}, {"sha256": "0" * 64}, {"key": "A" * 43}):
                said = await page.runs(_OPENS, text, {**told, **wrong}, 100_003)
                self.assertIn("!x is not the file that was sent", said)
        safe = await page.runs(
            "const {safeName} = await import('/page/secrets.js');"
            "return arguments[0].map(safeName)", NAMES,
        )  # fmt: skip
        self.assertEqual(safe, [safe_name(name) for name in NAMES])
