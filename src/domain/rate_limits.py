"""Rate limits over sliding windows of timestamps, and the table of all limits."""

from dataclasses import dataclass, field, replace
from math import ceil
from typing import Any

MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0

_UNITS = (("day", DAY), ("hour", HOUR), ("min", MINUTE), ("s", 1.0))


@dataclass(frozen=True, slots=True)
class RateLimit:
    """A limit of `count` hits within any `seconds`. Its text is that of the settings: `3/hour`, `30/5min`."""

    count: int
    seconds: float

    def __str__(self) -> str:
        unit, seconds = next(((unit, seconds) for unit, seconds in _UNITS if self.seconds % seconds == 0), ("s", 1.0))
        periods = f"{self.seconds / seconds:g}"
        return f"{self.count}/{'' if periods == '1' else periods}{unit}"


RateLimits = tuple[RateLimit, ...]
"""Limits that hold together, the shortest period first."""


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """The latest hits under `key`, in seconds since the epoch, the oldest first.

    A clock that stepped back a little neither reorders the timestamps nor shortens a wait. A timestamp more than a whole
    window ahead was wrong: it delays no caller until then, and becomes the current time at the next hit.
    """

    key: str
    timestamps: tuple[float, ...] = ()

    def retry_after(self, limits: RateLimits, now: float) -> int:
        """Whole seconds until every limit allows one more hit; 0 if they allow it now."""
        return self.longest_wait(limits, now)[0]

    def longest_wait(self, limits: RateLimits, now: float) -> tuple[int, RateLimit | None]:
        """`retry_after`, and the limit that refuses for so long; None if no limit refuses."""
        longest, refusing = 0.0, None
        for limit in limits:
            if limit.count > len(self.timestamps):
                continue
            left = limit.seconds - (now - self.timestamps[-limit.count])
            if longest < left <= 2 * limit.seconds:
                longest, refusing = left, limit
        seconds = ceil(round(longest, 3))  # timestamps are no finer than a quarter of a microsecond
        return seconds, refusing if seconds else None

    def with_hit(self, limits: RateLimits, now: float) -> "SlidingWindow":
        """The window with one more hit, reduced to the timestamps that the limits need."""
        timestamps = self.timestamps
        if timestamps and timestamps[-1] - now > min(limit.seconds for limit in limits):
            timestamps = tuple(min(timestamp, now) for timestamp in timestamps)
        latest = max(now, timestamps[-1]) if timestamps else now
        keep = max(limit.count for limit in limits)
        return replace(self, timestamps=(*timestamps, latest)[-keep:])


def refusing_limit(limits: RateLimits, retry_after: int) -> RateLimit | None:
    """The limit of the shortest period that may refuse for `retry_after` seconds; None if it is 0.

    For a `RateLimiter`, which says how long to wait and not for which limit.
    """
    if not retry_after:
        return None
    by_period = sorted(limits, key=lambda limit: limit.seconds)
    return next((limit for limit in by_period if limit.seconds >= retry_after), by_period[-1])


def _limit(text: str, *limits: RateLimit) -> Any:
    return field(default=limits, metadata={"help": text})


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Every limit that an operator may set, each with its default.

    A network is an IPv4 address or an IPv6 /64. A known network is one in which a session of the account began lately.
    """

    codes_per_destination_and_network: RateLimits = _limit(
        "Codes asked for, for one destination from one network.", RateLimit(3, HOUR), RateLimit(5, DAY)
    )
    codes_per_destination_from_unknown_networks: RateLimits = _limit(
        "Codes asked for, for one destination from all networks that its account does not know.", RateLimit(10, DAY)
    )
    codes_per_destination_from_known_networks: RateLimits = _limit(
        "Codes asked for, for one destination from all networks that its account knows.", RateLimit(5, DAY)
    )
    companion_mails_per_destination: RateLimits = _limit(
        "Mails to one email sent along with an SMS; these count as codes as well.", RateLimit(5, DAY)
    )
    codes_per_unknown_network: RateLimits = _limit(
        "Codes asked for from one network for destinations whose accounts do not know it.", RateLimit(30, HOUR)
    )
    codes_to_mobiles_per_unknown_network: RateLimits = _limit("Those of them that went to mobiles.", RateLimit(20, HOUR))
    notices_per_address: RateLimits = _limit("Notices to one address.", RateLimit(10, DAY))
    notices_per_account: RateLimits = _limit("Notices about one account.", RateLimit(20, DAY))
    wrong_codes_per_code: int = field(
        default=5, metadata={"help": "Wrong codes that end a code; from the network that asked for it, and from all others."}
    )
    wrong_codes_per_destination_from_unknown_networks: RateLimits = _limit(
        "Wrong codes for one destination from all networks that its account does not know.", RateLimit(30, DAY)
    )
    wrong_codes_per_destination_from_known_networks: RateLimits = _limit(
        "Wrong codes for one destination from all networks that its account knows.", RateLimit(10, DAY)
    )
    wrong_codes_per_network: RateLimits = _limit("Wrong codes from one network.", RateLimit(30, 5 * MINUTE))
    failed_logins_per_identity_and_network: RateLimits = _limit(
        "Failed logins of one identity from one network.", RateLimit(5, 5 * MINUTE)
    )
    failed_logins_per_identity: RateLimits = _limit(
        "Failed logins of one identity from all networks that its account does not know.", RateLimit(30, 15 * MINUTE)
    )
    failed_logins_per_network: RateLimits = _limit(
        "Failed logins from one network.", RateLimit(10, MINUTE), RateLimit(100, HOUR)
    )
    failed_logins_in_a_row: int = field(
        default=100, metadata={"help": "Failed logins of one account in a row that shut passwords from unknown networks out."}
    )
    logins_per_account: RateLimits = _limit("Logins of one account.", RateLimit(30, MINUTE))
    registrations_per_network: RateLimits = _limit("Registrations from one network.", RateLimit(20, MINUTE))
    uniqueness_checks_per_network: RateLimits = _limit(
        "Uniqueness checks from one network.", RateLimit(30, MINUTE), RateLimit(500, DAY)
    )
    calls_per_network: RateLimits = _limit("All calls from one network.", RateLimit(300, MINUTE))
    taken_values_per_account: RateLimits = _limit(
        "Changes of one account that were refused because a value is taken.", RateLimit(10, HOUR), RateLimit(30, DAY)
    )
    uploads_per_account: RateLimits = _limit("Images uploaded by one account.", RateLimit(10, HOUR))
    exports_per_account: RateLimits = _limit("Exports of one account.", RateLimit(5, DAY))


CODE_SENDS_PER_HOUR = RateLimit(5, HOUR)
CODE_SENDS_PER_DAY = RateLimit(10, DAY)
WRONG_CODES = (RateLimit(30, DAY),)
WRONG_CODES_BY_IP_ADDRESS = (RateLimit(30, 300),)
FAILED_LOGINS_BY_IDENTIFIER_AND_IP_ADDRESS = (RateLimit(5, 300),)
FAILED_LOGINS_BY_IDENTIFIER = (RateLimit(30, 900),)
FAILED_LOGINS_BY_IP_ADDRESS = (RateLimit(10, 60), RateLimit(100, HOUR))
NOTICES = (RateLimit(10, DAY),)


def code_sends(cooldown: float) -> tuple[RateLimit, ...]:
    """The limits on codes to one address: one in `cooldown` seconds, 5 an hour, 10 a day."""
    return (RateLimit(1, cooldown), CODE_SENDS_PER_HOUR, CODE_SENDS_PER_DAY)
