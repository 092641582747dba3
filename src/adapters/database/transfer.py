"""Moving: all that one database holds, into another that holds nothing, of whatever kinds the two are.

Works by the tables of the schema, whichever they are. All of the target is done in one transaction, its migration too, so a
fault leaves it as it was; all of the source is read in one that sees one moment.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from secrets import randbits
from typing import Any

from sqlalchemy import Connection, NullPool, Table, create_engine, event, exists, func, insert, select
from sqlalchemy.exc import DBAPIError

from ...domain.errors import Unavailable
from . import sqlite
from .migration import SchemaTooNew, SchemaTooOld, bring_to_head, demand_head, migrating
from .schema import metadata
from .sequences import set_used, used
from .urls import driver_wanted, is_postgres, path_of

_BATCH = 1000
_COMPANIONS = ("", "-wal", "-shm", "-journal")

Rows = list[dict[str, Any]]
Tell = Callable[[str, str, int, int], None]
"""Is told what is done with which table: "copied" or "compared", how many rows so far, of how many."""


class CannotCopy(ValueError):
    """The target is as it was; the text is one line that says why."""


@dataclass(frozen=True, slots=True)
class Copied:
    """A table of which both databases hold the same: its name, how many rows, and the checksum of them."""

    table: str
    rows: int
    checksum: str


class Checksum:
    """Of rows in any order, the same for the same values whatever the database: the sum of their SHA-256, modulo 2^256."""

    def __init__(self) -> None:
        self.rows = 0
        self._sum = 0

    def add(self, rows: Rows) -> None:
        for row in rows:
            self._sum += int.from_bytes(sha256(repr(list(row.values())).encode("utf-8", "surrogatepass")).digest())
        self.rows += len(rows)

    def __str__(self) -> str:
        return f"{self._sum % 2**256:064x}"


def copy(source: str, target: str, tell: Tell) -> list[Copied]:
    """Copies every row of the database at `source`, ids and counters included, and compares what arrived with what was sent.

    `target` is migrated first; nobody can write to it meanwhile. Answers the tables in their order. Raises `CannotCopy`: where
    one cannot be used, the source has another schema than this program, the target holds anything, both are one database,
    or something arrived changed. Raises `ImportError` where a driver is not installed.
    """
    try:
        with _leaving_no_new_file(target), _one_moment(source) as old:
            _demand_schema(old)
            mark = _mark(old)
            with migrating(target) as new:
                if _is_marked(new, mark) or _is_one_file(source, target):
                    raise CannotCopy("Both are the same database.")
                return _copy_all(old, new, tell)
    except SchemaTooNew as refusal:
        raise CannotCopy(f"Into the target nothing can be copied. {refusal}") from None
    except Unavailable as fault:
        why = str(fault.__cause__ or "no answer").partition("\n")[0]
        raise CannotCopy(f"A database cannot be used now ({why}).") from fault


def _copy_all(old: Connection, new: Connection, tell: Tell) -> list[Copied]:
    bring_to_head(new)
    _keep_writers_out(new)
    _demand_empty(new)
    sent = {table: _copy_table(table, old, new, tell) for table in metadata.sorted_tables}
    for table in sent:
        set_used(new, table, used(old, table))
    for table, checksum in sent.items():
        arrived = _read_back(table, new, checksum.rows, tell)
        if (arrived.rows, str(arrived)) != (checksum.rows, str(checksum)):
            raise CannotCopy(f"What arrived in the table {table.name} is not what was sent, so nothing is kept of it.")
    return [Copied(table.name, checksum.rows, str(checksum)) for table, checksum in sent.items()]


def _copy_table(table: Table, old: Connection, new: Connection, tell: Tell) -> Checksum:
    total = old.scalar(select(func.count()).select_from(table)) or 0
    checksum = Checksum()
    tell("copied", table.name, 0, total)

    def pass_on(rows: Rows) -> None:
        new.execute(insert(table), rows)
        checksum.add(rows)
        tell("copied", table.name, checksum.rows, total)

    _read(table, old, pass_on)
    return checksum


def _read_back(table: Table, new: Connection, total: int, tell: Tell) -> Checksum:
    checksum = Checksum()

    def look(rows: Rows) -> None:
        checksum.add(rows)
        tell("compared", table.name, checksum.rows, total)

    _read(table, new, look)
    return checksum


def _read(table: Table, connection: Connection, give: Callable[[Rows], None]) -> None:
    """In batches as they come, never all at once in memory."""
    with connection.execute(select(table), execution_options={"yield_per": _BATCH}) as result:
        for rows in result.mappings().partitions():
            give([{str(name): value for name, value in row.items()} for row in rows])


@contextmanager
def _one_moment(url: str) -> Iterator[Connection]:
    """A transaction that reads, and sees nothing of what is committed after its first question."""
    if is_postgres(url):
        with driver_wanted():
            from .postgres import connect_to_migrate  # noqa: PLC0415 — its driver is an extra

        engine = create_engine("postgresql+psycopg://", creator=lambda: connect_to_migrate(url), poolclass=NullPool)
        engine = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    else:
        path = path_of(url)
        if not path.is_file():
            raise CannotCopy(f"There is no database to copy from at {path}.")
        engine = create_engine("sqlite://", creator=lambda: sqlite.connect_to_read(path), poolclass=NullPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
    try:
        with engine.begin() as connection:
            yield connection
    except DBAPIError as error:
        raise Unavailable from error.orig


@contextmanager
def _leaving_no_new_file(url: str) -> Iterator[None]:
    """A file of SQLite that was not there before is not there after a fault either."""
    path = None if is_postgres(url) else path_of(url)
    is_new = path is not None and not path.exists()
    try:
        yield
    except BaseException:
        if path is not None and is_new:
            for companion in _COMPANIONS:
                Path(f"{path}{companion}").unlink(missing_ok=True)
        raise


def _demand_schema(old: Connection) -> None:
    try:
        demand_head(old)
    except (SchemaTooNew, SchemaTooOld) as refusal:
        raise CannotCopy(f"From the source nothing can be copied. {refusal}") from None


def _demand_empty(new: Connection) -> None:
    for table in metadata.sorted_tables:
        if new.scalar(select(exists().select_from(table))):
            raise CannotCopy(f"The target is not empty: its table {table.name} has rows.")


def _keep_writers_out(new: Connection) -> None:
    """On SQLite the transaction has the write lock already."""
    if new.dialect.name == "postgresql":
        names = ", ".join(new.dialect.identifier_preparer.format_table(table) for table in metadata.sorted_tables)
        new.exec_driver_sql(f"LOCK TABLE {names} IN EXCLUSIVE MODE")


def _mark(old: Connection) -> int | None:
    """A lock that the same database will not give twice, by whatever name it is called; None on SQLite, which has paths."""
    if old.dialect.name != "postgresql":
        return None
    mark = randbits(62)
    old.execute(select(func.pg_advisory_xact_lock(mark)))
    return mark


def _is_marked(new: Connection, mark: int | None) -> bool:
    if mark is None or new.dialect.name != "postgresql":
        return False
    return not new.scalar(select(func.pg_try_advisory_xact_lock(mark)))


def _is_one_file(source: str, target: str) -> bool:
    if is_postgres(source) or is_postgres(target):
        return False
    return path_of(source).samefile(path_of(target))
