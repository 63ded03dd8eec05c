"""Installed into fresh environments, chatnet works from any folder. Needs the package index."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

from twisted.internet.threads import deferToThread
from twisted.trial.unittest import SkipTest

from tests.harness import LiveTestCase, Server, reactor
from tests.sockets import fetch

CHECKOUT = Path(__file__).parent.parent
IMPORT_TESTS = """
import importlib, pkgutil, chatnet.test
for module in pkgutil.iter_modules(chatnet.test.__path__):
    importlib.import_module(f"chatnet.test.{module.name}")
"""
COMPILED = "from chatnet.server import flock; print(flock.send_all is not flock.send_none)"


class InstallTests(LiveTestCase):
    timeout = 240

    async def test_a_plain_install_works_from_any_folder(self) -> None:
        venv = await self._works(())
        compiled = "True" if shutil.which("cc") else "False"
        for path in (self.folder / "elsewhere", self._copy()):  # in a checkout that is what runs
            told = await self._ok(str(venv / "bin/python"), "-c", COMPILED, path=path)
            self.assertEqual(told.strip(), compiled)

    async def test_an_editable_install_does_also_without_a_compiler(self) -> None:
        venv = await self._works(("-e",), CC="/nonexistent")
        told = await self._ok(
            str(venv / "bin/python"), "-c", COMPILED, path=self.folder / "elsewhere"
        )
        self.assertEqual(told.strip(), "False")

    async def _works(self, how: tuple[str, ...], **build: str) -> Path:
        source = self._copy()
        venv = self.folder / "venv"
        # With the pip that is here, and without compiling what is not used, in half the time.
        await self._ok(sys.executable, "-m", "venv", "--without-pip", str(venv))
        pip = (sys.executable, "-m", "pip", "--python", str(venv / "bin/python"))
        words = ("--disable-pip-version-check", "install", "--quiet", "--no-compile")
        await self._ok(*pip, *words, *how, ".", path=source, **build)
        if not how:
            shutil.rmtree(source)  # nothing of it is needed any more
        elsewhere = self.folder / "elsewhere"
        elsewhere.mkdir()

        out = await self._ok(str(venv / "bin/twistd"), "--help", path=elsewhere)
        self.assertRegex(out, r"(?m)^ +chatnet +A self-hosted chat network")
        out = await self._ok(str(venv / "bin/twistd"), "chatnet", "--help", path=elsewhere)
        self.assertIn("--max-clients=", out)
        tests = await self._ok(
            *(str(venv / "bin/trial"), "--reporter=text"),
            *("chatnet.test.test_names", "chatnet.test.test_migrations"),
            path=elsewhere,
        )
        self.assertRegex(tests, r"Ran [1-9]\d* tests")
        if not how:  # else they are those of the checkout
            tests = await self._ok(str(venv / "bin/trial"), "--dry-run", "chatnet", path=elsewhere)
            self.assertRegex(tests, r"Ran [1-9]\d\d+ tests")
            await self._ok(str(venv / "bin/python"), "-c", IMPORT_TESTS, path=elsewhere)
        if (CHECKOUT / "chatnet/client/__main__.py").exists():
            python = str(venv / "bin/python")
            out = await self._ok(python, "-m", "chatnet.client", "--help", path=elsewhere)
            self.assertIn("--host", out)
        await self._serves_and_talks(venv, elsewhere)
        return venv

    async def _serves_and_talks(self, venv: Path, elsewhere: Path) -> None:
        server = Server()
        options = ("--port", "0", "--interface", "127.0.0.1")
        command = (str(venv / "bin/twistd"), "-n", "chatnet", *options)
        reactor.spawnProcess(server, command[0], command, env=self._clean(), path=str(elsewhere))
        self.tidies(server)
        await server.logged("connect with:")
        ann = await self.joins(server, "ann")
        await ann.answered()
        for tls in (False, True):
            page = await deferToThread(fetch, server.port, "/page/main.js", tls=tls)
            self.assertEqual(page.status, 200)
        await server.stop()
        self.assertTrue((elsewhere / "chatnet-data/chatnet.db").exists())

    def _copy(self) -> Path:
        """Return a copy of the checkout as it is, without what git ignores."""
        git = shutil.which("git")
        if git is None or not (CHECKOUT / ".git").exists():
            raise SkipTest("this is not a checkout")
        listed = subprocess.run(
            [git, "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=CHECKOUT,
            check=True,
            capture_output=True,
        )
        source = self.folder / "source"
        for name in filter(None, listed.stdout.decode().split("\0")):
            if (CHECKOUT / name).is_file():
                (source / name).parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(CHECKOUT / name, source / name)
        return source

    async def _ok(self, *command: str, path: Path | None = None, **more: str) -> str:
        out, err, status = await self.runs(*command, path=path, env=self._clean() | more)
        self.assertEqual(status, 0, f"{command}\n{out}\n{err}")
        return out

    def _clean(self) -> dict[str, str]:
        """Return our environment without what leads Python back to the checkout."""
        return {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL_ENV"))}
