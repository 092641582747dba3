"""The hourly quota of codes applies to channels that cost money."""

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

BY_MAIL = {"email_url": "smtp://mail.example.org"}
BY_BOTH = {"email_url": "smtps://mail.example.org", "sms_url": "json://sms.example.org"}


@pytest.mark.parametrize(
    ("settings", "per_hour"),
    [
        ({}, None),
        (BY_MAIL, {AddressKind.EMAIL: 1000}),
        (BY_BOTH, {AddressKind.EMAIL: 1000, AddressKind.MOBILE: 100}),
        ({"sms_url": "json://sms.example.org", "sms_per_hour": 7}, {AddressKind.MOBILE: 7}),
        (BY_BOTH | {"rate_limits": False}, None),
        (BY_BOTH | {"workers": 4}, {AddressKind.EMAIL: 250, AddressKind.MOBILE: 25}),
        (BY_BOTH | {"workers": 64, "sms_per_hour": 7}, {AddressKind.EMAIL: 15, AddressKind.MOBILE: 1}),
        (BY_BOTH | {"workers": 4, "redis_url": "redis://localhost"}, {AddressKind.EMAIL: 1000, AddressKind.MOBILE: 100}),
    ],
)
def test_only_channels_that_cost_money_have_a_quota(
    settings: dict[str, object], per_hour: dict[AddressKind, int] | None
) -> None:
    quota = send_quota(Settings(**settings), MemoryRateLimiter())  # type: ignore[arg-type]  # the parameters have several types
    assert (quota and quota.per_hour) == per_hour


def test_mail_quota_limits_sent_codes(tmp_path: Path) -> None:
    with relay() as mails:
        url = f"smtp://127.0.0.1:{mails.port}?starttls=off"
        with Server(tmp_path / "data", email_url=url, emails_per_hour="3") as server:
            statuses = [server.call("POST", "/otp/", {"destination": f"p{number}@example.com"})[0] for number in range(6)]
            assert statuses == [201] * 3 + [503] * 3
            connection = HTTPConnection("127.0.0.1", server.port, timeout=10)
            connection.request("POST", "/otp/", b'{"destination": "q@example.com"}', {"Content-Type": "application/json"})
            answer = connection.getresponse()
            assert b"urn:vestibule:problem:overloaded" in answer.read()
            assert 3500 < int(answer.headers["Retry-After"]) <= 3600
            connection.close()
            assert server.call("POST", "/otp/", {"destination": "p0@example.com"})[0] == 429
            assert server.call("GET", "/readyz")[0] == 200
            assert eventually(lambda: len(mails.received) == 3)
        assert len(re.findall(r"the hourly quota of \d+ codes by email is used up", server.output)) == 1
