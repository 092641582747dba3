"""The alarm on guessing, which counts the failures of the whole service, whatever their accounts and networks."""

import logging
from dataclasses import dataclass, replace

from ..domain.events import EventType
from ..domain.rate_limits import HOUR, Limits, RateLimit, RateLimits
from . import rate_limits
from .ports import AuditQuery, Clock, Database
from .rate_limits import Counter

BATCH = 500
CURSOR_NAME = "vestibule-alarms"
PERIOD = 60.0
"""Seconds between two counts, of whichever process."""

_POLICY = "alarm"
_NAMES = {EventType.LOGIN_FAILED: "failed logins", EventType.CODE_REFUSED: "wrong codes"}

_log = logging.getLogger("vestibule.alarms")


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchFailures:
    """Counts failed logins and wrong codes since the last call, and logs an error where the whole service reaches a limit.

    Guesses that are spread over accounts and networks reach none of the other limits. Nothing is refused here. Each limit is
    reported once an hour. The counters are in the database: of several processes that call this, one counts in each minute.
    Raises `Unavailable`.
    """

    database: Database
    clock: Clock
    limits: Limits

    def __call__(self) -> None:
        cursor, last, now = self.database.cursors.get(CURSOR_NAME), self.database.audit_log.last_position(), self.clock()
        if last == cursor.position or 0 <= now - cursor.moved_at < PERIOD:
            return
        limits = {
            EventType.LOGIN_FAILED: self.limits.failed_logins_before_alarm,
            EventType.CODE_REFUSED: self.limits.wrong_codes_before_alarm,
        }
        is_new = not cursor.moved_at  # what happened before the first call is not an attack of now
        failures = {type_: 0 if is_new else self._count(type_, cursor.position, last) for type_ in limits}
        counting = {type_: _counter(type_, limits[type_], failures[type_]) for type_ in limits}
        reporting = {type_: Counter(f"alarm-reported:{type_}", (RateLimit(1, HOUR),), _POLICY) for type_ in limits}
        with self.database.begin() as tx:
            if tx.cursors.lock(CURSOR_NAME) != cursor:
                return  # another process counts them
            tx.cursors.save(replace(cursor, position=last, moved_at=now))
            locked = rate_limits.lock(tx.rate_limits, [*counting.values(), *reporting.values()], self.clock)
            counted = locked.hit(leaving_out=[counter.key for counter in reporting.values()])
            reached = [
                type_
                for type_ in limits
                if failures[type_] and counted.is_full(counting[type_].key) and not locked.is_full(reporting[type_].key)
            ]
            silent = [counter.key for type_, counter in reporting.items() if type_ not in reached]
            counted.hit(leaving_out=[*silent, *(counter.key for counter in counting.values())]).save(tx.rate_limits)
        for type_ in reached:
            rates = ", ".join(map(str, limits[type_]))
            _log.error(
                "%s of the whole service reached %s: somebody may be guessing; `vestibule audit-log --type %s` lists them",
                _NAMES[type_],
                rates,
                type_,
            )

    def _count(self, type_: EventType, after: int, last: int) -> int:
        """The number of events of the type beyond the position `after`, up to `last`."""
        counted = 0
        while after < last and (events := self.database.audit_log.find(AuditQuery(type=type_, after=after), limit=BATCH)):
            counted += sum(position <= last for position, _ in events)
            after = events[-1][0]
        return counted


def _counter(type_: EventType, limits: RateLimits, hits: int) -> Counter:
    """A counter that takes no more hits than its largest limit needs."""
    return Counter(f"alarm:{type_}", limits, _POLICY, hits=min(hits, max(limit.count for limit in limits)), refuses=False)
