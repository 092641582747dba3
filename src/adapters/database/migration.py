"""Bringing a database to the schema that this program needs."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import Connection, NullPool, create_engine, event, inspect, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError

from ...domain.errors import Unavailable
from . import sqlite
from .schema import alembic_version, metadata

if TYPE_CHECKING:
    from alembic.config import Config

HEAD = "0001"
"""The last migration: the schema that this program needs."""

VERSION = select(alembic_version.c.version_num)

_SCRIPTS = Path(__file__).parent / "migrations"
_MOST_WAIT = 60.0


class SchemaTooNew(Exception):
    """A newer program has been at this database; this one could only do harm."""

    def __init__(self, revision: str) -> None:
        super().__init__(
            f"The database has schema {revision}, which is newer than this program's {HEAD}. Start the newer program."
        )


def path_of(url: str) -> Path:
    """The file that `sqlite:///relative.db` or `sqlite:////absolute.db` means, percent-decoded.

    Raises `ValueError` for any other URL, in words that repeat no password.
    """
    try:
        parts = make_url(url)
    except ArgumentError:
        raise ValueError(
            "The database URL is not one: it should look like sqlite:////var/lib/vestibule/vestibule.db."
        ) from None
    if parts.drivername != "sqlite":
        raise ValueError(f"A database of the kind {parts.drivername} is not known: the URL should start with sqlite:///.")
    if "?" in url:
        raise ValueError("The database URL has a question mark: it takes no options, and in a path it is written %3F.")
    if not parts.database or parts.database == ":memory:":
        raise ValueError("The database URL names no file: it should look like sqlite:////var/lib/vestibule/vestibule.db.")
    return Path(parts.database)


def migrate(url: str) -> None:
    """Brings the database at `url` to the schema of today, in one transaction; makes it where there is none.

    Of several that do so at once one works and the others wait, a minute at most. Raises `SchemaTooNew`, `ValueError` for
    an unknown kind of URL, and `Unavailable`.
    """
    with migrating(path_of(url)) as connection:
        present = _revision(connection)
        if present != HEAD:
            _upgrade(connection, present)


@contextmanager
def migrating(path: Path) -> Iterator[Connection]:
    """A transaction that nobody else writes beside, over a file that is made where there is none."""
    sqlite.create(path)
    engine = create_engine("sqlite://", creator=lambda: sqlite.connect(path, wait=_MOST_WAIT), poolclass=NullPool)
    event.listen(engine, "begin", _take_write_lock)
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise Unavailable from error


def scripts(connection: Connection) -> "Config":
    """What Alembic's commands need to run the migrations over this connection, in its transaction."""
    from alembic.config import Config  # noqa: PLC0415 — takes 0.14 s, which only a migration need pay

    config = Config(attributes={"connection": connection, "metadata": metadata})
    config.set_main_option("script_location", str(_SCRIPTS).replace("%", "%%"))
    config.set_main_option("path_separator", "os")
    return config


def _upgrade(connection: Connection, present: str | None) -> None:
    from alembic.command import upgrade  # noqa: PLC0415 — as above
    from alembic.script import ScriptDirectory  # noqa: PLC0415 — as above

    config = scripts(connection)
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if present is not None and present not in known:
        raise SchemaTooNew(present)
    upgrade(config, HEAD)


def _revision(connection: Connection) -> str | None:
    """The last migration that the database has seen."""
    if not inspect(connection).has_table(alembic_version.name):
        return None
    return connection.execute(VERSION).scalar()


def _take_write_lock(connection: Connection) -> None:
    connection.exec_driver_sql("BEGIN IMMEDIATE")
