"""A server that is watched: by Prometheus, by those who read its log, and by a service manager."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from tests.harness import SOON, TWISTD, LiveTestCase, Server, poll, reactor

PROXY = b"PROXY TCP4 203.0.113.9 127.0.0.1 4000 8888\r\n"


class WatchedTests(LiveTestCase):
    async def asks(self, server: Server, request: bytes) -> list[str]:
        client = await self.connects(server)
        client.transport.write(request)  # type: ignore[union-attr]
        return await client.closed()

    async def scrapes(self, server: Server) -> dict[str, float]:
        """Return each value, with the sum over its labels."""
        lines = await self.asks(server, b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n\r\n")
        self.assertIn(" 200 ", lines[0])
        body = "\n".join(lines[lines.index("") + 1 :]) + "\n"
        sums: dict[str, float] = {}
        for family in text_string_to_metric_families(body):
            self.assertTrue(family.documentation, family.name)
            for sample in family.samples:
                sums[sample.name] = sums.get(sample.name, 0.0) + sample.value
        return sums

    async def test_a_real_server_is_scraped(self) -> None:
        server = await self.serves()
        ann = await self.joins(server, "ann")
        bob = await self.joins(server, "bob")
        ann.types("one", "two", "three", "/nosuch")
        await ann.answered()
        await bob.until("ann: three")
        found = await self.scrapes(server)
        self.assertEqual(found["chatnet_messages_total"], 3)
        self.assertEqual(found["chatnet_refusals_total"], 1)
        self.assertEqual(found["chatnet_clients"], 3)
        self.assertEqual(found["chatnet_order_violations_total"], 0)
        self.assertEqual(found["chatnet_cursor_lag_entries"], 0)
        self.assertGreater(found["chatnet_commit_seconds_sum"], 0)
        self.assertGreater(found["chatnet_fanout_seconds_count"], 0)
        self.assertGreater(found["process_resident_memory_bytes"], 1_000_000)
        expires = found["chatnet_certificate_expiry_timestamp_seconds"]
        self.assertGreater(expires, reactor.seconds())

    async def test_the_address_is_the_one_that_a_named_proxy_says(self) -> None:
        server = await self.serves("--proxy", "127.0.0.1")
        ann = await self.connects(server)
        ann.transport.write(PROXY + b"/nick ann\r\n/join tea\r\n")  # type: ignore[union-attr]
        await ann.until("Welcome to room tea!")
        await server.logged("from 203.0.113.9 ")
        request = b"GET /metrics HTTP/1.0\r\nHost: localhost\r\n"
        stranger = await self.asks(server, PROXY + request + b"\r\n")
        self.assertIn(" 403 ", stranger[0])
        stranger = await self.asks(server, request + b"X-Forwarded-For: 203.0.113.9\r\n\r\n")
        self.assertIn(" 403 ", stranger[0])
        (told,) = await self.asks(server, b"/nick eve\r\n")
        self.assertTrue(told.startswith("Your address is that of a proxy"), told)

    async def test_nobody_else_is_believed(self) -> None:
        server = await self.serves("--proxy", "192.0.2.1")
        (told,) = await self.asks(server, PROXY + b"/nick ann\r\n")
        self.assertTrue(told.startswith("You say for whom you are"), told)

    async def test_what_is_no_address_is_no_proxy(self) -> None:
        complaint = await self.fails("--store", "memory:", "--proxy", "proxy.example.org")
        self.assertIn("--proxy is like 10.0.0.7 or 10.0.0.0/8", complaint)


class LogTests(LiveTestCase):
    async def test_in_the_foreground_each_line_is_an_object(self) -> None:
        server = await self.serves("--log-format", "json", "--password", "a big secret")
        ann = await self.connects(server)
        ann.types("a big secret", "/nick ann", "/join tea", "words of hers")
        await ann.answered()
        await server.stop()
        lines = [json.loads(line) for line in server.log.splitlines()]
        (spoke,) = [line for line in lines if line["text"] == "ann spoke in tea"]
        self.assertEqual((spoke["by"], spoke["room"], spoke["level"]), ("ann", "tea", "info"))
        for line in lines:
            self.assertLessEqual({"time", "level", "namespace", "text"}, set(line))
        self.assertNotIn(b"secret", server.log)
        self.assertNotIn(b"words of hers", server.log)

    async def test_a_daemon_writes_them_to_its_file(self) -> None:
        pidfile, log = self.folder / "chat.pid", self.folder / "chat.log"
        out, err, status = await self.runs(
            *TWISTD, "--pidfile", str(pidfile), "--logfile", str(log), "chatnet", "--port", "0",
            "--interface", "127.0.0.1", "--store", "memory:", "--log-format", "json",
        )  # fmt: skip
        self.assertEqual((out, err, status), ("", "", 0))
        try:
            await poll(lambda: pidfile.exists() and bool(pidfile.read_text()), "its pidfile")
            pid = int(pidfile.read_text())
            await poll(lambda: b"connect with:" in log.read_bytes(), "that it listens")
            port = re.search(r"listens on 127.0.0.1, port (\d+)", log.read_text())
            assert port is not None
            with socket.create_connection(("127.0.0.1", int(port[1])), SOON) as there:
                there.settimeout(SOON)
                there.recv(1)  # its reactor turns, so it can be asked to stop
        finally:
            os.kill(int(pidfile.read_text()), signal.SIGTERM)
        await poll(lambda: not Path(f"/proc/{pid}").exists(), "its end")
        lines = [json.loads(line) for line in log.read_text().splitlines()]
        self.assertIn("nothing was kept; goodbye", [line["text"] for line in lines])

    async def test_it_goes_with_no_other_way_to_log(self) -> None:
        out, err, status = await self.runs(
            *TWISTD, "-n", "--pidfile=", "--syslog", "chatnet", "--log-format", "json"
        )
        self.assertEqual((out, status), ("", 1))
        self.assertIn("--log-format json and --log-level go with neither --logger", err)


class ManagedTests(LiveTestCase):
    def launched(self, shell: str, *options: str, listens: socket.socket) -> Server:
        """Return a server that was given ``listens`` as systemd gives sockets."""
        server = Server()
        command = (
            "/bin/sh", "-c", f'{shell}; exec "$@"', "sh", *TWISTD, "-n", "--pidfile=", "chatnet",
            *options,
        )  # fmt: skip
        reactor.spawnProcess(
            server,
            command[0],
            command,
            env=dict(os.environ),
            path=str(self.folder),
            childFDs={0: "w", 1: "r", 2: "r", 3: listens.fileno()},
        )
        self.tidies(server)
        return server

    async def test_it_takes_the_manager_s_socket_and_tells_it_how_it_is(self) -> None:
        path = str(self.folder / "notify")
        inbox = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        listens = socket.create_server(("127.0.0.1", 0))
        self.addCleanup(inbox.close)
        self.addCleanup(listens.close)
        inbox.bind(path)
        heard: list[str] = []

        def hears(word: str) -> bool:
            try:
                heard.append(inbox.recv(4096).decode())
            except BlockingIOError:
                return False
            return word in heard[-1]

        server = self.launched(
            f"export NOTIFY_SOCKET={path} WATCHDOG_USEC=400000 LISTEN_FDS=1"
            " LISTEN_FDNAMES=chat LISTEN_PID=$$",
            "--listen", "systemd:domain=INET:index=0", "--store", "memory:",
            listens=listens,
        )  # fmt: skip
        await poll(lambda: hears("READY=1"), "that it is ready")
        port = listens.getsockname()[1]
        self.assertIn(f"STATUS=listens on 127.0.0.1, port {port}", heard[0].split("\n"))
        await self.arrives(port, "ann", "/join tea")
        for _ in range(3):
            await poll(lambda: hears("WATCHDOG=1"), "that it lives")
        await server.stop()
        await poll(lambda: hears("STOPPING=1"), "that it stopped")
        self.assertEqual(sum("READY=1" in said for said in heard), 1)
