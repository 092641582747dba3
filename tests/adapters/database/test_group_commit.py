"""On SQLite transactions that meet are committed together: each is answered after it is on the disk, and each fails alone."""

import sqlite3
from collections.abc import Iterator
from contextlib import suppress
from functools import partial
from pathlib import Path
from threading import Event, Thread
from typing import Any

import pytest
from sqlalchemy import text
from tests.support.databases import named, rows
from tests.support.world import outcome

from vestibule.adapters.database import SqlDatabase, migrate, sqlite_writer
from vestibule.adapters.database.sqlite import Sqlite
from vestibule.domain import events
from vestibule.domain.errors import AlreadyTaken, Unavailable


@pytest.fixture
def url(tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path}/vestibule.db"


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    migrate(url)
    with SqlDatabase(url) as opened:
        yield opened


def deny_undoing(action: int, what: str | None, *_: object) -> int:
    return sqlite3.SQLITE_DENY if (action, what) == (sqlite3.SQLITE_SAVEPOINT, "ROLLBACK") else sqlite3.SQLITE_OK


class Queue:
    """Transactions that wait for each other in a known order, each in a thread of its own; what came of them by their names."""

    def __init__(self, database: SqlDatabase) -> None:
        self._database = database
        self._threads: list[Thread] = []
        self._go = Event()
        self.outcomes: dict[str, object] = {}

    def add(self, *names: str, fault: Exception | None = None, loses_all: bool = False, cannot_be_undone: bool = False) -> None:
        """One that adds accounts of these names; the first to be added holds the others up until `end`."""
        is_first, begun = not self._threads, Event()

        def add() -> None:
            with self._database.begin() as tx:
                begun.set()
                if is_first:
                    assert self._go.wait(10)
                for name in names:
                    tx.accounts.add(named(name))
                if loses_all:
                    tx.accounts._unit.run(text("ROLLBACK"))  # noqa: SLF001 — as SQLite does by itself where a disk fails
                if cannot_be_undone:
                    connection = self._writer()._connection  # noqa: SLF001
                    assert connection is not None
                    connection.set_authorizer(deny_undoing)  # as where a disk fails
                if fault:
                    raise fault

        thread = Thread(target=lambda: self.outcomes.update({names[0]: outcome(add)}))
        self._threads.append(thread)
        thread.start()
        if is_first:
            assert begun.wait(10)
        else:
            self._await_waiting(len(self._threads) - 1)

    def wait_with(self, name: str) -> None:
        """One that adds an account, and waits for somebody who is not of this queue."""

        def add() -> None:
            with self._database.begin() as tx:
                tx.accounts.add(named(name))

        self._threads.append(Thread(target=lambda: self.outcomes.update({name: outcome(add)})))
        self._threads[-1].start()
        self._await_waiting(len(self._threads))

    def end(self) -> dict[str, object]:
        self._go.set()
        for thread in self._threads:
            thread.join(10)
        return self.outcomes

    def _writer(self) -> sqlite_writer.Writer:
        sql = self._database._sql  # noqa: SLF001 — who waits, and on what, is nobody else's business
        assert isinstance(sql, Sqlite)
        return sql._writer  # noqa: SLF001

    def _await_waiting(self, number: int) -> None:
        turns = self._writer()._turns  # noqa: SLF001
        pause = Event()
        while len(turns._waiting) < number:  # noqa: SLF001
            pause.wait(0.001)


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was said to SQLite of the kind that begins or ends."""
    commands: list[str] = []
    open_connection = sqlite3.connect

    def connect(*args: object, **kwargs: object) -> sqlite3.Connection:
        connection = open_connection(*args, **kwargs)  # type: ignore[call-overload]
        connection.set_trace_callback(lambda text: commands.append(text.partition(" ")[0]))
        return connection  # type: ignore[no-any-return]

    monkeypatch.setattr(sqlite3, "connect", connect)
    return commands


def test_those_who_wait_are_committed_at_once(database: SqlDatabase, said: list[str], url: str) -> None:
    queue = Queue(database)
    for name in ("ann", "bob", "cid", "dan"):
        queue.add(name)
    assert queue.end() == dict.fromkeys(("ann", "bob", "cid", "dan"))
    assert said.count("BEGIN") == said.count("COMMIT") == 1
    assert rows(url, "SELECT username FROM accounts ORDER BY id") == [("ann",), ("bob",), ("cid",), ("dan",)]


def test_one_that_is_refused_undoes_nothing_of_the_others(database: SqlDatabase, url: str) -> None:
    queue = Queue(database)
    queue.add("ann")
    queue.add("bob", "ann")
    queue.add("cid", fault=Unavailable(retry_after=7))
    queue.add("dan")
    outcomes = queue.end()
    assert outcomes["ann"] is outcomes["dan"] is None
    assert isinstance(outcomes["bob"], AlreadyTaken)
    assert isinstance(refused := outcomes["cid"], Unavailable)
    assert refused.retry_after == 7
    assert rows(url, "SELECT username FROM accounts ORDER BY id") == [("ann",), ("dan",)]


def test_the_first_may_fail_and_the_last(database: SqlDatabase, url: str) -> None:
    queue = Queue(database)
    queue.add("ann", fault=Unavailable(retry_after=7))
    queue.add("bob")
    queue.add("cid", fault=Unavailable(retry_after=7))
    outcomes = queue.end()
    assert outcomes["bob"] is None
    assert all(isinstance(outcomes[name], Unavailable) for name in ("ann", "cid"))
    assert rows(url, "SELECT username FROM accounts") == [("bob",)]


def test_what_is_lost_is_lost_for_all_of_them_and_the_next_begin_anew(database: SqlDatabase, url: str) -> None:
    queue = Queue(database)
    queue.add("ann")
    queue.add("bob")
    queue.add("cid", loses_all=True)
    outcomes = queue.end()
    assert all(isinstance(outcomes[name], Unavailable) for name in ("ann", "bob", "cid"))
    assert rows(url, "SELECT count(*) FROM accounts") == [(0,)]
    with database.begin() as tx:
        tx.accounts.add(named("dan"))
    assert rows(url, "SELECT username FROM accounts") == [("dan",)]


def test_where_one_cannot_be_undone_none_of_them_is_kept(database: SqlDatabase, url: str) -> None:
    queue = Queue(database)
    queue.add("ann")
    queue.add("bob", fault=Unavailable(retry_after=7), cannot_be_undone=True)
    queue.add("cid")
    outcomes = queue.end()
    assert all(isinstance(outcomes[name], Unavailable) for name in ("ann", "bob"))
    assert outcomes["cid"] is None
    assert rows(url, "SELECT username FROM accounts") == [("cid",)]


def test_nobody_is_answered_before_the_commit(database: SqlDatabase, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[object] = []
    conclude = sqlite_writer.Writer._conclude  # noqa: SLF001

    def concluded(writer: sqlite_writer.Writer, group: sqlite_writer.Group) -> None:
        seen.append((dict(queue.outcomes), rows(url, "SELECT count(*) FROM accounts")))
        conclude(writer, group)

    monkeypatch.setattr(sqlite_writer.Writer, "_conclude", concluded)
    queue = Queue(database)
    for name in ("ann", "bob"):
        queue.add(name)
    assert queue.end() == {"ann": None, "bob": None}
    assert seen == [({}, [(0,)])]


def test_closing_waits_for_those_who_are_under_way(database: SqlDatabase, url: str) -> None:
    queue = Queue(database)
    queue.add("ann")
    closing = Thread(target=database.close)
    closing.start()
    outcomes = queue.end()
    closing.join(10)
    assert outcomes == {"ann": None}
    assert rows(url, "SELECT username FROM accounts") == [("ann",)]


# --- in one thread ----------------------------------------------------------------------------------------------------


def add(database: SqlDatabase, name: str, fault: Exception | None = None) -> None:
    with database.begin() as tx:
        tx.accounts.add(named(name))
        if fault:
            raise fault


def test_what_one_thread_does_together_is_committed_at_once_when_it_leaves(
    database: SqlDatabase, said: list[str], url: str
) -> None:
    with database.together():
        for name in ("ann", "bob", "cid"):
            add(database, name)
        assert rows(url, "SELECT count(*) FROM accounts") == [(0,)]
    assert rows(url, "SELECT username FROM accounts ORDER BY id") == [("ann",), ("bob",), ("cid",)]
    assert said.count("BEGIN") == said.count("COMMIT") == 1


@pytest.mark.parametrize("refused", [{"ann"}, {"bob"}, {"cid"}, {"ann", "bob"}, {"ann", "bob", "cid"}])
def test_of_what_is_done_together_each_is_undone_alone(database: SqlDatabase, url: str, refused: set[str]) -> None:
    with database.together():
        for name in ("ann", "bob", "cid"):
            with suppress(KeyError):
                add(database, name, KeyError() if name in refused else None)
    assert {name for (name,) in rows(url, "SELECT username FROM accounts")} == {"ann", "bob", "cid"} - refused


def test_who_is_told_of_what_was_done_is_told_after_the_commit(url: str) -> None:
    seen: list[int] = []

    def on_event() -> None:
        [(count,)] = rows(url, "SELECT count(*) FROM audit_log")
        seen.append(count)

    migrate(url)
    with SqlDatabase(url, on_event=on_event) as database, database.together():
        for at in (1.0, 2.0):
            with database.begin() as tx:
                tx.audit_log.add(events.Event(type=events.EventType.REGISTERED, occurred_at=at))
        with suppress(KeyError), database.begin() as tx:
            tx.audit_log.add(events.Event(type=events.EventType.REGISTERED, occurred_at=3.0))
            raise KeyError
        assert not seen
    assert seen == [2, 2]


def test_where_it_is_lost_nothing_of_it_is_kept_and_leaving_tells_so(database: SqlDatabase, url: str) -> None:
    def lose() -> None:
        with database.begin() as tx:
            tx.accounts.add(named("bob"))
            tx.accounts._unit.run(text("ROLLBACK"))  # noqa: SLF001 — as SQLite does by itself where a disk fails

    def do_all() -> None:
        with database.together():
            add(database, "ann")
            with pytest.raises(Unavailable):
                lose()
            with pytest.raises(Unavailable):
                add(database, "cid")

    with pytest.raises(Unavailable):
        do_all()
    assert rows(url, "SELECT count(*) FROM accounts") == [(0,)]
    with database.together():
        add(database, "dan")
    assert rows(url, "SELECT username FROM accounts") == [("dan",)]


def test_together_others_wait_and_then_go_on_in_the_same_group(database: SqlDatabase, said: list[str], url: str) -> None:
    queue = Queue(database)
    with database.together():
        add(database, "ann")
        queue.wait_with("bob")
        add(database, "cid")
    assert queue.end() == {"bob": None}
    assert rows(url, "SELECT username FROM accounts ORDER BY id") == [("ann",), ("cid",), ("bob",)]
    assert said.count("COMMIT") == 1


def test_a_block_within_a_block_and_a_transaction_within_one_are_refused(database: SqlDatabase, url: str) -> None:
    with database.together():
        with pytest.raises(RuntimeError), database.together():
            pass
        with database.begin() as tx:
            with pytest.raises(RuntimeError), database.begin():
                pass
            tx.accounts.add(named("ann"))
    assert rows(url, "SELECT username FROM accounts") == [("ann",)]


def test_a_block_in_which_nothing_is_done_takes_no_turn(database: SqlDatabase, said: list[str]) -> None:
    with database.together():
        assert database.accounts.get(1) is None
    assert "BEGIN" not in said


class Interrupted(sqlite3.Connection):
    """A connection whose first commit is interrupted."""

    interrupts = 1

    def execute(self, text: str, *values: Any) -> sqlite3.Cursor:
        if text == "COMMIT" and Interrupted.interrupts:
            Interrupted.interrupts = 0
            raise KeyboardInterrupt
        return super().execute(text, *values)


def test_an_interrupt_amid_the_commit_has_nobody_wait_and_nobody_answered(
    database: SqlDatabase, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Interrupted))
    with pytest.raises(KeyboardInterrupt), database.begin() as tx:
        tx.accounts.add(named("ann"))
    with database.begin() as tx:
        tx.accounts.add(named("bob"))
    assert rows(url, "SELECT username FROM accounts") == [("bob",)]


def writer_of(database: SqlDatabase) -> sqlite_writer.Writer:
    assert isinstance(database._sql, Sqlite)  # noqa: SLF001 — where an interrupt strikes is its own business
    return database._sql._writer  # noqa: SLF001


def test_a_turn_that_an_interrupt_left_with_a_thread_is_taken_up_by_its_next_transaction(
    database: SqlDatabase, url: str
) -> None:
    assert writer_of(database)._turns.take(0)  # noqa: SLF001 — and then came Ctrl-C
    add(database, "ann")
    elsewhere = Thread(target=add, args=(database, "bob"))
    elsewhere.start()
    elsewhere.join(10)
    assert rows(url, "SELECT username FROM accounts ORDER BY id") == [("ann",), ("bob",)]


def test_a_block_that_an_interrupt_left_open_is_joined_by_nobody(database: SqlDatabase, url: str) -> None:
    left = database.begin()
    with left:
        left_open = writer_of(database)._stays  # noqa: SLF001
        stays = dict(left_open)
    left_open.update(stays)
    with pytest.raises(RuntimeError):
        add(database, "ann")
    assert rows(url, "SELECT count(*) FROM accounts") == [(0,)]


def test_a_transaction_that_an_interrupt_left_without_a_group_is_undone(database: SqlDatabase, url: str) -> None:
    add(database, "ann")
    connection = writer_of(database)._connection  # noqa: SLF001
    assert connection is not None
    connection.execute("BEGIN IMMEDIATE")  # and then came Ctrl-C
    connection.execute("DELETE FROM accounts")
    add(database, "bob")
    assert rows(url, "SELECT username FROM accounts ORDER BY id") == [("ann",), ("bob",)]


class Exhausted(sqlite3.Connection):
    """A connection that cannot undo for want of memory."""

    def execute(self, text: str, *values: Any) -> sqlite3.Cursor:
        if text.startswith("ROLLBACK TO"):
            raise MemoryError
        return super().execute(text, *values)


def test_where_one_cannot_be_undone_for_whatever_reason_none_is_kept(
    database: SqlDatabase, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def do_all() -> None:
        with database.together():
            add(database, "ann")
            with pytest.raises(MemoryError):
                add(database, "bob", KeyError())
            with pytest.raises(Unavailable):
                add(database, "cid")

    monkeypatch.setattr(sqlite3, "connect", partial(sqlite3.connect, factory=Exhausted))
    with pytest.raises(Unavailable):
        do_all()
    assert rows(url, "SELECT count(*) FROM accounts") == [(0,)]


def test_those_who_wait_in_one_block_for_somebody_else_give_up_at_one_moment(
    database: SqlDatabase, monkeypatch: pytest.MonkeyPatch
) -> None:
    moments: list[float] = []

    def never(_: sqlite3.Connection, until: float) -> None:
        moments.append(until)
        raise Unavailable

    monkeypatch.setattr(sqlite_writer, "begin_alone", never)
    with database.together():
        for name in ("ann", "bob", "cid"):
            with pytest.raises(Unavailable):
                add(database, name)
    assert len(moments) == 3
    assert len(set(moments)) == 1


def test_what_is_done_together_while_the_file_is_removed_is_not_acknowledged(
    database: SqlDatabase, url: str, tmp_path: Path
) -> None:
    def do() -> None:
        with database.together():
            add(database, "ann")
            (tmp_path / "vestibule.db").unlink()

    add(database, "bob")
    with pytest.raises(Unavailable):
        do()
