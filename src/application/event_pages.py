"""The audit log for operators, page by page, the newest events first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..domain.events import TRUSTED_CALLER, Caller, Event
from .operators import Operator, Operators
from .ports import AuditQuery, Database
from .validation import Validator

MAX_PAGE = 100
SPAN = 10_000
"""The positions that a page without an account looks at: so it takes a bounded time, however rare the wanted events are."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events with their positions, the newest first, and the `before` of the next page; None after the last one."""

    events: Sequence[tuple[int, Event]]
    before: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindEvents:
    """The latest events that match the query, before the position `before`.

    A page has at most `limit` events, up to 100. It may have fewer, and even none, where few of the latest match: the next one
    goes on. Raises `InvalidInput`, `NotPermitted`, `Unavailable`.
    """

    database: Database
    operators: Operators

    def __call__(
        self,
        *,
        operator: Operator,
        query: AuditQuery | None = None,
        before: int | None = None,
        limit: int = 50,
        caller: Caller = TRUSTED_CALLER,
    ) -> EventPage:
        self.operators.admit(operator, self, None, caller)
        validator, wanted = Validator(), query or AuditQuery()
        end = None if before is None else validator.number("before", before, 1, 2**63 - 1)
        size = validator.number("limit", limit, 1, MAX_PAGE)
        validator.raise_if_invalid()
        last = self.database.audit_log.last_position() + 1
        end = last if end is None else min(end, last)
        begin = wanted.after if wanted.account_id is not None else max(wanted.after, end - 1 - SPAN)
        events = self.database.audit_log.find_latest(replace(wanted, after=begin), before=end, limit=size + 1)
        page = events[:size]
        if len(events) > size:
            return EventPage(page, page[-1][0])
        return EventPage(page, begin + 1 if begin > wanted.after else None)
