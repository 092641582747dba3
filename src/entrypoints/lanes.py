"""Where use cases run when they are awaited: in worker threads by lanes, so that slow calls never take the threads of quick
ones."""

import os
from asyncio import AbstractEventLoop, Future, Semaphore, Task, current_task, get_running_loop, timeout, wrap_future
from collections.abc import Callable, Coroutine, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from contextvars import copy_context
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from ..application import Overloaded, Refusal
from .watching import Watch

P = ParamSpec("P")
T = TypeVar("T")
Q = TypeVar("Q")
A = TypeVar("A")

_SLOW_THREADS_PER_CORE = 20
_QUICK_THREADS = 8
_MEETING_THREADS = 16
"""Where transactions that meet are committed together: the more the better, up to about here."""

_MOST_SLOW = 400
_MOST_QUICK = 400
_READ_THREADS = 4
_MOST_READS = 400
_MOST_TOGETHER = 32
_AT_ONCE = 2
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
        self.room = Room(most)
        self._threads = ThreadPoolExecutor(threads)
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

    def _release_in(self, loop: AbstractEventLoop, _: object) -> None:
        with suppress(RuntimeError):  # it is closed
            loop.call_soon_threadsafe(self._free.release)


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
            return await turns.ask(partial(ask, *args, **question))

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


class Row(Generic[Q, A]):
    """Who waits to be asked for in one event loop, since when, and the tasks that ask."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Q, Future[A], float]] = []
        self.tasks: set[Task[None] | None] = set()

    def next(self, now: float) -> tuple[list[Q], list[Future[A]]]:
        """Those who have waited longest, up to 32; who has waited too long is told so."""
        some, self.waiting = self.waiting[:_MOST_TOGETHER], self.waiting[_MOST_TOGETHER:]
        for _, place, since in some:
            if now - since > _MOST_WAIT and not place.done():
                place.set_exception(Overloaded())
        left = [(question, place) for question, place, _ in some if not place.done()]
        return [question for question, _ in left], [place for _, place in left]


class Together(Generic[Q, A]):
    """Asks at once for all who ask while the questions before theirs are on their way: one thread, and one question to a
    database that is far, for many calls. `ask` answers in the order of its questions, with a refusal for who is refused.

    As in a lane, `Overloaded` is told to whom there is no room for, and to who has waited for a second.
    """

    def __init__(self, lane: Lane, ask: Callable[[Sequence[Q]], Sequence[A | Refusal]]) -> None:
        self._lane = lane
        self._ask = ask
        self._in: WeakKeyDictionary[AbstractEventLoop, Row[Q, A]] = WeakKeyDictionary()

    async def __call__(self, question: Q) -> A:
        loop = get_running_loop()
        row = self._in.get(loop)
        if row is None:
            row = self._in[loop] = Row()
        if len(row.waiting) == _MOST_READS:
            raise Overloaded
        place: Future[A] = loop.create_future()
        row.waiting.append((question, place, loop.time()))
        if len(row.tasks) < _AT_ONCE:
            row.tasks.add(loop.create_task(self._go(row)))
        return await place

    async def _go(self, row: Row[Q, A]) -> None:
        try:
            await self._ask_for(row)
        finally:
            row.tasks.discard(current_task())  # at once: whoever comes next must not count on this one

    async def _ask_for(self, row: Row[Q, A]) -> None:
        while row.waiting:
            questions, places = row.next(get_running_loop().time())
            answers: Sequence[A | Exception] = ()
            try:
                answers = await self._lane(self._ask, questions) if questions else ()
            except Exception as error:  # noqa: BLE001 — each is told of it
                answers = [error] * len(places)
            for place, answer in zip(places, answers, strict=True):
                _tell(place, answer)


def _tell(place: Future[A], answer: A | Exception) -> None:
    if place.done():  # its call was cancelled
        return
    if isinstance(answer, Exception):
        place.set_exception(answer)
    else:
        place.set_result(answer)


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

    def __init__(self, watch: Watch, *, is_far: bool = True) -> None:
        """A database that `is_far` has connections, which are not to be used up; one that is near commits for all who meet."""
        quick = _QUICK_THREADS if is_far else _MEETING_THREADS
        self.slow = watch.lane("slow", Lane(_SLOW_THREADS_PER_CORE * (os.cpu_count() or 1), _MOST_SLOW))
        self.quick = watch.lane("quick", Lane(quick, _MOST_QUICK))
        self.reads = watch.lane("reads", Lane(_READ_THREADS, _MOST_READS))
        self.pictures = watch.lane("pictures", Lane(_PICTURE_THREADS, _MOST_PICTURES))
        self.chores = watch.lane("chores", Lane(_CHORE_THREADS, _MOST_CHORES))
