"""Those who have read all go on together; whoever is different goes alone, and comes back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from typing import Any

from twisted.internet.address import IPv4Address
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.events import Said
from chatnet.core.large import LARGE
from chatnet.core.series import Series
from chatnet.server.audience import Audience
from chatnet.server.flock import Flock
from chatnet.server.runs import Run
from chatnet.server.session import Session
from chatnet.test.plug import Plug
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, Rig
from chatnet.wires.oneport import GREET_SECONDS, OnePort

props = settings(deadline=None, derandomize=True)


class Listener:
    """Somebody on TCP in the room tea."""

    def __init__(self, rig: Rig, name: str) -> None:
        self.rig = rig
        self.door: OnePort = rig.factory.buildProtocol(IPv4Address("TCP", "192.0.2.1", 1))
        self.plug = Plug(self.door, 1 << 20)
        self.plug.bufferSize = 1 << 16
        self.door.makeConnection(self.plug)
        rig.clock.advance(GREET_SECONDS)
        self.types(f"/nick {name}", "/join tea")
        self.plug.taken()

    @property
    def session(self) -> Session:
        return self.rig.factory.sessions[self.door.id]

    def types(self, *lines: str) -> None:
        self.door.dataReceived("".join(line + "\r\n" for line in lines).encode())
        self.rig.settle()

    def hears(self) -> list[str]:
        return self.plug.taken().decode().splitlines()


class FlockTestCase(SynchronousTestCase):
    def setUp(self) -> None:
        self.rig = Rig()
        self.ann: Client = self.rig.member("ann")
        self.bob, self.cat, self.dan = (Listener(self.rig, name) for name in ("bob", "cat", "dan"))
        self.all = (self.bob, self.cat, self.dan)
        self.ann.types("hello")
        for one in self.all:
            self.assertEqual(one.hears()[-1], "ann: hello")

    @property
    def audience(self) -> Audience:
        return self.rig.network.audiences["tea"]

    def alone(self) -> list[str]:
        return [reader.actor.name for reader in self.audience._cursors]  # type: ignore[attr-defined]

    def heard(self, *lines: str, by: Sequence[Listener]) -> None:
        for one in by:
            self.assertEqual(one.hears(), list(lines))


class FlockTests(FlockTestCase):
    def test_who_has_read_all_has_no_place_of_its_own(self) -> None:
        self.assertEqual(self.alone(), [])
        self.assertEqual((len(self.audience), len(self.audience.readers())), (4, 4))

    def test_who_takes_a_part_goes_alone_until_it_took_the_rest(self) -> None:
        socket = self.cat.plug.kept
        socket.space = 5
        self.ann.types("one", "two")
        self.assertEqual(self.alone(), ["cat"])
        self.assertFalse(self.cat.session.full)
        self.assertEqual(self.cat.plug.value(), b"ann: ")
        socket.space = 1 << 20
        self.ann.types("three")  # there is space, but something waits before it
        self.cat.plug.wake()
        self.heard("ann: one", "ann: two", "ann: three", by=self.all)
        self.ann.types("four")
        self.assertEqual(self.alone(), [])
        self.heard("ann: four", by=self.all)

    def test_who_is_full_keeps_its_place_and_comes_back(self) -> None:
        self.cat.plug.fill()
        self.cat.plug.bufferSize = 1
        for number in range(3):
            self.ann.types(f"{number}")
        self.assertTrue(self.cat.session.full)
        self.assertEqual(self.audience.behind(self.cat.session), 2)
        self.heard("ann: 0", "ann: 1", "ann: 2", by=(self.bob, self.dan))
        self.cat.plug.wake()
        self.heard("ann: 0", "ann: 1", "ann: 2", by=[self.cat])
        self.assertEqual(self.alone(), [])

    def test_all_may_be_full_at_once(self) -> None:
        for one in self.all:
            one.plug.fill()
            one.plug.bufferSize = 1
        self.ann.types("one")
        self.ann.types("two")
        self.assertEqual(set(self.alone()), {"bob", "cat", "dan"})
        for one in self.all:
            one.plug.wake()
        self.heard("ann: one", "ann: two", by=self.all)

    def test_who_ignores_somebody_is_not_shown_what_the_others_are(self) -> None:
        self.cat.types("/ignore ann")
        self.cat.hears()
        self.ann.types("psst")
        self.bob.types("hm")
        self.heard("ann: psst", "bob: hm", by=[self.dan])
        self.heard("bob: hm", by=[self.cat])
        self.cat.types("/unignore ann")
        self.cat.hears()
        self.ann.types("again")
        self.heard("ann: again", by=(self.cat, self.dan))
        self.assertEqual(self.alone(), [])

    def test_ones_own_words_are_shown_to_the_others(self) -> None:
        self.bob.types("one")
        self.ann.types("two")
        self.bob.types("three")
        self.heard("ann: two", by=[self.bob])
        self.heard("bob: one", "ann: two", "bob: three", by=(self.cat, self.dan))
        self.assertEqual(self.alone(), [])

    def test_ones_own_words_may_stand_between_those_of_others(self) -> None:
        self.ann.asks("one")
        self.bob.door.dataReceived(b"two\r\nthree\r\n")
        self.ann.asks("four")
        self.bob.types("five")
        self.heard("ann: one", "ann: four", by=[self.bob])
        told = ["ann: one", "bob: two", "bob: three", "ann: four", "bob: five"]
        self.heard(*told, by=(self.cat, self.dan))
        self.assertEqual(self.alone(), [])

    def test_one_that_breaks_is_parted_with_and_the_others_hear_on(self) -> None:
        def broken(_: bytes) -> int:
            raise ValueError("broken")

        flock = self.audience._flocks[self.cat.session.style]
        flock.leave(self.cat.session)
        flock.join(self.cat.session, broken)
        self.ann.types("one")
        self.heard("ann: one", by=(self.bob, self.dan))
        self.assertIn("Something broke here", self.cat.hears()[0])
        self.assertFalse(self.audience.has(self.cat.session))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)
        self.ann.types("two")
        self.heard("ann: two", by=(self.bob, self.dan))

    def test_who_is_gone_is_sent_nothing(self) -> None:
        self.cat.door.connectionLost()
        self.rig.settle()
        self.ann.types("one")
        self.heard("cat has disconnected.", "ann: one", by=(self.bob, self.dan))
        self.heard(by=[self.cat])
        self.assertEqual(len(self.audience), 3)

    def test_it_is_known_how_far_who_is_dropped_has_read(self) -> None:
        head = self.audience.room.log.head
        self.assertEqual(self.audience.drop(self.cat.session), head)
        self.assertFalse(self.audience.has(self.cat.session))
        self.assertEqual(self.audience.drop(self.cat.session), 0)

    def test_old_messages_come_before_what_is_new(self) -> None:
        self.cat.types("/history 1")
        self.ann.types("one")
        heard = self.cat.hears()
        self.assertEqual(heard[-1], "ann: one")
        self.assertEqual(len([line for line in heard if "hello" in line]), 1)
        self.assertEqual(self.alone(), [])


class LeavingTests(SynchronousTestCase):
    """Who leaves while others are being sent to, which a connection in Python may cause."""

    def setUp(self) -> None:
        self.flock = Flock(Session, 4)  # type: ignore[arg-type]
        self.sent: list[str] = []
        self.places: dict[str, int] = {}

    def joins(self, name: str, *leaving: str) -> None:
        def send(data: bytes) -> int:
            self.sent.append(name)
            for one in leaving:
                self.places[one] = self.flock.leave(reader(one))
            self.assertFalse(leaving and self.flock.join(reader("late"), len))
            return len(data)

        self.flock.join(reader(name), send)

    def send(self) -> None:
        self.flock.send(b"data", 5, lambda *_: self.fail(), lambda _: self.fail())

    def test_who_was_reached_is_there_and_who_was_not_is_where_it_was(self) -> None:
        self.joins("ann")
        self.joins("bob", "dan", "ann", "bob")
        self.joins("cat")
        self.joins("dan")
        self.send()
        self.assertEqual(self.sent, ["ann", "bob", "cat"])
        self.assertEqual(self.places, {"dan": 4, "ann": 5, "bob": 5})
        self.assertEqual((list(self.flock), len(self.flock)), ([reader("cat")], 1))
        self.send()
        self.assertEqual(self.sent, ["ann", "bob", "cat", "cat"])

    def test_who_left_is_in_it_no_more_at_once(self) -> None:
        self.joins("ann")

        def send(data: bytes) -> int:
            self.flock.leave(reader("ann"))
            self.assertNotIn(reader("ann"), self.flock)
            self.assertEqual((list(self.flock), len(self.flock)), ([reader("bob")], 1))
            return len(data)

        self.flock.join(reader("bob"), send)
        self.send()
        self.assertEqual(self.flock.after, 5)

    @given(st.lists(st.tuples(st.sampled_from("abcdef"), st.sets(st.sampled_from("abcdef")))))
    def test_everybody_hears_what_is_said_while_it_is_there(
        self, turns: list[tuple[str, set[str]]]
    ) -> None:
        """In each turn one comes or goes, and all hear something, during which some others go."""
        self.flock = Flock(Session, 0)  # type: ignore[arg-type]
        heard = dict.fromkeys("abcdef", 0)
        going: set[str] = set()

        def sends(name: str) -> Callable[[bytes], int]:
            def send(data: bytes) -> int:
                heard[name] += 1
                for one in sorted(one for one in going if reader(one) in self.flock):
                    told[one] = self.flock.leave(reader(one))
                going.clear()
                return len(data)

            return send

        for upto, (name, leaving) in enumerate(turns, 1):
            if reader(name) in self.flock:
                self.assertEqual(self.flock.leave(reader(name)), self.flock.after)
            else:
                self.flock.join(reader(name), sends(name))
            before, told = dict(heard), dict[str, int]()
            were: set[Any] = set(self.flock)
            going.update(leaving)
            self.flock.send(b"data", upto, lambda *_: self.fail(), lambda _: self.fail())
            going.clear()
            after = {one: before[one] + (told.get(one, upto) == upto) for one in were}
            self.assertEqual(heard, before | after)
            self.assertEqual(set(self.flock), were - set(told))


class AsideTests(FlockTestCase):
    """Who spoke stands aside in its flock, and is sent all but its own words."""

    def test_it_may_take_a_part(self) -> None:
        self.bob.plug.kept.space = 7
        self.ann.asks("one", "two")
        self.bob.door.dataReceived(b"mine\r\n")
        self.ann.types("three")
        self.assertEqual(self.alone(), ["bob"])
        self.bob.plug.kept.space = 1 << 20
        self.bob.plug.wake()
        self.heard("ann: one", "ann: two", "ann: three", by=[self.bob])
        self.heard("ann: one", "ann: two", "bob: mine", "ann: three", by=(self.cat, self.dan))

    def test_it_may_be_full(self) -> None:
        self.bob.plug.fill()
        self.ann.asks("one")
        self.bob.types("mine")
        self.bob.plug.wake()
        self.heard("ann: one", by=[self.bob])

    def test_it_may_break(self) -> None:
        def broken(_: bytes) -> int:
            raise ValueError("broken")

        flock = self.audience._flocks[self.cat.session.style]
        flock.leave(self.cat.session)
        flock.join(self.cat.session, broken)
        self.ann.asks("one")
        self.cat.types("mine")
        self.assertIn("Something broke here", self.cat.hears()[0])
        self.assertFalse(self.audience.has(self.cat.session))
        self.heard("ann: one", "cat: mine", by=(self.bob, self.dan))
        self.assertEqual(len(self.flushLoggedErrors(ValueError)), 1)

    def test_it_may_go_its_own_way_before_its_words_are_shown(self) -> None:
        self.ann.asks("one")
        self.bob.door.dataReceived(b"mine\r\n")
        self.ann.asks("two")
        self.rig.clock.advance(0)
        self.rig.writer.step()
        self.assertEqual(self.alone(), ["ann"])  # others spoke between her words
        self.audience.stray(self.bob.session)
        self.assertEqual(self.alone(), ["ann", "bob"])
        self.rig.settle()
        self.heard("ann: one", "ann: two", by=[self.bob])
        self.assertEqual(self.alone(), [])

    def test_it_goes_alone_where_a_large_message_comes(self) -> None:
        self.bob.door.dataReceived(b"mine\r\n")
        self.rig.journal.append("tea", [Said("ann", "y" * LARGE)], "")
        self.rig.settle()
        data = b""
        for _ in range(9):
            data += self.bob.plug.taken()
            self.bob.plug.wake()
            self.rig.settle()
        self.assertEqual(data, b"ann: %b\r\n" % (b"y" * LARGE))

    def test_its_words_may_be_shown_in_more_than_one_run(self) -> None:
        words = [f"{number}" for number in range(400)]
        lines = "".join(f"{word}\r\n" for word in words).encode()
        self.ann.asks("one")
        for start in range(0, len(lines), 600):
            self.bob.door.dataReceived(lines[start : start + 600])
        self.ann.types("two")
        self.heard("ann: one", "ann: two", by=[self.bob])
        said = [f"bob: {word}" for word in words]
        self.heard("ann: one", *said, "ann: two", by=(self.cat, self.dan))
        self.assertEqual(self.alone(), [])

    def test_nobody_steps_aside_in_the_midst_of_a_round_or_too_late(self) -> None:
        flock, allowed = Flock(self.cat.session.style, 4), list[bool]()

        def send(data: bytes) -> int:
            allowed.append(flock.step_aside(reader("bob"), range(6, 7)))
            return len(data)

        flock.join(reader("ann"), send)
        flock.join(reader("bob"), len)
        flock.send(b"x", 5, lambda *_: self.fail(), lambda _: self.fail())
        self.assertEqual(allowed, [False])
        self.assertFalse(flock.step_aside(reader("bob"), range(5, 6)))
        self.assertTrue(flock.step_aside(reader("bob"), range(6, 7)))
        self.assertEqual((len(flock), list(flock)), (2, ["ann", "bob"]))
        self.assertIn("bob", flock)

    @props
    @given(
        st.lists(
            st.tuples(
                st.text("abcd-", min_size=1, max_size=6),
                st.sets(st.sampled_from("abcd")),
                st.integers(1, 6),
            ),
            max_size=8,
        )
    )
    def test_all_hear_all_but_their_own_words_once(
        self, turns: list[tuple[str, set[str], int]]
    ) -> None:
        """In each turn, who is named speaks, all is sent in pieces, and some go meanwhile."""
        flock = Flock(self.cat.session.style, 0)
        heard: dict[str, list[int]] = {name: [] for name in "abcd"}
        said, going, alone = "-", set[str](), dict[str, int]()

        def joins(name: str) -> None:
            def send(data: bytes) -> int:
                self.assertTrue(data)
                heard[name] += data
                for one in sorted(going):
                    if reader(one) in flock:
                        alone[one] = flock.leave(reader(one))
                going.clear()
                return len(data)

            self.assertTrue(flock.join(reader(name), send))

        for name in heard:
            joins(name)
        for words, leaving, most in turns:
            spoke = set[str]()
            whole = said + words
            for name, group in groupby(range(len(said), len(whole)), whole.__getitem__):
                places = list(group)
                if name != "-" and reader(name) in flock:
                    stands = flock.step_aside(reader(name), range(places[0], places[-1] + 1))
                    self.assertEqual(stands, name not in spoke)  # else others spoke in between
                    if not stands:
                        alone[name] = flock.leave(reader(name))
                    spoke.add(name)
            said = whole
            going.update(leaving)
            while flock.after < len(said) - 1:
                upto = min(flock.after + most, len(said) - 1)
                some = range(flock.after + 1, upto + 1)
                none = [Said("ann", "")] * len(some)
                series = Series("tea", some[0], [1.5] * len(some), none)
                run = Run(upto, series, bytes(some), [1] * len(some))
                flock.send(run.whole, run.upto, lambda *_: self.fail(), lambda _: self.fail())
                flock.send_aside(run, lambda *_: self.fail(), lambda _: self.fail())
            going.clear()
            for name, after in alone.items():
                heard[name] += [n for n in range(after + 1, len(said)) if said[n] != name]
                joins(name)
            alone.clear()
            for name, those in heard.items():
                self.assertEqual(those, [n for n in range(1, len(said)) if said[n] != name])


def reader(name: str) -> Any:
    """Return who is called ``name``: a flock wants of its readers only that they differ."""
    return name
