"""Files over HTTP, in memory: who may, what is refused, and what becomes of them."""

from __future__ import annotations

import json
import os
from base64 import b64encode
from hashlib import sha256
from pathlib import Path
from typing import Any, NoReturn

from twisted.internet.defer import Deferred
from twisted.trial.unittest import SynchronousTestCase

from chatnet.core.commands import Purge
from chatnet.core.events import Acted
from chatnet.core.files import ANYTHING, safe_name, safe_type
from chatnet.core.limits import TABLE
from chatnet.core.roles import Rank
from chatnet.core.room import Actor
from chatnet.server.staff import purge
from chatnet.stores.shelf import Writing
from chatnet.test.properties import given, settings, st
from chatnet.test.rig import Client, Rig
from chatnet.web.downloads import wanted

TUS: dict[str, Any] = {"Tus-Resumable": "1.0.0"}
PATCH: dict[str, Any] = TUS | {"Content-Type": "application/offset+octet-stream"}
BODY = b"green tea, and no more than that"
DIGEST = sha256(BODY).hexdigest()


class Answer:
    """What came back over HTTP."""

    def __init__(self, data: bytes) -> None:
        head, _, self.body = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        self.status = int(first.split()[1]) if first else 0
        pairs = (line.split(": ", 1) for line in lines)
        self.headers = {name.lower(): value for name, value in pairs}


class SharingTestCase(SynchronousTestCase):
    limits: tuple[tuple[str, str], ...] = ()

    def setUp(self) -> None:
        self.folder = Path(self.mktemp())
        self.rig = Rig()
        self.starts()

    def starts(self) -> None:
        self.rig.files.shelf.folder = self.folder
        usual = [(e.name, e.value) for e in TABLE if e.name.startswith(("file", "upload"))]
        for name, value in (*usual, ("file-spare", "none"), *self.limits):
            self.rig.files.limits.set(name, value)
        self.rig.files.start()
        self.rig.settle()
        self.ann, self.bob = (self.rig.program(name) for name in ("ann", "bob"))
        for one in (self.ann, self.bob):
            one.sends("join", room="tea")
            one.receives()
        self.bob.receives()
        self.ann.receives()
        self.token = self.tokens(self.ann)

    def tokens(self, client: Client) -> str:
        client.sends("token", cid="t")
        frame = client.receives()[-1]
        token: str = frame["token"]
        return token

    def begins(self, method: str, path: str, token: str = "", **headers: str) -> Client:
        """Send the head of a request, by a connection of its own."""
        client = self.rig.connects()
        lines = [f"{method} {path} HTTP/1.1", "Host: localhost"]
        lines += [f"Authorization: Bearer {token}"] if token else []
        lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
        client.door.dataReceived("\r\n".join([*lines, "", ""]).encode())
        self.rig.settle()
        return client

    def asks(
        self, method: str, path: str, body: bytes = b"", token: str | None = None, **headers: Any
    ) -> Answer:
        said = {"Content-Length": str(len(body))} | headers
        shown = self.token if token is None else token
        client = self.begins(method, path, shown, **said)
        if body:
            client.door.dataReceived(body)
            self.rig.settle()
        client.hangs_up()
        return Answer(client.transport.value())

    def sends(self, path: str = "/r/tea/a.txt", body: bytes = BODY, **headers: str) -> str:
        """Send a file; return its id."""
        answer = self.asks("PUT", path, body, **headers)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.headers["location"].rpartition("/")[2]

    def uploads(self, size: int = len(BODY), to: str = "/r/tea/", **said: str) -> str:
        """Begin an upload; return where it is."""
        told = {"filename": "a.txt", "sha256": DIGEST} | said
        metadata = ",".join(f"{k} {b64encode(v.encode()).decode()}" for k, v in told.items())
        headers = TUS | {"Upload-Length": str(size), "Upload-Metadata": metadata}
        answer = self.asks("POST", to, **headers)
        self.assertEqual(answer.status, 201, answer.body)
        return answer.headers["location"]

    def patches(self, place: str, offset: int, body: bytes, token: str | None = None) -> Answer:
        return self.asks("PATCH", place, body, token, **PATCH, Upload_Offset=str(offset))

    def shelf(self) -> list[str]:
        self.rig.settle()
        return sorted(name for name in os.listdir(self.folder) if "." not in name)


class SendingTests(SharingTestCase):
    def test_it_is_an_entry_once_it_is_whole_and_its_bytes_come_back(self) -> None:
        id = self.sends()
        (entry,) = self.bob.receives()
        shared = {key: entry[key] for key in ("event", "by", "id", "name", "size", "type")}
        self.assertEqual(
            shared,
            {"event": "shared", "by": "ann", "id": id, "name": "a.txt", "size": len(BODY),
             "type": "text/plain"},
        )  # fmt: skip
        self.assertEqual(entry["sha256"], DIGEST)
        answer = self.asks("GET", f"/files/{id}", token=self.tokens(self.bob))
        self.assertEqual((answer.status, answer.body), (200, BODY))

    def test_what_is_handed_out_is_never_shown(self) -> None:
        headers = self.asks("GET", f"/files/{self.sends('/r/tea/%C3%A4%22.html')}").headers
        self.assertEqual(headers["content-type"], ANYTHING)
        self.assertEqual(headers["x-content-type-options"], "nosniff")
        self.assertEqual(headers["content-security-policy"], "sandbox; default-src 'none'")
        said = "attachment; filename=\"__.html\"; filename*=UTF-8''%C3%A4_.html"
        self.assertEqual(headers["content-disposition"], said)

    def test_people_are_told_how_and_get_a_link_for_themselves(self) -> None:
        zoe = self.rig.member("zoe")
        id = self.sends()
        (line,) = zoe.hears()
        said = f"ann sent a file: a.txt ({len(BODY)} bytes, text/plain). /get {id} fetches it."
        self.assertEqual(line, said)
        zoe.types("/get")
        about, url, digest = zoe.hears()
        self.assertIn("a.txt, 32 bytes, for 15 minutes at", about)
        self.assertIn(DIGEST, digest)
        path = "/" + url.split("/", 3)[3]
        self.assertEqual(self.asks("GET", path, token="").body, BODY)
        zoe.types("/token")
        self.assertIn("curl -T FILE --oauth2-bearer", zoe.hears()[1])
        zoe.types("/leave")
        self.assertEqual(self.asks("GET", path, token="").status, 404)

    def test_who_sends_a_person_a_file_reads_to_whom_also_as_a_guest(self) -> None:
        zoe = self.rig.member("zoe")
        zoe.types("/token")
        token = zoe.hears()[1].split()[-2]
        answer = self.asks("PUT", "/p/bob/a.txt", BODY, token)
        self.assertEqual(answer.status, 201)
        self.assertIn("[whisper] zoe sent a file to bob: a.txt", zoe.hears()[-1])

    def test_to_one_person_it_is_for_these_two_alone(self) -> None:
        zoe = self.rig.program("zoe")
        id = self.sends("/p/bob/a.txt")
        (entry,) = self.bob.receives()
        self.assertEqual((entry["event"], entry["to"], entry["id"]), ("shared", "bob", id))
        self.assertEqual(self.ann.receives()[0]["room"], f"@~{self.ann.session.id}")
        for client, status in ((self.ann, 200), (self.bob, 200), (zoe, 404)):
            answer = self.asks("GET", f"/files/{id}", token=self.tokens(client))
            self.assertEqual(answer.status, status)
        self.ann.hangs_up()
        self.rig.settle()
        self.assertEqual(self.shelf(), [id])
        self.bob.hangs_up()  # with whom the last log goes that it stands in
        self.rig.settle()
        self.rig.clock.advance(400)
        self.assertEqual(self.shelf(), [])

    def test_the_same_upload_is_sent_once_however_often_it_is_asked_for(self) -> None:
        place = self.uploads()
        self.assertEqual(self.patches(place, 0, BODY[:10]).headers["upload-offset"], "10")
        self.assertEqual(self.bob.receives(), [])
        done = self.patches(place, 10, BODY[10:])
        again = self.patches(place, len(BODY), b"")
        self.assertEqual(done.status, 204)
        self.assertEqual(again.headers["chatnet-entry"], done.headers["chatnet-entry"])
        self.assertEqual(len(self.bob.receives()), 1)

    def test_a_file_of_nothing_is_one(self) -> None:
        id = self.sends(body=b"")
        self.assertEqual(self.asks("GET", f"/files/{id}").body, b"")

    def test_chunks_of_unknown_length_are_taken(self) -> None:
        client = self.begins("PUT", "/r/tea/a.txt", self.token, Transfer_Encoding="chunked")
        for part in (BODY[:7], BODY[7:]):
            client.door.dataReceived(b"%x\r\n%b\r\n" % (len(part), part))
            self.rig.settle()
        client.door.dataReceived(b"0\r\n\r\n")
        self.rig.settle()
        self.assertEqual(Answer(client.transport.value()).status, 201)
        self.assertEqual(self.bob.receives()[0]["sha256"], DIGEST)

    def test_more_requests_on_the_same_connection_go_on(self) -> None:
        client = self.begins("PUT", "/r/tea/a.txt", self.token, Content_Length=str(len(BODY)))
        client.door.dataReceived(BODY + b"GET /about HTTP/1.1\r\nHost: localhost\r\n\r\n")
        self.rig.settle()
        self.assertEqual(client.transport.value().count(b"HTTP/1.1 20"), 2)


class RefusalTests(SharingTestCase):
    limits = (("file-size", "100"), ("file-quota-guest", "256K"))

    def refused(self, status: int, *args: Any, **kwargs: Any) -> Answer:
        answer = self.asks(*args, **kwargs)
        self.assertEqual(answer.status, status, answer.body)
        self.assertEqual(self.bob.receives(), [])
        return answer

    def test_without_a_token_or_with_anothers_nothing_is_taken(self) -> None:
        answer = self.refused(401, "PUT", "/r/tea/a", BODY, token="")
        self.assertIn(b"/token", answer.body)
        self.refused(401, "PUT", "/r/tea/a", BODY, token="0" * 32)
        place = self.uploads()
        other = self.tokens(self.bob)
        for method in ("HEAD", "PATCH", "DELETE"):
            headers = PATCH | {"Upload-Offset": "0"}
            self.assertEqual(self.asks(method, place, token=other, **headers).status, 404)

    def test_a_token_goes_with_its_connection_and_in_time(self) -> None:
        mine = self.tokens(self.bob)
        self.bob.sends("nick", name="bert")
        self.bob.receives()
        self.assertEqual(self.asks("PUT", "/r/tea/a", BODY, token=mine).status, 201)
        self.bob.hangs_up()
        self.rig.settle()
        self.assertEqual(self.asks("PUT", "/r/tea/a", BODY, token=mine).status, 401)
        self.rig.clock.rightNow += 3601
        self.assertEqual(self.asks("PUT", "/r/tea/a", BODY).status, 401)

    def test_a_link_is_no_token_and_a_token_no_link(self) -> None:
        id = self.sends()
        self.bob.receives()
        self.ann.receives()
        self.ann.sends("get", id=id)
        (link,) = self.ann.receives()
        secret = link["url"].split("/")[4]
        self.refused(401, "GET", f"/files/{id}", token=secret)
        answer = self.refused(404, "GET", f"/get/{self.token}/a.txt", token="")
        self.assertIn(b"Ask for another one: /get ID", answer.body)

    def test_pages_of_other_sites_may_not(self) -> None:
        self.refused(403, "PUT", "/r/tea/a", BODY, Origin="https://elsewhere.example")
        id = self.sends()
        self.bob.receives()
        self.refused(403, "GET", f"/files/{id}", Origin="https://elsewhere.example")

    def test_who_is_not_in_the_room_or_may_not_speak_sends_nothing(self) -> None:
        self.refused(403, "PUT", "/r/milk/a", BODY)
        other = self.tokens(self.bob)
        self.ann.sends("mute", room="tea", who="bob")
        self.bob.receives()
        self.assertEqual(self.asks("PUT", "/r/tea/a", BODY, token=other).status, 403)
        self.ann.sends("set", room="tea", setting="slow", value=60)
        self.bob.receives()
        self.sends()  # a moderator may
        self.assertEqual(self.asks("GET", "/files/", token=other).status, 404)

    def test_what_a_refusal_repeats_steers_no_terminal(self) -> None:
        for method in ("PUT", "POST"):
            path = "/p/%1b%5b2Jbob/a.txt" if method == "PUT" else "/p/%1b%5b2Jbob/"
            told = self.asks(method, path, Upload_Length="5").body.decode()
            self.assertIn("Nobody called ␛[2Jbob is known here.", told)

    def test_who_is_put_out_fetches_nothing_more(self) -> None:
        id, other = self.sends(), self.tokens(self.bob)
        self.assertEqual(self.asks("GET", f"/files/{id}", token=other).status, 200)
        self.ann.sends("kick", room="tea", who="bob")
        self.assertEqual(self.asks("GET", f"/files/{id}", token=other).status, 404)

    def test_what_is_not_what_was_said_is_dropped(self) -> None:
        answer = self.patches(self.uploads(sha256="0" * 64), 0, BODY)
        self.assertEqual(answer.status, 422)
        wrong = b64encode(bytes(32)).decode()
        self.refused(422, "PUT", "/r/tea/a", BODY, Repr_Digest=f"sha-256=:{wrong}:")
        self.assertEqual(self.shelf(), [])
        self.assertEqual(self.rig.files.space.total, 0)

    def test_what_comes_has_to_begin_where_it_ended_and_end_where_it_was_to(self) -> None:
        place = self.uploads()
        answer = self.patches(place, 5, BODY[5:])
        self.assertEqual((answer.status, answer.headers["upload-offset"]), (409, "0"))
        self.assertEqual(self.patches(place, 0, BODY + b"!").status, 400)
        self.assertEqual(self.asks("HEAD", place, **TUS).headers["upload-offset"], "0")
        self.refused(415, "PATCH", place, BODY, **TUS, Upload_Offset="0")
        self.refused(412, "HEAD", place, Tus_Resumable="0.2.2")

    def test_what_is_too_large_is_refused_before_it_comes(self) -> None:
        client = self.begins(
            "PUT", "/r/tea/a", self.token, Content_Length="101", Expect="100-continue"
        )
        self.assertEqual(Answer(client.transport.value()).status, 413)
        self.assertNotIn(b"100 Continue", client.transport.value())

    def test_what_has_no_end_is_cut_off(self) -> None:
        client = self.begins("PUT", "/r/tea/a", self.token, Transfer_Encoding="chunked")
        for _ in range(4):
            client.door.dataReceived(b"20\r\n" + b"x" * 32 + b"\r\n")
            self.rig.settle()
        self.assertEqual(Answer(client.transport.value()).status, 413)
        client.hangs_up()
        self.assertEqual(self.shelf(), [])
        self.assertEqual(self.rig.files.space.total, 0)

    def test_space_counts_what_is_still_to_come_and_is_given_back(self) -> None:
        for name, value in (("file-size", "8K"), ("file-quota-guest", "12K")):
            self.rig.files.limits.set(name, value)
        place = self.uploads(size=8192, sha256="")
        self.refused(507, "PUT", "/r/tea/a", b"x" * 5000)
        self.assertEqual(self.asks("DELETE", place, **TUS).status, 204)
        self.sends(body=b"x" * 5000)

    def test_what_grows_takes_space_as_it_comes(self) -> None:
        for name, value in (("file-size", "none"), ("file-quota-guest", "12K")):
            self.rig.files.limits.set(name, value)
        client = self.begins("PUT", "/r/tea/a", self.token, Transfer_Encoding="chunked")
        for taken in (4096, 4096, 6144, 8192):
            client.door.dataReceived(b"800\r\n" + b"x" * 2048 + b"\r\n")
            self.rig.settle()
            self.assertEqual(self.rig.files.space.total, taken)
        client.door.dataReceived(b"1001\r\n" + b"x" * 4097 + b"\r\n")
        self.rig.settle()
        self.assertEqual(Answer(client.transport.value()).status, 507)
        client.hangs_up()
        self.assertEqual((self.shelf(), self.rig.files.space.total), ([], 0))

    def test_files_of_nothing_take_space_too_also_after_a_restart(self) -> None:
        self.rig.files.limits.set("file-quota-guest", "12K")
        ids = [self.sends(body=b"") for _ in range(3)]
        self.assertEqual(self.asks("PUT", "/r/tea/a").status, 507)
        self.rig.restart()
        self.starts()
        self.rig.files.limits.set("file-quota-guest", "12K")
        self.assertEqual(self.rig.files.space.total, 3 * 4096)
        self.assertEqual(self.asks("PUT", "/r/tea/a").status, 507)
        self.rig.files.remove(self.rig.files.sheets[ids[0]])
        self.sends(body=b"")

    def test_a_full_disk_is_told(self) -> None:
        self.rig.files.limits.set("file-spare", "1000000G")
        self.refused(507, "PUT", "/r/tea/a", BODY)

    def test_of_what_comes_not_at_all_it_is_told_as_well(self) -> None:
        client = self.begins("PUT", "/r/tea/a", self.token, Content_Length="100")
        for _ in range(9):
            self.rig.clock.advance(5)
            self.rig.settle()
        self.assertEqual(Answer(client.transport.value()).status, 408)

    def test_what_comes_too_slowly_is_cut_and_kept(self) -> None:
        place = self.uploads()
        headers = PATCH | {"Upload-Offset": "0", "Content-Length": str(len(BODY))}
        client = self.begins("PATCH", place, self.token, **headers)
        for at in range(4):
            client.door.dataReceived(BODY[at : at + 1])
            self.rig.settle()
            self.rig.clock.advance(10)
        self.assertEqual(Answer(client.transport.value()).status, 408)
        client.hangs_up()
        self.assertGreater(int(self.asks("HEAD", place, **TUS).headers["upload-offset"]), 0)

    def test_tricks_with_paths_are_none(self) -> None:
        for path in ("/files/..%2f..%2fetc%2fpasswd", "/files/.", "/files//", "/get//x", "/files/"):
            self.refused(404, "GET", path)
        self.assertEqual(self.asks("PUT", "/r/tea/%ff", BODY).status, 400)
        self.assertEqual(self.asks("PUT", "/r/tea/", BODY).status, 400)
        self.sends("/r/tea/..%2f..%2fevil.sh")
        self.assertEqual(self.bob.receives()[0]["name"], "evil.sh")
        self.assertEqual(len(self.shelf()), 1)

    def test_many_at_once_are_too_many(self) -> None:
        for _ in range(16):
            self.uploads(size=1, sha256="")
        self.assertEqual(self.asks("POST", "/r/tea/", **TUS, Upload_Length="1").status, 400)

    def test_who_comes_again_as_another_guest_begins_no_more_without_end(self) -> None:
        answers = []
        for n in range(5):
            guest = self.rig.program(f"guest{n}")
            guest.sends("join", room="tea")
            token = self.tokens(guest)
            for _ in range(16):
                begun = self.asks("POST", "/r/tea/", token=token, **TUS, Upload_Length="1")
                answers.append(begun.status)
            guest.hangs_up()
        self.assertEqual(answers, [201] * 64 + [507] * 16)

    def test_what_does_not_say_where_it_ends_is_not_taken_for_empty(self) -> None:
        client = self.begins("PUT", "/r/tea/a", self.token)
        self.assertEqual(Answer(client.transport.value()).status, 411)

    def test_the_disk_keeps_room_for_what_says_no_size(self) -> None:
        self.rig.files.limits.set("file-spare", "1")
        self.rig.files.shelf.free = lambda: 150  # type: ignore[method-assign]
        chunked = {"Transfer_Encoding": "chunked"}
        one, two = [self.begins("PUT", "/r/tea/a", self.token, **chunked) for _ in range(2)]
        self.assertEqual(one.transport.value(), b"")
        self.assertEqual(Answer(two.transport.value()).status, 507)


class PaceTests(SharingTestCase):
    """Beginning and giving up uploads counts as what one sends in the chat."""

    def setUp(self) -> None:
        super().setUp()
        self.rig.files.limits.set("messages", "1+1/s")  # five requests at once

    def begin(self, token: str | None = None) -> Answer:
        return self.asks("POST", "/r/tea/", b"", token, **TUS, Upload_Length="1")

    def test_who_begins_too_many_is_told_when_to_come_again(self) -> None:
        statuses = [self.begin().status for _ in range(8)]
        self.assertEqual((statuses[:4], statuses[5:]), ([201] * 4, [429] * 3))
        answer = self.begin()
        self.assertEqual(answer.headers["retry-after"], "1")
        self.assertIn(b"try again in 1 second.", answer.body)
        self.assertEqual(self.begin(self.tokens(self.bob)).status, 201)  # it is for each alone
        self.rig.clock.advance(1)
        self.assertEqual(self.begin().status, 201)

    def test_giving_up_and_files_at_once_count_too(self) -> None:
        place = self.begin().headers["location"]
        for method, path in (("DELETE", place), ("PUT", "/r/tea/a"), ("POST", "/r/tea/")):
            self.rig.clock.advance(2)
            statuses = [self.asks(method, path, **TUS, Upload_Length="1") for _ in range(7)]
            self.assertNotEqual(statuses[0].status, 429)
            last = statuses[-1]
            self.assertEqual((last.status, last.headers["retry-after"]), (429, "1"), method)

    def test_what_is_said_in_the_chat_and_sent_is_counted_together(self) -> None:
        self.ann.sends("say", room="tea", body="hello")
        self.assertEqual(self.begin().status, 429)

    def test_going_on_is_not_refused(self) -> None:
        place = self.begin().headers["location"]
        while self.begin().status != 429:
            pass
        self.assertEqual(self.asks("HEAD", place, **TUS).status, 200)
        self.assertEqual(self.patches(place, 0, b"x").status, 204)


class PressureTests(SharingTestCase):
    def test_what_the_disk_has_not_written_is_not_read(self) -> None:
        body = bytes(600_000)
        client = self.begins("PUT", "/r/tea/a", self.token, Content_Length=str(len(body)))
        states = []
        for at in range(0, len(body), 50_000):
            if client.transport.producerState == "producing":
                client.door.dataReceived(body[at : at + 50_000])
                states.append(at)
        self.assertEqual(client.transport.producerState, "paused")
        held = len(states) * 50_000
        self.assertLess(held, 400_000)
        self.rig.settle()
        self.assertEqual(client.transport.producerState, "producing")
        client.door.dataReceived(body[held:])
        self.rig.settle()
        self.assertEqual(Answer(client.transport.value()).status, 201)

    def test_a_lost_database_is_told_and_no_bug(self) -> None:
        def lost(*_: object) -> NoReturn:
            raise OSError("no database at /var/lib")

        id = self.sends()
        self.rig.store.fail_reads = True
        self.patch(self.rig.store, "holders", lost)
        for method, path, body in (
            ("GET", f"/files/{id}", b""),
            ("PUT", "/p/zoe/a.txt", BODY),
            ("POST", "/p/zoe/", b""),
        ):
            headers = TUS | {"Upload-Length": "5"} if method == "POST" else {}
            answer = self.asks(method, path, body, **headers)
            self.assertEqual(answer.status, 503, path)
            self.assertIn(b"try again later", answer.body)
        self.assertEqual(self.flushLoggedErrors(), [])

    def test_a_bug_while_it_is_written_is_told_and_holds_up_nobody(self) -> None:
        def breaks(*_: object) -> int:
            raise ZeroDivisionError

        place = self.uploads(size=600_000, sha256="")
        self.patch(Writing, "write", breaks)
        self.assertEqual(self.patches(place, 0, bytes(600_000)).status, 503)
        self.assertEqual(len(self.flushLoggedErrors(ZeroDivisionError)), 1)
        self.assertEqual(self.asks("HEAD", place, **TUS).headers["upload-offset"], "0")

    def test_a_connection_on_which_another_one_goes_on_is_told_and_closed(self) -> None:
        place = self.uploads(size=600_000, sha256="")
        headers = PATCH | {"Upload_Offset": "0", "Content_Length": "600000"}
        for method in ("HEAD", "DELETE"):
            first = self.begins("PATCH", place, self.token, **headers)
            first.door.dataReceived(bytes(300_000))
            self.assertEqual(first.transport.producerState, "paused")
            have = self.asks(method, place, **TUS).headers.get("upload-offset")
            headers["Upload_Offset"] = str(have)
            self.assertEqual(Answer(first.transport.value()).status, 503)
            self.assertTrue(first.transport.disconnecting)

    def test_what_nobody_goes_on_with_keeps_no_file_open(self) -> None:
        place = self.uploads(sha256="")
        self.patches(place, 0, BODY[:9])
        [upload] = self.rig.files.uploads
        self.assertIsNotNone(upload.writing)
        for _ in range(3):
            self.rig.clock.advance(60)
            self.rig.settle()
        self.assertIsNone(upload.writing)
        self.assertEqual(self.patches(place, 9, BODY[9:]).status, 204)
        self.assertEqual(upload.sheet.file.sha256, DIGEST)

    def test_who_is_put_out_amid_a_file_gets_no_more_of_it(self) -> None:
        id, other = self.sends(body=bytes(400_000)), self.tokens(self.bob)
        self.rig.files.limits.set("file-bytes", "100K+10K/s")
        client = self.begins("GET", f"/files/{id}", other)
        self.rig.settle()
        before = len(client.transport.value())
        self.ann.sends("kick", room="tea", who="bob")
        self.rig.clock.advance(60)
        self.rig.settle()
        self.assertTrue(client.transport.aborted)
        self.assertEqual(len(client.transport.value()), before)
        self.assertLess(before, 200_000)

    def test_who_does_not_read_is_cut_in_time(self) -> None:
        id = self.sends(body=bytes(400_000))
        self.rig.files.limits.set("file-bytes", "100K+10K/s")
        slow, deaf = [self.begins("GET", f"/files/{id}", self.token) for _ in range(2)]
        channel = deaf.transport.producer
        assert channel is not None
        channel.pauseProducing()
        for _ in range(61):
            self.rig.clock.advance(10)
            self.rig.settle()
        self.assertTrue(slow.transport.value().endswith(bytes(400_000)))  # it took 30 s
        self.assertTrue(deaf.transport.aborted)

    def test_what_comes_or_goes_slowly_may_take_its_time(self) -> None:
        size = 600_000
        client = self.begins("PUT", "/r/tea/a", self.token, Content_Length=str(size))
        for _ in range(20):
            client.door.dataReceived(bytes(size // 20))
            self.rig.settle()
            self.rig.clock.advance(10)
        answer = Answer(client.transport.value())
        self.assertEqual((answer.status, client.transport.aborted), (201, False))
        self.rig.files.limits.set("file-bytes", "1K+2K/s")
        id = answer.headers["location"].rpartition("/")[2]
        slow = self.begins("GET", f"/files/{id}", self.token)
        for _ in range(80):
            self.rig.clock.advance(5)
            self.rig.settle()
        self.assertTrue(slow.transport.value().endswith(bytes(size)))


class RangeTests(SharingTestCase):
    def test_parts_of_it_are_fetched(self) -> None:
        id = self.sends()
        size = len(BODY)
        for asked, told, part in (
            ("bytes=0-4", f"bytes 0-4/{size}", BODY[:5]),
            ("bytes=5-", f"bytes 5-{size - 1}/{size}", BODY[5:]),
            ("bytes=-4", f"bytes {size - 4}-{size - 1}/{size}", BODY[-4:]),
            ("bytes=0-999", f"bytes 0-{size - 1}/{size}", BODY),
        ):
            answer = self.asks("GET", f"/files/{id}", Range=asked)
            shown = (answer.status, answer.headers["content-range"], answer.body)
            self.assertEqual(shown, (206, told, part))

    def test_what_is_no_range_is_all_and_what_is_not_there_is_nothing(self) -> None:
        id = self.sends()
        for asked in ("bytes=0-1,3-4", "bytes=4-2", "bytes=-", "lines=1-2", "bytes=x-", "bytes"):
            answer = self.asks("GET", f"/files/{id}", Range=asked)
            self.assertEqual((answer.status, answer.body), (200, BODY), asked)
        for asked in ("bytes=32-", "bytes=999999999999999-"):
            answer = self.asks("GET", f"/files/{id}", Range=asked)
            self.assertEqual((answer.status, answer.body), (416, b""), asked)

    def test_of_another_file_no_part_is_taken_for_this_one(self) -> None:
        id = self.sends()
        tag = f'"{DIGEST}"'
        self.assertEqual(
            self.asks("GET", f"/files/{id}", Range="bytes=5-", If_Range=tag).status, 206
        )
        other = self.asks("GET", f"/files/{id}", Range="bytes=5-", If_Range='"x"')
        self.assertEqual((other.status, other.body), (200, BODY))
        self.assertEqual(self.asks("GET", f"/files/{id}", If_None_Match=tag).status, 304)
        head = self.asks("HEAD", f"/files/{id}")
        self.assertEqual((head.headers["content-length"], head.body), (str(len(BODY)), b""))


class KeepingTests(SharingTestCase):
    def test_deleting_the_entry_deletes_the_bytes(self) -> None:
        id = self.sends()
        (entry,) = self.bob.receives()
        self.ann.sends("delete", room="tea", cid="d")
        self.assertEqual(self.bob.receives()[0]["message"], entry["seq"])
        self.assertEqual(self.shelf(), [])
        self.assertEqual(self.asks("GET", f"/files/{id}").status, 404)
        self.bob.sends("history", room="tea")
        self.assertIn("erased", [frame.get("event") for frame in self.bob.receives()])

    def test_staff_purges_files_with_what_was_said(self) -> None:
        self.sends()
        self.ann.sends("say", room="tea", body="and this")
        actor = Actor("operator", "operator", rank=Rank.OWNER)
        command = Purge("tea", "ann", 3600)
        done = Deferred.fromCoroutine(purge(self.rig.host, actor, command))
        self.rig.settle()
        (entry,) = self.successResultOf(done)
        assert isinstance(entry.event, Acted)
        self.assertEqual((entry.event.to, self.shelf()), ("2", []))

    def test_after_a_restart_all_is_there_and_litter_is_not(self) -> None:
        id = self.sends()
        half = self.uploads()
        self.patches(half, 0, BODY[:9])
        (self.folder / "0123456789ab").write_bytes(b"nobody knows me")
        for name in ("123456789abc", "123456789abc.json"):
            (self.folder / name).write_bytes(b"of a newer release")
        self.rig.restart()
        self.starts()
        self.assertEqual(len(self.shelf()), 3)
        self.assertEqual(self.asks("GET", f"/files/{id}").body, BODY)
        self.assertEqual(self.asks("HEAD", half, **TUS).headers["upload-offset"], "9")
        self.assertEqual(self.patches(half, 9, BODY[9:]).status, 204)
        self.assertEqual(self.bob.receives()[-1]["sha256"], DIGEST)

    def test_who_did_not_hear_that_it_was_sent_hears_it_after_a_restart(self) -> None:
        place = self.uploads()
        self.patches(place, 0, BODY)
        sheet = self.folder / f"{place.rpartition('/')[2]}.json"
        for unsaid in (False, True):  # also if the server did not get to note it
            if unsaid:
                told = json.loads(sheet.read_text())
                sheet.write_text(json.dumps(told | {"shared": False, "places": {"tea": 2}}))
            self.rig.restart()
            self.starts()
            again = self.patches(place, len(BODY), b"")
            self.assertEqual((again.status, again.headers["upload-offset"]), (204, str(len(BODY))))
            self.assertIn("chatnet-entry", again.headers)
            self.assertEqual([f for f in self.bob.receives() if f.get("event") == "shared"], [])

    def test_what_is_old_goes_and_what_nobody_goes_on_with(self) -> None:
        self.sends()
        self.uploads()
        self.assertEqual(len(self.shelf()), 2)
        self.advances(24 * 3600 + 100)
        self.assertEqual(len(self.shelf()), 1)
        self.advances(30 * 24 * 3600)
        self.assertEqual(self.shelf(), [])
        self.assertEqual(self.rig.files.space.total, 0)

    def advances(self, seconds: float) -> None:
        self.rig.clock.rightNow += seconds
        self.rig.clock.advance(60)
        self.rig.settle()

    def test_what_a_room_does_not_keep_goes_with_its_messages(self) -> None:
        self.sends()
        self.ann.sends("retain", room="tea", seconds=60)
        self.advances(200)
        self.rig.clock.advance(60)
        self.assertEqual(self.shelf(), [])

    def test_what_was_sent_to_a_room_that_is_deleted_goes_with_it(self) -> None:
        tom = self.opens("milk")
        id = self.sends("/r/milk/a.txt")
        tom.sends("deleteroom", room="milk")
        self.assertEqual(self.asks("GET", f"/files/{id}").status, 404)
        self.assertEqual(self.shelf(), [id])  # it may be restored
        self.advances(self.rig.settings.room_grace + 100)
        self.advances(60)
        self.assertEqual(self.shelf(), [])

    def test_in_a_renamed_room_files_are_found_by_either_name(self) -> None:
        tom = self.opens("milk")
        id = self.sends("/r/milk/a.txt")
        tom.sends("rename", room="milk", name="Cream")
        tom.receives()
        self.assertEqual(self.asks("GET", f"/files/{id}").status, 200)
        self.sends("/r/cream/b.txt")
        self.sends("/r/milk/c.txt")
        self.assertEqual([frame["room"] for frame in tom.receives()], ["milk", "milk"])

    def opens(self, room: str) -> Client:
        """Let someone with an account own ``room``; what is sent now is sent by them."""
        tom = self.rig.connects()
        tom.sends("register", name="tom", password="secret")
        tom.sends("join", room=room)
        self.token = self.tokens(tom)
        return tom

    def test_a_log_that_never_came_so_far_decides_nothing(self) -> None:
        self.sends()
        self.rig.store = type(self.rig.store)()  # the operator gave another database
        self.rig.restart()
        self.starts()
        self.assertEqual(len(self.shelf()), 1)


class NameTests(SynchronousTestCase):
    @settings(derandomize=True, deadline=None)
    @given(st.text(max_size=300))
    def test_no_name_does_harm(self, name: str) -> None:
        safe = safe_name(name)
        self.assertEqual(safe_name(safe), safe)
        self.assertTrue(0 < len(safe.encode()) <= 180)
        self.assertNotIn(safe, (".", ".."))
        self.assertFalse(set(safe) & set('/\\<>:"|?*') or not safe.isprintable())

    @settings(derandomize=True, deadline=None)
    @given(st.text(alphabet="bytes=0123456789-, ", max_size=24), st.integers(0, 100))
    def test_no_range_is_beyond_the_file(self, asked: str, size: int) -> None:
        for written in (asked, f"bytes={asked}"):
            found = wanted(written, size)
            self.assertTrue(found is None or (0 <= found[0] <= size and 0 <= found[1] <= size))

    def test_names_are_made_harmless(self) -> None:
        for name, harmless in (
            ("report.pdf", "report.pdf"),
            ("../../etc/passwd", "passwd"),
            ("C:\\temp\\a.txt", "a.txt"),
            ("evil\u202efdp.exe", "evilfdp.exe"),
            ("a\x00\x1b[31m\nb", "a[31mb"),
            ("con.txt", "_con.txt"),
            ("LPT1", "_LPT1"),
            ("nul .txt", "_nul .txt"),
            (".bashrc", "bashrc"),
            ("  x.txt . ", "x.txt"),
            ("", "file"),
            ("/", "file"),
            ("a<b>?.txt", "a_b__.txt"),
        ):
            self.assertEqual(safe_name(name), harmless)
        long = safe_name("ä" * 400 + ".tar.gz")
        self.assertLessEqual(len(long.encode()), 180)
        self.assertTrue(long.endswith(".gz"))

    def test_types_are_made_harmless(self) -> None:
        self.assertEqual(safe_type("Image/PNG; x=1"), "image/png")
        for kind in ("", "text", "a/b\r\nX: y", "x" * 200 + "/y"):
            self.assertEqual(safe_type(kind), ANYTHING)
