"""Schema migrations, by Alembic."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, NullPool, create_engine, event, inspect, select
from sqlalchemy.exc import DBAPIError

from ...domain.errors import Unavailable
from ..database_urls import is_postgres, path_of, require_driver
from .schema import alembic_version, metadata
from .sqlite_connection import connect, create

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0001"
"""The latest migration, whose schema this program needs."""

VERSION = select(alembic_version.c.version_num)

_SCRIPTS = Path(__file__).parent / "migrations"
_MAX_WAIT = 60.0
_MIGRATION_LOCK = int.from_bytes(b"vestibul")


class SchemaTooNew(Exception):
    """A newer program has migrated this database; this program could damage it."""


class SchemaTooOld(Exception):
    """The database has not been migrated to the schema that this program needs."""


def migrate(url: str) -> None:
    """Migrates the database at `url` to the latest schema in one transaction; creates a missing SQLite file.

    Concurrent migrations wait for each other, up to a minute. Raises `SchemaTooNew`, `ValueError` for an unknown kind of
    URL, `ImportError` if its driver is not installed, and `Unavailable`.
    """
    with migrating(url) as connection:
        bring_to_head(connection)


def prepare(url: str) -> None:
    """Migrates an SQLite file; checks that a PostgreSQL database has been migrated.

    Other servers may use the latter, so its operator decides when to migrate. Raises `SchemaTooOld` too.
    """
    with migrating(url) as connection:
        if is_postgres(url):
            require_head(connection)
        else:
            bring_to_head(connection)


def bring_to_head(connection: Connection) -> None:
    """Migrates within the open transaction. Raises `SchemaTooNew`."""
    present = _revision(connection)
    if present != HEAD:
        from alembic.command import upgrade  # noqa: PLC0415 — takes 0.14 s, which only a migration needs

        _require_known(connection, present)
        upgrade(scripts(connection), HEAD)


def require_head(connection: Connection) -> None:
    """Raises `SchemaTooOld` or `SchemaTooNew` unless the database has the schema that this program needs."""
    present = _revision(connection)
    if present != HEAD:
        _require_known(connection, present)
        schema = f"schema {present}" if present else "no schema yet"
        raise SchemaTooOld(f"The database has {schema}, and this program needs {HEAD}: run `vestibule migrate` first.")


def migrating(url: str) -> AbstractContextManager[Connection]:
    """A transaction that excludes other migrations; creates a missing SQLite file."""
    if not is_postgres(url):
        create(path_of(url))
    # The advisory lock: before the first migration there is no table to lock.
    return transaction(
        url,
        partial(connect, wait=_MAX_WAIT),
        sqlite_begin="BEGIN IMMEDIATE",
        postgres_begin=f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})",
    )


@contextmanager
def transaction(
    url: str, connect_sqlite: Callable[[Path], sqlite3.Connection], *, sqlite_begin: str, postgres_begin: str
) -> Iterator[Connection]:
    """A transaction on a connection of its own, for long statements, with its first statement. Raises `Unavailable`."""
    if is_postgres(url):
        require_driver()
        from .postgres_connection import connect_to_migrate  # noqa: PLC0415 — its driver is an extra

        begin = postgres_begin
        engine = create_engine("postgresql+psycopg://", creator=lambda: connect_to_migrate(url), poolclass=NullPool)
    else:
        begin = sqlite_begin
        engine = create_engine("sqlite://", creator=lambda: connect_sqlite(path_of(url)), poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise Unavailable from error.orig


def scripts(connection: Connection) -> "Config":
    """The configuration for Alembic's commands to run over this connection, in its transaction."""
    from alembic.config import Config  # noqa: PLC0415 — as above

    config = Config(attributes={"connection": connection, "metadata": metadata})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _require_known(connection: Connection, present: str | None) -> None:
    """Raises `SchemaTooNew` for a migration that is unknown to this program."""
    from alembic.script import ScriptDirectory  # noqa: PLC0415 — as above

    known = {script.revision for script in ScriptDirectory.from_config(scripts(connection)).walk_revisions()}
    if present is not None and present not in known:
        raise SchemaTooNew(
            f"The database has schema {present}, which is newer than this program's {HEAD}. Start the newer program."
        )


def _revision(connection: Connection) -> str | None:
    """The latest migration of the database."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(VERSION).scalar()
