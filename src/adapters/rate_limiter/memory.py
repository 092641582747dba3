"""Sliding windows in the memory of one process.

It stands in front of every call, so it keeps the rule of `SlidingWindow` without its copies: what a key remembers is changed
in place, and only as long as a limit can ask for it.
"""

from collections import OrderedDict, deque
from math import ceil
from threading import Lock

from ...domain.rate_limits import RateLimit


class MemoryRateLimiter:
    """The port `RateLimiter` for one process. At most `max_keys` keys are remembered, the latest to be asked about."""

    may_block = False

    def __init__(self, max_keys: int = 100_000) -> None:
        if max_keys < 1:
            raise ValueError("a rate limiter has to remember one key at least")
        self._max_keys = max_keys
        self._windows: OrderedDict[str, _Window] = OrderedDict()
        self._lock = Lock()

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._windows)

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        with self._lock:
            window = self._windows.get(key)
            if window is None:
                self._make_room(now)
                window = self._windows[key] = _Window()
            else:
                self._windows.move_to_end(key)
            return window.take(limits, now)

    def _make_room(self, now: float) -> None:
        """Two go for one that comes, if their time is over: so idle keys do not pile up, and no call sweeps them all."""
        for _ in range(2):
            key = next(iter(self._windows), None)
            if key is None or (len(self._windows) < self._max_keys and now < self._windows[key].ends_at):
                return
            del self._windows[key]


class _Window:
    """When one key was last counted, oldest first, and the moment from which none of that matters."""

    __slots__ = ("ends_at", "moments")

    def __init__(self) -> None:
        self.moments: deque[float] = deque()
        self.ends_at = 0.0

    def take(self, limits: tuple[RateLimit, ...], now: float) -> int:
        moments = self.moments
        wait = longest = 0.0
        for limit in limits:
            longest = max(longest, limit.seconds)
            if limit.count <= len(moments):
                left = limit.seconds - (now - moments[-limit.count])
                if left <= 2 * limit.seconds:
                    wait = max(wait, round(left, 3))
        if wait > 0:
            return ceil(wait)
        if moments and moments[-1] - now > min(limit.seconds for limit in limits):
            self.moments = moments = deque(min(moment, now) for moment in moments)
        moment = max(now, moments[-1]) if moments else now
        while moments and moments[0] + longest <= now:
            moments.popleft()
        moments.append(moment)
        self.ends_at = moment + longest
        return 0
