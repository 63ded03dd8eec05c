"""Encryption from end to end: clients with keys, and a server that may do what it likes."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from chatnet.client.keys.causes import Earlier, Lock
from chatnet.core import commands as c, events as e
from chatnet.test.keyring import Person, World


class EncryptionTestCase(SynchronousTestCase):
    """ann, who owns the encrypted room tea, and bob, who is in it."""

    def setUp(self) -> None:
        self.world = World()
        for name in ("ann", "bob", "zoe"):
            self.world.registers(name)
        self.ann, self.bob = self.world.comes("ann"), self.world.comes("bob")
        self.ann.does(c.Encrypt("tea"))

    def comes(self, name: str, **how: object) -> Person:
        return self.world.comes(name, **how)  # type: ignore[arg-type]


class RoomTests(EncryptionTestCase):
    def test_who_is_in_it_reads_what_is_said_and_nobody_else_does(self) -> None:
        self.ann.says("hello, bob")
        self.bob.says("hello, ann")
        for one in (self.ann, self.bob):
            self.assertEqual(one.read, ["hello, bob", "hello, ann"])
            (last, _) = one.shown[-1]
            self.assertIs(one.keys.lock_of(last), Lock.KNOWN if one is self.ann else Lock.VERIFIED)
        for kept in (self.world.kept(), b"".join(self.world.traffic).decode()):
            self.assertNotIn("hello", kept)
