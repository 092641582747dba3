"""`vestibule export-to-django`: the way back, into a Django project with drf-user or with Django's own users."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from tests.support.command_line import vestibule
from tests.support.http_client import random_png
from tests.support.other_services.django_project import django

from vestibule import PROGRAM, Settings, Vestibule, build
from vestibule.domain.account import Account, Username

pytestmark = pytest.mark.slow

PASSWORD, OTHER = "the engine weaves algebra", "another engine weaves flowers"
JOINED = 1_600_000_000.25


@pytest.fixture
def data(tmp_path: Path) -> Path:
    return tmp_path / "data"


@pytest.fixture(params=["sqlite", "postgres"])
def project(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database for Django."""
    return f"sqlite:///{tmp_path}/django.db" if request.param == "sqlite" else str(request.getfixturevalue("new_postgres"))


@contextmanager
def service(data: Path) -> Iterator[Vestibule]:
    with build(Settings(data_dir=data), run_workers=False) as running:
        yield running


def register(running: Vestibule, name: str, /, **fields: Any) -> Account:
    given = {"username": name, "name": f"{name.title()} Some Body", "email": f"{name}@mail.example.com"}
    return running.register(**{**given, "password": PASSWORD, **fields})


def exported(data: Path, file: Path, *options: str, code: int = 0) -> list[str]:
    """Exports into the file, and returns the lines that the operator reads."""
    finished = vestibule("export-to-django", str(file), *options, VESTIBULE_DATA_DIR=str(data))
    assert (finished.returncode, finished.stdout) == (code, ""), finished.stderr
    return finished.stderr.splitlines()


def rows(file: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(file.read_text())
    return found


def test_people_log_in_to_drf_user_with_the_password_that_they_set_here(data: Path, tmp_path: Path, project: str) -> None:
    with service(data) as running:
        register(running, "ann", mobile="9300000001")
        bob = register(running, "bob")
        running.set_roles(operator=PROGRAM, account_id=bob.id, roles=["editor"], is_staff=True)
        running.set_active(identifier="bob", active=False)
    file = tmp_path / "users.json"
    assert exported(data, file) == ["Accounts: 2 written, 0 left out, 0 deleted here."]
    users = django("load", file, database=project)
    assert {key: users["1"][key] for key in ("username", "name", "email", "mobile", "groups", "profile_image")} == {
        "username": "ann",
        "name": "Ann Some Body",
        "email": "ann@mail.example.com",
        "mobile": "9300000001",
        "groups": [],
        "profile_image": "",
    }
    assert (users["2"]["is_active"], users["2"]["is_staff"], users["2"]["groups"]) == (False, True, ["editor"])
    assert django("log_in", "ann", PASSWORD, database=project) == 1
    assert django("log_in", "9300000001", PASSWORD, database=project) == 1
    assert django("log_in", "ann", OTHER, database=project) is None


def test_people_log_in_to_django_with_its_own_users(data: Path, tmp_path: Path, project: str) -> None:
    with service(data) as running:
        register(running, "ann", mobile="9300000001")
        register(running, "bob", name="Bob")
    file = tmp_path / "users.json"
    assert exported(data, file, "--model", "auth.user") == [
        "account 1: its mobile is left out",
        "Accounts: 2 written, 0 left out, 0 deleted here.",
    ]
    users = django("load", file, database=project, USERS="auth.User")
    assert [(one["first_name"], one["last_name"]) for one in users.values()] == [("Ann", "Some Body"), ("Bob", "")]
    assert django("log_in", "bob", PASSWORD, database=project, USERS="auth.User") == 2


def test_only_accounts_that_changed_since_a_time_are_written_and_keep_their_groups_there(
    data: Path, tmp_path: Path, project: str
) -> None:
    file = tmp_path / "users.json"
    with service(data) as running:
        ann, bob, cy = (register(running, name) for name in ("ann", "bob", "cy"))
        running.set_roles(operator=PROGRAM, account_id=ann.id, roles=["editor"])
    exported(data, tmp_path / "all.json")
    django("load", tmp_path / "all.json", database=project)
    with service(data) as running:
        since = running.clock()
        identity = running.authenticate(running.log_in(username="ann", password=PASSWORD).access_token)
        running.change_account(identity=identity, password=OTHER)
        running.remove_account(operator=PROGRAM, account_id=cy.id)
    from_time = datetime.fromtimestamp(since, UTC)
    assert exported(data, file, "--since", from_time.isoformat()) == [
        "Deleted here, and to be deleted there: 3",
        "Accounts: 1 written, 0 left out, 1 deleted here.",
    ]
    users = django("load", file, database=project)
    assert users[str(ann.id)]["groups"] == ["editor"]
    assert [django("log_in", "ann", word, database=project) for word in (PASSWORD, OTHER)] == [None, ann.id]
    assert django("log_in", "bob", PASSWORD, database=project) == bob.id


def add(running: Vestibule, **fields: Any) -> Account:
    """An account as an import makes it."""
    name = fields.pop("username", "ann")
    account = Account(username=Username(name, name), name="Ann", email=None, created_at=JOINED, **fields)
    use_case: Any = running.use_cases["register"]  # every use case has the same database
    with use_case.database.begin() as tx:
        added: Account = tx.accounts.add(account)
    return added


@pytest.mark.parametrize(
    ("stored", "there"),
    [
        ("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dGFn", "argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dGFn"),
        ("argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dGFn", "argon2$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$dGFn"),
        ("pbkdf2_sha256$1000$salt$dGFn", "pbkdf2_sha256$1000$salt$dGFn"),
        ("$2b$05$abcdefghijklmnopqrstuu", "bcrypt$$2b$05$abcdefghijklmnopqrstuu"),
        ("bcrypt_sha256$$2b$05$abc", "bcrypt_sha256$$2b$05$abc"),
        ("scrypt$16384$salt$8$1$dGFn", "scrypt$16384$salt$8$1$dGFn"),
    ],
)
def test_password_hash_is_written_as_django_spells_it(data: Path, tmp_path: Path, stored: str, there: str) -> None:
    with service(data) as running:
        add(running, password_hash=stored)
    exported(data, tmp_path / "users.json")
    [row] = rows(tmp_path / "users.json")
    assert row["fields"]["password"] == there


def test_account_that_django_shows_otherwise_is_remarked(data: Path, tmp_path: Path, project: str) -> None:
    with service(data) as running:
        add(running, username="ann", password_hash="pbkdf2_sha512$1000$salt$dGFn")
        add(running, username="bob", image="picture.webp", deletion_due_at=2_000_000_000.0)
    file = tmp_path / "users.json"
    assert exported(data, file) == [
        "account 1: its password hash is of no kind that Django knows: it has to be reset",
        "account 1: it has no email, which drf-user requires; there it is no-email-1@example.invalid",
        "account 2: its image is left out",
        "account 2: it has no email, which drf-user requires; there it is no-email-2@example.invalid",
        "account 2: its owner has asked for its deletion, due on 2033-05-18",
        "Accounts: 2 written, 0 left out, 0 deleted here.",
    ]
    users = django("load", file, database=project)
    assert all(re.fullmatch(r"![A-Za-z0-9]{40}", one["password"]) for one in users.values())
    assert users["1"]["joined"] == JOINED


def test_account_that_django_cannot_hold_is_left_out_and_named(data: Path, tmp_path: Path) -> None:
    with service(data) as running:
        add(running, username="a" * 200)
        add(running, username="bob")
    lines = exported(data, tmp_path / "users.json", "--model", "auth.user", code=1)
    assert lines == [
        "account 1: left out, because its username has more than 150 characters",
        "Accounts: 1 written, 1 left out, 0 deleted here.",
    ]
    assert [one["pk"] for one in rows(tmp_path / "users.json")] == [2]


def test_images_go_into_the_media_directory(data: Path, tmp_path: Path, project: str) -> None:
    media = tmp_path / "media"
    media.mkdir()
    with service(data) as running:
        register(running, "ann")
        identity = running.authenticate(running.log_in(username="ann", password=PASSWORD).access_token)
        image = running.upload_image(identity=identity, profile_image=random_png()).image
    exported(data, tmp_path / "users.json", "--media", str(media))
    users = django("load", tmp_path / "users.json", database=project)
    assert users["1"]["profile_image"] == f"user_images/{image}"
    assert (media / "user_images" / str(image)).read_bytes()[8:12] == b"WEBP"


def test_times_have_no_offset_for_a_project_with_a_time_zone_of_its_own(data: Path, tmp_path: Path) -> None:
    with service(data) as running:
        add(running)
    exported(data, tmp_path / "users.json", "--timezone", "Asia/Kolkata")
    [row] = rows(tmp_path / "users.json")
    assert row["fields"]["date_joined"] == "2020-09-13T17:56:40.250000"
    database = f"sqlite:///{tmp_path}/django.db"
    users = django("load", tmp_path / "users.json", database=database, TIME_ZONE="Asia/Kolkata")
    assert users["1"]["username"] == "ann"


def test_file_is_private_and_replaces_none(data: Path, tmp_path: Path) -> None:
    file = tmp_path / "users.json"
    with service(data):
        pass
    exported(data, file)
    assert (file.stat().st_mode & 0o777, rows(file)) == (0o600, [])
    finished = vestibule("export-to-django", str(file), VESTIBULE_DATA_DIR=str(data))
    assert (finished.returncode, finished.stderr) == (2, f"vestibule: cannot make {file}: File exists\n")


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("--timezone", "Mars/Olympus"), "there is no time zone Mars/Olympus"),
        (("--model", "shop.user"), "'shop.user' is not one of"),
        (("--model", "auth.user", "--media", "."), "--media is for drf_user.user; auth.user has no image"),
        (("--media", "/nowhere"), "does not exist"),
    ],
)
def test_wrong_options_are_refused(data: Path, tmp_path: Path, options: tuple[str, ...], text: str) -> None:
    finished = vestibule("export-to-django", str(tmp_path / "x.json"), *options, VESTIBULE_DATA_DIR=str(data))
    assert finished.returncode == 2
    assert text in finished.stderr
    assert not (tmp_path / "x.json").exists()
