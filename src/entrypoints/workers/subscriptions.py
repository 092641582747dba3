"""Threads that hand on what happened, to whoever in this process wants to know."""

import logging
from collections.abc import Callable
from threading import Event as Signal
from threading import Thread
from time import monotonic

from ...application import Event, ReadEvents, Unavailable

PAUSE = 1.0
"""Other processes wake nobody here."""

LONGEST_PAUSE = 60.0
HELD_LONG = 20.0
"""Seconds after which the rest of a batch is taken anew, well before another reader may take it."""

Handler = Callable[[int, Event], object]
"""Is given an event and its position, which is the same whenever it comes again."""

_log = logging.getLogger("vestibule.events")


class Subscription:
    """One handler's thread: events one by one, in order, as they are committed; again, after a pause, where it raises."""

    def __init__(self, read: ReadEvents, name: str, handler: Handler, pause: float) -> None:
        self._read = read
        self._name = name
        self._handler = handler
        self._pause = pause
        self._failures = 0
        self._stopped = Signal()
        self._due = Signal()
        self._thread = Thread(target=self._go_round, name=f"events for {name}", daemon=True)
        self._thread.start()

    def wake(self) -> None:
        self._due.set()

    def tell_to_stop(self) -> None:
        self._stopped.set()
        self._due.set()

    def join(self, timeout: float) -> None:
        self._thread.join(timeout)

    def _go_round(self) -> None:
        while not self._stopped.is_set():
            self._due.clear()
            try:
                found = self._hand_on()
            except Unavailable:
                self._after_failure("the database cannot be had now")
            except Exception:  # noqa: BLE001 — whatever it is, others must not feel it
                self._after_failure("the handler stumbled", trace=True)
            else:
                if not found:
                    self._due.wait(self._pause)

    def _hand_on(self) -> int:
        begun = monotonic()
        with self._read(self._name, one_by_one=True) as batch:
            for position, event in batch:
                if self._stopped.is_set() or monotonic() - begun > HELD_LONG:
                    break
                self._handler(position, event)
                batch.acknowledge(position)
                self._failures = 0
        return len(batch)

    def _after_failure(self, what: str, *, trace: bool = False) -> None:
        pause = min(2.0**self._failures, LONGEST_PAUSE)
        self._failures = min(self._failures + 1, 9)
        _log.warning("events for %s: %s; again in %.0f s", self._name, what, pause, exc_info=trace)
        self._stopped.wait(pause)


class Subscriptions:
    """All of them in this process."""

    def __init__(self, pause: float = PAUSE, on_event: Callable[[], None] | None = None) -> None:
        self._pause = pause
        self._on_event = on_event
        self._all: list[Subscription] = []
        self._stopped = False

    def begin(self, read: ReadEvents, name: str, handler: Handler) -> None:
        if self._stopped:
            raise RuntimeError("This Vestibule is closed.")
        self._all.append(Subscription(read, name, handler, self._pause))

    def wake(self) -> None:
        if self._on_event is not None:
            self._on_event()
        for one in self._all:
            one.wake()

    def stop(self, timeout: float = 8.0) -> None:
        """Finishes the events at hand, for that many seconds."""
        self._stopped = True
        until = monotonic() + timeout
        for one in self._all:
            one.tell_to_stop()
        for one in self._all:
            one.join(max(0.0, until - monotonic()))
