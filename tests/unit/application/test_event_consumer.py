from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest
from tests.support.world import World

from vestibule.adapters.database import MemoryDatabase
from vestibule.adapters.database.database import SqlTransaction
from vestibule.application import EventType, Unavailable
from vestibule.application.event_consumer import Batch


def positions(batch: Batch) -> list[int]:
    return [position for position, _ in batch]


def read(world: World, name: str = "crm", limit: int = 100) -> list[int]:
    with world.read_events(name, limit=limit) as batch:
        return positions(batch)


def fail_in_handler(world: World, *finished: int, meanwhile: Callable[[], None] = lambda: None) -> None:
    with world.read_events("crm") as batch:
        for position in finished:
            batch.acknowledge(position)
        meanwhile()
        raise ValueError("the handler failed")


def world_with_three_accounts() -> World:
    world = World()
    for name in ("ann", "bob", "cid"):
        world.create_account(name)
    return world


def test_reader_resumes_at_its_position() -> None:
    world = world_with_three_accounts()
    with world.read_events("crm", limit=2) as batch:
        assert [(event.type, event.account_id) for _, event in batch] == [(EventType.REGISTERED, 1), (EventType.REGISTERED, 2)]
        assert len(batch) == 2
    assert read(world) == [3]
    assert read(world) == []
    world.create_account("dan")
    assert read(world) == [4]


def test_each_reader_gets_every_event() -> None:
    world = world_with_three_accounts()
    assert read(world, "crm") == read(world, "billing") == [1, 2, 3]


def test_unfinished_events_are_returned_again() -> None:
    world = world_with_three_accounts()
    with pytest.raises(ValueError, match="handler failed"):
        fail_in_handler(world)
    assert read(world) == [1, 2, 3]


def test_acknowledged_events_are_not_returned_after_an_error() -> None:
    world = world_with_three_accounts()
    with pytest.raises(ValueError, match="handler failed"):
        fail_in_handler(world, 1, 2)
    assert read(world) == [3]


def test_one_by_one_marks_only_acknowledged_events_as_done() -> None:
    world = world_with_three_accounts()
    with world.read_events("crm", one_by_one=True) as batch:
        batch.acknowledge(1)
    with world.read_events("crm", one_by_one=True) as batch:
        assert positions(batch) == [2, 3]
    assert read(world) == [2, 3]


def test_second_reader_of_a_name_gets_none_while_the_first_holds_events() -> None:
    world = world_with_three_accounts()
    with world.read_events("crm"):
        assert read(world) == []
        assert read(world, "billing") == [1, 2, 3]
    assert read(world) == []


def test_lease_of_a_dead_reader_expires_after_a_minute() -> None:
    world = world_with_three_accounts()
    dead_reader = world.read_events("crm")
    dead_reader.__enter__()
    world.clock.advance(59)
    assert read(world) == []
    world.clock.advance(1)
    assert read(world) == [1, 2, 3]


def test_reader_that_outlived_its_lease_moves_nothing_and_logs_it(caplog: pytest.LogCaptureFixture) -> None:
    world = world_with_three_accounts()
    with world.read_events("crm"):
        world.clock.advance(60)
        assert read(world, limit=1) == [1]
    assert "expired after 60 s" in caplog.text
    assert read(world) == [2, 3]


def test_lease_from_a_clock_that_was_ahead_does_not_count() -> None:
    world = world_with_three_accounts()
    world.clock.advance(10_000)
    dead_reader = world.read_events("crm")
    dead_reader.__enter__()
    world.clock.advance(-10_000)
    assert read(world) == [1, 2, 3]


def test_cursor_stores_when_it_moved() -> None:
    world = world_with_three_accounts()
    read_at = world.clock()
    read(world)
    world.clock.advance(9)
    world.create_account("dan")
    with pytest.raises(ValueError, match="handler failed"):
        fail_in_handler(world)
    cursor = world.database.cursors.get("crm")
    assert (cursor.position, cursor.moved_at, cursor.leased_until) == (3, read_at, 0.0)


class FailingDatabase(MemoryDatabase):
    """A database that fails after `left` more transactions, or in which another reader reads before the next one."""

    left = 99
    meanwhile: World | None = None

    def disconnect(self) -> None:
        self.left = 0

    @contextmanager
    def begin(self) -> Iterator[SqlTransaction]:
        if self.left == 0:
            raise Unavailable
        self.left -= 1
        other, self.meanwhile = self.meanwhile, None
        if other:
            read(other, limit=1)
        with super().begin() as tx:
            yield tx


def world_with_failing_database() -> tuple[World, FailingDatabase]:
    database = FailingDatabase()
    world = World(database=database)
    for name in ("ann", "bob", "cid"):
        world.create_account(name)
    return world, database


def test_concurrent_readers_do_not_get_the_same_events() -> None:
    world, database = world_with_failing_database()
    database.meanwhile = world
    assert read(world) == []
    assert read(world) == [2, 3]


def test_handler_error_is_raised_even_if_the_database_is_down() -> None:
    world, database = world_with_failing_database()
    with pytest.raises(ValueError, match="handler failed"):
        fail_in_handler(world, meanwhile=database.disconnect)
    database.left = 99
    world.clock.advance(60)
    assert read(world) == [1, 2, 3]


def test_reader_is_refused_if_its_cursor_cannot_be_moved() -> None:
    world, database = world_with_failing_database()
    with pytest.raises(Unavailable), world.read_events("crm"):
        database.left = 0
