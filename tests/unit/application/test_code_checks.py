from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, World, concurrently, outcome, wrong

from vestibule.application import InvalidCode, InvalidInput, IssuedProof, RequestedCode, TokenSet
from vestibule.domain.events import EventType

ANN = "ann@mail.example.com"
EVE = "eve@mail.example.com"
MOBILE = "9999999999"
ELSEWHERE = replace(CALLER, ip_address="203.0.113.9")


def verify(world: World, destination: str, code: str, **more: Any) -> Any:
    return outcome(lambda: world.verify_code(destination=destination, verify_otp=code, **more))


def log_in(world: World, destination: str, code: str, **more: Any) -> Any:
    return outcome(lambda: world.log_in_by_code(destination=destination, verify_otp=code, **more))


def request(world: World, destination: str, **more: Any) -> Any:
    return outcome(lambda: world.request_code(destination=destination, **more))


# --- lifetime and attempts --------------------------------------------------------------------------------------------


def test_code_has_six_digits_and_its_message_repeats_the_reference() -> None:
    world = World()

    sent = world.request_code(destination=ANN)

    [outgoing] = world.messages_to(ANN)
    assert outgoing.values["reference"] == sent.reference
    assert len(outgoing.values["code"]) == 6
    assert outgoing.values["code"].isdigit()
    assert outgoing.values["minutes"] == "5"


def test_code_length_is_configurable() -> None:
    world = World(otp_length=10)

    assert isinstance(verify(world, ANN, world.send(ANN)), IssuedProof)
    assert len(world.code_for(ANN)) == 10


@pytest.mark.parametrize(("after", "right"), [(299, True), (300, False)])
def test_code_expires_after_five_minutes(after: int, right: bool) -> None:
    world = World()
    code = world.send(ANN)

    world.clock.advance(after)

    assert isinstance(verify(world, ANN, code), IssuedProof) is right


def test_used_code_is_refused() -> None:
    world = World()
    code = world.send(ANN)

    assert isinstance(verify(world, ANN, code), IssuedProof)
    assert isinstance(verify(world, ANN, code), InvalidCode)
    assert isinstance(log_in(world, ANN, code), InvalidCode)


@pytest.mark.parametrize(("misses", "right"), [(4, True), (5, False)])
def test_code_is_refused_after_five_failed_attempts(misses: int, right: bool) -> None:
    world = World()
    code = world.send(ANN)

    for _ in range(misses):
        assert isinstance(verify(world, ANN, wrong(code)), InvalidCode)

    assert isinstance(verify(world, ANN, code), IssuedProof) is right


def test_newer_code_replaces_an_older_one() -> None:
    world = World()
    older = world.send(ANN)
    world.clock.advance(60)
    newer = world.send(ANN)

    assert isinstance(verify(world, ANN, older), InvalidCode)
    assert isinstance(verify(world, ANN, newer), IssuedProof)


def test_newer_code_has_five_attempts_of_its_own() -> None:
    world = World()
    for _ in range(5):
        verify(world, ANN, wrong(world.send(ANN) if not world.messages_to(ANN) else world.code_for(ANN)))
    world.clock.advance(60)

    assert isinstance(verify(world, ANN, world.send(ANN)), IssuedProof)


def test_code_is_refused_for_another_purpose() -> None:
    world = World()
    pair: dict[str, Any] = {"name": "Ann", "email": ANN, "mobile": MOBILE}
    world.request_registration_code(**pair)
    code = world.code_for(ANN)
    assert isinstance(verify(world, ANN, code), InvalidCode)
    assert isinstance(log_in(world, ANN, code), InvalidCode)

    world.clock.advance(60)
    other = world.send(ANN)
    assert isinstance(outcome(lambda: world.register_or_log_in(**pair, verify_otp=other)), InvalidCode)
    assert isinstance(outcome(lambda: world.register_or_log_in(**pair, verify_otp=code)), TokenSet)


def test_code_is_trimmed_and_must_be_ascii_digits() -> None:
    world = World()
    code = world.send(ANN)

    assert isinstance(verify(world, ANN, code.translate({48 + n: 0x0660 + n for n in range(10)})), InvalidCode)
    assert isinstance(verify(world, ANN, f" {code}\n"), IssuedProof)


def test_every_failed_verification_is_the_same_refusal() -> None:
    world = World()
    never_sent = verify(world, EVE, "123456")
    code = world.send(ANN)
    missed = verify(world, ANN, wrong(code))
    for _ in range(4):
        verify(world, ANN, wrong(code))
    exhausted = verify(world, ANN, code)
    world.clock.advance(300)
    expired = verify(world, ANN, code)

    seen = {(type(refusal), refusal.detail) for refusal in (never_sent, missed, exhausted, expired)}

    assert seen == {(InvalidCode, InvalidCode.title)}


def test_missing_and_invalid_fields_are_named_and_count_no_attempt() -> None:
    world = World()
    for call in (world.verify_code, world.log_in_by_code):
        with pytest.raises(InvalidInput) as caught:
            call(destination="nobody@", verify_otp=" ")
        assert {*caught.value.errors} == {"destination", "verify_otp"}
    assert world.events() == []


def test_request_names_every_invalid_field() -> None:
    world = World()

    with pytest.raises(InvalidInput) as caught:
        world.request_code(destination="12", email="nobody", is_login="yes")  # type: ignore[arg-type]  # Python callers may be wrong

    assert {*caught.value.errors} == {"destination", "email", "is_login"}
    assert world.messages == ()


@pytest.mark.parametrize("nothing", [None, ""])
def test_optional_fields_may_be_none_or_empty(nothing: Any) -> None:
    assert isinstance(request(World(), MOBILE, email=nothing, is_login=None), RequestedCode)


def test_one_of_two_concurrent_uses_of_a_code_succeeds() -> None:
    world = World()
    world.create_account("ann")
    code = world.send(ANN)

    answers = concurrently([lambda: world.log_in_by_code(destination=ANN, verify_otp=code) for _ in range(8)])

    assert [type(answer) for answer in answers].count(TokenSet) == 1
    assert [type(answer) for answer in answers].count(InvalidCode) == 7


def test_at_most_five_of_20_concurrent_wrong_codes_are_compared() -> None:
    world = World()
    code = world.send(ANN)

    answers = concurrently([lambda: world.verify_code(destination=ANN, verify_otp=wrong(code)) for _ in range(20)])

    assert {type(answer) for answer in answers} == {InvalidCode}
    [key] = wrong_code_keys(world, ANN)
    assert len(world.database.rate_limits.get([key])[0].timestamps) == 5
    assert isinstance(verify(world, ANN, code), InvalidCode)


def wrong_code_keys(world: World, *destinations: str) -> list[str]:
    addresses = [world.address(destination) for destination in destinations]
    return [f"wrong-codes:{world.codes.keyed_digest(f'{address.kind}:{address.canonical}')}" for address in addresses]


# --- effects of a verification on accounts ----------------------------------------------------------------------------


def test_code_login_keeps_an_owner_verified_account() -> None:
    world = World()
    account = world.create_account("ann", proofs=(world.verify_address(ANN),))
    tokens = world.log_in(username="ann", password=PASSWORD)

    again = world.log_in_with_code(ANN)

    assert world.now(account) == account
    assert again.session != tokens.session
    assert world.is_signed_in(again)
    assert world.events(EventType.ACCOUNT_CLAIMED) == []


def test_code_login_to_an_unverified_account_clears_its_earlier_state() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    impostor = world.log_in(username="ann", password=PASSWORD)

    tokens = world.log_in_with_code(ANN)

    after = world.now(account)
    assert (after.password_hash, after.mobile) == (None, None)
    assert (after.email_verified, after.owner_verified) == (True, True)
    assert not world.is_signed_in(impostor)
    assert not world.can_log_in("ann")
    assert world.identity(tokens).account == after
    assert [event.account_id for event in world.events(EventType.ACCOUNT_CLAIMED)] == [account.id]


def test_claiming_an_account_revokes_its_open_codes() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    code = world.send(MOBILE)
    world.clock.advance(61)
    world.log_in_with_code(ANN)

    assert isinstance(verify(world, MOBILE, code), InvalidCode)


def test_second_code_login_clears_nothing() -> None:
    world = World()
    world.create_account("ann")
    first = world.log_in_with_code(ANN)

    world.log_in_with_code(ANN)

    assert world.is_signed_in(world.refresh(refresh=first.refresh_token))


def test_verification_by_a_session_clears_nothing() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    tokens = world.log_in(username="ann", password=PASSWORD)

    world.verify_address(ANN, world.identity(tokens))

    assert world.now(account) == replace(account, email_verified=True, owner_verified=True)
    world.log_in_with_code(ANN)
    assert world.is_signed_in(world.refresh(refresh=tokens.refresh_token))
    assert world.can_log_in("ann")
    [event] = world.events(EventType.ADDRESS_VERIFIED)
    assert (event.account_id, event.detail) == (account.id, "email")


def test_account_verified_without_a_session_is_cleared_at_the_first_code_login() -> None:
    world = World()
    account = world.create_account("ann")
    impostor = world.log_in(username="ann", password=PASSWORD)
    world.verify_address(ANN)
    assert world.now(account) == replace(account, email_verified=True)
    assert world.is_signed_in(world.refresh(refresh=impostor.refresh_token))
    assert world.can_log_in("ann")

    world.log_in_with_code(ANN)

    assert not world.can_log_in("ann")
    assert not world.is_signed_in(impostor)


def test_password_changed_after_a_verification_by_another_caller_is_cleared_too() -> None:
    world = World()
    world.create_account("ann")
    impostor = world.log_in(username="ann", password=PASSWORD)
    world.verify_address(ANN)
    world.change_account(identity=world.identity(world.refresh(refresh=impostor.refresh_token)), password=OTHER_PASSWORD)

    world.log_in_with_code(ANN)

    assert not world.can_log_in("ann", OTHER_PASSWORD)


def test_verification_with_session_of_another_account_equals_one_without_session() -> None:
    world = World()
    account = world.create_account("ann")
    world.create_account("eve")

    world.verify_address(ANN, world.log_in_as("eve"))

    assert world.now(account) == replace(account, email_verified=True, owner_verified=False)


def test_verification_with_revoked_session_equals_one_without_session() -> None:
    world = World()
    account = world.create_account("ann")
    identity = world.log_in_as("ann")
    with world.database.begin() as tx:
        tx.sessions.revoke_all(account.id, world.clock())

    world.verify_address(ANN, identity)

    assert not world.now(account).owner_verified


def test_unverified_address_next_to_a_verified_one_cannot_log_in() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    world.clock.advance(61)

    assert isinstance(log_in(world, ANN, world.send(ANN)), InvalidCode)
    assert world.now(account) == account


def test_verification_without_a_session_next_to_a_verified_address_changes_no_account() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))

    assert world.verify_address(ANN)

    assert world.now(account) == account
    world.clock.advance(61)
    assert isinstance(log_in(world, ANN, world.send(ANN)), InvalidCode)


def test_session_verifies_a_second_address() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))

    world.verify_address(ANN, world.log_in_as("ann"))

    assert world.now(account) == replace(account, email_verified=True)
    assert world.is_signed_in(world.log_in_with_code(ANN))


def test_right_code_that_cannot_log_in_counts_as_a_failed_attempt() -> None:
    world = World()
    code = world.send(ANN)

    for _ in range(5):
        assert isinstance(log_in(world, ANN, code), InvalidCode)

    assert isinstance(verify(world, ANN, code), InvalidCode)
    assert len(world.events(EventType.CODE_REFUSED)) == 6


def test_code_login_to_an_inactive_account_is_refused() -> None:
    world = World()
    account = world.alter(world.create_account("ann"), is_active=False)

    assert isinstance(log_in(world, ANN, world.send(ANN)), InvalidCode)
    assert world.now(account) == account


def test_code_events_are_recorded() -> None:
    world = World()
    world.create_account("ann")
    world.request_code(destination=ANN, caller=CALLER)
    log_in(world, ANN, wrong(world.code_for(ANN)), caller=CALLER)
    log_in(world, ANN, world.code_for(ANN), caller=CALLER)

    happened = [event.type for event in world.events() if event.caller == CALLER]

    assert happened == [
        EventType.CODE_SENT,
        EventType.CODE_REFUSED,
        EventType.ACCOUNT_CLAIMED,
        EventType.ADDRESS_VERIFIED,
        EventType.LOGGED_IN,
    ]
    assert world.events(EventType.LOGGED_IN)[0].detail == "code:email"


def test_last_code_of_an_email_over_its_limit_stays_valid() -> None:
    world = World(otp_cooldown=1)
    account = world.create_account("bertha", email="bertha@mail.example.com", mobile="7777777777")
    assert account.email is not None
    world.send("bertha@mail.example.com")
    for _ in range(4):
        world.clock.advance(2)
        world.request_code(destination="7777777777")
    last = world.code_for("bertha@mail.example.com")
    world.clock.advance(2)
    world.request_code(destination="7777777777")
    assert world.code_for("bertha@mail.example.com") == last, "five an hour: the sixth request sends no code"

    assert world.verify_code(destination="bertha@mail.example.com", verify_otp=last).proof
