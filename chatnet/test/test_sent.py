"""Files that were sent, in a backup: there, put back, and found out if they are not whole."""

from __future__ import annotations

import io
from hashlib import sha256
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from chatnet.admin.backup import Backup
from chatnet.admin.restore import Restore
from chatnet.admin.survey import Survey
from chatnet.admin.unpacking import Reader
from chatnet.admin.verify import Findings, verify_file, verify_store
from chatnet.core.files import File
from chatnet.stores.memory import MemoryStore
from chatnet.stores.shelf import Sheet, Shelf, Writing
from chatnet.test.test_backup import progress

DATA = bytes(range(256)) * 2000
ID, OTHER = "8c8c765edbca", "0123456789ab"


class BackupTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.shelf = Shelf(Path(self.mktemp()))
        self.shelf.prepare()
        for id, shared in ((ID, True), (OTHER, False)):
            file = File(id, "report.pdf", len(DATA), "application/pdf", sha256(DATA).hexdigest())
            self.shelf.add(Sheet(file, "ann", "ann", "tea", 1.5, shared, {"tea": 3}))
            writing = Writing(self.shelf, id)
            writing.write([DATA])
            writing.close()
        self.found: list[str] = []

    def backup(self) -> bytes:
        out = io.BytesIO()
        store = MemoryStore()
        Backup(store, store, Survey(self.found.append), progress(), self.shelf).write(out, 1.0)
        return out.getvalue()

    def looks(self, data: bytes) -> tuple[Reader, Findings]:
        survey = Survey(self.found.append)
        reader = Reader(io.BytesIO(data), survey.fault)
        return reader, verify_file(reader, survey, progress())

    def restores(self, data: bytes) -> Shelf:
        shelf, store = Shelf(Path(self.mktemp())), MemoryStore()
        _, findings = self.looks(data)
        reader = Reader(io.BytesIO(data), lambda _: None)
        Restore(store, store, findings, progress(), shelf).write(reader)
        return shelf

    def test_what_was_sent_is_in_it_and_comes_back_as_it_was(self) -> None:
        data = self.backup()
        self.assertEqual(str(self.looks(data)[0].counts)[-8:], ", 1 file")
        shelf = self.restores(data)
        (sheet,) = shelf.sheets()
        self.assertEqual(sheet, next(one for one in self.shelf.sheets() if one.shared))
        self.assertEqual(b"".join(shelf.read(ID)), DATA)
        self.assertEqual(self.found, [])

    def test_what_is_not_what_was_sent_is_named_and_not_put_back(self) -> None:
        sentence = f"the file {ID} (report.pdf) is not what was sent"
        self.shelf.path(ID).write_bytes(DATA[:-1])
        store = MemoryStore()
        counts = verify_store(store, store, Survey(self.found.append), progress(), self.shelf)
        self.assertEqual((counts.files, self.found), (1, [sentence]))
        self.found.clear()
        data = self.backup()
        self.assertEqual(self.found, [sentence])
        self.assertEqual(list(self.restores(data).sheets()), [])

    def test_one_without_files_is_as_it_was_before_there_were_any(self) -> None:
        self.shelf.remove(ID)
        self.assertNotIn(b"file", self.backup())
