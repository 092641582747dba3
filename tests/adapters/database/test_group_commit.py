"""The SQLite writer: one lock, transactions that share a commit, and errors and interrupts at any point of them."""

import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import RLock, Thread
from typing import Any, ClassVar

import pytest
from tests.support.databases import named, rows

from vestibule.adapters.database import SqlDatabase, migrate, sqlite
from vestibule.domain import events
from vestibule.domain.errors import Unavailable


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/vestibule.db"


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    migrate(url)
    with SqlDatabase(url) as opened:
        yield opened


class FaultyConnection(sqlite3.Connection):
    """A connection that calls `before` with each statement, and with itself."""

    before: ClassVar[Callable[[sqlite3.Connection, str], None]]

    def execute(self, text: str, *values: Any) -> sqlite3.Cursor:
        type(self).before(self, text)
        return super().execute(text, *values)


@pytest.fixture
def fault(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[sqlite3.Connection, str], None]], None]:
    """Has connections that are opened from now on call a function before each statement."""

    def inject(before: Callable[[sqlite3.Connection, str], None]) -> None:
        faulty = type("Faulty", (FaultyConnection,), {"before": staticmethod(before)})
        monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=faulty))

    return inject


@pytest.fixture
def commands(fault: Callable[[Callable[[sqlite3.Connection, str], None]], None]) -> list[str]:
    """The first word of each statement."""
    words: list[str] = []
    fault(lambda _, text: words.append(text.partition(" ")[0]))
    return words


def add(database: SqlDatabase, name: str, error: BaseException | None = None) -> None:
    with database.begin() as tx:
        tx.accounts.add(named(name))
        if error:
            raise error


def usernames(url: str) -> list[str]:
    return [name for (name,) in rows(url, "SELECT username FROM accounts ORDER BY id")]


# --- one lock ---------------------------------------------------------------------------------------------------------


def test_threads_that_write_at_once_lose_nothing(database: SqlDatabase, url: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda number: add(database, f"n{number}"), range(80)))
    assert len(usernames(url)) == 80


def test_closing_waits_for_an_open_transaction(database: SqlDatabase, url: str) -> None:
    with database.begin() as tx:
        closing = Thread(target=database.close)
        closing.start()
        tx.accounts.add(named("ann"))
    closing.join(10)
    assert usernames(url) == ["ann"]


def test_other_threads_wait_for_a_block_that_has_written(database: SqlDatabase, url: str) -> None:
    with ThreadPoolExecutor(1) as elsewhere:
        with database.group_commit():
            add(database, "ann")
            waiting = elsewhere.submit(add, database, "bob")
            add(database, "cid")
            assert not waiting.done()
        waiting.result(10)
    assert usernames(url) == ["ann", "cid", "bob"]


def test_consecutive_waits_in_a_block_share_one_deadline(database: SqlDatabase, monkeypatch: pytest.MonkeyPatch) -> None:
    deadlines: list[float] = []

    def never(_: sqlite3.Connection, deadline: float) -> None:
        deadlines.append(deadline)
        raise Unavailable

    monkeypatch.setattr(sqlite, "begin_immediate", never)
    with database.group_commit():
        for name in ("ann", "bob", "cid"):
            with pytest.raises(Unavailable):
                add(database, name)
    assert len(deadlines) == 3
    assert len(set(deadlines)) == 1


# --- one commit -------------------------------------------------------------------------------------------------------


def test_transactions_of_a_block_share_one_commit_at_its_end(database: SqlDatabase, commands: list[str], url: str) -> None:
    with database.group_commit():
        for name in ("ann", "bob", "cid"):
            add(database, name)
        assert usernames(url) == []
    assert usernames(url) == ["ann", "bob", "cid"]
    assert commands.count("BEGIN") == commands.count("COMMIT") == 1


@pytest.mark.parametrize("failing", [{"ann"}, {"bob"}, {"cid"}, {"ann", "bob"}, {"ann", "bob", "cid"}])
def test_each_transaction_of_a_block_is_rolled_back_alone(database: SqlDatabase, url: str, failing: set[str]) -> None:
    with database.group_commit():
        for name in ("ann", "bob", "cid"):
            with suppress(KeyError):
                add(database, name, KeyError() if name in failing else None)
    assert set(usernames(url)) == {"ann", "bob", "cid"} - failing


def test_transactions_before_an_error_in_the_block_are_committed(database: SqlDatabase, url: str) -> None:
    def fail() -> None:
        with database.group_commit():
            add(database, "ann")
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    assert usernames(url) == ["ann"]


def test_callbacks_run_after_the_commit_and_not_for_a_rollback(url: str) -> None:
    seen: list[int] = []

    def on_event() -> None:
        [(count,)] = rows(url, "SELECT count(*) FROM audit_log")
        seen.append(count)

    migrate(url)
    with SqlDatabase(url, on_event=on_event) as database, database.group_commit():
        for at in (1.0, 2.0):
            with database.begin() as tx:
                tx.audit_log.add(events.Event(type=events.EventType.REGISTERED, occurred_at=at))
        with suppress(KeyError), database.begin() as tx:
            tx.audit_log.add(events.Event(type=events.EventType.REGISTERED, occurred_at=3.0))
            raise KeyError
        assert not seen
    assert seen == [2, 2]


def test_nested_blocks_and_nested_transactions_are_refused(database: SqlDatabase, url: str) -> None:
    with database.group_commit():
        with pytest.raises(RuntimeError), database.group_commit():
            pass
        with database.begin() as tx:
            with pytest.raises(RuntimeError), database.begin():
                pass
            tx.accounts.add(named("ann"))
    assert usernames(url) == ["ann"]


def test_block_without_transactions_does_not_begin(database: SqlDatabase, commands: list[str]) -> None:
    with database.group_commit():
        assert database.accounts.get(1) is None
    assert "BEGIN" not in commands


# --- errors -----------------------------------------------------------------------------------------------------------


def lose_everything(connection: sqlite3.Connection, text: str) -> None:
    """Rolls back the open transaction, as SQLite itself does when a disk fails."""
    if text.startswith("INSERT INTO audit_log"):
        sqlite3.Connection.execute(connection, "ROLLBACK")


def add_and_lose_everything(database: SqlDatabase, name: str) -> None:
    with database.begin() as tx:
        tx.accounts.add(named(name))
        tx.audit_log.add(events.Event(type=events.EventType.REGISTERED, occurred_at=1.0))


def test_transaction_that_sqlite_has_rolled_back_is_refused(database: SqlDatabase, url: str, fault: Any) -> None:
    fault(lose_everything)
    with pytest.raises(Unavailable):
        add_and_lose_everything(database, "ann")
    add(database, "bob")
    assert usernames(url) == ["bob"]


def test_block_that_sqlite_has_rolled_back_is_refused_as_a_whole(database: SqlDatabase, url: str, fault: Any) -> None:
    def add_all() -> None:
        with database.group_commit():
            add(database, "ann")
            with pytest.raises(Unavailable):
                add_and_lose_everything(database, "bob")
            with pytest.raises(Unavailable):
                add(database, "cid")

    fault(lose_everything)
    with pytest.raises(Unavailable):
        add_all()
    assert usernames(url) == []
    with database.group_commit():
        add(database, "dan")
    assert usernames(url) == ["dan"]


@pytest.mark.parametrize(("error", "seen"), [(sqlite3.OperationalError(), KeyError), (MemoryError(), MemoryError)])
def test_block_with_a_failed_rollback_is_refused_as_a_whole(
    database: SqlDatabase, url: str, fault: Any, error: Exception, seen: type[Exception]
) -> None:
    def cannot_undo(_: sqlite3.Connection, text: str) -> None:
        if text.startswith("ROLLBACK TO"):
            raise error

    def add_all() -> None:
        with database.group_commit():
            add(database, "ann")
            with pytest.raises(seen):
                add(database, "bob", KeyError())
            with pytest.raises(Unavailable):
                add(database, "cid")

    fault(cannot_undo)
    with pytest.raises(Unavailable):
        add_all()
    assert usernames(url) == []


def test_connection_that_cannot_roll_back_is_replaced(database: SqlDatabase, url: str, fault: Any) -> None:
    def cannot_undo(_: sqlite3.Connection, text: str) -> None:
        if text == "ROLLBACK":
            raise sqlite3.OperationalError

    fault(cannot_undo)
    with pytest.raises(KeyError):
        add(database, "ann", KeyError())
    add(database, "bob")
    assert usernames(url) == ["bob"]


def test_failed_commit_raises_unavailable_and_the_next_succeeds(database: SqlDatabase, url: str, fault: Any) -> None:
    errors = [sqlite3.OperationalError("disk I/O error")]

    def fail_once(_: sqlite3.Connection, text: str) -> None:
        if text == "COMMIT" and errors:
            raise errors.pop()

    fault(fail_once)
    with pytest.raises(Unavailable):
        add(database, "ann")
    add(database, "bob")
    assert usernames(url) == ["bob"]


def test_commit_is_refused_if_the_file_was_removed_meanwhile(database: SqlDatabase, tmp_path: Path) -> None:
    def remove() -> None:
        with database.group_commit():
            add(database, "ann")
            (tmp_path / "vestibule.db").unlink()

    add(database, "bob")
    with pytest.raises(Unavailable):
        remove()


# --- interrupts -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("command", ["BEGIN IMMEDIATE", "COMMIT"])
def test_interrupted_transaction_is_rolled_back_and_blocks_no_other(
    database: SqlDatabase, url: str, fault: Any, command: str
) -> None:
    interrupts = [KeyboardInterrupt()]

    def interrupt_once(connection: sqlite3.Connection, text: str) -> None:
        if text == command and interrupts:
            if command.startswith("BEGIN"):  # the interrupt strikes after BEGIN and before its transaction is noted
                sqlite3.Connection.execute(connection, text)
            raise interrupts.pop()

    fault(interrupt_once)
    with pytest.raises(KeyboardInterrupt):
        add(database, "ann")
    elsewhere = Thread(target=add, args=(database, "bob"))
    elsewhere.start()
    elsewhere.join(10)
    add(database, "cid")
    assert usernames(url) == ["bob", "cid"]


def test_lock_that_an_interrupt_left_taken_is_released_by_the_next_transaction(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(RLock())
        return made[-1]

    monkeypatch.setattr(sqlite, "RLock", make)
    migrate(url)
    with SqlDatabase(url) as database:
        made[-1].acquire()  # KeyboardInterrupt strikes between acquiring the lock and recording it
        add(database, "ann")
        elsewhere = Thread(target=add, args=(database, "bob"))
        elsewhere.start()
        elsewhere.join(10)
    assert usernames(url) == ["ann", "bob"]
