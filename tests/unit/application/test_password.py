from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, SlowHasher, World, concurrently, outcome, wrong

from vestibule.application import AddressNotVerified, CodeEffects, InvalidCode, InvalidInput, IssuedProof, RateLimited
from vestibule.domain.events import EventType

ANN = "ann@mail.example.com"
MOBILE = "7012345678"


def reset(world: World, code: str, password: str = OTHER_PASSWORD, email: str = ANN, **more: Any) -> Any:
    return outcome(lambda: world.reset_password(email=email, otp=code, password=password, **more))


def verified_world(**fields: Any) -> World:
    world = World(**fields)
    world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN),))
    world.clock.advance(61)
    return world


def test_reset_sets_the_password_and_keeps_other_fields() -> None:
    world = verified_world()
    before = world.owner(ANN)
    assert before

    assert reset(world, world.send(ANN), caller=CALLER) == CodeEffects()

    after = world.now(before)
    assert after == replace(before, password_hash=after.password_hash)
    assert world.can_log_in("ann", OTHER_PASSWORD)
    assert not world.can_log_in("ann", PASSWORD)
    [event] = world.events(EventType.PASSWORD_RESET)
    assert (event.account_id, event.caller) == (before.id, CALLER)


def test_reset_revokes_every_session_and_open_code() -> None:
    world = verified_world()
    sessions = [world.log_in(username="ann", password=PASSWORD) for _ in range(3)]
    pair: dict[str, Any] = {"name": "Ann", "email": ANN, "mobile": "8888888888"}
    world.request_registration_code(**pair)
    registering = world.code_for(ANN)
    sms = world.send(MOBILE)
    world.clock.advance(61)

    reset(world, world.send(ANN))

    assert [world.is_signed_in(session) for session in sessions] == [False] * 3
    assert isinstance(outcome(partial(world.register_or_log_in, **pair, verify_otp=registering)), InvalidCode)
    assert isinstance(outcome(partial(world.verify_code, destination=MOBILE, verify_otp=sms)), IssuedProof), "unverified"


def test_reset_of_an_account_that_never_had_a_verified_address_clears_what_its_maker_left() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    impostor = world.log_in(username="ann", password=PASSWORD)

    assert reset(world, world.send(ANN)) == CodeEffects(cleared=("password", "sessions", "mobile"))

    after = world.now(account)
    assert (after.mobile, after.email_verified, after.ever_verified) == (None, True, True)
    assert not world.is_signed_in(impostor)
    assert world.can_log_in("ann", OTHER_PASSWORD)


def test_reset_with_the_accounts_own_login_clears_nothing_and_ends_the_sessions() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    identity = world.log_in_as("ann")

    assert reset(world, world.send(ANN), identity=identity) == CodeEffects()

    after = world.now(account)
    assert after == replace(account, email_verified=True, ever_verified=True, password_hash=after.password_hash)
    assert not world.is_signed_in_as(identity)


def test_reset_by_the_recovery_address_undoes_the_change_and_keeps_the_new_password() -> None:
    world = verified_world()
    before = world.owner(ANN)
    assert before
    thief = world.log_in_as("ann")
    world.change_account(identity=thief, email="thief@mail.example.com")

    assert reset(world, world.send(ANN)) == CodeEffects(cleared=("sessions",), recovered=True)

    after = world.now(before)
    assert after == replace(before, password_hash=after.password_hash)
    assert world.can_log_in("ann", OTHER_PASSWORD)
    assert not world.is_signed_in_as(thief)


def test_later_code_login_keeps_a_reset_password() -> None:
    world = World()
    world.create_account("ann")
    reset(world, world.send(ANN))

    world.log_in_with_code(ANN)

    assert world.can_log_in("ann", OTHER_PASSWORD)


def test_reset_sets_a_first_password() -> None:
    world = verified_world()
    account = world.owner(ANN)
    assert account
    world.alter(account, password_hash=None)

    assert reset(world, world.send(ANN)) == CodeEffects()
    assert world.can_log_in("ann", OTHER_PASSWORD)


@pytest.mark.parametrize(("after", "right"), [(299, True), (300, False)])
def test_code_for_a_reset_expires_after_five_minutes(after: int, right: bool) -> None:
    world = verified_world()
    code = world.send(ANN)
    world.clock.advance(after)

    assert (reset(world, code) == CodeEffects()) is right


def test_wrong_code_and_unknown_email_are_the_same_refusal() -> None:
    world = verified_world()
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
    world = verified_world()
    code = world.send(ANN)

    for _ in range(5):
        reset(world, wrong(code))

    assert isinstance(reset(world, code), InvalidCode)


def test_unverified_email_next_to_a_verified_mobile_cannot_reset_and_gets_a_proof() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    code = world.send(ANN)

    refusal = reset(world, code)

    assert isinstance(refusal, AddressNotVerified)
    assert world.now(account) == account
    assert isinstance(reset(world, code), InvalidCode)
    assert world.change_account(identity=world.log_in_as("ann"), proofs=(refusal.proof,)).email_verified


def test_account_that_gets_its_first_verified_address_while_the_reset_hashes_is_not_opened() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    account = world.create_account("ann", mobile=MOBILE)
    identity = world.log_in_as("ann")
    code = world.send(ANN)
    hasher.meanwhile = [lambda: world.verify_address(MOBILE, identity)]

    assert isinstance(reset(world, code), InvalidCode)

    assert world.now(account) == replace(account, mobile_verified=True, ever_verified=True)


def test_network_of_a_reset_stays_known_and_the_others_are_forgotten() -> None:
    world = verified_world()
    home, elsewhere = CALLER, replace(CALLER, ip_address="203.0.113.9")
    for caller in (home, elsewhere):
        world.log_in(username="ann", password=PASSWORD, caller=caller)

    reset(world, world.send(ANN), caller=home)

    holders = [world.database.accounts.holder(world.address(ANN), one.ip_address, world.clock()) for one in (home, elsewhere)]
    assert [holder.knows_network for holder in holders] == [True, False]


def test_inactive_account_cannot_be_reset() -> None:
    world = World()
    account = world.alter(world.create_account("ann"), is_active=False)

    assert isinstance(reset(world, world.send(ANN)), InvalidCode)
    assert world.now(account) == account


def test_password_is_checked_before_the_code() -> None:
    world = verified_world()
    code = world.send(ANN)
    events = world.events()

    for _ in range(6):
        refusal = reset(world, wrong(code), password="password")
        assert isinstance(refusal, InvalidInput)
        assert {*refusal.errors} == {"password"}

    assert world.events() == events
    assert reset(world, code) == CodeEffects()


def test_every_invalid_field_is_named() -> None:
    refusal = reset(World(), " ", password="", email="nobody")

    assert isinstance(refusal, InvalidInput)
    assert {*refusal.errors} == {"email", "otp", "password"}


@pytest.mark.parametrize("own", ["Ann Somebody", "somebody99!", ANN, MOBILE])
def test_personal_data_is_checked_after_a_right_code_which_stays_valid(own: str) -> None:
    world = verified_world()
    before = world.owner(ANN)
    code = world.send(ANN)
    assert isinstance(reset(world, wrong(code), password=own), InvalidCode)

    refusal = reset(world, code, password=own)

    assert isinstance(refusal, InvalidInput)
    assert {*refusal.errors} == {"password"}
    assert world.owner(ANN) == before
    assert reset(world, code) == CodeEffects()


def test_caller_beyond_its_failed_attempts_is_rate_limited() -> None:
    world = verified_world()
    code = world.send(ANN)
    for number in range(30):
        reset(world, "123456", email=f"person{number}@mail.example.com", caller=CALLER)

    refusal = reset(world, code, caller=CALLER)

    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 300
    assert reset(world, code) == CodeEffects()


def test_code_used_during_hashing_resets_nothing() -> None:
    hasher = SlowHasher()
    world = verified_world(hasher=hasher)
    code = world.send(ANN)
    hasher.meanwhile = [lambda: world.log_in_by_code(destination=ANN, verify_otp=code)]

    assert isinstance(reset(world, code), InvalidCode)
    assert world.can_log_in("ann", PASSWORD)


def test_one_of_two_concurrent_resets_by_one_code_succeeds() -> None:
    world = verified_world()
    code = world.send(ANN)

    answers = concurrently(
        [partial(world.reset_password, email=ANN, otp=code, password=f"{OTHER_PASSWORD} {n}") for n in range(6)]
    )

    [winner] = [number for number, answer in enumerate(answers) if answer == CodeEffects()]
    assert world.can_log_in("ann", f"{OTHER_PASSWORD} {winner}")
