import logging
from typing import Any

import pytest
from tests.support.world import World, outcome

from vestibule.application import Overloaded, RateLimited, RequestedCode

ANN = "ann@mail.example.com"
HOUR = 3600
MAIL, SMS = {"email_url": "smtp://mail.example.com"}, {"sms_url": "json://sms.example.com"}
EMAIL_ONLY: dict[str, Any] = MAIL | {"emails_per_hour": 3}
MOBILE_ONLY: dict[str, Any] = SMS | {"sms_per_hour": 2}


def ask(world: World, destination: str, **more: Any) -> Any:
    return outcome(lambda: world.request_code(destination=destination, **more))


def mails(world: World, first: int, count: int) -> list[Any]:
    return [ask(world, f"somebody{number}@mail.example.com") for number in range(first, first + count)]


def mobiles(world: World, first: int, count: int) -> list[Any]:
    return [ask(world, f"99999990{number:02}") for number in range(first, first + count)]


def test_mails_per_hour_are_limited_over_all_callers() -> None:
    world = World(**EMAIL_ONLY)

    *taken, refused = mails(world, 0, 4)

    assert all(isinstance(answer, RequestedCode) for answer in taken)
    assert isinstance(refused, Overloaded)
    assert world.messages_to("somebody3@mail.example.com") == []


def test_retry_after_is_exact_to_the_second() -> None:
    world = World(**EMAIL_ONLY)
    mails(world, 0, 1)
    world.clock.advance(1000)
    mails(world, 1, 2)

    (refused,) = mails(world, 3, 1)

    assert refused.retry_after == HOUR - 1000
    world.clock.advance(refused.retry_after - 1)
    assert isinstance(mails(world, 3, 1)[0], Overloaded)
    world.clock.advance(1)
    assert isinstance(mails(world, 3, 1)[0], RequestedCode)


def test_known_and_unknown_addresses_get_the_same_refusal() -> None:
    world = World(**EMAIL_ONLY)
    world.create_account("ann", mobile="9999999999")
    mails(world, 0, 3)

    asked = [
        ask(world, ANN),
        ask(world, "nobody@mail.example.com"),
        ask(world, ANN, is_login=True),
        ask(world, "nobody@mail.example.com", is_login=True),
        ask(world, "9999999999"),
        ask(world, "8888888888"),
        outcome(lambda: world.request_registration_code(name="Ann", email=ANN, mobile="9999999999")),
    ]

    assert {(type(answer), answer.retry_after) for answer in asked} == {(Overloaded, HOUR)}


def test_decoy_counts_for_the_quota() -> None:
    world = World(**EMAIL_ONLY)
    for number in range(3):
        ask(world, f"stranger{number}@mail.example.com", is_login=True)

    assert isinstance(mails(world, 0, 1)[0], Overloaded)


def test_sms_quota_does_not_limit_mail() -> None:
    world = World(**MOBILE_ONLY)

    *taken, refused = mobiles(world, 0, 3)

    assert all(isinstance(answer, RequestedCode) for answer in taken)
    assert isinstance(refused, Overloaded)
    assert all(isinstance(answer, RequestedCode) for answer in mails(world, 0, 10))


def test_refused_sms_uses_up_no_mail_quota() -> None:
    world = World(**EMAIL_ONLY, **SMS, sms_per_hour=1)
    mobiles(world, 0, 20)

    assert [type(answer) for answer in mails(world, 0, 3)] == [RequestedCode, RequestedCode, Overloaded]


def test_rate_limited_requests_use_up_no_quota() -> None:
    world = World(**EMAIL_ONLY)

    answers = [ask(world, ANN) for _ in range(20)]

    assert [type(answer) for answer in answers] == [RequestedCode] + [RateLimited] * 19
    assert all(isinstance(answer, RequestedCode) for answer in mails(world, 0, 2))


def test_exhausted_quota_is_logged_once_an_hour_per_kind(caplog: pytest.LogCaptureFixture) -> None:
    world = World(**MAIL, **SMS, emails_per_hour=2, sms_per_hour=1)
    with caplog.at_level(logging.WARNING, "vestibule.send_quota"):
        mobiles(world, 0, 5)
        mails(world, 0, 5)
        assert caplog.messages == [
            "the hourly quota of 1 codes by mobile is used up; further requests are refused",
            "the hourly quota of 2 codes by email is used up; further requests are refused",
        ]
        world.clock.advance(HOUR)
        mails(world, 10, 5)
    assert len(caplog.messages) == 3


def test_quota_is_off_by_default() -> None:
    assert all(isinstance(answer, RequestedCode) for answer in mails(World(), 0, 50))
