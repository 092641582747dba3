"""Backups of an SQLite database in use: one snapshot with its images, verified or refused."""

import sqlite3
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Event as Signal

import pytest
from tests.support.databases import named, rows, stored

from vestibule.adapters.database import SqlDatabase, back_up, inspect_copy, migrate
from vestibule.adapters.database.backup import begin_snapshot, copy_snapshot
from vestibule.adapters.database.sqlite_connection import READ_PRAGMAS, connect
from vestibule.domain.errors import Unavailable
from vestibule.domain.events import Event, EventType


@pytest.fixture
def url(tmp_path: Path) -> str:
    new = f"sqlite:///{tmp_path}/data/vestibule.db"
    migrate(new)
    return new


@pytest.fixture
def database(url: str) -> Iterator[SqlDatabase]:
    with SqlDatabase(url, max_wait=0.05) as opened:
        yield opened


def ignore_images(names: frozenset[str]) -> None:
    pass


def set_image(database: SqlDatabase, account_id: int, image: str) -> None:
    with database.begin() as tx:
        account = tx.accounts.lock(account_id)
        assert account
        tx.accounts.save(replace(account, image=image))


@pytest.mark.slow
def test_copy_of_a_busy_database_is_one_snapshot_with_its_images(url: str, tmp_path: Path) -> None:
    stop, started = Signal(), Signal()

    def write() -> int:
        number = 0
        with SqlDatabase(url) as database:
            account = stored(database, "ada")
            while not stop.is_set():
                number += 1
                with database.begin() as tx:
                    tx.accounts.add(named(f"person{number}"))
                    tx.audit_log.add(Event(type=EventType.REGISTERED, occurred_at=float(number)))
                set_image(database, account.id, f"{number}.webp")
                started.set()
        return number

    with ThreadPoolExecutor(1) as thread:
        writing = thread.submit(write)
        assert started.wait(20)
        for number in range(6):
            seen: list[frozenset[str]] = []
            file = tmp_path / f"copy{number}.db"
            back_up(url, file, seen.append)
            contents = inspect_copy(file)
            assert contents.images == seen[-1]
            events = rows(f"sqlite:///{file}", "SELECT count(*) FROM audit_log")
            assert [(contents.accounts - 1,)] == events
        stop.set()
        assert writing.result(20) > 10


def test_changes_after_the_snapshot_are_not_in_the_copy(database: SqlDatabase, url: str, tmp_path: Path) -> None:
    account = stored(database, "ada")
    set_image(database, account.id, "first.webp")
    path = tmp_path / "data" / "vestibule.db"
    seen: list[frozenset[str]] = []
    with closing(connect(path, READ_PRAGMAS)) as reader, closing(connect(path)) as writer:
        begin_snapshot(writer, reader, seen.append)
        set_image(database, account.id, "second.webp")
        stored(database, "grace")
        copy_snapshot(reader, tmp_path / "copy.db")
    contents = inspect_copy(tmp_path / "copy.db")
    assert [contents.images] == seen == [{"first.webp"}]
    assert contents.accounts == 1


def test_writers_wait_only_while_the_last_images_are_copied(database: SqlDatabase, url: str, tmp_path: Path) -> None:
    account = stored(database, "ada")
    set_image(database, account.id, "first.webp")
    seen: list[frozenset[str]] = []

    def copy_images(names: frozenset[str]) -> None:
        seen.append(names)
        if len(seen) == 1:
            set_image(database, account.id, "second.webp")
        else:
            with pytest.raises(Unavailable):
                set_image(database, account.id, "third.webp")

    back_up(url, tmp_path / "copy.db", copy_images)
    assert seen == [{"first.webp"}, {"second.webp"}]
    set_image(database, account.id, "fourth.webp")
    assert inspect_copy(tmp_path / "copy.db").images == {"second.webp"}


def test_fault_while_images_are_copied_releases_the_lock(database: SqlDatabase, url: str, tmp_path: Path) -> None:
    class DiskFull(Exception):
        pass

    seen: list[frozenset[str]] = []

    def copy_images(names: frozenset[str]) -> None:
        seen.append(names)
        if len(seen) == 2:
            raise DiskFull

    with pytest.raises(DiskFull):
        back_up(url, tmp_path / "copy.db", copy_images)
    assert stored(database, "ada").id == 1


def test_copy_is_one_private_file(database: SqlDatabase, url: str, tmp_path: Path) -> None:
    stored(database, "ada")
    file = tmp_path / "copies" / "copy.db"
    file.parent.mkdir()
    back_up(url, file, ignore_images)
    assert inspect_copy(file).accounts == 1
    assert [path.name for path in file.parent.iterdir()] == ["copy.db"]
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    with closing(sqlite3.connect(file)) as plain:
        assert plain.execute("PRAGMA journal_mode").fetchone() == ("delete",)


def test_existing_file_is_not_overwritten(url: str, tmp_path: Path) -> None:
    (tmp_path / "copy.db").write_text("mine")
    with pytest.raises(FileExistsError):
        back_up(url, tmp_path / "copy.db", ignore_images)
    assert (tmp_path / "copy.db").read_text() == "mine"


def test_url_without_an_sqlite_file_is_refused_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "other.db").write_text("no database, but sixteen bytes and more of something else")
    for url, said in (
        ("postgresql://user:secret@db/name", "pg_dump"),
        (f"sqlite:///{tmp_path}/none.db", "There is no database"),
        (f"sqlite:///{tmp_path}/other.db", "not a database"),
    ):
        with pytest.raises(ValueError, match=said) as refusal:
            back_up(url, tmp_path / "copy.db", ignore_images)
        assert "\n" not in str(refusal.value)
        assert "secret" not in str(refusal.value)
    assert not (tmp_path / "none.db").exists()


def test_damaged_copy_is_detected(database: SqlDatabase, url: str, tmp_path: Path) -> None:
    for number in range(300):
        stored(database, f"person{number}")
    file = tmp_path / "copy.db"
    back_up(url, file, ignore_images)
    whole = file.read_bytes()
    assert inspect_copy(file).accounts == 300
    page = int.from_bytes(whole[16:18])
    for damaged in (whole[: len(whole) // 2], b"", b"something else" * 400, _with_zeroed_page(whole, page)):
        file.write_bytes(damaged)
        with pytest.raises(ValueError, match="damaged"):
            inspect_copy(file)


def _with_zeroed_page(whole: bytes, page: int) -> bytes:
    """Returns the file with zeros in a page in the middle of the accounts."""
    at = whole.index(b"person150") // page * page
    return whole[:at] + bytes(page) + whole[at + page :]


def test_copy_with_sessions_without_an_account_is_damaged(database: SqlDatabase, url: str, tmp_path: Path) -> None:
    columns = "id, account_id, created_at, refreshed_at, expires_at, generation, previous_generation"
    rows(url, f"INSERT INTO sessions ({columns}) VALUES ('a', 99, 1.0, 1.0, 2.0, 0, -1)")  # noqa: S608 — names of our own
    back_up(url, tmp_path / "copy.db", ignore_images)
    with pytest.raises(ValueError, match="sessions of accounts that it does not have"):
        inspect_copy(tmp_path / "copy.db")
