"""Rate limits over sliding windows of timestamps, and the table of all limits."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields, replace
from itertools import chain, groupby, repeat
from math import ceil
from typing import Any

from .networks import site_of

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


_EXACT = 60
"""The number of latest hits that a window keeps one by one."""
_CELLS = 60
"""The cells, of equal length, into which a period is divided. Of one cell only the number of hits and the latest are kept."""


@dataclass(frozen=True, slots=True)
class SlidingWindow:
    """The latest hits under `key`, in seconds since the epoch, the oldest first.

    `counts` has the number of hits that each of the first timestamps represents; the others represent one. Limits of up to 60
    hits are exact. For larger ones, hits before the latest 60 are merged into their latest one within a sixtieth of the period:
    never more hits than the limit are accepted in any period, and a wait is at most a sixtieth of the period too long.

    A clock that stepped back a little neither reorders the timestamps nor shortens a wait. A timestamp more than a whole
    window ahead was wrong: it delays no caller until then, and becomes the current time at the next hit.
    """

    key: str
    timestamps: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()

    @property
    def hits(self) -> int:
        """The number of hits that the window keeps."""
        return len(self.timestamps) + sum(self.counts) - len(self.counts)

    def retry_after(self, limits: RateLimits, now: float) -> int:
        """Whole seconds until every limit allows one more hit; 0 if they allow it now."""
        return self.longest_wait(limits, now)[0]

    def longest_wait(self, limits: RateLimits, now: float, *, hits: int = 1) -> tuple[int, RateLimit | None]:
        """Whole seconds until every limit allows so many more hits, and the limit that refuses for so long, if one does.

        A limit below `hits` allows them where it has no hit.
        """
        longest, refusing = 0.0, None
        for limit in limits:
            timestamp = self._latest(max(1, limit.count - hits + 1))
            if timestamp is None:
                continue
            left = limit.seconds - (now - timestamp)
            if longest < left <= 2 * limit.seconds:
                longest, refusing = left, limit
        seconds = ceil(round(longest, 3))  # timestamps are no finer than a quarter of a microsecond
        return seconds, refusing if seconds else None

    def with_hit(self, limits: RateLimits, now: float) -> "SlidingWindow":
        """The window with one more hit, reduced to the timestamps that the limits need."""
        hits = list(zip(self.timestamps, chain(self.counts, repeat(1)), strict=False))
        if hits and hits[-1][0] - now > min(limit.seconds for limit in limits):
            hits = [(min(timestamp, now), count) for timestamp, count in hits]
        latest = max(now, hits[-1][0]) if hits else now
        hits.append((latest, 1))
        largest = max(limit.count for limit in limits)
        if largest > _EXACT:
            hits = [*_merged(hits[:-_EXACT], limits, latest), *hits[-_EXACT:]]
        surplus = sum(count for _, count in hits) - largest
        while hits[0][1] <= surplus:
            surplus -= hits.pop(0)[1]
        counts = [count for _, count in hits]
        while counts and counts[-1] == 1:
            counts.pop()
        return SlidingWindow(self.key, tuple(timestamp for timestamp, _ in hits), tuple(counts))

    def _latest(self, number: int) -> float | None:
        """The timestamp of the hit that is the latest but `number` - 1; None if there are fewer hits."""
        single = len(self.timestamps) - len(self.counts)
        if number <= single:
            return self.timestamps[-number]
        for timestamp, count in zip(reversed(self.timestamps[: len(self.counts)]), reversed(self.counts), strict=True):
            single += count
            if number <= single:
                return timestamp
        return None


def _merged(hits: list[tuple[float, int]], limits: RateLimits, latest: float) -> Iterator[tuple[float, int]]:
    """Merges the hits of each cell into the latest one, so that none expires early; omits those that no limit counts."""
    cell = min(limit.seconds for limit in limits if limit.count > _EXACT) / _CELLS
    longest = max(limit.seconds for limit in limits)
    kept = (hit for hit in hits if hit[0] + longest > latest)
    for _, together in groupby(kept, lambda hit: hit[0] // cell):
        merged = list(together)
        yield merged[-1][0], sum(count for _, count in merged)


_NETWORKS_OF_A_SITE = 16


def network_windows(policy: str, network: str, limits: RateLimits) -> tuple[tuple[str, RateLimits], ...]:
    """The keys and limits of the windows in which a call of `network` counts.

    The /48 of an IPv6 network, which providers give to one subscriber, has 16 times as much as one network.
    """
    site = site_of(network)
    own = f"{policy}:{network}", limits
    if site is None:
        return (own,)
    return own, (f"{policy}:{site}", tuple(RateLimit(_NETWORKS_OF_A_SITE * limit.count, limit.seconds) for limit in limits))


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
    failed_logins_before_alarm: RateLimits = _limit(
        "Failed logins of the whole service that put an error in the log; none are refused for it.", RateLimit(1000, 5 * MINUTE)
    )
    wrong_codes_before_alarm: RateLimits = _limit(
        "Wrong codes of the whole service that put an error in the log; none are refused for it.", RateLimit(1000, HOUR)
    )

    def lifted(self) -> "Limits":
        """Limits for development: those that have their default are out of one's way, but for the guesses of a code."""
        kept = {"wrong_codes_per_code"}
        changed = {
            limit.name: _OUT_OF_THE_WAY[type(limit.default)]
            for limit in fields(self)
            if limit.name not in kept and getattr(self, limit.name) == limit.default
        }
        return replace(self, **changed)


_OUT_OF_THE_WAY: Mapping[type, Any] = {int: 100_000, tuple: (RateLimit(100_000, 1.0),)}
