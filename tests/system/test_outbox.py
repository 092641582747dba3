"""`vestibule outbox`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.support.next_hops import Relay, relay
from tests.support.server import Server
from tests.system.test_command_line import vestibule

if TYPE_CHECKING:
    from subprocess import CompletedProcess

ADA = "ada.lovelace@mail.example.org"
PHONE = "+4915112345678"


@pytest.fixture
def mail_server() -> Iterator[Relay]:
    with relay() as server:
        yield server


@pytest.fixture
def given(tmp_path: Path, mail_server: Relay) -> dict[str, str]:
    return {
        "VESTIBULE_DATA_DIR": str(tmp_path / "data"),
        "VESTIBULE_EMAIL_URL": f"smtp://127.0.0.1:{mail_server.port}?starttls=off",
        "COLUMNS": "160",
    }


@pytest.fixture(autouse=True)
def waiting(given: dict[str, str], tmp_path: Path) -> None:
    """A mail with a code waits in the outbox."""
    request_code(given, ADA, tmp_path)


def request_code(given: dict[str, str], destination: str, tmp_path: Path) -> None:
    with Server(tmp_path / "data", delivery="off", email_url=given["VESTIBULE_EMAIL_URL"]) as server:
        assert "Mail and SMS wait for vestibule deliver" in server.output
        assert server.call("POST", "/otp/", {"destination": destination})[0] == 201


def listed(given: dict[str, str], *options: str) -> list[dict[str, object]]:
    shown = vestibule("outbox", "list", "--json", *options, **given)
    assert (shown.returncode, shown.stderr) == (0, "")
    return [json.loads(line) for line in shown.stdout.splitlines()]


def result(shown: "CompletedProcess[str]") -> tuple[int, str, str]:
    return shown.returncode, shown.stdout, shown.stderr


def refused_mail(given: dict[str, str], mail_server: Relay) -> str:
    """Delivers the mail, which fails permanently. Returns its id."""
    mail_server.answers["RCPT"] = "550 5.1.1 no such user"
    assert vestibule("deliver", "--once", **given).returncode == 0
    mail_server.answers.clear()
    [failed] = listed(given, "--failed")
    return str(failed["id"])


def test_list_masks_addresses_without_the_option(given: dict[str, str], tmp_path: Path) -> None:
    request_code(given, PHONE, tmp_path)
    assert [(one["channel"], one.get("to"), one["template"], one["state"], one["attempts"]) for one in listed(given)] == [
        ("email", "a***@m***.org", "code", "due", 0),
        ("mobile", "***78", "code", "due", 0),
        ("email", None, "code", "due", 0),  # a decoy
    ]
    assert [one.get("to") for one in listed(given, "--show-addresses")] == [ADA, PHONE, None]
    assert listed(given, "--failed") == []


def test_list_is_a_table_by_default(given: dict[str, str]) -> None:
    shown = vestibule("outbox", "list", **given).stdout
    assert "a***@m***.org" in shown
    assert str(listed(given)[0]["id"]) in shown
    assert ADA not in shown
    assert ADA in vestibule("outbox", "list", "--show-addresses", **given).stdout
    assert vestibule("outbox", "list", "--failed", **given).stdout == "There are no messages.\n"


def test_failed_message_shows_its_reason_and_is_sent_after_a_retry(given: dict[str, str], mail_server: Relay) -> None:
    message_id = refused_mail(given, mail_server)
    [failed] = listed(given)
    assert (failed["state"], failed["to"]) == ("failed", "a***@m***.org")
    assert "refuses the recipient: 550 5.1.1" in str(failed["reason"])
    assert "failed: " in vestibule("outbox", "list", **given).stdout

    assert result(vestibule("outbox", "retry", message_id, **given)) == (0, "Due now: 1 message.\n", "")
    assert vestibule("deliver", "--once", **given).returncode == 0
    assert [to for _, [to], _ in mail_server.received] == [ADA]
    assert listed(given) == []
    details = [
        json.loads(line)["detail"] for line in vestibule("audit-log", "--type", "outbox_changed", **given).stdout.splitlines()
    ]
    assert details == [f"retried {message_id}"]


def test_all_messages_can_be_retried_after_an_outage(given: dict[str, str], mail_server: Relay) -> None:
    mail_server.close()
    assert vestibule("deliver", "--once", **given).returncode == 0
    [waiting] = listed(given)
    assert (waiting["channel"], waiting["state"] in {"waiting", "due"}, waiting["attempts"]) == ("email", True, 1)
    mail_server.open()
    assert result(vestibule("outbox", "retry", "--all", **given)) == (0, "Due now: 1 message.\n", "")
    assert [(one["state"], one["attempts"]) for one in listed(given)] == [("due", 0)]


def test_messages_are_dropped_by_id_or_all_that_failed(given: dict[str, str], mail_server: Relay, tmp_path: Path) -> None:
    refused_mail(given, mail_server)
    request_code(given, "bob@example.org", tmp_path)
    [_, waiting] = listed(given)
    assert result(vestibule("outbox", "drop", str(waiting["id"]), **given)) == (0, "Dropped: 1 message.\n", "")
    assert result(vestibule("outbox", "drop", "--all-failed", **given)) == (0, "Dropped: 1 message.\n", "")
    assert result(vestibule("outbox", "drop", "--all-failed", **given)) == (0, "Dropped: 0 messages.\n", "")
    assert listed(given) == []


def test_no_code_is_ever_shown(given: dict[str, str], tmp_path: Path) -> None:
    request_code(given, PHONE, tmp_path)
    everything = "".join(vestibule("outbox", "list", *more, **given).stdout for more in ([], ["--json"], ["--show-addresses"]))
    assert vestibule("deliver", "--once", **given).returncode == 0
    [sms] = (tmp_path / "data" / "outbox").glob("*.txt")
    code = sms.read_text().partition("\n\n")[2].partition(" ")[0]
    assert code.isdigit()
    assert code not in everything


@pytest.mark.parametrize("act", ["retry", "drop"])
def test_invalid_arguments_are_refused_and_change_nothing(given: dict[str, str], act: str) -> None:
    unknown = vestibule("outbox", act, str(listed(given)[0]["id"]), "nonsense", **given)
    assert result(unknown) == (2, "", "vestibule: There is no message nonsense.\n")
    everything = "--all" if act == "retry" else "--all-failed"
    for arguments in ([], ["nonsense", everything]):
        refused = vestibule("outbox", act, *arguments, **given)
        assert refused.returncode == 2
        assert f"Name messages by their ids, or use {everything}." in refused.stderr
    assert len(listed(given)) == 1
