"""The image and compose.yaml say what they must, and fit the server.

``CHATNET_CONTAINER=1 trial tests.test_container`` also builds the image and runs it, which takes
root, buildah, a network and minutes; see ``container.sh``.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import socket
import subprocess
import sys
import tomllib
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from urllib.parse import urlsplit

import yaml
from twisted.trial.unittest import SynchronousTestCase
from twisted.web.resource import Resource
from twisted.web.server import Site

from chatnet.options import Options
from tests.harness import LiveTestCase, reactor

CHECKOUT = Path(__file__).parent.parent
HEALTH = ["python3", "-m", "chatnet.web.health"]


def instructions() -> list[tuple[str, str]]:
    """Return what stands in the last stage of the Containerfile, by its first words."""
    text = (CHECKOUT / "Containerfile").read_text()
    text = re.sub(r"(?m)^#.*\n", "", text).replace("\\\n", " ")
    lines = [line.split(None, 1) for line in text.splitlines() if line.strip()]
    found = [(word, " ".join(rest.split())) for word, rest in lines]
    last = max(place for place, (word, _) in enumerate(found) if word == "FROM")
    return found[last:]


def instruction(wanted: str) -> str:
    """Return the last one that begins with ``wanted``, without it."""
    return [rest for word, rest in instructions() if word == wanted][-1]


def compose() -> dict[str, Any]:
    """Return what compose.yaml says."""
    found: dict[str, Any] = yaml.safe_load((CHECKOUT / "compose.yaml").read_text())
    return found


def accepted(words: list[str]) -> Options:
    """Return what ``twistd chatnet`` makes of ``words``."""
    options = Options()
    options.parseOptions(words)
    return options


class ContainerfileTests(SynchronousTestCase):
    def test_the_server_is_nobody_special(self) -> None:
        self.assertRegex(instruction("USER"), r"^[1-9]\d{3,}:[1-9]\d{3,}$")
        uid, gid = instruction("USER").split(":")
        self.assertIn(f"--uid {uid}", instruction("RUN"))
        self.assertIn(f"--gid {gid}", instruction("RUN"))
        words = [word for word, _ in instructions()]
        self.assertNotIn("RUN", words[words.index("USER") :])

    def test_it_is_the_first_process_in_the_foreground_and_takes_the_options(self) -> None:
        words: list[str] = json.loads(instruction("ENTRYPOINT"))
        place = words.index("chatnet")
        self.assertEqual(words[:place], ["twistd", "-n", "--pidfile=", "--umask=077"])
        self.assertEqual(instruction("STOPSIGNAL"), "SIGTERM")
        options = accepted([*words[place + 1 :], "--motd", "Be kind."])
        self.assertEqual(options.settings.data, instruction("VOLUME"))
        self.assertEqual(options.settings.motd, "Be kind.")

    def test_the_volume_is_the_servers_alone(self) -> None:
        private = "install --directory --owner=chatnet --group=chatnet --mode=0700"
        self.assertIn(f"{private} {instruction('VOLUME')}", instruction("RUN"))

    def test_it_listens_and_is_looked_after_where_the_server_does(self) -> None:
        [endpoint] = accepted([]).settings.listen
        self.assertRegex(endpoint, f"^tcp:{instruction('EXPOSE')}:")
        _, _, command = instruction("HEALTHCHECK").partition(" CMD ")
        self.assertEqual(json.loads(command), HEALTH)

    def test_only_what_is_installed_goes_in(self) -> None:
        first, *others = (CHECKOUT / ".dockerignore").read_text().splitlines()
        self.assertEqual(first, "*")
        named = {line[1:] for line in others if line.startswith("!")}
        self.assertEqual(named, {"chatnet", "twisted", "pyproject.toml", "setup.py", "README.md"})
        self.assertEqual([name for name in named if not (CHECKOUT / name).exists()], [])


class ComposeTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.compose = compose()
        self.chatnet = self.compose["services"]["chatnet"]
        self.database = self.compose["services"]["database"]
        self.passwords = self.compose["services"]["passwords"]

    def test_it_builds_the_image_with_the_databases_driver(self) -> None:
        build = self.chatnet["build"]
        self.assertTrue((CHECKOUT / build["context"] / build["dockerfile"]).is_file())
        project = tomllib.loads((CHECKOUT / "pyproject.toml").read_text())["project"]
        extras = set(build["args"]["EXTRAS"].split(","))
        self.assertIn("mysql", extras)
        self.assertLessEqual(extras, set(project["optional-dependencies"]))

    def test_what_is_kept_outlives_the_containers(self) -> None:
        kept = {self.chatnet["volumes"][0], self.database["volumes"][0]}
        self.assertEqual(kept, {f"data:{instruction('VOLUME')}", "database:/var/lib/mysql"})
        self.assertEqual(set(self.compose["volumes"]), {"data", "database", "secrets"})
        for service in (self.chatnet, self.database):
            self.assertEqual(service["restart"], "unless-stopped")

    def test_only_the_chat_can_be_reached(self) -> None:
        self.assertEqual(self.chatnet["ports"], ["${CHATNET_PORT:-8888}:8888"])
        for service in (self.database, self.passwords):
            self.assertNotIn("ports", service)
            self.assertNotIn("expose", service)

    def test_each_waits_for_what_it_needs(self) -> None:
        self.assertEqual(self.chatnet["depends_on"], {"database": {"condition": "service_healthy"}})
        self.assertEqual(
            self.database["depends_on"],
            {"passwords": {"condition": "service_completed_successfully"}},
        )
        self.assertIn("--connect", self.database["healthcheck"]["test"])

    def test_the_chat_is_looked_after_as_the_image_says(self) -> None:
        said = dict(self.chatnet["healthcheck"])
        self.assertEqual(said.pop("test"), ["CMD", *HEALTH])
        words = {key.replace("_", "-"): value for key, value in said.items()}
        self.assertEqual(
            instruction("HEALTHCHECK").partition(" CMD ")[0],
            " ".join(f"--{word}={value}" for word, value in words.items()),
        )

    def test_the_database_takes_long_messages_in_any_script(self) -> None:
        for option in ("--max-allowed-packet=1G", "--character-set-server=utf8mb4"):
            self.assertIn(option, self.database["command"])

    def test_no_password_stands_in_it(self) -> None:
        environment = self.database["environment"]
        said = [key for key in environment if "PASSWORD" in key]
        self.assertEqual(said, ["MARIADB_PASSWORD_FILE", "MARIADB_ROOT_PASSWORD_FILE"])
        self.assertNotIn("environment", self.chatnet)
        self.assertEqual(self.chatnet["command"], ["--config=/secrets/chatnet.toml"])


class PasswordsTests(SynchronousTestCase):
    """What makes the passwords, in a folder of the test's."""

    def setUp(self) -> None:
        folder = TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.folder = Path(folder.name)
        service = compose()["services"]["passwords"]
        [script] = service["command"]
        self.command = [
            *service["entrypoint"],
            'chown() { echo "$@"; }\n'
            + script.replace("$$", "$").replace("/secrets", shlex.quote(folder.name)),
        ]

    def test_both_sides_are_told_the_same(self) -> None:
        self._make()
        store = urlsplit(tomllib.loads(self._read("chatnet.toml"))["store"])
        environment = compose()["services"]["database"]["environment"]
        self.assertEqual(store.scheme, "mysql+pymysql")
        self.assertEqual(store.username, environment["MARIADB_USER"])
        self.assertEqual(store.path, f"/{environment['MARIADB_DATABASE']}")
        self.assertEqual(store.password, self._read("password"))
        self.assertEqual(store.hostname, "database")

    def test_nobody_can_guess_them(self) -> None:
        self._make()
        passwords = {self._read("password"), self._read("root-password")}
        self.assertEqual([len(password) for password in passwords], [48, 48])

    def test_they_are_for_those_who_need_them(self) -> None:
        owners = self._make().splitlines()
        self.assertEqual(owners, ["mysql password root-password", "10001 new.toml"])
        self.assertIn("10001", instruction("USER"))
        modes = {path.name: path.stat().st_mode & 0o777 for path in self.folder.iterdir()}
        self.assertEqual(modes, dict.fromkeys(("password", "root-password", "chatnet.toml"), 0o600))
        self.assertEqual(self.folder.stat().st_mode & 0o777, 0o755)

    def test_the_next_start_leaves_them_as_they_are(self) -> None:
        self._make()
        before = self._read("chatnet.toml"), self._read("password")
        self.assertEqual(self._make(), "")
        self.assertEqual((self._read("chatnet.toml"), self._read("password")), before)

    def _make(self) -> str:
        return subprocess.run(self.command, check=True, capture_output=True, text=True).stdout

    def _read(self, name: str) -> str:
        return (self.folder / name).read_text()


class Sick(Resource):
    isLeaf = True

    def render_GET(self, request: Any) -> bytes:
        request.setResponseCode(503)
        return b"the store does not answer\n"


class HealthTests(LiveTestCase):
    async def test_a_server_that_can_do_its_work_is_well(self) -> None:
        for options in ((), ("--no-tls",), ("--tls-only",)):
            server = await self.serves("--store", "memory:", *options)
            self.assertEqual(await self._health(server.port), ("", "", 0))

    async def test_one_that_cannot_says_why(self) -> None:
        port = reactor.listenTCP(0, Site(Sick()), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        out, complaint, status = await self._health(port.getHost().port)
        self.assertEqual((out, status), ("", 1))
        self.assertEqual(complaint, "the store does not answer\n")

    async def test_nobody_there_is_not(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = taken.getsockname()[1]
        out, complaint, status = await self._health(port)
        self.assertEqual((out, status), ("", 1))
        self.assertIn(f"no answer at port {port}: ", complaint)
        self.assertEqual(complaint.count("\n"), 1)

    async def _health(self, port: int) -> tuple[str, str, int]:
        return await self.runs(sys.executable, *HEALTH[1:], str(port))


if os.environ.get("CHATNET_CONTAINER"):

    class ImageTests(LiveTestCase):
        timeout = 1800

        async def test_it_is_built_and_works(self) -> None:
            options = shlex.split(os.environ.get("CHATNET_BUILD_OPTIONS", ""))
            script = str(CHECKOUT / "tests/container.sh")
            out, err, status = await self.runs(script, *options, path=CHECKOUT)
            self.assertEqual(status, 0, out + err)
            self.assertIn("== all is well", out)
