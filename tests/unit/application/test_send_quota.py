import logging
from itertools import count
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, World, outcome

from vestibule.application import Caller, Overloaded, RateLimited, RequestedCode
from vestibule.domain.rate_limits import RateLimit

ANN = "ann@mail.example.com"
HOUR = 3600
MAIL, SMS = {"email_url": "smtp://mail.example.com"}, {"sms_url": "json://sms.example.com"}
EMAIL_ONLY: dict[str, Any] = MAIL | {"emails_per_hour": 3}
MOBILE_ONLY: dict[str, Any] = SMS | {"sms_per_hour": 3}
AT_HOME = Caller("192.0.2.1")


def ask(world: World, destination: str, **more: Any) -> Any:
    return outcome(lambda: world.request_code(destination=destination, **more))


def mails(world: World, number: int, **more: Any) -> list[Any]:
    """The answers to requests for codes to strangers' emails, each another one."""
    return [ask(world, f"{world.new_id()[:9]}@mail.example.com", **more) for _ in range(number)]


def mobiles(world: World, number: int) -> list[Any]:
    return [ask(world, f"9{int(world.new_id(), 16) % 10**9:09}") for _ in range(number)]


def accepted(answers: list[Any]) -> int:
    """The number of accepted requests, which are the first ones; all others are `Overloaded`."""
    number = [type(answer) for answer in answers].count(RequestedCode)
    assert [type(answer) for answer in answers] == [RequestedCode] * number + [Overloaded] * (len(answers) - number)
    return number


def strangers() -> Any:
    """Callers, each of another network."""
    return (Caller(f"198.51.{number >> 8}.{number & 255}") for number in count())


def notices_to(world: World, address: str) -> list[str]:
    return [message.values["what"] for message in world.messages_to(address) if message.template == "notice"]


def world_with_ann(**settings: Any) -> World:
    """A world with the account of Ann, whose email is verified and who has logged in at home."""
    world = World(**settings)
    world.create_account("ann", mobile="9999999999")
    identity = world.identity(world.log_in(username="ann", password=PASSWORD, caller=AT_HOME))
    world.verify_address(ANN, identity)
    world.clock.advance(HOUR)
    return world


def test_strangers_get_two_thirds_of_the_mails_of_an_hour_over_all_networks() -> None:
    world = World(**MAIL, emails_per_hour=9)

    assert (
        accepted(
            [answer for caller, _ in zip(strangers(), range(10), strict=False) for answer in mails(world, 1, caller=caller)]
        )
        == 6
    )


def test_known_network_gets_a_code_when_strangers_have_used_up_theirs() -> None:
    world = world_with_ann(**EMAIL_ONLY)
    assert accepted(mails(world, 5)) == 2

    assert isinstance(ask(world, ANN), Overloaded)
    assert isinstance(ask(world, ANN, caller=AT_HOME), RequestedCode)

    world.clock.advance(60)
    assert isinstance(ask(world, ANN, caller=AT_HOME), Overloaded), "the total holds for everybody"


def test_one_network_gets_a_fifth_of_the_mails_and_gets_a_429() -> None:
    world = World(**MAIL, emails_per_hour=10)

    *sent, refused = mails(world, 3, caller=CALLER)

    assert accepted(sent) == 2
    assert isinstance(refused, RateLimited)
    assert (refused.policy, refused.limit, refused.retry_after) == ("codes", RateLimit(2, HOUR), HOUR)
    assert accepted(mails(world, 1, caller=AT_HOME)) == 1


def test_share_of_one_network_is_at_least_one_message() -> None:
    world = World(**EMAIL_ONLY)

    first, second = mails(world, 2, caller=CALLER)

    assert isinstance(first, RequestedCode)
    assert isinstance(second, RateLimited)


def test_notices_get_a_third_of_the_mails_and_later_ones_wait() -> None:
    world = world_with_ann(**EMAIL_ONLY)
    identity = world.log_in_as("ann")
    for password in (OTHER_PASSWORD, "three grey stones of the sea"):
        world.change_account(identity=identity, password=password, caller=AT_HOME)

    assert len(notices_to(world, ANN)) == 1
    assert accepted(mails(world, 3)) == 1, "what waits is not counted"
    assert isinstance(ask(world, ANN, caller=AT_HOME), RequestedCode)
    world.clock.advance(HOUR)
    assert len(notices_to(world, ANN)) == 2


def test_retry_after_is_exact_to_the_second() -> None:
    world = World(**EMAIL_ONLY)
    mails(world, 1)
    world.clock.advance(1000)
    mails(world, 1)

    (refused,) = mails(world, 1)

    assert refused.retry_after == HOUR - 1000
    world.clock.advance(refused.retry_after - 1)
    assert accepted(mails(world, 1)) == 0
    world.clock.advance(1)
    assert accepted(mails(world, 1)) == 1


def test_known_and_unknown_addresses_get_the_same_refusal() -> None:
    world = world_with_ann(**EMAIL_ONLY)
    assert accepted(mails(world, 2)) == 2

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

    assert accepted(mails(world, 2, is_login=True)) == 2

    assert accepted(mails(world, 1)) == 0


def test_sms_quota_does_not_limit_mail() -> None:
    world = World(**MOBILE_ONLY)

    assert accepted(mobiles(world, 3)) == 2

    assert accepted(mails(world, 10)) == 10


def test_refused_sms_uses_up_no_mail_quota() -> None:
    world = World(**EMAIL_ONLY, **SMS, sms_per_hour=1)
    assert accepted(mobiles(world, 20)) == 1

    assert accepted(mails(world, 3)) == 1, "one mail went along with the SMS"


def test_rate_limited_requests_use_up_no_quota() -> None:
    world = World(**EMAIL_ONLY)

    answers = [ask(world, ANN) for _ in range(20)]

    assert [type(answer) for answer in answers] == [RequestedCode] + [RateLimited] * 19
    assert accepted(mails(world, 2)) == 1


def test_exhausted_quota_is_logged_once_an_hour(caplog: pytest.LogCaptureFixture) -> None:
    world = World(**MAIL, **SMS, emails_per_hour=3, sms_per_hour=1)
    with caplog.at_level(logging.WARNING, "vestibule.send_quota"):
        mobiles(world, 5)
        mails(world, 5)
        assert caplog.messages == [
            "the hourly quota of messages (3 by email, 1 by mobile) is used up; further requests are refused"
        ]
        world.clock.advance(HOUR)
        mails(world, 5)
    assert len(caplog.messages) == 2


def test_share_of_one_network_is_not_logged_as_exhausted(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING, "vestibule.send_quota"):
        mails(World(**MAIL, emails_per_hour=10), 5, caller=CALLER)
    assert caplog.messages == []


def test_quota_is_off_by_default() -> None:
    assert accepted(mails(World(), 50)) == 50
