"""Connections to SQLite files: settings, waits for a busy file, and the translation of errors."""

import sqlite3
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import NoReturn

from ...domain.errors import Unavailable
from ..files import make_private
from .sql import UniqueViolation

MAX_WAIT = 2.0
"""Seconds to wait for another writer. With its other waits, a call is refused within three seconds."""

WRITE_PRAGMAS = ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON")
READ_PRAGMAS = ("PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0")  # SQLite before 3.51.3 needs a single checkpointer

_COMPANIONS = ("-wal", "-shm")
_PAUSE = 0.002
_DUPLICATE = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
_PROGRAMMING = (sqlite3.ProgrammingError, sqlite3.InterfaceError, sqlite3.DataError, sqlite3.NotSupportedError)


def create(path: Path) -> None:
    """Creates an empty file with mode 0600 if it is missing; SQLite gives its companion files the same mode.

    Makes existing ones private. Raises `OSError`, and `ValueError` where it cannot.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)
    for suffix in ("", *_COMPANIONS):
        with suppress(FileNotFoundError):  # a process that closes the database removes its companions
            make_private(path.with_name(path.name + suffix))


def connect(
    path: Path, settings: tuple[str, ...] = WRITE_PRAGMAS, *, wait: float = MAX_WAIT, deadline: float | None = None
) -> sqlite3.Connection:
    """A connection to an existing file, in autocommit mode.

    Each statement waits up to `wait` seconds for other processes; the settings may take until `deadline`, or as long.
    """
    deadline = monotonic() + wait if deadline is None else deadline
    address = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        address, uri=True, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for setting in settings:
            execute_with_retry(connection, setting, deadline)
    except BaseException:
        connection.close()
        raise
    return connection


def begin_immediate(connection: sqlite3.Connection, deadline: float) -> None:
    """Begins with the write lock; retries until `deadline` (of `monotonic`), then raises `Unavailable`."""
    try:
        execute_with_retry(connection, "BEGIN IMMEDIATE", deadline)
    except sqlite3.DatabaseError as error:
        raise_in_terms_of_the_domain(error)


def execute_with_retry(connection: sqlite3.Connection, text: str, deadline: float) -> None:
    """Retries while the file is busy.

    SQLite itself does not wait when two connections switch to write-ahead logging at once. Where it waits, its pauses
    grow, so that the connection that has waited longest is the least likely to be next.
    """
    while True:
        try:
            connection.execute(text).fetchall()
        except sqlite3.OperationalError as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_BUSY or monotonic() >= deadline:
                raise
            sleep(_PAUSE)
        else:
            return


def raise_in_terms_of_the_domain(error: sqlite3.Error) -> NoReturn:
    """Raises `Unavailable` for a file that is locked, missing, full, damaged or unreadable; programming errors as they are."""
    if isinstance(error, sqlite3.IntegrityError) and error.sqlite_errorname in _DUPLICATE:
        raise UniqueViolation from error
    if isinstance(error, (sqlite3.IntegrityError, *_PROGRAMMING)):
        raise error
    raise Unavailable from error
