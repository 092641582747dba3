"""Transfers of one database into another: complete, verified, or refused."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import Boolean, Column, Double, Integer, Table
from tests.support.databases import named, rows, stored
from tests.support.postgres_server import new_database

from vestibule.adapters.database import CannotCopy, Copied, SqlDatabase, copy, migrate
from vestibule.adapters.database.schema import metadata

TABLES = [table.name for table in metadata.sorted_tables]
KINDS = [("sqlite", "postgres"), ("postgres", "sqlite"), ("sqlite", "sqlite"), ("postgres", "postgres")]


@pytest.fixture(params=KINDS, ids="-to-".join)
def urls(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, str]:
    """The URLs of a migrated source and of a target that is not migrated."""

    def url(kind: str, name: str) -> str:
        return f"sqlite:///{tmp_path}/{name}.db" if kind == "sqlite" else request.getfixturevalue(f"{name}_postgres")

    source, target = url(request.param[0], "first"), url(request.param[1], "second")
    migrate(source)
    return source, target


@pytest.fixture(scope="module")
def two_postgres(postgres_server: str) -> Iterator[tuple[str, str]]:
    with new_database(postgres_server) as first, new_database(postgres_server) as second:
        yield first, second


@pytest.fixture
def first_postgres(two_postgres: tuple[str, str]) -> str:
    return emptied(two_postgres[0])


@pytest.fixture
def second_postgres(two_postgres: tuple[str, str]) -> str:
    return emptied(two_postgres[1])


def emptied(url: str) -> str:
    """Drops all tables: a new database for each test would take seconds."""
    rows(url, "DROP SCHEMA public CASCADE")
    rows(url, "CREATE SCHEMA public")
    return url


def ignore_progress(doing: str, table: str, done: int, total: int) -> None:
    pass


def fill(url: str, count: int) -> None:
    """Adds `count` rows to every table, with extreme values; every third row has nulls where they are allowed."""
    for table in metadata.sorted_tables:
        names = ", ".join(table.columns.keys())
        for start in range(0, count, 500):
            values = ", ".join(
                f"({', '.join(value(column, number) for column in table.columns)})"
                for number in range(start + 1, min(start + 500, count) + 1)
            )
            rows(url, f"INSERT INTO {table.name} ({names}) VALUES {values}")  # noqa: S608 — names of our own


def value(column: Column[object], number: int) -> str:
    if column.nullable and number % 3 == 0:
        return "NULL"
    if isinstance(column.type, Boolean):
        return "true" if number % 2 else "false"
    if isinstance(column.type, Double):
        return repr(1_750_000_000 + number / 7)
    if column.foreign_keys or (column.primary_key and column.type.python_type is int):
        return str(number)
    if isinstance(column.type, Integer):
        return str(2**31 - number)
    return (
        f"'{number}, {column.table.name}: É 漢字 🗝 ''quoted'' %s :x \\'"
        if getattr(column.type, "length", None) is None
        else f"'{number}'"
    )


def contents(url: str, table: Table) -> list[tuple[object, ...]]:
    """The rows as Python values; SQLite has no booleans."""
    flags = {place for place, column in enumerate(table.columns) if isinstance(column.type, Boolean)}
    stored_rows = rows(url, f"SELECT {', '.join(table.columns.keys())} FROM {table.name}")  # noqa: S608 — names of our own
    return sorted(
        (tuple(bool(cell) if place in flags else cell for place, cell in enumerate(row)) for row in stored_rows), key=repr
    )


def test_every_row_of_every_table_is_copied(urls: tuple[str, str]) -> None:
    source, target = urls
    fill(source, 1203)
    copied = copy(source, target, ignore_progress)
    assert [report.table for report in copied] == TABLES
    assert {report.rows for report in copied} == {1203}
    for table in metadata.sorted_tables:
        assert contents(target, table) == contents(source, table), table.name
        assert len(contents(target, table)) == 1203


def test_migrated_database_has_no_other_tables(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/new.db"
    migrate(url)
    tables = {name for (name,) in rows(url, "SELECT name FROM sqlite_master WHERE type = 'table'")}
    assert tables - {"sqlite_sequence", "alembic_version"} == set(TABLES)


def test_checksums_are_equal_on_both_databases(tmp_path: Path, first_postgres: str) -> None:
    first, last = f"sqlite:///{tmp_path}/first.db", f"sqlite:///{tmp_path}/last.db"
    migrate(first)
    fill(first, 20)
    there, back = copy(first, first_postgres, ignore_progress), copy(first_postgres, last, ignore_progress)
    assert there == back
    assert len({report.checksum for report in there}) == len(TABLES)
    rows(last, "UPDATE accounts SET name = name || '!' WHERE id = 7")
    again = copy(last, f"sqlite:///{tmp_path}/changed.db", ignore_progress)
    assert [report.table for report, earlier in zip(again, there, strict=True) if report != earlier] == ["accounts"]


def test_next_account_gets_an_unused_id(urls: tuple[str, str]) -> None:
    source, target = urls
    with closing(SqlDatabase(source)) as database:
        numbers = [stored(database, name).id for name in ("ada", "grace", "gone")]
    rows(source, "DELETE FROM accounts WHERE username = 'gone'")
    copy(source, target, ignore_progress)
    with closing(SqlDatabase(target)) as database:
        assert stored(database, "new").id == numbers[-1] + 1


def test_sequences_survive_copies_of_an_empty_database(urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    with closing(SqlDatabase(source)) as database:
        gone = stored(database, "gone")
    rows(source, "DELETE FROM accounts")
    copy(source, target, ignore_progress)
    copy(target, f"sqlite:///{tmp_path}/third.db", ignore_progress)
    with closing(SqlDatabase(f"sqlite:///{tmp_path}/third.db")) as database:
        assert stored(database, "new").id == gone.id + 1


def test_concurrent_changes_are_not_in_the_copy(urls: tuple[str, str]) -> None:
    source, target = urls
    fill(source, 5)

    def write_meanwhile(doing: str, table: str, done: int, total: int) -> None:
        if (doing, table, done) == ("copied", "accounts", 5):
            rows(source, "INSERT INTO rate_limits (key, timestamps, expires_at) VALUES ('late', '[]', 0.0)")
            rows(source, "UPDATE sessions SET generation = 77")
            rows(source, "DELETE FROM audit_log")

    copied = copy(source, target, write_meanwhile)
    assert {report.rows for report in copied} == {5}
    assert rows(target, "SELECT count(*) FROM rate_limits WHERE key = 'late'") == [(0,)]
    assert rows(target, "SELECT count(*) FROM sessions WHERE generation = 77") == [(0,)]
    assert rows(target, "SELECT count(*) FROM audit_log") == [(5,)]


def test_progress_is_reported_for_every_table_up_to_its_last_row(urls: tuple[str, str]) -> None:
    source, target = urls
    fill(source, 1001)
    told: list[tuple[str, str, int, int]] = []
    copy(source, target, lambda *step: told.append(step))
    for table in TABLES:
        assert [step for step in told if step[1] == table] == [
            ("copied", table, 0, 1001),
            ("copied", table, 1000, 1001),
            ("copied", table, 1001, 1001),
            ("compared", table, 1000, 1001),
            ("compared", table, 1001, 1001),
        ]


# --- refusals leave the target unchanged ------------------------------------------------------------------------------


def refusal_of_copy(source: str, target: str, tell: Callable[[str, str, int, int], None] = ignore_progress) -> str:
    with pytest.raises(CannotCopy) as refusal:
        copy(source, target, tell)
    assert "\n" not in str(refusal.value)
    return str(refusal.value)


@pytest.mark.parametrize("table", TABLES)
def test_target_with_a_row_in_any_table_is_refused_and_unchanged(table: str, tmp_path: Path, postgres: str) -> None:
    source = f"sqlite:///{tmp_path}/first.db"
    migrate(source)
    fill(postgres, 1)
    for other in reversed(TABLES):
        if other not in {table, *(["accounts"] if table == "sessions" else [])}:
            rows(postgres, f"DELETE FROM {other}")  # noqa: S608 — a name of our own
    assert "The target is not empty: its table " in refusal_of_copy(source, postgres)
    assert len(contents(postgres, metadata.tables[table])) == 1


def test_source_with_another_schema_is_refused(urls: tuple[str, str]) -> None:
    source, target = urls
    for damage, reason in (
        ("UPDATE alembic_version SET version_num = '0000'", "newer"),
        ("DELETE FROM alembic_version", "no schema yet"),
    ):
        rows(source, damage)
        line = refusal_of_copy(source, target)
        assert line.startswith("Cannot copy from the source:")
        assert reason in line


def test_target_with_a_newer_schema_is_refused(urls: tuple[str, str]) -> None:
    source, target = urls
    migrate(target)
    rows(target, "UPDATE alembic_version SET version_num = '9999'")
    assert "newer" in refusal_of_copy(source, target)
    assert rows(target, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_missing_source_is_refused_and_not_created(tmp_path: Path) -> None:
    assert "no database to copy from" in refusal_of_copy(f"sqlite:///{tmp_path}/none.db", f"sqlite:///{tmp_path}/new.db")
    assert list(tmp_path.iterdir()) == []


def test_one_file_under_two_names_is_refused(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/first.db"
    migrate(url)
    (tmp_path / "link.db").symlink_to(tmp_path / "first.db")
    for other in (url, f"sqlite:///{tmp_path}/./first.db", f"sqlite:///{tmp_path}/link.db"):
        assert refusal_of_copy(url, other) == "Both are the same database."


def test_one_postgresql_database_under_two_names_is_refused(postgres: str) -> None:
    another_name = postgres.replace("127.0.0.1", "localhost") + "?application_name=other"
    assert refusal_of_copy(postgres, another_name) == "Both are the same database."


def test_row_that_arrives_changed_is_detected_and_rolled_back(tmp_path: Path) -> None:
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))
    migrate(source)
    fill(source, 3)
    migrate(target)
    rows(
        target,
        "CREATE TRIGGER spoil AFTER INSERT ON sessions WHEN NEW.id LIKE '2%' BEGIN "
        "UPDATE sessions SET refreshed_at = refreshed_at + 1e-6 WHERE id = NEW.id; END",
    )
    assert refusal_of_copy(source, target).startswith("The checksum of the table sessions differs")
    assert rows(target, "SELECT count(*) FROM accounts") == [(0,)]


class Interrupted(Exception):
    pass


@pytest.mark.parametrize("table", ["accounts", TABLES[-1]])
@pytest.mark.parametrize("doing", ["copied", "compared"])
def test_fault_at_any_point_leaves_the_target_unchanged(doing: str, table: str, urls: tuple[str, str], tmp_path: Path) -> None:
    source, target = urls
    fill(source, 3)

    def stop(now_doing: str, at: str, done: int, total: int) -> None:
        if (now_doing, at, done) == (doing, table, 3):
            raise Interrupted

    with pytest.raises(Interrupted):
        copy(source, target, stop)
    if target.startswith("sqlite:"):
        assert not list(tmp_path.glob("second*"))
    else:
        assert rows(target, "SELECT count(*) FROM information_schema.tables WHERE table_schema = 'public'") == [(0,)]
    assert len(copy(source, target, ignore_progress)) == len(TABLES)


def test_fault_leaves_the_sequences_of_the_target_unchanged(urls: tuple[str, str]) -> None:
    source, target = urls
    fill(source, 3)
    migrate(target)

    def stop(doing: str, table: str, done: int, total: int) -> None:
        if doing == "compared":
            raise Interrupted

    with pytest.raises(Interrupted):
        copy(source, target, stop)
    with closing(SqlDatabase(target)) as database:
        assert stored(database, "first").id == 1


def test_writers_to_the_target_wait(tmp_path: Path, postgres: str) -> None:
    source = f"sqlite:///{tmp_path}/first.db"
    migrate(source)
    fill(source, 3)
    errors: list[str] = []

    def write_meanwhile(doing: str, table: str, done: int, total: int) -> None:
        if (doing, table, done) == ("copied", TABLES[-1], 3):
            with pytest.raises(Exception, match="lock timeout") as refusal:
                rows(f"{postgres}?options=-c%20lock_timeout%3D50", "DELETE FROM rate_limits")
            errors.append(str(refusal.value))

    copy(source, postgres, write_meanwhile)
    assert errors
    with closing(SqlDatabase(postgres)) as database, database.begin() as tx:
        assert tx.accounts.add(named("fresh")).id == 4


def test_text_that_postgresql_refuses_stops_the_copy_in_one_line(tmp_path: Path, postgres: str) -> None:
    source = f"sqlite:///{tmp_path}/first.db"
    migrate(source)
    fill(source, 2)
    rows(source, "UPDATE accounts SET name = 'a' || char(0) WHERE id = 2")
    assert "NUL" in refusal_of_copy(source, postgres)
    assert rows(postgres, "SELECT count(*) FROM accounts") == [(0,)]


def test_report_lists_every_table(tmp_path: Path) -> None:
    source, target = (f"sqlite:///{tmp_path}/{name}.db" for name in ("first", "second"))
    migrate(source)
    assert copy(source, target, ignore_progress) == [Copied(name, 0, "0" * 64) for name in TABLES]
