"""Lanes and batching: threads are bounded, and slow calls do not take the threads of quick ones."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, get_ident
from typing import ParamSpec, TypeVar

import pytest

from vestibule.application import TRUSTED_CALLER, Caller, Overloaded, Refusal, Unavailable
from vestibule.entrypoints.concurrency.batching import Batcher, BatchingExecutor
from vestibule.entrypoints.concurrency.executors import CapacityLimiter, Executor, FairLane, ThreadLane
from vestibule.entrypoints.concurrency.lanes import Lanes
from vestibule.entrypoints.observability import Instrumentation

P = ParamSpec("P")
T = TypeVar("T")


def test_full_lane_refuses_at_once_and_recovers() -> None:
    async def call_all() -> list[object]:
        gate, lane = Event(), ThreadLane(threads=1, limit=3)
        inside = [asyncio.create_task(lane(gate.wait, 10)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await lane(gate.is_set)
        gate.set()
        return [*await asyncio.gather(*inside), await lane(gate.is_set)]

    assert asyncio.run(call_all()) == [True] * 4


def test_full_lane_takes_no_thread_of_another() -> None:
    async def call_all() -> bool:
        gate, lanes = Event(), Lanes(Instrumentation())
        slow = [asyncio.create_task(lanes.hashing(gate.wait, 10)) for _ in range(300)]
        await asyncio.sleep(0)
        quick = await asyncio.wait_for(lanes.writes(gate.is_set), timeout=5)
        gate.set()
        await asyncio.gather(*slow)
        return quick

    assert asyncio.run(call_all()) is False


def test_failed_call_releases_its_place() -> None:
    async def run_calls() -> None:
        lane = ThreadLane(threads=1, limit=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane(divmod, 1, 0)

    asyncio.run(run_calls())


def test_cancelled_call_keeps_its_thread_until_it_ends() -> None:
    async def run_calls() -> bool:
        gate, running, lane = Event(), Event(), ThreadLane(threads=1, limit=9)

        def work() -> None:
            running.set()
            gate.wait(10)

        cancelled = asyncio.create_task(lane(work))
        while not running.is_set():  # noqa: ASYNC110 — started in another thread
            await asyncio.sleep(0)
        cancelled.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(Overloaded):
                await lane(gate.is_set)
            gate.set()
            return await lane(gate.is_set)

    assert asyncio.run(run_calls()) is True


def test_loop_that_ends_does_not_wait_for_running_calls() -> None:
    async def start_and_cancel() -> None:
        running = asyncio.create_task(ThreadLane(threads=1, limit=1)(work))
        while not started.is_set():  # noqa: ASYNC110 — as above
            await asyncio.sleep(0)
        running.cancel()

    def work() -> None:
        started.set()
        gate.wait(10)
        done.set()

    started, gate, done = Event(), Event(), Event()
    asyncio.run(start_and_cancel())
    gate.set()
    assert done.wait(10)


def test_capacity_is_full_until_a_holder_leaves() -> None:
    room = CapacityLimiter(1)
    with room, pytest.raises(Overloaded), room:
        pass
    with room:
        pass


# --- FairLane ---------------------------------------------------------------------------------------------------------

ANN, BOB = Caller("192.0.2.1"), Caller("192.0.2.2")


def test_network_has_its_share_of_a_lane_and_leaves_the_rest_to_others() -> None:
    def work(seconds: float, *, caller: Caller) -> Caller:
        gate.wait(seconds)
        return caller

    async def run_calls() -> None:
        lane = FairLane(ThreadLane(threads=9, limit=9), 2)
        inside = [asyncio.create_task(lane(work, 10, caller=ANN)) for _ in range(2)]
        await asyncio.sleep(0)
        for _ in range(3):
            with pytest.raises(Overloaded) as refused:
                await lane(work, 10, caller=ANN)
            assert refused.value.retry_after > 0
        others = [asyncio.create_task(lane(work, 10, caller=caller)) for caller in (BOB, BOB, *[TRUSTED_CALLER] * 3)]
        without_caller = asyncio.create_task(lane(gate.wait, 10))
        gate.set()
        assert await asyncio.gather(*inside) == [ANN, ANN]
        assert await asyncio.gather(*others) == [BOB, BOB, *[TRUSTED_CALLER] * 3]
        assert await without_caller
        assert await asyncio.gather(*(lane(work, 10, caller=ANN) for _ in range(2))) == [ANN, ANN]

    gate = Event()
    asyncio.run(run_calls())


def test_cancelled_call_counts_for_its_network_until_it_ends() -> None:
    async def run_calls() -> None:
        lane = FairLane(ThreadLane(threads=1, limit=9), 2)
        running, waiting = (asyncio.create_task(lane(work, caller=ANN)) for _ in range(2))
        while not started.is_set():  # noqa: ASYNC110 — started in another thread
            await asyncio.sleep(0)
        for cancelled in (running, waiting):
            cancelled.cancel()
            await asyncio.wait([cancelled])
        after = asyncio.create_task(lane(gate.is_set, caller=ANN))  # type: ignore[call-arg]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await lane(work, caller=ANN)
        after.cancel()
        gate.set()
        await asyncio.wait([after])
        assert await lane(ended.wait, 10)
        await asyncio.gather(*(lane(work, caller=ANN) for _ in range(2)))

    def work(*, caller: Caller) -> None:
        started.set()
        gate.wait(10)
        ended.set()

    started, gate, ended = Event(), Event(), Event()
    asyncio.run(run_calls())


# --- Batcher ----------------------------------------------------------------------------------------------------------


class BlockedBatch:
    """A batch call that waits for `gate`; doubles numbers and refuses negative ones."""

    def __init__(self) -> None:
        self.gate = Event()
        self.batches: list[list[int]] = []

    async def wait_for_calls(self, times: int) -> None:
        while len(self.batches) < times:  # noqa: ASYNC110 — called in another thread
            await asyncio.sleep(0)

    def each(self, numbers: Sequence[int]) -> list[int | Refusal]:
        self.batches.append(list(numbers))
        self.gate.wait(10)
        return [2 * number if number >= 0 else Unavailable(retry_after=3) for number in numbers]


def test_batch_returns_each_call_its_own_result() -> None:
    async def run_calls() -> list[object]:
        batcher = Batcher(ThreadLane(4, 9), batch.each, concurrency=2)
        calls = [asyncio.create_task(batcher(number)) for number in (1, 2, -3)]
        await batch.wait_for_calls(1)
        calls += [asyncio.create_task(batcher(number)) for number in range(4, 50)]
        asyncio.get_running_loop().call_later(0.05, batch.gate.set)
        return await asyncio.gather(*calls, return_exceptions=True)

    batch = BlockedBatch()
    first, second, refused, *others = asyncio.run(run_calls())
    assert (first, second, others) == (2, 4, [2 * number for number in range(4, 50)])
    assert isinstance(refused, Unavailable)
    assert refused.retry_after == 3
    assert [len(some) for some in batch.batches] == [3, 32, 14]


def test_exception_of_a_batch_reaches_every_call() -> None:
    async def run_calls() -> list[object]:
        batcher = Batcher(ThreadLane(1, 1), database.each)
        return [*await asyncio.gather(batcher(1), batcher(2), return_exceptions=True)]

    class UnavailableDatabase:
        def each(self, numbers: Sequence[int]) -> list[int | Refusal]:
            raise Unavailable(retry_after=2)

    database = UnavailableDatabase()
    first, second = asyncio.run(run_calls())
    assert isinstance(first, Unavailable)
    assert isinstance(second, Unavailable)
    assert first is not second


def test_cancelled_call_does_not_disturb_its_batch() -> None:
    async def run_calls() -> int:
        batcher = Batcher(ThreadLane(4, 9), batch.each)
        cancelled, remaining = asyncio.create_task(batcher(1)), asyncio.create_task(batcher(2))
        await batch.wait_for_calls(1)
        cancelled.cancel()
        await asyncio.sleep(0)
        batch.gate.set()
        return await remaining

    batch = BlockedBatch()
    assert asyncio.run(run_calls()) == 4


def test_batcher_refuses_after_a_second_and_beyond_400_calls_at_once() -> None:
    async def run_calls() -> list[object]:
        batcher = Batcher(ThreadLane(4, 9), batch.each, concurrency=2)
        calls = [asyncio.create_task(batcher(1))]
        await batch.wait_for_calls(1)
        calls.append(asyncio.create_task(batcher(2)))
        await batch.wait_for_calls(2)
        calls += [asyncio.create_task(batcher(number)) for number in range(3, 404)]
        await asyncio.sleep(1.1)
        batch.gate.set()
        return await asyncio.gather(*calls, return_exceptions=True)

    batch = BlockedBatch()
    first, second, *others = asyncio.run(run_calls())
    assert (first, second) == (2, 4)
    assert all(isinstance(answer, Overloaded) for answer in others)
    assert batch.batches == [[1], [2]]


def test_call_that_arrives_as_a_batch_ends_is_run() -> None:
    async def run_calls() -> list[object]:
        answered = asyncio.get_running_loop().create_future()

        class WaitingExecutor(Executor):
            async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
                await answered
                return call(*args, **kwargs)

        async def late() -> int:
            await answered
            return await batcher(3)

        batcher = Batcher(WaitingExecutor(), batch.each, concurrency=2)
        calls = [asyncio.create_task(batcher(1))]
        await asyncio.sleep(0)
        calls.append(asyncio.create_task(batcher(2)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        calls.append(asyncio.create_task(late()))
        await asyncio.sleep(0)
        answered.set_result(None)
        async with asyncio.timeout(5):
            return [*await asyncio.gather(*calls)]

    batch = BlockedBatch()
    batch.gate.set()
    assert asyncio.run(run_calls()) == [2, 4, 6]


# --- BatchingExecutor -------------------------------------------------------------------------------------------------


class CommitCounter:
    """A group commit that counts its commits."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.done: list[int] = []
        self.committed: list[list[int]] = []
        self.threads: set[int] = set()
        self._fault = fault

    def do(self, number: int) -> int:
        self.threads.add(get_ident())
        self.done.append(number)
        return number // (number - 3)

    @contextmanager
    def group_commit(self) -> Iterator[None]:
        yield
        done, self.done = self.done, []
        if self._fault:
            raise self._fault
        self.committed.append(done)


def test_concurrent_calls_share_one_group_commit_and_get_their_own_results() -> None:
    async def run_calls() -> list[object]:
        executor = BatchingExecutor(counter.group_commit)
        return await asyncio.gather(*(executor(counter.do, number) for number in range(5)), return_exceptions=True)

    counter = CommitCounter()
    *answers, after = asyncio.run(run_calls())
    assert answers[:3] == [0, -1, -2]
    assert isinstance(answers[3], ZeroDivisionError)
    assert after == 4
    assert counter.committed == [[0, 1, 2, 3, 4]]
    assert len(counter.threads - {get_ident()}) == 1


def test_failed_commit_fails_every_call() -> None:
    async def run_calls() -> list[object]:
        executor = BatchingExecutor(CommitCounter(Unavailable(retry_after=7)).group_commit)
        return [*await asyncio.gather(executor(int, "1"), executor(int, "no number"), return_exceptions=True)]

    answers = asyncio.run(run_calls())
    assert [answer.retry_after for answer in answers if isinstance(answer, Unavailable)] == [7, 7]


def test_each_call_runs_in_its_own_context() -> None:
    name: ContextVar[str] = ContextVar("name")

    async def run_calls(mine: str) -> str:
        name.set(mine)
        return await executor(name.get)

    async def both() -> list[str]:
        return [*await asyncio.gather(run_calls("ann"), run_calls("bob"))]

    executor = BatchingExecutor(CommitCounter().group_commit)
    assert asyncio.run(both()) == ["ann", "bob"]


def test_call_cancelled_before_it_begins_does_not_run() -> None:
    async def run_calls() -> int:
        executor = BatchingExecutor(counter.group_commit)
        first = asyncio.create_task(executor(gate.wait, 10))
        await asyncio.sleep(0)
        cancelled, remaining = asyncio.create_task(executor(counter.do, 1)), asyncio.create_task(executor(counter.do, 4))
        await asyncio.sleep(0)
        cancelled.cancel()
        await asyncio.sleep(0)
        gate.set()
        await first
        return await remaining

    counter, gate = CommitCounter(), Event()
    assert asyncio.run(run_calls()) == 4
    assert counter.committed[-1] == [4]


def test_call_cancelled_while_it_waits_for_a_thread_ends_as_cancelled_and_does_not_run() -> None:
    async def run_calls() -> tuple[bool, int]:
        lane = ThreadLane(threads=1, limit=2)
        first, waiting = asyncio.create_task(lane(gate.wait, 10)), asyncio.create_task(lane(counter.do, 1))
        await asyncio.sleep(0)
        waiting.cancel()
        await asyncio.wait([waiting])
        gate.set()
        await first
        return waiting.cancelled(), await lane(counter.do, 4)

    counter, gate = CommitCounter(), Event()
    assert asyncio.run(run_calls()) == (True, 4)
    assert counter.done == [4]


class Panic(BaseException):
    """An exception as libraries in Rust raise."""


class UncopyableError(Exception):
    """An exception that cannot be copied."""

    def __init__(self, first: str, second: str) -> None:
        super().__init__(first + second)


@pytest.mark.parametrize("fault", [Panic(), StopIteration(), UncopyableError("o", "dd")])
def test_exception_of_one_call_does_not_affect_the_others(fault: BaseException) -> None:
    def fail() -> int:
        raise fault

    async def run_calls() -> list[object]:
        executor = BatchingExecutor(CommitCounter().group_commit)
        answers = [asyncio.create_task(executor(call)) for call in (lambda: 1, fail, lambda: 2)]
        async with asyncio.timeout(5):
            return [*await asyncio.gather(*answers, return_exceptions=True)]

    first, failed, last = asyncio.run(run_calls())
    assert (first, last) == (1, 2)
    assert failed is fault or isinstance(failed, RuntimeError)


@pytest.mark.parametrize("fault", [Unavailable(), UncopyableError("o", "dd")])
def test_exception_of_the_group_commit_reaches_every_call(fault: Exception) -> None:
    async def run_calls() -> list[object]:
        executor = BatchingExecutor(CommitCounter(fault).group_commit)
        async with asyncio.timeout(5):
            return [*await asyncio.gather(executor(int, "1"), executor(int, "2"), return_exceptions=True)]

    assert [type(answer) for answer in asyncio.run(run_calls())] == [type(fault)] * 2


def test_cancelled_calls_release_their_places() -> None:
    async def run_calls() -> bool:
        executor = BatchingExecutor(CommitCounter().group_commit)
        first = asyncio.create_task(executor(gate.wait, 10))
        await asyncio.sleep(0.01)
        cancelled = [asyncio.create_task(executor(gate.is_set)) for _ in range(400)]
        await asyncio.sleep(0)
        for call in cancelled:
            call.cancel()
        await asyncio.sleep(0)
        remaining = asyncio.create_task(executor(gate.is_set))
        await asyncio.sleep(0)
        gate.set()
        await first
        return await remaining

    gate = Event()
    assert asyncio.run(run_calls()) is True


def test_cancelled_batch_fails_its_calls_and_the_next_batch_runs() -> None:
    async def run_calls() -> list[object]:
        executor = BatchingExecutor(CommitCounter().group_commit)
        first = asyncio.create_task(executor(gate.wait, 10))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(executor(gate.is_set))
        await asyncio.sleep(0)
        [batch_task] = [task for task in asyncio.all_tasks() if task not in {first, second, asyncio.current_task()}]
        batch_task.cancel()
        await asyncio.sleep(0)
        gate.set()
        async with asyncio.timeout(5):
            return [*await asyncio.gather(first, second, return_exceptions=True)]

    gate = Event()
    cancelled, answered = asyncio.run(run_calls())
    assert isinstance(cancelled, RuntimeError)
    assert answered is True
