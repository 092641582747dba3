"""Work in threads is bounded, and slow work leaves the quick its threads."""

import asyncio
from collections.abc import Callable, Sequence
from threading import Barrier, Event
from typing import cast

import pytest

from vestibule.application import Overloaded, Refusal, Unavailable
from vestibule.entrypoints.lanes import Lane, Lanes, Room, Together
from vestibule.entrypoints.watching import Watch


def test_beyond_its_room_a_lane_refuses_at_once_and_recovers() -> None:
    async def storm() -> list[object]:
        gate, lane = Event(), Lane(threads=1, most=3)
        inside = [asyncio.create_task(lane(gate.wait, 10)) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Overloaded):
            await lane(gate.is_set)
        gate.set()
        return [*await asyncio.gather(*inside), await lane(gate.is_set)]

    assert asyncio.run(storm()) == [True] * 4


def test_a_full_slow_lane_takes_no_thread_of_the_quick_one() -> None:
    async def storm() -> bool:
        gate, lanes = Event(), Lanes(Watch())
        slow = [asyncio.create_task(lanes.slow(gate.wait, 10)) for _ in range(300)]
        await asyncio.sleep(0)
        quick = await asyncio.wait_for(lanes.quick(gate.is_set), timeout=5)
        gate.set()
        await asyncio.gather(*slow)
        return quick

    assert asyncio.run(storm()) is False


@pytest.mark.parametrize(("is_far", "at_once"), [(True, 8), (False, 16)])
def test_more_may_change_something_at_once_where_they_are_committed_together(is_far: bool, at_once: int) -> None:
    async def meet() -> None:
        lanes, met = Lanes(Watch(), is_far=is_far), Barrier(at_once + 1)
        meeting = [asyncio.create_task(lanes.quick(met.wait, 10)) for _ in range(at_once)]
        await asyncio.to_thread(met.wait, 10)
        await asyncio.gather(*meeting)

    asyncio.run(meet())


def test_a_refusal_leaves_the_room_it_took() -> None:
    async def ask() -> None:
        lane = Lane(threads=1, most=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane(divmod, 1, 0)

    asyncio.run(ask())


def test_who_is_cancelled_has_its_thread_until_its_work_is_done() -> None:
    async def ask() -> bool:
        gate, begun, lane = Event(), Event(), Lane(threads=1, most=9)

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


def test_a_loop_that_ends_amid_work_is_not_waited_for() -> None:
    async def leave() -> None:
        begun = asyncio.create_task(Lane(threads=1, most=1)(work))
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


def test_a_room_is_full_until_somebody_leaves() -> None:
    room = Room(1)
    with room, pytest.raises(Overloaded), room:
        pass
    with room:
        pass


# --- asked together ---------------------------------------------------------------------------------------------------


class Far:
    """Answers questions all at once, when its gate is open: a number with its double, and refuses those below nothing."""

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


def test_those_who_ask_meanwhile_are_asked_for_together_and_each_gets_its_own_answer() -> None:
    async def ask() -> list[object]:
        together = Together(Lane(4, 9), far.each)
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


def test_what_stops_the_question_is_told_to_all_who_asked_it() -> None:
    async def ask() -> list[object]:
        together = Together(Lane(1, 1), database.each)
        return [*await asyncio.gather(together(1), together(2), return_exceptions=True)]

    class Down:
        def each(self, numbers: Sequence[int]) -> list[int | Refusal]:
            raise Unavailable(retry_after=2)

    database = Down()
    assert [type(one) for one in asyncio.run(ask())] == [Unavailable] * 2


def test_who_does_not_wait_any_longer_disturbs_nobody() -> None:
    async def ask() -> int:
        together = Together(Lane(4, 9), far.each)
        gone, stays = asyncio.create_task(together(1)), asyncio.create_task(together(2))
        await far.is_asked(1)
        gone.cancel()
        await asyncio.sleep(0)
        far.gate.set()
        return await stays

    far = Far()
    assert asyncio.run(ask()) == 4


def test_who_has_waited_for_a_second_is_told_so_and_beyond_four_hundred_at_once() -> None:
    async def ask() -> list[object]:
        together = Together(Lane(4, 9), far.each)
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


def test_who_asks_in_the_moment_in_which_the_last_answers_come_is_asked_for_too() -> None:
    async def ask() -> list[object]:
        answered = asyncio.get_running_loop().create_future()

        async def lane(each: Callable[[Sequence[int]], object], numbers: Sequence[int]) -> object:
            await answered
            return each(numbers)

        async def late() -> int:
            await answered
            return await together(3)

        together = Together(cast("Lane", lane), far.each)
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
