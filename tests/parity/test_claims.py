"""What a proven address is worth, and what a stranger may have put there before its owner came."""

from tests.support.account_builders import (
    ADA,
    ANN,
    EVE,
    MOBILE,
    OTHER,
    PERSON,
    WRONG_CODE,
    code,
    invalid,
    logged_in,
    proof,
    tokens,
)
from tests.support.interfaces import Door, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, World


def marks(world: World, address: str = ANN) -> tuple[bool, bool]:
    account = world.owner(address)
    assert account is not None
    return account.email_verified, account.mobile_verified


def test_a_registration_with_a_proof_begins_proven(door: Door, world: World) -> None:
    door.register(**ADA, proofs=[proof(door, ANN)])
    assert marks(world) == (True, False)


def test_a_registration_within_the_hour_alone_does_not(door: Door, world: World) -> None:
    proof(door, ANN)
    door.register(**ADA)
    assert marks(world) == (False, False)


def test_a_proof_is_good_for_an_hour_and_for_its_address(door: Door, world: World) -> None:
    found = proof(door, ANN)
    assert door.register(**OTHER, proofs=[found]) == invalid("proofs")
    assert door.register(**ADA, proofs=[found, "unheard of"]) == invalid("proofs")
    world.clock.advance(3601)
    assert door.register(**ADA, proofs=[found]) == invalid("proofs")
    assert world.owner(ANN) is None


def test_a_code_takes_an_account_over_that_nobody_proved(door: Door, world: World) -> None:
    """The impostor's password, sessions and mobile are gone (pre-hijacking)."""
    impostor = logged_in(door)
    owner = door.enter(destination=ANN, verify_otp=code(door, ANN))
    assert door.account(owner.token)["mobile"] is None
    assert marks(world) == (True, False)
    assert door.account(impostor.token) == Refused("invalid-token")
    assert door.refresh(refresh=impostor.refresh_token) == Refused("invalid-refresh-token")
    assert door.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


def test_a_reset_takes_over_as_well(door: Door) -> None:
    impostor = logged_in(door)
    assert door.reset(email=ANN, otp=code(door, ANN), password=OTHER_PASSWORD) is None
    assert door.account(impostor.token) == Refused("invalid-token")
    assert door.account(tokens(door, password=OTHER_PASSWORD).token)["mobile"] is None


def test_register_or_log_in_takes_over_as_well_and_sets_the_name(door: Door, world: World) -> None:
    impostor = logged_in(door)
    door.send_to_register(**PERSON | {"name": "The Owner"})
    owner = door.register_or_log_in(**PERSON | {"name": "The Owner"}, verify_otp=world.code_for(ANN))
    assert (door.account(owner.token)["name"], door.account(owner.token)["mobile"]) == ("The Owner", None)
    assert door.account(impostor.token) == Refused("invalid-token")


def test_a_verification_with_ones_own_login_keeps_all_as_it_is(door: Door, world: World) -> None:
    own = logged_in(door)
    world.clock.advance(60)
    door.verify(own.token, destination=ANN, verify_otp=code(door, ANN))
    assert isinstance(door.enter(destination=ANN, verify_otp=code(door, ANN)), Tokens)
    assert isinstance(tokens(door), Tokens)
    assert marks(world) == (True, False)


def test_a_verification_without_one_clears_what_was_there_at_the_first_code_that_logs_in(door: Door, world: World) -> None:
    logged_in(door)
    proof(door, ANN)
    assert marks(world) == (True, False)
    assert isinstance(tokens(door), Tokens)
    assert isinstance(door.enter(destination=ANN, verify_otp=code(door, ANN)), Tokens)
    assert door.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


def test_somebody_elses_login_is_none(door: Door) -> None:
    door.register(**ADA)
    door.register(**OTHER)
    eve = tokens(door, "eve", OTHER_PASSWORD)
    door.verify(eve.token, destination=ANN, verify_otp=code(door, ANN))
    assert isinstance(door.enter(destination=ANN, verify_otp=code(door, ANN)), Tokens)
    assert door.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


def test_an_unproven_address_beside_a_proven_one_lets_nobody_in(door: Door, world: World) -> None:
    door.register(**ADA, proofs=[proof(door, ANN)])
    world.clock.advance(60)
    door.send(destination=MOBILE)
    sms = world.code_for(MOBILE)
    assert door.enter(destination=MOBILE, verify_otp=sms) == WRONG_CODE
    assert isinstance(door.verify(destination=MOBILE, verify_otp=sms), str)
    assert marks(world) == (True, False)
    assert isinstance(tokens(door), Tokens)


def test_another_address_begins_unproven(door: Door, world: World) -> None:
    door.register(**ADA, proofs=[proof(door, ANN)])
    own = tokens(door)
    assert door.change(own.token, email="ANN@mail.example.com")["email"] == "ANN@mail.example.com"
    assert marks(world) == (True, False)
    assert door.change(own.token, email=EVE)["email"] == EVE
    assert marks(world, EVE) == (False, False)


def test_a_change_with_a_proof_is_of_a_proven_address(door: Door, world: World) -> None:
    logged_in(door)
    found = proof(door, EVE)
    assert door.change(tokens(door).token, email=EVE, proofs=[found])["email"] == EVE
    assert marks(world, EVE) == (True, False)
