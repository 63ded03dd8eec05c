"""What the page encrypts with: how it comes to a server, and what is served then."""

from __future__ import annotations

import tarfile
from base64 import b64encode
from dataclasses import replace
from hashlib import sha512
from io import BytesIO
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
        self.assertIn("It was not installed", str(refused))
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
        for name in crypto.MESSAGES.files:
            (self.folder / name).write_bytes(b"")
        request._wasm.cache_clear()
        self.assertEqual(request._wasm(), " 'wasm-unsafe-eval'")

    def test_each_package_goes_to_its_folder_and_finds_the_others(self) -> None:
        packed = BytesIO()
        files = {"index.js": b"import '@noble/hashes/sha2.js'", "wordlists/english.js": b"words"}
        with tarfile.open(fileobj=packed, mode="w:gz") as archive:
            for name, data in files.items():
                member = tarfile.TarInfo(f"package/{name}")
                member.size = len(data)
                archive.addfile(member, BytesIO(data))
        integrity = b64encode(sha512(packed.getvalue()).digest()).decode()
        words = replace(crypto.WORDS, integrity=integrity)
        self.patch(crypto, "PACKAGES", (crypto.MESSAGES, words))
        self.assertIs(crypto.install(packed.getvalue(), self.folder), words)
        self.assertTrue(crypto.is_installed(words))
        self.assertFalse(crypto.is_installed(*crypto.PACKAGES))
        here = self.folder / "scure-bip39"
        self.assertEqual((here / "english.js").read_bytes(), b"words")
        self.assertEqual((here / "index.js").read_bytes(), b"import '../noble-hashes/sha2.js'")
