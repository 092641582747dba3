"""The SQLite connection pool: one connection that writes, under one lock, and as many readers as threads read at once.

Write-ahead logging lets readers see the last commit while a transaction is open. Every transaction takes the write lock when
it begins: a transaction that takes it later fails at once if another has written meanwhile (430 of 480, measured).
"""

import os
import sqlite3
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from threading import Lock, RLock, get_ident
from time import monotonic, sleep

from sqlalchemy import ClauseElement
from sqlalchemy.dialects import sqlite

from ... import forks
from ...domain.errors import Unavailable
from .sql import Row, StatementCache, do_nothing
from .sqlite_connection import MAX_WAIT, READ_PRAGMAS, WRITE_PRAGMAS, begin_immediate, connect, raise_in_terms_of_the_domain

_FORKED_INSIDE = (
    "This process was forked while the database was in use by its parent, and SQLite forbids both the same connections. Fork "
    "outside of transactions, or start a new process."
)
_PAUSE = 0.001


class SqliteTransaction:
    """One open transaction."""

    is_only_writer = True

    def __init__(self, connection: sqlite3.Connection, statements: StatementCache) -> None:
        self._connection: sqlite3.Connection | None = connection
        self._statements = statements

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return query(self._open_connection(), self._statements, statement, values)

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return run(self._open_connection(), self._statements, statement, values)

    run_in_savepoint = run  # a failed statement changes nothing in SQLite, and the transaction goes on

    def end(self) -> None:
        self._connection = None

    def _open_connection(self) -> sqlite3.Connection:
        if self._connection is None:
            raise RuntimeError("The transaction has ended.")
        return self._connection


class CommitGroup:
    """The transactions of one thread that share a commit, and with it the write lock."""

    def __init__(self, *, has_transaction: bool = False) -> None:
        self.has_transaction = has_transaction
        """True while one of them is open."""
        self.has_lock = False
        self.deadline: float | None = None
        """When to stop waiting for the lock or the file; shared by consecutive waits. None when not waiting."""
        self.fault: BaseException | None = None
        """The error that makes the whole group uncommittable."""
        self.on_commit: list[Callable[[], None]] = []
        """One callback for each transaction that is to be committed."""


class Sqlite:
    """The connections to one file. Thread-safe; a nested transaction raises `RuntimeError`.

    A writer waits up to `max_wait` seconds for other threads and processes. If the file is removed or replaced while open,
    every call raises `Unavailable`: its changes would be lost, and a new file must not be opened next to the old log
    (`-wal`), which SQLite would apply to it.
    """

    def __init__(self, path: Path, max_wait: float = MAX_WAIT) -> None:
        self._path = path
        self._max_wait = max_wait
        self._statements = StatementCache(sqlite.dialect(paramstyle="named"))
        self._file: tuple[int, int] | None = None
        self._is_closed = False
        self._is_unusable = False
        self._start()
        forks.watch(self)

    def _start(self) -> None:
        self._readers: deque[sqlite3.Connection] = deque()
        self._writer: sqlite3.Connection | None = None
        self._lock = RLock()
        self._groups: dict[int, CommitGroup] = {}
        self._open_transaction: SqliteTransaction | None = None
        self._opening = Lock()
        self._open: set[object] = set()
        self._is_paused = False

    # --- reading ------------------------------------------------------------------------------------------------------

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Reads committed rows without waiting for a writer."""
        self._check_file_identity()
        connection = self._take_reader()
        try:
            rows = query(connection, self._statements, statement, values)
        except BaseException:
            self._close(connection)
            raise
        self._readers.append(connection)
        if self._is_closed:
            self._close_readers()
        return rows

    def _take_reader(self) -> sqlite3.Connection:
        try:
            return self._readers.pop()
        except IndexError:
            return self._connect(READ_PRAGMAS, self._max_wait, monotonic() + self._max_wait)

    # --- writing ------------------------------------------------------------------------------------------------------

    @contextmanager
    def begin(self, on_commit: Callable[[], None] = do_nothing) -> Iterator[SqliteTransaction]:
        """A transaction with the write lock; `on_commit` is called after the commit. Raises `Unavailable` after `max_wait`."""
        group = self._groups.get(get_ident())
        if group is None:
            # A group of one transaction takes no other: an interrupt may leave it behind, never to be committed.
            with self._group(CommitGroup(has_transaction=True)) as group, self._transaction(group, on_commit) as transaction:
                yield transaction
        elif group.has_transaction:
            raise RuntimeError("This thread has an open transaction already.")
        else:
            group.has_transaction = True
            try:
                with self._transaction(group, on_commit) as transaction:
                    yield transaction
            finally:
                group.has_transaction = False

    def group_commit(self) -> AbstractContextManager[object]:
        """Transactions that this thread begins within the block are committed together at its end.

        A durable commit takes longer than most transactions. Leaving the block raises `Unavailable` if nothing was stored.
        """
        return self._group(CommitGroup())

    @contextmanager
    def _group(self, group: CommitGroup) -> Iterator[CommitGroup]:
        thread = get_ident()
        if thread in self._groups:
            raise RuntimeError("This thread commits its transactions together already.")
        self._groups[thread] = group
        try:
            yield group
        finally:
            self._groups.pop(thread, None)  # absent in a process that was forked within the block
            if group.has_lock:
                try:
                    self._commit(group)
                finally:
                    self._release()
            for call in group.on_commit:
                call()

    @contextmanager
    def _transaction(self, group: CommitGroup, on_commit: Callable[[], None]) -> Iterator[SqliteTransaction]:
        writer = self._begin(group)
        transaction = self._open_transaction = SqliteTransaction(writer, self._statements)
        try:
            yield transaction
            if group.on_commit:
                _command(writer, "RELEASE part")
            group.on_commit.append(on_commit)
        except BaseException:
            self._undo(group, writer)
            raise
        finally:
            transaction.end()
            self._open_transaction = None

    def _begin(self, group: CommitGroup) -> sqlite3.Connection:
        """Takes the lock and begins; each further transaction of a group is a savepoint."""
        if group.deadline is None:
            group.deadline = monotonic() + self._max_wait
        if not group.has_lock:
            if not self._lock.acquire(timeout=max(0.0, group.deadline - monotonic())):
                raise Unavailable
            group.has_lock = True
        self._check_file_identity()
        writer = self._writer = self._writer or self._connect(WRITE_PRAGMAS, 0.0, group.deadline)
        if group.fault is not None or (group.on_commit and not writer.in_transaction):
            raise Unavailable  # SQLite has rolled back by itself, as on a full disk
        if group.on_commit:
            _command(writer, "SAVEPOINT part")
        else:
            if writer.in_transaction:  # an interrupt struck after BEGIN
                _command(writer, "ROLLBACK")
            begin_immediate(writer, group.deadline)
        group.deadline = None
        return writer

    def _undo(self, group: CommitGroup, writer: sqlite3.Connection) -> None:
        """Rolls back one transaction. If that fails, half of it may remain, so nothing of the group is committed."""
        if self._is_unusable:
            return
        try:
            for command in ("ROLLBACK TO part", "RELEASE part") if group.on_commit else ("ROLLBACK",):
                _command(writer, command)
        except BaseException as fault:
            group.fault = fault
            if not isinstance(fault, Unavailable):
                raise

    def _commit(self, group: CommitGroup) -> None:
        try:
            if group.on_commit:
                self._check_usable()
                if group.fault is not None:
                    raise Unavailable from group.fault
                self._check_file_identity()
                if self._writer is None:
                    raise Unavailable
                self._writer.execute("COMMIT")
        except sqlite3.Error as error:
            raise Unavailable from error
        finally:
            self._roll_back()

    def _roll_back(self) -> None:
        """Ends a transaction that was not committed, and drops a connection that cannot even roll back."""
        writer = self._writer
        if writer is None:
            return
        try:
            if writer.in_transaction:
                writer.execute("ROLLBACK")
        except sqlite3.Error:
            self._writer = None
            with suppress(sqlite3.Error):
                self._close(writer)

    def _release(self) -> None:
        """Releases every level of the lock: `KeyboardInterrupt` may have struck between acquiring and recording it."""
        with suppress(RuntimeError):
            while True:
                self._lock.release()

    # --- both ---------------------------------------------------------------------------------------------------------

    def connections(self) -> None:
        """None: their number is not bounded."""

    def close(self) -> None:
        """Waits for an open transaction; later calls raise `Unavailable`."""
        self._is_closed = True
        self._close_readers()
        with self._lock:
            self._close_writer()

    def _close_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer is not None:
            self._close(writer)

    def _close_readers(self) -> None:
        with suppress(IndexError):
            while True:
                self._close(self._readers.pop())

    def _close(self, connection: sqlite3.Connection) -> None:
        try:
            connection.close()
        finally:
            self._open.discard(connection)

    def _check_file_identity(self) -> None:
        """Raises `Unavailable` unless the path still names the file that was opened first."""
        try:
            status = os.stat(self._path)  # noqa: PTH116 — runs before every statement, at a third of the cost of Path's
        except OSError:
            raise Unavailable from None
        file = (status.st_dev, status.st_ino)
        if self._file is None:
            self._file = file
        if file != self._file:
            raise Unavailable

    def _connect(self, settings: tuple[str, ...], wait: float, deadline: float) -> sqlite3.Connection:
        if self._is_closed:
            raise Unavailable
        self._check_usable()
        attempt = object()
        with self._opening:  # not during a fork
            self._open.add(attempt)
        try:
            connection = connect(self._path, settings, wait=wait, deadline=deadline)
            self._open.add(connection)
        except sqlite3.Error as error:
            raise_in_terms_of_the_domain(error)
        finally:
            self._open.discard(attempt)
        return connection

    # --- forks --------------------------------------------------------------------------------------------------------

    def before_fork(self) -> None:
        """Closes all connections, after the statements and transactions of other threads.

        A child must neither use nor close a connection of its parent. Nor may both have one to the same file: SQLite keeps
        account of the locks of a process, which a child inherits although it does not have the locks.
        """
        deadline = monotonic() + forks.WAIT_SECONDS
        if get_ident() in self._groups or not self._lock.acquire(timeout=forks.WAIT_SECONDS):
            return
        self._opening.acquire()
        self._is_paused = True
        self._close_writer()
        self._close_readers()
        while self._open and monotonic() < deadline:
            sleep(_PAUSE)
            self._close_readers()

    def after_fork(self) -> None:
        if self._is_paused:
            self._is_paused = False
            self._opening.release()
            self._lock.release()

    def renew(self) -> None:
        """Starts without connections; refuses all calls if some of the parent could not be closed before the fork."""
        if self._open:
            forks.leave_open(*self._open)
            self._is_unusable = True
            if self._open_transaction is not None:
                self._open_transaction.end()
        self._start()

    def _check_usable(self) -> None:
        if self._is_unusable:
            raise RuntimeError(_FORKED_INSIDE)


def query(
    connection: sqlite3.Connection, statements: StatementCache, statement: ClauseElement, values: dict[str, object]
) -> list[Row]:
    try:
        return run(connection, statements, statement, values)
    except (OverflowError, UnicodeEncodeError):
        return []


def run(
    connection: sqlite3.Connection, statements: StatementCache, statement: ClauseElement, values: dict[str, object]
) -> list[Row]:
    text, constants, _, _ = statements[statement]
    try:
        return connection.execute(text, {**constants, **values} if constants else values).fetchall()
    except sqlite3.DatabaseError as error:
        raise_in_terms_of_the_domain(error)


def _command(connection: sqlite3.Connection, text: str) -> None:
    try:
        connection.execute(text)
    except sqlite3.DatabaseError as error:
        raise_in_terms_of_the_domain(error)
