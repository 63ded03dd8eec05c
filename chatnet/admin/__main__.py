"""``python -m chatnet.admin``: back up, restore, verify."""

from __future__ import annotations

import os
import sqlite3
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
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
from chatnet.admin.restore import Restore, refuse_if_used
from chatnet.admin.survey import Survey
from chatnet.admin.telling import Progress, Unable, size
from chatnet.admin.unpacking import Reader
from chatnet.admin.verify import verify_file, verify_store
from chatnet.folder import CannotStart, DataFolder
from chatnet.opening import Store, file_of, open_stores
from chatnet.settings import Settings

FAULTY = 1  # the exit status when something is not whole
INTERRUPTED = 130


def main(words: list[str]) -> int:
    """Do what ``words`` say. Return the exit status."""
    task = parse(words)
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
    except (OSError, sqlite3.Error) as error:
        _tell(str(error))
    except KeyboardInterrupt:
        return INTERRUPTED
    return UNABLE


def _back_up(task: BackupOptions) -> int:
    progress = Progress(_tell, monotonic)
    survey = Survey(_tell)
    with _store(task.settings) as (store, accounts), made(task.file, task["force"]) as out:
        writer = Backup(store, accounts, survey, progress).write(out, datetime.now(UTC).timestamp())
    where = "written" if task.file == STANDARD else f"{task.file}:"
    _tell(f"{where} {writer.counts}; {size(writer.size)} of text, {progress.took:.1f} s")
    if survey.faults:
        _tell(f"{_faults(survey)} in what is kept; the backup has them as well")
    return FAULTY if survey.faults else 0


def _restore(task: RestoreOptions) -> int:
    if task.file == STANDARD:
        raise Unable("a backup is read twice to restore it: name a file")
    progress = Progress(_tell, monotonic)
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
    with _empty(task.settings) as (store, accounts), opened(task.file) as file:
        again = Reader(file, fault)
        try:
            Restore(store, accounts, findings, progress).write(again)
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
    progress = Progress(_tell, monotonic)
    survey = Survey(_tell, read_heads(task["since-heads"]) if task["since-heads"] else None)
    if task.file:
        with opened(task.file) as file:
            reader = Reader(file, survey.fault)
            verify_file(reader, survey, progress)
        counts = reader.counts
    else:
        with _store(task.settings) as (store, accounts):
            counts = verify_store(store, accounts, survey, progress)
    if task["heads"]:
        sys.stdout.write(write_heads(survey.heads))
        sys.stdout.flush()
    _tell(
        f"{counts}; {progress.took:.1f} s: {_faults(survey) if survey.faults else 'all is whole'}"
    )
    return FAULTY if survey.faults else 0


@contextmanager
def _store(settings: Settings) -> Iterator[tuple[Store, Store]]:
    """Lend the store, which is there."""
    path = file_of(settings)
    if path is None:
        raise Unable("what a server has in memory, no other program can read")
    if not path.exists():
        raise Unable(f"there is no {path}")
    with _opened(settings) as stores:
        yield stores


@contextmanager
def _empty(settings: Settings) -> Iterator[tuple[Store, Store]]:
    """Lend a store with nothing in it, that no server has open."""
    if settings.store == "memory:":
        raise Unable("what is in memory is forgotten at once")
    folder = DataFolder(settings.data)
    folder.prepare()
    folder.acquire()
    try:
        with _opened(settings) as stores:
            refuse_if_used(*stores)
            yield stores
    finally:
        folder.release()


@contextmanager
def _opened(settings: Settings) -> Iterator[tuple[Store, Store]]:
    stores = open_stores(settings)
    try:
        yield stores[0], stores[0]
    finally:
        for store in stores:
            with suppress(OSError):
                store.close()


def _name(settings: Settings) -> str:
    return str(file_of(settings) or settings.store)


def _faults(survey: Survey) -> str:
    return "1 fault" if survey.faults == 1 else f"{survey.faults:,} faults"


def _tell(sentence: str) -> None:
    sys.stderr.write(f"chatnet: {sentence}\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
