"""Accounts out of databases that drf-user itself has made."""

import json
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from tests.support.databases import rows as execute
from tests.support.other_services.django_project import MIGRATIONS, django
from tests.support.postgres_server import new_database

from vestibule.adapters.account_sources import DrfUserSource
from vestibule.application.ports import ImportRecord

pytestmark = pytest.mark.slow

FIRST_JOINED = datetime(2019, 3, 31, 1, 30, 0, 250_000)  # noqa: DTZ001 — each test has a zone of its own


@dataclass(frozen=True)
class Filled:
    """A database of that migration, and the passwords of its users by id."""

    url: str
    migration: str
    passwords: dict[int, str | None]

    def records(self, **options: Any) -> dict[str, ImportRecord]:
        """The records by username, in their order."""
        records = [one for one in DrfUserSource(self.url, **options).records() if isinstance(one, ImportRecord)]
        return {str(one.username): one for one in records}


@pytest.fixture(scope="module", params=["sqlite", "postgres"])
def fill(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[str], Filled]]:
    """Makes a database of a migration on one engine."""
    made: dict[str, Filled] = {}
    with ExitStack() as stack:

        def filled(migration: str) -> Filled:
            if migration not in made:
                if request.param == "sqlite":
                    url = f"sqlite:///{tmp_path_factory.mktemp('drf_user')}/shop.db"
                else:
                    url = stack.enter_context(new_database(request.getfixturevalue("postgres_server")))
                passwords = django("fill", migration, database=url)
                made[migration] = Filled(url, migration, {int(number): one for number, one in passwords.items()})
            return made[migration]

        yield filled


@pytest.fixture(params=MIGRATIONS)
def filled(fill: Callable[[str], Filled], request: pytest.FixtureRequest) -> Filled:
    return fill(request.param)


@pytest.fixture
def current(fill: Callable[[str], Filled]) -> Filled:
    return fill("0008")


def test_every_row_of_every_schema_is_read_once_and_in_the_order_of_ids(filled: Filled) -> None:
    source = DrfUserSource(filled.url)
    records = list(source.records())
    assert [one.key for one in records] == [str(number) for number in sorted(filled.passwords)]
    assert source.count() == len(records)


def test_texts_are_read_as_they_are_stored(filled: Filled) -> None:
    rows = execute(filled.url, "SELECT id, username, email, mobile, name, password FROM drf_user_user ORDER BY id")
    found = [(one.id, one.username, one.email, one.mobile, one.name, one.password_hash) for one in filled.records().values()]
    assert found == [tuple(row) for row in rows]


def test_twins_by_case_and_by_unicode_form_are_two_records(filled: Filled) -> None:
    records = filled.records()
    assert {"Twin", "twin", "caf\u00e9", "cafe\u0301"} <= records.keys()
    assert (records["Twin"].email, records["twin"].email) == ("Twin@example.com", "twin@example.com")


def test_flags_and_groups_are_read(filled: Filled) -> None:
    records = filled.records()
    assert not records["inactive"].is_active
    assert records["by_argon2"].is_active
    assert (records["staff"].is_staff, records["staff"].is_superuser) == (True, False)
    assert (records["root"].is_staff, records["root"].is_superuser) == (True, True)
    assert records["by_pbkdf2_sha256"].roles == ("Editors", "Readers of the news")
    assert records["by_pbkdf2_sha1"].roles == ("Readers of the news",)
    assert records["by_argon2"].roles == ()


def test_address_with_a_validated_code_is_verified(filled: Filled) -> None:
    marks = {one.username: (one.email_verified, one.mobile_verified) for one in filled.records().values()}
    assert {name: mark for name, mark in marks.items() if True in mark} == {
        "by_pbkdf2_sha256": (True, False),
        "by_pbkdf2_sha1": (False, True),
    }


def test_no_address_is_verified_where_validations_are_distrusted(filled: Filled) -> None:
    records = filled.records(trust_validation=False).values()
    assert not any(one.email_verified or one.mobile_verified for one in records)


def test_time_of_creation_is_the_time_of_joining(filled: Filled) -> None:
    times = [one.created_at for one in filled.records().values()]
    first = FIRST_JOINED.replace(tzinfo=ZoneInfo("UTC"))
    assert times == [(first + timedelta(days=number)).timestamp() for number in range(len(times))]


def test_images_are_read_where_the_schema_has_them(filled: Filled, tmp_path: Path) -> None:
    (tmp_path / "media").mkdir()
    images = {name: one.image for name, one in filled.records(media=tmp_path / "media").items() if one.image}
    has_images = filled.migration >= "0007"
    names = {"image": "user_images/face.png", "lost_image": "user_images/lost.png", "thief": "../secret.png"}
    assert images == (names if has_images else {})


def test_source_is_not_changed(current: Filled) -> None:
    def state() -> list[object]:
        return [sha256(repr(execute(current.url, f"SELECT * FROM {one} ORDER BY id")).encode()).digest() for one in tables]  # noqa: S608 — our own names

    tables = ("drf_user_user", "drf_user_otpvalidation", "auth_group", "django_migrations")
    before = state()
    source = DrfUserSource(current.url)
    assert list(source.records())
    assert source.left_out()
    assert state() == before


def test_rows_that_an_import_leaves_out_are_counted(current: Filled) -> None:
    assert DrfUserSource(current.url).left_out() == [
        "1 permissions of groups (auth_group_permissions)",
        "1 permissions of users (drf_user_user_user_permissions)",
        "3 images, for there is no --media",
    ]


def test_name_is_that_of_the_database(current: Filled) -> None:
    database = current.url.rpartition("/")[2].removesuffix(".db")
    assert DrfUserSource(current.url).name == f"drf-user:{database}"
    assert DrfUserSource(current.url, name="drf-user:shop").name == "drf-user:shop"


def test_time_zone_counts_for_times_without_an_offset(tmp_path: Path) -> None:
    """With USE_TZ off, Django stores the wall-clock time of TIME_ZONE in SQLite."""
    url = f"sqlite:///{tmp_path}/shop.db"
    filled = Filled(url, "0008", django("fill", "0008", database=url, TIME_ZONE="Asia/Kolkata"))
    first = next(iter(filled.records(timezone="Asia/Kolkata").values()))
    assert first.created_at == FIRST_JOINED.replace(tzinfo=ZoneInfo("Asia/Kolkata")).timestamp()


def test_postgresql_stores_the_offset_whatever_the_time_zone(new_postgres: str) -> None:
    filled = Filled(new_postgres, "0008", django("fill", "0008", database=new_postgres, TIME_ZONE="Asia/Kolkata"))
    first = next(iter(filled.records(timezone="America/Lima").values()))
    assert first.created_at == FIRST_JOINED.replace(tzinfo=ZoneInfo("Asia/Kolkata")).timestamp()


def test_passwords_are_in_no_representation_of_a_record(current: Filled) -> None:
    assert "Raw text" not in repr(current.records()["raw"])
    assert json.dumps(current.passwords)
