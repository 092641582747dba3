"""The journal in SQL: rows are only ever added, until they are old enough to go."""

from collections.abc import Iterator, Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, func, insert, select

from ...application.ports import AuditQuery
from ...domain.events import Caller, Event, EventType
from .schema import audit_log
from .sql import Ask, Unit, binds, storable

_ADD = insert(audit_log).values(binds([column for column in audit_log.columns if not column.primary_key]))


_columns = audit_log.columns
_FIND = (
    select(
        _columns.position,
        _columns.type,
        _columns.occurred_at,
        _columns.account_id,
        _columns.session_id,
        _columns.caller_address,
        _columns.caller_user_agent,
        _columns.request_id,
        _columns.detail,
    )
    .where(_columns.position > bindparam("after"))
    .order_by(_columns.position)
    .limit(bindparam("limit"))
)
_LAST = select(func.max(_columns.position))
_FILTERS = {
    "account_id": _columns.account_id.__eq__,
    "type": _columns.type.__eq__,
    "address": _columns.caller_address.__eq__,
    "since": _columns.occurred_at.__ge__,
    "until": _columns.occurred_at.__lt__,
}


@cache
def _finding(*given: str) -> Select[Any]:
    """One statement for each set of filters that is asked for, so that it is compiled once."""
    return _FIND.where(*(_FILTERS[name](bindparam(name)) for name in given))


MOST_DELAY = 60.0
"""Seconds after an event in which others may still appear before it: longer than a transaction lives, and clocks differ."""


class SqlJournalReads:
    """The journal as committed; `in_order` where it is committed in the order of positions, as by a single writer."""

    def __init__(self, ask: Ask, *, in_order: bool) -> None:
        self._ask = ask
        self._in_order = in_order

    def last_position(self) -> int:
        [(position,)] = self._ask(_LAST)
        return int(position or 0)

    def find(self, query: AuditQuery, *, limit: int) -> Sequence[tuple[int, Event]]:
        given = {name: value for name in _FILTERS if (value := getattr(query, name)) is not None}
        rows = self._ask(_finding(*given), after=query.after, limit=limit, **given)
        return [(position, _event(*row)) for position, *row in rows]

    def read_stable_after(self, after: int, now: float, *, limit: int) -> Sequence[tuple[int, Event]]:
        found = self.find(AuditQuery(after=after), limit=limit)
        return found if self._in_order else list(_settled(found, after, now))


def _settled(events: Sequence[tuple[int, Event]], after: int, now: float) -> Iterator[tuple[int, Event]]:
    """Up to the first position that is missing, for a transaction under way may have it; unless that was too long ago.

    What was rolled back leaves its position empty for good.
    """
    for position, event in events:
        if position != after + 1 and event.occurred_at > now - MOST_DELAY:
            return
        yield position, event
        after = position


def _event(type_: str, occurred_at: float, account_id: int | None, session_id: str | None, *rest: Any) -> Event:
    *caller, detail = rest
    return Event(
        type=EventType(type_),
        occurred_at=occurred_at,
        account_id=account_id,
        session_id=session_id,
        caller=Caller(*caller),
        detail=detail,
    )


class SqlJournal:
    """The journal inside a transaction."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit
        self.has_new = False

    def add(self, event: Event) -> None:
        self.has_new = True
        self._unit.run(
            _ADD,
            occurred_at=event.occurred_at,
            type=event.type.value,
            account_id=event.account_id,
            session_id=event.session_id,
            caller_address=storable(event.caller.address),
            caller_user_agent=storable(event.caller.user_agent),
            request_id=storable(event.caller.request_id),
            detail=storable(event.detail),
        )
