"""The hourly quota of codes applies to channels that cost money."""

import json
import re
from http.client import HTTPConnection
from pathlib import Path

import pytest
from tests.support.next_hops import relay
from tests.support.processes import eventually
from tests.support.server import Server

from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.domain.account import AddressKind
from vestibule.entrypoints.container.factories import send_quota
from vestibule.entrypoints.settings import Settings
from vestibule.testing import ManualClock

BY_MAIL = {"email_url": "smtp://mail.example.org"}
BY_BOTH = {"email_url": "smtps://mail.example.org", "sms_url": "json://sms.example.org"}


@pytest.mark.parametrize(
    ("settings", "per_hour"),
    [
        ({}, None),
        (BY_MAIL, {AddressKind.EMAIL: 1000}),
        (BY_BOTH, {AddressKind.EMAIL: 1000, AddressKind.MOBILE: 100}),
        ({"sms_url": "json://sms.example.org", "sms_per_hour": 7}, {AddressKind.MOBILE: 7}),
        (BY_BOTH | {"rate_limits": False}, {AddressKind.EMAIL: 1000, AddressKind.MOBILE: 100}),
        (BY_BOTH | {"workers": 4}, {AddressKind.EMAIL: 1000, AddressKind.MOBILE: 100}),
    ],
)
def test_only_channels_that_cost_money_have_a_quota(
    settings: dict[str, object], per_hour: dict[AddressKind, int] | None
) -> None:
    known = Settings(**settings)  # type: ignore[arg-type]  # the parameters have several types
    found = send_quota(known, MemoryRateLimiter(), ManualClock())
    assert (found and found.quota.per_hour) == per_hour


def test_mail_quota_limits_sent_codes(tmp_path: Path) -> None:
    with relay() as mails:
        url = f"smtp://127.0.0.1:{mails.port}?starttls=off"
        with Server(tmp_path / "data", email_url=url, emails_per_hour="6", trusted_proxies="127.0.0.1") as server:
            shared = [_ask(server, number, network=0)[0] for number in (0, 9)]
            assert shared == [201, 429], "a fifth is the share of a network"
            total = [_ask(server, number)[0] for number in range(1, 5)]
            assert total == [201, 201, 201, 503], "a third is kept for known networks"
            status, problem, retry_after = _ask(server, 5)
            assert (status, problem) == (503, "urn:vestibule:problem:overloaded")
            assert 3500 < retry_after <= 3600
            assert server.call("GET", "/readyz")[0] == 200
            assert eventually(lambda: len(mails.received) == 4)
        assert len(re.findall(r"the hourly quota of messages \(6 by email\) is used up", server.output)) == 1


def _ask(server: Server, number: int, *, network: int | None = None) -> tuple[int, str, int]:
    """Requests a code, from a network of its own; returns the status, the type of the problem, and the seconds to wait."""
    connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
    headers = {"Content-Type": "application/json", "X-Forwarded-For": f"198.51.100.{number if network is None else network}"}
    connection.request("POST", "/otp/", json.dumps({"destination": f"p{number}@example.com"}), headers)
    answer = connection.getresponse()
    body = json.loads(answer.read())
    connection.close()
    return answer.status, body.get("type", ""), int(answer.headers.get("Retry-After", 0))
