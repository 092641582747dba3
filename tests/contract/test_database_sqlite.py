"""What the database on disk promises beyond what every database does: to last, to be private, to say when it cannot."""

import os
import sqlite3
import stat
import subprocess
import sys
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from threading import Event as Signal

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import ClauseElement, make_url, text
from sqlalchemy.dialects import sqlite as sqlite_dialect

from vestibule.adapters.database import (
    SchemaTooNew,
    SqlDatabase,
    accounts,
    challenges,
    journal,
    migrate,
    migration,
    outbox,
    proofs,
    retention,
    sessions,
    tallies,
)
from vestibule.adapters.database.schema import metadata
from vestibule.adapters.database.sqlite import Sqlite, connect, create
from vestibule.application.ports import Message
from vestibule.domain.account import Account, Kind, Username
from vestibule.domain.account import Address as To
from vestibule.domain.code import Challenge, Flow, Proof
from vestibule.domain.errors import Unavailable
from vestibule.domain.events import Event, What
from vestibule.domain.limits import Tally
from vestibule.domain.session import Session

NOW = 1_750_000_000.25
DAY = 86_400.0
MAIL = To(Kind.EMAIL, "ada@example.org", "ada@example.org")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vestibule.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    migrate(url)
    with SqlDatabase(url, most_wait=0.05) as opened:
        yield opened


def named(name: str) -> Account:
    return Account(username=Username(name, name), name=name, email=None, created_at=NOW)


def stored(database: SqlDatabase, name: str) -> Account:
    with database.begin() as tx:
        return tx.accounts.add(named(name))


PROGRAM = """
import sys
from vestibule.adapters.database import SqlDatabase, migrate
from vestibule.domain.account import Account, Username
def stored(database, name):
    with database.begin() as tx:
        return tx.accounts.add(Account(username=Username(name, name), name=name, email=None, created_at=1.0))
url = sys.argv[1]
"""


def program(url: str, does: str) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-c", PROGRAM + does, url]
    return subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)


# --- durable and private ----------------------------------------------------------------------------------------------


def test_what_was_committed_is_found_by_the_next_program(database: SqlDatabase, url: str) -> None:
    account = stored(database, "ada")
    database.close()
    with SqlDatabase(url) as reopened:
        assert reopened.accounts.get(account.id) == account


def test_the_settings_that_make_commits_durable_are_in_force(database: SqlDatabase, path: Path) -> None:
    database.check()
    sql = Sqlite(path)
    with sql.begin() as unit:
        names = ("journal_mode", "synchronous", "foreign_keys")
        assert [unit.ask(text(f"PRAGMA {name}")) for name in names] == [[("wal",)], [(2,)], [(1,)]]
        assert unit.ask(text("PRAGMA wal_autocheckpoint")) == [(1000,)]
    assert sql.ask(text("PRAGMA query_only")) == [(1,)]
    assert sql.ask(text("PRAGMA wal_autocheckpoint")) == [(0,)]
    sql.close()


def test_only_the_owner_can_read_the_files_whatever_the_umask(path: Path, url: str) -> None:
    before = os.umask(0)
    try:
        migrate(url)
        with SqlDatabase(url) as database:
            stored(database, "ada")
            modes = {file.name: stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()}
    finally:
        os.umask(before)
    assert modes == {"vestibule.db": 0o600, "vestibule.db-wal": 0o600, "vestibule.db-shm": 0o600}
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700


def test_a_program_that_is_killed_in_a_transaction_leaves_nothing_of_it(database: SqlDatabase, url: str) -> None:
    stored(database, "before")
    does = """
database = SqlDatabase(url)
with database.begin() as tx:
    tx.accounts.add(Account(username=Username("half", "half"), name="half", email=None, created_at=1.0))
    print("in the middle", flush=True)
    sys.stdin.read()
"""
    with program(url, does) as dying:
        assert dying.stdout
        assert dying.stdout.readline() == "in the middle\n"
        dying.kill()
    assert database.accounts.taken(Username("half", "half"), []) == set()
    assert stored(database, "half").id == 2


def test_another_process_can_write_meanwhile(database: SqlDatabase, url: str) -> None:
    first = stored(database, "first")
    with program(url, "stored(SqlDatabase(url), 'second')") as other:
        assert other.wait(20) == 0
    assert database.accounts.taken(Username("second", "second"), []) == {"username"}
    assert stored(database, "third").id == first.id + 2


def test_programs_that_count_at_once_wait_for_each_other_and_lose_nothing(url: str) -> None:
    """Several openings of one file know as little of each other as several programs do."""
    migrate(url)

    def count(_: int) -> None:
        with SqlDatabase(url) as database:
            for _ in range(10):
                with database.begin() as tx:
                    [tally] = tx.tallies.claim(["key"])
                    tx.tallies.save([Tally("key", (*tally.moments, NOW))], NOW)

    with ThreadPoolExecutor(4) as threads:
        list(threads.map(count, range(4)))
    with SqlDatabase(url) as database:
        assert len(database.tallies.look(["key"])[0].moments) == 40


# --- migrations -------------------------------------------------------------------------------------------------------


def test_migrations_make_what_the_tables_are_declared_to_be(path: Path, url: str) -> None:
    migrate(url)
    with migration.migrating(path) as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []


def test_the_schema_goes_up_and_down_and_up_again(database: SqlDatabase, path: Path, url: str) -> None:
    stored(database, "ada")
    with migration.migrating(path) as connection:
        command.downgrade(migration.scripts(connection), "base")
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT name FROM sqlite_master WHERE name IN ('accounts', 'journal', 'outbox')").fetchall() == []
    with pytest.raises(Unavailable):
        database.check()
    migrate(url)
    database.check()
    assert stored(database, "ada").id == 1


def test_the_last_migration_is_the_one_the_program_asks_for(path: Path) -> None:
    with migration.migrating(path) as connection:
        assert ScriptDirectory.from_config(migration.scripts(connection)).get_heads() == [migration.HEAD]


def test_a_migration_that_fails_midway_leaves_nothing(path: Path, url: str) -> None:
    path.parent.mkdir()
    with closing(sqlite3.connect(path)) as plain:
        plain.execute("CREATE TABLE tallies (something)")
    with pytest.raises(Unavailable):
        migrate(url)
    with closing(sqlite3.connect(path)) as plain:
        assert plain.execute("SELECT name FROM sqlite_master").fetchall() == [("tallies",)]


def test_several_programs_that_start_at_once_on_nothing_all_succeed(url: str) -> None:
    does = "sys.stdin.readline(); migrate(url); SqlDatabase(url).check(); print('ready')"
    starting = [program(url, does) for _ in range(4)]
    for one in starting:
        assert one.stdin
        one.stdin.write("go\n")
        one.stdin.flush()
    assert [one.communicate(timeout=60)[0] for one in starting] == ["ready\n"] * 4


def test_several_that_open_a_new_file_at_once_all_succeed(tmp_path: Path) -> None:
    together = Barrier(6)

    def opened(path: Path) -> bool:
        together.wait(10)
        with closing(connect(path)) as connection:
            return bool(connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)])

    with ThreadPoolExecutor(6) as threads:
        for number in range(30):
            path = tmp_path / f"{number}.db"
            create(path)
            assert all(threads.map(opened, [path] * 6))


def test_migrating_again_changes_nothing(database: SqlDatabase, url: str) -> None:
    account = stored(database, "ada")
    migrate(url)
    assert database.accounts.get(account.id) == account


def test_a_schema_newer_than_the_program_is_refused_and_left_alone(database: SqlDatabase, path: Path, url: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as plain:
        plain.execute("UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(SchemaTooNew, match="9999, which is newer than this program's"):
            migrate(url)
        with pytest.raises(Unavailable):
            database.check()
        assert plain.execute("SELECT version_num FROM alembic_version").fetchall() == [("9999",)]


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("mysql://root:secret@host/name", "kind mysql is not known"),
        ("postgresql://user:secret@host/name", "kind postgresql is not known"),
        ("sqlite+aiosqlite:///x.db", "kind sqlite"),
        ("sqlite://", "names no file"),
        ("sqlite:///:memory:", "names no file"),
        ("sqlite:///a?b/vestibule.db", "question mark"),
        ("secret", "should look like"),
        ("", "should look like"),
    ],
)
def test_a_url_of_another_kind_is_refused_in_one_line_without_its_secret(url: str, says: str) -> None:
    refusing: tuple[Callable[[str], object], ...] = (migrate, SqlDatabase)
    for refuses in refusing:
        with pytest.raises(ValueError, match=says) as refused:
            refuses(url)
        assert "secret" not in str(refused.value)
        assert "\n" not in str(refused.value)


def test_a_relative_url_means_a_file_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    migrate("sqlite:///a #ü%3F/vestibule.db")
    assert (tmp_path / "a #ü?" / "vestibule.db").exists()


# --- when it cannot ---------------------------------------------------------------------------------------------------


def test_a_database_that_is_not_there_is_unavailable_and_not_made(path: Path, url: str) -> None:
    with SqlDatabase(url) as database:
        asked: list[Callable[[], object]] = [database.check, lambda: database.accounts.get(1), lambda: stored(database, "ada")]
        for refuses in asked:
            with pytest.raises(Unavailable):
                refuses()
    assert not path.exists()


def test_a_file_that_is_no_database_is_unavailable(path: Path, url: str) -> None:
    path.parent.mkdir()
    path.write_bytes(b"This is a letter to a friend, and no database at all. " * 100)
    with SqlDatabase(url) as database, pytest.raises(Unavailable):
        database.check()
    with pytest.raises(Unavailable):
        migrate(url)


def test_a_database_without_its_schema_does_not_check_out(path: Path, url: str) -> None:
    path.parent.mkdir()
    path.touch()
    with SqlDatabase(url) as database, pytest.raises(Unavailable):
        database.check()


def test_a_writer_that_cannot_begin_in_time_is_refused_and_the_next_one_is_not(database: SqlDatabase, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            stored(database, "ada")
        assert database.accounts.get(1) is None
        other.execute("ROLLBACK")
    assert stored(database, "ada").id == 1


def test_a_writer_that_waits_too_long_for_another_thread_is_refused(database: SqlDatabase) -> None:
    with ThreadPoolExecutor(1) as elsewhere, database.begin() as tx:
        refused = elsewhere.submit(stored, database, "late").exception(timeout=5)
        assert isinstance(refused, Unavailable)
        account = tx.accounts.add(named("ada"))
    assert database.accounts.get(account.id) == account


def test_a_full_disk_is_told_as_unavailable_and_loses_nothing(database: SqlDatabase, url: str) -> None:
    """The limit on the size of files stands for the disk."""
    does = """
import resource, signal
from vestibule.domain.errors import Unavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
database = SqlDatabase(url)
first = stored(database, "first")
unlimited = resource.getrlimit(resource.RLIMIT_FSIZE)
resource.setrlimit(resource.RLIMIT_FSIZE, (1024, unlimited[1]))
try:
    stored(database, "lost")
except Unavailable:
    print(database.accounts.get(first.id) == first)
resource.setrlimit(resource.RLIMIT_FSIZE, unlimited)
print(stored(database, "last").id)
"""
    with program(url, does) as limited:
        assert limited.communicate(timeout=30)[0] == "True\n2\n"
    assert database.accounts.taken(Username("lost", "lost"), []) == set()


def test_what_is_asked_of_a_closed_database_is_unavailable(database: SqlDatabase) -> None:
    stored(database, "ada")
    database.close()
    with pytest.raises(Unavailable):
        database.accounts.get(1)
    with pytest.raises(Unavailable):
        stored(database, "late")


def test_closing_waits_for_an_open_transaction(database: SqlDatabase, url: str) -> None:
    closed = Signal()

    def close() -> None:
        database.close()
        closed.set()

    with ThreadPoolExecutor(1) as elsewhere, database.begin() as tx:
        closing_it = elsewhere.submit(close)
        assert not closed.wait(0.05)
        account = tx.accounts.add(named("ada"))
    assert closing_it.exception() is None
    with SqlDatabase(url) as reopened:
        assert reopened.accounts.get(account.id) == account


def test_many_threads_read_at_once(database: SqlDatabase) -> None:
    account = stored(database, "ada")
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda _: database.accounts.get(account.id), range(400)))
    assert found == [account] * 400


# --- statements -------------------------------------------------------------------------------------------------------


def statements() -> dict[str, ClauseElement]:
    found: dict[str, ClauseElement] = {}
    for module in (accounts, challenges, journal, migration, outbox, proofs, retention, sessions, tallies):
        for name, value in vars(module).items():
            parts = value.values() if isinstance(value, dict) else value if isinstance(value, tuple) else [value]
            flat = [part[1] if isinstance(part, tuple) and len(part) == 2 else part for part in parts]
            found |= {
                f"{module.__name__.rpartition('.')[2]}.{name}{number}": part
                for number, part in enumerate(flat)
                if isinstance(part, ClauseElement) and name.isupper()
            }
    return found


STATEMENTS = statements()
SHORT_SCANS = {"migration.VERSION0": "has one row", "retention._PURGES5": "reads no more than the oldest few"}


def test_every_statement_is_looked_at() -> None:
    assert len(STATEMENTS) >= 40


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_finds_its_rows_by_an_index(database: SqlDatabase, path: Path, name: str) -> None:
    database.check()
    compiled = str(STATEMENTS[name].compile(dialect=sqlite_dialect.dialect(paramstyle="named")))
    with closing(sqlite3.connect(path)) as plain:
        plan = [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {compiled}", defaultdict(lambda: 1))]
    scans = [step for step in plan if step.startswith("SCAN")]
    assert bool(scans) == (name in SHORT_SCANS), plan


@pytest.mark.parametrize("name", STATEMENTS)
def test_every_statement_can_be_said_to_postgresql(name: str) -> None:
    assert str(STATEMENTS[name].compile(dialect=make_url("postgresql://").get_dialect()()))


# --- retention --------------------------------------------------------------------------------------------------------


def left(path: Path) -> dict[str, int]:
    with closing(sqlite3.connect(path)) as plain:
        names = ("challenges", "proofs", "sessions", "tallies", "outbox", "journal")
        return {name: plain.execute(f"SELECT count(*) FROM {name}").fetchone()[0] for name in names}  # noqa: S608 — listed


def fill(database: SqlDatabase, at: float, name: str) -> None:
    """One row in each table, of things that were over at that time."""
    to = replace(MAIL, key=name)
    with database.begin() as tx:
        owner = tx.accounts.add(named(name))
        tx.challenges.put(Challenge(id=name, flow=Flow.OTP, address=to, reference="", sent_at=at - 300, expires_at=at))
        tx.proofs.add(Proof(digest=name, address=to, proven_at=at))
        tx.sessions.add(Session(id=name, account_id=owner.id, created_at=at - 30 * DAY, refreshed_at=at - 30 * DAY), keep=9)
        tx.tallies.claim([name])
        tx.tallies.save([Tally(name, (at,))], at)
        tx.outbox.add(Message(id=name, kind=Kind.EMAIL, sent_to=None, template="", not_before=at, expires_at=at))
        tx.outbox.dead(name, "Undeliverable")
        tx.journal.add(Event(what=What.CODE_SENT, at=at))


@pytest.mark.parametrize(
    ("days", "gone"),
    [
        (0.9, {"tallies"}),
        (1.1, {"tallies", "challenges", "proofs"}),
        (6.9, {"tallies", "challenges", "proofs"}),
        (7.1, {"tallies", "challenges", "proofs", "outbox"}),
        (29.9, {"tallies", "challenges", "proofs", "outbox"}),
        (30.1, {"tallies", "challenges", "proofs", "outbox", "sessions"}),
        (399.9, {"tallies", "challenges", "proofs", "outbox", "sessions"}),
        (400.1, {"tallies", "challenges", "proofs", "outbox", "sessions", "journal"}),
    ],
)
def test_what_is_old_goes_in_its_time_and_what_is_not_stays(
    database: SqlDatabase, path: Path, days: float, gone: set[str]
) -> None:
    fill(database, NOW, "old")
    fill(database, NOW + days * DAY, "new")
    assert database.purge(NOW + days * DAY, most=500) == len(gone)
    assert left(path) == {name: 1 if name in gone else 2 for name in left(path)}
    assert database.accounts.get(1) is not None


def test_purging_takes_few_rows_at_a_time_and_gets_through_in_the_end(database: SqlDatabase, path: Path) -> None:
    for number in range(5):
        fill(database, NOW, f"{number}")
    assert [database.purge(NOW + 500 * DAY, most=2) for _ in range(4)] == [12, 12, 6, 0]
    assert set(left(path).values()) == {0}


def test_a_message_that_is_still_to_be_sent_is_not_purged(database: SqlDatabase) -> None:
    with database.begin() as tx:
        tx.outbox.add(Message(id="m", kind=Kind.EMAIL, sent_to=None, template="", not_before=NOW, expires_at=NOW))
    assert database.purge(NOW + 500 * DAY, most=500) == 0
