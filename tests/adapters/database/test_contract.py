"""The contract of `Database` for each database in memory, SQLite and PostgreSQL; and the callbacks after a commit."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from vestibule.adapters.database import MemoryDatabase, SqlDatabase, migrate
from vestibule.application.ports import Database
from vestibule.domain.events import Event, EventType
from vestibule.testing.contracts import DatabaseContract
from vestibule.testing.contracts.database.builders import NOW, ada, lease, message, post, registered, stored, with_events


@dataclass(frozen=True)
class Calls:
    """The callbacks that were called, in order."""

    made: list[str] = field(default_factory=list)

    def message(self) -> None:
        self.made.append("message")

    def event(self) -> None:
        self.made.append("event")


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path, calls: Calls) -> Iterator[Database]:
    if request.param == "memory":
        yield MemoryDatabase(calls.message, on_event=calls.event)
        return
    url = f"sqlite:///{tmp_path}/vestibule.db" if request.param == "sqlite" else request.getfixturevalue("postgres")
    migrate(url)
    with SqlDatabase(url, calls.message, on_event=calls.event) as database:
        yield database


class TestEveryDatabase(DatabaseContract):
    """The contract, for each database."""


# --- callbacks --------------------------------------------------------------------------------------------------------


def test_on_message_is_called_after_the_commit_of_a_new_message_only(database: Database, calls: Calls) -> None:
    with database.begin() as tx:
        tx.outbox.add(message(1))
        tx.outbox.add(message(2))
        assert calls.made == []
    assert calls.made == ["message"]
    lease(database, NOW)
    stored(database, ada())
    assert calls.made == ["message"]


def test_on_message_is_called_for_a_retried_message(database: Database, calls: Calls) -> None:
    post(database, message(1), message(2))
    with database.begin() as tx:
        tx.outbox.mark_failed("message-1", "PermanentFailure")
    before = len(calls.made)
    with database.begin() as tx:
        tx.outbox.requeue("message-1", NOW + 7)
    assert calls.made[before:] == ["message"]


def test_on_event_is_called_after_each_commit_with_an_event(database: Database, calls: Calls) -> None:
    with_events(database, registered(1), registered(2))
    with suppress(KeyError), database.begin() as tx:
        tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=NOW))
        raise KeyError
    stored(database, ada())
    assert calls.made == ["event"]


def test_rollback_calls_no_callback(database: Database, calls: Calls) -> None:
    with suppress(KeyError), database.begin() as tx:
        tx.outbox.add(message(1))
        tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=NOW))
        raise KeyError
    assert calls.made == []
