"""Bringing a database to the schema that this program needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, Engine, NullPool, create_engine, event, inspect, select
from sqlalchemy.exc import DBAPIError

from ...domain.errors import Unavailable
from . import sqlite
from .schema import alembic_version, metadata
from .urls import driver_wanted, is_postgres, path_of

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0001"
"""The last migration: the schema that this program needs."""

VERSION = select(alembic_version.c.version_num)

_SCRIPTS = Path(__file__).parent / "migrations"
_MOST_WAIT = 60.0
_MIGRATING = int.from_bytes(b"vestibul")


class SchemaTooNew(Exception):
    """A newer program has been at this database; this one could only do harm."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"The database has schema {revision}, which is newer than this program's {HEAD}. Start the newer program."
        )


class SchemaTooOld(Exception):
    """The database has not been migrated to the schema that this program needs."""

    def __init__(self, revision: str | None) -> None:
        has = f"schema {revision}" if revision else "no schema yet"
        super().__init__(f"The database has {has}, and this program needs {HEAD}: run `vestibule migrate` first.")


def migrate(url: str) -> None:
    """Brings the database at `url` to the schema of today, in one transaction; makes an SQLite file where there is none.

    Of several that do so at once one works and the others wait, a minute at most. Raises `SchemaTooNew`, `ValueError` for
    an unknown kind of URL, `ImportError` where its driver is not installed, and `Unavailable`.
    """
    with migrating(url) as connection:
        bring_to_head(connection)


def prepare(url: str) -> None:
    """Migrates an SQLite file, and looks whether a server's database has been migrated.

    Others may run on that one, so its operator says when. Raises `SchemaTooOld` too.
    """
    if not is_postgres(url):
        migrate(url)
        return
    with migrating(url) as connection:
        demand_head(connection)


def bring_to_head(connection: Connection) -> None:
    """Migrates within the transaction that is open. Raises `SchemaTooNew`."""
    present = _revision(connection)
    if present != HEAD:
        _upgrade(connection, present)


def demand_head(connection: Connection) -> None:
    """Raises `SchemaTooOld` or `SchemaTooNew` where the database has another schema than this program."""
    present = _revision(connection)
    if present != HEAD:
        _demand_known(connection, present)
        raise SchemaTooOld(present)


@contextmanager
def migrating(url: str) -> Iterator[Connection]:
    """A transaction that no other migration runs beside; an SQLite file is made where there is none."""
    try:
        with _engine(url).begin() as connection:
            yield connection
    except DBAPIError as error:
        raise Unavailable from error.orig


def _engine(url: str) -> Engine:
    if is_postgres(url):
        with driver_wanted():
            from .postgres import connect_to_migrate  # noqa: PLC0415 — its driver is an extra

        engine = create_engine("postgresql+psycopg://", creator=lambda: connect_to_migrate(url), poolclass=NullPool)
        event.listen(engine, "begin", _wait_for_other_migrations)
    else:
        path = path_of(url)
        sqlite.create(path)
        engine = create_engine("sqlite://", creator=lambda: sqlite.connect(path, wait=_MOST_WAIT), poolclass=NullPool)
        event.listen(engine, "begin", _take_write_lock)
    return engine


def scripts(connection: Connection) -> "Config":
    """What Alembic's commands need to run the migrations over this connection, in its transaction."""
    from alembic.config import Config  # noqa: PLC0415 — takes 0.14 s, which only a migration need pay

    config = Config(attributes={"connection": connection, "metadata": metadata})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection, present: str | None) -> None:
    from alembic.command import upgrade  # noqa: PLC0415 — as above

    _demand_known(connection, present)
    upgrade(scripts(connection), HEAD)


def _demand_known(connection: Connection, present: str | None) -> None:
    """Raises `SchemaTooNew` for a migration that this program does not have."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 — as above

    known = {script.revision for script in ScriptDirectory.from_config(scripts(connection)).walk_revisions()}
    if present is not None and present not in known:
        raise SchemaTooNew(present)


def _revision(connection: Connection) -> str | None:
    """The last migration that the database has seen."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(VERSION).scalar()


def _take_write_lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")


def _wait_for_other_migrations(connection: Connection) -> None:
    """A lock on nothing that is there: before the first migration there is no table that one could lock."""
    connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATING})")
