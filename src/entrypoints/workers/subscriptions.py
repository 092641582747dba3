"""Event subscriptions: threads that call handlers of this process with the events of the audit log."""

import logging
from collections.abc import Callable
from threading import Event as Signal
from threading import Thread
from time import monotonic

from ... import forks
from ...application import Event, ReadEvents, Unavailable

POLL_SECONDS = 1.0
"""Events of other processes are found by polling only."""

MAX_RETRY_SECONDS = 60.0
MAX_BATCH_SECONDS = 20.0
"""After this time the rest of a batch is read again, well before another reader may lease it."""

Handler = Callable[[int, Event], object]
"""Receives an event and its position, which is the same if the event comes again."""

_log = logging.getLogger("vestibule.events")


class Subscription(Thread):
    """Thread of a handler: calls it with events one by one, in order, and again after a pause if it raises."""

    def __init__(self, read: ReadEvents, name: str, handler: Handler) -> None:
        super().__init__(name=f"events for {name}", daemon=True)
        self._read = read
        self._subscriber = name
        self._handler = handler
        self._failures = 0
        self._stopped = Signal()
        self._due = Signal()
        forks.watch(self)
        self.start()

    def renew(self) -> None:
        """Ends the thread in a child that its handler forked; the parent goes on."""
        self._stopped = Signal()
        self._due = Signal()
        self._stopped.set()

    def notify(self) -> None:
        self._due.set()

    def request_stop(self) -> None:
        self._stopped.set()
        self._due.set()

    def run(self) -> None:
        while not self._stopped.is_set():
            self._due.clear()
            try:
                number = self._handle_batch()
            except Unavailable:
                self._pause_after("the database is unavailable")
            except BaseException:  # noqa: BLE001 — even a handler's `SystemExit` must not end the thread in silence
                self._pause_after("the handler failed", trace=True)
            else:
                if number == 0:
                    self._due.wait(POLL_SECONDS)

    def _handle_batch(self) -> int:
        begun = monotonic()
        with self._read(self._subscriber, one_by_one=True) as batch:
            for position, event in batch:
                if self._stopped.is_set() or monotonic() - begun > MAX_BATCH_SECONDS:
                    break
                self._handler(position, event)
                batch.acknowledge(position)
                self._failures = 0
        return len(batch)

    def _pause_after(self, failure: str, *, trace: bool = False) -> None:
        pause = min(2.0**self._failures, MAX_RETRY_SECONDS)
        self._failures = min(self._failures + 1, 9)
        _log.warning("%s: %s, retrying in %.0f s", self.name, failure, pause, exc_info=trace)
        self._stopped.wait(pause)


class Subscriptions:
    """The subscriptions of this process; its forks have none."""

    def __init__(self, on_event: Callable[[], None] | None = None) -> None:
        self._on_event = on_event
        self._stopped = False
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._subscriptions: list[Subscription] = []

    def add(self, read: ReadEvents, name: str, handler: Handler) -> None:
        if self._stopped:
            raise RuntimeError("This Vestibule is closed.")
        self._subscriptions.append(Subscription(read, name, handler))

    def notify(self) -> None:
        if self._on_event is not None:
            self._on_event()
        for subscription in self._subscriptions:
            subscription.notify()

    def stop(self, timeout: float = 8.0) -> None:
        """Stops after the events in progress, or after `timeout` seconds."""
        self._stopped = True
        until = monotonic() + timeout
        for subscription in self._subscriptions:
            subscription.request_stop()
        for subscription in self._subscriptions:
            subscription.join(max(0.0, until - monotonic()))
