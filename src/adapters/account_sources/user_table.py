"""A table of users in the database of another system, read in batches by its primary key."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from sqlalchemy import ColumnElement, Connection, Inspector, TableClause, column, func, inspect, literal_column, select, table

from ...application.ports import ImportRecord, SourceError, UnreadableRecord
from .media import MediaDirectory
from .snapshot import OtherDatabase
from .text_file import time_zone

BATCH = 1000
"""The rows that are read at a time."""

Columns = Mapping[str, ColumnElement[Any]]
"""Columns of a table, or values computed from other tables, by the field of a record that they fill."""

_TEXTS = ("username", "email", "mobile", "name", "password_hash", "image")
_FLAGS = ("is_active", "is_staff", "is_superuser", "email_verified", "mobile_verified")
_TRUE, _FALSE = ("1", "t", "true"), ("0", "f", "false")
_MAX_SHOWN = 40


@dataclass(frozen=True, kw_only=True)
class Layout:
    """The tables of a kind of system. `table` has its users.

    `columns` has, for each field of a record, the names that its column may have: the first that exists is read. A table
    without a column for one of the `required` fields is none of this kind. `computed` returns further fields, from other
    tables. `left_out` has tables whose rows an import does not take, with a word for these rows; `{table}` is the table
    of users.
    """

    kind: str
    table: str
    columns: Mapping[str, Sequence[str]]
    required: Sequence[str]
    computed: Callable[[Inspector, Columns], Columns] = lambda _tables, _columns: {}
    left_out: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class _Users:
    """The table as it is in one database; `groups` is the table that joins it to groups, by user and group."""

    table: TableClause
    key: ColumnElement[Any]
    columns: Columns
    groups: tuple[TableClause, ColumnElement[Any], ColumnElement[Any]] | None


class UserTableSource:
    """An `AccountSource` over a table of users; the other system may go on working meanwhile.

    `table` is another table than the usual one, also with its schema: `shop.customer`. Times without an offset are those of
    `timezone`, and images are below the directory `media`; without it there are none.
    """

    def __init__(
        self,
        url: str,
        layout: Layout,
        *,
        table: str | None = None,
        name: str | None = None,
        timezone: str = "UTC",
        media: Path | None = None,
    ) -> None:
        self._database = OtherDatabase(url)
        self._layout = layout
        self._table = table or layout.table
        self._zone = time_zone(timezone)
        self._media = None if media is None else MediaDirectory(media)
        suffix = "" if self._table == layout.table else f".{self._table}"
        self._name = name or f"{layout.kind}:{self._database.name}{suffix}"

    @property
    def name(self) -> str:
        return self._name

    def count(self) -> int:
        with self._database.snapshot() as connection:
            return _count(connection, self._users(connection).table)

    def left_out(self) -> Sequence[str]:
        with self._database.snapshot() as connection:
            tables, users = inspect(connection), self._users(connection)
            lines = []
            for name, rows in self._layout.left_out.items():
                there = name.replace("{table}", users.table.name)
                if tables.has_table(there) and (number := _count(connection, table(there))):
                    lines.append(f"{number} {rows} ({there})")
            if self._media is None and "image" in users.columns:
                image = users.columns["image"]
                if number := connection.scalar(select(func.count()).select_from(users.table).where(image != "")) or 0:
                    lines.append(f"{number} images, for there is no --media")
            return lines

    def records(self) -> Iterator[ImportRecord | UnreadableRecord]:
        with self._database.snapshot() as connection:
            users = self._users(connection)
            after: list[Any] = []
            while rows := _batch(connection, users, after):
                last = rows[-1]["key"]
                roles = _roles(connection, users, after, last)
                self._database.let_writers_in(connection)
                for row in rows:
                    yield self._read(row, roles.get(row["key"], []))
                after = [last]

    def image(self, name: str) -> bytes | None:
        return None if self._media is None else self._media.read(name)

    def _users(self, connection: Connection) -> _Users:
        """Raises `SourceError` if there is no such table."""
        schema, _, name = self._table.rpartition(".")
        place = schema or None
        tables = inspect(connection)
        if not tables.has_table(name, place):
            raise SourceError(f"The database {self._database.name} has no table {self._table}.")
        there = _column_names(connection, name, place)
        key = tables.get_pk_constraint(name, place)["constrained_columns"]
        users = table(name, *map(column, there), schema=place)
        columns: dict[str, ColumnElement[Any]] = {}
        for wanted, names in self._layout.columns.items():
            chosen = next((one for one in names if one in there), None)
            if chosen is not None:
                columns[wanted] = users.c[chosen]
            elif wanted in self._layout.required:
                raise SourceError(f"The table {self._table} has no column {names[0]}, as one of {self._layout.kind} has.")
        if len(key) != 1:
            raise SourceError(f"The table {self._table} has no primary key of one column.")
        columns |= self._layout.computed(tables, columns)
        return _Users(users, users.c[key[0]], columns, _groups(connection, tables, users))

    def _read(self, row: Mapping[str, Any], roles: Sequence[str]) -> ImportRecord | UnreadableRecord:
        key, place, remarks = str(row["key"]), f"{self._table} {row['key']}", []
        values: dict[str, Any] = {name: _text(row[name]) for name in _TEXTS if name in row}
        for name in _FLAGS:
            if name in row:
                values[name] = flag = _flag(row[name])
                if flag is None:
                    return UnreadableRecord(key, place, f"{name} is neither true nor false: {_shown(row[name])}")
        if "name" not in row:
            values["name"] = " ".join(filter(None, (_text(row.get(part)) for part in ("first_name", "last_name"))))
        if row.get("created_at") is not None:
            values["created_at"] = self._seconds(row["created_at"])
            if values["created_at"] is None:
                remarks.append(f"its time of creation cannot be read: {_shown(row['created_at'])}")
        values["image"] = (values.get("image") or None) if self._media else None
        number = row["key"] if isinstance(row["key"], int) and row["key"] > 0 else None
        return ImportRecord(key=key, place=place, id=number, roles=tuple(roles), remarks=tuple(remarks), **values)

    def _seconds(self, value: object) -> float | None:
        try:
            time = datetime.fromisoformat(str(value))
            return (time if time.tzinfo else time.replace(tzinfo=self._zone)).timestamp()
        except (ValueError, OverflowError):
            return None


def _column_names(connection: Connection, name: str, schema: str | None) -> list[str]:
    """The columns by a query for no row, because reflection would warn of each type that it does not know."""
    return list(connection.execute(select(literal_column("*")).select_from(table(name, schema=schema)).limit(0)).keys())


def _groups(
    connection: Connection, tables: Inspector, users: TableClause
) -> tuple[TableClause, ColumnElement[Any], ColumnElement[Any]] | None:
    """Django's table between users and groups; drf-user calls the group a role since its migration 0003."""
    name, schema = f"{users.name}_groups", users.schema
    if not tables.has_table(name, schema) or not tables.has_table("auth_group", schema):
        return None
    there = _column_names(connection, name, schema)
    group = next((one for one in there if one in ("role_id", "group_id")), None)
    user = next((one for one in there if one.endswith("_id") and one != group), None)
    if group is None or user is None:
        return None
    joined = table(name, column(user), column(group), schema=schema)
    return joined, joined.c[user], joined.c[group]


def _batch(connection: Connection, users: _Users, after: Sequence[Any]) -> list[Mapping[str, Any]]:
    wanted = [users.key.label("key"), *(one.label(name) for name, one in users.columns.items())]
    statement = select(*wanted).select_from(users.table).order_by(users.key).limit(BATCH)
    rows = connection.execute(statement.where(*(users.key > key for key in after))).mappings()
    return [dict(row) for row in rows]


def _roles(connection: Connection, users: _Users, after: Sequence[Any], last: object) -> dict[Any, list[str]]:
    """The names of groups, by user, of the users beyond `after` up to `last`."""
    found: dict[Any, list[str]] = {}
    if users.groups is not None:
        joined, user, group = users.groups
        names = table("auth_group", column("id"), column("name"), schema=joined.schema)
        statement = select(user, names.c.name).select_from(joined.join(names, names.c.id == group))
        statement = statement.where(user <= last, *(user > key for key in after)).order_by(user, names.c.name)
        for key, name in connection.execute(statement):
            found.setdefault(key, []).append(str(name))
    return found


def _count(connection: Connection, rows: TableClause) -> int:
    return connection.scalar(select(func.count()).select_from(rows)) or 0


def _text(value: object) -> str | None:
    if isinstance(value, bytes):  # of a database that converts no text, and of a BLOB in SQLite
        return value.decode("utf-8", "replace")
    return None if value is None else str(value)


def _flag(value: object) -> bool | None:
    """None for neither; SQLite holds 1 and 0, or the text that somebody wrote. An absent one is false."""
    text = "0" if value is None else str(value).lower()
    return True if text in _TRUE else False if text in _FALSE else None


def _shown(value: object) -> str:
    text = str(value)
    return repr(text if len(text) <= _MAX_SHOWN else f"{text[:_MAX_SHOWN]}…")
