"""The full-screen client: a link, windows, and a screen that shows them."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime
from typing import Any

from twisted.internet.defer import Deferred
from twisted.internet.interfaces import IReactorTime
from twisted.logger import Logger

from chatnet.client.completion import rooms_of
from chatnet.client.exits import Exit
from chatnet.client.full.app import Screenful
from chatnet.client.full.deeds import Deeds
from chatnet.client.full.frame import label, people_of
from chatnet.client.full.hearing import Hearing
from chatnet.client.full.items import Item, Kind, flat
from chatnet.client.full.logbook import Logbook
from chatnet.client.full.marks import Marks
from chatnet.client.full.pages import Pages
from chatnet.client.full.talking import Talking
from chatnet.client.full.windows import Window, Windows
from chatnet.client.keys.keys import Keys
from chatnet.client.keys.news import Compare, News, is_warning, spell
from chatnet.client.link import Link
from chatnet.client.offers import Offers, about_rooms
from chatnet.client.options import Options
from chatnet.client.plain import Printer
from chatnet.client.settings import Settings, state_path
from chatnet.client.transfers import Transfer, Transfers
from chatnet.client.writing import SIGNAL_SECONDS, unsent
from chatnet.core import commands as c, replies as r
from chatnet.core.plain import plain_lines
from chatnet.core.refusals import PasswordNeeded, Refused
from chatnet.dialects.verbs import is_command


class Full:
    """Talks with a person at a whole terminal. Needs a reactor that runs in asyncio's loop."""

    _log = Logger()

    def __init__(
        self,
        link: Link,
        transfers: Transfers,
        place: str,
        clock: IReactorTime,
        now: Callable[[], float],
        settings: Settings,
        marks: Marks,
        log: str = "",
        say: Callable[[str], None] = lambda text: None,
    ) -> None:
        """Use ``link`` to the server at ``place``, and ``transfers`` for files.

        ``now`` tells the time of day. What is left to tell at the end is told by ``say``.
        """
        self.status = Exit.FINE
        self.link = link
        self.transfers = transfers
        transfers.changed = self.changed
        self.now = now
        self.clock = clock
        self.settings = settings
        self.windows = Windows(place, self._alert)
        self.logbook = Logbook()
        self.hearing = Hearing(link, self.windows, now, self, self._note)
        self.talking = Talking(link, self.windows, self.hearing, now)
        self.pages = Pages(link, self.hearing, self.changed)
        self.deeds = Deeds(self, place)
        self.hearing.offers = self._offers = Offers(self.deeds.names)
        if isinstance(link.keys, Keys):
            link.keys.tell = self.told_of_keys
        self.app = Screenful(self)
        self.apply(settings)
        self._marks = marks
        self._say = say
        self._rooms: tuple[str, ...] = ()  # of the server, as far as they were asked for
        self._wrote_at = -SIGNAL_SECONDS
        self._told = False  # that what is typed while the link is down waits
        self._over: Deferred[None] | None = None  # the screen's end
        if log:
            self.deeds.log(log)

    async def converse(self, *rooms: str) -> None:
        """Stay in ``rooms`` until the person leaves.

        Raises:
            CannotConnect, Refused: as ``Link.run`` does.
        """
        self._over = Deferred.fromFuture(asyncio.ensure_future(self.app.run_async()))
        self._over.addBoth(self._screen_ended)
        self.hearing.read = self._marks.load()
        try:
            try:
                await self.link.run(*rooms)
            except PasswordNeeded as needed:
                password = await self._asked("Password of the server:")
                if not password:
                    raise needed from None
                self.link.dialogue.identity.server_password = password
                await self.link.run(*rooms)
        finally:
            await self.close()
            if self.link.dialogue.outbox:
                self._say(unsent(len(self.link.dialogue.outbox)))

    async def _asked(self, question: str) -> str | None:
        return await Deferred.fromFuture(asyncio.ensure_future(self.app.ask(question)))

    def close(self) -> Deferred[None]:
        """Give the terminal back. Fires when that is done."""
        self.windows.leave()
        self._marks.save({w.key: w.read for w in self.windows if w.is_room and w.read})
        self.logbook.close()
        done: Deferred[None] = Deferred()
        if self._over is None or self._over.called:
            done.callback(None)
        else:
            self._over.addBoth(lambda _: done.callback(None))
            self.app.call_later(self.app.exit)
        return done

    def _screen_ended(self, result: object) -> None:
        if not self.link.leaving:
            self.link.leave()

    # -- what is told of news ------------------------------------------------------

    def changed(self) -> None:
        """Something is to be shown anew."""
        if self.link.online:
            self._told = False
        self.app.changed()

    def found(self, found: r.Found) -> None:
        """Messages were looked for, and these were found."""
        self.app.found(found)

    def _alert(self, window: Window, item: Item) -> None:
        looking = self.windows.watching and window is self.windows.current
        if self.settings.notify in ("bell", "both") and not looking:
            self.app.bell()

    def told_of_keys(self, news: News) -> None:
        """Tell people ``news`` of keys: what warns is shouted, and what is to compare is asked."""
        text = spell(news)
        if is_warning(news):
            self.hearing.shout(text)
            self.app.bell()
        else:
            self.hearing.notice(text)
        if isinstance(news, Compare):
            signs = "\n".join(f"    {flat(sign)}  {word}" for sign, word in news.emoji)
            numbers = " ".join(map(str, news.numbers))
            question = (
                f"Does {news.name} see the same?\n\n{signs}\n\nor {numbers}. Ask by voice, or"
                " face to face, and not in the chat."
            )
            self.app.compare(question, self._compared)

    def _compared(self, same: bool) -> None:
        self.typed(f"/verify {'yes' if same else 'no'}")

    def _note(self, window: Window, item: Item) -> None:
        try:
            self.logbook.note(label(window), item)
        except OSError as error:
            self.logbook.close()
            self.hearing.say(f"Nothing is logged any more: {error.strerror}.", kind=Kind.REFUSAL)

    # -- chatnet.client.full.app.Desk ----------------------------------------------

    @property
    def is_logging(self) -> bool:
        """Whether what comes is written to a file."""
        return self.logbook.path is not None

    def typed(self, text: str) -> None:
        """Obey what was typed."""
        window, places = self.windows.current, self.link.dialogue.places
        if window.key in places.rooms:
            places.here = window.key  # the room that is meant where none is named
        try:
            if self.deeds.obey(text):
                return
            history = self.talking.typed(text)
        except Refused as refusal:
            self.hearing.say(*plain_lines(str(refusal)), kind=Kind.REFUSAL)
            return
        except Exception:  # a bug, which is told, and costs nobody the screen
            self._log.failure("in the client")
            return
        if history is not None:
            self.does(self.pages.again(window, history))
        elif not self.link.online and not self._told and self.link.dialogue.outbox:
            self._told = True
            self.hearing.say("The link is down. This will be sent when it is back.")

    def typing(self, text: str) -> None:
        """Let the others see that something is being written, if it is for them."""
        dialogue, now, window = self.link.dialogue, self.clock.seconds(), self.windows.current
        wanted = dialogue.hello is not None and "typing" in dialogue.hello.features
        is_speech = text and not is_command(text)
        if wanted and is_speech and window.is_room and now - self._wrote_at >= SIGNAL_SECONDS:
            self._wrote_at = now
            self.link.tell(c.Typing(window.name))

    def offers(self, before: str) -> list[str]:
        """Return what the last word of ``before`` may be completed to."""
        window = self.windows.current
        people = [one.name for one in people_of(self.link, window)]
        people += [w.name for w in self.windows if w.is_person]
        rooms = [w.name for w in self.windows if w.is_room] if about_rooms(before) else []
        return self._offers.find(before, people, {*rooms, *self._rooms} if rooms else ())

    def older(self, window: Window) -> None:
        """Have what is older in ``window`` read."""
        self.does(self.pages.older(window))

    def choose(self, key: str) -> None:
        """Go to the window ``key``, or enter the room of that name."""
        window = self.windows.get(key)
        if window is not None:
            self.app.show(window)
        else:
            self.link.submit(c.Join(key))

    def whisper(self, name: str) -> None:
        """Go to where one whispers with ``name``."""
        self.app.show(self.windows.person(name))

    async def places(self) -> list[tuple[str, str]]:
        """Return the keys and names of the rooms that one may enter besides."""
        loop = asyncio.get_running_loop()
        self._rooms = await rooms_of(self.link.ask(c.ListRooms()).asFuture(loop))
        key_of = self.link.dialogue.places.key_of
        others = [name for name in self._rooms if self.windows.get(key_of(name)) is None]
        return [(name, f"enter {name}") for name in others]

    def search(self, words: str) -> str:
        """Look for messages with ``words``. Return what is wrong with them, or nothing."""
        try:
            self.talking.typed(f"/search {words}")
        except Refused as refusal:
            return str(refusal)
        return ""

    def reach(self, place: str) -> None:
        """Show the message at the ``place`` that ``found`` gave."""
        key, _, seq = place.rpartition(" ")
        self.does(self._reach(key, int(seq)))

    async def _reach(self, key: str, seq: int) -> None:
        window = self.windows.get(key)
        if window is None:
            return
        self.app.show(window)
        item = await self.pages.reach(window, seq)
        if item is not None:
            self.app.call_later(self.app.go, item)
        else:
            self.hearing.say(f"That is far back. /history 50 #{seq} reads from there on.")

    def fetch(self, file: str) -> None:
        """Fetch the file of that id."""
        self.transfers.fetch(file)

    @property
    def files(self) -> list[Transfer]:
        """The files on their way."""
        return list(self.transfers.running)

    def leave(self) -> None:
        """Say goodbye; at once, the second time."""
        if self.link.leaving:
            self.app.exit()
        self.link.leave()

    def apply(self, settings: Settings) -> None:
        """Do as ``settings`` say from now on, as far as that is not about the link."""
        self.settings = settings
        self.hearing.highlights, self.hearing.presence = settings.highlight, settings.joins
        self.app.apply(settings.theme, settings.times, settings.notify in ("title", "both"))

    def does(self, work: Coroutine[Deferred[Any], Any, object]) -> None:
        """Have ``work`` done; what breaks in it is a bug."""
        Deferred.fromCoroutine(work).addErrback(
            lambda failure: self._log.failure("in the client", failure)
        )


def full(link: Link, transfers: Transfers, options: Options, clock: IReactorTime) -> Full:
    """Return a client for ``link``, as ``options`` have it."""
    server = options.server
    place = f"{server.host}:{server.port}"
    who = server.identity.name if server.identity.password else ""
    marks = Marks(state_path("read.json"), f"{who}@{place}")
    return Full(
        link, transfers, place, clock, _now, options.settings, marks, options.log, Printer(2)
    )


def _now() -> float:
    return datetime.now(UTC).timestamp()
