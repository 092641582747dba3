from dataclasses import replace

import pytest

from vestibule.domain.account import Address, AddressKind
from vestibule.domain.code import Challenge, CodePurpose

ASKED_FROM, ELSEWHERE = "198.51.100.7", "203.0.113.9"
CHALLENGE = Challenge(
    id="1",
    purpose=CodePurpose.GENERAL,
    address=Address(AddressKind.EMAIL, "a@b.example", "a@b.example"),
    network=ASKED_FROM,
    reference="ABCD",
    sent_at=100.0,
    expires_at=400.0,
)


@pytest.mark.parametrize(("now", "is_open"), [(99.0, False), (100.0, True), (399.999, True), (400.0, False)])
def test_code_is_open_from_sending_to_expiry(now: float, is_open: bool) -> None:
    assert CHALLENGE.is_open(now, ASKED_FROM, 5) is is_open


def test_used_code_is_closed() -> None:
    assert not CHALLENGE.as_used(200.0).is_open(201.0, ASKED_FROM, 5)


def test_code_closes_after_its_failed_attempts() -> None:
    challenge = CHALLENGE
    for _ in range(3):
        assert challenge.is_open(200.0, ASKED_FROM, 3)
        challenge = challenge.with_failed_attempt(ASKED_FROM)

    assert not challenge.is_open(200.0, ASKED_FROM, 3)
    assert challenge == replace(CHALLENGE, failed_attempts=3)


def test_failed_attempts_from_all_other_networks_are_counted_together_and_apart() -> None:
    challenge = CHALLENGE
    for network in (ELSEWHERE, "192.0.2.1", None):
        challenge = challenge.with_failed_attempt(network)

    assert challenge == replace(CHALLENGE, failed_attempts_elsewhere=3)
    assert not challenge.is_open(200.0, ELSEWHERE, 3)
    assert challenge.is_open(200.0, ASKED_FROM, 3)
