"""Counters of one call: windows of the database, locked together, each with its limits."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from ..domain.errors import RateLimited
from ..domain.rate_limits import RateLimits, SlidingWindow, network_windows
from .ports import Clock, SlidingWindowReads, SlidingWindows


class Counter(NamedTuple):
    """A window to count in: its key, its limits, and the name of the policy that a refusal reports.

    With no limits it neither refuses nor counts; it represents a counter of another caller, so that both cost the same.
    With `refuses` false it only counts; with no `hits` it is only read.
    """

    key: str
    limits: RateLimits
    policy: str
    hits: int = 1
    refuses: bool = True


@dataclass(frozen=True, slots=True)
class Counters:
    """Counters with their windows as they were read or locked at `now`."""

    counted: Sequence[tuple[Counter, SlidingWindow]]
    now: float

    def refusal(self, policy: str | None = None) -> RateLimited | None:
        """The refusal of the counter, of that `policy` if given, that is full for longest; None if every one has room."""
        longest = None
        for counter, window in self.counted:
            if not counter.limits or not counter.refuses or policy not in (None, counter.policy):
                continue
            seconds, limit = window.longest_wait(counter.limits, self.now, hits=counter.hits)
            if seconds and (longest is None or seconds > longest.retry_after):
                longest = RateLimited(seconds, policy=counter.policy, limit=limit)
        return longest

    def is_full(self, key: str) -> bool:
        return any(
            counter.key == key and counter.limits and window.retry_after(counter.limits, self.now)
            for counter, window in self.counted
        )

    def hit(self, *, leaving_out: Iterable[str] = ()) -> "Counters":
        """The counters after one hit each, but for those of the keys that are left out."""
        left_out = frozenset(leaving_out)
        return replace(
            self,
            counted=[
                (counter, window if counter.key in left_out else _hit(counter, window, self.now))
                for counter, window in self.counted
            ],
        )

    def clear(self, windows: SlidingWindows, keys: Iterable[str]) -> None:
        """Stores the windows of those keys that have hits without them, expired: the next purge deletes them."""
        wanted = frozenset(keys)
        full = [window for counter, window in self.counted if counter.key in wanted and window.timestamps]
        if full:
            windows.save([SlidingWindow(window.key) for window in full], self.now)

    def save(self, windows: SlidingWindows) -> None:
        """Stores all of them in one statement, until the longest of their periods is over."""
        longest = max((limit.seconds for counter, _ in self.counted for limit in counter.limits), default=0.0)
        windows.save([window for counter, window in self.counted if counter.hits], self.now + longest)


def read(windows: SlidingWindowReads, counters: Sequence[Counter], clock: Clock) -> Counters:
    distinct = _distinct(counters)
    found = windows.get([counter.key for counter in distinct])
    return Counters(list(zip(distinct, found, strict=True)), clock())


def lock(windows: SlidingWindows, counters: Sequence[Counter], clock: Clock) -> Counters:
    """Locks all of them by one statement. The clock is read then: the wait must not put a hit before those already stored."""
    distinct = _distinct(counters)
    locked = windows.lock([counter.key for counter in distinct])
    return Counters(list(zip(distinct, locked, strict=True)), clock())


def _distinct(counters: Sequence[Counter]) -> list[Counter]:
    """Leaves out repetitions. Raises `ValueError` for two counters of one key: each would save the window without the other."""
    by_key: dict[str, Counter] = {}
    for counter in counters:
        if by_key.setdefault(counter.key, counter) != counter:
            raise ValueError("Two counters have the same key.")
    return list(by_key.values())


def key_by_knower(key: str, knower: int | None) -> str:
    """The key for callers in a network that the account `knower` knows, or for all others: no stranger uses up the owner's."""
    return f"{key}:others" if knower is None else f"{key}:known-to-{knower}"


def per_network(key: str, network: str | None, limits: RateLimits, policy: str, *, hits: int = 1) -> list[Counter]:
    """The counters of the caller's network and of the IPv6 site that it is a part of; none without a network."""
    if network is None:
        return []
    return [Counter(window, wider, policy, hits) for window, wider in network_windows(key, network, limits)]


def _hit(counter: Counter, window: SlidingWindow, now: float) -> SlidingWindow:
    for _ in range(counter.hits if counter.limits else 0):
        window = window.with_hit(counter.limits, now)
    return window
