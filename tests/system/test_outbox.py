"""`vestibule outbox`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.command_line import vestibule
from tests.support.databases import rows
from tests.support.next_hops import Relay, relay
from tests.support.server import Server

if TYPE_CHECKING:
    from subprocess import CompletedProcess

ADA = "ada.lovelace@mail.example.org"
PHONE = "+4915112345678"


@pytest.fixture
def mail_server() -> Iterator[Relay]:
    with relay() as server:
        yield server


@pytest.fixture
def variables(tmp_path: Path, mail_server: Relay) -> dict[str, str]:
    return {
        "VESTIBULE_DATA_DIR": str(tmp_path / "data"),
        "VESTIBULE_EMAIL_URL": f"smtp://127.0.0.1:{mail_server.port}?starttls=off",
        "COLUMNS": "160",
    }


@pytest.fixture(autouse=True)
def waiting(variables: dict[str, str], tmp_path: Path) -> None:
    """A mail with a code waits in the outbox."""
    request_code(variables, ADA, tmp_path)


def request_code(variables: dict[str, str], destination: str, tmp_path: Path) -> None:
    with Server(tmp_path / "data", delivery="off", email_url=variables["VESTIBULE_EMAIL_URL"]) as server:
        assert "Mail and SMS wait for vestibule deliver" in server.output
        assert server.call("POST", "/otp/", {"destination": destination})[0] == 201


def listed(variables: dict[str, str], *options: str) -> list[dict[str, object]]:
    result = vestibule("outbox", "list", "--json", *options, **variables)
    assert (result.returncode, result.stderr) == (0, "")
    return [json.loads(line) for line in result.stdout.splitlines()]


def outcome(result: "CompletedProcess[str]") -> tuple[int, str, str]:
    return result.returncode, result.stdout, result.stderr


def refused_mail(variables: dict[str, str], mail_server: Relay) -> str:
    """Delivers the mail, which fails permanently. Returns its id."""
    mail_server.answers["RCPT"] = "550 5.1.1 no such user"
    assert vestibule("deliver", "--once", **variables).returncode == 0
    mail_server.answers.clear()
    [failed] = listed(variables, "--failed")
    return str(failed["id"])


def test_list_masks_addresses_without_the_option(variables: dict[str, str], tmp_path: Path) -> None:
    request_code(variables, PHONE, tmp_path)
    assert [
        (one["channel"], one["recipient"], one["template"], one["state"], one["failed_attempts"]) for one in listed(variables)
    ] == [
        ("email", "a***@m***.org", "code", "due", 0),
        ("mobile", "***78", "code", "due", 0),
        ("email", None, "code", "due", 0),  # a decoy
    ]
    assert [one["recipient"] for one in listed(variables, "--show-addresses")] == [ADA, PHONE, None]
    assert listed(variables, "--failed") == []


def test_list_has_the_documents_of_the_http_api(variables: dict[str, str], mail_server: Relay, tmp_path: Path) -> None:
    refused_mail(variables, mail_server)
    request_code(variables, PHONE, tmp_path)
    rows(f"sqlite:///{tmp_path}/data/vestibule.db", "UPDATE outbox SET parameters = '{' WHERE recipient IS NULL")
    superuser = {"username": "root", "email": "root@example.org", "name": "Root"}
    options = [part for name, value in superuser.items() for part in (f"--{name}", value)]
    password = "the engine weaves algebra"
    created = vestibule("create-superuser", *options, "--password-file", "-", stdin=password, **variables)
    assert created.returncode == 0
    with Server(tmp_path / "data", delivery="off", email_url=variables["VESTIBULE_EMAIL_URL"]) as server:
        token = server.call("POST", "/login/", {"username": "root", "password": password})[1]["token"]
        status, page = server.call("GET", "/admin/outbox/", token=token)
        assert status == 200
        assert listed(variables, "--show-addresses") == page["messages"]
        assert {one["state"] for one in page["messages"]} == {"failed", "due", "damaged"}
        masked = [one | {"recipient": None} for one in listed(variables)]
        assert masked == [one | {"recipient": None} for one in page["messages"]]
        failed = server.call("GET", "/admin/outbox/?failed=true", token=token)[1]["messages"]
        assert listed(variables, "--failed", "--show-addresses") == failed


def test_damaged_message_is_listed_and_can_be_dropped(variables: dict[str, str], tmp_path: Path) -> None:
    rows(f"sqlite:///{tmp_path}/data/vestibule.db", "UPDATE outbox SET parameters = '{'")
    [damaged] = listed(variables)
    assert {name for name, value in damaged.items() if value is not None} == {"id", "state"}
    assert damaged["state"] == "damaged"
    assert "damaged" in vestibule("outbox", "list", **variables).stdout
    message_id = str(damaged["id"])
    refused = vestibule("outbox", "retry", message_id, **variables)
    assert (refused.returncode, refused.stderr) == (1, f"vestibule: {message_id}: Its row is damaged: drop it.\n")
    assert vestibule("outbox", "retry", "--all", **variables).stdout == "Due now: 0 messages.\n"
    assert vestibule("deliver", "--once", **variables).returncode == 0
    assert [one["state"] for one in listed(variables)] == ["failed"]
    assert outcome(vestibule("outbox", "drop", message_id, **variables)) == (0, "Dropped: 1 message.\n", "")


def test_list_is_a_table_by_default(variables: dict[str, str]) -> None:
    result = vestibule("outbox", "list", **variables).stdout
    assert "a***@m***.org" in result
    assert str(listed(variables)[0]["id"]) in result
    assert ADA not in result
    assert ADA in vestibule("outbox", "list", "--show-addresses", **variables).stdout
    assert vestibule("outbox", "list", "--failed", **variables).stdout == "There are no messages.\n"


def test_failed_message_shows_its_reason_and_is_sent_after_a_retry(variables: dict[str, str], mail_server: Relay) -> None:
    message_id = refused_mail(variables, mail_server)
    [failed] = listed(variables)
    assert (failed["state"], failed["recipient"]) == ("failed", "a***@m***.org")
    assert "answers RCPT with 550 5.1.1" in str(failed["failure_reason"])
    assert "failed: " in vestibule("outbox", "list", **variables).stdout

    assert outcome(vestibule("outbox", "retry", message_id, **variables)) == (0, "Due now: 1 message.\n", "")
    assert vestibule("deliver", "--once", **variables).returncode == 0
    assert [to for _, [to], _ in mail_server.received] == [ADA]
    assert listed(variables) == []
    [event] = map(json.loads, vestibule("audit-log", "--type", "outbox_changed", **variables).stdout.splitlines())
    assert event["detail"] == f"retried {message_id}"
    assert event["actor"].startswith("command line (")


def test_all_messages_can_be_retried_after_an_outage(variables: dict[str, str], mail_server: Relay) -> None:
    mail_server.close()
    assert vestibule("deliver", "--once", **variables).returncode == 0
    [waiting] = listed(variables)
    assert (waiting["channel"], waiting["state"] in {"waiting", "due"}, waiting["failed_attempts"]) == ("email", True, 1)
    mail_server.open()
    assert outcome(vestibule("outbox", "retry", "--all", **variables)) == (0, "Due now: 1 message.\n", "")
    assert [(one["state"], one["failed_attempts"]) for one in listed(variables)] == [("due", 0)]


def test_messages_are_dropped_by_id_or_all_that_failed(variables: dict[str, str], mail_server: Relay, tmp_path: Path) -> None:
    refused_mail(variables, mail_server)
    request_code(variables, "bob@example.org", tmp_path)
    [_, waiting] = listed(variables)
    assert outcome(vestibule("outbox", "drop", str(waiting["id"]), **variables)) == (0, "Dropped: 1 message.\n", "")
    assert outcome(vestibule("outbox", "drop", "--all-failed", **variables)) == (0, "Dropped: 1 message.\n", "")
    assert outcome(vestibule("outbox", "drop", "--all-failed", **variables)) == (0, "Dropped: 0 messages.\n", "")
    assert listed(variables) == []


def test_no_code_is_ever_shown(variables: dict[str, str], tmp_path: Path) -> None:
    request_code(variables, PHONE, tmp_path)
    output = "".join(vestibule("outbox", "list", *more, **variables).stdout for more in ([], ["--json"], ["--show-addresses"]))
    assert vestibule("deliver", "--once", **variables).returncode == 0
    [sms] = (tmp_path / "data" / "outbox").glob("*.txt")
    code = sms.read_text().partition("\n\n")[2].partition(" ")[0]
    assert code.isdigit()
    assert code not in output


@pytest.mark.parametrize("act", ["retry", "drop"])
def test_invalid_arguments_are_refused_and_change_nothing(variables: dict[str, str], act: str) -> None:
    unknown = vestibule("outbox", act, str(listed(variables)[0]["id"]), "nonsense", **variables)
    assert outcome(unknown) == (1, "", "vestibule: There is no message nonsense.\n")
    option = "--all" if act == "retry" else "--all-failed"
    for arguments in ([], ["nonsense", option]):
        refused = vestibule("outbox", act, *arguments, **variables)
        assert refused.returncode == 2
        assert f"Name messages by their ids, or use {option}." in refused.stderr
    assert len(listed(variables)) == 1
