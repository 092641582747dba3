"""The hourly quota of mails and SMS as counters in the database."""

import logging
from collections import Counter as Multiset
from collections.abc import Sequence
from dataclasses import dataclass

from ..domain.account import AddressKind
from ..domain.errors import Overloaded
from ..domain.quota import HourlyQuota
from ..domain.rate_limits import HOUR, RateLimit
from . import rate_limits
from .ports import Clock, RateLimiter, Transaction
from .rate_limits import Counter

_TOTAL, _SHARE = "hourly-total", "codes"

_log = logging.getLogger("vestibule.send_quota")


@dataclass(frozen=True, slots=True, kw_only=True)
class SendQuota:
    """Counts mails and SMS in the windows of `quota`; a decoy as well: otherwise a refusal would reveal who has an account.

    These windows are locked after all others and after accounts: every transaction that sends a message shares them.
    """

    quota: HourlyQuota
    rate_limiter: RateLimiter
    clock: Clock
    limits_by_ip_address: bool = True

    def count_codes(self, tx: Transaction, kinds: Sequence[AddressKind], network: str | None, *, is_known: bool) -> None:
        """Counts a code for each kind of address; `is_known` says that its account knows the `network`.

        Raises `RateLimited` for the network's share, `Overloaded` for a total, which is logged once an hour.
        """
        counters = rate_limits.lock(tx.rate_limits, self._of_codes(kinds, network, is_known=is_known), self.clock)
        refusal = counters.refusal()
        if refusal is None:
            counters.hit().save(tx.rate_limits)
        elif refusal.policy == _TOTAL:
            self._alarm()
            raise Overloaded(refusal.retry_after)
        else:
            raise refusal

    def of_notice(self, kind: AddressKind, network: str | None) -> list[Counter]:
        windows = self.quota.windows(kind, is_notice=True, network=network if self.limits_by_ip_address else None)
        return [Counter(key, limits, _TOTAL) for key, limits in windows]

    def _of_codes(self, kinds: Sequence[AddressKind], network: str | None, *, is_known: bool) -> list[Counter]:
        """The counters of known and of unknown networks, those of the other without limits, so that both cost the same."""
        shared = network if self.limits_by_ip_address else None
        counters = []
        for kind, hits in Multiset(kinds).items():
            actual = dict(self.quota.windows(kind, is_known=is_known, network=shared))
            other = self.quota.windows(kind, is_known=not is_known, network=shared)
            keys = sorted(actual.keys() | dict(other))
            counters += [Counter(key, actual.get(key, ()), _SHARE if "@" in key else _TOTAL, hits) for key in keys]
        return counters

    def _alarm(self) -> None:
        if not self.rate_limiter.hit("alarm:hourly-total", (RateLimit(1, HOUR),), self.clock()):
            quota = ", ".join(f"{count} by {kind}" for kind, count in self.quota.per_hour.items())
            _log.warning("the hourly quota of messages (%s) is used up; further requests are refused", quota)
