"""The rows of other systems that became accounts, in SQL."""

from collections.abc import Collection, Mapping, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, Text, bindparam, null, select, update

from ...application.ports import ImportedRow
from .schema import imports
from .sql import OpenTransaction, Query, Row, in_parts, numbered, padded, upsert_rows, values_of

_columns = imports.columns
_rows = select(*_columns).where(_columns.source == bindparam("of_source"))
_NAMES = tuple(column.name for column in _columns)
_WITH_IMAGES = (
    _rows.where(_columns.image.is_not(None), _columns.key > bindparam("after")).order_by(_columns.key).limit(bindparam("limit"))
)
_FORGET = update(imports).where(_columns.account_id == bindparam("of_account")).values(digests="", image=null())


@cache
def _with_keys(count: int) -> Select[Any]:
    return _rows.where(_columns.key.in_([bindparam(f"key{number}", type_=Text) for number in range(count)]))


class SqlImportReads:
    """Reads rows by `query`: committed ones, or those that one transaction sees."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def find(self, source: str, keys: Collection[str]) -> Mapping[str, ImportedRow]:
        found: dict[str, ImportedRow] = {}
        for part in padded(keys):
            values = {f"key{number}": key for number, key in enumerate(part)}
            found |= {row[1]: _imported(row) for row in self._query(_with_keys(len(part)), of_source=source, **values)}
        return found

    def with_images(self, source: str, after: str, *, limit: int) -> Sequence[ImportedRow]:
        return [_imported(row) for row in self._query(_WITH_IMAGES, of_source=source, after=after, limit=limit)]


class SqlImports(SqlImportReads):
    """Reads and changes rows in one transaction."""

    def __init__(self, sql: OpenTransaction) -> None:
        super().__init__(sql.query)
        self._sql = sql

    def put(self, rows: Sequence[ImportedRow]) -> None:
        for part in in_parts(rows):
            self._sql.run(upsert_rows(imports, len(part)), **numbered([values_of(row, _NAMES) for row in part]))

    def forget(self, account_id: int) -> None:
        self._sql.run(_FORGET, of_account=account_id)


def _imported(row: Row) -> ImportedRow:
    return ImportedRow(**dict(zip(_NAMES, row, strict=True)))
