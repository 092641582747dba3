from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import CALLER, PASSWORD, World, concurrently, outcome, wrong

from vestibule.application import AccountMismatch, InvalidCode, InvalidInput, RateLimited, TokenSet, Username
from vestibule.domain.events import EventType

ANN = "ann@mail.example.com"
MOBILE = "9999999999"
FIELDS: dict[str, Any] = {"name": "Ann Newly", "email": ANN, "mobile": MOBILE}


def register_or_log_in(world: World, code: str, **fields: Any) -> Any:
    return outcome(lambda: world.register_or_log_in(**FIELDS | fields, verify_otp=code))


def request_code(world: World, **fields: Any) -> None:
    world.clock.advance(61)
    world.request_registration_code(**FIELDS | fields)


def test_each_address_gets_its_own_code_under_one_reference() -> None:
    world = World()

    sent = world.request_registration_code(**FIELDS)

    outgoing_messages = [*world.messages_to(ANN), *world.messages_to(MOBILE)]
    assert [outgoing.values["reference"] for outgoing in outgoing_messages] == [sent.reference] * 2
    assert world.code_for(ANN) != world.code_for(MOBILE)


def test_every_invalid_field_is_named() -> None:
    world = World()
    bad: dict[str, Any] = {"name": "a\u2028b", "email": "nobody", "mobile": "12"}

    calls: list[tuple[Any, dict[str, str]]] = [
        (world.request_registration_code, {}),
        (world.register_or_log_in, {"verify_otp": ""}),
    ]
    for call, more in calls:
        with pytest.raises(InvalidInput) as caught:
            call(**bad, **more)
        assert {"name", "email", "mobile"} <= {*caught.value.errors}
    assert "verify_otp" in caught.value.errors
    assert world.events() == []


@pytest.mark.parametrize("verified", [ANN, MOBILE])
def test_new_account_has_only_the_address_of_the_code_verified(verified: str) -> None:
    world = World()
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(verified))

    account = world.identity(tokens).account
    assert (tokens.created, tokens.cleared, tokens.recovered) == (True, (), False)
    assert (account.username.text, account.name, account.password_hash) == (MOBILE, "Ann Newly", None)
    assert [address.text for address in account.addresses] == [ANN, MOBILE]
    assert (account.email_verified, account.mobile_verified, account.ever_verified) == (
        verified == ANN,
        verified == MOBILE,
        True,
    )
    assert [event.type for event in world.events()] == [
        EventType.CODE_SENT,
        EventType.CODE_ACCEPTED,
        EventType.REGISTERED,
        EventType.ADDRESS_VERIFIED,
        EventType.LOGGED_IN,
    ]


def test_new_account_has_no_password_until_a_reset() -> None:
    world = World()
    request_code(world)
    register_or_log_in(world, world.code_for(ANN))
    assert not world.can_log_in(MOBILE)

    world.clock.advance(60)
    world.reset_password(email=ANN, otp=world.send(ANN), password=PASSWORD)

    assert world.can_log_in(MOBILE)
    assert world.can_log_in(ANN)


def test_code_of_the_new_accounts_unverified_address_does_not_log_in() -> None:
    """The email stands unverified on the account of the mobile, so its code counts as that of a free one."""
    world = World()
    request_code(world)
    other = world.code_for(ANN)
    register_or_log_in(world, world.code_for(MOBILE))

    assert isinstance(register_or_log_in(world, other), AccountMismatch)
    assert len(world.events(EventType.REGISTERED)) == 1


def test_either_verified_address_of_one_account_logs_in() -> None:
    world = World()
    proofs = (world.verify_address(ANN), world.verify_address(MOBILE))
    account = world.create_account("ann", mobile=MOBILE, proofs=proofs)

    for address in (ANN, MOBILE):
        request_code(world)
        assert world.identity(register_or_log_in(world, world.code_for(address))).account == account


def test_account_that_never_had_a_verified_address_is_claimed_with_the_given_name_and_other_address() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    impostor = world.log_in(username="ann", password=PASSWORD)
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(ANN))

    expected = replace(account, name="Ann Newly", password_hash=None, email_verified=True, ever_verified=True)
    assert world.identity(tokens).account == expected
    assert (tokens.created, tokens.cleared) == (False, ("password", "sessions"))
    assert not world.is_signed_in(impostor)


def test_claimed_account_gets_the_given_address_in_place_of_its_makers() -> None:
    world = World()
    world.create_account("ann", mobile="8888888888")
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(ANN))

    claimed = world.identity(tokens).account
    assert [address.text for address in claimed.addresses] == [ANN, MOBILE]
    assert not claimed.mobile_verified
    assert tokens.cleared == ("password", "mobile")


def test_address_that_another_account_has_is_left_out_of_a_claimed_account() -> None:
    world = World()
    world.create_account("ann")
    bob = world.create_account("bob", mobile=MOBILE)
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(ANN))

    assert [address.text for address in world.identity(tokens).account.addresses] == [ANN]
    assert world.now(bob) == bob


def test_account_with_a_verified_address_keeps_its_name() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN),))
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(ANN))

    assert world.now(account) == account
    assert (tokens.created, tokens.cleared) == (False, ())


def test_address_unverified_next_to_a_verified_one_goes_to_the_account_of_its_code() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(ANN),))
    later = {"email": "new@mail.example.com"}
    request_code(world, **later)

    tokens = register_or_log_in(world, world.code_for(MOBILE), **later)

    new = world.identity(tokens).account
    assert [address.text for address in new.addresses] == ["new@mail.example.com", MOBILE]
    assert (tokens.created, new.mobile_verified) == (True, True)
    assert world.now(account) == replace(account, mobile=None)
    [event] = world.events(EventType.ADDRESS_RELEASED)
    assert (event.account_id, event.detail) == (account.id, "mobile")
    assert "address_released" in [message.values.get("what") for message in world.messages_to(ANN)]


def test_username_that_is_the_mobile_goes_with_it_to_its_next_owner() -> None:
    world = World()
    request_code(world)
    first = world.identity(register_or_log_in(world, world.code_for(ANN))).account
    assert first.username.text == MOBILE
    later = {"email": "new@mail.example.com"}
    request_code(world, **later)

    tokens = register_or_log_in(world, world.code_for(MOBILE), **later)

    assert world.identity(tokens).account.username.text == MOBILE
    assert (world.now(first).username.text, world.now(first).mobile) == (f"user-{first.id}", None)


def test_address_that_is_another_accounts_username_creates_no_account() -> None:
    """One space of names: a login with the address would otherwise find another account than before."""
    world = World()
    account = world.create_account("bob")
    for name, address in ((ANN, ANN), (MOBILE, MOBILE)):
        account = world.alter(account, username=Username(name, name))
        request_code(world)

        assert isinstance(register_or_log_in(world, world.code_for(address)), AccountMismatch)

        assert world.log_in_as(name).account.id == account.id


def test_other_address_that_is_another_accounts_username_is_left_out() -> None:
    world = World()
    world.alter(world.create_account("bob"), username=Username(ANN, ANN))
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(MOBILE))

    assert [address.text for address in world.identity(tokens).account.addresses] == [MOBILE]


def test_account_without_a_mobile_gets_a_username_of_its_own() -> None:
    world = World()
    world.create_account("bob", mobile=MOBILE)
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(ANN))

    account = world.identity(tokens).account
    assert (account.username.text, account.mobile) == (f"user-{account.id}", None)
    assert world.now(account) == account


@pytest.mark.parametrize(
    ("setting", "verified"), [("email_validation", MOBILE), ("mobile_validation", ANN)], ids=["email", "mobile"]
)
def test_with_validation_on_only_addresses_whose_code_came_back_are_stored(setting: str, verified: str) -> None:
    world = World(**{setting: True})
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(verified))

    assert [address.text for address in world.identity(tokens).account.addresses] == [verified]


def test_recovery_address_is_its_accounts_and_a_mismatch() -> None:
    world = World()
    account = world.create_account("ann", proofs=(world.verify_address(ANN),))
    world.change_account(identity=world.log_in_as("ann"), email="new@mail.example.com")
    before = world.now(account)
    for address in (ANN, MOBILE):
        request_code(world)
        assert isinstance(register_or_log_in(world, world.code_for(address)), AccountMismatch)

    assert world.now(account) == before


def test_inactive_account_cannot_log_in() -> None:
    world = World()
    proofs = (world.verify_address(ANN), world.verify_address(MOBILE))
    account = world.alter(world.create_account("ann", mobile=MOBILE, proofs=proofs), is_active=False)
    request_code(world)

    assert isinstance(register_or_log_in(world, world.code_for(ANN)), InvalidCode)
    assert world.now(account) == account


def test_unverified_address_of_an_inactive_account_goes_to_the_account_of_its_code() -> None:
    world = World()
    account = world.alter(world.create_account("ann"), is_active=False)
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(ANN))

    assert tokens.created
    assert world.now(account) == replace(account, email=None)


@pytest.mark.parametrize("verified", [ANN, MOBILE])
def test_account_with_one_of_the_addresses_is_logged_in_to_by_it(verified: str) -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    world.log_in_with_code(verified)
    before = world.now(account)
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(verified))

    assert world.identity(tokens).account == before


def test_verified_account_with_another_address_of_the_other_kind_is_a_mismatch() -> None:
    world = World()
    account = world.create_account("ann", mobile="8888888888", proofs=(world.verify_address(ANN),))
    request_code(world)

    assert isinstance(register_or_log_in(world, world.code_for(ANN)), AccountMismatch)
    assert world.now(account) == account


def test_free_address_next_to_a_verified_one_of_an_account_is_a_mismatch() -> None:
    world = World()
    world.create_account("ann", proofs=(world.verify_address(ANN),))
    request_code(world)

    assert isinstance(register_or_log_in(world, world.code_for(MOBILE)), AccountMismatch)


@pytest.mark.parametrize("verified", [ANN, MOBILE])
def test_mismatch_is_revealed_after_a_right_code_only_and_without_data(verified: str) -> None:
    world = World()
    world.create_account("ann", proofs=(world.verify_address(ANN),))
    world.create_account("bob", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    request_code(world)
    code = world.code_for(verified)
    assert isinstance(register_or_log_in(world, wrong(code)), InvalidCode)

    refusal = register_or_log_in(world, code)

    assert isinstance(refusal, AccountMismatch)
    assert not any(word in refusal.detail for word in ("ann", "bob", ANN, MOBILE))
    assert isinstance(register_or_log_in(world, code), InvalidCode)
    assert world.events(EventType.LOGGED_IN) == world.events(EventType.ACCOUNT_CLAIMED) == []


def test_code_clears_nothing_with_the_accounts_own_login() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE)
    identity = world.log_in_as("ann")
    request_code(world)

    tokens = register_or_log_in(world, world.code_for(ANN), identity=identity)

    assert tokens.cleared == ()
    assert world.now(account) == replace(account, email_verified=True, ever_verified=True)


def test_failed_attempts_count_for_both_codes() -> None:
    world = World()
    request_code(world)
    codes = {world.code_for(ANN), world.code_for(MOBILE)}
    guess = next(text for text in ("000000", "000001", "000002") if text not in codes)

    for _ in range(5):
        assert isinstance(register_or_log_in(world, guess), InvalidCode)

    assert [type(register_or_log_in(world, code)) for code in codes] == [InvalidCode] * 2


def test_caller_beyond_its_failed_attempts_is_rate_limited() -> None:
    world = World()
    request_code(world)
    code = world.code_for(ANN)
    for number in range(30):
        others = {"email": f"person{number}@mail.example.com", "mobile": f"77777777{number:02}"}
        assert isinstance(register_or_log_in(world, "123456", **others, caller=CALLER), InvalidCode)

    refusal = register_or_log_in(world, code, caller=CALLER)

    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 300


def test_concurrent_uses_of_one_code_create_one_account_and_one_session() -> None:
    world = World()
    request_code(world)
    code = world.code_for(ANN)

    answers = concurrently([lambda: world.register_or_log_in(**FIELDS, verify_otp=code) for _ in range(6)])

    assert [type(answer) for answer in answers].count(TokenSet) == 1
    assert len(world.events(EventType.REGISTERED)) == 1
