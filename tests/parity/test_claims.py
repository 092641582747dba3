"""Verified addresses, and accounts that an attacker registered with the address of another person."""

from tests.support.account_builders import (
    ANN,
    CODE_REGISTRATION,
    EVE,
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
from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, World


def verified_marks(world: World, address: str = ANN) -> tuple[bool, bool]:
    account = world.owner(address)
    assert account is not None
    return account.email_verified, account.mobile_verified


def test_registration_with_proof_verifies_the_address(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    assert verified_marks(world) == (True, False)


def test_registration_within_the_hour_does_not_verify_without_proof(interface: Interface, world: World) -> None:
    proof(interface, ANN)
    interface.register(**REGISTRATION)
    assert verified_marks(world) == (False, False)


def test_proof_is_valid_for_one_hour_and_one_address(interface: Interface, world: World) -> None:
    address_proof = proof(interface, ANN)
    assert interface.register(**OTHER_REGISTRATION, proofs=[address_proof]) == invalid("proofs")
    assert interface.register(**REGISTRATION, proofs=[address_proof, "unheard of"]) == invalid("proofs")
    world.clock.advance(3601)
    assert interface.register(**REGISTRATION, proofs=[address_proof]) == invalid("proofs")
    assert world.owner(ANN) is None


def test_code_login_claims_unverified_account(interface: Interface, world: World) -> None:
    """The impostor's password, sessions and mobile are gone (pre-hijacking)."""
    impostor = logged_in(interface)
    owner = interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN))
    assert interface.account(owner.token)["mobile"] is None
    assert verified_marks(world) == (True, False)
    assert interface.account(impostor.token) == Refused("invalid-token")
    assert interface.refresh(refresh=impostor.refresh_token) == Refused("invalid-refresh-token")
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


def test_reset_claims_unverified_account(interface: Interface) -> None:
    impostor = logged_in(interface)
    assert interface.reset(email=ANN, otp=code(interface, ANN), password=OTHER_PASSWORD) is None
    assert interface.account(impostor.token) == Refused("invalid-token")
    assert interface.account(tokens(interface, password=OTHER_PASSWORD).token)["mobile"] is None


def test_register_or_log_in_claims_unverified_account_and_sets_the_name(interface: Interface, world: World) -> None:
    impostor = logged_in(interface)
    interface.request_registration_code(**CODE_REGISTRATION | {"name": "The Owner"})
    owner = interface.register_or_log_in(**CODE_REGISTRATION | {"name": "The Owner"}, verify_otp=world.code_for(ANN))
    assert (interface.account(owner.token)["name"], interface.account(owner.token)["mobile"]) == ("The Owner", None)
    assert interface.account(impostor.token) == Refused("invalid-token")


def test_verification_with_own_session_keeps_the_account(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    world.clock.advance(60)
    interface.verify(own.token, destination=ANN, verify_otp=code(interface, ANN))
    assert isinstance(interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN)), Tokens)
    assert isinstance(tokens(interface), Tokens)
    assert verified_marks(world) == (True, False)


def test_first_code_login_after_verification_without_session_clears_the_account(interface: Interface, world: World) -> None:
    logged_in(interface)
    proof(interface, ANN)
    assert verified_marks(world) == (True, False)
    assert isinstance(tokens(interface), Tokens)
    assert isinstance(interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN)), Tokens)
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


def test_verification_with_session_of_another_account_counts_as_without(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    interface.register(**OTHER_REGISTRATION)
    eve = tokens(interface, "eve", OTHER_PASSWORD)
    interface.verify(eve.token, destination=ANN, verify_otp=code(interface, ANN))
    assert isinstance(interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN)), Tokens)
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


def test_unverified_address_of_account_with_verified_one_does_not_log_in(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    world.clock.advance(60)
    interface.send(destination=MOBILE)
    sms = world.code_for(MOBILE)
    assert interface.log_in_by_code(destination=MOBILE, verify_otp=sms) == WRONG_CODE
    assert isinstance(interface.verify(destination=MOBILE, verify_otp=sms), str)
    assert verified_marks(world) == (True, False)
    assert isinstance(tokens(interface), Tokens)


def test_changed_address_is_unverified(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    own = tokens(interface)
    assert interface.change(own.token, email="ANN@mail.example.com")["email"] == "ANN@mail.example.com"
    assert verified_marks(world) == (True, False)
    assert interface.change(own.token, email=EVE)["email"] == EVE
    assert verified_marks(world, EVE) == (False, False)


def test_changed_address_with_proof_is_verified(interface: Interface, world: World) -> None:
    logged_in(interface)
    address_proof = proof(interface, EVE)
    assert interface.change(tokens(interface).token, email=EVE, proofs=[address_proof])["email"] == EVE
    assert verified_marks(world, EVE) == (True, False)
