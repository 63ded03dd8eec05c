"""Opening a database: its tables are made, left alone, or brought up to date."""

from __future__ import annotations

from sqlalchemy import Connection, inspect, select

from chatnet.stores.databases import Database
from chatnet.stores.tables import VERSION, metadata, versions

FIRST = "0001"  # what release 0.1 made in SQLite


def prepare(db: Connection, database: Database) -> None:
    """See that the tables are those of this release.

    Raises:
        ValueError: they are of a later release, or of something else.
        OSError: the database is away, or the like.
    """
    if _version(db, database) == VERSION:
        return
    with database.alone(db):
        version = _version(db, database)
        if version is None:
            _make(db)
        elif version != VERSION:
            _migrate(db, version)
        database.stamp(db)


def _version(db: Connection, database: Database) -> str | None:
    """Return the version of the tables; None if there are none, or not all of them."""
    names = set(inspect(db).get_table_names())
    if versions.name in names:
        return db.execute(select(versions.c.version_num)).scalar()
    if version := database.version(db):
        return version
    strange = sorted(names & set(metadata.tables))
    if strange:
        raise ValueError(f"there is a table {strange[0]} that chatnet did not make")
    return None


def _make(db: Connection) -> None:
    versions.create(db, checkfirst=True)
    metadata.drop_all(db)  # what was begun, where a table is there at once
    metadata.create_all(db)
    db.execute(versions.insert().values(version_num=VERSION))


def _migrate(db: Connection, version: str) -> None:
    from alembic import command  # takes as long to import as all else, and is seldom needed
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", "chatnet.stores:migrations")
    config.attributes["connection"] = db
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if version not in known:
        raise ValueError(
            "it was written by another release of chatnet (its schema is version"
            f" {version}, this one's is {VERSION})"
        )
    if version == FIRST:
        versions.create(db, checkfirst=True)
        db.execute(versions.insert().values(version_num=version))
    command.upgrade(config, VERSION)
