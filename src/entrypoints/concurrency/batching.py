"""Batches concurrent calls, so that the fixed cost (a commit, a query) is paid once per batch."""

from asyncio import AbstractEventLoop, Future, Task, current_task, get_running_loop
from collections.abc import Callable, Sequence
from contextvars import copy_context
from copy import copy
from functools import partial
from typing import Any, Generic, ParamSpec, TypeVar
from weakref import WeakKeyDictionary

from ... import forks
from ...application import Overloaded, Refusal
from .executors import MAX_WAIT, Executor, GroupCommit, ThreadLane, awaitable_error

P = ParamSpec("P")
T = TypeVar("T")
Item = TypeVar("Item")
Result = TypeVar("Result")

_MAX_PENDING = 400
_MAX_BATCH = 32


class Pending(Generic[Item, Result]):
    """Calls of one event loop that wait for a batch, with their arrival times, and the tasks that run batches."""

    def __init__(self) -> None:
        self.calls: list[tuple[Item, Future[Result], float]] = []
        self.runners: set[Task[None] | None] = set()

    def drop_cancelled(self) -> None:
        self.calls = [call for call in self.calls if not call[1].done()]

    def next_batch(self, now: float) -> tuple[list[Item], list[Future[Result]]]:
        """Takes the 32 oldest calls, without those that were cancelled or have waited longer than `MAX_WAIT`."""
        oldest, self.calls = self.calls[:_MAX_BATCH], self.calls[_MAX_BATCH:]
        for _, future, since in oldest:
            if now - since > MAX_WAIT and not future.done():
                future.set_exception(Overloaded())
        batch = [(item, future) for item, future, _ in oldest if not future.done()]
        return [item for item, _ in batch], [future for _, future in batch]


class Batcher(Generic[Item, Result]):
    """Collects items while at most `concurrency` batches are under way, then passes all of them to `run` at once.

    `run` returns results in the order of its items, with an exception for each item that is refused. A call raises
    `Overloaded` if `limit` calls wait already, or if it has waited for a second.
    """

    def __init__(
        self,
        executor: Executor,
        run: Callable[[Sequence[Item]], Sequence[Result | Refusal]],
        *,
        concurrency: int = 1,
        limit: float = _MAX_PENDING,
    ) -> None:
        self._executor = executor
        self._run = run
        self._concurrency = concurrency
        self._limit = limit
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._by_loop: WeakKeyDictionary[AbstractEventLoop, Pending[Item, Result]] = WeakKeyDictionary()

    async def __call__(self, item: Item) -> Result:
        loop = get_running_loop()
        pending = self._by_loop.get(loop)
        if pending is None:
            pending = self._by_loop[loop] = Pending()
        if len(pending.calls) >= self._limit:
            pending.drop_cancelled()
            if len(pending.calls) >= self._limit:
                raise Overloaded
        future: Future[Result] = loop.create_future()
        pending.calls.append((item, future, loop.time()))
        self._start_runner(pending, loop)
        try:
            return await future
        finally:
            del future, item  # avoids a reference cycle through an exception's traceback

    def _start_runner(self, pending: Pending[Item, Result], loop: AbstractEventLoop) -> None:
        if len(pending.runners) < self._concurrency:
            pending.runners.add(loop.create_task(self._run_batches(pending)))

    async def _run_batches(self, pending: Pending[Item, Result]) -> None:
        try:
            while pending.calls:
                await self._run_batch(*pending.next_batch(get_running_loop().time()))
        finally:
            pending.runners.discard(current_task())  # before another task can run and count on this runner
            pending.drop_cancelled()
            if pending.calls:  # this runner was cancelled, and the loop goes on
                self._start_runner(pending, get_running_loop())

    async def _run_batch(self, items: list[Item], futures: list[Future[Result]]) -> None:
        results: Sequence[Result | Exception] = ()
        try:
            results = await self._executor(self._run, items) if items else ()
        except Exception as error:  # noqa: BLE001 — every caller of the batch receives it
            results = [copy(error) if isinstance(error, Refusal) else error for _ in futures]
        except BaseException:
            for future in futures:
                _resolve(future, RuntimeError("The batch of this call was cancelled."))
            raise
        for future, result in zip(futures, results, strict=True):
            _resolve(future, result)
        # Avoids a reference cycle: the frames of a traceback hold these lists.
        items.clear()
        if isinstance(results, list):
            results.clear()


def _resolve(future: Future[Result], result: Any) -> None:
    if future.done():  # its caller was cancelled
        return
    if isinstance(result, BaseException):
        future.set_exception(awaitable_error(result))
    else:
        future.set_result(result)


class BatchingExecutor(Executor):
    """Runs concurrent calls one after another in one thread, within one group commit.

    Each call returns after that commit, and raises if the commit fails. For short transactions, which in threads of
    their own would contend for the write lock at every statement.
    """

    def __init__(self, group_commit: GroupCommit) -> None:
        self._group_commit = group_commit
        thread = ThreadLane(threads=1, limit=_MAX_PENDING)
        self._batcher: Batcher[Callable[[], Any], Any] = Batcher(thread, self._run_all)

    async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        result: T = await self._batcher(partial(copy_context().run, partial(call, *args, **kwargs)))
        return result

    def _run_all(self, calls: Sequence[Callable[[], Any]]) -> list[Any]:
        with self._group_commit():
            return [_outcome(call) for call in calls]


def _outcome(call: Callable[[], Any]) -> Any:
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 — for the caller of this call, not of the whole batch
        return error
