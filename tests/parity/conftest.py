"""Runs every test through both interfaces, on each database."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest
from tests.support.interfaces import HttpInterface, Interface, LibraryInterface
from tests.support.world import World

from vestibule.application.ports import Database

Open = Callable[..., Interface]


@pytest.fixture(params=[HttpInterface, LibraryInterface], ids=["http", "import"])
def open_interface(request: pytest.FixtureRequest, empty_database: Callable[[], Database]) -> Iterator[Open]:
    """Opens an interface to a new world with some settings."""
    with ExitStack() as interfaces:

        def open_world(**settings: Any) -> Interface:
            interface: Interface = interfaces.enter_context(request.param(World(database=empty_database(), **settings)))
            return interface

        yield open_world


@pytest.fixture
def interface(open_interface: Open) -> Interface:
    return open_interface()


@pytest.fixture
def world(interface: Interface) -> World:
    return interface.world
