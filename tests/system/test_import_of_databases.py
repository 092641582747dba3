"""`vestibule import` from the databases of other systems, made by these systems themselves."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
from tests.support.command_line import vestibule
from tests.support.databases import rows as execute
from tests.support.http_client import random_png
from tests.support.other_services.django_project import MIGRATIONS, django
from tests.support.other_services.fastapi_users_project import fill_fastapi_users

from vestibule import PROGRAM, InvalidCredentials, Settings, Vestibule, build

pytestmark = pytest.mark.slow


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The URL of an empty database for the other system."""
    return f"sqlite:///{tmp_path}/shop.db" if request.param == "sqlite" else str(request.getfixturevalue("new_postgres"))


def imported(tmp_path: Path, *options: str, code: int = 0) -> dict[str, Any]:
    """Imports into a new or used data directory; returns the rows of the report by key."""
    report = tmp_path / "report.jsonl"
    report.unlink(missing_ok=True)
    done = run(tmp_path, *options, "--report", str(report))
    assert done.returncode == code, (done.stdout, done.stderr)
    rows = [json.loads(line) for line in report.read_text().splitlines()]
    return {row["key"]: row for row in rows}


def run(tmp_path: Path, *options: str) -> CompletedProcess[str]:
    return vestibule("import", *options, VESTIBULE_DATA_DIR=str(tmp_path / "data"), VESTIBULE_DEFAULT_REGION="IN")


@contextmanager
def service(tmp_path: Path) -> Iterator[Vestibule]:
    with build(Settings(data_dir=tmp_path / "data", default_region="IN"), run_workers=False) as running:
        yield running


@pytest.mark.parametrize("migration", MIGRATIONS)
def test_everybody_with_a_usable_password_of_drf_user_logs_in_with_it(url: str, migration: str, tmp_path: Path) -> None:
    passwords = django("fill", migration, database=url)
    rows = imported(tmp_path, "--from-drf-user", url, "--accept-hash", "md5")
    assert rows.keys() == passwords.keys()
    assert {row["outcome"] for row in rows.values()} == {"imported"}
    with service(tmp_path) as running:
        for key, password in passwords.items():
            username = rows[key]["username"]
            if username == "inactive" or password is None:
                with pytest.raises(InvalidCredentials):
                    running.log_in(username=username, password=password or "Raw text in the column")
            else:
                tokens = running.log_in(username=username, password=password)
                assert running.authenticate(tokens.access_token).account.id == int(key)


def test_second_import_takes_what_changed_in_drf_user_meanwhile(url: str, tmp_path: Path) -> None:
    django("fill", "0008", database=url)
    imported(tmp_path, "--from-drf-user", url)
    execute(url, "UPDATE drf_user_user SET name = 'Changed there', email = 'new@example.com' WHERE id = 2")
    rows = imported(tmp_path, "--from-drf-user", url)
    assert {key for key, row in rows.items() if row["outcome"] != "unchanged"} == {"2"}
    with service(tmp_path) as running:
        account = running.identify_account(operator=PROGRAM, identifier="new@example.com")
    assert (account.id, account.name) == (2, "Changed there")


def test_images_of_drf_user_come_from_its_media_directory_alone(url: str, tmp_path: Path) -> None:
    django("fill", "0008", database=url)
    media = tmp_path / "media"
    (media / "user_images").mkdir(parents=True)
    (media / "user_images" / "face.png").write_bytes(random_png())
    (tmp_path / "secret.png").write_bytes(random_png())
    imported(tmp_path, "--from-drf-user", url, "--media", str(media))
    with service(tmp_path) as running:
        found = {
            name: running.identify_account(operator=PROGRAM, identifier=name).image is not None
            for name in ("image", "lost_image", "thief")
        }
    assert found == {"image": True, "lost_image": False, "thief": False}


def test_verified_addresses_are_those_with_a_validated_code_unless_they_are_distrusted(url: str, tmp_path: Path) -> None:
    django("fill", "0008", database=url)
    for options, verified in (((), True), (("--distrust-validation",), False)):
        directory = tmp_path / str(verified)
        directory.mkdir()
        imported(directory, "--from-drf-user", url, *options)
        with service(directory) as running:
            first, second = (running.identify_account(operator=PROGRAM, identifier=f"id:{number}") for number in (1, 2))
        assert (first.email_verified, second.mobile_verified) == (verified, verified)
        assert not first.mobile_verified
        assert not second.email_verified


def test_text_that_is_no_hash_is_neither_stored_nor_shown(url: str, tmp_path: Path) -> None:
    django("fill", "0008", database=url)
    done = run(tmp_path, "--from-drf-user", url, "--report", str(tmp_path / "report.jsonl"))
    report = (tmp_path / "report.jsonl").read_text()
    assert "Raw text" not in done.stdout + done.stderr + report
    [raw] = [row for line in report.splitlines() if (row := json.loads(line))["username"] == "raw"]
    assert [one["code"] for one in raw["remarks"]] == ["password_refused"]
    assert b"Raw text" not in (tmp_path / "data" / "vestibule.db").read_bytes()


def test_rows_that_are_left_out_are_counted(url: str, tmp_path: Path) -> None:
    django("fill", "0008", database=url)
    lines = run(tmp_path, "--from-drf-user", url).stdout.splitlines()
    assert "Not imported: 1 permissions of users (drf_user_user_user_permissions)" in lines


def test_users_of_django_move_in(url: str, tmp_path: Path) -> None:
    passwords = django("fill_own", database=url, USERS="auth.User")
    rows = imported(tmp_path, "--from-django", url)
    assert {key: row["username"] for key, row in rows.items()} == {"1": "ada", "2": "root"}
    with service(tmp_path) as running:
        for key, password in passwords.items():
            account = running.authenticate(
                running.log_in(username=rows[key]["username"], password=password).access_token
            ).account
            assert account.id == int(key)
        ada = running.identify_account(operator=PROGRAM, identifier="ada")
        root = running.identify_account(operator=PROGRAM, identifier="root")
    assert (ada.name, ada.roles, ada.is_superuser) == ("Ada Lovelace", ("editors",), False)
    assert (root.is_superuser, root.email) == (True, None)


@pytest.mark.parametrize("ids", ["integer", "uuid"])
def test_users_of_fastapi_users_log_in_with_their_email(url: str, ids: str, tmp_path: Path) -> None:
    passwords = fill_fastapi_users(url, ids)
    imported(tmp_path, "--from-fastapi-users", url)
    with service(tmp_path) as running:
        for email, password in passwords.items():
            account = running.authenticate(running.log_in(username=email, password=password).access_token).account
            assert account.email is not None
            assert (account.email.text, account.username.text) == (email, email.partition("@")[0])


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "Name a FILE, or one of --from-drf-user, --from-django and --from-fastapi-users."),
        (("users.csv", "--from-django", "sqlite:////x.db"), "Name a FILE, or one of"),
        (("--from-django", "sqlite:////x.db", "--from-drf-user", "sqlite:////x.db"), "Name a FILE, or one of"),
        (("--from-drf-user", "sqlite:////x.db", "--table", "users"), "--table is for --from-django and --from-fastapi-users."),
        (("--from-django", "sqlite:////x.db", "--distrust-validation"), "--distrust-validation is for --from-drf-user."),
        (("--from-django", "sqlite:////nowhere/x.db"), "vestibule: There is no database at /nowhere/x.db."),
        (("--from-django", "postgresql://a:s3cret@127.0.0.1:1/x"), "vestibule: The database x cannot be read: "),
    ],
)
def test_wrong_call_is_refused_in_one_line(options: tuple[str, ...], text: str, tmp_path: Path) -> None:
    done = run(tmp_path, *options)
    assert done.returncode == 2
    assert text in done.stderr
    assert "s3cret" not in done.stderr
    assert "Traceback" not in done.stderr
