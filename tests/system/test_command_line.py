"""The commands of the command line, run as processes."""

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import version
from pathlib import Path

import click
import pytest
from sqlalchemy import make_url
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.server import Server, free_port

from vestibule.adapters.database import migrate
from vestibule.entrypoints.cli.group import vestibule as group

PASSWORD = "the engine weaves algebra"


def test_help_of_each_command_shows_an_example() -> None:
    def contexts(group: click.Group, path: str) -> Iterator[tuple[str, click.Command]]:
        for name, command in group.commands.items():
            if isinstance(command, click.Group):
                yield from contexts(command, f"{path} {name}")
            else:
                yield f"{path} {name}", command

    commands = dict(contexts(group, "vestibule"))
    assert len(commands) >= 20
    for name, command in commands.items():
        assert name in (command.help or "").partition("\b")[2], name


@pytest.mark.parametrize("command", [(), ("serve",), ("audit-log",), ("outbox", "retry")])
def test_help_is_shown(command: tuple[str, ...]) -> None:
    result = vestibule(*command, "--help")
    assert (result.returncode, result.stderr) == (0, "")
    assert f"Usage: vestibule {' '.join(command)}".strip() in result.stdout


def test_help_of_a_group_has_the_whole_first_sentence_of_each_command() -> None:
    text = " ".join(vestibule("--help").stdout.split())
    assert " restore Restore the backup FILE into the data directory, which must be empty or absent. serve " in text


_HEAVY = {"sqlalchemy", "litestar", "alembic", "msgspec", "argon2", "granian", "psycopg", "rich"}


@pytest.mark.parametrize(
    ("program", "unneeded"),
    [
        ("from vestibule.entrypoints.cli.group import vestibule; vestibule(['--help'], standalone_mode=False)", _HEAVY),
        (
            "from vestibule import Settings, build; build(Settings.from_environment(os.environ)).__enter__()",
            {"alembic", "mako", "litestar", "rich"},
        ),
    ],
    ids=["help", "a database at the current schema"],
)
def test_unneeded_libraries_are_not_imported(program: str, unneeded: set[str], tmp_path: Path) -> None:
    migrate(f"sqlite:///{tmp_path}/vestibule.db")
    script = f"import os, sys\n{program}\nprint(*sorted({unneeded!r} & set(sys.modules)), file=sys.stderr)\nos._exit(0)"
    settings = {"VESTIBULE_DATA_DIR": str(tmp_path), "PATH": os.environ["PATH"]}
    result = subprocess.run(
        [sys.executable, "-c", script], env=settings, capture_output=True, text=True, timeout=60, check=False
    )
    assert (result.returncode, result.stderr) == (0, "\n")


def test_settings_are_listed() -> None:
    result = vestibule("settings", COLUMNS="160")
    assert result.returncode == 0
    assert "VESTIBULE_DATA_DIR" in result.stdout


@pytest.mark.parametrize(
    "settings",
    [{"VESTIBULE_PROT": "1"}, {"VESTIBULE_PORT": "x"}, {"VESTIBULE_EMAIL_URL": "smtp://"}, {"VESTIBULE_DEFAULT_REGION": "XX"}],
)
@pytest.mark.parametrize("command", ["serve", "migrate"])
def test_invalid_setting_is_named_in_one_line(command: str, settings: dict[str, str], tmp_path: Path) -> None:
    result = vestibule(command, **settings, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert next(iter(settings)) in line


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"VESTIBULE_PORT": '"80OO"'}, "VESTIBULE_PORT: must be a whole number from 0 to 65535."),
        ({"VESTIBULE_PORT_FILE": "/"}, "VESTIBULE_PORT_FILE: must name a regular file."),
        ({"VESTIBULE_EMAIL_UR": "smtp://h"}, "VESTIBULE_EMAIL_UR is not a setting; did you mean VESTIBULE_EMAIL_URL?"),
        ({"VESTIBULE_HOST": "name.invalid"}, "VESTIBULE_HOST: cannot resolve name.invalid: "),
        ({"VESTIBULE_HOST": "203.0.113.1"}, "VESTIBULE_HOST: cannot listen on 203.0.113.1, port 8000: Cannot assign"),
        (
            {"VESTIBULE_METRICS_PORT": "9100", "VESTIBULE_METRICS_HOST": "203.0.113.1"},
            "VESTIBULE_METRICS_HOST: cannot listen on",
        ),
        (
            {"VESTIBULE_DATABASE_URL": "sqlite:////dev/null"},
            "VESTIBULE_DATABASE_URL: /dev/null is neither a file nor a directory",
        ),
        ({"VESTIBULE_TEMPLATES_DIR": "/does/not/exist"}, "VESTIBULE_TEMPLATES_DIR: "),
    ],
)
def test_start_is_refused_in_one_line_that_names_the_variable(settings: dict[str, str], line: str, tmp_path: Path) -> None:
    result = vestibule("serve", **settings, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert (result.returncode, result.stdout) == (2, "")
    assert [shown.startswith(f"vestibule: {line}") for shown in result.stderr.splitlines()] == [True], result.stderr
    assert Path("/dev/null").stat().st_mode & 0o777 == 0o666


def test_options_override_variables_and_files_in_any_form(tmp_path: Path) -> None:
    """As in a container of Kubernetes that is started with quoted and empty variables."""
    (tmp_path / "port").write_text("1")
    given = {
        "VESTIBULE_PORT_FILE": str(tmp_path / "port"),
        "VESTIBULE_HOST": '"localhost"',
        "VESTIBULE_EMAIL_URL": "",
        "VESTIBULE_SERVICE_HOST": "10.96.0.12",
        "VESTIBULE_REDIS_PORT": "tcp://10.96.0.13:6379",
    }
    with Server(tmp_path / "data", environment=given, sms_url="msgbird://secretkeysecretkeysecret1/15551234567") as server:
        first, *others = server.output.splitlines()
        assert first == f"Vestibule listens on  http://localhost:{server.port}/"
        (record,) = [line for line in others if " vestibule.server: listening " in line]
        assert f" address=localhost:{server.port} workers=1 database=sqlite accounts={tmp_path}/data/vestibule.db " in record
        assert record.endswith(" mail=outbox: sms=msgbird: delivery=here images=file:")
        assert "secretkey" not in server.output


def test_first_record_of_a_json_log_describes_the_server_and_warnings_follow(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o770)
    with Server(tmp_path / "data", log_format="json", public_url="https://accounts.example.org") as server:
        first, *others = map(json.loads, server.output.splitlines())
    assert (first["level"], first["message"], first["version"]) == ("info", "listening", version("vestibule-accounts"))
    assert (first["url"], first["database"]) == ("https://accounts.example.org/", "sqlite")
    assert (first["mail"], first["sms"], first["images"], first["workers"]) == ("outbox:", "outbox:", "file:", 1)
    warnings = [record["message"] for record in others if record["level"] == "warning"]
    assert any("was open to other users" in warning for warning in warnings)
    assert "mail is written to files, and not sent: set VESTIBULE_EMAIL_URL" in warnings
    assert all(len(warning) < 120 or "open to" in warning for warning in warnings)


def test_impossible_data_directory_is_reported_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    result = vestibule("serve", "--data-dir", str(tmp_path / "file" / "data"))
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert str(tmp_path / "file") in line


def test_migrate_may_be_repeated(tmp_path: Path) -> None:
    for _ in range(2):
        result = vestibule("migrate", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
        assert (result.returncode, result.stderr) == (0, "")
        assert str(tmp_path / "data" / "vestibule.db") in result.stdout


def test_superuser_is_created_once_and_errors_name_the_field(tmp_path: Path) -> None:
    def create(password: str) -> subprocess.CompletedProcess[str]:
        arguments = ["--username", "grace", "--email", "grace@example.com", "--name", "Grace Hopper", "--password-file", "-"]
        return vestibule("create-superuser", *arguments, stdin=f"{password}\n", VESTIBULE_DATA_DIR=str(tmp_path / "data"))

    refused = create("password")
    assert (refused.returncode, refused.stderr.splitlines()) == (1, ["password: This password is among the most common ones."])
    made = create(PASSWORD)
    assert (made.returncode, made.stderr, made.stdout) == (0, "", "Created the superuser grace, account 1.\n")
    log = vestibule("audit-log", "--type", "registered", VESTIBULE_DATA_DIR=str(tmp_path / "data")).stdout
    assert re.fullmatch(r"command line \([^()]+\)", json.loads(log)["actor"])
    again = create(PASSWORD)
    assert again.returncode == 1
    assert "username:" in again.stderr
    assert PASSWORD not in again.stderr + again.stdout


def test_superuser_may_have_a_reserved_name(tmp_path: Path) -> None:
    arguments = ["--username", "admin", "--email", "grace@example.com", "--name", "Grace Hopper", "--password-file", "-"]
    made = vestibule("create-superuser", *arguments, stdin=f"{PASSWORD}\n", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert (made.returncode, made.stderr, made.stdout) == (0, "", "Created the superuser admin, account 1.\n")


def test_refusal_of_a_test_domain_names_the_setting(tmp_path: Path) -> None:
    arguments = ["--username", "grace", "--email", "me@company.test", "--name", "Grace Hopper", "--password-file", "-"]
    data = {"VESTIBULE_DATA_DIR": str(tmp_path / "data")}
    refused = vestibule("create-superuser", *arguments, stdin=f"{PASSWORD}\n", **data)
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "email: No mail reaches this domain, which is reserved for tests.",
        "VESTIBULE_TEST_DOMAINS=on accepts such domains, for development.",
    ]
    setting = {"VESTIBULE_TEST_DOMAINS": "on"}
    assert vestibule("create-superuser", *arguments, stdin=f"{PASSWORD}\n", **data, **setting).returncode == 0


def test_address_that_is_neither_an_email_nor_a_mobile_is_refused_as_neither(tmp_path: Path) -> None:
    refused = vestibule("accounts", "release", "hello", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert refused.returncode == 1
    assert refused.stderr.startswith("address: This is neither an email address, such as name@example.com, nor a mobile number")


def test_calibration_prints_a_valid_setting(tmp_path: Path) -> None:
    result = vestibule("hash-calibrate", "--target-ms", "250")
    assert result.returncode == 0, result.stderr
    name, _, value = result.stdout.splitlines()[-1].partition("=")
    assert name == "VESTIBULE_PASSWORD_HASH"
    assert vestibule("migrate", VESTIBULE_DATA_DIR=str(tmp_path / "data"), **{name: value}).returncode == 0


@pytest.mark.parametrize("cost", ["weak", "t=1,m=19456,p=1", "t=2,m=1024,p=1"])
def test_cheap_password_hash_is_refused(cost: str, tmp_path: Path) -> None:
    result = vestibule("migrate", VESTIBULE_DATA_DIR=str(tmp_path / "data"), VESTIBULE_PASSWORD_HASH=cost)
    assert result.returncode == 2
    assert "VESTIBULE_PASSWORD_HASH" in result.stderr


def test_postgresql_without_a_schema_is_refused_with_the_command_to_run(new_postgres: str, tmp_path: Path) -> None:
    variables = {"VESTIBULE_DATABASE_URL": with_password(new_postgres), "VESTIBULE_DATA_DIR": str(tmp_path / "data")}
    for command in ("serve", "purge"):
        result = vestibule(command, **variables)
        assert result.returncode == 2
        (line,) = result.stderr.splitlines()
        assert "VESTIBULE_DATABASE_URL" in line
        assert "run `vestibule migrate`" in line
    result = vestibule("migrate", **variables)
    assert (result.returncode, result.stderr) == (0, "")
    assert "secret" not in result.stdout
    assert vestibule("purge", **variables).stdout == "Deleted: 0 rows.\n"


@pytest.mark.parametrize("command", [("serve",), ("serve", "--migrate"), ("deliver", "--once"), ("migrate",)])
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_newer_schema_is_refused_in_one_line(
    command: tuple[str, ...], kind: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = f"sqlite:///{tmp_path}/vestibule.db" if kind == "sqlite" else str(request.getfixturevalue("new_postgres"))
    migrate(url)
    rows(url, "UPDATE alembic_version SET version_num = '9999'")
    result = vestibule(*command, VESTIBULE_DATABASE_URL=url, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "vestibule: VESTIBULE_DATABASE_URL: The database has schema 9999, which is newer than this program's"
    )
    assert rows(url, "SELECT version_num FROM alembic_version") == [("9999",)]


def test_serve_migrates_with_the_option_and_hides_the_password(new_postgres: str, tmp_path: Path) -> None:
    with Server(tmp_path / "data", "--migrate", database_url=with_password(new_postgres)) as server:
        assert server.call("GET", "/readyz")[0] == 200
        assert f"Accounts are kept in  postgresql://{make_url(new_postgres).host}/vestibule_test_" in server.output
        assert "secret" not in server.output


def test_unreachable_postgresql_is_reported_in_one_line_without_the_password(tmp_path: Path) -> None:
    url = f"postgresql://user:secret@127.0.0.1:{free_port()}/name"
    result = vestibule("serve", VESTIBULE_DATABASE_URL=url, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert line.startswith("vestibule: VESTIBULE_DATABASE_URL: the database is unavailable (connection failed")
    assert "secret" not in line


def with_password(url: str) -> str:
    """Adds a password to the URL. The database ignores it, and no output may show it."""
    return make_url(url).set(password="secret").render_as_string(hide_password=False)


def test_occupied_port_is_reported_in_one_line(tmp_path: Path) -> None:
    with Server(tmp_path / "first") as server:
        result = vestibule("serve", "--port", str(server.port), "--data-dir", str(tmp_path / "second"))
    assert result.returncode == 2
    (line,) = result.stderr.splitlines()
    assert "VESTIBULE_PORT" in line
    assert str(server.port) in line


def test_operator_frees_and_sets_addresses(tmp_path: Path) -> None:
    with Server(tmp_path) as server:
        for name, email in (("eve", "ann@example.com"), ("ann", "old@example.com")):
            fields = {"username": name, "name": name, "email": email, "password": PASSWORD}
            assert server.call("POST", "/register/", fields)[0] == 201
    data = {"VESTIBULE_DATA_DIR": str(tmp_path)}

    freed = vestibule("accounts", "release", "ann@example.com", **data)
    again = vestibule("accounts", "release", "ann@example.com", **data)
    put = vestibule("accounts", "edit", "ann", "--email", "ann@example.com", "--vouch", **data)
    kept = vestibule("accounts", "release", "ann@example.com", **data)

    assert (freed.returncode, freed.stdout) == (0, "Account 1, eve, has that address no longer.\n")
    assert (again.returncode, again.stderr) == (1, "vestibule: No account has this username, email or mobile.\n")
    assert (put.returncode, put.stdout) == (0, "Account 2, ann, is changed.\n")
    assert kept.returncode == 1
    assert kept.stderr.startswith("address: It is verified")
