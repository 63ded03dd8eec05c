"""How the server is: what it holds, and what may go wrong."""

from __future__ import annotations

import os
import resource
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from time import monotonic

from chatnet import __version__
from chatnet.admin.calls import Row
from chatnet.admin.desk import Answer, Desk
from chatnet.admin.grammar import Given, Value
from chatnet.admin.looks import every_room
from chatnet.admin.operator import Operator
from chatnet.admin.places import LAST_BACKUP
from chatnet.core.dials import LEVEL, LIMIT, MOTD, REGISTRATION
from chatnet.core.names import fold
from chatnet.wires.oneport import Speech

_LEAST_FREE, _LEAST_PART = 10**9, 0.05  # bytes of the disk, and of all of it
_SLOW_FSYNC = 0.1  # seconds
_LEAST_DAYS = 14  # of a certificate
_OLD_BACKUP = 2 * 86400  # seconds
_SPARE_FILES = 100
_TRIES = 5  # fsyncs
_END_OF_TIME = 1e300
_DAY = 86400


async def status(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return how the server is."""
    building, network, settings = desk.building, desk.host.network, desk.host.settings
    now = desk.host.clock.seconds()
    doors: Counter[str] = Counter()
    for door in building.factory.registry:
        doors[{Speech.TEXT: "text", Speech.JSON: "json", Speech.HTTP: "web"}.get(
            door.speaks or Speech.TLS, "silent"
        )] += 1  # fmt: skip
        doors["tls"] += door.encrypted or door.inside is not None
    rooms = [key for key in network.audiences if key[0] not in "@*"]
    row: dict[str, Value] = {
        "name": settings.name,
        "version": __version__,
        "uptime": now - building.began,
        "connections": len(building.factory.registry),
        "most": settings.max_clients,
        **{name: doors[name] for name in ("text", "json", "web", "silent", "tls")},
        "people": sum(bool(person.sessions) for person in network.people),
        "rooms": len(rooms),
        "memory": _memory(),
        "files": len(desk.host.files.sheets),
        "file_bytes": desk.host.files.space.total,
        "store": settings.store.partition(":")[0],
        "journal": settings.journal.partition(":")[0],
        "data": "" if settings.forgets else settings.data,
    }
    row |= _set(desk)
    if building.certificates is not None:
        row["certificate"] = building.certificates.expires.timestamp()
    return Answer("", [row])


def _set(desk: Desk) -> Row:
    """Return what holds for all, and where it comes from."""
    dials, host = desk.host.dials, desk.host
    limits = [
        f"{entry.name}={value} ({source})"
        for entry, value in host.defence.limits.all()
        if (source := dials.source(f"{LIMIT} {entry.name}")) != "default"
    ]
    level = dials.source(LEVEL)
    return {
        "registration": f"{host.invitations.registration.value} ({dials.source(REGISTRATION)})",
        "level": f"{host.defence.levels.level} ({'by itself' if level == 'default' else level})",
        "motd": dials.source(MOTD) if dials.motd else "none",
        "limits": ", ".join(limits) or "default",
    }


async def usage(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Return how many entries each room has, and how many bytes its files take."""
    sent = desk.host.files.sizes()
    rows: list[Row] = []
    for key, state in await every_room(desk, given):
        audience = desk.host.network.audiences.get(key)
        if audience is not None:
            head, floor = audience.room.log.head, audience.room.log.floor
        else:
            head, floor = await desk.host.network.journal.seq_at(key, _END_OF_TIME), 0
        files, size = sent.get(key, (0, 0))
        rows.append(
            {
                "room": state.name,
                "entries": head - floor,
                "last": head,
                "files": files,
                "file_bytes": size,
            }
        )
    rows.sort(key=lambda row: (-int(row["entries"]), fold(str(row["room"]))))
    return Answer("" if rows else "There is no room yet.", rows)


async def doctor(desk: Desk, operator: Operator, given: Given) -> Answer:
    """Look for what may go wrong."""
    settings = desk.host.settings
    rows = [_clock(desk), _certificate(desk), _files(desk), _proxy(desk)]
    if not settings.forgets:
        aside = desk.building.aside
        if aside is not None:
            rows += await aside.run(_disk, Path(settings.data))
        rows.append(_backup(desk, Path(settings.data)))
    wrong = sum(not row["well"] for row in rows)
    return Answer("All is well." if not wrong else f"To be looked at: {wrong}.", rows)


def _check(name: str, well: bool, found: str) -> Row:
    return {"check": name, "well": well, "found": found}


def _clock(desk: Desk) -> Row:
    """See whether something was said later than now."""
    now = desk.host.clock.seconds()
    latest = 0.0
    for audience in desk.host.network.audiences.values():
        log = audience.room.log
        entries = log.between(log.head - 1, log.head) if log.head > log.tail else ()
        latest = max([latest, *(entry.at for entry in entries)])
    ahead = latest - now
    if ahead > 1:
        return _check("clock", False, f"the last entry is {ahead:,.0f} s ahead of the clock")
    return _check("clock", True, "goes forward")


def _certificate(desk: Desk) -> Row:
    certificates = desk.building.certificates
    if certificates is None:
        return _check("certificate", True, "no TLS is spoken")
    days = (certificates.expires.timestamp() - desk.host.clock.seconds()) / _DAY
    return _check("certificate", days > _LEAST_DAYS, f"expires in {days:,.0f} days")


def _files(desk: Desk) -> Row:
    soft, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    most = desk.host.settings.max_clients
    enough = soft == resource.RLIM_INFINITY or soft >= most + _SPARE_FILES
    return _check("open files", enough, f"{soft:,} may be open, for {most:,} connections")


def _proxy(desk: Desk) -> Row:
    strange = desk.host.network.meter.strange_proxy
    if strange:
        return _check("proxy", False, f"{strange} speaks for others: name it with --proxy")
    return _check("proxy", True, "none that was not named")


def _backup(desk: Desk, folder: Path) -> Row:
    try:
        at = (folder / LAST_BACKUP).stat().st_mtime
    except OSError:
        return _check("backup", False, "none was made: python -m chatnet.admin backup FILE")
    hours = (desk.host.clock.seconds() - at) / 3600
    return _check("backup", hours * 3600 < _OLD_BACKUP, f"{hours:,.0f} h ago")


def _disk(folder: Path) -> list[Row]:
    """Look at the disk. This blocks."""
    try:
        return list(_looked_at(folder))
    except OSError as error:
        return [_check("disk", False, error.strerror or str(error))]


def _looked_at(folder: Path) -> Iterator[Row]:
    disk = os.statvfs(folder)
    free, all_of_it = disk.f_bavail * disk.f_frsize, disk.f_blocks * disk.f_frsize
    enough = free > min(_LEAST_FREE, all_of_it * 0.2) and free > all_of_it * _LEAST_PART
    yield _check("disk", enough, f"{free / 1e9:,.1f} GB of {all_of_it / 1e9:,.1f} GB are free")
    worst = 0.0
    with tempfile.TemporaryFile(dir=folder) as file:
        for _ in range(_TRIES):
            file.write(bytes(4096))
            file.flush()
            began = monotonic()
            os.fsync(file.fileno())
            worst = max(worst, monotonic() - began)
    yield _check("fsync", worst < _SLOW_FSYNC, f"{worst * 1000:,.1f} ms, the slowest of {_TRIES}")


def _memory() -> int:
    """Return the bytes of memory that the server has; 0 if that cannot be known."""
    try:
        pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except (OSError, ValueError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")
