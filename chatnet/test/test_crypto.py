"""What the page encrypts with: how it comes to a server, and what is served then."""

from __future__ import annotations

from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatnet.web import crypto, request
from chatnet.web.crypto import NotInstalled


class InstallTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.folder.mkdir()
        self.patch(crypto, "folder", lambda: self.folder)

    def test_another_package_is_not_installed(self) -> None:
        refused = self.assertRaises(NotInstalled, crypto.install, b"other", self.folder)
        self.assertIn("Nothing was installed", str(refused))
        self.assertEqual(list(self.folder.iterdir()), [])
        self.assertFalse(crypto.is_installed())

    def test_without_npm_it_says_what_to_do(self) -> None:
        self.patch(crypto, "PROGRAM", str(self.folder / "npm"))
        self.assertIn("apt install npm", str(self.assertRaises(NotInstalled, crypto.fetch)))
        self.assertEqual(crypto.main([]), 1)

    def test_the_page_may_run_webassembly_only_if_it_is_installed(self) -> None:
        self.addCleanup(request._wasm.cache_clear)
        request._wasm.cache_clear()
        self.assertEqual(request._wasm(), "")
        for name in crypto.FILES:
            (self.folder / name).write_bytes(b"")
        request._wasm.cache_clear()
        self.assertEqual(request._wasm(), " 'wasm-unsafe-eval'")
