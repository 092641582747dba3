"""Rate limits over sliding windows of timestamps."""

from dataclasses import dataclass, replace
from math import ceil


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit of `count` hits within any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """The latest hits under `key`, in seconds since the epoch, the oldest first.

    A clock that stepped back a little neither reorders the timestamps nor shortens a wait. A timestamp more than a whole
    window ahead was wrong: it delays no caller until then, and becomes the current time at the next hit.
    """

    key: str
    timestamps: tuple[float, ...] = ()

    def retry_after(self, limits: tuple[RateLimit, ...], now: float) -> int:
        """Whole seconds until every limit allows one more hit; 0 if they allow it now."""
        longest = 0.0
        for limit in limits:
            if limit.count > len(self.timestamps):
                continue
            left = limit.seconds - (now - self.timestamps[-limit.count])
            if left <= 2 * limit.seconds:
                longest = max(longest, left)
        return ceil(round(longest, 3))  # timestamps are no finer than a quarter of a microsecond

    def with_hit(self, limits: tuple[RateLimit, ...], now: float) -> "SlidingWindow":
        """The window with one more hit, reduced to the timestamps that the limits need."""
        timestamps = self.timestamps
        if timestamps and timestamps[-1] - now > min(limit.seconds for limit in limits):
            timestamps = tuple(min(timestamp, now) for timestamp in timestamps)
        latest = max(now, timestamps[-1]) if timestamps else now
        keep = max(limit.count for limit in limits)
        return replace(self, timestamps=(*timestamps, latest)[-keep:])


MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

CODE_SENDS_PER_HOUR = RateLimit(5, HOUR)
CODE_SENDS_PER_DAY = RateLimit(10, DAY)
WRONG_CODES = (RateLimit(30, DAY),)
WRONG_CODES_BY_IP_ADDRESS = (RateLimit(30, 300),)
FAILED_LOGINS_BY_IDENTIFIER_AND_IP_ADDRESS = (RateLimit(5, 300),)
FAILED_LOGINS_BY_IDENTIFIER = (RateLimit(30, 900),)
FAILED_LOGINS_BY_IP_ADDRESS = (RateLimit(10, 60), RateLimit(100, HOUR))
REGISTRATIONS_BY_IP_ADDRESS = (RateLimit(20, 60),)
UNIQUENESS_CHECKS_BY_IP_ADDRESS = (RateLimit(30, 60),)
CALLS_BY_IP_ADDRESS = (RateLimit(300, 60),)
NOTICES = (RateLimit(10, DAY),)


def code_sends(cooldown: float) -> tuple[RateLimit, ...]:
    """The limits on codes to one address: one in `cooldown` seconds, 5 an hour, 10 a day."""
    return (RateLimit(1, cooldown), CODE_SENDS_PER_HOUR, CODE_SENDS_PER_DAY)
