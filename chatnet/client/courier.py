"""Files, sent and fetched over HTTP at the port of the link: both go on after a cut.

They are sent by tus 1.0 (https://tus.io) and fetched by ranges (RFC 9110), are read and written in
slices on another thread, and are checked against their SHA-256.
"""

from __future__ import annotations

import os
from base64 import b64encode
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Protocol
from urllib.parse import quote

from twisted.internet.defer import CancelledError, Deferred
from twisted.internet.interfaces import IStreamClientEndpoint
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThreadPool

from chatnet.client.keys.files import SEALED_NAME, Secret, lock, unlock
from chatnet.client.requests import LOST, QUIET_SECONDS, Again, Requests, header
from chatnet.client.streams import BodySink, FileBody, Partial, Source, free_name
from chatnet.core import commands as c, replies as r
from chatnet.core.files import ANYTHING, safe_name, type_of
from chatnet.core.names import room_name
from chatnet.core.refusals import (
    NoSuchFile,
    NotAllowed,
    NotWhole,
    Unavailable,
)

Progress = Callable[[int, int], object]  # of bytes: how many are through, and how many there are
MOST_TRIES, PAUSE_SECONDS = 8, 1.0  # in vain after each other, and between two of them


@dataclass(frozen=True, slots=True)
class Sent:
    """A file that was sent: its id, and the seq of its entry in the log it went to."""

    id: str
    seq: int
    size: int
    sha256: str


class FileKeys(Protocol):
    """What encrypts files, and knows what opens them; see ``chatnet.client.keys``."""

    async def seals(self, to: str) -> bool:
        """Return whether what is sent to ``to`` is encrypted."""
        ...

    async def tell_secret(self, to: str, id: str, secret: Secret) -> int:
        """Tell those in ``to`` what opens the file ``id``; return the seq of that."""
        ...

    def secret_of(self, id: str) -> Secret | None:
        """Return what opens the file ``id``; None if it is not encrypted, or not for one."""
        ...


class Courier:
    """Carries files to the server that is at ``endpoint``, and from there."""

    def __init__(
        self,
        endpoint: IStreamClientEndpoint,
        site: str,
        ask: Callable[[c.Command], Awaitable[r.Reply]],
        reactor: Any,
    ) -> None:
        """``site`` is the server's address as in ``http://host:port``; ``ask`` is the link's."""
        self._requests = Requests(endpoint, site, self._token, reactor)
        self._ask = ask
        self._reactor = reactor
        self.keys: FileKeys | None = None

    async def send(
        self,
        to: str,
        path: str | os.PathLike[str],
        *,
        name: str = "",
        kind: str = "",
        sealed: str = "",
        progress: Progress | None = None,
    ) -> Sent:
        """Send the file at ``path`` to a room, or, if ``to`` begins with ``@``, to a person.

        It is called ``name``, and of the type ``kind``, unless that is to be as the path says.
        ``sealed`` goes with it, for those who have the keys to read it. To be cancelled, cancel
        the ``Deferred`` that this runs in.

        Raises:
            Refused: the server does not take it; the sentence says why.
            OSError: it cannot be read.
        """
        called, kind = name or Path(path).name, kind or type_of(name or Path(path).name)
        if self.keys is not None and await self.keys.seals(to):
            return await self._send_sealed(self.keys, to, Path(path), called, kind, progress)
        return await self._send_plain(to, Path(path), called, kind, sealed, progress)

    async def _send_sealed(
        self, keys: FileKeys, to: str, path: Path, name: str, kind: str, progress: Progress | None
    ) -> Sent:
        """Send the file encrypted, and then what opens it, to those who are there by then."""
        with TemporaryDirectory(prefix="chatnet-") as folder:
            locked = Path(folder, SEALED_NAME)
            key, size = await self._aside(lock, path, locked)
            sent = await self._send_plain(to, locked, SEALED_NAME, ANYTHING, "1", progress)
        secret = Secret(key, name, size, kind, sent.sha256)
        return replace(sent, seq=await keys.tell_secret(to, sent.id, secret))

    async def _send_plain(
        self,
        to: str,
        path: Path,
        name: str,
        kind: str,
        sealed: str,
        progress: Progress | None,
    ) -> Sent:
        source = await self._aside(Source, path)
        try:
            while await self._aside(source.hash_on):
                pass
            said = {
                "filename": name,
                "filetype": kind,
                "sha256": source.sha256,
                "sealed": sealed,
            }
            return await self._send(_target(to), source, said, progress or _nobody)
        finally:
            await self._aside(source.close)

    async def fetch(
        self, id: str, to: str | os.PathLike[str], progress: Progress | None = None
    ) -> Path:
        """Fetch the file ``id`` to the path ``to``; if that is a folder, under its own name there.

        Nothing that is there is overwritten: a number is added to the name. Returns where it is.

        Raises:
            Refused: there is no such file for one, or what came is not it.
            OSError: it cannot be written.
        """
        link = await self._link(id)
        secret = self.keys.secret_of(link.id) if self.keys is not None else None
        if secret is not None:
            return await self._fetch_sealed(link, Path(to), secret, progress)
        if link.sealed and self.keys is not None:
            raise NotAllowed(
                "That file is encrypted, and what opens it did not come here from who sent it."
                " Ask for it to be sent again."
            )
        return await self._fetch_plain(link, Path(to), progress)

    async def _fetch_sealed(
        self, link: r.Link, to: Path, secret: Secret, progress: Progress | None
    ) -> Path:
        """Fetch the file, and decrypt it beside where it is to be."""
        target = to / safe_name(secret.name) if to.is_dir() else to
        if link.sha256 != secret.sha256:
            raise NotWhole(f"The server has another file in the place of {secret.name}.")
        locked = await self._fetch_plain(link, target.with_name(f".{link.id}.sealed"), progress)
        open_ = target.with_name(f".{link.id}.open")
        try:
            await self._aside(unlock, locked, open_, secret)
        finally:
            await self._aside(locked.unlink)
        path: Path = await self._aside(free_name, open_, target)
        return path

    async def _fetch_plain(self, link: r.Link, folder: Path, progress: Progress | None) -> Path:
        id = link.id
        target = folder / safe_name(link.name) if folder.is_dir() else folder
        partial = await self._aside(Partial, target, link.id, link.size, link.sha256)
        tries = 0
        try:
            while await self._aside(partial.read_on):
                pass
            while partial.have < partial.size or not partial.size:
                before = partial.have
                try:
                    await self._get(link, partial, progress or _nobody)
                    break
                except (Again, *LOST) as error:
                    tries = 0 if partial.have > before else tries + 1
                    await self._wait(tries, error)
                link = await self._link(id)
            await self._aside(partial.finish)
        finally:
            await self._aside(partial.close)
        path: Path = await self._aside(free_name, partial.path, target)
        return path

    def name_of(self, link: r.Link) -> str:
        """Return what the file behind ``link`` is called, where that is harmless."""
        secret = self.keys.secret_of(link.id) if self.keys is not None else None
        return safe_name(link.name if secret is None else secret.name)

    async def _token(self) -> str:
        reply = await self._ask(c.Token())
        if not isinstance(reply, r.Token):
            raise Unavailable("The server gives no token for files.")
        return reply.token

    async def _link(self, id: str) -> r.Link:
        reply = await self._ask(c.Fetch(id))
        if not isinstance(reply, r.Link):
            raise Unavailable("The server did not say where the file is.")
        return reply

    # -- sending -----------------------------------------------------------------------

    async def _send(
        self, target: str, source: Source, said: dict[str, str], progress: Progress
    ) -> Sent:
        place, tries, done = "", 0, -1
        try:
            while True:
                try:
                    if not place:
                        place = await self._begin(target, source, said)
                    offset = await self._offset(place) if done >= 0 else 0
                    if offset > done:
                        tries, done = 0, offset
                    seq = await self._patch(place, source, offset, progress)
                    return Sent(place.rpartition("/")[2], seq, source.size, source.sha256)
                except (Again, *LOST) as error:
                    done = max(done, 0)
                    tries += 1
                    await self._wait(tries, error)
                except NoSuchFile:
                    if done <= 0:
                        raise
                    place, done = "", -1  # the server has lost what came: all of it again
        except CancelledError:
            if place:
                self._give_up(place)
            raise

    async def _begin(self, target: str, source: Source, said: dict[str, str]) -> str:
        metadata = ",".join(
            f"{key} {b64encode(value.encode(errors='replace')).decode()}"
            for key, value in said.items()
            if value
        )
        headers = {"upload-length": str(source.size), "upload-metadata": metadata}
        answer = await self._requests.ask(b"POST", target, headers)
        return header(answer, "location")

    async def _offset(self, place: str) -> int:
        return int(header(await self._requests.ask(b"HEAD", place, {}), "upload-offset"))

    async def _patch(self, place: str, source: Source, offset: int, progress: Progress) -> int:
        """Send what is missing; return the seq of the entry."""
        body = FileBody(source, offset, self._aside, progress)
        headers = {
            "upload-offset": str(offset),
            "content-type": "application/offset+octet-stream",
        }
        answer = await self._requests.ask(b"PATCH", place, headers, body)
        seq = answer.headers.getRawHeaders("chatnet-entry")
        if not seq:
            raise Again("The server has not got all of it.")
        return int(seq[0])

    def _give_up(self, place: str) -> None:
        """Let the server drop what came."""
        done = Deferred.fromCoroutine(self._requests.ask(b"DELETE", place, {}))
        done.addErrback(lambda _: None)  # it does so in time by itself

    # -- fetching ----------------------------------------------------------------------

    async def _get(self, link: r.Link, partial: Partial, progress: Progress) -> None:
        path = "/" + link.url.split("/", 3)[3]  # the server may not know how we reach it
        headers = {}
        if partial.have:
            headers = {"range": f"bytes={partial.have}-", "if-range": f'"{link.sha256}"'}
        answer = await self._requests.ask(b"GET", path, headers, token=False)
        if partial.have and answer.code != 206:
            await self._aside(partial.restart)
        sink = BodySink(partial, self._aside, progress, self._reactor, QUIET_SECONDS)
        answer.deliverBody(sink)
        await sink.done

    # -- in between --------------------------------------------------------------------

    async def _wait(self, tries: int, error: Exception) -> None:
        if tries > MOST_TRIES:
            raise Unavailable(f"The file does not get through. {error}".strip()) from error
        await deferLater(self._reactor, min(30.0, PAUSE_SECONDS * 2 ** max(0, tries - 1)))

    def _aside(self, call: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """Return what ``call`` will return, which blocks."""
        return deferToThreadPool(self._reactor, self._reactor.getThreadPool(), call, *args)


def site_of(host: str, port: int, tls: bool) -> str:
    """Return the address of the server at ``host`` and ``port``, as in ``http://host:port``."""
    shown = f"[{host}]" if ":" in host else host
    return f"{'https' if tls else 'http'}://{shown}:{port}"


def _target(to: str) -> str:
    if to.startswith("@"):
        return f"/p/{quote(to[1:], safe='')}/"
    return f"/r/{quote(room_name(to).text, safe='')}/"


def _nobody(_through: int, _all: int) -> None:
    """Nobody wants to know."""
