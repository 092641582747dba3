"""Codes: what they serve, how often, and what each failure says."""

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import (
    ADA,
    ANN,
    EVE,
    EVES_MOBILE,
    MOBILE,
    OTHER,
    PERSON,
    WRONG_CODE,
    code,
    invalid,
    logged_in,
    tokens,
)
from tests.support.interfaces import Door, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, World, wrong

NOBODY = "nobody@mail.example.com"


def test_a_code_verifies_once(door: Door) -> None:
    sent = code(door, ANN)
    assert isinstance(door.verify(destination=ANN, verify_otp=sent), str)
    assert door.verify(destination=ANN, verify_otp=sent) == WRONG_CODE


def test_a_code_logs_in_once(door: Door) -> None:
    door.register(**ADA)
    sent = code(door, ANN, is_login=True)
    found = door.enter(destination=ANN, verify_otp=sent)
    assert door.account(found.token)["username"] == "ann"
    assert door.enter(destination=ANN, verify_otp=sent) == WRONG_CODE


def test_a_code_resets_a_password_once_and_ends_every_session(door: Door) -> None:
    before = logged_in(door)
    sent = code(door, ANN)
    assert door.reset(email=ANN, otp=sent, password=OTHER_PASSWORD) is None
    assert door.reset(email=ANN, otp=sent, password=PASSWORD) == WRONG_CODE
    assert door.account(before.token) == Refused("invalid-token")
    assert door.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")
    tokens(door, password=OTHER_PASSWORD)


def test_what_is_missing_is_named(door: Door) -> None:
    assert door.send() == invalid("destination")
    assert door.send(destination="nowhere", email="nowhere", is_login="maybe") == invalid("destination", "email", "is_login")
    assert door.verify(destination="nowhere", verify_otp="123456") == invalid("destination")
    assert door.enter(destination="nowhere", verify_otp="123456") == invalid("destination")
    assert door.send_to_register(name="Ann") == invalid("email", "mobile")
    assert door.register_or_log_in(verify_otp="123456") == invalid("name", "email", "mobile")
    assert door.reset() == invalid("email", "otp", "password")


def test_the_sixth_guess_is_wrong_even_when_it_is_right(door: Door) -> None:
    sent = code(door, ANN)
    for _ in range(5):
        assert door.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    assert door.verify(destination=ANN, verify_otp=sent) == WRONG_CODE


def test_the_fifth_guess_may_be_right(door: Door) -> None:
    sent = code(door, ANN)
    for _ in range(4):
        assert door.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    assert isinstance(door.verify(destination=ANN, verify_otp=sent), str)


def test_a_code_is_good_for_five_minutes(door: Door, world: World) -> None:
    first = code(door, ANN)
    world.clock.advance(299)
    assert isinstance(door.verify(destination=ANN, verify_otp=first), str)
    second = code(door, ANN)
    world.clock.advance(300)
    assert door.verify(destination=ANN, verify_otp=second) == WRONG_CODE


def test_a_newer_code_replaces_an_older_one(door: Door) -> None:
    old, new = code(door, ANN), code(door, ANN)
    assert door.verify(destination=ANN, verify_otp=old) == WRONG_CODE
    assert isinstance(door.verify(destination=ANN, verify_otp=new), str)


def test_a_code_of_one_flow_is_nothing_in_the_other(door: Door, world: World) -> None:
    door.register(**ADA)
    door.send_to_register(**PERSON)
    registering = world.code_for(ANN)
    for answer in (
        door.verify(destination=ANN, verify_otp=registering),
        door.enter(destination=ANN, verify_otp=registering),
        door.reset(email=ANN, otp=registering, password=OTHER_PASSWORD),
        door.register_or_log_in(**PERSON, verify_otp=code(door, ANN)),
    ):
        assert answer == WRONG_CODE


@pytest.mark.parametrize("guess", ["", "1", "１２３４５６", "abcdef", "12345678901234567890", "-12345", "12 34 56", "é"])
def test_what_is_no_code_is_a_wrong_one(guess: str, door: Door) -> None:
    code(door, ANN)
    assert door.reset(email=ANN, otp=guess, password=OTHER_PASSWORD) == (WRONG_CODE if guess else invalid("otp"))


def test_one_code_a_minute_five_an_hour_ten_a_day(door: Door, world: World) -> None:
    begun = world.clock()
    for number in range(10):
        assert isinstance(door.send(destination=ANN), str)
        if number == 4:
            assert door.send(destination=ANN) == Refused("rate-limited", retry_after=round(begun + 3600 - world.clock()))
            world.clock.now = begun + 3600
        elif number < 9:
            assert door.send(destination=ANN) == Refused("rate-limited", retry_after=60)
            world.clock.advance(60)
    assert door.send(destination=ANN) == Refused("rate-limited", retry_after=round(begun + 86_400 - world.clock()))
    assert isinstance(door.send(destination=EVE), str)


def test_the_cool_down_and_the_length_are_settings(open_door: Open) -> None:
    door = open_door(otp_cooldown=7, otp_length=8)
    assert isinstance(door.send(destination=ANN), str)
    assert len(door.world.code_for(ANN)) == 8
    assert door.send(destination=ANN) == Refused("rate-limited", retry_after=7)


def test_a_send_tells_nobody_who_has_an_account(door: Door) -> None:
    door.register(**ADA)
    for is_login in (False, True):
        door.world.clock.advance(60)
        known, unknown = (door.send(destination=one, is_login=is_login) for one in (ANN, NOBODY))
        assert {type(known), type(unknown)} == {str}
        assert [door.send(destination=one) for one in (ANN, NOBODY)] == [Refused("rate-limited", retry_after=60)] * 2


def test_with_is_login_nothing_goes_to_a_stranger(door: Door, world: World) -> None:
    assert isinstance(door.send(destination=NOBODY, is_login=True), str)
    assert world.messages_to(NOBODY) == []


def test_a_wrong_code_tells_nobody_who_has_an_account(door: Door) -> None:
    door.register(**ADA)
    for destination in (ANN, NOBODY):
        assert door.verify(destination=destination, verify_otp="000000") == WRONG_CODE
        assert door.enter(destination=destination, verify_otp="000000") == WRONG_CODE
        assert door.reset(email=destination, otp="000000", password=OTHER_PASSWORD) == WRONG_CODE


def test_a_mobiles_mail_goes_to_its_owner_and_logs_the_owner_in(door: Door, world: World) -> None:
    door.register(**ADA)
    sms, mail = code(door, MOBILE, email=EVE), world.code_for(ANN)
    assert world.messages_to(EVE) == []
    assert sms != mail
    assert isinstance(door.enter(destination=MOBILE, verify_otp=mail), Tokens)


def test_a_strangers_mail_beside_a_mobile_proves_the_mail_alone(door: Door, world: World) -> None:
    code(door, MOBILE, email=EVE)
    proven = door.verify(destination=MOBILE, verify_otp=world.code_for(EVE))
    assert door.register(**ADA, proofs=[proven]) == invalid("proofs")
    assert isinstance(door.register(**OTHER, proofs=[proven]), dict)
    account = world.owner(EVE)
    assert account is not None
    assert (account.email_verified, account.mobile_verified) == (True, False)


def test_who_is_new_comes_to_have_an_account_by_a_code(door: Door, world: World) -> None:
    assert isinstance(door.send_to_register(**PERSON), str)
    assert door.send_to_register(**PERSON) == Refused("rate-limited", retry_after=60)
    assert door.register_or_log_in(**PERSON, verify_otp=wrong(world.code_for(ANN))) == WRONG_CODE
    found = door.register_or_log_in(**PERSON, verify_otp=world.code_for(MOBILE))
    assert door.account(found.token)["username"] == MOBILE
    assert door.log_in(username=MOBILE, password=PASSWORD) == Refused("invalid-credentials")


def test_who_is_there_is_logged_in_by_the_same_call(door: Door, world: World) -> None:
    door.register(**ADA)
    door.send_to_register(**PERSON)
    found = door.register_or_log_in(**PERSON, verify_otp=world.code_for(ANN))
    assert door.account(found.token)["id"] == 1


def test_the_addresses_of_two_people_are_told_apart_after_a_right_code_alone(door: Door, world: World) -> None:
    door.register(**ADA)
    door.register(**OTHER)
    mixed = PERSON | {"mobile": EVES_MOBILE}
    assert isinstance(door.send_to_register(**mixed), str)
    sent = world.code_for(ANN)
    assert door.register_or_log_in(**mixed, verify_otp=wrong(sent)) == WRONG_CODE
    assert door.register_or_log_in(**mixed, verify_otp=sent) == Refused("account-mismatch")
    assert door.register_or_log_in(**mixed, verify_otp=sent) == WRONG_CODE


def test_a_password_made_of_own_data_leaves_the_code_good(door: Door) -> None:
    door.register(**ADA)
    sent = code(door, ANN)
    assert door.reset(email=ANN, otp=wrong(sent), password="Ann Somebody") == WRONG_CODE
    assert door.reset(email=ANN, otp=sent, password="Ann Somebody") == invalid("password")
    assert door.reset(email=ANN, otp=sent, password=OTHER_PASSWORD) is None


@pytest.mark.parametrize("change", [{"password": OTHER_PASSWORD}, {"email": EVE}, {"mobile": EVES_MOBILE}])
def test_a_change_of_a_password_or_an_address_ends_open_codes(change: dict[str, str], door: Door) -> None:
    own, sent = logged_in(door), code(door, ANN)
    assert isinstance(door.change(own.token, **change), dict)
    assert door.verify(destination=ANN, verify_otp=sent) == WRONG_CODE
