"""SQLite: one connection that writes, and as many that read as threads read at once.

Write-ahead logging lets readers see what was committed last while a transaction is open. Every transaction that writes takes
the write lock when it begins, for one that takes it later fails at once when another has written meanwhile.
"""

import os
import sqlite3
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, suppress
from pathlib import Path
from time import monotonic

from sqlalchemy import ClauseElement
from sqlalchemy.dialects import sqlite

from ...domain.errors import Unavailable
from .sql import Row, Texts, nothing
from .sqlite_unit import SqliteUnit, ask, insist, translated
from .sqlite_writer import Writer

MOST_WAIT = 2.0
"""With what else a call waits for, this lets it be refused within three seconds where the database cannot be had."""

_WAL = "PRAGMA journal_mode = WAL"
_WRITES = (_WAL, "PRAGMA synchronous = FULL", "PRAGMA foreign_keys = ON")
_READS = ("PRAGMA query_only = ON", "PRAGMA wal_autocheckpoint = 0")  # SQLite before 3.51.3 wants one checkpointer only


def create(path: Path) -> None:
    """Makes an empty file that only its owner can read, where there is none; SQLite gives its companions the same mode."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    path.touch(mode=0o600, exist_ok=True)


def connect(path: Path, *, wait: float = MOST_WAIT) -> sqlite3.Connection:
    """A connection that may write, to a file that is there; it begins no transaction by itself."""
    return _open(path, _WRITES, wait, monotonic() + wait)


def connect_to_read(path: Path, *, wait: float = MOST_WAIT) -> sqlite3.Connection:
    """The same, and it can change nothing."""
    return _open(path, _READS, wait, monotonic() + wait)


def _open(path: Path, settings: tuple[str, ...], wait: float, until: float) -> sqlite3.Connection:
    """A statement waits so many seconds for others; the settings may take until that moment."""
    address = f"{path.absolute().as_uri()}?mode=rw"
    connection = sqlite3.connect(
        address, uri=True, timeout=wait, isolation_level=None, check_same_thread=False, cached_statements=256
    )
    try:
        for setting in settings:
            insist(connection, setting, until)
    except BaseException:
        connection.close()
        raise
    return connection


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
        self._writer = Writer(lambda until: self._connect(_WRITES, 0.0, until), self._look, self._texts, most_wait)
        self._file: tuple[int, int] | None = None
        self._is_closed = False

    def ask(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Reads what is committed; waits for no writer."""
        self._look()
        connection = self._take_reader()
        try:
            rows = ask(connection, self._texts, statement, values)
        except BaseException:
            connection.close()
            raise
        self._give_back(connection)
        return rows

    def begin(self, then: Callable[[], None] = nothing) -> AbstractContextManager[SqliteUnit]:
        """A transaction with the write lock. Raises `Unavailable` where it is not to be had in time."""
        return self._writer.begin(then)

    def together(self) -> AbstractContextManager[object]:
        return self._writer.together()

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

    def _take_reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            return self._connect(_READS, self._most_wait, monotonic() + self._most_wait)

    def _give_back(self, connection: sqlite3.Connection) -> None:
        self._readers.append(connection)
        if self._is_closed:
            self._close_readers()

    def _connect(self, settings: tuple[str, ...], wait: float, until: float) -> sqlite3.Connection:
        if self._is_closed:
            raise Unavailable
        try:
            return _open(self._path, settings, wait, until)
        except sqlite3.Error as error:
            raise translated(error) from error

    def connections(self) -> None:
        """Any number."""

    def close(self) -> None:
        """Waits for an open transaction. Whatever is asked afterwards is refused as `Unavailable`."""
        self._is_closed = True
        self._close_readers()
        self._writer.close()

    def _close_readers(self) -> None:
        with suppress(IndexError):
            while True:
                self._readers.pop().close()
