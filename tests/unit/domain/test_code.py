from dataclasses import replace

import pytest

from vestibule.domain.account import Address, AddressKind
from vestibule.domain.code import MAX_FAILED_ATTEMPTS, Challenge, CodePurpose

CHALLENGE = Challenge(
    id="1",
    purpose=CodePurpose.GENERAL,
    address=Address(AddressKind.EMAIL, "a@b.example", "a@b.example"),
    reference="ABCD",
    sent_at=100.0,
    expires_at=400.0,
)


@pytest.mark.parametrize(("now", "is_open"), [(99.0, False), (100.0, True), (399.999, True), (400.0, False)])
def test_code_is_open_from_sending_to_expiry(now: float, is_open: bool) -> None:
    assert CHALLENGE.is_open(now) is is_open


def test_used_code_is_closed() -> None:
    assert not CHALLENGE.as_used(200.0).is_open(201.0)


def test_code_closes_after_five_failed_attempts() -> None:
    challenge = CHALLENGE
    for _ in range(MAX_FAILED_ATTEMPTS):
        assert challenge.is_open(200.0)
        challenge = challenge.with_failed_attempt()

    assert MAX_FAILED_ATTEMPTS == 5
    assert not challenge.is_open(200.0)
    assert challenge == replace(CHALLENGE, failed_attempts=5)
