"""Make an authority of one's own and a server's certificate by it, to try chatnet's TLS with."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from chatnet.wires.certificates import certificate_pem, issue, keep, key_pem, new_key

NAMES = ("localhost", "127.0.0.1", "::1")
FILES = ("ca.pem", "ca-key.pem", "server.pem", "server-key.pem")


def make(folder: Path, names: Sequence[str], days: int, now: datetime) -> None:
    """Write the four files, in the place of those that are there.

    Raises:
        ValueError: a name is none.
        OSError: they cannot be written.
    """
    ca_key, server_key = new_key(), new_key()
    ca = issue("chatnet development CA", ca_key, now, days)
    server = issue("chatnet development server", server_key, now, days, names, (ca, ca_key))
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    keep(folder / "ca-key.pem", key_pem(ca_key))
    keep(folder / "ca.pem", certificate_pem(ca), 0o644)
    keep(folder / "server-key.pem", key_pem(server_key))
    keep(folder / "server.pem", certificate_pem(server, ca), 0o644)


def main(words: Sequence[str]) -> int:
    """Do what ``words`` say; return the exit status."""
    parser = argparse.ArgumentParser(prog="make_dev_certs.py", description=__doc__)
    parser.add_argument(
        "names",
        metavar="NAME",
        nargs="*",
        help=f"host or address of the server; {', '.join(NAMES)} if not given",
    )
    parser.add_argument("--out", metavar="DIR", type=Path, help="folder to write to; this one")
    parser.add_argument(
        "--days", metavar="N", type=int, default=30, help="until they expire; 30 if not given"
    )
    parser.add_argument("--force", action="store_true", help="overwrite what is there")
    given = parser.parse_args(words)
    folder = given.out or Path(__file__).resolve().parent
    names = given.names or NAMES
    if not 1 <= given.days <= 3650:
        parser.error(f"--days is 1 to 3650, not {given.days}")
    here = [name for name in FILES if os.path.lexists(folder / name)]
    if here and not given.force:
        parser.error(f"{', '.join(here)} in {folder} would be overwritten; --force does it")
    try:
        make(folder, names, given.days, datetime.now(UTC))
    except ValueError as error:
        parser.error(str(error))
    except OSError as error:
        parser.error(f"cannot write to {folder}: {error.strerror}")
    there = folder.resolve()
    shown = there.relative_to(Path.cwd()) if there.is_relative_to(Path.cwd()) else there
    ca, _, server, server_key = (shown / name for name in FILES)
    host = "" if "localhost" in names else f" --host {names[0]}"
    sys.stdout.write(
        f"made {', '.join(FILES)} in {there}, for {', '.join(names)}, {given.days} days. Try:\n\n"
        f"twistd -n chatnet --tls-cert {server} --tls-key {server_key}\n"
        f"python -m chatnet.client --tls --ca {ca}{host}\n"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
