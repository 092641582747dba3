"""The commands, as typed."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import make_url
from tests.support.databases import rows
from tests.support.server import Server, free_port

from vestibule.adapters.database import migrate

VESTIBULE = str(Path(sys.executable).with_name("vestibule"))
PASSWORD = "the engine weaves algebra"


def vestibule(*arguments: str, given: str = "", **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")} | settings
    return subprocess.run(
        [VESTIBULE, *arguments], env=environment, input=given, capture_output=True, text=True, timeout=60, check=False
    )


@pytest.mark.parametrize("command", [(), ("serve",), ("migrate",), ("create-superuser",), ("settings",)])
def test_help_teaches(command: tuple[str, ...]) -> None:
    shown = vestibule(*command, "--help")
    assert shown.returncode == 0
    assert "Usage: vestibule" in shown.stdout


_WEIGHTY = {"sqlalchemy", "litestar", "alembic", "msgspec", "argon2", "granian", "psycopg", "rich"}


@pytest.mark.parametrize(
    ("program", "spared"),
    [
        ("from vestibule.entrypoints.cli import main; main(['--help'], standalone_mode=False)", _WEIGHTY),
        (
            "from vestibule import Settings, build; build(Settings.from_environment(os.environ)).__enter__()",
            {"alembic", "mako", "litestar", "rich"},
        ),
    ],
    ids=["help", "a database that is at today's schema"],
)
def test_what_is_not_needed_is_not_loaded(program: str, spared: set[str], tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/vestibule.db")
    asked = f"import os, sys\n{program}\nprint(*sorted({spared!r} & set(sys.modules)), file=sys.stderr)\nos._exit(0)"
    settings = {"VESTIBULE_DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    shown = subprocess.run([sys.executable, "-c", asked], env=settings, capture_output=True, text=True, timeout=60, check=False)
    assert (shown.returncode, shown.stderr) == (0, "\n")


def test_settings_are_listed_with_their_meaning() -> None:
    shown = vestibule("settings", COLUMNS="160")
    assert shown.returncode == 0
    assert "VESTIBULE_DATA_DIR" in shown.stdout


@pytest.mark.parametrize(
    "settings",
    [{"VESTIBULE_PROT": "1"}, {"VESTIBULE_PORT": "x"}, {"VESTIBULE_EMAIL_URL": "smtp://"}, {"VESTIBULE_DEFAULT_REGION": "XX"}],
)
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_a_bad_setting_stops_the_start_with_one_line_that_names_it(
    command: str, settings: dict[str, str], tmp_path: Path
) -> None:
    shown = vestibule(command, **settings, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert shown.returncode == 2
    (line,) = shown.stderr.splitlines()
    assert next(iter(settings)) in line


def test_a_data_directory_that_cannot_be_made_stops_the_start_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    shown = vestibule("serve", "--data-dir", str(tmp_path / "file" / "data"))
    assert shown.returncode == 2
    (line,) = shown.stderr.splitlines()
    assert str(tmp_path / "file") in line


def test_migrate_says_what_it_did_and_may_be_said_twice(tmp_path: Path) -> None:
    for _ in range(2):
        shown = vestibule("migrate", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
        assert (shown.returncode, shown.stderr) == (0, "")
        assert str(tmp_path / "data" / "vestibule.db") in shown.stdout


def test_a_superuser_is_made_once_and_faults_are_named(tmp_path: Path) -> None:
    def create(password: str) -> subprocess.CompletedProcess[str]:
        who = ["--username", "grace", "--email", "grace@example.com", "--name", "Grace Hopper", "--password-file", "-"]
        return vestibule("create-superuser", *who, given=f"{password}\n", VESTIBULE_DATA_DIR=str(tmp_path / "data"))

    refused = create("password")
    assert (refused.returncode, refused.stderr.splitlines()) == (1, ["password: This password is among the most common ones."])
    made = create(PASSWORD)
    assert (made.returncode, made.stderr, made.stdout) == (0, "", "Made the superuser grace, account 1.\n")
    again = create(PASSWORD)
    assert again.returncode == 1
    assert "username:" in again.stderr
    assert PASSWORD not in again.stderr + again.stdout


def test_calibration_ends_with_a_setting_that_the_server_takes(tmp_path: Path) -> None:
    shown = vestibule("hash-calibrate", "--target-ms", "250")
    assert shown.returncode == 0, shown.stderr
    name, _, value = shown.stdout.splitlines()[-1].partition("=")
    assert name == "VESTIBULE_PASSWORD_HASH"
    assert vestibule("migrate", VESTIBULE_DATA_DIR=str(tmp_path / "data"), **{name: value}).returncode == 0


@pytest.mark.parametrize("cost", ["weak", "t=1,m=19456,p=1", "t=2,m=1024,p=1"])
def test_a_hash_that_costs_too_little_stops_the_start(cost: str, tmp_path: Path) -> None:
    shown = vestibule("migrate", VESTIBULE_DATA_DIR=str(tmp_path / "data"), VESTIBULE_PASSWORD_HASH=cost)
    assert shown.returncode == 2
    assert "VESTIBULE_PASSWORD_HASH" in shown.stderr


def test_an_account_is_deactivated_and_activated_by_whatever_it_is_called(tmp_path: Path) -> None:
    data = {"VESTIBULE_DATA_DIR": str(tmp_path / "data")}
    who = ["--username", "grace", "--email", "grace@example.com", "--name", "Grace Hopper", "--password-file", "-"]
    assert vestibule("create-superuser", *who, given=f"{PASSWORD}\n", **data).returncode == 0
    assert vestibule("deactivate", "grace@example.com", **data).stdout == "Account 1, grace, is deactivated.\n"
    assert vestibule("activate", "grace", **data).stdout == "Account 1, grace, is active.\n"
    for name in ("nobody", "-nobody-h", "--nobody"):
        unknown = vestibule("deactivate", name, **data)
        assert (unknown.returncode, unknown.stderr) == (2, "vestibule: There is no such account.\n")


def test_a_server_whose_postgresql_has_no_schema_says_what_to_do_and_stops(new_postgres: str, tmp_path: Path) -> None:
    given = {"VESTIBULE_DATABASE_URL": with_password(new_postgres), "VESTIBULE_DATA_DIR": str(tmp_path / "data")}
    for command in ("serve", "purge"):
        shown = vestibule(command, **given)
        assert shown.returncode == 2
        (line,) = shown.stderr.splitlines()
        assert "VESTIBULE_DATABASE_URL" in line
        assert "run `vestibule migrate`" in line
    shown = vestibule("migrate", **given)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert "secret" not in shown.stdout
    assert vestibule("purge", **given).stdout == "Deleted: 0 rows.\n"


@pytest.mark.parametrize("command", [("serve",), ("serve", "--migrate"), ("deliver", "--once"), ("migrate",)])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_database_that_a_newer_program_migrated_stops_this_one_in_one_line(
    command: tuple[str, ...], kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/vestibule.db" if kind == "sqlite" else str(request.getfixturevalue("new_postgres"))
    migrate(url)
    rows(url, "UPDATE alembic_version SET version_num = '9999'")
    shown = vestibule(*command, VESTIBULE_DATABASE_URL=url, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert shown.returncode == 2
    (line,) = shown.stderr.splitlines()
    assert line.startswith(
        "vestibule: VESTIBULE_DATABASE_URL: The database has schema 9999, which is newer than this program's"
    )
    assert rows(url, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_a_server_may_be_told_to_migrate_as_it_starts_and_never_shows_the_password(new_postgres: str, tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--migrate", database_url=with_password(new_postgres)) as server:
        assert server.call("GET", "/readyz")[0] == 200
        assert f"Accounts are kept in  postgresql://{make_url(new_postgres).host}/vestibule_test_" in server.output
        assert "secret" not in server.output


def test_a_postgresql_that_does_not_answer_stops_the_start_in_one_line_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://user:secret@127.0.0.1:{free_port()}/name"
    shown = vestibule("serve", VESTIBULE_DATABASE_URL=url, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert shown.returncode == 2
    (line,) = shown.stderr.splitlines()
    assert line.startswith("vestibule: VESTIBULE_DATABASE_URL: the database is unavailable (connection failed")
    assert "secret" not in line


def with_password(url: str) -> str:
    """One that is not asked for, and must not be shown."""
    return make_url(url).set(password="secret").render_as_string(hide_password=False)


def test_a_port_that_another_has_stops_the_start_with_one_line(tmp_path: Path) -> None:
    with Server(tmp_path / "first") as server:
        shown = vestibule("serve", "--port", str(server.port), "--data-dir", str(tmp_path / "second"))
    assert shown.returncode == 2
    (line,) = shown.stderr.splitlines()
    assert "VESTIBULE_PORT" in line
    assert str(server.port) in line
