"""The audit log for operators, page by page, the newest events first."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from ..domain.errors import ErrorCode
from ..domain.events import TRUSTED_CALLER, Caller, Event, EventType
from ..domain.networks import network_of
from .operators import Operator, Operators
from .ports import AuditQuery, Database, InvalidText
from .validation import MAX_ID, Validator

MAX_PAGE = 100
SPAN = 10_000
"""The positions that a page without an account looks at: so it takes a bounded time, however rare the wanted events are."""


@dataclass(frozen=True, slots=True)
class EventPage:
    """Events with their positions, the newest first, and the cursor of the next page; None after the last one."""

    events: Sequence[tuple[int, Event]]
    cursor: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FindEvents:
    """The latest events that match all filters: of an account, a type, a network, or a time.

    `since` is inclusive, `until` exclusive. A page has at most `limit` events, up to 100. It may have fewer, and even none,
    where few of the latest match: the search goes on with its `cursor`. Raises `InvalidInput`, `NotPermitted`, `Unavailable`.
    """

    database: Database
    operators: Operators

    def __call__(
        self,
        *,
        operator: Operator,
        account_id: int | None = None,
        type: EventType | str | None = None,  # noqa: A002 — the name of the event's field
        ip_address: str | None = None,
        since: float | None = None,
        until: float | None = None,
        cursor: int | None = None,
        limit: int = 50,
        caller: Caller = TRUSTED_CALLER,
    ) -> EventPage:
        self.operators.admit(operator, self, None, caller)
        validator = Validator()
        wanted = AuditQuery(
            account_id=None if account_id is None else validator.number("account_id", account_id, 1, MAX_ID),
            type=validator.text("type", type, _type, required=False),
            ip_address=validator.text("ip_address", ip_address, network_of, required=False),
            since=validator.time("since", since),
            until=validator.time("until", until),
        )
        end = None if cursor is None else validator.number("cursor", cursor, 1, MAX_ID)
        size = validator.number("limit", limit, 1, MAX_PAGE)
        validator.raise_if_invalid()
        last = self.database.audit_log.last_position() + 1
        end = last if end is None else min(end, last)
        begin = 0 if wanted.account_id is not None else max(0, end - 1 - SPAN)
        events = self.database.audit_log.find_latest(replace(wanted, after=begin), before=end, limit=size + 1)
        page = events[:size]
        if len(events) > size:
            return EventPage(page, page[-1][0])
        return EventPage(page, begin + 1 if begin else None)


def _type(text: str) -> EventType:
    try:
        return EventType(text)
    except ValueError:
        raise InvalidText(f"This must be one of {', '.join(sorted(EventType))}.", ErrorCode.MALFORMED) from None
