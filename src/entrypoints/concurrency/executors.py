"""How calls that are awaited get to where they run: in a thread of a bounded number, or in the event loop itself."""

from abc import ABC, abstractmethod
from asyncio import AbstractEventLoop, Semaphore, get_running_loop, timeout, wrap_future
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, suppress
from contextvars import copy_context
from functools import partial
from typing import Any, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from ...application import Overloaded

P = ParamSpec("P")
T = TypeVar("T")

Block = Callable[[], AbstractContextManager[object]]
"""Makes a `with` block around calls that are carried out together."""

MOST_WAIT = 1.0
"""Seconds that a call may wait until it is carried out."""


class Way(ABC):
    """A way for calls."""

    @abstractmethod
    async def __call__(self, ask: Callable[P, T], *args: P.args, **question: P.kwargs) -> T:
        """Asks there. Raises `Overloaded` where too many wait."""

    def awaits(self, ask: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
        """The same question, awaited."""

        def asked(*args: P.args, **question: P.kwargs) -> Coroutine[Any, Any, T]:
            return self(ask, *args, **question)

        return asked


class Loop(Way):
    """The event loop itself, for what is shorter than a change of threads: a few reads by key from a file that is near."""

    async def __call__(self, ask: Callable[P, T], *args: P.args, **question: P.kwargs) -> T:
        return ask(*args, **question)


class Room:
    """A `with` block for so many at once; `Overloaded` beyond. For use in one thread, that of the event loop."""

    def __init__(self, limit: int) -> None:
        self._free = limit

    def __enter__(self) -> None:
        if self._free == 0:
            raise Overloaded
        self._free -= 1

    def __exit__(self, *_: object) -> None:
        self._free += 1


class Turns:
    """What a lane has in one event loop: to wait in it belongs to that loop alone."""

    def __init__(self, threads: int, limit: int) -> None:
        self.room = Room(limit)
        self._threads = ThreadPoolExecutor(threads)
        self._free = Semaphore(threads)

    async def take(self) -> None:
        if not self._free.locked():
            await self._free.acquire()
            return
        try:
            async with timeout(MOST_WAIT):
                await self._free.acquire()
        except TimeoutError:
            raise Overloaded from None

    async def ask(self, question: Callable[[], T]) -> T:
        """In a thread, in the context of who asks. The turn is over with the work, also where nobody waits for it any more."""
        work = self._threads.submit(copy_context().run, question)
        try:
            return await wrap_future(work)
        finally:
            if work.done():
                self._free.release()
            else:
                work.add_done_callback(partial(self._release_in, get_running_loop()))
            del work  # what it raised has this frame in its trace

    def _release_in(self, loop: AbstractEventLoop, _: object) -> None:
        with suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(self._free.release)


class Lane(Way):
    """So many threads, and so many calls in all, running or waiting; `Overloaded` beyond. Each event loop has its own.

    A call waits a second at most for a thread: where the ones before it wait for a database that cannot be had, the last in
    a long row is to learn of it as soon as the first.
    """

    def __init__(self, threads: int, limit: int) -> None:
        self._bounds = threads, limit
        self._in: WeakKeyDictionary[AbstractEventLoop, Turns] = WeakKeyDictionary()

    async def __call__(self, ask: Callable[P, T], *args: P.args, **question: P.kwargs) -> T:
        """Asks in a thread."""
        turns = self._turns()
        with turns.room:
            await turns.take()
            return await turns.ask(partial(ask, *args, **question))

    def _turns(self) -> Turns:
        loop = get_running_loop()
        turns = self._in.get(loop)
        if turns is None:
            turns = self._in[loop] = Turns(*self._bounds)
        return turns
