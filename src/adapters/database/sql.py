"""SQLAlchemy Core statements, compiled once and run on the driver's cursor: a third of the time of Core's own execution."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol, TypeVar, cast

from sqlalchemy import ClauseElement, Column, Dialect, Table, bindparam
from sqlalchemy.dialects.postgresql import Insert, insert  # its ON CONFLICT compiles for SQLite too, not the reverse
from sqlalchemy.sql.expression import BindParameter

if TYPE_CHECKING:
    from sqlalchemy.sql.compiler import SQLCompiler

T = TypeVar("T")
Row = tuple[Any, ...]

_PARTS = (100, 10, 1)  # of a list of rows: with 25 columns far from the 32,766 parameters that SQLite takes
_LISTS = (25, 250)

HIGHEST = "\U0010ffff"
"""A character that is ordered behind every other one: `key < prefix + HIGHEST` ends the keys that begin with the prefix."""


def do_nothing() -> None:
    """The callback of a commit that has no subscriber."""


class UniqueViolation(Exception):
    """Another row has this value of a unique key; the statement has changed nothing."""


class Query(Protocol):
    """Returns the rows of a SELECT; values that no column can hold (unpaired surrogates, 65 bits) match none."""

    def __call__(self, statement: ClauseElement, /, **values: object) -> list[Row]: ...


class OpenTransaction(Protocol):
    """One open transaction. Raises `RuntimeError` after its end."""

    @property
    def is_only_writer(self) -> bool:
        """True if transactions are serialised (SQLite): absent rows need not be locked."""
        ...

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]: ...

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Changes rows and returns those of RETURNING. After `UniqueViolation` the transaction may be lost.

        An error of a change without RETURNING may be raised by a later statement, or at the end of the transaction.
        """
        ...

    def run_in_savepoint(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Runs the statement so that the transaction can go on after `UniqueViolation`."""
        ...


class ConnectionPool(Protocol):
    """The connections to one database."""

    def query(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Reads committed rows without waiting for a writer."""
        ...

    def begin(self, on_commit: Callable[[], None] = ...) -> AbstractContextManager[OpenTransaction]:
        """A transaction; `on_commit` is called in this thread after the commit."""
        ...

    def group_commit(self) -> AbstractContextManager[object]:
        """A block whose transactions in this thread are committed together at its end, or each at its own end.

        The caller reports no outcome before the end. Leaving the block raises `Unavailable` if they were not stored.
        """
        ...

    def connections(self) -> tuple[int, int] | None:
        """The numbers of connections in use and idle; None if they are not bounded."""
        ...

    def close(self) -> None: ...


class Compiled(NamedTuple):
    """A statement in one dialect. `has_rows` is false for a change without RETURNING."""

    text: str
    constants: Mapping[str, object]
    names: Sequence[str]
    """The names of the parameters in the order of their numbers, where the dialect numbers them."""
    has_rows: bool


class StatementCache(dict[ClauseElement, Compiled]):
    """Each statement in one dialect. A missing one is compiled."""

    def __init__(self, dialect: Dialect) -> None:
        super().__init__()
        self._dialect = dialect

    def __missing__(self, statement: ClauseElement) -> Compiled:
        compiled = cast("SQLCompiler", statement.compile(dialect=self._dialect))
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        is_change = compiled.isinsert or compiled.isupdate or compiled.isdelete
        has_rows = not is_change or bool(compiled.effective_returning)
        self[statement] = entry = Compiled(str(compiled), constants, tuple(compiled.positiontup or ()), has_rows)
        return entry


def binds(columns: list[Column[Any]]) -> dict[str, BindParameter[Any]]:
    """A parameter for each column, for INSERT: a column without one would get no value."""
    return {column.name: bindparam(column.name) for column in columns}


def values_of(record: object, names: Iterable[str]) -> dict[str, Any]:
    """The values of the columns that are named like attributes of the record."""
    return {name: getattr(record, name) for name in names}


@cache
def insert_rows(columns: tuple[Column[Any], ...], count: int) -> Insert:
    """An INSERT of `count` rows with these columns of one table; `numbered` gives its values."""
    rows: list[dict[str, object]] = [
        {column.name: bindparam(f"{column.name}_{number}") for column in columns} for number in range(count)
    ]
    return insert(columns[0].table).values(rows)


@cache
def upsert_rows(table: Table, count: int) -> Insert:
    """An `upsert` of `count` rows; `numbered` gives its values."""
    return _replacing(insert_rows(tuple(table.columns), count), table)


def in_parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """The rows in parts of a few sizes, so that a statement for several rows is prepared only once for each size."""
    start = 0
    while start < len(rows):
        size = next(size for size in _PARTS if size <= len(rows) - start)
        yield rows[start : start + size]
        start += size


def padded(values: Collection[T]) -> Iterator[Sequence[T]]:
    """The values in parts of a few sizes; the last value is repeated until the part is full, which an IN list does not mind."""
    rest = list(values)
    while rest:
        size = next((size for size in _LISTS if size >= len(rest)), _LISTS[-1])
        part, rest = rest[:size], rest[size:]
        yield [*part, *part[-1:] * (size - len(part))]


def numbered(rows: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """The values of several rows by the names of their parameters."""
    return {f"{name}_{number}": value for number, row in enumerate(rows) for name, value in row.items()}


def upsert(table: Table) -> Insert:
    """An INSERT that replaces the row with the same primary key."""
    return _replacing(insert(table), table)


def _replacing(statement: Insert, table: Table) -> Insert:
    changed = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed)


def storable(text: str | None) -> str | None:
    """Replaces NUL and lone surrogates: a header of the caller must not fail the change that records it."""
    return None if text is None else text.replace("\0", "?").encode("utf-8", "replace").decode()
