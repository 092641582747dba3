"""`vestibule audit-log` and `vestibule purge`."""

import json
from pathlib import Path

import pytest
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.server import Server

PASSWORD = "the engine weaves algebra"


def audit_log(data_dir: Path, *arguments: str) -> list[dict[str, object]]:
    result = vestibule("audit-log", *arguments, VESTIBULE_DATA_DIR=str(data_dir))
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def test_audit_log_shows_account_type_time_and_address_of_each_event(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        ada = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": PASSWORD}
        server.call("POST", "/register/", ada)
        server.call("POST", "/login/", {"username": "ada", "password": "wrong"})
        server.call("POST", "/login/", {"username": "unknown", "password": "wrong"})
        _, tokens = server.call("POST", "/login/", {"username": "ada", "password": PASSWORD})
        events = audit_log(tmp_path / "data")
        assert [event["type"] for event in events] == ["registered", "login_failed", "login_failed", "logged_in"]
        assert [event["account_id"] for event in events] == [1, 1, None, 1]
        assert [event["detail"] for event in events] == ["", "wrong", "unknown", "password"]
        assert {event["ip_address"] for event in events} == {"127.0.0.1"}
        assert events[-1]["session_id"] == tokens["session"]

    assert [event["id"] for event in audit_log(tmp_path / "data", "--type", "login_failed")] == [2, 3]
    assert [event["id"] for event in audit_log(tmp_path / "data", "--account", "1", "--after", "1")] == [2, 4]
    assert [event["id"] for event in audit_log(tmp_path / "data", "--limit", "1")] == [1]
    assert audit_log(tmp_path / "data", "--until", "2020-01-01") == []
    assert len(audit_log(tmp_path / "data", "--since", "2020-01-01", "--ip-address", "127.0.0.1")) == 4


@pytest.mark.parametrize("arguments", [("--type", "nonsense"), ("--since", "yesterday"), ("--until", "7x")])
def test_invalid_criterion_is_refused(arguments: tuple[str, ...], tmp_path: Path) -> None:
    result = vestibule("audit-log", *arguments, VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert result.returncode == 2
    assert arguments[0] in result.stderr


def test_control_characters_of_callers_are_escaped(tmp_path: Path) -> None:
    agents = ["\x9b2J", "a\tb", "\x85", "\xe9"]
    with Server(tmp_path / "data") as server:
        for agent in agents:
            body = b'{"username": "unknown", "password": "wrong"}'
            headers = {"Content-Type": "application/json", "User-Agent": agent}
            assert server.send("POST", "/login/", body, headers)[0] == 401
    result = vestibule("audit-log", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert result.stdout.replace("\n", "").isprintable()
    assert [json.loads(line)["user_agent"] for line in result.stdout.splitlines()] == agents


def test_purge_after_a_jump_of_the_clock_needs_a_confirmation(tmp_path: Path) -> None:
    with Server(tmp_path / "data") as server:
        ada = {"username": "ada", "name": "Ada", "email": "ada@example.com", "password": PASSWORD}
        assert server.call("POST", "/register/", ada)[0] == 201
    rows(f"sqlite:///{tmp_path}/data/vestibule.db", "UPDATE audit_log SET occurred_at = occurred_at - 401 * 86400")
    refused = vestibule("purge", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert (refused.returncode, refused.stdout) == (2, "")
    assert refused.stderr.endswith("nothing was deleted. If the clock is right, use --yes.\n")
    assert len(audit_log(tmp_path / "data")) == 1
    confirmed = vestibule("purge", "--yes", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert confirmed.stdout == "Deleted: 1 rows.\n"
    assert vestibule("purge", VESTIBULE_DATA_DIR=str(tmp_path / "data")).stdout == "Deleted: 0 rows.\n"


def test_purge_prints_the_number_of_deleted_rows(tmp_path: Path) -> None:
    result = vestibule("purge", VESTIBULE_DATA_DIR=str(tmp_path / "data"))
    assert (result.returncode, result.stdout) == (0, "Deleted: 0 rows.\n")
