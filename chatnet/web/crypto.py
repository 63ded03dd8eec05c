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
from hashlib import sha512
from importlib.resources import files
from pathlib import Path
from tempfile import TemporaryDirectory

PACKAGE = "vodozemac-wasm-bindings@0.8.1"
INTEGRITY = (  # as npm says it: SHA-512, in base64
    "xi8lLaMTaKSFhpq2MVqxImMxjzEPRdw/NNjo7gBLA91hwDP9+kX90X7gI1rwHhpqdwt+L4Yw1Krf11JwEHZYzA=="
)
FILES = ("vodozemac.js", "vodozemac_bg.wasm")
PROGRAM = "npm"
SECONDS = 120  # for npm
USAGE = f"""\
Usage: python -m chatnet.web.crypto [FILE]

Let the page take part in encrypted rooms: fetch {PACKAGE}
with npm, or take it from FILE, as npm pack makes it; check it, and put it
beside the page's files. Restart the server then. Until it is there, the page
says in encrypted rooms that it is missing."""


class NotInstalled(Exception):
    """It did not work; the sentence says why."""


def folder() -> Path:
    """Return where the files of the page are."""
    return Path(str(files("chatnet.web") / "page"))


def is_installed() -> bool:
    """Return whether the page can encrypt."""
    return all((folder() / name).is_file() for name in FILES)


def install(packed: bytes, target: Path) -> None:
    """Put what ``packed``, a package of npm's, holds into ``target``.

    Raises:
        NotInstalled: it is another package, or cannot be written.
    """
    if sha512(packed).digest() != b64decode(INTEGRITY):
        raise NotInstalled(
            f"That is not {PACKAGE} as it was when chatnet was made. Nothing was installed."
        )
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        for name in FILES:
            member = archive.extractfile(f"package/{name}")
            assert member is not None
            try:
                _write(target / name, member.read())
            except OSError as error:
                raise NotInstalled(
                    f"{target / name} cannot be written: {error.strerror}. Do it as the user who"
                    " installed chatnet."
                ) from error


def _write(path: Path, data: bytes) -> None:
    part = path.with_name(f"{path.name}.part")
    part.write_bytes(data)
    os.replace(part, path)


def fetch() -> bytes:
    """Return the package, as npm has it.

    Raises:
        NotInstalled: there is no npm, or it does not get it.
    """
    with TemporaryDirectory() as place:
        command = [PROGRAM, "pack", "--silent", "--pack-destination", place, PACKAGE]
        try:
            subprocess.run(  # noqa: S603 -- nothing in it comes from outside
                command, check=True, capture_output=True, timeout=SECONDS, cwd=place
            )
        except FileNotFoundError as error:
            raise NotInstalled(
                "There is no npm here. Install it (apt install npm), or get the package elsewhere:"
                f" npm pack {PACKAGE}, and say its file here."
            ) from error
        except subprocess.TimeoutExpired as error:
            raise NotInstalled(f"npm did not get {PACKAGE} in {SECONDS} seconds.") from error
        except subprocess.CalledProcessError as error:
            said = error.stderr.decode(errors="replace").strip()
            raise NotInstalled(f"npm did not get {PACKAGE}: {said}") from error
        (packed,) = Path(place).glob("*.tgz")
        return packed.read_bytes()


def main(arguments: list[str]) -> int:
    """Do what ``arguments`` say, and return the exit status."""
    if len(arguments) > 1 or any(one.startswith("-") for one in arguments):
        sys.stdout.write(f"{USAGE}\n")
        return 0 if arguments in (["--help"], ["-h"]) else 2
    try:
        install(Path(arguments[0]).read_bytes() if arguments else fetch(), folder())
    except (NotInstalled, OSError) as error:
        sys.stderr.write(f"{error}\n")
        return 1
    sys.stdout.write(f"The page can encrypt now: {PACKAGE} is in {folder()}. Restart the server.\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
