from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from tests.support.world import PASSWORD, SlowHasher, World

from vestibule.adapters.database import MemoryDatabase
from vestibule.application import Conflict, RequestedCode, Unavailable


class ConflictingDatabase(MemoryDatabase):
    """A database whose next commits fail, one with each of `refusals`."""

    def __init__(self, *refusals: Unavailable) -> None:
        super().__init__()
        self.refusals = list(refusals)

    @contextmanager
    def begin(self) -> Iterator[Any]:
        with super().begin() as tx:
            yield tx
            if self.refusals:
                raise self.refusals.pop(0)


def test_conflicting_change_is_retried_and_made_once() -> None:
    world = World(database=ConflictingDatabase(Conflict()))
    assert isinstance(world.request_code(destination="ann@mail.example.com"), RequestedCode)
    assert (len(world.events()), len(world.messages)) == (1, 1)


@pytest.mark.parametrize("refusals", [[Conflict()] * 2, [Unavailable()]], ids=["second conflict", "outage"])
def test_no_second_retry_and_none_after_an_outage(refusals: list[Unavailable]) -> None:
    database = ConflictingDatabase(*refusals)
    world = World(database=database)
    with pytest.raises(Unavailable):
        world.request_code(destination="ann@mail.example.com")
    assert database.refusals == []
    assert world.events() == []


def test_retried_code_request_counts_once_for_the_quota() -> None:
    world = World(database=ConflictingDatabase(Conflict()), email_url="smtp://mail.example.com", emails_per_hour=2)
    for name in ("ann", "bob"):
        assert isinstance(world.request_code(destination=f"{name}@mail.example.com"), RequestedCode)


def test_retried_registration_hashes_once() -> None:
    hasher, hashed = SlowHasher(), list[str]()
    hasher.meanwhile = [lambda: hashed.append(PASSWORD)] * 2
    World(database=ConflictingDatabase(Conflict()), hasher=hasher).create_account()
    assert hashed == [PASSWORD]
