"""Asks the server on this machine how it is, for containers and monitors.

``python -m chatnet.web.health [PORT]`` ends with status 0 if it can do its work; otherwise with
status 1, and says why.
"""

from __future__ import annotations

import ssl
import sys
from http.client import HTTPConnection, HTTPException, HTTPSConnection

SECONDS = 8.0  # for each answer: more than the server gives its store
_HOST = "127.0.0.1"
_GO_TO_TLS = 308


def complaint(port: int = 8888) -> str:
    """Return what is wrong with the server at ``port``, or nothing."""
    try:
        status, body = _ask(HTTPConnection(_HOST, port, timeout=SECONDS))
        if status == _GO_TO_TLS:
            status, body = _ask(
                HTTPSConnection(_HOST, port, timeout=SECONDS, context=_whoever_it_is())
            )
    except (OSError, HTTPException) as error:
        return f"no answer at port {port}: {error}"
    return "" if status == 200 else body or f"status {status}"


def _ask(connection: HTTPConnection) -> tuple[int, str]:
    """Return the status and the text of the answer."""
    try:
        connection.request("GET", "/healthz")
        answer = connection.getresponse()
        return answer.status, answer.read().decode(errors="replace").strip()
    finally:
        connection.close()


def _whoever_it_is() -> ssl.SSLContext:
    """Return how to speak TLS with a server that nobody vouches for."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


if __name__ == "__main__":
    sys.exit(complaint(*map(int, sys.argv[1:])) or 0)
