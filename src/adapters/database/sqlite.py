"""SQLite: one connection that writes, and as many that read as threads read at once.

Write-ahead logging lets readers see what was committed last while a transaction is open. Every transaction that writes takes
the write lock when it begins, for one that takes it later fails at once when another has written meanwhile.
"""

import os
import sqlite3
from collections import deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from threading import Lock, get_ident
from time import monotonic, sleep
from typing import Any

from sqlalchemy import ClauseElement
from sqlalchemy.dialects import sqlite

from ...domain.errors import Unavailable
from .statements import Conflict, Row, Texts

MOST_WAIT = 2.0
"""With what else a call waits for, this lets it be refused within three seconds where the database cannot be had."""

_PAUSE = 0.002
_DUPLICATE = {"SQLITE_CONSTRAINT_UNIQUE", "SQLITE_CONSTRAINT_PRIMARYKEY"}
_WAL = "PRAGMA journal_mode = WAL"
_WRITES = (_WAL, "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON")
_READS = ("PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0")  # SQLite before 3.51.3 wants one checkpointer only


def create(path: Path) -> None:
    """Makes an empty file that only its owner can read, where there is none; SQLite gives its companions the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)


def connect(path: Path, *, wait: float = MOST_WAIT) -> sqlite3.Connection:
    """A connection that may write, to a file that is there; it begins no transaction by itself."""
    return _open(path, wait, _WRITES)


def connect_to_read(path: Path, *, wait: float = MOST_WAIT) -> sqlite3.Connection:
    """The same, and it can change nothing."""
    return _open(path, wait, _READS)


def _open(path: Path, wait: float, settings: tuple[str, ...]) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        address, uri=True, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for setting in settings:
            _insist(connection, setting, monotonic() + wait)
    except BaseException:
        connection.close()
        raise
    return connection


def _insist(connection: sqlite3.Connection, text: str, deadline: float) -> None:
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


class SqliteUnit:
    """One open transaction."""

    is_alone = True

    def __init__(self, connection: sqlite3.Connection, texts: Texts) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._texts = texts

    def ask(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return _ask(self._open_connection(), self._texts, statement, values)

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return _execute(self._open_connection(), *self._texts.of(statement, values))

    try_to_run = run  # a statement that fails has changed nothing, and the transaction goes on

    def end(self) -> None:
        """Nothing can be read or changed through it any more."""
        self._connection = None

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("The transaction is over.")
        return self._connection


class Sqlite:
    """The connections to one file. Safe in any thread; a transaction within a transaction is refused.

    A writer waits up to `most_wait` seconds for others, in this process and elsewhere. Where the file is removed or replaced
    while it is open, all is refused: what is written would be lost, and no other file is opened in its place, for the log
    beside it (`-wal`) would be taken for that one's.
    """

    def __init__(self, path: Path, most_wait: float = MOST_WAIT) -> None:
        self._path = path
        self._most_wait = most_wait
        self._texts = Texts(sqlite.dialect(paramstyle="named"))
        self._readers: deque[sqlite3.Connection] = deque()
        self._writing = Lock()
        self._writer: sqlite3.Connection | None = None
        self._file: tuple[int, int] | None = None
        self._writing_thread: int | None = None
        self._is_closed = False

    def ask(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Reads what is committed; waits for no writer."""
        self._look()
        connection = self._take_reader()
        try:
            rows = _ask(connection, self._texts, statement, values)
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return rows

    @contextmanager
    def begin(self) -> Iterator[SqliteUnit]:
        """A transaction with the write lock. Raises `Unavailable` where it is not to be had in time."""
        if self._writing_thread == get_ident():
            raise RuntimeError("A transaction is open in this thread already.")
        deadline = monotonic() + self._most_wait
        if not self._writing.acquire(timeout=self._most_wait):
            raise Unavailable
        self._writing_thread = get_ident()
        try:
            with self._transaction(deadline) as unit:
                yield unit
        finally:
            self._writing_thread = None
            self._writing.release()

    @contextmanager
    def _transaction(self, deadline: float) -> Iterator[SqliteUnit]:
        connection = self._take_writer()
        unit = SqliteUnit(connection, self._texts)
        try:
            begin_alone(connection, deadline)
            yield unit
            _execute(connection, "COMMIT", {})
        except BaseException:
            self._roll_back(connection)
            raise
        finally:
            unit.end()

    def _roll_back(self, connection: sqlite3.Connection) -> None:
        """The next transaction gets another connection where this one cannot even roll back."""
        try:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        except sqlite3.Error:
            self._writer = None
            with suppress(sqlite3.Error):
                connection.close()

    def _look(self) -> None:
        """Raises `Unavailable` unless the file that was opened first is still there."""
        try:
            found = os.stat(self._path)  # noqa: PTH116 — before everything, and a third of the cost of Path's
        except OSError:
            raise Unavailable from None
        file = (found.st_dev, found.st_ino)
        if self._file is None:
            self._file = file
        if file != self._file:
            raise Unavailable

    def _take_writer(self) -> sqlite3.Connection:
        self._look()
        if self._writer is None:
            self._writer = self._connect(_WRITES, 0.0)
        return self._writer

    def _take_reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            return self._connect(_READS, self._most_wait)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._readers.append(connection)
        if self._is_closed:
            self._close_readers()

    def _connect(self, settings: tuple[str, ...], wait: float) -> sqlite3.Connection:
        if self._is_closed:
            raise Unavailable
        try:
            return _open(self._path, wait, settings)
        except sqlite3.Error as error:
            raise _translated(error) from error

    def connections(self) -> None:
        """Any number."""

    def close(self) -> None:
        """Waits for an open transaction. Whatever is asked afterwards is refused as `Unavailable`."""
        self._is_closed = True
        self._close_readers()
        with self._writing:
            writer, self._writer = self._writer, None
        if writer is not None:
            writer.close()

    def _close_readers(self) -> None:
        with suppress(IndexError):
            while True:
                self._readers.pop().close()


def begin_alone(connection: sqlite3.Connection, deadline: float) -> None:
    """With the write lock; tries until that moment, as `monotonic` tells it. Raises `Unavailable`."""
    try:
        _insist(connection, "BEGIN IMMEDIATE", deadline)
    except sqlite3.DatabaseError as error:
        raise _translated(error) from error


def _ask(connection: sqlite3.Connection, texts: Texts, statement: ClauseElement, values: dict[str, object]) -> list[Row]:
    try:
        return _execute(connection, *texts.of(statement, values))
    except (OverflowError, UnicodeEncodeError):
        return []


def _execute(connection: sqlite3.Connection, text: str, values: Mapping[str, Any]) -> list[Row]:
    try:
        return connection.execute(text, values).fetchall()
    except sqlite3.DatabaseError as error:
        raise _translated(error) from error


def _translated(error: sqlite3.Error) -> Exception:
    """`Unavailable` for a file that is locked, gone, full, damaged or unreadable; a mistake of ours stays what it is."""
    if isinstance(error, sqlite3.IntegrityError):
        return Conflict() if error.sqlite_errorname in _DUPLICATE else error
    if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError | sqlite3.DataError | sqlite3.NotSupportedError):
        return error
    return Unavailable()
