"""Lanes and batching: threads are bounded, and slow calls do not take the threads of quick ones."""

import asyncio
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from threading import Event, get_ident
from typing import ParamSpec, TypeVar

import pytest

from vestibule.application import Overloaded, Refusal, Unavailable
from vestibule.entrypoints.concurrency.batching import Batcher, BatchingExecutor
from vestibule.entrypoints.concurrency.executors import CapacityLimiter, Executor, ThreadLane
from vestibule.entrypoints.concurrency.lanes import Lanes
from vestibule.entrypoints.observability import Instrumentation

P = ParamSpec("P")
T = TypeVar("T")


def test_full_lane_refuses_at_once_and_recovers() -> None:
    async def storm() -> list[object]:
        gate, lane = Event(), ThreadLane(threads=1, limit=3)
        inside = [asyncio.create_task(lane(gate.wait, 10)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await lane(gate.is_set)
        gate.set()
        return [*await asyncio.gather(*inside), await lane(gate.is_set)]

    assert asyncio.run(storm()) == [True] * 4


def test_full_lane_takes_no_thread_of_another() -> None:
    async def storm() -> bool:
        gate, lanes = Event(), Lanes(Instrumentation())
        slow = [asyncio.create_task(lanes.hashing(gate.wait, 10)) for _ in range(300)]
        await asyncio.sleep(0)
        quick = await asyncio.wait_for(lanes.writes(gate.is_set), timeout=5)
        gate.set()
        await asyncio.gather(*slow)
        return quick

    assert asyncio.run(storm()) is False


def test_failed_call_releases_its_place() -> None:
    async def ask() -> None:
        lane = ThreadLane(threads=1, limit=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane(divmod, 1, 0)

    asyncio.run(ask())


def test_cancelled_call_keeps_its_thread_until_it_ends() -> None:
    async def ask() -> bool:
        gate, begun, lane = Event(), Event(), ThreadLane(threads=1, limit=9)

        def work() -> None:
            begun.set()
            gate.wait(10)

        gone = asyncio.create_task(lane(work))
        while not begun.is_set():  # noqa: ASYNC110 — it begins in another thread
            await asyncio.sleep(0)
        gone.cancel()
        async with asyncio.timeout(5):
            with pytest.raises(Overloaded):
                await lane(gate.is_set)
            gate.set()
            return await lane(gate.is_set)

    assert asyncio.run(ask()) is True


def test_loop_that_ends_does_not_wait_for_running_calls() -> None:
    async def leave() -> None:
        begun = asyncio.create_task(ThreadLane(threads=1, limit=1)(work))
        while not started.is_set():  # noqa: ASYNC110 — as above
            await asyncio.sleep(0)
        begun.cancel()

    def work() -> None:
        started.set()
        gate.wait(10)
        done.set()

    started, gate, done = Event(), Event(), Event()
    asyncio.run(leave())
    gate.set()
    assert done.wait(10)


def test_capacity_is_full_until_a_holder_leaves() -> None:
    room = CapacityLimiter(1)
    with room, pytest.raises(Overloaded), room:
        pass
    with room:
        pass


# --- asked together ---------------------------------------------------------------------------------------------------


class Far:
    """A batch call that waits for a gate; doubles numbers and refuses negative ones."""

    def __init__(self) -> None:
        self.gate = Event()
        self.asked: list[list[int]] = []

    async def is_asked(self, times: int) -> None:
        while len(self.asked) < times:  # noqa: ASYNC110 — it is asked in another thread
            await asyncio.sleep(0)

    def each(self, numbers: Sequence[int]) -> list[int | Refusal]:
        self.asked.append(list(numbers))
        self.gate.wait(10)
        return [2 * number if number >= 0 else Unavailable(retry_after=3) for number in numbers]


def test_batch_returns_each_call_its_own_result() -> None:
    async def ask() -> list[object]:
        together = Batcher(ThreadLane(4, 9), far.each, concurrency=2)
        asked = [asyncio.create_task(together(number)) for number in (1, 2, -3)]
        await far.is_asked(1)
        asked += [asyncio.create_task(together(number)) for number in range(4, 50)]
        asyncio.get_running_loop().call_later(0.05, far.gate.set)
        return await asyncio.gather(*asked, return_exceptions=True)

    far = Far()
    one, two, refused, *others = asyncio.run(ask())
    assert (one, two, others) == (2, 4, [2 * number for number in range(4, 50)])
    assert isinstance(refused, Unavailable)
    assert refused.retry_after == 3
    assert [len(some) for some in far.asked] == [3, 32, 14]


def test_exception_of_a_batch_reaches_every_call() -> None:
    async def ask() -> list[object]:
        together = Batcher(ThreadLane(1, 1), database.each)
        return [*await asyncio.gather(together(1), together(2), return_exceptions=True)]

    class Down:
        def each(self, numbers: Sequence[int]) -> list[int | Refusal]:
            raise Unavailable(retry_after=2)

    database = Down()
    one, other = asyncio.run(ask())
    assert isinstance(one, Unavailable)
    assert isinstance(other, Unavailable)
    assert one is not other


def test_cancelled_call_does_not_disturb_its_batch() -> None:
    async def ask() -> int:
        together = Batcher(ThreadLane(4, 9), far.each)
        gone, stays = asyncio.create_task(together(1)), asyncio.create_task(together(2))
        await far.is_asked(1)
        gone.cancel()
        await asyncio.sleep(0)
        far.gate.set()
        return await stays

    far = Far()
    assert asyncio.run(ask()) == 4


def test_batcher_refuses_after_a_second_and_beyond_400_calls_at_once() -> None:
    async def ask() -> list[object]:
        together = Batcher(ThreadLane(4, 9), far.each, concurrency=2)
        asked = [asyncio.create_task(together(1))]
        await far.is_asked(1)
        asked.append(asyncio.create_task(together(2)))
        await far.is_asked(2)
        asked += [asyncio.create_task(together(number)) for number in range(3, 404)]
        await asyncio.sleep(1.1)
        far.gate.set()
        return await asyncio.gather(*asked, return_exceptions=True)

    far = Far()
    first, second, *others = asyncio.run(ask())
    assert (first, second) == (2, 4)
    assert all(isinstance(one, Overloaded) for one in others)
    assert far.asked == [[1], [2]]


def test_call_that_arrives_as_a_batch_ends_is_run() -> None:
    async def ask() -> list[object]:
        answered = asyncio.get_running_loop().create_future()

        class When(Executor):
            async def __call__(self, call: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
                await answered
                return call(*args, **kwargs)

        async def late() -> int:
            await answered
            return await together(3)

        together = Batcher(When(), far.each, concurrency=2)
        asked = [asyncio.create_task(together(1))]
        await asyncio.sleep(0)
        asked.append(asyncio.create_task(together(2)))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        asked.append(asyncio.create_task(late()))
        await asyncio.sleep(0)
        answered.set_result(None)
        async with asyncio.timeout(5):
            return [*await asyncio.gather(*asked)]

    far = Far()
    far.gate.set()
    assert asyncio.run(ask()) == [2, 4, 6]


# --- carried out together ---------------------------------------------------------------------------------------------


class Block:
    """A group commit that counts its commits."""

    def __init__(self, fault: Exception | None = None) -> None:
        self.done: list[int] = []
        self.kept: list[list[int]] = []
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
        self.kept.append(done)


def test_concurrent_calls_share_one_group_commit_and_get_their_own_results() -> None:
    async def ask() -> list[object]:
        grouped = BatchingExecutor(block.group_commit)
        return await asyncio.gather(*(grouped(block.do, number) for number in range(5)), return_exceptions=True)

    block = Block()
    *answers, after = asyncio.run(ask())
    assert answers[:3] == [0, -1, -2]
    assert isinstance(answers[3], ZeroDivisionError)
    assert after == 4
    assert block.kept == [[0, 1, 2, 3, 4]]
    assert len(block.threads - {get_ident()}) == 1


def test_failed_commit_fails_every_call() -> None:
    async def ask() -> list[object]:
        grouped = BatchingExecutor(Block(Unavailable(retry_after=7)).group_commit)
        return [*await asyncio.gather(grouped(int, "1"), grouped(int, "no number"), return_exceptions=True)]

    answers = asyncio.run(ask())
    assert [answer.retry_after for answer in answers if isinstance(answer, Unavailable)] == [7, 7]


def test_each_call_runs_in_its_own_context() -> None:
    name: ContextVar[str] = ContextVar("name")

    async def ask(mine: str) -> str:
        name.set(mine)
        return await grouped(name.get)

    async def both() -> list[str]:
        return [*await asyncio.gather(ask("ann"), ask("bob"))]

    grouped = BatchingExecutor(Block().group_commit)
    assert asyncio.run(both()) == ["ann", "bob"]


def test_call_cancelled_before_it_begins_does_not_run() -> None:
    async def ask() -> int:
        grouped = BatchingExecutor(block.group_commit)
        first = asyncio.create_task(grouped(gate.wait, 10))
        await asyncio.sleep(0)
        gone, stays = asyncio.create_task(grouped(block.do, 1)), asyncio.create_task(grouped(block.do, 4))
        await asyncio.sleep(0)
        gone.cancel()
        await asyncio.sleep(0)
        gate.set()
        await first
        return await stays

    block, gate = Block(), Event()
    assert asyncio.run(ask()) == 4
    assert block.kept[-1] == [4]


class Panic(BaseException):
    """An exception as libraries in Rust raise."""


class Odd(Exception):
    """An exception that cannot be copied."""

    def __init__(self, one: str, other: str) -> None:
        super().__init__(one + other)


@pytest.mark.parametrize("fault", [Panic(), StopIteration(), Odd("o", "dd")])
def test_exception_of_one_call_does_not_affect_the_others(fault: BaseException) -> None:
    def fail() -> int:
        raise fault

    async def ask() -> list[object]:
        grouped = BatchingExecutor(Block().group_commit)
        answers = [asyncio.create_task(grouped(one)) for one in (lambda: 1, fail, lambda: 2)]
        async with asyncio.timeout(5):
            return [*await asyncio.gather(*answers, return_exceptions=True)]

    one, failed, other = asyncio.run(ask())
    assert (one, other) == (1, 2)
    assert failed is fault or isinstance(failed, RuntimeError)


@pytest.mark.parametrize("fault", [Unavailable(), Odd("o", "dd")])
def test_exception_of_the_group_commit_reaches_every_call(fault: Exception) -> None:
    async def ask() -> list[object]:
        grouped = BatchingExecutor(Block(fault).group_commit)
        async with asyncio.timeout(5):
            return [*await asyncio.gather(grouped(int, "1"), grouped(int, "2"), return_exceptions=True)]

    assert [type(one) for one in asyncio.run(ask())] == [type(fault)] * 2


def test_cancelled_calls_release_their_places() -> None:
    async def ask() -> bool:
        grouped = BatchingExecutor(Block().group_commit)
        first = asyncio.create_task(grouped(gate.wait, 10))
        await asyncio.sleep(0.01)
        gone = [asyncio.create_task(grouped(gate.is_set)) for _ in range(400)]
        await asyncio.sleep(0)
        for one in gone:
            one.cancel()
        await asyncio.sleep(0)
        stays = asyncio.create_task(grouped(gate.is_set))
        await asyncio.sleep(0)
        gate.set()
        await first
        return await stays

    gate = Event()
    assert asyncio.run(ask()) is True


def test_cancelled_batch_fails_its_calls_and_the_next_batch_runs() -> None:
    async def ask() -> list[object]:
        grouped = BatchingExecutor(Block().group_commit)
        first = asyncio.create_task(grouped(gate.wait, 10))
        await asyncio.sleep(0.01)
        second = asyncio.create_task(grouped(gate.is_set))
        await asyncio.sleep(0)
        [asks] = [task for task in asyncio.all_tasks() if task not in {first, second, asyncio.current_task()}]
        asks.cancel()
        await asyncio.sleep(0)
        gate.set()
        async with asyncio.timeout(5):
            return [*await asyncio.gather(first, second, return_exceptions=True)]

    gate = Event()
    broken_off, answered = asyncio.run(ask())
    assert isinstance(broken_off, RuntimeError)
    assert answered is True
