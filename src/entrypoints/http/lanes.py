"""Where use cases run: in worker threads by lanes, so that slow calls never take the threads of quick ones."""

import os
from asyncio import Semaphore, timeout
from collections.abc import Callable
from functools import partial
from typing import ParamSpec, TypeVar

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ...application import Overloaded, Unavailable

P = ParamSpec("P")
T = TypeVar("T")

_SLOW_THREADS_PER_CORE = 20
_QUICK_THREADS = 8
_MOST_SLOW = 400
_MOST_QUICK = 400
_READ_THREADS = 4
_MOST_READS = 400
_MOST_UPLOADS = 24
_PICTURE_THREADS = _MOST_UPLOADS + 8
_MOST_PICTURES = 400
_MOST_WAIT = 1.0


class Room:
    """A `with` block for so many at once; `Overloaded` beyond. For use in one thread, that of the event loop."""

    def __init__(self, most: int) -> None:
        self._free = most

    def __enter__(self) -> None:
        if self._free == 0:
            raise Overloaded
        self._free -= 1

    def __exit__(self, *_: object) -> None:
        self._free += 1


class Lane:
    """So many threads, and so many calls in all, running or waiting; `Overloaded` beyond.

    A call waits a second at most for a thread: where the ones before it wait for a database that cannot be had, the last in
    a long row is to learn of it as soon as the first.
    """

    def __init__(self, threads: int, most: int) -> None:
        self._limiter = CapacityLimiter(threads)
        self._turns = Semaphore(threads)
        self._room = Room(most)

    async def __call__(self, ask: Callable[P, T], *args: P.args, **question: P.kwargs) -> T:
        """Asks in a thread; once more where two changes stood in each other's way, and this one had to give way."""
        with self._room:
            if self._turns.locked():
                await self._wait()
            else:
                await self._turns.acquire()
            again = partial(run_sync, partial(ask, *args, **question), limiter=self._limiter)
            try:
                return await again()
            except Unavailable as refusal:
                if refusal.retry_after > 0:
                    raise
                return await again()
            finally:
                self._turns.release()

    async def _wait(self) -> None:
        try:
            async with timeout(_MOST_WAIT):
                await self._turns.acquire()
        except TimeoutError:
            raise Overloaded from None


class Lanes:
    """`slow` for calls that hash a password, `pictures` for those that store or read one, `quick` for the rest, `reads` for
    those that change nothing, and so wait for nobody who does.

    The hasher takes a thread and a queue of 16 for each core; the slow lane has room for them all, so that the hasher,
    which knows how long its queue takes, is the one to say that it is too long. `uploads` is how many files of 5 MiB may be
    in memory at once; that many wait for a decoder or for S3, and leave threads to those who read.
    """

    def __init__(self) -> None:
        self.slow = Lane(_SLOW_THREADS_PER_CORE * (os.cpu_count() or 1), _MOST_SLOW)
        self.quick = Lane(_QUICK_THREADS, _MOST_QUICK)
        self.reads = Lane(_READ_THREADS, _MOST_READS)
        self.pictures = Lane(_PICTURE_THREADS, _MOST_PICTURES)
        self.uploads = Room(_MOST_UPLOADS)
