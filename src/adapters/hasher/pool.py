"""A bounded pool of threads for work that is slow on purpose."""

import contextlib
import os
import sys
import threading
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from typing import ParamSpec, Protocol, TypeVar

from ...domain.errors import Overloaded, Unavailable

P = ParamSpec("P")
R = TypeVar("R")

_LOWER_BY = 10
_LOWEST = 19


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1


class Pool(Protocol):
    """Runs what is slow on purpose, and waits for it."""

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """Raises `Overloaded` where too much waits already, and `Unavailable` after `close`."""
        ...

    def close(self) -> None: ...


class HashingPool:
    """`threads` jobs run at once, at nice +10 where the system allows it, and `queue` more wait.

    One beyond that raises `Overloaded` at once, whatever the others do. After `close` each raises `Unavailable`.
    """

    def __init__(self, threads: int, queue: int) -> None:
        if threads < 1 or queue < 0:
            raise ValueError("A pool for hashing needs one thread at least, and a queue of no fewer than 0.")
        self._slots = threading.BoundedSemaphore(threads + queue)
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix="hashing", initializer=_step_back)

    def run(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
        """What the job returns; waits for it."""
        return self.submit(job, *args, **kwargs).result()

    def submit(self, job: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Future[R]:
        """The job under way; waits for nothing."""
        if not self._slots.acquire(blocking=False):
            raise Overloaded
        try:
            future = self._executor.submit(job, *args, **kwargs)
        except RuntimeError:
            self._slots.release()
            raise Unavailable from None
        future.add_done_callback(lambda _: self._slots.release())
        return future

    def close(self) -> None:
        """Finishes what was taken, and takes no more."""
        self._executor.shutdown()


def _step_back() -> None:
    """Lets every other thread of this process go first: on Linux, priorities are those of threads."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        with contextlib.suppress(OSError):
            now = os.getpriority(os.PRIO_PROCESS, thread)
            os.setpriority(os.PRIO_PROCESS, thread, min(now + _LOWER_BY, _LOWEST))
