"""The alarm on failures of the whole service."""

import logging

import pytest
from tests.support.world import BusyDatabase, World

from vestibule.application import EventType, InvalidCredentials
from vestibule.application.ports import Database
from vestibule.domain.events import Caller, Event
from vestibule.domain.rate_limits import Limits, RateLimit

HOUR = 3600.0
LIMITS = Limits(
    failed_logins_before_alarm=(RateLimit(10, 300.0), RateLimit(30, HOUR)), wrong_codes_before_alarm=(RateLimit(5, HOUR),)
)


@pytest.fixture
def world(caplog: pytest.LogCaptureFixture) -> World:
    """A world whose failures are watched."""
    caplog.set_level(logging.ERROR, "vestibule.alarms")
    world = World(limits=LIMITS)
    add(world.database, 20)  # before the first call
    world.watch_failures()
    world.clock.advance(60)
    return world


def add(database: Database, count: int, type_: EventType = EventType.LOGIN_FAILED, at: float = 0.0) -> None:
    with database.begin() as tx:
        for _ in range(count):
            tx.audit_log.add(Event(type=type_, occurred_at=at))


def failures(world: World, count: int, type_: EventType = EventType.LOGIN_FAILED, *, after: float = 60.0) -> None:
    """Adds failures, and watches them `after` so many seconds."""
    add(world.database, count, type_, world.clock())
    world.clock.advance(after)
    world.watch_failures()


def test_guesses_at_many_accounts_from_many_networks_are_reported(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for number in range(10):
        with pytest.raises(InvalidCredentials):
            world.log_in(username=f"person-{number}", password="a guess", caller=Caller(f"192.0.2.{number}"))

    world.watch_failures()

    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage() == (
        "failed logins of the whole service reached 10/5min, 30/hour: somebody may be guessing; "
        "`vestibule audit-log --type login_failed` lists them"
    )


def test_failures_below_the_limits_are_not_reported(world: World, caplog: pytest.LogCaptureFixture) -> None:
    failures(world, 9)
    failures(world, 5, after=301)
    failures(world, 4, EventType.CODE_REFUSED)
    failures(world, 100, EventType.LOGGED_IN)
    assert caplog.records == []


def test_failures_of_several_calls_add_up(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(4):
        failures(world, 2)
    assert caplog.records == []
    failures(world, 2)
    assert len(caplog.records) == 1


def test_longer_limit_counts_as_well(world: World, caplog: pytest.LogCaptureFixture) -> None:
    for _ in range(4):
        failures(world, 7, after=600)
    assert caplog.records == []
    failures(world, 7, after=600)
    assert len(caplog.records) == 1


def test_each_kind_is_reported_once_an_hour(world: World, caplog: pytest.LogCaptureFixture) -> None:
    failures(world, 10)
    failures(world, 10)
    assert len(caplog.records) == 1
    failures(world, 5, EventType.CODE_REFUSED)
    assert [record.getMessage().partition(" of ")[0] for record in caplog.records] == ["failed logins", "wrong codes"]
    world.clock.advance(HOUR)
    world.watch_failures()
    assert len(caplog.records) == 2, "nothing happened since"
    failures(world, 10)
    assert len(caplog.records) == 3


def test_thousands_at_once_are_counted_beyond_one_batch(world: World, caplog: pytest.LogCaptureFixture) -> None:
    failures(world, 2000)
    assert len(caplog.records) == 1


def test_failures_of_before_the_first_call_are_not_counted(caplog: pytest.LogCaptureFixture) -> None:
    world = World(limits=LIMITS)
    failures(world, 100)
    failures(world, 9)
    assert caplog.records == []


def test_one_process_counts_in_each_minute(world: World, caplog: pytest.LogCaptureFixture) -> None:
    failures(world, 5)
    failures(world, 5, after=30)
    assert caplog.records == [], "the last call was half a minute ago"
    world.clock.advance(30)
    world.watch_failures()
    assert len(caplog.records) == 1


def test_process_that_another_one_overtook_counts_nothing(caplog: pytest.LogCaptureFixture) -> None:
    database = BusyDatabase()
    world = World(database=database, limits=LIMITS)
    failures(world, 1)
    add(database, 9, at=world.clock())
    world.clock.advance(60)
    database.meanwhile.append(world.watch_failures)
    world.watch_failures()
    failures(world, 0)
    assert database.meanwhile == []
    assert caplog.records == [], "nine failures are not eighteen"
