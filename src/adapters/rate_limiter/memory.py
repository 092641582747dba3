"""Sliding windows in the memory of one process.

Every request passes here, so the rule of `SlidingWindow` is applied without copies: timestamps are changed in place, and kept
only as long as a limit can count them.
"""

from collections import OrderedDict, deque
from collections.abc import Iterable
from math import ceil
from threading import Lock

from ... import forks
from ...domain.rate_limits import RateLimit


class MemoryRateLimiter:
    """A `RateLimiter` for one process. Keeps at most `max_keys` keys, those used last."""

    may_block = False

    def __init__(self, max_keys: int = 100_000) -> None:
        if max_keys < 1:
            raise ValueError("a rate limiter needs room for at least one key")
        self._max_keys = max_keys
        self._windows: OrderedDict[str, Window] = OrderedDict()
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._lock = Lock()

    def __len__(self) -> int:
        """The number of keys that are kept."""
        return len(self._windows)

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        with self._lock:
            window = self._windows.get(key)
            if window is None:
                self._evict(now)
                window = self._windows[key] = Window()
            else:
                self._windows.move_to_end(key)
            return window.hit(limits, now)

    def _evict(self, now: float) -> None:
        """Removes up to two expired keys per new key, so that idle keys do not pile up and no call has to sweep them all."""
        for _ in range(2):
            key = next(iter(self._windows), None)
            if key is None or (len(self._windows) < self._max_keys and now < self._windows[key].expires_at):
                return
            del self._windows[key]


class Window:
    """The timestamps of one key, oldest first, and the time from which no limit counts them."""

    __slots__ = ("expires_at", "timestamps")

    def __init__(self, timestamps: Iterable[float] = ()) -> None:
        self.timestamps = deque(timestamps)
        self.expires_at = 0.0

    def hit(self, limits: tuple[RateLimit, ...], now: float) -> int:
        timestamps = self.timestamps
        wait = longest = 0.0
        for limit in limits:
            longest = max(longest, limit.seconds)
            if limit.count <= len(timestamps):
                left = limit.seconds - (now - timestamps[-limit.count])
                if left <= 2 * limit.seconds:
                    wait = max(wait, round(left, 3))
        if wait > 0:
            return ceil(wait)
        if timestamps and timestamps[-1] - now > min(limit.seconds for limit in limits):
            self.timestamps = timestamps = deque(min(timestamp, now) for timestamp in timestamps)
        timestamp = max(now, timestamps[-1]) if timestamps else now
        while timestamps and timestamps[0] + longest <= now:
            timestamps.popleft()
        timestamps.append(timestamp)
        self.expires_at = timestamp + longest
        return 0
