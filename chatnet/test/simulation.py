"""A whole server whose people, wires, disk and clock do what a seed says, and nothing else."""

from __future__ import annotations

import gc
import random
import traceback
from collections.abc import Callable
from typing import Any, cast

from twisted.internet.defer import Deferred
from twisted.logger import ILogObserver, LogEvent, formatEvent, globalLogPublisher

from chatnet.core import commands as c
from chatnet.core.refusals import Refused
from chatnet.core.staff import OPERATOR_ACTOR
from chatnet.server import staff
from chatnet.test.checker import Checker
from chatnet.test.follower import Follower, Frame
from chatnet.test.verdict import verdict
from chatnet.test.world import Link, Server

ROOMS = ("tea", "den")
OTHER_NAMES = ("Tea", "pub")  # to which they are renamed
ACCOUNTS, GUESTS = ("ann", "bob"), ("cat", "dan", "eve")
PEOPLE = ACCOUNTS + GUESTS
MOST_LINKS = 8
WORDS = "tea for two"  # the password of every locked room
ADDRESSES = ("192.0.2.1", "192.0.2.2")

# How often each thing happens; a run leaves some of them out, and does others more.
DEEDS = {
    "connect": 4, "drop": 4, "quit": 2, "read": 6, "fill": 2,
    "say": 10, "paste": 1, "again": 6, "join": 10, "leave": 6, "hop": 4, "whisper": 3,
    "announce": 1, "nick": 3, "register": 1, "login": 3,
    "kick": 5, "ban": 2, "unban": 2, "mute": 1, "unmute": 1, "op": 3, "deop": 1, "topic": 1,
    "lock": 1, "unlock": 1, "own": 1, "rename": 1, "delete": 1, "restore": 2,
    "voice": 1, "invite": 1, "set": 1, "history": 3, "ask": 1,
}  # fmt: skip
WORKS = {"turn": 4, "write": 6, "fetch": 6, "hash": 2, "second": 1}  # between two deeds
TROUBLES = {"fail": 4, "lose": 4, "blind": 2, "minutes": 1, "restart": 1}  # before some of them


class Simulation:
    """One run. The same ``seed`` is the same run, to the last byte."""

    def __init__(self, seed: int, traced: Callable[[str], None] = lambda line: None) -> None:
        self.seed = seed
        self.checker = Checker()
        self.faults: list[str] = []
        self.links: list[Link] = []
        self._chance = random.Random(seed)
        self._traced = traced
        self._count = 0  # of wishes and connections, so that each has its own name
        self._wishes: dict[str, list[Frame]] = {}  # named commands by origin, to be repeated
        self._followers: list[Follower] = []
        self.server = Server(random.Random(~seed), traced)

    def run(self) -> list[str]:
        """Do everything, and return what was found to be wrong."""
        observer = cast(ILogObserver, self._logged)
        gc.disable()  # what is only held in a circle lasts as long in every run of a seed
        globalLogPublisher.addObserver(observer)
        try:
            self._act()
            self._rest()
            self.faults += verdict(self)
        except Exception:
            self.faults.append(traceback.format_exc())
        finally:
            globalLogPublisher.removeObserver(observer)
            gc.enable()  # only now: what becomes of a dead server's coroutines is no fault
        for follower in self._followers:
            self.faults += follower.faults
        return self.faults

    def _logged(self, event: LogEvent) -> None:
        if "log_failure" in event:
            failure = event["log_failure"]
            self.faults.append(f"{formatEvent(event)}: {failure.getTraceback()}")

    # -- what happens --------------------------------------------------------------

    def _act(self) -> None:
        chance = self._chance
        weights = [often * chance.choice((0, 1, 1, 2, 4)) for often in DEEDS.values()]
        for _ in range(chance.randint(2, 6)):
            self._connect()
        self._settle()
        troubled = chance.choice((0, 0.3, 0.6))
        for _ in range(chance.randint(4, 12)):
            if chance.random() < troubled:
                self._do(*chance.choices(list(TROUBLES), list(TROUBLES.values())))
            busy = 0.8 * chance.random()
            for deed in chance.choices(list(DEEDS), weights, k=chance.randint(2, 12)):
                self._do(deed)
                while chance.random() < busy:
                    self._do(*chance.choices(list(WORKS), list(WORKS.values())))
            if chance.random() < 0.7:
                self._do("heal")
            if chance.random() < 0.7:
                self._do("settle")
            if self.faults:
                break

    def _do(self, deed: str) -> None:
        self._traced(deed)
        getattr(self, f"_{deed}")()

    def _rest(self) -> None:
        """Let everything that failed work again, and all that waits be done."""
        self.server.disk.heal()
        for _ in range(12):
            while self._all_read():
                self.server.settle()
            self.server.clock.advance(0.7)
            self.server.settle()

    def _all_read(self) -> bool:
        """Let everyone read; return whether there was anything to read."""
        unread = [
            link for link in self.links if link.wire.value() or link.wire.waits or link.wire.over
        ]
        for link in unread:
            link.reads()
            link.wire.wake()
            if link.wire.over:
                self._hangs_up(link)
        return bool(unread)

    # -- people --------------------------------------------------------------------

    def _link(self) -> Link | None:
        return self._chance.choice(self.links) if self.links else None

    def _asks(self, do: str, **asked: Any) -> None:
        """Let someone ask for something, sometimes with a name."""
        link = self._link()
        if link is not None:
            if self._chance.random() < 0.3:
                asked["cid"] = self._name()
            self._send(link, {"do": do} | asked)

    def _send(self, link: Link, frame: Frame) -> None:
        self._traced(f"  {link.follower.id} {link.follower.name} -> {frame}")
        if "cid" in frame:
            link.follower.asked[frame["cid"]] = frame
        if not link.wire.disconnecting:
            link.asks(frame)

    def _name(self) -> str:
        self._count += 1
        return str(self._count)

    def _connect(self) -> None:
        if len(self.links) >= MOST_LINKS:
            return
        chance = self._chance
        name = chance.choice((*PEOPLE, *ACCOUNTS))
        secret = f"{name}'s own" if name in GUESTS else ""
        follower = Follower(f"{name}#{self._name()}", self.checker, secret)
        follower.quiet = chance.random() < 0.25
        self._followers.append(follower)
        space = chance.choice((1 << 20, 1 << 20, 1 << 20, 2000, 300))
        link = self.server.links(follower, chance.choice(ADDRESSES), space)
        self.links.append(link)
        if name in GUESTS:
            self._be(link, "nick", name, secret=secret)
        elif chance.random() < 0.9:
            self._be(link, self._way(name), name, password="secret")
        else:
            self._send(link, {"do": "hello"})
        for room in ROOMS:
            if chance.random() < 0.8:
                self._send(link, self._joining(follower, room))

    def _way(self, name: str) -> str:
        return "login" if self.server.disk.has_account(name) else "register"

    def _joining(self, follower: Follower, room: str) -> dict[str, Any]:
        chance = self._chance
        frame: dict[str, Any] = {"do": "join", "room": room, "password": WORDS}
        last = max((f.places.get(room, 0) for f in self._followers), default=0)
        match chance.randrange(4):
            case 0:
                frame["replay"] = chance.choice((-1, 0, 2))
            case 1:
                frame["since"] = max(0, last - chance.randrange(12))
                frame["cid"] = self._name()
        return frame

    def _drop(self) -> None:
        link = self._link()
        if link is not None:
            link.reads(self._chance.choice((0, 0.5, 1)))
            self._hangs_up(link)

    def _hangs_up(self, link: Link) -> None:
        self.links.remove(link)
        link.door.connectionLost()

    def _quit(self) -> None:
        self._asks(self._chance.choice(("quit", "logout")))

    def _read(self) -> None:
        link = self._link()
        if link is not None:
            link.reads()
            if self._chance.random() < 0.7:  # else it is not known yet that there is space again
                link.wire.wake()
            if link.wire.over:
                self._hangs_up(link)

    def _fill(self) -> None:
        link = self._link()
        if link is not None and not link.wire.disconnecting:
            link.wire.fill()

    def _say(self) -> None:
        link = self._link()
        if link is not None:
            self._say_on(link)

    def _say_on(self, link: Link) -> None:
        origin, room = link.follower.origin, self._chance.choice(ROOMS)
        if not origin:
            return
        cid = self._name()
        body = f"{origin} {cid}"
        frame: Frame = {"do": "say", "room": room, "body": body}
        if self._chance.random() < 0.8 and link.follower.sure:
            frame = {**frame, "cid": cid}
            self._wishes.setdefault(origin, []).append(frame)
            self.checker.sent(origin, cid, room, body)
        self._send(link, frame)

    def _paste(self) -> None:
        link = self._link()
        for _ in range(self._chance.randint(3, 30) if link else 0):
            self._say_on(cast(Link, link))

    def _again(self) -> None:
        link = self._link()
        if link is None or not link.follower.sure:
            return
        wishes = self._wishes.get(link.follower.origin)
        if wishes:
            frame = self._chance.choice(wishes[-8:])
            room = frame.get("room", "")
            self.checker.sent(link.follower.origin, frame["cid"], room, frame["body"])
            self._send(link, frame)

    def _join(self) -> None:
        link = self._link()
        if link is not None:
            room = self._chance.choice((*ROOMS, *ROOMS, OTHER_NAMES[-1]))
            self._send(link, self._joining(link.follower, room))

    def _leave(self) -> None:
        self._asks("leave", room=self._chance.choice(ROOMS))

    def _whisper(self) -> None:
        link = self._link()
        if link is None or not link.follower.sure:
            return
        origin, cid = link.follower.origin, self._name()
        body = f"{origin} {cid}"
        frame = {"do": "whisper", "who": self._somebody(), "body": body, "cid": cid}
        self._wishes.setdefault(origin, []).append(frame)
        self.checker.sent(origin, cid, "", body)
        self._send(link, frame)

    def _hop(self) -> None:
        """Leave and come back at once, perhaps on two connections."""
        room, link = self._chance.choice(ROOMS), self._link()
        if link is not None:
            self._send(link, {"do": "leave", "room": room})
            back = self._link() if self._chance.random() < 0.3 else link
            self._send(cast(Link, back), self._joining(link.follower, room))

    def _announce(self) -> None:
        self._asks("announce", body=f"announced {self._name()}")

    def _nick(self) -> None:
        link = self._link()
        if link is not None:
            secret = link.follower.secret = link.follower.secret or "somebody's"
            self._be(link, "nick", self._chance.choice(GUESTS), secret=secret)

    def _register(self) -> None:
        link = self._link()
        if link is not None:
            self._be(link, "register", self._chance.choice(ACCOUNTS), password="secret")

    def _login(self) -> None:
        link = self._link()
        if link is not None:
            password = self._chance.choice(("secret", "secret", "secret", "wrong"))
            self._be(link, "login", self._chance.choice(ACCOUNTS), password=password)

    def _be(self, link: Link, do: str, name: str, **asked: str) -> None:
        self._send(link, {"do": do, "name": name, "cid": self._name(), **asked})

    # -- moderators ----------------------------------------------------------------

    def _moderate(self, do: str, **asked: Any) -> None:
        self._asks(do, room=self._chance.choice(ROOMS), **asked)

    def _upon(self, do: str, **asked: Any) -> None:
        self._moderate(do, who=self._somebody(), **asked)

    def _somebody(self) -> str:
        """Return what somebody is called, most often somebody who is here."""
        link = self._link()
        if link is None or not link.follower.name or self._chance.random() < 0.3:
            return self._chance.choice(PEOPLE)
        return link.follower.name

    def _kick(self) -> None:
        self._upon("kick")

    def _ban(self) -> None:
        self._upon("ban", seconds=self._chance.choice((0, 2, 100)))

    def _unban(self) -> None:
        self._upon("unban")

    def _mute(self) -> None:
        self._upon("mute", seconds=self._chance.choice((0, 2, 100)))

    def _unmute(self) -> None:
        self._upon("unmute")

    def _op(self) -> None:
        self._upon("op")

    def _deop(self) -> None:
        self._upon("deop")

    def _topic(self) -> None:
        self._moderate("topic", topic=f"topic {self._name()}")

    def _lock(self) -> None:
        self._moderate("lock", password=WORDS)

    def _unlock(self) -> None:
        self._moderate("unlock")

    def _own(self) -> None:
        self._upon("owner")

    def _rename(self) -> None:
        self._moderate("rename", name=self._chance.choice((*ROOMS, *OTHER_NAMES)))

    def _delete(self) -> None:
        self._moderate("deleteroom")

    def _restore(self) -> None:
        """Let the operator bring back a room, which people cannot do."""
        command = c.RestoreRoom(self._chance.choice(ROOMS))
        done = Deferred.fromCoroutine(staff.order(self.server.host, OPERATOR_ACTOR, command))
        done.addErrback(lambda failure: failure.trap(Refused, OSError))

    def _voice(self) -> None:
        self._upon(self._chance.choice(("voice", "devoice")))

    def _invite(self) -> None:
        self._upon("invite")

    def _set(self) -> None:
        settings = ("invite-only", "members-only", "announce-only", "slow", "closed")
        setting = self._chance.choice(settings)
        self._moderate("set", setting=setting, value=self._chance.choice((0, 0, 1)))

    def _history(self) -> None:
        before = self._chance.choice((None, None, self._chance.randint(1, 40)))
        self._moderate("history", count=self._chance.choice((-1, 1, 5)), before=before)

    def _ask(self) -> None:
        self._moderate(self._chance.choice(("who", "bans", "showtopic")))

    # -- machines ------------------------------------------------------------------

    def _turn(self) -> None:
        self.server.clock.advance(self.server.gather / 4)

    def _write(self) -> None:
        self.server.writer.step()

    def _fetch(self) -> None:
        self.server.reader.step()

    def _hash(self) -> None:
        self.server.hasher.step()

    def _settle(self) -> None:
        self.server.settle()

    def _second(self) -> None:
        self.server.clock.advance(1)

    def _minutes(self) -> None:
        for _ in range(6):
            self.server.clock.advance(60)

    def _fail(self) -> None:
        self.server.disk.fail_before = True
        self.server.disk.writes_left = self._chance.choice((1, 1, -1))

    def _lose(self) -> None:
        self.server.disk.fail_after = True
        self.server.disk.writes_left = self._chance.choice((1, 1, -1))

    def _blind(self) -> None:
        self.server.disk.fail_reads = True
        self.server.disk.fail_after = self._chance.random() < 0.5

    def _heal(self) -> None:
        self.server.disk.heal()

    def _restart(self) -> None:
        for link in self.links:
            link.reads(self._chance.choice((0, 0.5, 1)))
        self.links = []
        self.server.dies()
