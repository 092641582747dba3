"""What a flood of requests for codes may cost at most."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..domain.account import AddressKind
from ..domain.errors import Overloaded
from ..domain.rate_limits import RateLimit
from .ports import RateLimiter

HOUR = 3600.0

_log = logging.getLogger("vestibule.spending")


@dataclass(frozen=True, slots=True, kw_only=True)
class SendQuota:
    """So many codes within an hour, whoever asks and wherever they go; kinds that `per_hour` does not name are not counted.

    A code counts whether or not anybody is to get it: a refusal shall not tell who has an account.
    """

    rate_limiter: RateLimiter
    per_hour: Mapping[AddressKind, int]

    def __call__(self, kinds: Collection[AddressKind], now: float) -> None:
        """One code of each kind. Raises `Overloaded` where there is no room, and tells the log of it once an hour."""
        for kind in (
            AddressKind.MOBILE,
            AddressKind.EMAIL,
        ):  # an SMS never goes without a mail: what is refused uses up no room for mails
            if kind in kinds and kind in self.per_hour:
                self._spend(kind, self.per_hour[kind], now)

    def _spend(self, kind: AddressKind, limit: int, now: float) -> None:
        wait = self.rate_limiter.hit(f"codes:{kind}", (RateLimit(limit, HOUR),), now)
        if not wait:
            return
        if not self.rate_limiter.hit(f"alarm:{kind}", (RateLimit(1, HOUR),), now):
            _log.warning("no more codes go to any %s for now: %d were asked for within the hour", kind, limit)
        raise Overloaded(wait)
