"""The journal in SQL: rows are only ever added, until they are old enough to go."""

from collections.abc import Sequence
from functools import cache
from typing import Any

from sqlalchemy import Select, bindparam, insert, select

from ...application.ports import Query
from ...domain.events import Caller, Event, What
from .schema import journal
from .statements import Ask, Unit, binds, storable

_ADD = insert(journal).values(binds([column for column in journal.columns if not column.primary_key]))


_columns = journal.columns
_FIND = (
    select(
        _columns.position,
        _columns.what,
        _columns.at,
        _columns.account_id,
        _columns.session_id,
        _columns.caller_address,
        _columns.caller_agent,
        _columns.request_id,
        _columns.note,
    )
    .where(_columns.position > bindparam("after"))
    .order_by(_columns.position)
    .limit(bindparam("most"))
)
_FILTERS = {
    "account_id": _columns.account_id.__eq__,
    "what": _columns.what.__eq__,
    "address": _columns.caller_address.__eq__,
    "since": _columns.at.__ge__,
    "until": _columns.at.__lt__,
}


@cache
def _finding(*given: str) -> Select[Any]:
    """One statement for each set of filters that is asked for, so that it is compiled once."""
    return _FIND.where(*(_FILTERS[name](bindparam(name)) for name in given))


class SqlJournalReads:
    """The journal as committed."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    def find(self, query: Query, *, most: int) -> Sequence[tuple[int, Event]]:
        given = {name: value for name in _FILTERS if (value := getattr(query, name)) is not None}
        rows = self._ask(_finding(*given), after=query.after, most=most, **given)
        return [(position, _event(*row)) for position, *row in rows]


def _event(what: str, at: float, account_id: int | None, session_id: str | None, *rest: Any) -> Event:
    *caller, note = rest
    return Event(what=What(what), at=at, account_id=account_id, session_id=session_id, caller=Caller(*caller), note=note)


class SqlJournal:
    """The journal inside a transaction."""

    def __init__(self, unit: Unit) -> None:
        self._unit = unit

    def add(self, event: Event) -> None:
        self._unit.run(
            _ADD,
            at=event.at,
            what=event.what.value,
            account_id=event.account_id,
            session_id=event.session_id,
            caller_address=storable(event.caller.address),
            caller_agent=storable(event.caller.agent),
            request_id=storable(event.caller.request_id),
            note=storable(event.note),
        )
