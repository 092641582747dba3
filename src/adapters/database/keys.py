"""The encrypted key set as one row. The contents and the encryption are up to the caller."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from sqlalchemy import select

from .schema import alembic_version, keys
from .sql import ConnectionPool, Query, upsert

_ID = 1
_GET = select(keys.c.document)
_SAVE = upsert(keys)
LOCK = select(alembic_version.c.version_num).with_for_update()
"""Locks `alembic_version`: the row of the keys may not exist yet, and absent rows cannot be locked."""


class SqlKeys:
    """The committed text, None if absent. Reads wait for no writer."""

    def __init__(self, pool: ConnectionPool) -> None:
        self._sql = pool

    def read(self) -> str | None:
        return _read(self._sql.query)

    @contextmanager
    def changing(self) -> Iterator[tuple[str | None, Callable[[str], object]]]:
        """The text, locked in a transaction, and a function that replaces it."""
        with self._sql.begin() as sql:
            sql.run(LOCK)
            yield _read(sql.query), lambda text: sql.run(_SAVE, id=_ID, document=text)


def _read(query: Query) -> str | None:
    rows = query(_GET)
    return str(rows[0][0]) if rows else None
