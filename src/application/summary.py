"""The summary of a service for its operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from ..domain.events import TRUSTED_CALLER, Caller
from ..domain.rate_limits import DAY
from .operators import Operator, Operators
from .ports import Backlog, Clock, Database

DAYS = 7


class DayOfSummary(NamedTuple):
    """One day, in UTC, that began at `begins_at`: accounts created and not deleted since, logins, and failed logins."""

    begins_at: float
    registrations: int
    logins: int
    failed_logins: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSummary:
    """The number of accounts, the last seven days, the latest first, and the backlog of messages by channel."""

    accounts: int
    days: Sequence[DayOfSummary]
    outbox: Sequence[Backlog]


@dataclass(frozen=True, slots=True, kw_only=True)
class Summarize:
    """Counts accounts, registrations, logins and failed logins by day, and waiting messages.

    Logins are sessions on record. Takes about 0.1 s for each million of rows that it counts. Raises `NotPermitted`,
    `Unavailable`.
    """

    database: Database
    operators: Operators
    clock: Clock

    def __call__(self, *, operator: Operator, caller: Caller = TRUSTED_CALLER) -> ServiceSummary:
        self.operators.admit(operator, self, None, caller)
        now = self.clock()
        today = now - now % DAY
        return ServiceSummary(
            accounts=self.database.accounts.count(),
            days=[self._day(today - number * DAY) for number in range(DAYS)],
            outbox=self.database.outbox.backlog(now),
        )

    def _day(self, begin: float) -> DayOfSummary:
        end = begin + DAY
        return DayOfSummary(
            begins_at=begin,
            registrations=self.database.accounts.count_created(begin, end),
            logins=self.database.sessions.count_started(begin, end),
            failed_logins=self.database.audit_log.count_failed_logins(begin, end),
        )
