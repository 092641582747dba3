"""SMS by Apprise, to a real HTTP server in this process."""

import json
import logging
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qs, urlsplit

import pytest
from tests.support.messages import TEMPLATES
from tests.support.next_hops import Gateway, apprise_post, gateway_server

from vestibule.adapters.notifier import AppriseNotifier
from vestibule.application.ports import DeliveryFailed, Undeliverable
from vestibule.testing.contracts.notifier import ALICE, CODE, PHONE, sms_letter

# Apprise loads all its plugins at the first URL; one of them imports `imghdr`, which Python 3.11 calls deprecated.
pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated:DeprecationWarning")


@pytest.fixture
def gateway() -> Iterator[Gateway]:
    with gateway_server() as server:
        yield server


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("json://127.0.0.1:{port}/send", lambda _, body: json.loads(body)["to"]),
        ("json://127.0.0.1:{port}/send?:recipient={{to}}", lambda _, body: json.loads(body)["recipient"]),
        ("json://127.0.0.1:{port}/send?to={{to}}", lambda _, body: json.loads(body)["to"]),
        ("json://127.0.0.1:{port}/send?-number={{to}}", lambda path, _: parse_qs(urlsplit(path).query)["number"][0]),
        ("json://127.0.0.1:{port}/send/{{to}}/now", lambda path, _: path.split("/")[2].replace("%2B", "+")),
        ("form://127.0.0.1:{port}/send", lambda _, body: parse_qs(body)["to"][0]),
    ],
)
def test_a_gateway_gets_the_number_where_the_url_says(gateway: Gateway, url: str, found: Callable[[str, str], str]) -> None:
    AppriseNotifier(url.format(port=gateway.port), TEMPLATES).send(sms_letter())
    [(path, body)] = gateway.received
    assert found(path, body) == PHONE
    assert CODE in body


@pytest.mark.parametrize(
    ("sent_to", "number"), [("9999999999", "9999999999"), ("+1 (202) 555-01.23", PHONE), (PHONE, PHONE), ("12025", "12025")]
)
def test_a_number_goes_out_without_its_separators(gateway: Gateway, sent_to: str, number: str) -> None:
    post = apprise_post(gateway)
    post.notifier.send(sms_letter(sent_to=sent_to))
    assert [to for to, _ in post.arrived()] == [number]


@pytest.mark.parametrize(
    "sent_to", ["", "+", "123", "1" * 16, "12025550123,1", "+12025550123/x", "\uff11\uff12\uff10\uff12", "12\n025550", ALICE]
)
def test_what_is_no_number_is_undeliverable(gateway: Gateway, sent_to: str) -> None:
    with pytest.raises(Undeliverable):
        apprise_post(gateway).notifier.send(sms_letter(sent_to=sent_to))
    assert not gateway.received


def test_a_gateway_that_refuses_may_be_asked_again(gateway: Gateway) -> None:
    post = apprise_post(gateway)
    gateway.status = 503
    with pytest.raises(DeliveryFailed, match="HTTP 503"):
        post.notifier.send(sms_letter())
    gateway.status = 200
    post.notifier.send(sms_letter())
    assert len(post.arrived()) == 1


@pytest.mark.parametrize("status", [200, 500])
def test_no_log_holds_the_code_the_number_or_the_url(gateway: Gateway, caplog: pytest.LogCaptureFixture, status: int) -> None:
    caplog.set_level(logging.DEBUG)
    for name in ("apprise", "urllib3"):
        caplog.set_level(logging.DEBUG, name)
    gateway.status = status
    notifier = AppriseNotifier(f"json://user:hunter2@127.0.0.1:{gateway.port}/send?-number={{to}}", TEMPLATES)
    with ThreadPoolExecutor(1) as elsewhere:
        failure = elsewhere.submit(notifier.send, sms_letter()).exception(10)
    logging.getLogger("apprise").warning("somebody else's")
    assert (failure is None) == (status == 200)
    assert caplog.messages == ["somebody else's"]
    assert "hunter2" not in repr(notifier) + str(failure)


TWILIO = f"twilio://AC{'a' * 32}:{'b' * 32}@12025550199"


@pytest.mark.parametrize(
    "url", [TWILIO, f"{TWILIO}/{{to}}", "bulksms://user:password@", "clickatell://key", "signal://h/12025550199"]
)
def test_gateways_that_send_sms_are_taken_with_and_without_a_place(url: str) -> None:
    assert repr(AppriseNotifier(url, TEMPLATES)) == f"AppriseNotifier({url.partition(':')[0]}://…)"


@pytest.mark.parametrize(
    ("url", "complaint"),
    [
        ("hunter2", "cannot read"),
        ("hunter2://mail.example", "cannot read"),
        ("twilio://hunter2", "cannot read"),
        ("discord://123456789012345678/hunter2hunter2hunter2", "where the number goes"),
        ("ntfy://hunter2", "where the number goes"),
        (f"{TWILIO}/+12025550188", "a recipient of its own"),
    ],
)
def test_an_sms_url_that_leads_to_no_single_number_is_refused_at_the_start(
    url: str, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(ValueError, match=complaint) as refusal:
        AppriseNotifier(url, TEMPLATES)
    assert "hunter2" not in str(refusal.value) + caplog.text


def test_without_apprise_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'vestibule-accounts\[sms\]'"):
        AppriseNotifier("json://127.0.0.1", TEMPLATES)


def test_apprise_is_loaded_only_where_it_is_used() -> None:
    asked = "import sys, vestibule.adapters.notifier; print('apprise' in sys.modules)"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "False"
