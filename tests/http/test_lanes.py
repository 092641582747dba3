"""Work in threads is bounded, and slow work leaves the quick its threads."""

import asyncio
from threading import Event

import pytest

from vestibule.application import Overloaded
from vestibule.entrypoints.lanes import Lane, Lanes, Room
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


def test_a_refusal_leaves_the_room_it_took() -> None:
    async def ask() -> None:
        lane = Lane(threads=1, most=1)
        for _ in range(3):
            with pytest.raises(ZeroDivisionError):
                await lane(divmod, 1, 0)

    asyncio.run(ask())


def test_a_room_is_full_until_somebody_leaves() -> None:
    room = Room(1)
    with room, pytest.raises(Overloaded), room:
        pass
    with room:
        pass
