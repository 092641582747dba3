"""Executors for awaited calls: bounded thread pools, or the event loop itself."""

from abc import ABC, abstractmethod
from asyncio import CancelledError, current_task, get_running_loop, wrap_future
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from contextvars import copy_context
from functools import partial
from threading import Lock, Semaphore
from typing import Any, ParamSpec, TypeVar

from ... import forks
from ...application import Caller, Overloaded
from ...domain.networks import subscriber_of

P = ParamSpec("P")
T = TypeVar("T")

GroupCommit = Callable[[], AbstractContextManager[object]]
"""Returns a context manager. Transactions inside it are committed together when it is left."""

MAX_WAIT = 1.0
"""Seconds that a call may wait until it begins."""


class Executor(ABC):
    """Runs blocking calls for coroutines."""

    @abstractmethod
    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the call and returns its result. Raises `Overloaded` if too many calls wait."""

    def wrap(self, call: Callable[P, T]) -> Callable[P, Coroutine[Any, Any, T]]:
        """Returns the same call as a coroutine function."""

        def awaited(*args: P.args, **kwargs: P.kwargs) -> Coroutine[Any, Any, T]:
            return self(call, *args, **kwargs)

        return awaited


class InlineExecutor(Executor):
    """The event loop itself, for calls that are shorter than a change of threads: a few reads by key from a local file."""

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        return call(*args, **kwargs)


class CapacityLimiter:
    """A `with` block that at most `limit` callers hold at once; raises `Overloaded` beyond."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._free = Semaphore(self._limit)

    def __enter__(self) -> None:
        if not self._free.acquire(blocking=False):
            raise Overloaded

    def __exit__(self, *_: object) -> None:
        self._free.release()


def awaitable_error(error: BaseException) -> BaseException:
    """Returns the error of a call in a thread, as a future can raise it into a task.

    There `SystemExit` would end the event loop and `CancelledError` the task, and a future refuses `StopIteration`.
    """
    if isinstance(error, Exception) and not isinstance(error, StopIteration):
        return error
    fault = RuntimeError(f"The call raised {type(error).__name__}.")
    fault.__cause__ = error
    return fault


def _run(call: Callable[[], T]) -> T:
    try:
        return call()
    except BaseException as error:  # for the caller
        fault = awaitable_error(error)
        if fault is error:
            raise
        raise fault from error


class ThreadLane(Executor):
    """A pool of `threads` threads for at most `limit` calls, running or waiting; raises `Overloaded` beyond.

    A call waits at most a second for a thread, then raises `Overloaded`. So while a database is down, each queued call fails
    after a second, however many are before it. Event loops in several threads may share a lane.
    """

    def __init__(self, threads: int, limit: int) -> None:
        self._number = threads
        self._capacity = CapacityLimiter(limit)
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._threads = ThreadPoolExecutor(self._number)

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs the call in a thread, in the caller's context. A call that is cancelled before it began does not run."""
        with self._capacity:
            job = self._threads.submit(copy_context().run, _run, partial(call, *args, **kwargs))
            result = wrap_future(job)
            expiry = get_running_loop().call_later(MAX_WAIT, job.cancel)  # which cancels only a job that has not begun
            try:
                return await result
            except CancelledError:
                task = current_task()
                if job.cancelled() and not (task and task.cancelling()):
                    raise Overloaded from None
                raise
            finally:
                expiry.cancel()
                result.cancel()
                del job, result  # avoids a reference cycle through an exception's traceback


class FairLane(Executor):
    """Another lane, of which one network has at most `share` calls at once; raises `Overloaded` beyond.

    The network is that of the argument `caller`. Calls without one, or by a caller without an address, are not counted. A call
    counts until it has ended, also after the awaiting task was cancelled.
    """

    def __init__(self, lane: Executor, share: int) -> None:
        self._lane = lane
        self._share = share
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._calls: dict[str, set[object]] = {}
        self._lock = Lock()

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        caller = kwargs.get("caller")
        if not isinstance(caller, Caller) or caller.ip_address is None:
            return await self._lane(call, *args, **kwargs)
        network = subscriber_of(caller.ip_address)
        counted, has_begun = self._count(network), False

        def run() -> T:
            nonlocal has_begun
            has_begun = True
            try:
                return call(*args, **kwargs)
            finally:
                self._release(network, counted)

        try:
            return await self._lane(run)
        finally:
            if not has_begun:
                self._release(network, counted)

    def _count(self, network: str) -> object:
        with self._lock:
            calls = self._calls.setdefault(network, set())
            if len(calls) >= self._share:
                raise Overloaded
            counted = object()
            calls.add(counted)
        return counted

    def _release(self, network: str, counted: object) -> None:
        """Does nothing a second time."""
        with self._lock:
            calls = self._calls.get(network, set())
            calls.discard(counted)
            if not calls:
                self._calls.pop(network, None)
