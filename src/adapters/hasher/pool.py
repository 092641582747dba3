"""A bounded thread pool for password hashing.

The pool has threads of its own, since hashing runs at a lower priority and a thread cannot raise its priority again.
"""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from ... import forks
from ...domain.errors import Overloaded, Unavailable

P = ParamSpec("P")
R = TypeVar("R")

_NICE = 10
_MAX_NICE = 19


def cores() -> int:
    """Returns the number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class Pool(Protocol):
    """Runs slow jobs, and waits for each."""

    capacity: int
    """The number of jobs that may run or wait at once."""

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Raises `Overloaded` if too many jobs wait already, and `Unavailable` after `close`."""
        ...

    def close(self) -> None: ...


class HashingPool:
    """Runs at most `threads` jobs at once, at nice +10 where the system allows it, while at most `queue` more wait.

    A job beyond that raises `Overloaded` at once. After `close` every job raises `Unavailable`.
    """

    def __init__(self, threads: int, queue: int) -> None:
        if threads < 1 or queue < 0:
            raise ValueError("A hashing pool needs at least one thread and a queue of at least 0.")
        self.capacity = threads + queue
        self._threads = threads
        self._is_closed = False
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._slots = threading.BoundedSemaphore(self.capacity)
        self._executor = ThreadPoolExecutor(self._threads, thread_name_prefix="hashing", initializer=_lower_priority)
        if self._is_closed:
            self._executor.shutdown()

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Waits for the job and returns its result."""
        return self.submit(job, *args, **kwargs).result()

    def submit(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """Returns without waiting."""
        slots = self._slots
        if not slots.acquire(blocking=False):
            raise Overloaded
        try:
            future = self._executor.submit(job, *args, **kwargs)
        except RuntimeError:
            slots.release()
            raise Unavailable from None
        future.add_done_callback(lambda _: slots.release())
        return future

    def close(self) -> None:
        """Finishes the accepted jobs; accepts no more."""
        self._is_closed = True
        self._executor.shutdown()


def _lower_priority() -> None:
    """Gives way to every other thread of this process: on Linux, priorities belong to threads."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            now = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(now + _NICE, _MAX_NICE))
