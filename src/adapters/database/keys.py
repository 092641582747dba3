"""Sealed keys in SQL; what is in them, and what they are for, is not known here."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from sqlalchemy import bindparam, delete, select
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite as well; not so the reverse

from .schema import alembic_version, keys
from .sql import Ask, Connections, Unit, binds, upsert

Name = tuple[str, int]

_ALL = select(keys.c.kind, keys.c.number, keys.c.sealed)
_ADD = insert(keys).values(binds(list(keys.columns))).on_conflict_do_nothing().returning(keys.c.number)
_SAVE = upsert(keys)
_REMOVE = delete(keys).where(keys.c.kind == bindparam("kind"), keys.c.number == bindparam("number"))
_CLAIM = select(alembic_version.c.version_num).with_for_update()
"""The one row that is always there: keys that are not there yet could not be waited for."""


class SqlKeys:
    """The rows as committed, by kind and number; they wait for no writer."""

    def __init__(self, connections: Connections) -> None:
        self._sql = connections

    def all(self) -> Mapping[Name, str]:
        return _all(self._sql.ask)

    @contextmanager
    def claim(self) -> Iterator["SqlClaimedKeys"]:
        """A transaction with all of them, those too that are not there yet; others who claim them wait until it ends."""
        with self._sql.begin() as unit:
            unit.run(_CLAIM)
            yield SqlClaimedKeys(unit)


class SqlClaimedKeys:
    """The same inside that transaction, and changes."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def all(self) -> Mapping[Name, str]:
        return _all(self._unit.ask)

    def add(self, name: Name, sealed: str) -> bool:
        """False, and nothing is changed, where there is one of that kind and number."""
        kind, number = name
        return bool(self._unit.run(_ADD, kind=kind, number=number, sealed=sealed))

    def save(self, name: Name, sealed: str) -> None:
        kind, number = name
        self._unit.run(_SAVE, kind=kind, number=number, sealed=sealed)

    def remove(self, name: Name) -> None:
        kind, number = name
        self._unit.run(_REMOVE, kind=kind, number=number)


def _all(ask: Ask) -> Mapping[Name, str]:
    return {(kind, number): sealed for kind, number, sealed in ask(_ALL)}
