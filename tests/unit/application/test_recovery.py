"""What a code from a recovery address brings back: every address as it was before the change."""

from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import PASSWORD, World

from vestibule.application import Account, Caller, Identity, InvalidCode, TokenSet
from vestibule.domain.events import EventType
from vestibule.domain.rate_limits import DAY

ANN, NEW, NEWER = "ann@mail.example.com", "new@mail.example.com", "newer@mail.example.com"
MOBILE, NEW_MOBILE = "9999999999", "8888888888"


def verified_world(*verified: str, mobile: str | None = MOBILE) -> tuple[World, Account]:
    """A world with the account of Ann and these of her addresses verified."""
    world = World()
    proofs = tuple(world.verify_address(address) for address in verified)
    return world, world.create_account("ann", mobile=mobile, proofs=proofs)


def change(world: World, **fields: Any) -> Account:
    return world.change_account(identity=identity_of(world), **fields)


def identity_of(world: World) -> Identity:
    world.clock.advance(60)
    return world.log_in_as("ann", PASSWORD)


def recover(world: World, address: str = ANN) -> TokenSet:
    tokens = world.log_in_with_code(address)
    assert tokens.recovered
    return tokens


def without_password(account: Account) -> Account:
    return replace(account, password_hash=None)


def test_both_addresses_that_one_call_replaced_come_back_verified() -> None:
    world, account = verified_world(ANN, MOBILE)
    change(world, email=NEW, mobile=NEW_MOBILE)

    recover(world)

    assert world.now(account) == without_password(account)


def test_mobile_that_was_replaced_after_the_email_comes_back() -> None:
    world, account = verified_world(ANN, MOBILE)
    change(world, email=NEW)
    change(world, mobile=NEW_MOBILE)

    recover(world)

    assert world.now(account) == without_password(account)


def test_mobile_that_was_replaced_before_the_email_keeps_its_own_recovery() -> None:
    world, account = verified_world(ANN, MOBILE)
    between = change(world, mobile=NEW_MOBILE)
    change(world, email=NEW)

    recover(world)

    assert world.now(account) == without_password(between)
    recover(world, MOBILE)
    assert world.now(account) == without_password(account)


def test_address_that_was_added_since_is_gone_verified_or_not() -> None:
    world, account = verified_world(ANN, mobile=None)
    change(world, email=NEW)
    change(world, mobile=MOBILE, proofs=(world.verify_address(MOBILE),))

    recover(world)

    assert world.now(account) == without_password(account)
    assert world.owner(MOBILE) is None


def test_verified_successor_is_gone_and_is_no_recovery_address() -> None:
    world, account = verified_world(ANN)
    change(world, email=NEW)
    world.verify_address(NEW, identity_of(world))

    recover(world)

    assert world.now(account) == without_password(account)
    assert world.owner(NEW) is None


def test_unverified_mobile_that_another_account_has_meanwhile_does_not_come_back() -> None:
    world, account = verified_world(ANN)
    change(world, email=NEW, mobile=NEW_MOBILE)
    bob = world.create_account("bob", mobile=MOBILE)

    recover(world)

    assert world.now(account) == without_password(replace(account, mobile=None))
    assert world.now(bob) == bob


def test_there_is_one_recovery_address_of_each_kind_the_last_that_was_verified() -> None:
    world, account = verified_world(ANN)
    change(world, email=NEW)
    change(world, email=NEWER)
    assert world.owner(ANN) == world.now(account)
    assert world.owner(NEW) is None
    world.verify_address(NEWER, identity_of(world))

    change(world, email="last@mail.example.com")

    assert world.owner(NEWER) == world.now(account)
    assert world.owner(ANN) is None


def test_recovery_address_whose_unverified_successor_is_removed_expires_as_long_from_then() -> None:
    world, account = verified_world(ANN, MOBILE)
    change(world, mobile=NEW_MOBILE)
    world.clock.advance(days=10)
    change(world, mobile=None)
    world.clock.advance(7 * DAY - 1)
    assert world.owner(MOBILE) == world.now(account)

    world.clock.advance(1)
    assert world.owner(MOBILE) is None


def test_another_removal_does_not_prolong_the_recovery() -> None:
    world, _ = verified_world(ANN, MOBILE)
    change(world, mobile=None)
    world.clock.advance(days=6)
    change(world, mobile=NEW_MOBILE)
    change(world, mobile=None)
    world.clock.advance(days=1)

    assert world.owner(MOBILE) is None


@pytest.mark.parametrize("address", [ANN, NEW])
def test_both_addresses_get_a_notice_of_the_recovery(address: str) -> None:
    world, account = verified_world(ANN)
    change(world, email=NEW)

    recover(world)

    notices = [message.values["what"] for message in world.messages_to(address) if message.template == "notice"]
    assert notices[-1] == "account_recovered"
    [event] = world.events(EventType.ACCOUNT_RECOVERED)
    assert (event.account_id, event.detail) == (account.id, "email")


def test_recovery_forgets_known_networks() -> None:
    world, account = verified_world(ANN)
    thief = "203.0.113.9"
    world.log_in(username="ann", password=PASSWORD, caller=Caller(thief))
    assert world.database.accounts.holder(world.address(ANN), thief, world.clock()).knows_network
    change(world, email=NEW)

    recover(world)

    holder = world.database.accounts.holder(world.address(ANN), thief, world.clock())
    assert holder.account == world.now(account)
    assert not holder.knows_network


def test_code_sent_to_the_new_address_before_the_recovery_is_refused() -> None:
    world, _ = verified_world(ANN)
    change(world, email=NEW)
    world.verify_address(NEW, identity_of(world))
    world.clock.advance(60)
    code = world.send(NEW)

    recover(world)

    with pytest.raises(InvalidCode):
        world.verify_code(destination=NEW, verify_otp=code)


def test_verified_address_is_kept_when_a_former_one_returns_after_its_days_of_recovery() -> None:
    former, present = "ann@mail.example.com", "ann@work.example.com"
    world = World(fresh_login=None)
    account = world.create_account("ann", email=former)
    world.verify_address(former, world.log_in_as("ann"))
    world.change_account(identity=world.log_in_as("ann"), email=present)
    world.verify_address(present, world.log_in_as("ann"))
    world.clock.advance(8 * 86_400)

    world.change_account(identity=world.log_in_as("ann"), email=former)

    assert not world.now(account).email_verified
    assert world.log_in_with_code(present).recovered
    assert world.now(account).has_verified(world.address(present))
