"""Sealed keys in SQL; what is in them, and what they are for, is not known here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite as well; not so the reverse

from .schema import alembic_version, keys
from .sql import ConnectionPool, OpenTransaction, Query, binds, upsert

Name = tuple[str, int]

_ALL = select(keys.c.kind, keys.c.number, keys.c.sealed)
_ADD = insert(keys).values(binds(list(keys.columns))).on_conflict_do_nothing().returning(keys.c.number)
_SAVE = upsert(keys)
_REMOVE = delete(keys).where(keys.c.kind == bindparam("kind"), keys.c.number == bindparam("number"))
_CLAIM = select(alembic_version.c.version_num).with_for_update()
"""The one row that is always there: keys that are not there yet could not be waited for."""


class SqlKeys:
    """The rows as committed, by kind and number; they wait for no writer."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._sql = pool

    def all(self) -> Mapping[Name, str]:
        return _all(self._sql.query)

    @contextmanager
    def claim(self) -> Iterator["SqlClaimedKeys"]:
        """A transaction with all of them, those too that are not there yet; others who claim them wait until it ends."""
        with self._sql.begin() as sql:
            sql.run(_CLAIM)
            yield SqlClaimedKeys(sql)


class SqlClaimedKeys:
    """The same inside that transaction, and changes."""

    def __init__(self, sql: OpenTransaction) -> None:
        self._sql = sql

    def all(self) -> Mapping[Name, str]:
        return _all(self._sql.query)

    def add(self, name: Name, sealed: str) -> bool:
        """False, and nothing is changed, where there is one of that kind and number."""
        kind, number = name
        return bool(self._sql.run(_ADD, kind=kind, number=number, sealed=sealed))

    def save(self, name: Name, sealed: str) -> None:
        kind, number = name
        self._sql.run(_SAVE, kind=kind, number=number, sealed=sealed)

    def remove(self, name: Name) -> None:
        kind, number = name
        self._sql.run(_REMOVE, kind=kind, number=number)


def _all(query: Query) -> Mapping[Name, str]:
    return {(kind, number): sealed for kind, number, sealed in query(_ALL)}
