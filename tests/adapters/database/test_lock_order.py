"""Transactions of one account that race on PostgreSQL never wait for each other in a circle."""

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import pytest
from tests.support.postgres_server import run
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World, concurrently

from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.application import Refusal, Unavailable

ROUNDS = 25


@pytest.fixture
def url(new_postgres: str) -> str:
    migrate(new_postgres)
    return new_postgres


@pytest.fixture
def world(url: str) -> Iterator[World]:
    with SqlDatabase(url) as database:
        yield World(database=database)


def deadlocks(url: str) -> int:
    """How many PostgreSQL has resolved in this database; a connection reports its own when it is closed."""
    others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    while run(url, others) != [(0,)]:
        time.sleep(0.02)
    [(count,)] = run(url, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()")
    return int(count)


def race(world: World, number: int) -> list[Any]:
    """A change of password, a reset, a deactivation and an upload of one account, which has codes to both of its addresses."""
    name, mobile = f"ann{number}", f"+49151{number:08}"
    account = world.create_account(name, mobile=mobile)
    identity = world.log_in_as(name)
    email = account.addresses[0].text
    world.request_code(destination=mobile)
    code = world.send(email)
    calls: list[Callable[[], Any]] = [
        partial(world.change_account, identity=identity, password=OTHER_PASSWORD),
        partial(world.reset_password, email=email, otp=code, password="the owners own choice"),
        partial(world.set_active, identifier=name, active=False),
        partial(world.upload_image, identity=identity, profile_image=PNG),
        partial(world.remove_image, identity=identity),
        partial(world.log_out, identity=world.log_in_as(name)),
        partial(world.log_out, refresh=world.log_in(username=name, password=PASSWORD).refresh_token),
    ]
    return concurrently(calls)


def test_racing_changes_of_an_account_cause_no_deadlock(world: World, url: str) -> None:
    refusals: list[Refusal] = []
    for number in range(ROUNDS):
        refusals += [answer for answer in race(world, number) if isinstance(answer, Refusal)]
    assert isinstance(world.database, SqlDatabase)
    world.database.close()
    assert deadlocks(url) == 0
    assert not [refusal for refusal in refusals if isinstance(refusal, Unavailable)]
