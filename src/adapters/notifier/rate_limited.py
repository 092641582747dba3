"""Letters no faster than somebody beyond takes them."""

import time
from collections.abc import Callable
from threading import Lock

from ...application.ports import Notifier, OutgoingMessage


class RateLimitedNotifier:
    """Gives letters, pretended ones too, to another notifier: no more than `per_second`, evenly, from whatever threads."""

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
        self._lock = Lock()
        self._next = clock()

    def send(self, letter: OutgoingMessage) -> None:
        self._wait()
        self._notifier.send(letter)

    def send_decoy(self, letter: OutgoingMessage) -> None:
        self._wait()
        self._notifier.send_decoy(letter)

    def _wait(self) -> None:
        with self._lock:
            now = self._clock()
            mine = max(now, self._next)
            self._next = mine + self._gap
        self._sleep(mine - now)
