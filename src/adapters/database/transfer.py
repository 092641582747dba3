"""Transfer: copies all rows of one database into an empty one, SQLite or PostgreSQL, and compares the checksums.

The target is migrated and filled in one transaction, so a fault leaves it unchanged. The source is read in one snapshot.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from hashlib import sha256
from pathlib import Path
from secrets import randbits
from typing import Any

from sqlalchemy import Column, Connection, Table, case, column, exists, func, insert, select, text

from ...domain.errors import Unavailable
from ..database_urls import is_postgres, path_of
from .migration import SchemaTooNew, SchemaTooOld, bring_to_head, migrating, require_head, transaction
from .schema import metadata
from .sqlite_connection import READ_PRAGMAS, connect

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
        reason = str(fault.__cause__ or "no response").partition("\n")[0]
        raise CannotCopy(f"A database is unavailable ({reason}).") from fault


def _copy_all(old: Connection, new: Connection, on_progress: OnProgress) -> list[Copied]:
    bring_to_head(new)
    _lock_out_writers(new)
    _require_empty(new)
    copied: list[Copied] = []
    for table in metadata.sorted_tables:
        total = old.scalar(select(func.count()).select_from(table)) or 0
        on_progress("copied", table.name, 0, total)
        copied.append(_checksum(table, _batches(table, old, new), partial(on_progress, "copied"), total))
        if table.autoincrement_column is not None:
            _set_last_number(new, table, table.autoincrement_column, _last_number(old, table, table.autoincrement_column))
    for table, sent in zip(metadata.sorted_tables, copied, strict=True):
        if _checksum(table, _batches(table, new), partial(on_progress, "compared"), sent.rows) != sent:
            raise CannotCopy(f"The checksum of the table {table.name} differs, so nothing was kept.")
    return copied


def _batches(table: Table, source: Connection, target: Connection | None = None) -> Iterator[Rows]:
    """Reads in batches, never the whole table into memory; inserts each into `target`."""
    with source.execute(select(table), execution_options={"yield_per": _BATCH}) as result:
        for batch in result.mappings().partitions():
            rows = [{str(name): value for name, value in row.items()} for row in batch]
            if target is not None:
                target.execute(insert(table), rows)
            yield rows


def _checksum(table: Table, batches: Iterator[Rows], on_batch: Callable[[str, int, int], None], total: int) -> Copied:
    """Sums the SHA-256 of the rows modulo 2^256: equal on both kinds of database, and in any order."""
    count = checksum = 0
    for rows in batches:
        for row in rows:
            checksum += int.from_bytes(sha256(repr(list(row.values())).encode("utf-8", "surrogatepass")).digest())
        count += len(rows)
        on_batch(table.name, count, total)
    return Copied(table.name, count, f"{checksum % 2**256:064x}")


def _snapshot(url: str) -> AbstractContextManager[Connection]:
    """A read-only transaction that sees one snapshot."""
    if not is_postgres(url) and not path_of(url).is_file():
        raise CannotCopy(f"There is no database to copy from at {path_of(url)}.")
    return transaction(
        url,
        partial(connect, settings=READ_PRAGMAS),
        sqlite_begin="BEGIN",
        postgres_begin="SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
    )


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


def _last_number(connection: Connection, table: Table, number: Column[Any]) -> int:
    """The highest number that the column's sequence has assigned, even to rows deleted since; 0 if it has assigned none."""
    highest = connection.scalar(select(func.max(number))) or 0
    if connection.dialect.name == "postgresql":
        last = case((column("is_called"), column("last_value")), else_=column("last_value") - 1)
        last_value = connection.scalar(select(last).select_from(text(_sequence(connection, table, number))))
    else:
        last_value = connection.scalar(text("SELECT seq FROM sqlite_sequence WHERE name = :name"), {"name": table.name})
    return max(highest, last_value or 0)


def _set_last_number(connection: Connection, table: Table, number: Column[Any], last: int) -> None:
    """Sets the sequence, transactionally, so that the next row gets the following number."""
    if connection.dialect.name == "postgresql":  # setval would outlive a rollback
        connection.exec_driver_sql(f"ALTER SEQUENCE {_sequence(connection, table, number)} RESTART WITH {last + 1}")
        return
    values = {"name": table.name, "number": last}
    connection.execute(text("DELETE FROM sqlite_sequence WHERE name = :name"), values)
    connection.execute(text("INSERT INTO sqlite_sequence (name, seq) VALUES (:name, :number)"), values)


def _sequence(connection: Connection, table: Table, number: Column[Any]) -> str:
    """The quoted name of the column's sequence."""
    return str(connection.execute(select(func.pg_get_serial_sequence(table.name, number.name))).scalar_one())
