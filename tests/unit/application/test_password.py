from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, SlowHasher, World, concurrently, outcome, wrong

from vestibule.application import InvalidCode, InvalidInput, RateLimited
from vestibule.domain.events import EventType

ANN = "ann@mail.example.com"
MOBILE = "7012345678"


def reset(world: World, code: str, password: str = OTHER_PASSWORD, email: str = ANN, **more: Any) -> Any:
    return outcome(lambda: world.reset_password(email=email, otp=code, password=password, **more))


def owner_verified_world(**fields: Any) -> World:
    world = World(**fields)
    world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN),))
    world.clock.advance(61)
    return world


def test_reset_sets_the_password_and_keeps_other_fields() -> None:
    world = owner_verified_world()
    before = world.owner(ANN)
    assert before

    assert reset(world, world.send(ANN), caller=CALLER) is None

    after = world.now(before)
    assert after == replace(before, password_hash=after.password_hash)
    assert world.can_log_in("ann", OTHER_PASSWORD)
    assert not world.can_log_in("ann", PASSWORD)
    [event] = world.events(EventType.PASSWORD_RESET)
    assert (event.account_id, event.caller) == (before.id, CALLER)


def test_reset_revokes_every_session_and_open_code() -> None:
    world = owner_verified_world()
    sessions = [world.log_in(username="ann", password=PASSWORD) for _ in range(3)]
    world.request_code(destination=MOBILE)
    sms, mail = world.code_for(MOBILE), world.code_for(ANN)

    reset(world, mail)

    assert [world.is_signed_in(session) for session in sessions] == [False] * 3
    for code in (sms, mail):
        assert isinstance(outcome(partial(world.verify_code, destination=MOBILE, verify_otp=code)), InvalidCode)


def test_reset_of_an_unverified_account_clears_its_earlier_state() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    impostor = world.log_in(username="ann", password=PASSWORD)

    reset(world, world.send(ANN))

    after = world.now(account)
    assert (after.mobile, after.email_verified, after.owner_verified) == (None, True, True)
    assert not world.is_signed_in(impostor)
    assert world.can_log_in("ann", OTHER_PASSWORD)


def test_later_code_login_keeps_a_reset_password() -> None:
    world = World()
    world.create_account("ann")
    reset(world, world.send(ANN))

    world.log_in_with_code(ANN)

    assert world.can_log_in("ann", OTHER_PASSWORD)


def test_reset_sets_a_first_password() -> None:
    world = owner_verified_world()
    account = world.owner(ANN)
    assert account
    world.alter(account, password_hash=None)

    assert reset(world, world.send(ANN)) is None
    assert world.can_log_in("ann", OTHER_PASSWORD)


@pytest.mark.parametrize(("after", "right"), [(299, True), (300, False)])
def test_code_for_a_reset_expires_after_five_minutes(after: int, right: bool) -> None:
    world = owner_verified_world()
    code = world.send(ANN)
    world.clock.advance(after)

    assert (reset(world, code) is None) is right


def test_wrong_code_and_unknown_email_are_the_same_refusal() -> None:
    world = owner_verified_world()
    before = world.owner(ANN)
    code = world.send(ANN)
    world.send("nobody@mail.example.com")

    answers = [
        reset(world, wrong(code)),
        reset(world, world.code_for("nobody@mail.example.com"), email="nobody@mail.example.com"),
        reset(world, code, email="never@mail.example.com"),
    ]

    assert {(type(answer), answer.detail) for answer in answers} == {(InvalidCode, InvalidCode.title)}
    assert world.owner(ANN) == before
    assert len(world.events(EventType.CODE_REFUSED)) == 3


def test_right_code_is_refused_after_five_failed_attempts() -> None:
    world = owner_verified_world()
    code = world.send(ANN)

    for _ in range(5):
        reset(world, wrong(code))

    assert isinstance(reset(world, code), InvalidCode)


def test_unverified_email_next_to_a_verified_mobile_cannot_reset() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))

    assert isinstance(reset(world, world.send(ANN)), InvalidCode)
    assert world.now(account) == account


def test_inactive_account_cannot_be_reset() -> None:
    world = World()
    account = world.alter(world.create_account("ann"), is_active=False)

    assert isinstance(reset(world, world.send(ANN)), InvalidCode)
    assert world.now(account) == account


def test_password_is_checked_before_the_code() -> None:
    world = owner_verified_world()
    code = world.send(ANN)
    events = world.events()

    for _ in range(6):
        refusal = reset(world, wrong(code), password="password")
        assert isinstance(refusal, InvalidInput)
        assert {*refusal.errors} == {"password"}

    assert world.events() == events
    assert reset(world, code) is None


def test_every_invalid_field_is_named() -> None:
    refusal = reset(World(), " ", password="", email="nobody")

    assert isinstance(refusal, InvalidInput)
    assert {*refusal.errors} == {"email", "otp", "password"}


@pytest.mark.parametrize("own", ["Ann Somebody", "somebody99!", ANN, MOBILE])
def test_personal_data_is_checked_after_a_right_code_which_stays_valid(own: str) -> None:
    world = owner_verified_world()
    before = world.owner(ANN)
    code = world.send(ANN)
    assert isinstance(reset(world, wrong(code), password=own), InvalidCode)

    refusal = reset(world, code, password=own)

    assert isinstance(refusal, InvalidInput)
    assert {*refusal.errors} == {"password"}
    assert world.owner(ANN) == before
    assert reset(world, code) is None


def test_caller_beyond_its_failed_attempts_is_rate_limited() -> None:
    world = owner_verified_world()
    code = world.send(ANN)
    for number in range(30):
        reset(world, "123456", email=f"person{number}@mail.example.com", caller=CALLER)

    refusal = reset(world, code, caller=CALLER)

    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 300
    assert reset(world, code) is None


def test_code_used_during_hashing_resets_nothing() -> None:
    hasher = SlowHasher()
    world = owner_verified_world(hasher=hasher)
    code = world.send(ANN)
    hasher.meanwhile = [lambda: world.log_in_by_code(destination=ANN, verify_otp=code)]

    assert isinstance(reset(world, code), InvalidCode)
    assert world.can_log_in("ann", PASSWORD)


def test_one_of_two_concurrent_resets_by_one_code_succeeds() -> None:
    world = owner_verified_world()
    code = world.send(ANN)

    answers = concurrently(
        [partial(world.reset_password, email=ANN, otp=code, password=f"{OTHER_PASSWORD} {n}") for n in range(6)]
    )

    assert answers.count(None) == 1
    assert world.can_log_in("ann", f"{OTHER_PASSWORD} {answers.index(None)}")
