"""A real Chromium with the page in it, and what a person sees and does there."""

from __future__ import annotations

import atexit
import shutil
import sys
from collections.abc import Callable
from functools import cache
from tempfile import mkdtemp
from typing import Any, TypeVar

from twisted.internet.threads import deferToThread

from tests.harness import LiveTestCase, Server

try:
    from selenium import webdriver
    from selenium.common.exceptions import TimeoutException
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.ui import WebDriverWait
except ImportError:  # then none of it is used
    WITH_SELENIUM = False
else:
    WITH_SELENIUM = True

T = TypeVar("T")
SOON = 15.0  # seconds
_CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
_DRIVER = shutil.which("chromedriver")
_FLAGS = (
    "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--disable-backgrounding-occluded-windows", "--disable-renderer-backgrounding",
    "--window-size=1280,800", "--lang=en",
    # Else each window opens four pages of the browser's own, at the cost of a page of ours.
    "--disable-features=WebUIOmniboxPopup,WebUIOmniboxAimPopup",
)  # fmt: skip
_SAID = """
return [...document.querySelectorAll('#rows .said')].map((row) => {
  const by = row.querySelector('.by bdi') || row.querySelector('.sr');
  return by.textContent + ': ' + row.querySelector('.body').textContent;
});
"""


class Key:
    """Keys that have no character, as WebDriver writes them."""

    TAB, ENTER, SHIFT, ALT, UP, DOWN = "\ue004", "\ue007", "\ue008", "\ue00a", "\ue013", "\ue015"


def missing() -> str:
    """Return what has to be installed before these tests can run; empty if nothing."""
    if not WITH_SELENIUM:
        return f"install selenium to test the page: {sys.executable} -m pip install selenium"
    if not (_CHROMIUM and _DRIVER):
        return "install Chromium to test the page: apt install chromium chromium-driver"
    return ""


class Page:
    """One window. Selenium blocks, so all of it happens in a thread."""

    def __init__(self, driver: webdriver.Chrome, handle: str) -> None:
        self._driver = driver
        self._handle = handle

    async def does(self, work: Callable[[webdriver.Chrome], T]) -> T:
        """Return what ``work`` returns, done with this window."""

        def inside() -> T:
            self._driver.switch_to.window(self._handle)
            return work(self._driver)

        done: T = await deferToThread(inside)
        return done

    async def runs(self, script: str, *arguments: Any) -> Any:
        """Return what ``script`` returns in the page."""
        return await self.does(lambda driver: driver.execute_script(script, *arguments))

    async def until(self, script: str, *arguments: Any) -> Any:
        """Wait until ``script`` returns something true, and return it."""

        def wait(driver: webdriver.Chrome) -> Any:
            try:
                return WebDriverWait(driver, SOON, 0.05).until(
                    lambda driver: driver.execute_script(script, *arguments)
                )
            except TimeoutException:
                shown = driver.find_element(By.TAG_NAME, "body").text
                raise AssertionError(f"never: {script} {arguments}\n{shown[-1500:]}") from None

        return await self.does(wait)

    # -- what a person does ----------------------------------------------------------

    async def opens(self, address: str) -> None:
        """Go to ``address`` and wait until the page has heard of the server."""
        await self.does(lambda driver: driver.get(address))
        await self.until("return !document.getElementById('door').hidden")
        await self.until("return document.getElementById('motd').textContent")

    async def fills(self, **fields: str) -> None:
        """Fill in the first screen, and send it."""

        def fill(driver: webdriver.Chrome) -> None:
            for name, text in fields.items():
                field = driver.find_element(By.ID, name)
                field.clear()
                field.send_keys(text)
            driver.find_element(By.ID, "come-in").click()

        await self.does(fill)

    async def comes_in(self, name: str, room: str = "tea", address: str = "", **more: str) -> None:
        """Open ``address``, be ``name``, and wait until ``room`` is open."""
        if address:
            await self.opens(address)
        await self.fills(name=name, room=room, **more)
        await self.shows_room(room)

    async def shows_room(self, room: str) -> None:
        await self.until(
            "const shown = (id) => !document.getElementById(id).hidden;"
            "return shown('app') && shown('composer') && "
            "  document.getElementById('talk-name').textContent === arguments[0]",
            f"#{room}",
        )

    async def types(self, *lines: str) -> None:
        """Write ``lines`` one after the other, and send each."""
        for line in lines:
            await self.presses(line, Key.ENTER)

    async def presses(self, *keys: str) -> None:
        """Press ``keys`` where one writes."""
        await self.does(lambda driver: driver.find_element(By.ID, "write").send_keys(*keys))

    async def points(self, row: int) -> None:
        """Move the mouse to the message that stands in so many-th place."""

        def point(driver: webdriver.Chrome) -> None:
            said = driver.find_elements(By.CSS_SELECTOR, "#rows .said, #rows .did")[row]
            ActionChains(driver).move_to_element(said).perform()

        await self.does(point)

    async def clicks(self, selector: str) -> None:
        await self.until("return document.querySelector(arguments[0])", selector)
        await self.does(lambda driver: driver.find_element(By.CSS_SELECTOR, selector).click())

    async def chooses(self, item: str, group: str = "") -> None:
        """Click on ``item`` of the menu that is open, in the row called ``group``."""
        await self.until(
            "const inside = arguments[1] ? `[aria-label=\"${arguments[1]}\"] ` : '';"
            "const all = document.querySelectorAll(`.menu ${inside}[role=menuitem]`);"
            "const found = [...all].find((one) => one.textContent === arguments[0]);"
            "found?.click(); return found", item, group,
        )  # fmt: skip

    # -- what a person sees ------------------------------------------------------------

    async def said(self) -> list[str]:
        """Return what is shown as said, as ``who: what``."""
        shown: list[str] = await self.runs(_SAID)
        return shown

    async def reads(self, *lines: str) -> None:
        """Wait until the last that is shown as said is ``lines``, and nothing is on its way."""
        await self.until(
            "const wanted = arguments[0], pending = document.getElementById('pending').children;"
            f"const said = (() => {{{_SAID}}})().slice(-wanted.length);"
            "return !pending.length && said.join('\\n') === wanted.join('\\n')", list(lines),
        )  # fmt: skip

    async def shows(self, text: str, where: str = "#rows") -> None:
        """Wait until ``text`` is shown."""
        await self.until(
            "return document.querySelector(arguments[1])?.textContent.includes(arguments[0])",
            text, where,
        )  # fmt: skip

    async def complaints(self) -> list[str]:
        """Return what the browser had to complain about, of all windows, since last asked."""
        logged = await self.does(lambda driver: driver.get_log("browser"))
        return [line["message"] for line in logged if line["level"] in ("SEVERE", "WARNING")]


@cache
def _chromium() -> webdriver.Chrome:
    """Return a browser that ends with the tests."""
    profile = mkdtemp(prefix="chatnet-browser-")
    options = webdriver.ChromeOptions()
    options.binary_location = _CHROMIUM or ""
    for flag in (*_FLAGS, f"--user-data-dir={profile}"):
        options.add_argument(flag)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    options.set_capability("unhandledPromptBehavior", "accept")
    driver = webdriver.Chrome(options, webdriver.ChromeService(_DRIVER))

    def end() -> None:
        driver.quit()
        shutil.rmtree(profile, ignore_errors=True)

    atexit.register(end)  # not when the reactor ends: trial -j ends it after each test
    return driver


def _close(driver: webdriver.Chrome) -> None:
    driver.close()
    driver.switch_to.window(driver.window_handles[0])


class BrowserTestCase(LiveTestCase):
    """Opens a new window for each page, of the one Chromium that all tests have."""

    timeout = 90
    skip = missing() or None
    _listening = False

    async def page(self) -> Page:
        """Return a new window."""

        def opened() -> Page:
            driver = _chromium()
            if not self._listening:  # what was complained about in other tests is theirs
                driver.get_log("browser")
                self._listening = True
            driver.switch_to.new_window("window")
            return Page(driver, driver.current_window_handle)

        page = await deferToThread(opened)
        self.addCleanup(page.does, _close)
        return page

    async def visits(self, server: Server | int, name: str, room: str = "tea") -> Page:
        """Return a page on which ``name`` is in ``room``."""
        page = await self.page()
        await page.comes_in(name, room, address(server))
        return page


def address(server: Server | int, fragment: str = "") -> str:
    """Return where the page of ``server``, or of a port of this machine, is."""
    port = server if isinstance(server, int) else server.port
    return f"http://127.0.0.1:{port}/" + (f"#{fragment}" if fragment else "")
