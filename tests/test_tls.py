"""TLS on the one port: whose certificate it is, what is spoken, and that nothing else changes."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import socket
import ssl
import sys
import time
import warnings
from contextlib import suppress as ignoring  # trial reads a module's "suppress"
from pathlib import Path

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

from tests.harness import LiveTestCase, Server, speech, told
from tests.sockets import (
    MIB,
    Frames,
    Peer,
    answer,
    read_late,
    request,
    resident,
    trusting_nobody_in_particular,
)

MAKE = Path(__file__).parent.parent / "certs" / "make_dev_certs.py"


def fingerprint(peer: Peer) -> str:
    """Return the fingerprint of the certificate that the server shows ``peer``."""
    assert isinstance(peer.socket, ssl.SSLSocket)
    shown = peer.socket.getpeercert(binary_form=True)
    assert shown is not None
    return hashlib.sha256(shown).digest().hex(":").upper()


class CertificateTests(LiveTestCase):
    async def _makes(self, folder: str, *options: str) -> Path:
        where = self.folder / folder
        command = (sys.executable, str(MAKE), "--out", str(where), *options)
        _, err, status = await self.runs(*command, path=MAKE.parent.parent)
        self.assertEqual(status, 0, err)
        return where

    async def _serves_with(self, where: Path) -> Server:
        files = (
            "--tls-cert",
            str(where / "server.pem"),
            "--tls-key",
            str(where / "server-key.pem"),
        )
        return await self.serves(*files)

    async def test_one_by_an_authority_is_vouched_for(self) -> None:
        certs, others = await self._makes("certs"), await self._makes("others")
        server = await self._serves_with(certs)

        def work() -> None:
            context = ssl.create_default_context(cafile=str(certs / "ca.pem"))
            peer = Peer(server.port, context)  # sees that it is for localhost, too
            self.assertIn(fingerprint(peer), server.log.decode())
            peer.says(b"/ping\r\n")
            peer.until(b"pong\r\n")
            peer.closes()
            with self.assertRaises(ssl.SSLCertVerificationError):
                Peer(server.port, ssl.create_default_context(cafile=str(others / "ca.pem")))

        await deferToThread(work)
        self.assertFalse((self.folder / "data" / "tls-key.pem").exists())
        if shutil.which("openssl") is None:
            raise SkipTest("openssl, which would say so as well, is not installed")
        for ca, good in ((certs, True), (others, False)):
            script = (
                f"openssl s_client -verify_return_error -CAfile {ca / 'ca.pem'} -brief"
                f" -verify_hostname localhost -connect 127.0.0.1:{server.port} </dev/null"
            )
            out, err, status = await self.runs("/bin/sh", "-c", script)
            self.assertEqual((status == 0, "Verification: OK" in out + err), (good, good), err)

    async def test_a_new_one_is_taken_up_and_nobody_is_disconnected(self) -> None:
        certs = await self._makes("certs")
        server = await self._serves_with(certs)

        def begins() -> Peer:
            peer = Peer(server.port, tls=True)
            peer.says(b"/nick ann\r\n/join tea\r\n")
            peer.until(b"Current users: ann\r\n")
            return peer

        old = await deferToThread(begins)
        await self._makes("certs", "--force")
        await server.logged("TLS certificate for", times=2)

        def goes_on() -> None:
            new = Peer(server.port, ssl.create_default_context(cafile=str(certs / "ca.pem")))
            new.says(b"/nick bob\r\n/join tea\r\nhello\r\n")
            old.until(b"bob: hello\r\n")
            shown = [fingerprint(old), fingerprint(new)]
            self.assertEqual(re.findall(r"fingerprint: (\S+)", server.log.decode()), shown)
            self.assertNotEqual(*shown)
            new.closes()
            old.closes()

        await deferToThread(goes_on)

    async def test_its_own_is_made_once_and_kept(self) -> None:
        shown = []
        for _ in range(2):
            server = await self.serves()
            peer = await deferToThread(Peer, server.port, True)
            shown.append(fingerprint(peer))
            peer.closes()
            self.assertIn(f"fingerprint: {shown[-1]}", server.log.decode())
            await server.stop()
        self.assertEqual(*shown)
        for name in ("tls-cert.pem", "tls-key.pem"):
            self.assertEqual((self.folder / "data" / name).stat().st_mode & 0o777, 0o600)


class HandshakeTests(LiveTestCase):
    async def test_what_is_old_is_refused(self) -> None:
        server = await self.serves()

        def work() -> None:
            for version, good in ((ssl.TLSVersion.TLSv1_1, False), (ssl.TLSVersion.TLSv1_2, True)):
                context = trusting_nobody_in_particular()
                context.set_ciphers("ALL:@SECLEVEL=0")
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    context.minimum_version = context.maximum_version = version
                if not good:
                    with self.assertRaisesRegex(ssl.SSLError, "(?i)protocol.version"):
                        Peer(server.port, context)
                    continue
                peer = Peer(server.port, context)
                assert isinstance(peer.socket, ssl.SSLSocket)
                name, spoken, _ = peer.socket.cipher() or ("", "", 0)
                self.assertEqual((spoken, name.startswith("ECDHE")), ("TLSv1.2", True), name)
                peer.closes()

        await deferToThread(work)

    async def test_browsers_are_promised_http_1_and_are_not_greeted_as_people_are(self) -> None:
        server = await self.serves()

        def work() -> None:
            silent, slow = Peer(server.port, tls=True), Peer(server.port, tls=True)
            slow.says(b"/nick ann\r\n/join tea\r\n", 1)
            slow.until(b"Current users: ann\r\n")
            for offered, chosen in (
                (["h2", "http/1.1"], "http/1.1"),
                (["h2"], None),
                (["x"], None),
            ):
                context = trusting_nobody_in_particular()
                context.set_alpn_protocols(offered)
                peer = Peer(server.port, context)
                assert isinstance(peer.socket, ssl.SSLSocket)
                self.assertEqual(peer.socket.selected_alpn_protocol(), chosen)
                if chosen is not None:  # a browser that came in advance is not greeted
                    peer.socket.settimeout(2.5)
                    with self.assertRaises(TimeoutError):
                        peer.socket.recv(1)
                peer.says(request("/about"))
                self.assertEqual(answer(peer).status, 200)
                peer.closes()
            silent.until(b"Welcome to chatnet!")
            silent.closes()
            slow.closes()

        await deferToThread(work)

    async def test_noise_after_the_first_bytes_of_a_handshake_harms_nobody(self) -> None:
        server = await self.serves()

        def work() -> None:
            for noise in (bytes(500), b"\xff" * 500, b"/nick evil\r\n/join tea\r\n" * 30):
                for head in (b"\x16\x03", b"\x16\x03\x01\x02\x00", b"\x16\x03\x01\x02\x00\x01"):
                    peer = Peer(server.port)
                    with ignoring(OSError):
                        peer.says(head + noise)
                        peer.socket.shutdown(socket.SHUT_WR)
                    peer.ends()
            good = Peer(server.port, tls=True)
            good.says(b"/ping\r\n")
            good.until(b"pong")
            good.closes()

        await deferToThread(work)
        self.assertNotIn(b"evil", server.log)


class TalkTests(LiveTestCase):
    async def test_who_does_not_read_costs_little_and_loses_nothing(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")

        def joins() -> Peer:
            peer = Peer(server.port, tls=True)
            peer.asks("nick", name="sam")
            peer.asks("join", room="tea")
            peer.until(b'"who":"sam"')
            return peer

        sam = await deferToThread(joins)
        before = resident(server.pid)
        heard = (json.loads(line) for line in sam.lines() if '"said"' in line)
        await read_late(self, server, ann, heard)
        self.assertLess(resident(server.pid) - before, 32 * MIB)
        sam.closes()

    async def test_some_who_do_not_read_hear_all_of_it_once_and_in_order(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")

        def joins(name: str) -> Peer:
            peer = Peer(server.port, tls=True, window=4096)
            peer.says(f"/nick {name}\r\n/join tea\r\n".encode())
            peer.until(b"Current users: ")
            return peer

        peers = [await deferToThread(joins, name) for name in ("sam", "pat", "kim")]
        await ann.answered()
        words = [f"{number} " + "x" * 1500 for number in range(2500)]  # more than sockets take
        for start in range(0, len(words), 8):  # less than a record
            ann.types(*words[start : start + 8])
            await ann.answered()
        for peer in peers:
            peer.says(b"/quit\r\n")
            heard = (await deferToThread(peer.ends)).decode().split("\r\n")
            self.assertEqual(speech(heard), [f"ann: {word}" for word in words])

    async def test_what_was_said_before_the_end_is_kept(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")

        def bob(properly: bool) -> None:
            peer = Peer(server.port, tls=True)
            words = "".join(f"{number}\r\n" for number in range(1000))
            peer.says(f"/nick bob\r\n/join tea\r\n{words}".encode())
            assert isinstance(peer.socket, ssl.SSLSocket)
            if properly:  # as TLS ends
                peer.socket.settimeout(5)
                with ignoring(OSError):
                    peer.socket.unwrap()
            peer.socket.shutdown(socket.SHUT_WR)  # as TCP does
            peer.ends()

        for properly in (False, True):
            await deferToThread(bob, properly)
            heard = await ann.until("bob has ")  # joined
            heard += await ann.until("bob has ")  # disconnected
            self.assertEqual(speech(heard), [f"bob: {number}" for number in range(1000)])
        self.assertEqual(len(await told(ann, "tea")), 2000)

    async def test_quitting_takes_no_time(self) -> None:
        server = await self.serves()

        def work() -> None:
            text, program = Peer(server.port, tls=True), Peer(server.port, tls=True)
            frames = Frames(server.port, "/ws/tea", tls=True)
            text.says(b"/nick ann\r\n/join tea\r\n")
            text.until(b"Current users:")
            program.asks("join", room="tea")
            program.until(b'"entered"')
            frames.hears("reply", "entered")
            began = time.monotonic()
            text.says(b"/quit\r\n")
            self.assertTrue(text.ends().endswith(b"Goodbye.\r\n"))
            program.asks("quit")
            self.assertIn(b'"code":"quit"', program.ends())
            frames.tells("quit")
            self.assertEqual(frames.closed(), 1000)
            self.assertLess(time.monotonic() - began, 1)

        await deferToThread(work)
        await server.logged("is gone: ann")

    async def test_when_the_server_stops_everyone_is_told_here_too(self) -> None:
        server = await self.serves()

        def come() -> tuple[Peer, Peer, Frames, Peer]:
            text, program = Peer(server.port, tls=True), Peer(server.port, tls=True)
            frames, half = Frames(server.port, "/ws/tea", tls=True), Peer(server.port)
            half.says(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03")
            text.says(b"/join tea\r\n")
            text.until(b"Current users:")
            program.asks("join", room="tea")
            program.until(b'"entered"')
            frames.hears("reply", "entered")
            return text, program, frames, half

        text, program, frames, half = await deferToThread(come)
        began = time.monotonic()
        stopping = server.stop()

        def hear() -> None:
            self.assertTrue(text.ends().endswith(b"Server is shutting down.\r\n"))
            self.assertIn(b'"code":"shutdown"', program.ends())
            self.assertEqual(frames.hears("reply", "bye")["code"], "shutdown")
            self.assertIn(frames.closed(), (1000, 1001))
            half.ends()

        hearing = deferToThread(hear)
        await stopping
        await hearing
        self.assertLess(time.monotonic() - began, 4)
