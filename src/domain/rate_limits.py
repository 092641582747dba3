"""How often something may happen: sliding windows over a short memory of moments."""

from dataclasses import dataclass, replace
from math import ceil


@dataclass(frozen=True, slots=True)
class RateLimit:
    """At most `count` times within any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """When something last happened under `key`: seconds since the epoch, oldest first.

    A clock that stepped back a little neither reorders the memory nor shortens a wait. One that was ahead by more than a
    whole window had been wrong: what it counted holds nobody up until then, and counts as of now when the next is counted.
    """

    key: str
    timestamps: tuple[float, ...] = ()

    def retry_after(self, limits: tuple[RateLimit, ...], now: float) -> int:
        """Whole seconds until one more fits within every limit; 0 when it fits now."""
        longest = 0.0
        for limit in limits:
            if limit.count > len(self.timestamps):
                continue
            left = limit.seconds - (now - self.timestamps[-limit.count])
            if left <= 2 * limit.seconds:
                longest = max(longest, left)
        return ceil(round(longest, 3))  # moments are no finer than a quarter of a microsecond

    def hit(self, limits: tuple[RateLimit, ...], now: float) -> "SlidingWindow":
        """One more, remembering no more than the limits can ask for."""
        moments = self.timestamps
        if moments and moments[-1] - now > min(limit.seconds for limit in limits):
            moments = tuple(min(moment, now) for moment in moments)
        moment = max(now, moments[-1]) if moments else now
        keep = max(limit.count for limit in limits)
        return replace(self, timestamps=(*moments, moment)[-keep:])

    def reset(self) -> "SlidingWindow":
        return replace(self, timestamps=())


MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

CODE_SENDS_PER_HOUR = RateLimit(5, HOUR)
CODE_SENDS_PER_DAY = RateLimit(10, DAY)
WRONG_CODES = (RateLimit(30, DAY),)
WRONG_CODES_BY_ADDRESS = (RateLimit(30, 300),)
FAILED_LOGINS_BY_IDENTITY_AND_ADDRESS = (RateLimit(5, 300),)
FAILED_LOGINS_BY_IDENTITY = (RateLimit(30, 900),)
FAILED_LOGINS_BY_ADDRESS = (RateLimit(10, 60), RateLimit(100, HOUR))
REGISTRATIONS_BY_ADDRESS = (RateLimit(20, 60),)
UNIQUENESS_CHECKS_BY_ADDRESS = (RateLimit(30, 60),)
CALLS_BY_ADDRESS = (RateLimit(300, 60),)
NOTICES = (RateLimit(10, DAY),)


def code_sends(cooldown: float) -> tuple[RateLimit, ...]:
    """How often a code may go to one address: once in `cooldown` seconds, 5 an hour, 10 a day."""
    return (RateLimit(1, cooldown), CODE_SENDS_PER_HOUR, CODE_SENDS_PER_DAY)
