"""What is done to a store, whether a server runs or not: back up, restore, verify."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import assert_never

from chatnet.admin.backup import Backup
from chatnet.admin.files import STANDARD, made, opened
from chatnet.admin.heads import read_heads, write_heads
from chatnet.admin.options import (
    UNABLE,
    BackupOptions,
    RestoreOptions,
    VerifyOptions,
    parse,
)
from chatnet.admin.places import LAST_BACKUP
from chatnet.admin.restore import Restore, refuse_if_used
from chatnet.admin.survey import Survey
from chatnet.admin.telling import Progress, Unable, size
from chatnet.admin.unpacking import Reader
from chatnet.admin.verify import verify_file, verify_store
from chatnet.folder import CannotStart, DataFolder
from chatnet.opening import Stores, files_of, open_once
from chatnet.settings import Settings
from chatnet.stores.shelf import FILES, Shelf

FAULTY = 1  # the exit status when something is not whole
INTERRUPTED = 130


def main(words: list[str]) -> int:
    """Do what ``words`` say. Return the exit status."""
    task = parse(words)
    before = signal.signal(signal.SIGTERM, _ended)
    try:
        match task:
            case BackupOptions():
                return _back_up(task)
            case RestoreOptions():
                return _restore(task)
            case VerifyOptions():
                return _verify(task)
            case _:
                assert_never(task)
    except (Unable, CannotStart) as error:
        _tell(str(error).removeprefix("chatnet: "))
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # for what is still to be written
        _tell("nobody reads what is printed")
    except OSError as error:
        _tell(f"{error.filename}: {error.strerror}" if error.filename else str(error))
    except ValueError as error:  # a database that is another one than it should be
        _tell(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    finally:
        signal.signal(signal.SIGTERM, before)
    return UNABLE


def _ended(number: int, frame: object) -> None:
    """Be interrupted, so that nothing half done is left behind."""
    raise KeyboardInterrupt


def _back_up(task: BackupOptions) -> int:
    progress = Progress(_tell, monotonic, "written")
    survey = Survey(_tell)
    with _kept(task.settings) as stores, made(task.file, task["force"]) as out:
        shelf = None if task["without-files"] else _shelf(task.settings)
        writer = Backup(stores.log, stores.accounts, survey, progress, shelf).write(
            out, datetime.now(UTC).timestamp()
        )
    _leave_note(task.settings)
    where = "written" if task.file == STANDARD else f"{task.file}:"
    _tell(f"{where} {writer.counts}; {size(writer.size)} of text, {progress.took:.1f} s")
    if survey.faults:
        _tell(f"{_faults(survey)} in what is kept; the backup has them as well")
    return FAULTY if survey.faults else 0


def _leave_note(settings: Settings) -> None:
    """Let the server's ``doctor`` see when a backup was made."""
    with suppress(OSError):
        Path(settings.data, LAST_BACKUP).touch(0o600)


def _restore(task: RestoreOptions) -> int:
    if task.file == STANDARD:
        raise Unable("a backup is read twice to restore it: name a file")
    progress = Progress(_tell, monotonic, "checked")
    survey = Survey(_tell)
    with opened(task.file) as file:
        reader = Reader(file, survey.fault)
        findings = verify_file(reader, survey, progress)
    if survey.faults and not task["faulty"]:
        _tell(
            f"{_faults(survey)} in {task.file}: nothing was restored. --faulty restores what can be"
            " read of it, faults and all"
        )
        return FAULTY
    fault = _passed_over if survey.faults else _changed
    with _empty(task.settings) as stores, opened(task.file) as file:
        again, writing = Reader(file, fault), Progress(_tell, monotonic, "written")
        try:
            shelf = _shelf(task.settings)
            Restore(stores.log, stores.accounts, findings, writing, shelf).write(again)
            if again.digest != reader.digest:
                _changed()
        except BaseException:
            _tell(f"not all was restored: remove what is in {_name(task.settings)}, and begin anew")
            raise
    _tell(f"restored: {again.counts}; {progress.took:.1f} s")
    return FAULTY if survey.faults else 0


def _passed_over(sentence: str) -> None:
    """Say nothing: it was said when the file was read for the first time."""


def _changed(sentence: str = "") -> None:
    raise Unable("the file changed while it was read")


def _verify(task: VerifyOptions) -> int:
    progress = Progress(_tell, monotonic, "checked")
    survey = Survey(_tell, read_heads(task["since-heads"]) if task["since-heads"] else None)
    if task.file:
        with opened(task.file) as file:
            reader = Reader(file, survey.fault)
            verify_file(reader, survey, progress)
        counts = reader.counts
    else:
        with _kept(task.settings) as stores:
            shelf = _shelf(task.settings)
            counts = verify_store(stores.log, stores.accounts, survey, progress, shelf)
    if task["heads"]:
        sys.stdout.write(write_heads(survey.heads))
        sys.stdout.flush()
    _tell(
        f"{counts}; {progress.took:.1f} s: {_faults(survey) if survey.faults else 'all is whole'}"
    )
    return FAULTY if survey.faults else 0


@contextmanager
def _kept(settings: Settings) -> Iterator[Stores]:
    """Lend what is kept, to be read."""
    if settings.store == "memory:":
        raise Unable("what a server has in memory, no other program can read")
    for path in files_of(settings):
        if not path.exists():
            raise Unable(f"there is no {path}")
    with closing(open_once(settings, False)) as stores:
        yield stores


@contextmanager
def _empty(settings: Settings) -> Iterator[Stores]:
    """Lend stores with nothing in them, that no server has open."""
    if settings.store == "memory:":
        raise Unable("what is in memory is forgotten at once")
    folder = DataFolder(settings.data)
    folder.prepare()
    folder.acquire()
    try:
        with closing(open_once(settings, True)) as stores:
            refuse_if_used(stores.log, stores.accounts)
            yield stores
    finally:
        folder.release()


def _shelf(settings: Settings) -> Shelf:
    """Return where files are that were sent: on this machine, whatever the store is."""
    return Shelf(Path(settings.data, FILES))


def _name(settings: Settings) -> str:
    return " and ".join(map(str, files_of(settings))) or "the database"


def _faults(survey: Survey) -> str:
    return "1 fault" if survey.faults == 1 else f"{survey.faults:,} faults"


def _tell(sentence: str) -> None:
    sys.stderr.write(f"chatnet: {sentence}\n")
