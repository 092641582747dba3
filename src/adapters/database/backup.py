"""A copy of an SQLite database as it was at one moment, made while others use it; and whether a copy is whole."""

import sqlite3
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

from ...domain.errors import Unavailable
from .sqlite import connect, connect_to_read
from .sqlite_unit import begin_alone
from .urls import is_postgres, path_of

_MOST_WAIT = 60.0
_IMAGES = "SELECT image FROM accounts WHERE image IS NOT NULL"
_OF_NOBODY = "SELECT 1 FROM sessions WHERE account_id NOT IN (SELECT id FROM accounts)"

See = Callable[[frozenset[str]], None]


class CannotBackUp(ValueError):
    """The text is one line that says why."""


class Damaged(ValueError):
    """This is no whole database of accounts; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Contents:
    """What a copy holds: how many accounts and sessions, and the names of the images that accounts have."""

    accounts: int
    sessions: int
    images: frozenset[str]


def back_up(url: str, file: Path, see: See) -> None:
    """Copies the SQLite database at `url` to a new file, 0600, which needs no others beside it.

    `see` is told the names of all images that accounts have, to fetch them: first while others go on, then those of the
    moment that is copied, while nobody can write, so that what was replaced meanwhile is a few at most. Raises `CannotBackUp`.
    """
    if is_postgres(url):
        raise CannotBackUp(
            "The accounts are in PostgreSQL, which pg_dump backs up; copy images, and keys that are files, beside it."
        )
    path = path_of(url)
    if not path.is_file():
        raise CannotBackUp(f"There is no database at {path}.")
    try:
        with closing(connect_to_read(path, wait=_MOST_WAIT)) as reader, closing(connect(path, wait=_MOST_WAIT)) as writer:
            see(_images(reader))
            stand_still(writer, reader, see)
            copy_moment(reader, file)
    except (sqlite3.Error, Unavailable) as fault:
        why = fault.__cause__ if isinstance(fault, Unavailable) else fault
        raise CannotBackUp(f"The database at {path} cannot be copied ({why}).") from fault


def look_at(file: Path) -> Contents:
    """Reads the whole of a database that nobody uses, index by index. Raises `Damaged`."""
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            found = connection.execute("PRAGMA integrity_check").fetchall()
            if found != [("ok",)]:
                raise Damaged(f"{file.name} is damaged.")
            if connection.execute(_OF_NOBODY).fetchone():
                raise Damaged(f"{file.name} is damaged: it has sessions of accounts that it does not have.")
            return Contents(
                accounts=connection.execute("SELECT count(*) FROM accounts").fetchone()[0],
                sessions=connection.execute("SELECT count(*) FROM sessions").fetchone()[0],
                images=_images(connection),
            )
    except sqlite3.Error as fault:
        raise Damaged(f"{file.name} is damaged, or no database of Vestibule ({fault}).") from fault


def stand_still(writer: sqlite3.Connection, reader: sqlite3.Connection, see: See) -> None:
    """From here on the reader sees one moment, whoever writes; at it, nobody could while `see` was told of the images."""
    begin_alone(writer, monotonic() + _MOST_WAIT)
    try:
        reader.execute("BEGIN")
        see(_images(reader))
    finally:
        writer.execute("ROLLBACK")


def copy_moment(reader: sqlite3.Connection, file: Path) -> None:
    """What the reader sees, into a new file."""
    file.touch(mode=0o600, exist_ok=False)
    with closing(sqlite3.connect(file, isolation_level=None)) as copy:
        reader.backup(copy)
        copy.execute("PRAGMA journal_mode = DELETE").fetchall()


def _images(connection: sqlite3.Connection) -> frozenset[str]:
    return frozenset(name for (name,) in connection.execute(_IMAGES))
