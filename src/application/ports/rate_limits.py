"""Two stores of rate limits: windows in the database (its `rate_limits`), and `RateLimiter`, in memory or in Redis.

Windows survive a restart, and are locked and saved in transactions. The counts of the limiter need not survive.
"""

from collections.abc import Iterable, Sequence
from typing import Protocol

from ...domain.rate_limits import RateLimit, SlidingWindow

__all__ = ["RateLimiter", "SlidingWindowReads", "SlidingWindows"]


class SlidingWindowReads(Protocol):
    """Committed windows."""

    def get(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        """The windows in the order of their keys, empty where none is stored."""

    def beginning_with(self, prefix: str) -> Sequence[SlidingWindow]:
        """The stored windows whose keys begin with the prefix, at most 1000."""


class SlidingWindows(SlidingWindowReads, Protocol):
    """Windows inside a transaction; they survive a restart. Lock, then save."""

    def lock(self, keys: Sequence[str]) -> Sequence[SlidingWindow]:
        """The windows in the order of their keys, empty where none is stored; another transaction that locks them waits."""

    def save(self, windows: Iterable[SlidingWindow], /, expires_at: float) -> None:
        """Stores locked windows, to be kept until `expires_at` at least."""


class RateLimiter(Protocol):
    """Rate limits that need not survive a restart, counted outside of transactions."""

    @property
    def may_block(self) -> bool:
        """Returns whether `hit` may wait for another machine, and so must not run in an event loop."""

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        """Counts one hit if the limits allow it and returns 0; otherwise counts nothing and returns the seconds to wait."""
