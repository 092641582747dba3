"""Backups of an SQLite database: a consistent copy of the running database, and the verification of a copy."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ...domain.errors import Unavailable
from ..database_urls import is_postgres, path_of
from .sqlite_connection import READ_PRAGMAS, begin_immediate, connect

_MAX_WAIT = 60.0
_IMAGES = "SELECT image FROM accounts WHERE image IS NOT NULL"
_ORPHANS = "PRAGMA foreign_key_check"

OnImages = Callable[[frozenset[str]], None]


class CannotBackUp(ValueError):
    """The backup is impossible; the text is one line with the reason."""


class Damaged(ValueError):
    """The file is no complete database of Vestibule; the text is one line with the reason."""


@dataclass(frozen=True, slots=True)
class Contents:
    """The contents of a copy: the numbers of accounts and sessions, and the names of the accounts' images."""

    accounts: int
    sessions: int
    images: frozenset[str]


def back_up(url: str, file: Path, on_images: OnImages) -> None:
    """Copies the SQLite database at `url` to a new file with mode 0600, which needs no companion files.

    `on_images` gets the names of the accounts' images twice, to copy them: first while writers go on, then for the moment
    that is copied, while writers wait. So the second call finds few images that have been replaced. Raises `CannotBackUp`.
    """
    if is_postgres(url):
        raise CannotBackUp(
            "The accounts are in PostgreSQL: back them up with pg_dump, and copy the images and the key files too."
        )
    path = path_of(url)
    if not path.is_file():
        raise CannotBackUp(f"There is no database at {path}.")
    try:
        with closing(connect(path, READ_PRAGMAS, wait=_MAX_WAIT)) as reader, closing(connect(path, wait=_MAX_WAIT)) as writer:
            on_images(_images(reader))
            begin_snapshot(writer, reader, on_images)
            copy_snapshot(reader, file)
    except (sqlite3.Error, Unavailable) as fault:
        reason = fault.__cause__ if isinstance(fault, Unavailable) else fault
        raise CannotBackUp(f"The database at {path} cannot be copied ({reason}).") from fault


def inspect_copy(file: Path) -> Contents:
    """Verifies every page and index of a database that is not in use. Raises `Damaged`."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            if connection.execute("PRAGMA integrity_check").fetchall() != [("ok",)]:
                raise Damaged(f"{file.name} is damaged.")
            if connection.execute(_ORPHANS).fetchone():
                raise Damaged(f"{file.name} is damaged: it has sessions of accounts that it does not have.")
            return Contents(
                accounts=connection.execute("SELECT count(*) FROM accounts").fetchone()[0],
                sessions=connection.execute("SELECT count(*) FROM sessions").fetchone()[0],
                images=_images(connection),
            )
    except sqlite3.Error as fault:
        raise Damaged(f"{file.name} is damaged, or no database of Vestibule ({fault}).") from fault


def begin_snapshot(writer: sqlite3.Connection, reader: sqlite3.Connection, on_images: OnImages) -> None:
    """Begins a read transaction of `reader`. Writers wait while `on_images` runs, so its images are those of the snapshot."""
    begin_immediate(writer, monotonic() + _MAX_WAIT)
    try:
        reader.execute("BEGIN")
        on_images(_images(reader))
    finally:
        writer.execute("ROLLBACK")


def copy_snapshot(reader: sqlite3.Connection, file: Path) -> None:
    """Copies the snapshot of `reader` into a new file."""
    file.touch(mode=0o600, exist_ok=False)
    with closing(sqlite3.connect(file, isolation_level=None)) as copy:
        reader.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()


def _images(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(name for (name,) in connection.execute(_IMAGES))
