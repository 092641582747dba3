"""What a flood of requests for codes may cost at most."""

import logging
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from ..domain.account import Kind
from ..domain.errors import Overloaded
from ..domain.rate_limits import Limit
from .ports import Throttle

HOUR = 3600.0

_log = logging.getLogger("vestibule.spending")


@dataclass(frozen=True, slots=True, kw_only=True)
class Spending:
    """So many codes within an hour, whoever asks and wherever they go; kinds that `per_hour` does not name are not counted.

    A code counts whether or not anybody is to get it: a refusal shall not tell who has an account.
    """

    throttle: Throttle
    per_hour: Mapping[Kind, int]

    def __call__(self, kinds: Collection[Kind], now: float) -> None:
        """One code of each kind. Raises `Overloaded` where there is no room, and tells the log of it once an hour."""
        for kind in (Kind.MOBILE, Kind.EMAIL):  # an SMS never goes without a mail: what is refused uses up no room for mails
            if kind in kinds and kind in self.per_hour:
                self._spend(kind, self.per_hour[kind], now)

    def _spend(self, kind: Kind, most: int, now: float) -> None:
        wait = self.throttle.take(f"codes:{kind}", (Limit(most, HOUR),), now)
        if not wait:
            return
        if not self.throttle.take(f"alarm:{kind}", (Limit(1, HOUR),), now):
            _log.warning("no more codes go to any %s for now: %d were asked for within the hour", kind, most)
        raise Overloaded(wait)
