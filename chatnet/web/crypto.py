"""What the page needs to encrypt: fetched from npm, checked, and put beside the page's files.

``python -m chatnet.web.crypto`` does it; it takes npm. Nothing of it is part of chatnet.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from base64 import b64decode
from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha512
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory


@dataclass(frozen=True, slots=True)
class Package:
    """A package of npm's, of which ``files`` are wanted."""

    name: str
    integrity: str  # as npm says it: SHA-512, in base64
    files: tuple[str, ...]
    folder: str = ""  # of the page, where they go
    imports: tuple[tuple[str, str], ...] = ()  # what browsers find nothing by, and by what they do


MESSAGES = Package(  # Olm and Megolm
    "vodozemac-wasm-bindings@0.8.1",
    "xi8lLaMTaKSFhpq2MVqxImMxjzEPRdw/NNjo7gBLA91hwDP9+kX90X7gI1rwHhpqdwt+L4Yw1Krf11JwEHZYzA==",
    ("vodozemac.js", "vodozemac_bg.wasm"),
)
CIPHERS = Package(  # ChaCha20-Poly1305
    "@noble/ciphers@2.4.0",
    "AnjFn0Jv92laAkvMrghlFZq4qQCIN/4DxFV/eooqtC2YTjB7kBeLMS2T9KJX4Dn+ZVXLOwK0lSgqDtx9gvxtiw==",
    ("chacha.js", "_arx.js", "_poly1305.js", "utils.js"),
    "noble-ciphers",
)
HASHES = Package(  # which the next one needs
    "@noble/hashes@2.4.0",
    "X5XaVWZIBCT7HHZGm5I7ZQXDwLG+bGXuSrMQAW+7Zvl87h1kmc1ZB1VSRJcpUfoUrGQp4Fkoxm5kZ+Ms+aW+eA==",
    ("sha2.js", "pbkdf2.js", "hmac.js", "webcrypto.js", "_md.js", "_u64.js", "utils.js"),
    "noble-hashes",
)
WORDS = Package(  # recovery phrases
    "@scure/bip39@2.4.0",
    "82dxFbZUYboyOf0AXiydsQrFQ5Q4h9mX+O2UkE91ROYmsc0BKMGZLwDmy96Jpa2+vrtoxomjUhy1RPIgH/r2nA==",
    ("index.js", "wordlists/english.js"),
    "scure-bip39",
    (("'@noble/hashes/", "'../noble-hashes/"),),
)
PACKAGES = (MESSAGES, CIPHERS, HASHES, WORDS)
PROGRAM = "npm"
SECONDS = 120  # for npm
USAGE = f"""\
Usage: python -m chatnet.web.crypto [FILE...]

Let the page take part in encrypted rooms: fetch
{", ".join(one.name for one in PACKAGES[:2])},
{", ".join(one.name for one in PACKAGES[2:])}
with npm, or take them from FILEs, as npm pack makes them; check them, and put
them beside the page's files. Restart the server then. Until they are there, the
page says in encrypted rooms that they are missing."""


class NotInstalled(Exception):
    """It did not work; the sentence says why."""


def folder() -> Path:
    """Return where the files of the page are."""
    return Path(str(files("chatnet.web") / "page"))


def _places(package: Package, target: Path) -> Iterable[tuple[str, Path]]:
    """Return each wanted file of ``package``, and where it goes."""
    for name in package.files:
        yield name, target / package.folder / name.rpartition("/")[2]


def is_installed(*packages: Package) -> bool:
    """Return whether the page can encrypt, or has all that is in ``packages``."""
    here = folder()
    wanted = packages or (MESSAGES,)
    return all(place.is_file() for one in wanted for _, place in _places(one, here))


def install(packed: bytes, target: Path) -> Package:
    """Put what ``packed``, a package of npm's, holds into ``target``; return which one it is.

    Raises:
        NotInstalled: it is another package, or cannot be written.
    """
    digest = sha512(packed).digest()
    found = [one for one in PACKAGES if b64decode(one.integrity) == digest]
    if not found:
        names = ", ".join(one.name for one in PACKAGES)
        raise NotInstalled(
            f"That is none of {names}, as they were when chatnet was made. It was not installed."
        )
    (package,) = found
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for name, place in _places(package, target):
            member = archive.extractfile(f"package/{name}")
            assert member is not None
            data = member.read()
            for bare, found_by in package.imports:
                data = data.replace(bare.encode(), found_by.encode())
            try:
                _write(place, data)
            except OSError as error:
                raise NotInstalled(
                    f"{place} cannot be written: {error.strerror}. Do it as the user who"
                    " installed chatnet."
                ) from error
    return package


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(exist_ok=True)
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


def fetch() -> list[bytes]:
    """Return the packages, as npm has them.

    Raises:
        NotInstalled: there is no npm, or it does not get them.
    """
    names = [one.name for one in PACKAGES]
    with TemporaryDirectory() as place:
        command = [PROGRAM, "pack", "--silent", "--pack-destination", place, *names]
        try:
            subprocess.run(  # noqa: S603 -- nothing in it comes from outside
                command, check=True, capture_output=True, timeout=SECONDS, cwd=place
            )
        except FileNotFoundError as error:
            raise NotInstalled(
                "There is no npm here. Install it (apt install npm), or get the packages elsewhere:"
                f" npm pack {' '.join(names)}, and say their files here."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise NotInstalled(f"npm did not get {names} in {SECONDS} seconds.") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise NotInstalled(f"npm did not get {', '.join(names)}: {said}") from error
        return [packed.read_bytes() for packed in sorted(Path(place).glob("*.tgz"))]


def main(arguments: list[str]) -> int:
    """Do what ``arguments`` say, and return the exit status."""
    if any(one.startswith("-") for one in arguments):
        sys.stdout.write(f"{USAGE}\n")
        return 0 if arguments in (["--help"], ["-h"]) else 2
    try:
        all_packed = [Path(one).read_bytes() for one in arguments] if arguments else fetch()
        done = [install(packed, folder()).name for packed in all_packed]
    except (NotInstalled, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    lacks = [one.name for one in PACKAGES if not is_installed(one)]
    sys.stdout.write(f"In {folder()} now: {', '.join(done)}.\n")
    sys.stdout.write(
        f"Still missing: {', '.join(lacks)}.\n"
        if lacks
        else "The page can encrypt, and make and take recovery phrases. Restart the server.\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
