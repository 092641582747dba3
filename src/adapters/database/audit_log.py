"""The audit log in SQL, and the cursors of its readers. Rows are only added, until they are purged or their account goes."""

from collections.abc import Callable, Collection, Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import BigInteger, Select, bindparam, func, literal_column, null, select, update
from sqlalchemy.dialects.postgresql import insert  # its ON CONFLICT compiles for SQLite too, not the reverse

from ...application.ports import AuditQuery, Cursor
from ...domain.events import Caller, Event, EventType
from .locked_rows import LockedRows
from .schema import audit_log, cursors
from .sql import OpenTransaction, Query, binds, padded, storable

GAP_TIMEOUT = 60.0
"""Seconds after which a missing position counts as rolled back: longer than a transaction lives, and clocks differ."""

_columns = audit_log.columns
_ADD = insert(audit_log).values(binds([column for column in _columns if not column.primary_key])).inline()
_PLAIN = ("occurred_at", "account_id", "session_id", "detail", "actor", "reason")
_FIND = (
    select(*_columns["position", "type", "caller_ip_address", "caller_user_agent", "request_id", *_PLAIN])
    .where(_columns.position > bindparam("after"))
    .order_by(_columns.position)
    .limit(bindparam("limit"))
)
_FIND_LATEST = (
    select(*_FIND.selected_columns)
    .where(_columns.position > bindparam("after"), _columns.position < bindparam("before"))
    .order_by(_columns.position.desc())
    .limit(bindparam("limit"))
)
_of_account = (
    select(_columns.position)
    .where(_columns.account_id == bindparam("of_account"), _columns.position > bindparam("after"))
    .order_by(_columns.position)
    .limit(bindparam("limit"))
)
_PERSONAL = ("session_id", "caller_ip_address", "caller_user_agent", "request_id", "reason")
_ANONYMISE = (
    update(audit_log)
    .where(_columns.position.in_(_of_account))
    .values({**dict.fromkeys(_PERSONAL, null()), "detail": ""})
    .returning(_columns.position)
)
_LAST = select(func.max(_columns.position))
_COUNT_FAILED_LOGINS = select(func.count()).where(
    _columns.type == literal_column(f"'{EventType.LOGIN_FAILED}'"),  # as in the condition of the index
    _columns.occurred_at >= bindparam("since"),
    _columns.occurred_at < bindparam("until"),
)
_FILTERS = {
    "account_id": _columns.account_id.__eq__,
    "type": _columns.type.__eq__,
    "ip_address": _columns.caller_ip_address.__eq__,
    "since": _columns.occurred_at.__ge__,
    "until": _columns.occurred_at.__lt__,
}

_cursor = (cursors.c.position, cursors.c.moved_at, cursors.c.leased_until)
_is_named = cursors.c.name == bindparam("reader")
_new = insert(cursors).values(name=bindparam("reader"), position=0, moved_at=0.0, leased_until=0.0)
_GET_CURSOR = select(*_cursor).where(_is_named)
_unchanged = {"name": _new.excluded.name}
_LOCK_CURSOR = _new.on_conflict_do_update(index_elements=[cursors.c.name], set_=_unchanged).returning(*_cursor)
"""Adds the row if it is missing, because an absent row cannot be locked."""

_SAVE_CURSOR = (
    update(cursors).where(_is_named).values(position=bindparam("to"), moved_at=bindparam("at"), leased_until=bindparam("until"))
)


@cache
def _deleted(count: int) -> Select[Any]:
    ids = [bindparam(f"id{number}", type_=BigInteger) for number in range(count)]
    return select(_columns.account_id).where(_columns.account_id.in_(ids), _columns.type == EventType.ACCOUNT_DELETED.value)


@cache
def filtered(*names: str, latest: bool = False) -> Select[Any]:
    """One statement for each set of filters, so that it is compiled once."""
    statement = _FIND_LATEST if latest else _FIND
    return statement.where(*(_FILTERS[name](bindparam(name)) for name in names))


class SqlAuditLogReads:
    """Reads committed events. `in_order` if commits have the order of positions, as with a single writer."""

    def __init__(self, query: Query, *, in_order: bool) -> None:
        self._query = query
        self._in_order = in_order

    def find(self, query: AuditQuery, *, limit: int) -> Sequence[tuple[int, Event]]:
        filters = _filters(query)
        rows = self._query(filtered(*filters), after=query.after, limit=limit, **filters)
        return [(position, _event(*row)) for position, *row in rows]

    def find_latest(self, query: AuditQuery, *, before: int, limit: int) -> Sequence[tuple[int, Event]]:
        filters = _filters(query)
        rows = self._query(filtered(*filters, latest=True), after=query.after, before=before, limit=limit, **filters)
        return [(position, _event(*row)) for position, *row in rows]

    def count_failed_logins(self, since: float, until: float) -> int:
        [(count,)] = self._query(_COUNT_FAILED_LOGINS, since=since, until=until)
        return int(count)

    def deleted_accounts(self, ids: Collection[int]) -> frozenset[int]:
        found: set[int] = set()
        for part in padded(ids):
            values = {f"id{number}": account_id for number, account_id in enumerate(part)}
            found.update(row[0] for row in self._query(_deleted(len(part)), **values))
        return frozenset(found)

    def last_position(self) -> int:
        [(position,)] = self._query(_LAST)
        return int(position or 0)

    def read_stable_after(self, after: int, now: float, *, limit: int) -> Sequence[tuple[int, Event]]:
        events = self.find(AuditQuery(after=after), limit=limit)
        return events if self._in_order else list(_until_gap(events, after, now))


def _filters(query: AuditQuery) -> dict[str, Any]:
    return {name: value for name in _FILTERS if (value := getattr(query, name)) is not None}


def _until_gap(events: Sequence[tuple[int, Event]], after: int, now: float) -> Iterator[tuple[int, Event]]:
    """Stops at a recent missing position, which an open transaction may hold. A rollback leaves a gap for good."""
    for position, event in events:
        if position != after + 1 and event.occurred_at > now - GAP_TIMEOUT:
            return
        yield position, event
        after = position


def _event(type_: str, ip_address: str | None, user_agent: str | None, request_id: str | None, *plain: Any) -> Event:
    caller = Caller(ip_address, user_agent, request_id)
    return Event(type=EventType(type_), caller=caller, **dict(zip(_PLAIN, plain, strict=True)))


class SqlAuditLog:
    """Adds events in one transaction, and calls `on_add` for each."""

    def __init__(self, sql: OpenTransaction, on_add: Callable[[], None]) -> None:
        self._sql = sql
        self._on_add = on_add

    def add(self, event: Event) -> None:
        self._sql.run(
            _ADD,
            occurred_at=event.occurred_at,
            type=event.type.value,
            account_id=event.account_id,
            session_id=event.session_id,
            caller_ip_address=storable(event.caller.ip_address),
            caller_user_agent=storable(event.caller.user_agent),
            request_id=storable(event.caller.request_id),
            detail=storable(event.detail),
            actor=storable(event.actor),
            reason=storable(event.reason),
        )
        self._on_add()

    def anonymise(self, account_id: int, *, after: int, limit: int) -> int:
        rows = self._sql.run(_ANONYMISE, of_account=account_id, after=after, limit=limit)
        return max((row[0] for row in rows), default=0)


class SqlCursorReads:
    """Reads cursors by `query`: committed ones, or those that one transaction sees."""

    def __init__(self, query: Query) -> None:
        self._query = query

    def get(self, name: str) -> Cursor:
        rows = self._query(_GET_CURSOR, reader=name)
        return _cursor_of(name, *rows[0]) if rows else Cursor(name=name)


class SqlCursors(SqlCursorReads):
    """Reads, locks and changes cursors in one transaction."""

    def __init__(self, sql: OpenTransaction, locked: LockedRows) -> None:
        super().__init__(sql.query)
        self._sql = sql
        self._locked = locked

    def lock(self, name: str) -> Cursor:
        self._locked.add("cursors", name)
        return _cursor_of(name, *self._sql.run(_LOCK_CURSOR, reader=name)[0])

    def save(self, cursor: Cursor) -> None:
        self._locked.require("cursors", cursor.name)
        self._sql.run(_SAVE_CURSOR, reader=cursor.name, to=cursor.position, at=cursor.moved_at, until=cursor.leased_until)


def _cursor_of(name: str, position: int, moved_at: float, leased_until: float) -> Cursor:
    return Cursor(name=name, position=position, moved_at=moved_at, leased_until=leased_until)
