"""SMS by Apprise, sent to a real HTTP server in this process."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.documents import table
from tests.support.messages import TEMPLATES
from tests.support.next_hops import Gateway, apprise_harness, gateway_server
from tests.support.server import free_port

from vestibule.adapters.notifier import AppriseNotifier
from vestibule.application.ports import PermanentFailure, TemporaryFailure
from vestibule.testing.contracts.notifier import ALICE, CODE, PHONE, sms_message

ROWS = [row[:4] for row in table("operating.md", "sms answers")]

# Apprise loads all its plugins at the first URL; one of them imports `imghdr`, which Python 3.11 calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with gateway_server() as server:
        yield server


@pytest.mark.parametrize(
    ("url", "read_number"),
    [
        ("json://127.0.0.1:{port}/send", lambda _, body: json.loads(body)["to"]),
        ("json://127.0.0.1:{port}/send?:recipient={{to}}", lambda _, body: json.loads(body)["recipient"]),
        ("json://127.0.0.1:{port}/send?to={{to}}", lambda _, body: json.loads(body)["to"]),
        ("json://127.0.0.1:{port}/send?-number={{to}}", lambda path, _: parse_qs(urlsplit(path).query)["number"][0]),
        ("json://127.0.0.1:{port}/send/{{to}}/now", lambda path, _: path.split("/")[2].replace("%2B", "+")),
        ("form://127.0.0.1:{port}/send", lambda _, body: parse_qs(body)["to"][0]),
    ],
)
def test_number_replaces_the_placeholder(gateway: Gateway, url: str, read_number: Callable[[str, str], str]) -> None:
    AppriseNotifier(url.format(port=gateway.port), TEMPLATES).send(sms_message())
    [(path, body)] = gateway.received
    assert read_number(path, body) == PHONE
    assert CODE in body


@pytest.mark.parametrize(
    ("recipient", "number"), [("9999999999", "9999999999"), ("+1 (202) 555-01.23", PHONE), (PHONE, PHONE), ("12025", "12025")]
)
def test_number_is_sent_without_separators(gateway: Gateway, recipient: str, number: str) -> None:
    harness = apprise_harness(gateway)
    harness.notifier.send(sms_message(recipient=recipient))
    assert [to for to, _ in harness.arrived()] == [number]


@pytest.mark.parametrize(
    "recipient", ["", "+", "123", "1" * 16, "12025550123,1", "+12025550123/x", "\uff11\uff12\uff10\uff12", "12\n025550", ALICE]
)
def test_invalid_number_is_undeliverable(gateway: Gateway, recipient: str) -> None:
    with pytest.raises(PermanentFailure):
        apprise_harness(gateway).notifier.send(sms_message(recipient=recipient))
    assert not gateway.received


def test_gateway_refusal_is_temporary(gateway: Gateway) -> None:
    harness = apprise_harness(gateway)
    gateway.status = 503
    with pytest.raises(TemporaryFailure, match="HTTP 503"):
        harness.notifier.send(sms_message())
    gateway.status = 200
    harness.notifier.send(sms_message())
    assert len(harness.arrived()) == 1


@pytest.mark.parametrize(("does", "attempts", "log", "others"), ROWS, ids=[row[0] for row in ROWS])
def test_answer_of_a_gateway_leads_to_what_the_table_says(
    gateway: Gateway, does: str, attempts: str, log: str, others: str
) -> None:
    scheme, port = "json", gateway.port
    match does:
        case "refuses":
            port = free_port()
        case "speaks no TLS":
            scheme = "jsons"
        case "drops":
            gateway.status = 0
        case _:
            gateway.status = int(does)
    with pytest.raises(TemporaryFailure) as failure:
        AppriseNotifier(f"{scheme}://127.0.0.1:{port}/send", TEMPLATES).send(sms_message())
    told = failure.value
    assert told.may_have_arrived is (attempts == "fewer")
    assert told.is_misconfiguration is (log == "error")
    assert ("VESTIBULE_SMS_URL" in str(told)) is (log == "error")
    assert told.concerns_all is (others == "wait")


@pytest.mark.parametrize("status", [200, 500])
def test_code_number_and_url_are_not_logged(gateway: Gateway, caplog: pytest.LogCaptureFixture, status: int) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("apprise", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    gateway.status = status
    notifier = AppriseNotifier(f"json://user:hunter2@127.0.0.1:{gateway.port}/send?-number={{to}}", TEMPLATES)
    with ThreadPoolExecutor(1) as elsewhere:
        failure = elsewhere.submit(notifier.send, sms_message()).exception(10)
    logging.getLogger("apprise").warning("record of another caller")
    assert (failure is None) == (status == 200)
    assert caplog.messages == ["record of another caller"]
    assert "hunter2" not in repr(notifier) + str(failure)


TWILIO = f"twilio://AC{'a' * 32}:{'b' * 32}@12025550199"


@pytest.mark.parametrize(
    "url", [TWILIO, f"{TWILIO}/{{to}}", "bulksms://user:password@", "clickatell://key", "signal://h/12025550199"]
)
def test_sms_gateway_needs_no_placeholder(url: str) -> None:
    assert repr(AppriseNotifier(url, TEMPLATES)) == f"AppriseNotifier({url.partition(':')[0]}://…)"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("hunter2", "cannot parse"),
        ("hunter2://mail.example", "cannot parse"),
        ("twilio://hunter2", "cannot parse"),
        ("discord://123456789012345678/hunter2hunter2hunter2", "no place for the number"),
        ("ntfy://hunter2", "no place for the number"),
        (f"{TWILIO}/+12025550188", "a fixed recipient"),
    ],
)
def test_sms_url_without_exactly_one_number_is_rejected(url: str, complaint: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        AppriseNotifier(url, TEMPLATES)
    assert "hunter2" not in str(refusal.value) + caplog.text


def test_missing_apprise_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'vestibule-accounts\[sms\]'"):
        AppriseNotifier("json://127.0.0.1", TEMPLATES)


def test_apprise_is_imported_lazily() -> None:
    program = "import sys, vestibule.adapters.notifier; print('apprise' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
