"""Tables of users that no package has made: odd values, other columns, faults of the database."""

import os
from pathlib import Path

import pytest
from tests.support.databases import rows as execute

from vestibule.adapters.account_sources import DjangoSource, DrfUserSource, FastapiUsersSource
from vestibule.application.ports import ImportRecord, SourceError, UnreadableRecord

_COLUMNS = "id integer PRIMARY KEY, username varchar, email varchar, password varchar, is_active boolean, date_joined "
_TIME = {"sqlite": "datetime", "postgres": "timestamptz"}
BATCH = 1000


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """A database with an empty table `auth_user`."""
    found = f"sqlite:///{tmp_path}/shop.db" if request.param == "sqlite" else str(request.getfixturevalue("new_postgres"))
    execute(found, f"CREATE TABLE auth_user ({_COLUMNS} {_TIME[request.param]})")
    return found


def add(url: str, number: int, **values: object) -> None:
    columns = {"id": number, "username": f"person{number}", "email": f"p{number}@example.com", "password": "!x", **values}
    shown = ", ".join("NULL" if one is None else repr(one) for one in columns.values())
    execute(url, f"INSERT INTO auth_user ({', '.join(columns)}) VALUES ({shown})")  # noqa: S608 — values of the test


def add_many(url: str, first: int, last: int) -> None:
    numbers = f"WITH RECURSIVE numbers (n) AS (SELECT {first} UNION ALL SELECT n + 1 FROM numbers WHERE n < {last}) "  # noqa: S608 — numbers of the test
    rows = "SELECT n, 'person' || n, 'p' || n || '@example.com', '!x', true FROM numbers"
    execute(url, f"INSERT INTO auth_user (id, username, email, password, is_active) {numbers} {rows}")


def records(source: DjangoSource) -> list[ImportRecord]:
    return [one for one in source.records() if isinstance(one, ImportRecord)]


def test_rows_of_several_batches_are_read_once(url: str) -> None:
    add_many(url, 1, 2 * BATCH + 1)
    source = DjangoSource(url)
    assert [one.id for one in records(source)] == list(range(1, 2 * BATCH + 2))
    assert source.count() == 2 * BATCH + 1


def test_table_without_rows_has_no_records(url: str) -> None:
    assert (records(DjangoSource(url)), DjangoSource(url).count()) == ([], 0)


def test_other_system_goes_on_writing_while_its_rows_are_read(url: str) -> None:
    add_many(url, 1, BATCH + 1)
    source = DjangoSource(url).records()
    first = next(source)
    add(url, 2 * BATCH)
    execute(url, "UPDATE auth_user SET username = 'other' WHERE id = 1")
    rest = list(source)
    assert isinstance(first, ImportRecord)
    assert first.username == "person1"
    assert [one.key for one in rest[:BATCH]] == [str(number) for number in range(2, BATCH + 2)]


def test_whole_run_shows_one_state_of_postgresql(new_postgres: str) -> None:
    execute(new_postgres, f"CREATE TABLE auth_user ({_COLUMNS} timestamptz)")
    add_many(new_postgres, 1, BATCH + 1)
    source = DjangoSource(new_postgres).records()
    next(source)
    execute(new_postgres, "UPDATE auth_user SET username = 'other'")
    add(new_postgres, BATCH + 2)
    assert {one.username for one in source if isinstance(one, ImportRecord)} == {f"person{n}" for n in range(2, BATCH + 2)}


def test_whole_run_shows_one_state_of_sqlite_in_wal_mode(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    execute(url, "PRAGMA journal_mode = WAL")
    execute(url, f"CREATE TABLE auth_user ({_COLUMNS} datetime)")
    add_many(url, 1, BATCH + 1)
    source = DjangoSource(url).records()
    next(source)
    add(url, BATCH + 2)
    assert len(list(source)) == BATCH


def test_time_that_cannot_be_read_is_remarked(url: str) -> None:
    add(url, 1, is_active=True, date_joined="infinity" if url.startswith("postgres") else "yesterday")
    [record] = records(DjangoSource(url))
    assert record.created_at is None
    assert record.remarks == (
        f"its time of creation cannot be read: {'infinity' if url.startswith('postgres') else 'yesterday'!r}",
    )


def test_absent_values_are_those_of_an_account_without_them(url: str) -> None:
    add(url, 1, username=None, email=None, password=None, is_active=None)
    [record] = records(DjangoSource(url))
    assert (record.username, record.email, record.password_hash, record.created_at) == (None, None, None, None)
    assert not record.is_active


def test_flag_that_is_neither_true_nor_false_makes_the_row_unreadable(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    execute(url, f"CREATE TABLE auth_user ({_COLUMNS} datetime)")
    add(url, 7, is_active="perhaps")
    [row] = DjangoSource(url).records()
    assert row == UnreadableRecord("7", "auth_user 7", "is_active is neither true nor false: 'perhaps'")


def test_bytes_that_are_no_text_do_not_stop_the_run(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    execute(url, f"CREATE TABLE auth_user ({_COLUMNS} datetime)")
    execute(url, "INSERT INTO auth_user (id, username, is_active) VALUES (1, CAST(X'61ff' AS TEXT), 1), (2, X'62ff', 1)")
    assert [one.username for one in records(DjangoSource(url))] == ["a\ufffd", "b\ufffd"]


def test_table_of_a_project_is_read_with_the_columns_that_it_has(url: str) -> None:
    key = "uuid" if url.startswith("postgres") else "char(32)"
    columns = f"code {key} PRIMARY KEY, email varchar, full_name varchar, phone varchar, password varchar"
    execute(url, f"CREATE TABLE shop_customer ({columns})")
    row = "'6f1e0b1e4c6a4b53a3a6b1b7f0d1c2aa', 'ann@example.com', 'Ann Bee', '0170 1234567', 'pbkdf2_sha256$1$a$b'"
    execute(url, f"INSERT INTO shop_customer VALUES ({row})")  # noqa: S608 — values of the test
    source = DjangoSource(url, table="shop_customer")
    [record] = records(source)
    assert record.key.replace("-", "") == "6f1e0b1e4c6a4b53a3a6b1b7f0d1c2aa"
    assert record.id is None
    assert (record.username, record.email, record.name, record.mobile) == (None, "ann@example.com", "Ann Bee", "0170 1234567")
    assert record.is_active
    assert source.name.endswith(".shop_customer")


def test_keys_of_every_kind_go_through_all_batches(url: str) -> None:
    kind = "uuid" if url.startswith("postgres") else "char(36)"
    execute(url, f"CREATE TABLE shop_customer (id {kind} PRIMARY KEY, email varchar, password varchar)")
    many = BATCH + 5
    rows = ", ".join(f"('00000000-0000-4000-8000-{number:012}', 'p{number}@example.com', '')" for number in range(many))
    execute(url, f"INSERT INTO shop_customer VALUES {rows}")  # noqa: S608 — values of the test
    assert len({one.key for one in records(DjangoSource(url, table="shop_customer"))}) == many


def test_table_may_be_in_another_schema(new_postgres: str) -> None:
    execute(new_postgres, "CREATE SCHEMA shop")
    execute(new_postgres, "CREATE TABLE shop.customer (id integer PRIMARY KEY, email varchar, password varchar)")
    execute(new_postgres, "INSERT INTO shop.customer VALUES (5, 'ann@example.com', '')")
    [record] = records(DjangoSource(new_postgres, table="shop.customer"))
    assert (record.key, record.place) == ("5", "shop.customer 5")


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("mysql://shop:s3cret@db/shop", "The database URL has the unknown scheme mysql: "),
        ("postgresql://shop:s3cret@db:five/shop?x", "The database URL is invalid"),
        ("nonsense", "The database URL is invalid"),
        ("sqlite:////nowhere/shop.db", "There is no database at /nowhere/shop.db."),
    ],
)
def test_wrong_url_is_refused_without_its_password(url: str, text: str) -> None:
    with pytest.raises(SourceError) as refusal:
        DjangoSource(url)
    assert str(refusal.value).startswith(text)
    assert "s3cret" not in str(refusal.value)


def test_refused_connection_is_one_line_without_the_password() -> None:
    with pytest.raises(SourceError) as refusal:
        DjangoSource("postgresql://shop:s3cret@127.0.0.1:1/shop").count()
    assert str(refusal.value).startswith("The database shop cannot be read: ")
    assert "refused" in str(refusal.value)
    assert "\n" not in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_wrong_user_is_one_line(new_postgres: str) -> None:
    address = new_postgres.replace("postgres@", "no_such_role:s3cret@").replace("root@", "no_such_role:s3cret@")
    with pytest.raises(SourceError, match='role "no_such_role" does not exist') as refusal:
        DjangoSource(address).count()
    assert "\n" not in str(refusal.value)
    assert "s3cret" not in str(refusal.value)


def test_table_that_may_not_be_read_is_one_line(new_postgres: str) -> None:
    execute(new_postgres, f"CREATE TABLE auth_user ({_COLUMNS} timestamptz)")
    role = f"reader_{os.getpid()}"
    execute(new_postgres, f"CREATE ROLE {role} LOGIN")
    try:
        address = new_postgres.replace("postgres@", f"{role}@").replace("root@", f"{role}@")
        with pytest.raises(SourceError, match="permission denied for table auth_user"):
            DjangoSource(address).count()
    finally:
        execute(new_postgres, f"DROP ROLE {role}")


def test_missing_table_is_one_line(url: str) -> None:
    with pytest.raises(SourceError, match=r"^The database \w+ has no table drf_user_user\.$"):
        DrfUserSource(url).count()


def test_table_of_another_kind_is_one_line(url: str) -> None:
    execute(url, 'CREATE TABLE "user" (id integer PRIMARY KEY, email varchar)')
    with pytest.raises(SourceError, match=r"^The table user has no column hashed_password, as one of fastapi-users has\.$"):
        FastapiUsersSource(url).count()


def test_table_without_a_primary_key_is_one_line(url: str) -> None:
    execute(url, "CREATE TABLE shop_customer (email varchar, password varchar)")
    with pytest.raises(SourceError, match=r"^The table shop_customer has no primary key of one column\.$"):
        next(DjangoSource(url, table="shop_customer").records())


def test_file_that_is_no_database_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "shop.db").write_text("no database, but long enough to have a header " * 40)
    with pytest.raises(SourceError, match=r"^The database shop cannot be read: file is not a database$"):
        DjangoSource(f"sqlite:///{tmp_path}/shop.db").count()


def test_unknown_time_zone_is_refused(url: str) -> None:
    for zone in ("Mars/Olympus", "../etc/passwd", ""):
        with pytest.raises(SourceError, match="There is no time zone"):
            DjangoSource(url, timezone=zone)


def test_sqlite_file_stays_as_it_is(tmp_path: Path) -> None:
    file = tmp_path / "shop.db"
    url = f"sqlite:///{file}"
    execute(url, f"CREATE TABLE auth_user ({_COLUMNS} datetime)")
    add(url, 1)
    before = file.read_bytes(), file.stat().st_mtime_ns, sorted(tmp_path.iterdir())
    assert len(records(DjangoSource(url))) == 1
    assert (file.read_bytes(), file.stat().st_mtime_ns, sorted(tmp_path.iterdir())) == before


def test_nothing_can_be_written_over_the_connection_of_a_source(url: str) -> None:
    source = DjangoSource(url)
    with pytest.raises(SourceError, match=r"read-?only"), source._database.snapshot() as connection:  # noqa: SLF001
        connection.exec_driver_sql("DELETE FROM auth_user")


def test_images_come_from_the_media_directory_alone(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path}/shop.db"
    execute(url, f"CREATE TABLE auth_user ({_COLUMNS} datetime)")
    media = tmp_path / "media"
    (media / "user_images").mkdir(parents=True)
    (media / "user_images" / "face.png").write_bytes(b"a face")
    (tmp_path / "secret.png").write_bytes(b"a secret")
    (media / "inside.png").symlink_to(media / "user_images" / "face.png")
    (media / "outside.png").symlink_to(tmp_path / "secret.png")
    (media / "up").symlink_to(tmp_path)
    (media / "loop.png").symlink_to(media / "loop.png")
    os.mkfifo(media / "pipe.png")
    source = DjangoSource(url, media=media)
    assert source.image("user_images/face.png") == b"a face"
    assert source.image("inside.png") == b"a face"
    for name in (
        *("../secret.png", "user_images/../../secret.png", f"{tmp_path}/secret.png", "outside.png", "up/secret.png"),
        *("loop.png", "pipe.png", "user_images", "missing.png", "a\0b", "\udcff", "x" * 5000, ""),
    ):
        assert source.image(name) is None, name


def test_media_directory_must_exist(url: str, tmp_path: Path) -> None:
    with pytest.raises(SourceError, match=r"^There is no directory .*/nowhere\.$"):
        DjangoSource(url, media=tmp_path / "nowhere")
