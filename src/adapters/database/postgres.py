"""The PostgreSQL connection pool, and transactions of as few round trips as possible.

A query outside of a transaction is one statement in autocommit mode. A pooled connection may have died with its server or on
the network, so the first round trip on it is repeated on another connection; it never holds a COMMIT.
"""

import os
import socket
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from threading import Condition, get_ident
from time import monotonic
from typing import cast
from weakref import WeakSet

import psycopg
from psycopg.pq import TransactionStatus
from psycopg.pq.abc import PGresult
from sqlalchemy import ClauseElement
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from ... import forks
from ...domain.errors import Unavailable
from .postgres_connection import UNSTORABLE, PipelinedConnection, TripStep, connect, connection_string
from .sql import Row, StatementCache, UniqueViolation, do_nothing

MAX_WAIT = 1.0
"""Seconds to wait for a free connection. With two more to connect, a call fails within three if the database is down."""

_POOL_SIZE = 10
_MAX_OVERFLOW = 5
MAX_CONNECTIONS = _POOL_SIZE + _MAX_OVERFLOW
"""Connections that a process opens at most."""

_RECYCLE_SECONDS = 1800
_BEGIN, _COMMIT, _ROLLBACK = TripStep("BEGIN ISOLATION LEVEL READ COMMITTED"), TripStep("COMMIT"), TripStep("ROLLBACK")
_SAVEPOINT, _ROLLBACK_TO_SAVEPOINT = TripStep("SAVEPOINT attempt"), TripStep("ROLLBACK TO SAVEPOINT attempt")


class PostgresTransaction:
    """One open transaction, or with no `first` step a single query.

    BEGIN, and each change without RETURNING, travel with the next statement that has rows, or with the COMMIT.
    """

    is_only_writer = False

    def __init__(self, pool: "Postgres", *first: TripStep) -> None:
        self._pool = pool
        self._steps = list(first)
        self._pooled: PoolProxiedConnection | None = None
        self._is_on_server = False

    def connect(self) -> None:
        """Raises `Unavailable` if no connection gets free in time."""
        self._pooled = self._pool.take()

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        try:
            return self.run(statement, **values)
        except UNSTORABLE:
            return []

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        compiled = self._pool.statements[statement]
        self._steps.append(self._connection().step(compiled, values))
        return self._rows(self._make_trip()) if compiled.has_rows else []

    def run_in_savepoint(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        compiled = self._pool.statements[statement]
        self._steps += [_SAVEPOINT, self._connection().step(compiled, values)]
        try:
            return self._rows(self._make_trip())
        except UniqueViolation:
            self._steps.append(_ROLLBACK_TO_SAVEPOINT)
            raise

    def commit(self) -> None:
        if not self._is_on_server:
            if self._steps == [_BEGIN]:
                return
            self._make_trip()  # by itself: it may be repeated, and a COMMIT must not be
        self._steps.append(_COMMIT)
        try:
            result = self._make_trip()
        except Unavailable as lost:
            if self._status() in (TransactionStatus.ACTIVE, TransactionStatus.UNKNOWN):
                raise Unavailable(is_outcome_unknown=True) from lost.__cause__
            raise
        if result.command_status != b"COMMIT":  # for a failed transaction the server reports ROLLBACK, and no error
            raise Unavailable

    def roll_back(self) -> None:
        if self._pooled is not None and self._status() in (TransactionStatus.INTRANS, TransactionStatus.INERROR):
            self._steps = [_ROLLBACK]
            with suppress(Unavailable):
                self._make_trip()

    def end(self) -> None:
        pooled, self._pooled = self._pooled, None
        if pooled is not None:
            self._pool.give_back(pooled)

    def abandon(self) -> None:
        """Ends the transaction in this process alone, a child of the one that began it."""
        self._pooled = None

    def _make_trip(self) -> PGresult:
        steps, self._steps = self._steps, []
        deadline = monotonic() + self._pool.max_wait
        while True:
            connection = self._connection()
            try:
                result = connection.run(steps)
            except Unavailable:
                if self._is_on_server or not connection.closed or monotonic() >= deadline:
                    raise
                self.end()
                self.connect()
            else:
                self._is_on_server = True
                return result

    def _rows(self, result: PGresult) -> list[Row]:
        return self._connection().rows(result)

    def _status(self) -> TransactionStatus:
        return TransactionStatus(self._connection().pgconn.transaction_status)

    def _connection(self) -> PipelinedConnection:
        if self._pooled is None:
            raise RuntimeError("The transaction has ended.")
        return _connection(self._pooled)


class Postgres:
    """The connections to one database, at most 15. Thread-safe; a nested transaction raises `RuntimeError`.

    A call waits up to `max_wait` seconds for a free connection.
    """

    def __init__(self, url: str, max_wait: float = MAX_WAIT) -> None:
        text = connection_string(url)
        dialect = PGDialect_psycopg(paramstyle="numeric_dollar")  # type: ignore[no-untyped-call]
        self.statements = StatementCache(dialect)
        self.max_wait = max_wait
        self._opened: WeakSet[PipelinedConnection] = WeakSet()

        def connect_and_note() -> PipelinedConnection:
            connection = connect(text)
            self._opened.add(connection)
            return connection

        self._pool = QueuePool(
            connect_and_note,  # type: ignore[arg-type]  # a DBAPI connection, whose stub says less than PEP 249
            pool_size=_POOL_SIZE,
            max_overflow=_MAX_OVERFLOW,
            timeout=max_wait,
            recycle=_RECYCLE_SECONDS,
            use_lifo=True,
            reset_on_return=None,
        )
        self._is_closed = False
        self._start()
        forks.watch(self)

    def _start(self) -> None:
        self._transactions: dict[int, PostgresTransaction] = {}
        self._changed = Condition()

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Reads committed rows without waiting for a writer."""
        alone = PostgresTransaction(self)
        try:
            alone.connect()
            return alone.query(statement, **values)
        finally:
            alone.end()

    @contextmanager
    def begin(self, on_commit: Callable[[], None] = do_nothing) -> Iterator[PostgresTransaction]:
        """A transaction; `on_commit` is called after the commit. Raises `Unavailable` if no connection gets free in time."""
        transaction = PostgresTransaction(self, _BEGIN)
        with self._in_this_thread(transaction):
            try:
                transaction.connect()
                yield transaction
                transaction.commit()
            except BaseException:
                transaction.roll_back()
                raise
            finally:
                transaction.end()
        on_commit()

    def group_commit(self) -> AbstractContextManager[object]:
        """Commits each transaction by itself: row locks held for several would delay other transactions, and deadlock."""
        return nullcontext()

    @contextmanager
    def _in_this_thread(self, transaction: PostgresTransaction) -> Iterator[None]:
        thread = get_ident()
        with self._changed:
            if thread in self._transactions:
                raise RuntimeError("A transaction is open in this thread already.")
            if self._is_closed:
                raise Unavailable
            self._transactions[thread] = transaction
        try:
            yield
        finally:
            with self._changed:
                self._transactions.pop(thread, None)
                self._changed.notify_all()

    def take(self) -> PoolProxiedConnection:
        """A connection from the pool. Raises `Unavailable` if none gets free in time, or a new one cannot be made."""
        if self._is_closed:
            raise Unavailable
        try:
            return self._pool.connect()
        except (PoolTimeoutError, psycopg.Error) as error:
            raise Unavailable from error

    def give_back(self, pooled: PoolProxiedConnection) -> None:
        """Discards a connection that is dead, or in the middle of a transaction."""
        if _connection(pooled).pgconn.transaction_status == TransactionStatus.IDLE:
            pooled.close()
        else:
            pooled.invalidate()
        if self._is_closed:
            self._pool.dispose()

    def connections(self) -> tuple[int, int]:
        """The numbers of connections in use and idle."""
        return self._pool.checkedout(), self._pool.checkedin()

    def close(self) -> None:
        """Waits for open transactions; later calls raise `Unavailable`."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._transactions)
        self._pool.dispose()

    def renew(self) -> None:
        """Starts without connections and transactions: those of the parent are cut off in this process alone."""
        for transaction in self._transactions.values():
            transaction.abandon()
        for connection in self._opened:
            _cut_off(connection)
        forks.leave_open(self._pool, *self._opened)  # closing takes locks, which another thread may have held
        self._pool = self._pool.recreate()
        self._opened.clear()
        self._start()


def _cut_off(connection: PipelinedConnection) -> None:
    """Puts an unconnected socket in place of this process's copy of the connection's socket, which stays open in the parent.

    So nothing in the child can send on it, such as a transaction around the fork, and the server sees the end of the parent.
    """
    if not connection.closed:
        with socket.socket(socket.AF_UNIX) as unconnected:
            os.dup2(unconnected.fileno(), connection.fileno(), inheritable=False)


def _connection(pooled: PoolProxiedConnection) -> PipelinedConnection:
    return cast("PipelinedConnection", pooled.dbapi_connection)
