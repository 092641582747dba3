"""`vestibule copy` from SQLite to PostgreSQL and back."""

import os
import pty
import subprocess
from contextlib import suppress
from pathlib import Path

from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.http_client import Client, random_png
from tests.support.server import VESTIBULE, Server, free_port
from tests.system.test_command_line import with_password

from vestibule.adapters.database.schema import metadata

TABLES = set(metadata.tables)


def sqlite_in(data_dir: Path) -> str:
    return f"sqlite:///{data_dir.absolute()}/vestibule.db"


def test_service_is_copied_to_postgresql_and_back_without_a_visible_change(tmp_path: Path, new_postgres: str) -> None:
    data, public_url = tmp_path / "data", "http://accounts.example.com"
    with Server(data, public_url=public_url) as server, Client(server.port) as client:
        tokens = client.tokens("ada")
        image = client.upload(tokens["token"], random_png()).json["profile_image"].rpartition("/")[2]
        reference = client.send_code("new@example.com").json["reference"]
        code = server.code("new@example.com", reference)
        assert client.log_in("ada", "not her password").status == 401
        assert server.stop() == 0

    result = vestibule("copy", "--from", sqlite_in(data), "--to", new_postgres, VESTIBULE_DATA_DIR=str(data))
    assert result.returncode == 0, result.stderr
    assert {line.split()[0] for line in result.stdout.splitlines()[: len(TABLES)]} == TABLES
    assert "accounts: 1 of 1 rows copied" in result.stderr.splitlines()
    assert "accounts: 1 of 1 rows compared" in result.stderr.splitlines()
    assert f"  keys    {data}/keys.json" in result.stdout
    assert f"  images  {data}/images/" in result.stdout

    with Server(data, database_url=new_postgres, public_url=public_url) as server, Client(server.port) as client:
        assert client.account(tokens["token"]).status == 200
        refreshed = client.refresh(tokens["refresh_token"])
        assert refreshed.status == 200
        refresh_token = refreshed.json["refresh_token"]
        assert client.log_in("ada").status == 200
        assert client.verify("new@example.com", code).status == 201
        assert client.call("GET", f"/images/{image}").status == 200
        assert client.register("grace").json["id"] == 2
        assert server.stop() == 0

    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (data / "keys.json").rename(elsewhere / "keys.json")
    (data / "images").rename(elsewhere / "images")
    result = vestibule("copy", "--from", new_postgres, VESTIBULE_DATA_DIR=str(elsewhere))
    assert result.returncode == 0, result.stderr
    with Server(elsewhere, public_url=public_url) as server, Client(server.port) as client:
        assert client.refresh(refresh_token).status == 200
        assert client.log_in("grace").status == 200
        assert client.verify("new@example.com", code).status == 403
        assert client.call("GET", f"/images/{image}").status == 200
        assert client.register("edsger").json["id"] == 3


def test_url_with_a_password_may_come_from_the_settings(tmp_path: Path, postgres: str) -> None:
    data = tmp_path / "data"
    assert vestibule("migrate", VESTIBULE_DATA_DIR=str(data)).returncode == 0
    (tmp_path / "url").write_text(with_password(postgres))
    variables = {"VESTIBULE_DATA_DIR": str(data), "VESTIBULE_DATABASE_URL_FILE": str(tmp_path / "url")}
    result = vestibule("copy", "--from", sqlite_in(data), **variables)
    assert result.returncode == 0, result.stderr
    assert "Warning" not in result.stderr
    named = vestibule("copy", "--from", sqlite_in(data), "--to", with_password(postgres), VESTIBULE_DATA_DIR=str(data))
    assert "others can read the password in --to" in named.stderr
    assert "secret" not in result.stdout + result.stderr + named.stdout + named.stderr


def test_impossible_copy_is_reported_in_one_line(tmp_path: Path, postgres: str) -> None:
    data, older = tmp_path / "data", f"sqlite:///{tmp_path}/older.db"
    with Server(data) as server, Client(server.port) as client:
        assert client.register("ada").status == 201
    rows(older, "CREATE TABLE alembic_version (version_num VARCHAR(32) PRIMARY KEY)")
    down = f"postgresql://user:secret@127.0.0.1:{free_port()}/name"
    full = f"sqlite:///{tmp_path}/full.db"
    assert vestibule("copy", "--from", sqlite_in(data), "--to", full, VESTIBULE_DATA_DIR=str(data)).returncode == 0
    for source, target, reason in (
        (sqlite_in(data), sqlite_in(data), "same database"),
        (sqlite_in(data), full, "not empty"),
        (older, postgres, "no schema yet"),
        (f"sqlite:///{tmp_path}/none.db", postgres, "no database to copy from"),
        (sqlite_in(data), down, "A database is unavailable"),
        (sqlite_in(data), "mysql://host/name", "mysql"),
    ):
        result = vestibule("copy", "--from", source, "--to", target, VESTIBULE_DATA_DIR=str(data))
        assert (result.returncode, result.stdout) == (2, "")
        errors = [text for text in result.stderr.splitlines() if text.startswith("vestibule: ")]
        assert len(errors) == 1
        assert reason in errors[0]
        assert "secret" not in result.stderr
        assert "Traceback" not in result.stderr
    neither = vestibule("copy", VESTIBULE_DATA_DIR=str(data))
    assert neither.returncode == 2
    assert "--from, --to, or both" in neither.stderr
    assert rows(postgres, "SELECT count(*) FROM accounts") == [(0,)]


def test_killed_copy_leaves_the_target_unchanged(tmp_path: Path, postgres: str) -> None:
    data = tmp_path / "data"
    assert vestibule("migrate", VESTIBULE_DATA_DIR=str(data)).returncode == 0
    rows(
        sqlite_in(data),
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 150000) "
        "INSERT INTO audit_log (occurred_at, type, detail) SELECT i, 'registered', '' FROM n",
    )
    command = [VESTIBULE, "copy", "--from", sqlite_in(data), "--to", postgres]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")}
    with subprocess.Popen(
        command,
        env=environment | {"VESTIBULE_DATA_DIR": str(data)},
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    ) as copying:
        assert copying.stderr
        assert any("audit_log: 100000 of 150000" in line for line in copying.stderr)
        copying.kill()
    assert rows(postgres, "SELECT count(*) FROM audit_log") == [(0,)]


def test_terminal_shows_progress_bars(tmp_path: Path) -> None:
    data = tmp_path / "data"
    assert vestibule("migrate", VESTIBULE_DATA_DIR=str(data)).returncode == 0
    controller, terminal = pty.openpty()
    command = [VESTIBULE, "copy", "--from", sqlite_in(data), "--to", f"sqlite:///{tmp_path}/new.db"]
    settings = {"VESTIBULE_DATA_DIR": str(data), "TERM": "xterm", "COLUMNS": "100"}
    output = b""
    with subprocess.Popen(command, env=os.environ | settings, stderr=terminal) as process:
        os.close(terminal)
        with suppress(OSError):  # the terminal is gone when the process ends
            while chunk := os.read(controller, 65_536):
                output += chunk
    os.close(controller)
    assert process.returncode == 0
    assert b"accounts copied" in output
    assert b"of 0 rows copied" not in output
