"""Delivery at a bounded rate, for providers that limit it."""

import time
from collections.abc import Callable
from threading import Lock

from ... import forks
from ...application.ports import Notifier, OutgoingMessage


class RateLimitedNotifier:
    """Passes at most `per_second` messages, decoys included, to another notifier, evenly spaced; thread-safe."""

    def __init__(
        self,
        notifier: Notifier,
        per_second: float,
        *,
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self._notifier = notifier
        self._gap = 1 / per_second
        self._clock = clock
        self._sleep = sleep
        self._next = clock()
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._lock = Lock()

    def send(self, message: OutgoingMessage) -> None:
        self._wait()
        self._notifier.send(message)

    def send_decoy(self, message: OutgoingMessage) -> None:
        self._wait()
        self._notifier.send_decoy(message)

    def _wait(self) -> None:
        with self._lock:
            now = self._clock()
            slot = max(now, self._next)
            self._next = slot + self._gap
        self._sleep(slot - now)
