"""The port `Database` over SQLite in memory, for tests: everything that a file promises, except to outlive the process."""

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from threading import Lock, RLock, get_ident

from sqlalchemy import ClauseElement, StaticPool, create_engine, insert

from ... import forks
from ...domain.errors import Unavailable
from .database import SqlDatabase
from .migration import HEAD
from .schema import alembic_version, metadata
from .sql import Row
from .sqlite import CommitGroup, Sqlite, SqliteTransaction, query, run

_MAX_WAIT = 5.0

Change = tuple[ClauseElement, dict[str, object]]


class InMemorySqlite(Sqlite):
    """Two connections, each with a copy of an empty template. Neither needs closing.

    SQLite has no write-ahead log in memory, so readers of the connection that writes would wait. They read a replica instead,
    to which each commit is replayed.
    """

    def __init__(self) -> None:
        super().__init__(Path(":memory:"), _MAX_WAIT)
        self._replica = _migrated()
        self._reading = Lock()
        self._changes: list[Change] = []

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        self._check_file_identity()
        with self._reading:
            return query(self._replica, self._statements, statement, values)

    @contextmanager
    def _transaction(self, group: CommitGroup, on_commit: Callable[[], None]) -> Iterator[SqliteTransaction]:
        with super()._transaction(group, on_commit) as transaction:
            recording = RecordingTransaction(transaction)
            yield recording
        self._changes += recording.changes

    def _commit(self, group: CommitGroup) -> None:
        changes, self._changes = self._changes, []
        super()._commit(group)
        with self._reading:
            for statement, values in changes:
                run(self._replica, self._statements, statement, values)

    def before_fork(self) -> None:
        """Waits for other threads: a child goes on with a copy of the memory, which must hold no half of a change."""
        self._held = [lock for lock in (self._lock, self._reading) if lock.acquire(timeout=forks.WAIT_SECONDS)]

    def after_fork(self) -> None:
        for lock in self._held:
            lock.release()

    def renew(self) -> None:
        self._lock = RLock()
        self._reading = Lock()
        self._groups = {thread: group for thread, group in self._groups.items() if thread == get_ident()}

    def _check_file_identity(self) -> None:
        if self._is_closed:
            raise Unavailable

    def _connect(self, *_: object) -> sqlite3.Connection:
        return _migrated()


class RecordingTransaction(SqliteTransaction):
    """An open transaction that records its changes."""

    def __init__(self, transaction: SqliteTransaction) -> None:
        self._recorded = transaction
        self.changes: list[Change] = []

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return self._recorded.query(statement, **values)

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        rows = self._recorded.run(statement, **values)
        self.changes.append((statement, values))
        return rows

    run_in_savepoint = run


class MemoryDatabase(SqlDatabase):
    """A new, empty database in memory. Closing it is optional."""

    def __init__(self, on_message: Callable[[], None] | None = None, *, on_event: Callable[[], None] | None = None) -> None:
        super().__init__(InMemorySqlite(), on_message, on_event=on_event)


def _migrated() -> sqlite3.Connection:
    connection = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False, cached_statements=256)
    connection.deserialize(_template())
    connection.execute("PRAGMA foreign_keys = ON")
    return connection


@cache
def _template() -> bytes:
    """An empty database with the latest schema, without Alembic, which takes 0.3 s; small pages make copies cheap."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as connection:
        connection.execute("PRAGMA page_size = 1024")
        with create_engine("sqlite://", creator=lambda: connection, poolclass=StaticPool).connect() as engine:
            metadata.create_all(engine)
            alembic_version.create(engine)
            engine.execute(insert(alembic_version), {"version_num": HEAD})
            engine.commit()
        return connection.serialize()
