"""PostgreSQL by psycopg: connections that are kept, and on each of them every statement prepared once.

What is asked outside of a transaction is one statement, which needs none (READ COMMITTED sees what is committed). A kept
connection may have died meanwhile, with its server or on the way: what was the first thing said on it is said again on another.
"""

from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from threading import Condition, get_ident
from time import monotonic
from typing import Any, cast

import psycopg
from psycopg import Connection, Cursor, conninfo, errors
from psycopg.abc import RV, PQGen
from psycopg.adapt import AdaptersMap
from psycopg.pq import TransactionStatus
from psycopg.types.numeric import Int8BinaryDumper
from sqlalchemy import ClauseElement, make_url
from sqlalchemy.exc import TimeoutError as PoolTimeoutError
from sqlalchemy.pool import PoolProxiedConnection, QueuePool

from ...domain.errors import Conflict, Unavailable
from .sql import Row, Texts, UniqueViolation, nothing

MOST_WAIT = 1.0
"""Seconds to wait for a connection that is free; with two more to connect, a call knows in three that the database is down."""

MOST_PATIENCE = 3.0
"""Seconds that a server may take to answer; longer, and it counts as down, though it may still do what it was told."""

_KEPT = 10
_MORE = 5
_LIFE = 1800
_STATEMENTS = 500
_SESSION = {"statement_timeout": "5s", "lock_timeout": "2s", "idle_in_transaction_session_timeout": "15s"}
_MIGRATION = {"statement_timeout": "0", "lock_timeout": "60s", "idle_in_transaction_session_timeout": "0"}
_NETWORK = {
    "connect_timeout": 2,
    "tcp_user_timeout": 2000,
    "keepalives_idle": 5,
    "keepalives_interval": 1,
    "keepalives_count": 2,
}
_AT_ONCE = (errors.DeadlockDetected, errors.SerializationFailure)
_DOWN = (psycopg.OperationalError, psycopg.InternalError, psycopg.InterfaceError)
_NOT_READY = (errors.UndefinedTable, errors.UndefinedColumn, errors.InvalidSchemaName, errors.InsufficientPrivilege)
_UNSENDABLE = (psycopg.DataError, UnicodeEncodeError, OverflowError)

_adapters = AdaptersMap(psycopg.adapters)
_adapters.register_dumper(int, Int8BinaryDumper)  # whatever its size, so that a statement is not prepared once for each


def connection_string(url: str, settings: Mapping[str, str]) -> str:
    """What libpq is given: the URL's own words go before ours. Raises `ValueError`, which does not repeat the URL."""
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise ValueError(
            "The database URL is not one: it should look like postgresql://user:password@host:5432/name, with special "
            "characters as %XX."
        ) from None
    ours = " ".join(f"-c {name}={value}" for name, value in settings.items())
    options = f"{ours} {given.pop('options', '')}".rstrip()
    return conninfo.make_conninfo("", **{"application_name": "vestibule", **_NETWORK, **given, "options": options})


class Impatient(Connection[Row]):
    """A connection that gives a server up which is there and does not answer, as one that is frozen."""

    kept: Cursor[Row]
    """Runs every statement: to make a cursor costs a tenth of one."""

    def wait(self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None) -> RV:
        return super().wait(gen, interval, MOST_PATIENCE if timeout is None else timeout)


def connect(text: str) -> Impatient:
    """A connection that begins no transaction by itself."""
    connection = Impatient.connect(text, autocommit=True, context=_adapters, prepare_threshold=0, client_encoding="utf-8")
    connection.prepared_max = _STATEMENTS
    connection.kept = connection.cursor()
    return connection


def connect_to_migrate(url: str) -> Connection[Row]:
    """A connection that has the time that a migration takes."""
    return psycopg.connect(connection_string(url, _MIGRATION))


class PostgresUnit:
    """One open transaction."""

    is_alone = False

    def __init__(self, connection: Impatient, texts: Texts) -> None:
        self._connection: Impatient | None = connection
        self._texts = texts

    def ask(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return _ask(self._open_connection(), *self._texts.of(statement, values))

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        return _execute(self._open_connection(), *self._texts.of(statement, values))

    def try_to_run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        connection = self._open_connection()
        _say(connection, "SAVEPOINT attempt")
        try:
            return self.run(statement, **values)
        except UniqueViolation:
            _say(connection, "ROLLBACK TO SAVEPOINT attempt")
            raise

    def end(self) -> None:
        """Nothing can be read or changed through it any more."""
        self._connection = None

    def _open_connection(self) -> Impatient:
        if self._connection is None:
            raise RuntimeError("The transaction is over.")
        return self._connection


class Postgres:
    """The connections to one database, 15 at most. Safe in any thread; a transaction within a transaction is refused.

    Waits up to `most_wait` seconds for a free connection.
    """

    def __init__(self, url: str, most_wait: float = MOST_WAIT) -> None:
        text = connection_string(url, _SESSION)
        self._texts = Texts(make_url("postgresql+psycopg://").get_dialect()())
        self._most_wait = most_wait
        self._pool = QueuePool(
            lambda: connect(text),  # type: ignore[arg-type]  # a DBAPI connection, whose stub says less than PEP 249
            pool_size=_KEPT,
            max_overflow=_MORE,
            timeout=most_wait,
            recycle=_LIFE,
            use_lifo=True,
            reset_on_return=None,
        )
        self._transactions: set[int] = set()
        self._changed = Condition()
        self._is_closed = False

    def ask(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Reads what is committed; waits for no writer."""
        try:
            kept, rows = self._begun(*self._texts.of(statement, values))
        except _UNSENDABLE:
            return []
        self._give_back(kept)
        return rows

    @contextmanager
    def begin(self, then: Callable[[], None] = nothing) -> Iterator[PostgresUnit]:
        """A transaction. Raises `Unavailable` where no connection is to be had in time."""
        with self._in_this_thread():
            kept, _ = self._begun("BEGIN ISOLATION LEVEL READ COMMITTED", None)
            try:
                with self._transaction(_connection(kept)) as unit:
                    yield unit
            finally:
                self._give_back(kept)
        then()

    def together(self) -> AbstractContextManager[object]:
        """Each by itself: rows that several had claimed would have others wait, and in a circle."""
        return nullcontext()

    @contextmanager
    def _transaction(self, connection: Impatient) -> Iterator[PostgresUnit]:
        unit = PostgresUnit(connection, self._texts)
        try:
            yield unit
            _commit(connection)
        except BaseException:
            with suppress(Unavailable):
                _say(connection, "ROLLBACK")
            raise
        finally:
            unit.end()

    @contextmanager
    def _in_this_thread(self) -> Iterator[None]:
        thread = get_ident()
        with self._changed:
            if thread in self._transactions:
                raise RuntimeError("A transaction is open in this thread already.")
            if self._is_closed:
                raise Unavailable
            self._transactions.add(thread)
        try:
            yield
        finally:
            with self._changed:
                self._transactions.discard(thread)
                self._changed.notify_all()

    def _begun(self, text: str, values: Mapping[str, Any] | None) -> tuple[PoolProxiedConnection, list[Row]]:
        """A connection, and what the first statement on it answered; connections that turn out to be lost are left behind."""
        deadline = monotonic() + self._most_wait
        while True:
            kept = self._take()
            connection = _connection(kept)
            try:
                return kept, _execute(connection, text, values)
            except Unavailable:
                is_lost = connection.closed
                self._give_back(kept)
                if not is_lost or monotonic() >= deadline:
                    raise
            except BaseException:
                self._give_back(kept)
                raise

    def _take(self) -> PoolProxiedConnection:
        if self._is_closed:
            raise Unavailable
        try:
            return self._pool.connect()
        except (PoolTimeoutError, psycopg.Error) as error:
            raise Unavailable from error

    def _give_back(self, kept: PoolProxiedConnection) -> None:
        """One that is lost, or in the middle of something, is nobody's any more."""
        if _connection(kept).pgconn.transaction_status == TransactionStatus.IDLE:
            kept.close()
        else:
            kept.invalidate()
        if self._is_closed:
            self._pool.dispose()

    def connections(self) -> tuple[int, int]:
        return self._pool.checkedout(), self._pool.checkedin()

    def close(self) -> None:
        """Waits for open transactions. Whatever is asked afterwards is refused as `Unavailable`."""
        with self._changed:
            self._is_closed = True
            self._changed.wait_for(lambda: not self._transactions)
        self._pool.dispose()


def _connection(kept: PoolProxiedConnection) -> Impatient:
    return cast("Impatient", kept.dbapi_connection)


def _ask(connection: Impatient, text: str, values: Mapping[str, Any]) -> list[Row]:
    try:
        return _execute(connection, text, values)
    except _UNSENDABLE:
        return []


def _execute(connection: Impatient, text: str, values: Mapping[str, Any] | None) -> list[Row]:
    try:
        cursor = connection.kept.execute(text, values)
        result = cursor.pgresult  # `description` would make an object for each column
        return cursor.fetchall() if result is not None and result.nfields else []
    except psycopg.Error as error:
        raise _translated(error) from error


def _say(connection: Impatient, command: str) -> str | None:
    """Runs a command that answers no rows; answers what it did."""
    try:
        return connection.kept.execute(command, prepare=False).statusmessage
    except psycopg.Error as error:
        raise _translated(error) from error


def _commit(connection: Impatient) -> None:
    try:
        answer = _say(connection, "COMMIT")
    except Unavailable as lost:
        raise Unavailable(is_open=connection.closed) from lost.__cause__
    if answer != "COMMIT":  # a failed transaction answers ROLLBACK to it, and no error
        raise Unavailable


def _translated(error: psycopg.Error) -> Exception:
    """`Unavailable` for a server that is gone, full, busy or not prepared; a mistake of ours stays what it is."""
    if isinstance(error, errors.UniqueViolation):
        return UniqueViolation()
    if isinstance(error, _AT_ONCE):
        return Conflict()
    if isinstance(error, (*_DOWN, *_NOT_READY)):
        return Unavailable()
    return error
