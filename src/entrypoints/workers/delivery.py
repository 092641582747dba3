"""Delivery workers: threads that deliver messages, purge expired rows, rotate keys, and watch for guessing."""

import logging
from collections.abc import Callable
from functools import partial
from threading import Event, Thread
from time import monotonic

from ... import forks
from ...application import Channel, ClockAhead, DeliverMessages, Purge, RotateKeys, Unavailable, WatchFailures

POLL_SECONDS = 5.0
PURGE_SECONDS = 3600.0
WATCH_SECONDS = 60.0
_TOLERANCE = 60.0
"""Seconds by which a clock may be corrected in an hour."""

_log = logging.getLogger("vestibule.delivery")


def deliver_all(deliver: DeliverMessages, channel: Channel, should_stop: Callable[[], bool]) -> None:
    """Delivers until no message of the channel is due, or `should_stop` returns True."""
    while not should_stop() and deliver(channel, should_stop=should_stop):
        pass


def _rotate(rotate_keys: RotateKeys) -> None:
    for change in rotate_keys():
        _log.warning("keys: %s, see `vestibule keys list`", change)


class HourlyPurge:
    """Purges, except when the clock was set days ahead: then only if an hour later it is still right by the monotonic clock.

    Nor does it purge if another process, whose clock is not ahead, has purged in that hour.
    """

    def __init__(self, purge: Purge, monotonic: Callable[[], float] = monotonic) -> None:
        self._purge = purge
        self._monotonic = monotonic
        self._refused: tuple[float, float | None] | None = None

    def __call__(self) -> None:
        offset, last_seen = self._purge.clock() - self._monotonic(), self._purge.last_seen()
        refused, self._refused = self._refused, None
        is_confirmed = refused is not None and abs(offset - refused[0]) < _TOLERANCE and last_seen == refused[1]
        try:
            self._purge(clock_confirmed=is_confirmed)
        except ClockAhead as refusal:
            _log.warning("%s If the clock stays right, the next purge deletes.", refusal.detail)
            self._refused = offset, last_seen


class DeliveryWorkers:
    """Delivers when `notify` is called, and polls every `pause` seconds for messages of other processes and for retries.

    Each channel has a thread of its own, so that a mail server that hangs delays no SMS. Two more purge expired rows and rotate
    the keys that are due, every hour; the first purge is an hour after the start. One watches the failures of the whole service
    every minute.

    The threads stay in the process that started them: its forks have none, and leave the work to it.
    """

    def __init__(self, pause: float = POLL_SECONDS) -> None:
        self._pause = pause
        self._reset()
        forks.watch(self)

    def _reset(self) -> None:
        self._stopped = Event()
        self._due = {channel: Event() for channel in Channel}
        self._threads: list[Thread] = []

    def renew(self) -> None:
        self._reset()
        self._stopped.set()  # one of the threads may have forked

    def notify(self) -> None:
        for due in self._due.values():
            due.set()

    def start(
        self,
        deliver: DeliverMessages | None,
        purge: Purge | None,
        watch_failures: WatchFailures | None = None,
        rotate_keys: RotateKeys | None = None,
    ) -> None:
        """Starts the threads of those that are not None; other processes do the rest."""
        if deliver is not None:
            for channel in deliver.channels:
                work = partial(self._deliver, deliver, channel)
                self._start_thread(f"delivery of {channel}", work, self._pause, self._due[channel])
        if purge is not None:
            self._start_thread("purge", HourlyPurge(purge), PURGE_SECONDS, self._stopped, first_pause=PURGE_SECONDS)
        if watch_failures is not None:
            self._start_thread("alarms", watch_failures, WATCH_SECONDS, self._stopped, first_pause=WATCH_SECONDS)
        if rotate_keys is not None:
            self._start_thread("key rotation", partial(_rotate, rotate_keys), PURGE_SECONDS, self._stopped)

    def stop(self, timeout: float = 8.0) -> None:
        """Stops after the messages in progress, or after `timeout` seconds."""
        until = monotonic() + timeout
        self._stopped.set()
        self.notify()
        for thread in self._threads:
            thread.join(max(0.0, until - monotonic()))

    def _start_thread(
        self, name: str, work: Callable[[], object], pause: float, due: Event, *, first_pause: float = 0.0
    ) -> None:
        thread = Thread(target=self._loop, args=(name, work, pause, due, first_pause), name=name, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _loop(self, name: str, work: Callable[[], object], pause: float, due: Event, first_pause: float) -> None:
        after_failure = max(POLL_SECONDS, pause)
        if first_pause:
            due.wait(first_pause)
        while not self._stopped.is_set():
            try:
                work()
                due.wait(pause)
            except Unavailable:
                _log.warning("%s: the database is unavailable, retrying in %.0f s", name, after_failure)
                due.wait(after_failure)
            except BaseException:  # noqa: BLE001 — the next attempt may succeed, even after a notifier's `SystemExit`
                _log.exception("%s failed, retrying in %.0f s", name, after_failure)
                due.wait(after_failure)

    def _deliver(self, deliver: DeliverMessages, channel: Channel) -> None:
        self._due[channel].clear()
        deliver_all(deliver, channel, self._stopped.is_set)
