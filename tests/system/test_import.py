"""`vestibule import`, as an operator uses it."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from argon2 import PasswordHasher
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.http_client import PASSWORD, Client, random_png
from tests.support.processes import eventually
from tests.support.server import Server

from vestibule.adapters.database import migrate


def written(file: Path, lines: Iterator[dict[str, Any]] | list[dict[str, Any]]) -> Path:
    with file.open("w") as output:
        output.writelines(json.dumps(line) + "\n" for line in lines)
    return file


def users(first: int, last: int) -> list[dict[str, Any]]:
    return [
        {"id": number, "username": f"user{number}", "email": f"user{number}@example.com"} for number in range(first, last + 1)
    ]


def settings_of(tmp_path: Path) -> dict[str, str]:
    return {"VESTIBULE_DATA_DIR": str(tmp_path / "data")}


def reports_in(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text().splitlines()]


@pytest.fixture(scope="module")
def password_hash() -> str:
    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1).hash(PASSWORD)


def test_users_of_a_file_move_in_with_password_and_image(tmp_path: Path, password_hash: str) -> None:
    media = tmp_path / "media"
    media.mkdir()
    (media / "ada.png").write_bytes(random_png())
    file = written(
        tmp_path / "users.jsonl",
        [
            {"id": 17, "username": "Ada", "email": "ada@example.com", "password_hash": password_hash, "image": "ada.png"},
            {"id": 18, "username": "ada", "email": "ADA@example.com", "password_hash": "in clear text", "image": "none.png"},
        ],
    )
    done = vestibule(
        "import", str(file), "--media", str(media), "--report", str(tmp_path / "report.jsonl"), **settings_of(tmp_path)
    )
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert "line 2 (ada-2): username 'ada': line 1 has it, so it is 'ada-2' here" in lines
    assert "line 2 (ada-2): email 'ADA@example.com': left out, because line 1 has it" in lines
    assert "account 18 (ada-2): image 'none.png': left out, there is no such file" in lines
    assert "clear text" not in done.stdout
    first, second, *images = reports_in(tmp_path / "report.jsonl")
    assert (first["key"], first["outcome"], first["account_id"], first["remarks"]) == ("id:17", "imported", 17, [])
    assert [remark["code"] for remark in second["remarks"]] == ["password_refused", "username_changed", "email_taken"]
    assert [image["outcome"] for image in images] == ["updated", "unchanged"]
    with Server(tmp_path / "data") as server, Client(server.port) as client:
        for name in ("Ada", "ada@example.com"):
            assert client.log_in(name).status == 200
        token = client.log_in("Ada").json["token"]
        account = client.call("GET", "/account/", token=token).json
        assert (account["id"], account["profile_image"] is not None) == (17, True)


def test_dry_run_stores_nothing(tmp_path: Path) -> None:
    file = written(tmp_path / "users.jsonl", [*users(1, 3), {"name": "Ann"}])
    dry = vestibule("import", str(file), "--dry-run", "--json", **settings_of(tmp_path))
    assert dry.returncode == 1
    summary = json.loads(dry.stdout)
    assert (summary["imported"], summary["refused"], summary["dry_run"]) == (3, 1, True)
    done = json.loads(vestibule("import", str(file), "--json", **settings_of(tmp_path)).stdout)
    assert {**done, "dry_run": True, "seconds": summary["seconds"]} == summary
    again = json.loads(vestibule("import", str(file), "--json", **settings_of(tmp_path)).stdout)
    assert (again["imported"], again["unchanged"], again["refused"]) == (0, 3, 1)


def test_refused_rows_are_named_and_the_exit_code_is_1(tmp_path: Path) -> None:
    file = tmp_path / "users.csv"
    file.write_text("id,username\n1,ada\nx,bob\n2,cy\n")
    done = vestibule("import", str(file), **settings_of(tmp_path))
    assert done.returncode == 1
    assert done.stdout.startswith("line 3: refused: id: 'x' is not a whole number; put other ids into the column key\n")
    for name, count in (("rows imported", "2"), ("refused", "1")):
        assert any(line.split() == [*name.split(), count] for line in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("arguments", "line"),
    [
        (["absent.jsonl"], "There is no file absent.jsonl."),
        (["users.txt"], "users.txt: its name must end in .jsonl, .ndjson or .csv."),
        (["users.jsonl", "--media", "absent"], "There is no directory absent."),
        (["users.jsonl", "--source-timezone", "Nowhere"], "There is no time zone Nowhere; names look like Asia/Kolkata."),
        (["users.jsonl", "--report", "absent/report"], "--report: absent/report: No such file or directory"),
    ],
)
def test_wrong_call_ends_with_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], line: str
) -> None:
    monkeypatch.chdir(tmp_path)
    written(tmp_path / "users.jsonl", users(1, 1))
    refused = vestibule("import", *arguments, **settings_of(tmp_path))
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"vestibule: {line}\n")


def test_long_reports_are_cut_on_the_screen_alone(tmp_path: Path) -> None:
    file = written(tmp_path / "users.jsonl", [{"id": number, "username": "bob"} for number in range(1, 80)])
    report = tmp_path / "report.jsonl"
    done = vestibule("import", str(file), "--report", str(report), **settings_of(tmp_path))
    assert "… and 28 more lines; --report FILE writes them all." in done.stdout
    assert len(reports_in(report)) == 79


def test_later_run_takes_over_changes(tmp_path: Path) -> None:
    file = written(tmp_path / "users.jsonl", users(1, 2))
    vestibule("import", str(file), **settings_of(tmp_path))
    changed = users(1, 3)
    changed[0]["email"] = "other@example.com"
    written(file, changed)
    summary = json.loads(vestibule("import", str(file), "--json", **settings_of(tmp_path)).stdout)
    assert (summary["updated"], summary["unchanged"], summary["imported"]) == (1, 1, 1)
    shown = vestibule("accounts", "show", "other@example.com", **settings_of(tmp_path))
    assert shown.returncode == 0


# --- stopped and killed -----------------------------------------------------------------------------------------------


class Running:
    """An import in a process of its own."""

    def __init__(self, file: Path, **settings: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VESTIBULE_")} | settings
        report = file.with_suffix(".report")
        command = [sys.executable, "-m", "vestibule.entrypoints.cli", "import", str(file), "--json", "--report", str(report)]
        self.process = subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)

    def end(self, number: signal.Signals) -> tuple[int, str, str]:
        self.process.send_signal(number)
        output, errors = self.process.communicate(timeout=60)
        return self.process.returncode, output, errors


def count(url: str, table: str = "accounts") -> int:
    return int(rows(url, f"SELECT count(*) FROM {table}")[0][0])  # noqa: S608 — our names


def has_rows(url: str, number: int) -> bool:
    return count(url) >= number


@pytest.mark.slow
@pytest.mark.faults
def test_import_that_is_killed_goes_on_without_loss_or_twins(tmp_path: Path, database_url_for: Callable[[Path], str]) -> None:
    (tmp_path / "data").mkdir()
    url = database_url_for(tmp_path / "data")
    migrate(url)
    settings = settings_of(tmp_path) | {"VESTIBULE_DATABASE_URL": url}
    file = written(tmp_path / "users.jsonl", users(1, 20_000))
    for reached in (1, 4_000, 9_000):
        running = Running(file, **settings)
        assert eventually(partial(has_rows, url, reached), 60)
        running.end(signal.SIGKILL)
        done = count(url)
        assert done % 1000 == 0
        assert done == count(url, "imports") == count(url, "audit_log")
    summary = json.loads(vestibule("import", str(file), "--json", **settings).stdout)
    assert summary["imported"] + summary["unchanged"] == 20_000
    assert summary["unchanged"] >= 9_000
    assert summary["changed"] == 0
    assert count(url) == count(url, "imports") == 20_000


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_import_that_is_stopped_ends_after_the_batch_and_says_how_to_go_on(tmp_path: Path, number: signal.Signals) -> None:
    url = f"sqlite:///{tmp_path}/data/vestibule.db"
    (tmp_path / "data").mkdir(mode=0o700)
    migrate(url)
    file = written(tmp_path / "users.jsonl", users(1, 20_000))
    running = Running(file, **settings_of(tmp_path))
    assert eventually(lambda: count(url) >= 1, 60)
    code, output, errors = running.end(number)
    assert code == 130, errors
    summary = json.loads(output)
    assert summary["stopped"]
    assert 0 < summary["imported"] < 20_000
    assert count(url) == summary["imported"] == len(reports_in(tmp_path / "users.report"))
    assert errors.splitlines()[-1] == "Stopped. The same command goes on from there."
    again = json.loads(vestibule("import", str(file), "--json", **settings_of(tmp_path)).stdout)
    assert (again["imported"], again["unchanged"]) == (20_000 - summary["imported"], summary["imported"])


@pytest.mark.slow
def test_clients_are_served_during_an_import(tmp_path: Path) -> None:
    file = written(tmp_path / "users.jsonl", users(1001, 12_000))
    with Server(tmp_path / "data") as server, Client(server.port) as client:
        client.register("ada")
        running = Running(file, **settings_of(tmp_path))
        statuses = []
        while running.process.poll() is None:
            statuses.append(client.log_in("ada").status)
            time.sleep(0.05)
        running.process.communicate()
        assert running.process.returncode == 0
        assert set(statuses) <= {200, 429}
        assert statuses.count(200) >= 5
