"""What only SQLite promises: private files, one writer at a time, and statements that use an index."""

import os
import sqlite3
import stat
from collections import defaultdict
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from threading import Barrier

import pytest
from sqlalchemy import text
from sqlalchemy.dialects import sqlite as sqlite_dialect
from tests.support.databases import NOW, SEARCH_INDEXES, SEARCHES, STATEMENTS, named, program, stored

from vestibule.adapters.database import SqlDatabase, accounts, migrate, rate_limits
from vestibule.adapters.database.schema import alembic_version, metadata
from vestibule.adapters.database.sqlite import Sqlite
from vestibule.adapters.database.sqlite_connection import connect, create
from vestibule.domain.account import Username
from vestibule.domain.errors import Unavailable


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "data" / "vestibule.db"


@pytest.fixture
def url(path: Path) -> str:
    return f"sqlite:///{path}"


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    migrate(url)
    with SqlDatabase(url, max_wait=0.05) as opened:
        yield opened


# --- durability and permissions ---------------------------------------------------------------------------------------


def test_durability_settings_are_in_force(database: SqlDatabase, path: Path) -> None:
    database.check()
    sql = Sqlite(path)
    with sql.begin() as unit:
        names = ("journal_mode", "synchronous", "foreign_keys")
        assert [unit.query(text(f"PRAGMA {name}")) for name in names] == [[("wal",)], [(2,)], [(1,)]]
        assert unit.query(text("PRAGMA wal_autocheckpoint")) == [(1000,)]
    assert sql.query(text("PRAGMA query_only")) == [(1,)]
    assert sql.query(text("PRAGMA wal_autocheckpoint")) == [(0,)]
    sql.close()


def test_files_are_private_under_any_umask(path: Path, url: str) -> None:
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


def test_concurrent_openings_of_a_new_file_all_succeed(tmp_path: Path) -> None:
    start = Barrier(6)

    def open_once(path: Path) -> bool:
        start.wait(10)
        with closing(connect(path)) as connection:
            return bool(connection.execute("PRAGMA journal_mode").fetchall() == [("wal",)])

    with ThreadPoolExecutor(6) as threads:
        for number in range(30):
            path = tmp_path / f"{number}.db"
            create(path)
            assert all(threads.map(open_once, [path] * 6))


def test_relative_url_names_a_file_below_the_working_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    migrate("sqlite:///a #ü%3F/vestibule.db")
    assert (tmp_path / "a #ü?" / "vestibule.db").exists()


# --- faults -----------------------------------------------------------------------------------------------------------


def test_missing_database_is_unavailable_and_not_created(path: Path, url: str) -> None:
    with SqlDatabase(url) as database:
        calls: list[Callable[[], object]] = [database.check, lambda: database.accounts.get(1), lambda: stored(database, "ada")]
        for call in calls:
            with pytest.raises(Unavailable):
                call()
    assert not path.exists()


def test_file_that_is_no_database_is_unavailable(path: Path, url: str) -> None:
    path.parent.mkdir()
    path.write_bytes(b"This is a text, and no database at all. " * 100)
    with SqlDatabase(url) as database, pytest.raises(Unavailable):
        database.check()
    with pytest.raises(Unavailable):
        migrate(url)


def test_writer_that_waits_too_long_for_the_file_is_refused(database: SqlDatabase, path: Path) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable):
            stored(database, "ada")
        assert database.accounts.get(1) is None
        other.execute("ROLLBACK")
    assert stored(database, "ada").id == 1


def test_writer_that_waits_too_long_for_another_thread_is_refused(database: SqlDatabase) -> None:
    with ThreadPoolExecutor(1) as elsewhere, database.begin() as tx:
        refused = elsewhere.submit(stored, database, "late").exception(timeout=5)
        assert isinstance(refused, Unavailable)
        account = tx.accounts.add(named("ada"))
    assert database.accounts.get(account.id) == account


def test_full_disk_is_unavailable_and_loses_nothing(database: SqlDatabase, url: str) -> None:
    """A limit on the size of files simulates the full disk."""
    does = """
import resource, signal, sys
sys.dont_write_bytecode = True  # would be truncated too
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
    assert database.accounts.taken_fields(Username("lost", "lost"), [], NOW) == set()


# --- statements -------------------------------------------------------------------------------------------------------


SHORT_SCANS = {
    "migration.VERSION0": "has one row",
    "keys.LOCK0": "has one row",
    "keys._GET0": "has one row",
    "retention._PURGES5": "reads the oldest few rows only",
    "accounts._COUNT0": "counts all rows, for the operator",
    "accounts._LOCK_SUPERUSERS0": "reads the index of staff",
    "mobile_region.LOCK0": "has one row",
    "mobile_region.REGION0": "has one row",
    "rekeying.REGION0": "has one row",
    "rekeying._COUNT0": "counts all mobiles, for the operator, while the servers are stopped",
    "rekeying._DELETE_PROOFS0": "reads the proofs of a day, while the servers are stopped",
    "rekeying._DELETE_CHALLENGES0": "reads the codes of a day, while the servers are stopped",
}


def test_statements_are_collected() -> None:
    assert len(STATEMENTS) >= 40


TABLES = {*metadata.tables, alembic_version.name}
ALL = {
    **STATEMENTS,
    **SEARCHES,
    "rate_limits.select_windows(3)": rate_limits.select_windows(3),
    "accounts.holder_by_login(3)": accounts.holder_by_login(3),
}


def plan_of(path: Path, name: str) -> list[str]:
    compiled = str(ALL[name].compile(dialect=sqlite_dialect.dialect(paramstyle="named")))
    with closing(sqlite3.connect(path)) as plain:
        return [row[3] for row in plain.execute(f"EXPLAIN QUERY PLAN {compiled}", defaultdict(lambda: 1))]


@pytest.mark.parametrize("name", ALL)
def test_every_statement_finds_its_rows_by_an_index(database: SqlDatabase, path: Path, name: str) -> None:
    database.check()
    plan = plan_of(path, name)
    scans = [step for step in plan if step.startswith("SCAN") and step.split()[1] in TABLES]
    assert bool(scans) == (name in SHORT_SCANS), plan


@pytest.mark.parametrize("name", SEARCH_INDEXES)
def test_each_filter_of_the_search_has_an_index_in_its_order(database: SqlDatabase, path: Path, name: str) -> None:
    database.check()
    plan = plan_of(path, f"search by created, {name}")
    assert f"USING INDEX {SEARCH_INDEXES[name]} " in plan[0]
    assert not any("TEMP B-TREE" in step for step in plan)


@pytest.mark.parametrize("name", SEARCHES)
def test_no_search_sorts(database: SqlDatabase, path: Path, name: str) -> None:
    database.check()
    assert not any("TEMP B-TREE" in step for step in plan_of(path, name))
