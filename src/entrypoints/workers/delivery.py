"""Threads that carry messages out of the outbox as they come, and clear away what has ended."""

import logging
from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from time import monotonic

from ...application import Channel, DeliverMessages, Purge, Unavailable

PAUSE = 5.0
PURGE_PAUSE = 3600.0

_log = logging.getLogger("vestibule.courier")


def carry(deliver: DeliverMessages, kind: Channel, is_over: Callable[[], bool]) -> None:
    """Delivers until nothing of that kind is due, or `is_over` says so."""
    while not is_over() and deliver(kind, should_stop=is_over):
        pass


class CourierThread:
    """Delivers whenever `wake` is called, and looks every `pause` seconds for what other processes or a pause left behind.

    Each kind of message has a thread of its own, so that a mail server that hangs holds up no SMS. One more clears away every
    hour what has ended long ago.
    """

    def __init__(self, pause: float = PAUSE) -> None:
        self._pause = pause
        self._stopped = Event()
        self._due = {kind: Event() for kind in Channel}
        self._threads: list[Thread] = []

    def wake(self) -> None:
        for due in self._due.values():
            due.set()

    def start(self, deliver: DeliverMessages | None, purge: Purge | None) -> None:
        """What is None is left to other processes."""
        if deliver is not None:
            for kind in deliver.channels:
                self._begin(f"courier of {kind}", partial(self._carry, deliver, kind), self._pause, self._due[kind])
        if purge is not None:
            self._begin("purge", purge, PURGE_PAUSE, self._stopped)

    def stop(self, timeout: float = 8.0) -> None:
        """Finishes the messages at hand, for that many seconds."""
        until = monotonic() + timeout
        self._stopped.set()
        self.wake()
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))

    def _begin(self, name: str, work: Callable[[], object], pause: float, due: Event) -> None:
        thread = Thread(target=self._go_round, args=(name, work, pause, due), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _go_round(self, name: str, work: Callable[[], object], pause: float, due: Event) -> None:
        after_failure = max(PAUSE, pause)
        while not self._stopped.is_set():
            try:
                work()
                due.wait(pause)
            except Unavailable:
                _log.warning("%s: the database cannot be had now; again in %.0f s", name, after_failure)
                due.wait(after_failure)
            except Exception:  # noqa: BLE001 — whatever it is, the next round is another chance
                _log.exception("%s stumbled; again in %.0f s", name, after_failure)
                due.wait(after_failure)

    def _carry(self, deliver: DeliverMessages, kind: Channel) -> None:
        self._due[kind].clear()
        carry(deliver, kind, self._stopped.is_set)
