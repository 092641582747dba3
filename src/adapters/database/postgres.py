"""The PostgreSQL connection pool, by psycopg; each statement is prepared once on each connection.

A query outside of a transaction is one statement in autocommit mode. A pooled connection may have died with its server or on
the network, so the first statement on it is retried on another connection.
"""

import os
import socket
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from threading import Condition, get_ident
from time import monotonic
from typing import Any, NoReturn, cast
from weakref import WeakSet

import psycopg
from psycopg import Connection, Cursor, conninfo, errors
from psycopg.abc import RV, PQGen
from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper
from sqlalchemy import ClauseElement, make_url
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from ... import forks
from ...domain.errors import Conflict, Unavailable
from .sql import Row, StatementCache, UniqueViolation, do_nothing

MAX_WAIT = 1.0
"""Seconds to wait for a free connection. With two more to connect, a call fails within three if the database is down."""

RESPONSE_TIMEOUT = 3.0
"""Seconds to wait for a response. A slower server counts as down, though it may still carry out the statement."""

_POOL_SIZE = 10
_MAX_OVERFLOW = 5
MAX_CONNECTIONS = _POOL_SIZE + _MAX_OVERFLOW
"""Connections that a process opens at most."""

_RECYCLE_SECONDS = 1800
_MAX_PREPARED = 500
_SESSION = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "15s"}
_MIGRATION = {"statement_timeout": "0", "lock_timeout": "60s", "idle_in_transaction_session_timeout": "0"}
_NETWORK = {
    "connect_timeout": 2,
    "tcp_user_timeout": 2000,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
_RETRYABLE = (errors.DeadlockDetected, errors.SerializationFailure)
_DOWN = (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError)
_NOT_READY = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName, errors.InsufficientPrivilege)
_UNSTORABLE = (psycopg.DataError, UnicodeEncodeError, OverflowError)

_adapters = AdaptersMap(psycopg.adapters)
_adapters.register_dumper(int, Int8BinaryDumper)  # else a statement is prepared once for each size of integer


def connection_string(url: str, settings: Mapping[str, str]) -> str:
    """The URL with our settings as defaults for libpq. Raises `ValueError`, whose text leaves out the URL and its password."""
    try:
        parts = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError(
            "The database URL is invalid: it should look like postgresql://user:password@host:5432/name, with special "
            "characters as %XX."
        ) from None
    defaults = " ".join(f"-c {name}={value}" for name, value in settings.items())
    options = f"{defaults} {parts.pop('options', '')}".rstrip()
    return conninfo.make_conninfo("", **{"application_name": "vestibule", **_NETWORK, **parts, "options": options})


class TimeoutConnection(Connection[Row]):
    """A connection that closes when a reachable server does not respond, for example because it is frozen."""

    statement_cursor: Cursor[Row]
    """The cursor of every statement: creating one costs a tenth of a statement."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, RESPONSE_TIMEOUT if timeout is None else timeout)


def connect(text: str) -> TimeoutConnection:
    """A connection in autocommit mode."""
    connection = TimeoutConnection.connect(
        text, autocommit=True, context=_adapters, prepare_threshold=0, client_encoding="utf-8"
    )
    connection.prepared_max = _MAX_PREPARED
    connection.statement_cursor = connection.cursor()
    return connection


def connect_to_migrate(url: str) -> Connection[Row]:
    """A connection without the short timeouts, for migrations."""
    return psycopg.connect(connection_string(url, _MIGRATION))


def connect_to_inspect(url: str) -> TimeoutConnection:
    """A connection in autocommit mode with the timeouts of the service, outside of any pool."""
    return connect(connection_string(url, _SESSION))


class PostgresTransaction:
    """One open transaction."""

    is_only_writer = False

    def __init__(self, connection: TimeoutConnection, statements: StatementCache) -> None:
        self._connection: TimeoutConnection | None = connection
        self._statements = statements

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        try:
            return self.run(statement, **values)
        except _UNSTORABLE:
            return []

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        text, constants = self._statements[statement]
        return _execute(self._open_connection(), text, {**constants, **values} if constants else values)

    def run_in_savepoint(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        connection = self._open_connection()
        _command(connection, "SAVEPOINT attempt")
        try:
            return self.run(statement, **values)
        except UniqueViolation:
            _command(connection, "ROLLBACK TO SAVEPOINT attempt")
            raise

    def end(self) -> None:
        self._connection = None

    def _open_connection(self) -> TimeoutConnection:
        if self._connection is None:
            raise RuntimeError("The transaction has ended.")
        return self._connection


class Postgres:
    """The connections to one database, at most 15. Thread-safe; a nested transaction raises `RuntimeError`.

    A call waits up to `max_wait` seconds for a free connection.
    """

    def __init__(self, url: str, max_wait: float = MAX_WAIT) -> None:
        text = connection_string(url, _SESSION)
        self._statements = StatementCache(make_url("postgresql+psycopg://").get_dialect()())
        self._max_wait = max_wait
        self._opened: WeakSet[TimeoutConnection] = WeakSet()

        def connect_and_note() -> TimeoutConnection:
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
        self._threads_in_transaction: set[int] = set()
        self._changed = Condition()

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Reads committed rows without waiting for a writer."""
        text, constants = self._statements[statement]
        try:
            pooled, rows = self._run_first(text, {**constants, **values} if constants else values)
        except _UNSTORABLE:
            return []
        self._give_back(pooled)
        return rows

    @contextmanager
    def begin(self, on_commit: Callable[[], None] = do_nothing) -> Iterator[PostgresTransaction]:
        """A transaction; `on_commit` is called after the commit. Raises `Unavailable` if no connection gets free in time."""
        with self._in_this_thread():
            pooled, _ = self._run_first("BEGIN ISOLATION LEVEL READ COMMITTED", None)
            try:
                with self._transaction(_connection(pooled)) as transaction:
                    yield transaction
            finally:
                self._give_back(pooled)
        on_commit()

    def group_commit(self) -> AbstractContextManager[object]:
        """Commits each transaction by itself: row locks held for several would delay other transactions, and deadlock."""
        return nullcontext()

    @contextmanager
    def _transaction(self, connection: TimeoutConnection) -> Iterator[PostgresTransaction]:
        transaction = PostgresTransaction(connection, self._statements)
        try:
            yield transaction
            _commit(connection)
        except BaseException:
            with suppress(Unavailable):
                _command(connection, "ROLLBACK")
            raise
        finally:
            transaction.end()

    @contextmanager
    def _in_this_thread(self) -> Iterator[None]:
        thread = get_ident()
        with self._changed:
            if thread in self._threads_in_transaction:
                raise RuntimeError("A transaction is open in this thread already.")
            if self._is_closed:
                raise Unavailable
            self._threads_in_transaction.add(thread)
        try:
            yield
        finally:
            with self._changed:
                self._threads_in_transaction.discard(thread)
                self._changed.notify_all()

    def _run_first(self, text: str, values: Mapping[str, Any] | None) -> tuple[PoolProxiedConnection, list[Row]]:
        """A connection and the rows of the first statement on it. Skips connections that turn out to be dead."""
        deadline = monotonic() + self._max_wait
        while True:
            pooled = self._take()
            connection = _connection(pooled)
            try:
                return pooled, _execute(connection, text, values)
            except Unavailable:
                is_lost = connection.closed
                self._give_back(pooled)
                if not is_lost or monotonic() >= deadline:
                    raise
            except BaseException:
                self._give_back(pooled)
                raise

    def _take(self) -> PoolProxiedConnection:
        if self._is_closed:
            raise Unavailable
        try:
            return self._pool.connect()
        except (PoolTimeoutError, psycopg.Error) as error:
            raise Unavailable from error

    def _give_back(self, pooled: PoolProxiedConnection) -> None:
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
            self._changed.wait_for(lambda: not self._threads_in_transaction)
        self._pool.dispose()

    def renew(self) -> None:
        """Starts without connections, those of the parent being cut off in this process alone."""
        for connection in self._opened:
            _cut_off(connection)
        forks.leave_open(self._pool, *self._opened)  # closing takes locks, which another thread may have held
        self._pool = self._pool.recreate()
        self._opened.clear()
        self._start()


def _cut_off(connection: TimeoutConnection) -> None:
    """Puts an unconnected socket in place of this process's copy of the connection's socket, which stays open in the parent.

    So nothing in the child can send on it, such as a transaction around the fork, and the server sees the end of the parent.
    """
    if not connection.closed:
        with socket.socket(socket.AF_UNIX) as unconnected:
            os.dup2(unconnected.fileno(), connection.fileno(), inheritable=False)


def _connection(pooled: PoolProxiedConnection) -> TimeoutConnection:
    return cast("TimeoutConnection", pooled.dbapi_connection)


def _execute(connection: TimeoutConnection, text: str, values: Mapping[str, Any] | None) -> list[Row]:
    try:
        cursor = connection.statement_cursor.execute(text, values)
        result = cursor.pgresult  # `description` would make an object for each column
        return cursor.fetchall() if result is not None and result.nfields else []
    except psycopg.Error as error:
        _raise_in_terms_of_the_domain(error)


def _command(connection: TimeoutConnection, command: str) -> str | None:
    """Runs a command without rows; returns its status."""
    try:
        return connection.statement_cursor.execute(command, prepare=False).statusmessage
    except psycopg.Error as error:
        _raise_in_terms_of_the_domain(error)


def _commit(connection: TimeoutConnection) -> None:
    try:
        status = _command(connection, "COMMIT")
    except Unavailable as lost:
        raise Unavailable(is_outcome_unknown=connection.closed) from lost.__cause__
    if status != "COMMIT":  # for a failed transaction the server reports ROLLBACK, and no error
        raise Unavailable


def _raise_in_terms_of_the_domain(error: psycopg.Error) -> NoReturn:
    """Raises `Unavailable` for a server that is down, full, busy or not migrated, and programming errors as they are."""
    if isinstance(error, errors.UniqueViolation):
        raise UniqueViolation from error
    if isinstance(error, _RETRYABLE):
        raise Conflict from error
    if isinstance(error, (*_DOWN, *_NOT_READY)):
        raise Unavailable from error
    raise error
