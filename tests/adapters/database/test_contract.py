"""What every database promises: in memory, SQLite and PostgreSQL, accounts in a table of one's own too; and what ours wake."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from sqlalchemy import Column, MetaData, Table, Text
from tests.support import accounts as people
from tests.support.postgres_server import run

from vestibule.adapters.database import ACCOUNTS, AccountsTable, MemoryDatabase, SqlDatabase, migrate
from vestibule.application.ports import Database
from vestibule.domain.events import Event, EventType
from vestibule.testing.contracts import DatabaseContract
from vestibule.testing.contracts.database.given import NOW, ada, journalled, lease, message, post, stored


@dataclass(frozen=True)
class Calls:
    """Who was woken, in order."""

    made: list[str] = field(default_factory=list)

    def message(self) -> None:
        self.made.append("message")

    def event(self) -> None:
        self.made.append("event")


@pytest.fixture
def calls() -> Calls:
    return Calls()


@pytest.fixture(params=["memory", "sqlite", "sqlite, own table", "postgres", "postgres, own table"])
def database(request: pytest.FixtureRequest, tmp_path: Path, calls: Calls) -> Iterator[Database]:
    kind, _, is_own = request.param.partition(", ")
    if kind == "memory":
        yield MemoryDatabase(calls.message, on_event=calls.event)
        return
    url = in_sqlite(tmp_path, is_own=bool(is_own)) if kind == "sqlite" else in_postgres(request, is_own=bool(is_own))
    with SqlDatabase(url, calls.message, on_event=calls.event, accounts=people.ACCOUNTS if is_own else ACCOUNTS) as database:
        yield database


def in_sqlite(directory: Path, *, is_own: bool) -> str:
    path = directory / "vestibule.db"
    migrate(f"sqlite:///{path}")
    if is_own:
        with closing(sqlite3.connect(path, isolation_level=None)) as beside:
            for statement in people.made_by("sqlite"):
                beside.execute(statement)
    return f"sqlite:///{path}"


def in_postgres(request: pytest.FixtureRequest, *, is_own: bool) -> str:
    url: str = request.getfixturevalue("postgres")
    if is_own:
        for statement in people.made_by("postgresql+psycopg"):
            run(url, statement)
        run(url, "TRUNCATE people RESTART IDENTITY")
    return url


class TestEveryDatabase(DatabaseContract):
    """Each of them."""


# --- who is woken -----------------------------------------------------------------------------------------------------


def test_the_courier_is_woken_after_the_commit_and_only_for_a_new_message(database: Database, calls: Calls) -> None:
    with database.begin() as tx:
        tx.outbox.add(message(1))
        tx.outbox.add(message(2))
        assert calls.made == []
    assert calls.made == ["message"]
    lease(database, NOW)
    stored(database, ada())
    assert calls.made == ["message"]


def test_the_courier_is_woken_for_a_message_that_is_to_be_tried_again(database: Database, calls: Calls) -> None:
    post(database, message(1), message(2))
    with database.begin() as tx:
        tx.outbox.give_up("message-1", "Undeliverable")
    before = len(calls.made)
    with database.begin() as tx:
        tx.outbox.retry("message-1", NOW + 7)
    assert calls.made[before:] == ["message"]


def test_whoever_waits_for_events_is_called_after_each_commit_that_holds_one(database: Database, calls: Calls) -> None:
    journalled(database, 1, 2)
    with suppress(KeyError), database.begin() as tx:
        tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=NOW))
        raise KeyError
    stored(database, ada())
    assert calls.made == ["event"]


def test_a_transaction_that_failed_wakes_nobody(database: Database, calls: Calls) -> None:
    with suppress(KeyError), database.begin() as tx:
        tx.outbox.add(message(1))
        tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=NOW))
        raise KeyError
    assert calls.made == []


# --- accounts in a table of one's own ---------------------------------------------------------------------------------


def test_a_table_of_ones_own_that_lacks_a_column_is_refused() -> None:
    columns = {name: column for name, column in people.COLUMNS.items() if name not in {"owner_verified", "image"}}
    with pytest.raises(ValueError, match="needs columns for these too: owner_verified, image"):
        AccountsTable(columns)


def test_a_table_of_ones_own_whose_keys_are_not_unique_is_refused() -> None:
    twin = Table("twin", MetaData(), *(Column(name, column.type) for name, column in people.COLUMNS.items()))
    with pytest.raises(ValueError, match="have to be unique: canonical_username, canonical_email, canonical_mobile"):
        AccountsTable(dict(twin.columns))


def test_accounts_in_two_tables_are_refused() -> None:
    other = Table("other", MetaData(), Column("image", Text))
    with pytest.raises(ValueError, match="all in one table"):
        AccountsTable({**people.COLUMNS, "image": other.c.image})
