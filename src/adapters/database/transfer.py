"""Transfer: copies all rows of one database into an empty one, SQLite or PostgreSQL, and compares the checksums.

The target is migrated and filled in one transaction, so a fault leaves it unchanged. The source is read in one snapshot.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import randbits
from typing import Any

from sqlalchemy import Connection, NullPool, Table, case, column, create_engine, event, exists, func, insert, select, text
from sqlalchemy.exc import DBAPIError

from ...domain.errors import Unavailable
from .migration import SchemaTooNew, SchemaTooOld, bring_to_head, migrating, require_head
from .schema import metadata
from .sqlite_connection import connect_to_read
from .urls import is_postgres, path_of, requires_driver

_BATCH = 1000
_SUFFIXES = ("", "-wal", "-shm", "-journal")

Rows = list[dict[str, Any]]
OnProgress = Callable[[str, str, int, int], None]
"""Called with "copied" or "compared", the table, the number of rows so far, and their total."""


class CannotCopy(ValueError):
    """The copy is refused and the target unchanged; the text is one line with the reason."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A table that is equal in both databases: its name, the number of its rows, and their checksum."""

    table: str
    rows: int
    checksum: str


class Checksum:
    """A checksum of rows in any order, equal on both kinds of database: the sum of their SHA-256, modulo 2^256."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Rows) -> None:
        for row in rows:
            self._sum += int.from_bytes(sha256(repr(list(row.values())).encode("utf-8", "surrogatepass")).digest())
        self.rows += len(rows)

    def __str__(self) -> str:
        return f"{self._sum % 2**256:064x}"


def copy(source: str, target: str, on_progress: OnProgress) -> list[Copied]:
    """Copies every row of the database at `source`, with ids and sequences, and compares the checksums.

    Migrates `target` first, and locks out its writers. Returns the tables in their order. Raises `CannotCopy` if one
    database is unusable, the source has another schema than this program, the target is not empty, both are the same
    database, or a checksum differs. Raises `ImportError` if a driver is not installed.
    """
    try:
        with _removing_new_file(target), _snapshot(source) as old:
            _require_schema(old)
            marker = _take_marker(old)
            with migrating(target) as new:
                if _has_marker(new, marker) or _is_one_file(source, target):
                    raise CannotCopy("Both are the same database.")
                return _copy_all(old, new, on_progress)
    except SchemaTooNew as refusal:
        raise CannotCopy(f"Cannot copy into the target: {refusal}") from None
    except Unavailable as fault:
        why = str(fault.__cause__ or "no response").partition("\n")[0]
        raise CannotCopy(f"A database is unavailable ({why}).") from fault


def _copy_all(old: Connection, new: Connection, on_progress: OnProgress) -> list[Copied]:
    bring_to_head(new)
    _lock_out_writers(new)
    _require_empty(new)
    sent = {table: _copy_table(table, old, new, on_progress) for table in metadata.sorted_tables}
    for table in sent:
        _set_last_number(new, table, _last_number(old, table))
    for table, checksum in sent.items():
        arrived = _read_back(table, new, checksum.rows, on_progress)
        if (arrived.rows, str(arrived)) != (checksum.rows, str(checksum)):
            raise CannotCopy(f"The checksum of the table {table.name} differs, so nothing was kept.")
    return [Copied(table.name, checksum.rows, str(checksum)) for table, checksum in sent.items()]


def _copy_table(table: Table, old: Connection, new: Connection, on_progress: OnProgress) -> Checksum:
    total = old.scalar(select(func.count()).select_from(table)) or 0
    checksum = Checksum()
    on_progress("copied", table.name, 0, total)

    def pass_on(rows: Rows) -> None:
        new.execute(insert(table), rows)
        checksum.add(rows)
        on_progress("copied", table.name, checksum.rows, total)

    _read(table, old, pass_on)
    return checksum


def _read_back(table: Table, new: Connection, total: int, on_progress: OnProgress) -> Checksum:
    checksum = Checksum()

    def look(rows: Rows) -> None:
        checksum.add(rows)
        on_progress("compared", table.name, checksum.rows, total)

    _read(table, new, look)
    return checksum


def _read(table: Table, connection: Connection, on_rows: Callable[[Rows], None]) -> None:
    """Reads in batches, never the whole table into memory."""
    with connection.execute(select(table), execution_options={"yield_per": _BATCH}) as result:
        for rows in result.mappings().partitions():
            on_rows([{str(name): value for name, value in row.items()} for row in rows])


@contextmanager
def _snapshot(url: str) -> Iterator[Connection]:
    """A read-only transaction that sees one snapshot."""
    if is_postgres(url):
        with requires_driver():
            from .postgres import connect_to_migrate  # noqa: PLC0415 — its driver is an extra

        engine = create_engine("postgresql+psycopg://", creator=lambda: connect_to_migrate(url), poolclass=NullPool)
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    else:
        path = path_of(url)
        if not path.is_file():
            raise CannotCopy(f"There is no database to copy from at {path}.")
        engine = create_engine("sqlite://", creator=lambda: connect_to_read(path), poolclass=NullPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise Unavailable from error.orig


@contextmanager
def _removing_new_file(url: str) -> Iterator[None]:
    """Removes an SQLite file that was created before a fault."""
    path = None if is_postgres(url) else path_of(url)
    is_new = path is not None and not path.exists()
    try:
        yield
    except BaseException:
        if path is not None and is_new:
            for suffix in _SUFFIXES:
                Path(f"{path}{suffix}").unlink(missing_ok=True)
        raise


def _require_schema(old: Connection) -> None:
    try:
        require_head(old)
    except (SchemaTooNew, SchemaTooOld) as refusal:
        raise CannotCopy(f"Cannot copy from the source: {refusal}") from None


def _require_empty(new: Connection) -> None:
    for table in metadata.sorted_tables:
        if new.scalar(select(exists().select_from(table))):
            raise CannotCopy(f"The target is not empty: its table {table.name} has rows.")


def _lock_out_writers(new: Connection) -> None:
    """Locks every table; on SQLite the transaction has the write lock already."""
    if new.dialect.name == "postgresql":
        names = ", ".join(new.dialect.identifier_preparer.format_table(table) for table in metadata.sorted_tables)
        new.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")


def _take_marker(old: Connection) -> int | None:
    """Takes an advisory lock with a random key, which shows whether another URL names the same database. None on SQLite."""
    if old.dialect.name != "postgresql":
        return None
    marker = randbits(62)
    old.execute(select(func.pg_advisory_xact_lock(marker)))
    return marker


def _has_marker(new: Connection, marker: int | None) -> bool:
    if marker is None or new.dialect.name != "postgresql":
        return False
    return not new.scalar(select(func.pg_try_advisory_xact_lock(marker)))


def _is_one_file(source: str, target: str) -> bool:
    if is_postgres(source) or is_postgres(target):
        return False
    return path_of(source).samefile(path_of(target))


def _last_number(connection: Connection, table: Table) -> int:
    """The highest number that the sequence of this table has given, even to deleted rows; 0 without rows or sequence."""
    numbered = table.autoincrement_column
    if numbered is None:
        return 0
    highest = connection.scalar(select(func.max(numbered))) or 0
    return max(highest, _sequence_value(connection, table))


def _set_last_number(connection: Connection, table: Table, number: int) -> None:
    """Sets the sequence, transactionally, so that the next row gets the following number."""
    if table.autoincrement_column is None:
        return
    if connection.dialect.name == "postgresql":  # setval would outlive a rollback
        connection.exec_driver_sql(f"ALTER SEQUENCE {_sequence_name(connection, table)} RESTART WITH {number + 1}")
        return
    given = {"name": table.name, "number": number}
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), given)
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), given)


def _sequence_value(connection: Connection, table: Table) -> int:
    if connection.dialect.name == "postgresql":
        last = case((column("is_called"), column("last_value")), else_=column("last_value") - 1)
        return connection.scalar(select(last).select_from(text(_sequence_name(connection, table)))) or 0
    return connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name}) or 0


def _sequence_name(connection: Connection, table: Table) -> str:
    """The quoted name of the sequence."""
    numbered = table.autoincrement_column
    name = connection.scalar(select(func.pg_get_serial_sequence(table.name, numbered.name if numbered is not None else "")))
    if name is None:
        raise LookupError(f"The table {table.name} has no sequence.")
    return str(name)
