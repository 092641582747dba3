"""Every test here is told once, and goes through both doors on every kind of database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.support.interfaces import Door, HttpDoor, ImportDoor
from tests.support.world import World

from vestibule.application.ports import Database

Open = Callable[..., Door]


@pytest.fixture(params=[HttpDoor, ImportDoor], ids=["http", "import"])
def open_door(request: pytest.FixtureRequest, empty_database: Callable[[], Database]) -> Iterator[Open]:
    """A door to a new world, with other settings than the usual."""
    with ExitStack() as doors:

        def open_one(**given: Any) -> Door:
            door: Door = doors.enter_context(request.param(World(database=empty_database(), **given)))
            return door

        yield open_one


@pytest.fixture
def door(open_door: Open) -> Door:
    return open_door()


@pytest.fixture
def world(door: Door) -> World:
    return door.world
