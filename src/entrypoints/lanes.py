"""Where use cases run when they are awaited: in worker threads by lanes, so that slow calls never take the threads of quick
ones."""

import os
from asyncio import AbstractEventLoop, Semaphore, get_running_loop, timeout
from collections.abc import Callable, Coroutine
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from anyio import CapacityLimiter
from anyio.to_thread import run_sync

from ..application import Overloaded
from .watching import Watch

P = ParamSpec("P")
T = TypeVar("T")

_SLOW_THREADS_PER_CORE = 20
_QUICK_THREADS = 8
_MOST_SLOW = 400
_MOST_QUICK = 400
_READ_THREADS = 4
_MOST_READS = 400
MOST_UPLOADS = 24
"""How many files of 5 MiB may be in memory at once."""

_PICTURE_THREADS = MOST_UPLOADS + 8
_MOST_PICTURES = 400
_CHORE_THREADS = 4
_MOST_CHORES = 16
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


class Turns:
    """What a lane has in one event loop: to wait in it belongs to that loop alone."""

    def __init__(self, threads: int, most: int) -> None:
        self.limiter = CapacityLimiter(threads)
        self.room = Room(most)
        self._free = Semaphore(threads)

    async def take(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with timeout(_MOST_WAIT):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded from None

    def give_back(self) -> None:
        self._free.release()


class Lane:
    """So many threads, and so many calls in all, running or waiting; `Overloaded` beyond. Each event loop has its own.

    A call waits a second at most for a thread: where the ones before it wait for a database that cannot be had, the last in
    a long row is to learn of it as soon as the first.
    """

    def __init__(self, threads: int, most: int) -> None:
        self._bounds = threads, most
        self._in: WeakKeyDictionary[AbstractEventLoop, Turns] = WeakKeyDictionary()

    async def __call__(self, ask: Callable[P, T], *args: P.args, **question: P.kwargs) -> T:
        """Asks in a thread."""
        turns = self._turns()
        with turns.room:
            await turns.take()
            try:
                return await run_sync(partial(ask, *args, **question), limiter=turns.limiter)
            finally:
                turns.give_back()

    def awaits(self, ask: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
        """The same question, awaited."""

        def asked(*args: P.args, **question: P.kwargs) -> Coroutine[Any, Any, T]:
            return self(ask, *args, **question)

        return asked

    def _turns(self) -> Turns:
        loop = get_running_loop()
        turns = self._in.get(loop)
        if turns is None:
            turns = self._in[loop] = Turns(*self._bounds)
        return turns


class Loop:
    """The event loop itself, for what is shorter than a change of threads: a few reads by key from a file that is near."""

    def awaits(self, ask: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
        """The same question, awaited."""

        async def asked(*args: P.args, **question: P.kwargs) -> T:
            return ask(*args, **question)

        return asked


class Lanes:
    """`slow` for calls that hash a password, `pictures` for those that store or read one, `quick` for the rest, `reads` for
    those that change nothing, and so wait for nobody who does; `chores` for what may take minutes and nobody waits for.

    The hasher takes a thread and a queue of 16 for each core; the slow lane has room for them all, so that the hasher,
    which knows how long its queue takes, is the one to say that it is too long. As many pictures as may be in memory wait for
    a decoder or for S3, and leave threads to those who read.
    """

    def __init__(self, watch: Watch) -> None:
        self.slow = watch.lane("slow", Lane(_SLOW_THREADS_PER_CORE * (os.cpu_count() or 1), _MOST_SLOW))
        self.quick = watch.lane("quick", Lane(_QUICK_THREADS, _MOST_QUICK))
        self.reads = watch.lane("reads", Lane(_READ_THREADS, _MOST_READS))
        self.pictures = watch.lane("pictures", Lane(_PICTURE_THREADS, _MOST_PICTURES))
        self.chores = watch.lane("chores", Lane(_CHORE_THREADS, _MOST_CHORES))
