"""The base of rate limiters with a store outside of the process: another one applies the limits while it is unavailable."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from threading import Lock
from time import monotonic

from ... import forks
from ...application.ports import RateLimiter
from ...domain.rate_limits import RateLimits
from ..availability import Availability

RETRY_SECONDS = 5.0
"""Seconds between two attempts to reach a store that is unavailable."""


class SharedRateLimiter(ABC):
    """A `RateLimiter` whose counts are in a store outside of this process.

    While the store is unavailable (down, slow, or refusing), `fallback` applies the limits, and one call in `RETRY_SECONDS`
    tries the store again; begin and end of the outage are logged.
    """

    def __init__(self, fallback: RateLimiter, availability: Availability, clock: Callable[[], float] = monotonic) -> None:
        self._fallback = fallback
        self._availability = availability
        self._clock = clock
        self._retry_at = 0.0
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        """Forgets the connections of a parent process."""
        self._retry_lock = Lock()

    def hit(self, key: str, limits: RateLimits, now: float) -> int:
        was_down = self._availability.is_down
        if was_down and not self._may_retry():
            return self._fallback.hit(key, limits, now)
        try:
            wait = self._hit(key, limits, now)
        except Exception as error:  # noqa: BLE001 — no error of the store may lift a limit or fail a call
            self._retry_at = self._clock() + RETRY_SECONDS
            # The error's name alone: its text may repeat the command that was sent, passwords included.
            self._availability.mark_down(type(error).__name__)
            self._disconnect()
            return self._fallback.hit(key, limits, now)
        if was_down:
            self._availability.mark_up()
        return wait

    @abstractmethod
    def _hit(self, key: str, limits: RateLimits, now: float) -> int:
        """Counts in the store, as `hit` does; may raise anything."""

    @abstractmethod
    def _disconnect(self) -> None:
        """Closes connections after a failure; raises nothing."""

    def _may_retry(self) -> bool:
        """True for one caller in `RETRY_SECONDS`."""
        with self._retry_lock:
            now = self._clock()
            if now < self._retry_at:
                return False
            self._retry_at = now + RETRY_SECONDS
            return True
