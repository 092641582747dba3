"""Codes: purposes, limits and failures."""

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import (
    ANN,
    CODE_REGISTRATION,
    EVE,
    EVES_MOBILE,
    MOBILE,
    OTHER_REGISTRATION,
    REGISTRATION,
    WRONG_CODE,
    code,
    invalid,
    logged_in,
    proof,
    tokens,
)
from tests.support.interfaces import Effects, Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, World, wrong

from vestibule.domain.networks import UNKNOWN_NETWORK

UNKNOWN = "unknown@mail.example.com"


def test_code_verifies_once(interface: Interface) -> None:
    sent = code(interface, ANN)
    assert isinstance(interface.verify(destination=ANN, verify_otp=sent), str)
    assert interface.verify(destination=ANN, verify_otp=sent) == WRONG_CODE


def test_code_logs_in_once(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    sent = code(interface, ANN, is_login=True)
    session = interface.log_in_by_code(destination=ANN, verify_otp=sent)
    assert session.cleared == ("password", "mobile")
    assert interface.account(session.token)["username"] == "ann"
    assert interface.log_in_by_code(destination=ANN, verify_otp=sent) == WRONG_CODE


def test_code_resets_password_once_and_revokes_every_session(interface: Interface) -> None:
    before = logged_in(interface)
    sent = code(interface, ANN)
    assert interface.reset(email=ANN, otp=sent, password=OTHER_PASSWORD) == Effects(("password", "sessions", "mobile"))
    assert interface.reset(email=ANN, otp=sent, password=PASSWORD) == WRONG_CODE
    assert interface.account(before.token) == Refused("invalid-token")
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")
    tokens(interface, password=OTHER_PASSWORD)


def test_missing_fields_are_named(interface: Interface) -> None:
    assert interface.send() == invalid("destination")
    assert interface.send(destination="nowhere", email="nowhere", is_login="maybe") == invalid(
        "destination", "email", "is_login"
    )
    assert interface.verify(destination="nowhere", verify_otp="123456") == invalid("destination")
    assert interface.log_in_by_code(destination="nowhere", verify_otp="123456") == invalid("destination")
    assert interface.request_registration_code(name="Ann") == invalid("email", "mobile")
    assert interface.register_or_log_in(verify_otp="123456") == invalid("name", "email", "mobile")
    assert interface.reset() == invalid("email", "otp", "password")


def test_code_expires_after_five_minutes(interface: Interface, world: World) -> None:
    first = code(interface, ANN)
    world.clock.advance(299)
    assert isinstance(interface.verify(destination=ANN, verify_otp=first), str)
    second = code(interface, ANN)
    world.clock.advance(300)
    assert interface.verify(destination=ANN, verify_otp=second) == WRONG_CODE


def test_new_code_replaces_the_previous_one(interface: Interface) -> None:
    old, new = code(interface, ANN), code(interface, ANN)
    assert interface.verify(destination=ANN, verify_otp=old) == WRONG_CODE
    assert isinstance(interface.verify(destination=ANN, verify_otp=new), str)


def test_code_is_rejected_for_another_purpose(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    interface.request_registration_code(**CODE_REGISTRATION)
    registering = world.code_for(ANN)
    for answer in (
        interface.verify(destination=ANN, verify_otp=registering),
        interface.log_in_by_code(destination=ANN, verify_otp=registering),
        interface.reset(email=ANN, otp=registering, password=OTHER_PASSWORD),
        interface.register_or_log_in(**CODE_REGISTRATION, verify_otp=code(interface, ANN)),
    ):
        assert answer == WRONG_CODE


@pytest.mark.parametrize("guess", ["", "1", "１２３４５６", "abcdef", "12345678901234567890", "-12345", "12 34 56", "é"])
def test_malformed_code_is_rejected_as_invalid(guess: str, interface: Interface) -> None:
    code(interface, ANN)
    assert interface.reset(email=ANN, otp=guess, password=OTHER_PASSWORD) == (WRONG_CODE if guess else invalid("otp"))


def test_code_is_sent_to_a_caller_whose_network_is_unknown(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    interface.address = UNKNOWN_NETWORK
    for destination in (ANN, MOBILE):
        assert isinstance(interface.send(destination=destination), str)
        assert interface.verify(destination=destination, verify_otp="000000") == WRONG_CODE
    assert isinstance(interface.request_registration_code(**CODE_REGISTRATION | {"email": EVE, "mobile": EVES_MOBILE}), str)


def test_cooldown_and_code_length_follow_settings(open_interface: Open) -> None:
    interface = open_interface(otp_cooldown=7, otp_length=8)
    assert isinstance(interface.send(destination=ANN), str)
    assert len(interface.world.code_for(ANN)) == 8
    assert interface.send(destination=ANN) == Refused("rate-limited", retry_after=7)


def test_send_does_not_reveal_accounts(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    for is_login in (False, True):
        interface.world.clock.advance(60)
        sent, unknown = (interface.send(destination=address, is_login=is_login) for address in (ANN, UNKNOWN))
        assert {type(sent), type(unknown)} == {str}
        assert [interface.send(destination=address) for address in (ANN, UNKNOWN)] == [
            Refused("rate-limited", retry_after=60)
        ] * 2


def test_login_code_is_not_sent_to_address_without_account(interface: Interface, world: World) -> None:
    assert isinstance(interface.send(destination=UNKNOWN, is_login=True), str)
    assert world.messages_to(UNKNOWN) == []


def test_wrong_code_does_not_reveal_accounts(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    for destination in (ANN, UNKNOWN):
        assert interface.verify(destination=destination, verify_otp="000000") == WRONG_CODE
        assert interface.log_in_by_code(destination=destination, verify_otp="000000") == WRONG_CODE
        assert interface.reset(email=destination, otp="000000", password=OTHER_PASSWORD) == WRONG_CODE


def test_send_to_mobile_mails_its_owner_a_login_code(interface: Interface, world: World) -> None:
    proofs = [proof(interface, ANN), proof(interface, MOBILE)]
    interface.register(**REGISTRATION, proofs=proofs)
    sms, mail, friends = code(interface, MOBILE, email=EVE), world.code_for(ANN), world.code_for(EVE)
    assert len({sms, mail, friends}) == 3
    assert interface.log_in_by_code(destination=MOBILE, verify_otp=friends) == WRONG_CODE
    session = interface.log_in_by_code(destination=MOBILE, verify_otp=mail)
    assert isinstance(session, Tokens)
    assert session.cleared == ()


def test_unverified_email_gets_no_code_to_the_mobile(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    code(interface, MOBILE, is_login=True, email=EVE)
    assert [*world.messages_to(ANN), *world.messages_to(EVE)] == []


def test_code_mailed_along_with_mobile_verifies_only_the_email(interface: Interface, world: World) -> None:
    code(interface, MOBILE, email=EVE)
    proof = interface.verify(destination=MOBILE, verify_otp=world.code_for(EVE))
    assert interface.register(**REGISTRATION, proofs=[proof]) == invalid("proofs")
    assert isinstance(interface.register(**OTHER_REGISTRATION, proofs=[proof]), dict)
    account = world.owner(EVE)
    assert account is not None
    assert (account.email_verified, account.mobile_verified) == (True, False)


def test_register_or_log_in_creates_new_account(interface: Interface, world: World) -> None:
    assert isinstance(interface.request_registration_code(**CODE_REGISTRATION), str)
    assert interface.request_registration_code(**CODE_REGISTRATION) == Refused("rate-limited", retry_after=60)
    assert interface.register_or_log_in(**CODE_REGISTRATION, verify_otp=wrong(world.code_for(ANN))) == WRONG_CODE
    session = interface.register_or_log_in(**CODE_REGISTRATION, verify_otp=world.code_for(MOBILE))
    assert session.created
    account = interface.account(session.token)
    assert (account["username"], account["email"]) == (MOBILE, ANN)
    assert [account[mark] for mark in ("email_verified", "mobile_verified", "has_password")] == [False, True, False]
    assert interface.log_in(username=MOBILE, password=PASSWORD) == Refused("invalid-credentials")


def test_register_or_log_in_logs_in_to_existing_account(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    interface.request_registration_code(**CODE_REGISTRATION)
    session = interface.register_or_log_in(**CODE_REGISTRATION, verify_otp=world.code_for(ANN))
    assert interface.account(session.token)["id"] == 1
    assert (session.created, session.cleared) == (False, ("password",))


def test_account_mismatch_is_reported_only_after_right_code(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    interface.register(**OTHER_REGISTRATION, proofs=[proof(interface, EVES_MOBILE)])
    world.clock.advance(60)
    mixed = CODE_REGISTRATION | {"mobile": EVES_MOBILE}
    assert isinstance(interface.request_registration_code(**mixed), str)
    sent = world.code_for(ANN)
    assert interface.register_or_log_in(**mixed, verify_otp=wrong(sent)) == WRONG_CODE
    assert interface.register_or_log_in(**mixed, verify_otp=sent) == Refused("account-mismatch")
    assert interface.register_or_log_in(**mixed, verify_otp=sent) == WRONG_CODE


def test_refused_password_of_personal_data_keeps_the_code_valid(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    sent = code(interface, ANN)
    assert interface.reset(email=ANN, otp=wrong(sent), password="Ann Person") == WRONG_CODE
    assert interface.reset(email=ANN, otp=sent, password="Ann Person") == invalid("password")
    assert isinstance(interface.reset(email=ANN, otp=sent, password=OTHER_PASSWORD), Effects)


@pytest.mark.parametrize("change", [{"password": OTHER_PASSWORD}, {"email": EVE}, {"mobile": EVES_MOBILE}])
def test_change_of_password_or_address_revokes_open_codes(change: dict[str, str], interface: Interface) -> None:
    own, sent = logged_in(interface), code(interface, ANN)
    assert isinstance(interface.change(own.token, **change), dict)
    assert interface.verify(destination=ANN, verify_otp=sent) == WRONG_CODE
