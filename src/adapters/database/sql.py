"""SQLAlchemy Core statements, compiled once, run on the driver's cursor: a third of the time of running them through Core."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from typing import Any, Protocol

from sqlalchemy import ClauseElement, Column, Dialect, Table, bindparam
from sqlalchemy.dialects.postgresql import Insert, insert  # its ON CONFLICT compiles for SQLite as well; not so the reverse
from sqlalchemy.sql.expression import BindParameter

Row = tuple[Any, ...]


def nothing() -> None:
    """What there is to do after a commit that nobody waits for."""


class UniqueViolation(Exception):
    """Another row has this value of a unique key; the statement has changed nothing."""


class Ask(Protocol):
    """Answers the rows of a SELECT; values that no column can hold (unpaired surrogates, 65 bits) match none."""

    def __call__(self, statement: ClauseElement, /, **values: object) -> list[Row]: ...


class Unit(Protocol):
    """One open transaction."""

    @property
    def is_alone(self) -> bool:
        """Whether no other transaction writes meanwhile, so that what is not there needs no claiming."""
        ...

    def ask(self, statement: ClauseElement, /, **values: object) -> list[Row]: ...

    def run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Changes rows and returns what the statement does; `UniqueViolation` may end the transaction."""
        ...

    def try_to_run(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """The same for a change that may conflict: the transaction goes on either way."""
        ...


class Connections(Protocol):
    """One database."""

    def ask(self, statement: ClauseElement, /, **values: object) -> list[Row]:
        """Reads what is committed; waits for no writer."""
        ...

    def begin(self, then: Callable[[], None] = ...) -> AbstractContextManager[Unit]:
        """A transaction; `then` is called, in this thread, when it was committed."""
        ...

    def together(self) -> AbstractContextManager[object]:
        """A block whose transactions in this thread may be committed together when it is left; what they did is not to be told
        before. Leaving it raises `Unavailable` where they were not stored."""
        ...

    def connections(self) -> tuple[int, int] | None:
        """How many are in use and how many wait to be, where that is bounded."""
        ...

    def close(self) -> None: ...


class Texts:
    """The text of each statement in one dialect, with the values that stand in it for good."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._texts: dict[ClauseElement, tuple[str, dict[str, object]]] = {}

    def of(self, statement: ClauseElement, values: Mapping[str, object]) -> tuple[str, Mapping[str, object]]:
        """The text, and all values that it needs."""
        known = self._texts.get(statement)
        if known is None:
            known = self._texts[statement] = self._compile(statement)
        text, constants = known
        return text, ({**constants, **values} if constants else values)

    def _compile(self, statement: ClauseElement) -> tuple[str, dict[str, object]]:
        compiled = statement.compile(dialect=self._dialect)
        constants = {name: value for name, value in compiled.params.items() if value is not None}
        return str(compiled), constants


def binds(columns: list[Column[Any]]) -> dict[str, BindParameter[Any]]:
    """A parameter for each column, by the column's name."""
    return {column.name: bindparam(column.name) for column in columns}


def upsert(table: Table) -> Insert:
    """Stores a row in place of the one with its primary key."""
    statement = insert(table)
    changed = {column.name: statement.excluded[column.name] for column in table.columns if not column.primary_key}
    return statement.on_conflict_do_update(index_elements=list(table.primary_key.columns), set_=changed)


def storable(text: str | None) -> str | None:
    """What a caller sent along must not stop the change that it is written down with."""
    return None if text is None else text.replace("\0", "?").encode("utf-8", "replace").decode()
