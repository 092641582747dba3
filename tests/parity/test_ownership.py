"""Whose an address is: what verifies it, what a code from it opens, and what a change keeps. The order is the contract's."""

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
    notices,
    proof,
    taken,
    tokens,
)
from tests.support.interfaces import Effects, Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World

from vestibule.application import EventType

DAY = 86_400
ANNS_MOBILE_2, ANN_2 = "7011111111", "ann.second@mail.example.com"
ELSEWHERE = "203.0.113.1"
NOT_VERIFIED = Refused("address-not-verified")


def verified_marks(world: World, address: str = ANN) -> tuple[bool, bool]:
    account = world.owner(address)
    assert account is not None
    return account.email_verified, account.mobile_verified


def log_in_from(interface: Interface, address: str) -> Tokens:
    """Logs Ann in by a code to that address of hers."""
    opened = interface.log_in_by_code(destination=address, verify_otp=code(interface, address))
    assert isinstance(opened, Tokens), opened
    return opened


def verified(interface: Interface, *addresses: str) -> Tokens:
    """Registers Ann with these addresses verified, and logs her in."""
    proofs = [proof(interface, address) for address in addresses]
    assert isinstance(interface.register(**REGISTRATION, proofs=proofs), dict)
    return tokens(interface)


# --- what verifies an address -------------------------------------------------------------------------------------------


def test_verification_with_own_session_keeps_the_account(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    world.clock.advance(60)
    interface.verify(own.token, destination=ANN, verify_otp=code(interface, ANN))
    assert isinstance(interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN)), Tokens)
    assert isinstance(tokens(interface), Tokens)
    assert verified_marks(world) == (True, False)


def test_verification_with_a_login_gives_the_account_no_address_that_it_lacks(interface: Interface, world: World) -> None:
    own = logged_in(interface).token
    before = interface.account(own)
    proof(interface, EVE, own)
    assert interface.account(own) == before
    assert world.owner(EVE) is None


def test_address_is_verified_by_a_login_by_it(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    log_in_from(interface, MOBILE)
    assert verified_marks(world, MOBILE) == (False, True)


def test_address_is_verified_by_a_reset_by_it(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    interface.reset(email=ANN, otp=code(interface, ANN), password=OTHER_PASSWORD)
    assert verified_marks(world) == (True, False)


def test_address_is_verified_by_a_registration_by_it(interface: Interface, world: World) -> None:
    interface.request_registration_code(**CODE_REGISTRATION)
    assert interface.register_or_log_in(**CODE_REGISTRATION, verify_otp=world.code_for(ANN)).created
    assert verified_marks(world) == (True, False)


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


def test_changed_address_with_proof_is_verified(interface: Interface, world: World) -> None:
    logged_in(interface)
    address_proof = proof(interface, EVE)
    assert interface.change(tokens(interface).token, email=EVE, proofs=[address_proof])["email"] == EVE
    assert verified_marks(world, EVE) == (True, False)


def test_changed_address_is_unverified(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    own = tokens(interface)
    assert interface.change(own.token, email="ANN@mail.example.com")["email"] == "ANN@mail.example.com"
    assert verified_marks(world) == (True, False)
    assert interface.change(own.token, email=EVE)["email"] == EVE
    assert verified_marks(world, EVE) == (False, False)


@pytest.mark.parametrize("username", [None, "eve"])
def test_verification_without_own_session_concerns_no_account(username: str | None, interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    interface.register(**OTHER_REGISTRATION)
    token = username and tokens(interface, username, OTHER_PASSWORD).token
    assert isinstance(interface.verify(token, destination=ANN, verify_otp=code(interface, ANN)), str)
    assert verified_marks(world) == (False, False)
    assert interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN)).cleared == ("password", "mobile")


def test_proof_is_spent_once(interface: Interface) -> None:
    address_proof = proof(interface, ANN)
    assert isinstance(interface.register(**REGISTRATION, proofs=[address_proof]), dict)
    own = tokens(interface).token
    assert isinstance(interface.change(own, email=EVE), dict)
    assert interface.change(own, email=ANN, proofs=[address_proof]) == invalid("proofs")


# --- a verified address -------------------------------------------------------------------------------------------------


def test_code_from_a_verified_address_logs_in_and_clears_nothing(interface: Interface) -> None:
    own = verified(interface, ANN)
    interface.upload(own.token, PNG)
    before = interface.account(own.token)
    assert log_in_from(interface, ANN).cleared == ()
    assert interface.account(own.token) == before
    assert isinstance(tokens(interface), Tokens)


def test_code_from_a_verified_address_resets_and_clears_nothing(interface: Interface) -> None:
    own = verified(interface, ANN)
    interface.upload(own.token, PNG)
    before = interface.account(own.token)
    assert interface.reset(email=ANN, otp=code(interface, ANN), password=OTHER_PASSWORD) == Effects()
    assert interface.account(tokens(interface, password=OTHER_PASSWORD).token) == before


# --- an account that has never had a verified address -------------------------------------------------------------------


def test_code_login_claims_unverified_account(interface: Interface, world: World) -> None:
    """The impostor's password, sessions and mobile are gone (pre-hijacking)."""
    impostor = logged_in(interface)
    owner = interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN))
    assert owner.cleared == ("password", "sessions", "mobile")
    assert interface.account(owner.token)["mobile"] is None
    assert verified_marks(world) == (True, False)
    assert interface.account(impostor.token) == Refused("invalid-token")
    assert interface.refresh(refresh=impostor.refresh_token) == Refused("invalid-refresh-token")
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


def test_reset_claims_unverified_account(interface: Interface) -> None:
    impostor = logged_in(interface)
    cleared = ("password", "sessions", "mobile")
    assert interface.reset(email=ANN, otp=code(interface, ANN), password=OTHER_PASSWORD) == Effects(cleared)
    assert interface.account(impostor.token) == Refused("invalid-token")
    assert interface.account(tokens(interface, password=OTHER_PASSWORD).token)["mobile"] is None


def test_register_or_log_in_claims_unverified_account_and_sets_the_name(interface: Interface, world: World) -> None:
    impostor = logged_in(interface)
    interface.request_registration_code(**CODE_REGISTRATION | {"name": "The Owner"})
    owner = interface.register_or_log_in(**CODE_REGISTRATION | {"name": "The Owner"}, verify_otp=world.code_for(ANN))
    account = interface.account(owner.token)
    assert (account["name"], account["mobile"], account["mobile_verified"]) == ("The Owner", MOBILE, False)
    assert owner.cleared == ("password", "sessions")
    assert interface.account(impostor.token) == Refused("invalid-token")


def test_code_from_the_mobile_of_an_unverified_account_clears_the_email_and_the_image(interface: Interface) -> None:
    interface.upload(logged_in(interface).token, PNG)
    owner = log_in_from(interface, MOBILE)
    assert owner.cleared == ("password", "sessions", "email", "image")
    account = interface.account(owner.token)
    assert (account["email"], account["mobile"], account["profile_image"]) == (None, MOBILE, False)


@pytest.mark.parametrize("call", ["log_in_by_code", "register_or_log_in", "reset"])
def test_code_with_own_session_clears_nothing(call: str, interface: Interface, world: World) -> None:
    own = logged_in(interface)
    if call == "register_or_log_in":
        interface.request_registration_code(**CODE_REGISTRATION)
        opened = interface.register_or_log_in(own.token, **CODE_REGISTRATION, verify_otp=world.code_for(ANN))
    elif call == "reset":
        opened = interface.reset(own.token, email=ANN, otp=code(interface, ANN), password=OTHER_PASSWORD)
    else:
        opened = interface.log_in_by_code(own.token, destination=ANN, verify_otp=code(interface, ANN))
    assert opened.cleared == ()
    account = interface.account(tokens(interface, password=OTHER_PASSWORD if call == "reset" else PASSWORD).token)
    assert (account["mobile"], account["email_verified"]) == (MOBILE, True)


def test_dropped_address_and_the_one_that_stayed_get_a_notice(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    log_in_from(interface, ANN)
    assert (notices(world, ANN), notices(world, MOBILE)) == (["account_claimed"], ["address_dropped"])


def test_networks_known_before_the_account_was_claimed_are_forgotten(interface: Interface, world: World) -> None:
    logged_in(interface)
    impostors, interface.address = interface.address, ELSEWHERE
    log_in_from(interface, ANN)
    interface.address = impostors
    world.clock.advance(60)
    assert isinstance(interface.send(destination=ANN), str)
    interface.address = "203.0.113.2"
    assert interface.send(destination=ANN) == Refused("rate-limited", retry_after=60), "both are strangers' networks"


# --- an unverified address of an account that has, or had, a verified one -----------------------------------------------


def test_unverified_address_of_account_with_verified_one_opens_nothing(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, MOBILE)])
    for answer in (
        interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN)),
        interface.reset(email=ANN, otp=code(interface, ANN), password=OTHER_PASSWORD),
    ):
        assert answer == Refused("address-not-verified")
        assert verified_marks(world) == (False, True)
        assert isinstance(tokens(interface), Tokens)
    assert isinstance(interface.change(tokens(interface).token, email=ANN, proofs=[answer.proof]), dict)
    assert verified_marks(world) == (True, True)


def test_unverified_address_of_an_account_that_had_a_verified_one_opens_nothing(interface: Interface, world: World) -> None:
    own = verified(interface, ANN)
    interface.change(own.token, email=EVE)
    before = interface.account(own.token)
    for answer in (
        interface.log_in_by_code(destination=EVE, verify_otp=code(interface, EVE)),
        interface.reset(email=EVE, otp=code(interface, EVE), password=OTHER_PASSWORD),
    ):
        assert answer == NOT_VERIFIED
        assert isinstance(answer.proof, str)
    assert interface.account(tokens(interface).token) == before
    assert verified_marks(world, EVE) == (False, False)


# --- an unverified address holds nothing --------------------------------------------------------------------------------


def test_proof_takes_an_unverified_address_from_another_account(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, MOBILE)])
    assert interface.is_unique(prop="email", value=ANN) is False
    assert interface.register(**OTHER_REGISTRATION | {"email": ANN}) == taken("email")
    assert isinstance(interface.register(**OTHER_REGISTRATION | {"email": ANN}, proofs=[proof(interface, ANN)]), dict)
    assert interface.account(tokens(interface).token)["email"] is None
    owner = world.owner(ANN)
    assert owner is not None
    assert owner.username.text == "eve"


def test_change_with_a_proof_takes_an_unverified_address_from_another_account(interface: Interface) -> None:
    interface.register(**OTHER_REGISTRATION)
    own = logged_in(interface).token
    address_proof = proof(interface, EVE)
    assert interface.change(own, email=EVE) == taken("email")
    assert interface.change(own, email=EVE, proofs=[address_proof])["email"] == EVE
    assert interface.account(tokens(interface, "eve", OTHER_PASSWORD).token)["email"] is None


def test_code_of_a_registration_takes_an_unverified_address_from_another_account(interface: Interface, world: World) -> None:
    verified(interface, MOBILE)
    fields = {"name": "The Owner", "email": ANN, "mobile": EVES_MOBILE}
    world.clock.advance(60)
    interface.request_registration_code(**fields)
    owner = interface.register_or_log_in(**fields, verify_otp=world.code_for(ANN))
    assert owner.created
    assert interface.account(owner.token)["email"] == ANN
    assert interface.account(tokens(interface).token)["email"] is None


def test_address_that_leaves_an_account_is_in_its_audit_log_with_a_notice_to_its_verified_address(
    interface: Interface, world: World
) -> None:
    verified(interface, MOBILE)
    assert isinstance(interface.register(**OTHER_REGISTRATION | {"email": ANN}, proofs=[proof(interface, ANN)]), dict)
    assert [event.account_id for event in world.events(EventType.ADDRESS_RELEASED)] == [1]
    assert notices(world, MOBILE) == ["address_released"]
    assert notices(world, ANN) == []


def test_refused_registration_takes_no_address_from_another_account(interface: Interface, world: World) -> None:
    verified(interface, MOBILE)
    proofs = [proof(interface, ANN)]
    assert interface.register(**OTHER_REGISTRATION | {"email": ANN, "username": "ann"}, proofs=proofs) == taken("username")
    assert interface.account(tokens(interface).token)["email"] == ANN
    assert world.events(EventType.ADDRESS_RELEASED) == []


def test_unverified_address_is_taken_without_a_proof(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    assert interface.is_unique(prop="email", value=ANN) is interface.is_unique(prop="mobile", value=MOBILE) is False
    assert interface.register(**OTHER_REGISTRATION | {"email": ANN, "mobile": MOBILE}) == taken("email", "mobile")


def test_operator_frees_an_unverified_address_and_sets_a_verified_one(interface: Interface, world: World) -> None:
    own = logged_in(interface).token
    world.release_address(address=ANN)
    assert interface.account(own)["email"] is None
    assert interface.is_unique(prop="email", value=ANN) is True
    world.set_address(identifier="ann", address=EVE)
    assert (interface.account(own)["email"], interface.account(own)["email_verified"]) == (EVE, True)


# --- a verified address is not lost by a change -------------------------------------------------------------------------


def recovers(interface: Interface, address: str = ANN) -> bool:
    """Returns whether a right code from the address undoes a change."""
    opened = interface.log_in_by_code(destination=address, verify_otp=code(interface, address, is_login=True))
    return isinstance(opened, Tokens) and opened.recovered


@pytest.mark.parametrize("days", [30, 400])
def test_replaced_address_recovers_the_account_until_the_new_one_is_verified(
    days: int, interface: Interface, world: World
) -> None:
    interface.change(verified(interface, ANN).token, email=EVE)
    world.clock.advance(days=days)
    assert recovers(interface)


@pytest.mark.parametrize(("seconds", "is_kept"), [(7 * DAY - 120, True), (7 * DAY, False)])
def test_replaced_address_recovers_the_account_for_seven_days_after_the_new_one_is_verified(
    seconds: int, is_kept: bool, interface: Interface, world: World
) -> None:
    own = verified(interface, ANN)
    interface.change(own.token, email=EVE)
    proof(interface, EVE, own.token)
    world.clock.advance(seconds)
    assert interface.is_unique(prop="email", value=ANN) is not is_kept
    if is_kept:
        assert recovers(interface)
    else:
        interface.send(destination=ANN, is_login=True)
        assert world.codes_at(ANN)[1:] == [], "the one that proved the address was the last"


@pytest.mark.parametrize(("seconds", "is_kept"), [(7 * DAY - 120, True), (7 * DAY, False)])
def test_removed_address_recovers_the_account_for_seven_days(
    seconds: int, is_kept: bool, interface: Interface, world: World
) -> None:
    interface.change(verified(interface, ANN, MOBILE).token, mobile=None)
    world.clock.advance(seconds)
    assert interface.is_unique(prop="mobile", value=MOBILE) is not is_kept
    if is_kept:
        assert recovers(interface, MOBILE)


def test_days_of_recovery_are_a_setting_and_0_turns_it_off(open_interface: Open) -> None:
    interface = open_interface(recovery_days=0)
    interface.change(verified(interface, ANN).token, email=EVE)
    assert interface.is_unique(prop="email", value=ANN) is True
    assert interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN)) == WRONG_CODE


def test_there_is_one_recovery_address_of_each_kind_the_last_that_was_verified(interface: Interface) -> None:
    own = verified(interface, ANN, MOBILE)
    interface.change(own.token, mobile=ANNS_MOBILE_2)
    interface.change(own.token, email=EVE)
    proof(interface, EVE, own.token)
    interface.change(own.token, email=ANN_2)
    assert interface.is_unique(prop="email", value=ANN) is True
    assert interface.is_unique(prop="email", value=EVE) is interface.is_unique(prop="mobile", value=MOBILE) is False
    assert recovers(interface, EVE)


def test_recovery_address_is_taken_for_everybody_else(interface: Interface) -> None:
    interface.change(verified(interface, ANN).token, email=ANN_2)
    proofs = [proof(interface, ANN)]
    assert interface.register(**OTHER_REGISTRATION | {"email": ANN}, proofs=proofs) == taken("email")
    interface.register(**OTHER_REGISTRATION)
    assert interface.change(tokens(interface, "eve", OTHER_PASSWORD).token, email=ANN, proofs=proofs) == taken("email")


def test_account_may_change_back_to_its_recovery_address_at_once_verified(interface: Interface) -> None:
    own = verified(interface, ANN).token
    interface.change(own, email=EVE)
    account = interface.change(own, email=ANN)
    assert (account["email"], account["email_verified"]) == (ANN, True)
    assert interface.is_unique(prop="email", value=EVE) is True


def test_code_from_the_recovery_address_undoes_the_change(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    attacker = tokens(interface)
    assert interface.change(attacker.token, email=EVE)["email"] == EVE
    owner = interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN))
    assert (owner.recovered, owner.cleared) == (True, ("password", "sessions"))
    assert interface.account(owner.token)["email"] == ANN
    assert verified_marks(world) == (True, False)
    assert interface.account(attacker.token) == Refused("invalid-token")
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")


def test_reset_from_the_recovery_address_sets_the_password(interface: Interface) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    interface.change(tokens(interface).token, email=EVE)
    sent = code(interface, ANN)
    assert interface.reset(email=ANN, otp=sent, password=OTHER_PASSWORD) == Effects(("sessions",), recovered=True)
    assert interface.account(tokens(interface, password=OTHER_PASSWORD).token)["email"] == ANN


def test_recovery_puts_every_other_address_back_as_it_was_before_the_change(interface: Interface, world: World) -> None:
    own = verified(interface, ANN, MOBILE).token
    interface.change(own, email=EVE)
    interface.change(own, mobile=EVES_MOBILE)
    proof(interface, EVES_MOBILE, own)
    interface.change(own, mobile=ANNS_MOBILE_2)
    proof(interface, EVE, own)
    owner = log_in_from(interface, ANN)
    assert owner.recovered
    account = interface.account(owner.token)
    assert (account["email"], account["mobile"], *verified_marks(world)) == (ANN, MOBILE, True, True)
    for prop, address in (("email", EVE), ("mobile", EVES_MOBILE), ("mobile", ANNS_MOBILE_2)):
        assert interface.is_unique(prop=prop, value=address) is True, "a later address is no recovery address"


def test_address_that_was_added_since_the_change_is_gone(interface: Interface) -> None:
    interface.register(**REGISTRATION | {"mobile": None}, proofs=[proof(interface, ANN)])
    own = tokens(interface).token
    interface.change(own, email=EVE)
    interface.change(own, mobile=EVES_MOBILE)
    proof(interface, EVES_MOBILE, own)
    assert interface.account(log_in_from(interface, ANN).token)["mobile"] is None
    assert interface.is_unique(prop="mobile", value=EVES_MOBILE) is True


def test_recovery_forgets_known_networks(interface: Interface, world: World) -> None:
    thiefs = interface.address
    interface.change(verified(interface, ANN).token, email=EVE)
    interface.address = ELSEWHERE
    log_in_from(interface, ANN)
    world.clock.advance(60)
    for address, answer in ((thiefs, str), ("203.0.113.2", Refused), (ELSEWHERE, str)):
        interface.address = address
        assert isinstance(interface.send(destination=ANN), answer), "the thief's network is a stranger's, the owner's known"


def test_both_addresses_get_a_notice_of_the_change_the_old_one_with_the_days_that_it_helps(
    interface: Interface, world: World
) -> None:
    interface.change(verified(interface, ANN).token, email=EVE)
    assert (notices(world, ANN), notices(world, EVE)) == (["email_changed"], ["email_changed"])
    old, new = (world.messages_to(address)[-1].values.get("recovery_days") for address in (ANN, EVE))
    assert (old, new) == ("7", None)


def test_last_verified_address_can_be_replaced_and_not_removed(interface: Interface) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, MOBILE)])
    own = tokens(interface).token
    assert interface.change(own, mobile=None) == invalid("mobile")
    assert interface.change(own, mobile="7011111111")["mobile"] == "7011111111"


@pytest.mark.parametrize("address", [ANN, ANN_2], ids=["recovery", "unverified"])
def test_inactive_account_is_opened_by_nothing(address: str, interface: Interface, world: World) -> None:
    interface.change(verified(interface, ANN, MOBILE).token, email=ANN_2)
    world.set_active(identifier="ann", active=False)
    for opened in (address, MOBILE):
        assert interface.log_in_by_code(destination=opened, verify_otp=code(interface, opened)) == WRONG_CODE
    assert interface.reset(email=address, otp=code(interface, address), password=OTHER_PASSWORD) == WRONG_CODE
    assert interface.log_in(username="ann", password=PASSWORD) == Refused("invalid-credentials")
