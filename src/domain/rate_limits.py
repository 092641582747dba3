"""How often something may happen: sliding windows over a short memory of moments."""

from dataclasses import dataclass, replace
from math import ceil


@dataclass(frozen=True, slots=True)
class Limit:
    """At most `count` times within any `seconds`."""

    count: int
    seconds: float


@dataclass(frozen=True, slots=True)
class Tally:
    """When something last happened under `key`: seconds since the epoch, oldest first.

    A clock that stepped back a little neither reorders the memory nor shortens a wait. One that was ahead by more than a
    whole window had been wrong: what it counted holds nobody up until then, and counts as of now when the next is counted.
    """

    key: str
    moments: tuple[float, ...] = ()

    def wait(self, limits: tuple[Limit, ...], now: float) -> int:
        """Whole seconds until one more fits within every limit; 0 when it fits now."""
        longest = 0.0
        for limit in limits:
            if limit.count > len(self.moments):
                continue
            left = limit.seconds - (now - self.moments[-limit.count])
            if left <= 2 * limit.seconds:
                longest = max(longest, left)
        return ceil(round(longest, 3))  # moments are no finer than a quarter of a microsecond

    def add(self, limits: tuple[Limit, ...], now: float) -> "Tally":
        """One more, remembering no more than the limits can ask for."""
        moments = self.moments
        if moments and moments[-1] - now > min(limit.seconds for limit in limits):
            moments = tuple(min(moment, now) for moment in moments)
        moment = max(now, moments[-1]) if moments else now
        keep = max(limit.count for limit in limits)
        return replace(self, moments=(*moments, moment)[-keep:])

    def clear(self) -> "Tally":
        return replace(self, moments=())


CODE_SENDS_PER_HOUR = Limit(5, 3600)
CODE_SENDS_PER_DAY = Limit(10, 86_400)
WRONG_CODES = (Limit(30, 86_400),)
WRONG_CODES_BY_ADDRESS = (Limit(30, 300),)
FAILED_LOGINS_BY_IDENTITY_AND_ADDRESS = (Limit(5, 300),)
FAILED_LOGINS_BY_IDENTITY = (Limit(30, 900),)
FAILED_LOGINS_BY_ADDRESS = (Limit(10, 60), Limit(100, 3600))
REGISTRATIONS_BY_ADDRESS = (Limit(20, 60),)
UNIQUENESS_CHECKS_BY_ADDRESS = (Limit(30, 60),)
CALLS_BY_ADDRESS = (Limit(300, 60),)
NOTICES = (Limit(10, 86_400),)


def code_sends(cooldown: float) -> tuple[Limit, ...]:
    """How often a code may go to one address: once in `cooldown` seconds, 5 an hour, 10 a day."""
    return (Limit(1, cooldown), CODE_SENDS_PER_HOUR, CODE_SENDS_PER_DAY)
