"""Reading the database of another system, SQLite or PostgreSQL, without changing it."""

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, NullPool, create_engine, event
from sqlalchemy.exc import DBAPIError, SQLAlchemyError

from ...application.ports import SourceError
from ..database_urls import is_postgres, path_of, require_driver

_SECONDS_TO_CONNECT = 10
_NO_TIMEOUTS = ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout")
_SAME_TEXT = ("SET LOCAL TimeZone = 'UTC'", "SET LOCAL DateStyle = 'ISO'")
_TIMES = ("timestamptz", "timestamp", "date")


class OtherDatabase:
    """The database of another system. Each `snapshot` is a transaction that reads.

    PostgreSQL shows one state of the rows for the whole transaction, and so does SQLite in WAL mode. In other modes a reader of
    SQLite keeps the other system from writing: the reader lets it write now and then by `let_writers_in`.

    Raises `SourceError`, one line without a secret, for a URL of neither kind, and without a driver for PostgreSQL.
    """

    def __init__(self, url: str) -> None:
        try:
            self.name, self._engine = _postgres(url) if is_postgres(url) else _sqlite(path_of(url))
        except (ValueError, ModuleNotFoundError) as fault:
            raise SourceError(str(fault)) from None

    @contextmanager
    def snapshot(self) -> Iterator[Connection]:
        """A transaction that reads. Raises `SourceError` for whatever the database refuses, also inside the block."""
        try:
            with self._engine.connect() as connection:
                yield connection
        except DBAPIError as fault:
            raise SourceError(f"The database {self.name} cannot be read: {_one_line(fault.orig)}") from None
        except UnicodeDecodeError:
            raise SourceError(f"The database {self.name} holds text in another encoding than UTF-8.") from None
        except SQLAlchemyError as fault:
            raise SourceError(f"The database {self.name} cannot be read: {_one_line(fault)}") from None

    @staticmethod
    def let_writers_in(connection: Connection) -> None:
        """Ends the transaction where it keeps the other system from writing; the next query begins another."""
        if connection.dialect.name == "sqlite":
            mode = connection.exec_driver_sql("PRAGMA journal_mode").scalar()
            if mode != "wal":
                connection.rollback()


def _one_line(fault: object) -> str:
    return str(fault).strip().partition("\n")[0] or type(fault).__name__


def _sqlite(path: Path) -> tuple[str, Engine]:
    if not path.is_file():
        raise SourceError(f"There is no database at {path}.")

    def connect() -> sqlite3.Connection:
        address = f"{path.absolute().as_uri()}?mode=ro"
        connection = sqlite3.connect(address, uri=True, timeout=_SECONDS_TO_CONNECT, isolation_level=None)
        connection.text_factory = lambda text: text.decode("utf-8", "replace")
        return connection

    engine = create_engine("sqlite://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    return path.stem, engine


def _postgres(url: str) -> tuple[str, Engine]:
    require_driver()
    import psycopg  # noqa: PLC0415 — its driver is an extra
    from psycopg import conninfo  # noqa: PLC0415
    from psycopg.types.string import TextLoader  # noqa: PLC0415

    try:
        parts: dict[str, Any] = conninfo.conninfo_to_dict(url)
    except psycopg.ProgrammingError:
        raise SourceError("The database URL is invalid; one looks like postgresql://user:password@host:5432/name.") from None
    parts = {"connect_timeout": _SECONDS_TO_CONNECT, "application_name": "vestibule import", **parts}

    def connect() -> psycopg.Connection[Any]:
        connection = psycopg.connect(conninfo.make_conninfo("", **parts), client_encoding="utf-8", prepare_threshold=None)
        connection.isolation_level, connection.read_only = psycopg.IsolationLevel.REPEATABLE_READ, True
        for name in _TIMES:  # times beyond those of Python, such as infinity, are no reason to stop
            connection.adapters.register_loader(name, TextLoader)
        return connection

    def begin(connection: Connection) -> None:
        for name in _NO_TIMEOUTS:
            connection.exec_driver_sql(f"SET LOCAL {name} = 0")
        for statement in _SAME_TEXT:
            connection.exec_driver_sql(statement)

    engine = create_engine("postgresql+psycopg://", creator=connect, poolclass=NullPool)
    event.listen(engine, "begin", begin)
    return str(parts.get("dbname") or parts.get("user") or "postgres"), engine
