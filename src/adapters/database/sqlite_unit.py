"""One transaction of SQLite, and how its statements are run: on the driver's cursor, refusals in our own words."""

import sqlite3
from collections.abc import Mapping
from time import monotonic, sleep
from typing import Any

from sqlalchemy import ClauseElement

from ...domain.errors import Unavailable
from .sql import Row, Texts, UniqueViolation

_PAUSE = 0.002
_DUPLICATE = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}


class SqliteUnit:
    """One open transaction."""

    is_alone = True

    def __init__(self, connection: sqlite3.Connection, texts: Texts) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._texts = texts

    def ask(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return ask(self._open_connection(), self._texts, statement, values)

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return execute(self._open_connection(), *self._texts.of(statement, values))

    try_to_run = run  # a statement that fails has changed nothing, and the transaction goes on

    def end(self) -> None:
        """Nothing can be read or changed through it any more."""
        self._connection = None

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("The transaction is over.")
        return self._connection


def begin_alone(connection: sqlite3.Connection, deadline: float) -> None:
    """With the write lock; tries until that moment, as `monotonic` tells it. Raises `Unavailable`."""
    try:
        insist(connection, "BEGIN IMMEDIATE", deadline)
    except sqlite3.DatabaseError as error:
        raise translated(error) from error


def ask(connection: sqlite3.Connection, texts: Texts, statement: ClauseElement, values: dict[str, object]) -> list[Row]:
    try:
        return execute(connection, *texts.of(statement, values))
    except (OverflowError, UnicodeEncodeError):
        return []


def execute(connection: sqlite3.Connection, text: str, values: Mapping[str, Any]) -> list[Row]:
    try:
        return connection.execute(text, values).fetchall()
    except sqlite3.DatabaseError as error:
        raise translated(error) from error


def translated(error: sqlite3.Error) -> Exception:
    """`Unavailable` for a file that is locked, gone, full, damaged or unreadable; a mistake of ours stays what it is."""
    if isinstance(error, sqlite3.IntegrityError):
        return UniqueViolation() if error.sqlite_errorname in _DUPLICATE else error
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.DataError | sqlite3.NotSupportedError):
        return error
    return Unavailable()


def insist(connection: sqlite3.Connection, text: str, deadline: float) -> None:
    """Tries again while the file is busy. SQLite does not wait by itself where two turn on write-ahead logging at once, and
    where it does, its pauses grow so long that the one who has waited longest is the least likely to be next.
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
