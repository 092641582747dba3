"""Events delivered to a program that imports Vestibule."""

import logging
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.system.test_deliver import eventually

from vestibule import Settings, build
from vestibule.application import Event, EventType
from vestibule.entrypoints.facade import Vestibule

PASSWORD = "the engine weaves algebra"


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vestibule.entrypoints.workers.subscriptions.MAX_RETRY_SECONDS", 0.05)


@pytest.fixture
def settings(tmp_path: Path, database_url_for: Callable[[Path], str]) -> Settings:
    return Settings(data_dir=tmp_path / "data", database_url=database_url_for(tmp_path / "data"))


@contextmanager
def built(settings: Settings) -> Iterator[Vestibule]:
    with build(settings, run_workers=False) as vestibule:
        yield vestibule


def register(vestibule: Vestibule, name: str) -> int:
    return vestibule.register(username=name, name="A User", email=f"{name}@example.com", password=PASSWORD).id


def test_handler_receives_each_event_in_order_including_earlier_ones(settings: Settings) -> None:
    seen: list[tuple[int, EventType, int | None]] = []
    with built(settings) as vestibule:
        ann = register(vestibule, "ann-x")
        vestibule.subscribe("crm", lambda position, event: seen.append((position, event.type, event.account_id)))
        assert eventually(lambda: len(seen) == 1)
        begun = time.monotonic()
        vestibule.log_in(username="ann-x", password=PASSWORD)
        assert eventually(lambda: len(seen) == 2)
        assert time.monotonic() - begun < 0.9, "the commit woke the subscriber, before its next poll"
    assert seen == [(1, EventType.REGISTERED, ann), (2, EventType.LOGGED_IN, ann)]
    with built(settings) as vestibule:
        register(vestibule, "bob-x")
        vestibule.subscribe("crm", lambda position, event: seen.append((position, event.type, event.account_id)))
        assert eventually(lambda: len(seen) == 3)
    assert seen[2][0] == 3


@pytest.mark.parametrize("failure", [ValueError("not yet"), SystemExit(1)])
def test_failing_handler_gets_the_event_again_without_delaying_others(
    settings: Settings, failure: BaseException, caplog: pytest.LogCaptureFixture
) -> None:
    attempts: list[int] = []
    received: list[int] = []

    def failing(position: int, event: Event) -> None:
        attempts.append(position)
        if position == 2 and attempts.count(2) < 3:
            raise failure

    with built(settings) as vestibule, caplog.at_level(logging.WARNING, "vestibule.events"):
        vestibule.subscribe("crm", failing)
        vestibule.subscribe("billing", lambda position, _: received.append(position))
        for name in ("ann-x", "bob-x", "cid-x"):
            register(vestibule, name)
        assert eventually(lambda: attempts[-1:] == [3])
        assert eventually(lambda: received == [1, 2, 3])
    assert attempts == [1, 2, 2, 2, 3]
    assert "events for crm: the handler failed, retrying in" in caplog.text
    assert type(failure).__name__ in caplog.text


def test_closing_finishes_the_current_event_only(settings: Settings) -> None:
    begun, seen = threading.Event(), list[int]()

    def slow(position: int, event: Event) -> None:
        begun.set()
        time.sleep(0.3)
        seen.append(position)

    with built(settings) as vestibule:
        for name in ("ann-x", "bob-x"):
            register(vestibule, name)
        vestibule.subscribe("crm", slow)
        assert begun.wait(10)
    assert seen == [1]
    with built(settings) as vestibule, vestibule.read_events("crm") as events:
        assert [position for position, _ in events] == [2]


def test_subscribers_of_one_name_share_the_events(settings: Settings) -> None:
    seen: list[int] = []

    def handler(position: int, event: Event) -> None:
        time.sleep(0.002)
        seen.append(position)

    with built(settings) as here, built(settings) as there:
        for vestibule in (here, there, here):
            vestibule.subscribe("crm", handler)
        for number in range(12):
            register((here, there)[number % 2], f"user-{number}x")
        assert eventually(lambda: len(seen) >= 12)
        time.sleep(0.1)
    assert seen == list(range(1, 13))
