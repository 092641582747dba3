from dataclasses import replace
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, World, outcome

from vestibule.application import Caller, Identity, InvalidRefreshToken
from vestibule.domain.rate_limits import Limits, RateLimit

ANN, NEW = "ann@mail.example.com", "new@mail.example.com"
MOBILE, OTHER_MOBILE = "9999999999", "8888888888"
FIREFOX = "Mozilla/5.0 (X11; Linux x86_64; rv:{0}.0) Gecko/20100101 Firefox/{0}.0"
IPHONE = (
    "Mozilla/5.0 (iPhone; CPU iPhone OS 17_5 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) "
    "Version/17.5 Mobile/15E148 Safari/604.1"
)
LAPTOP, PHONE = replace(CALLER, user_agent=FIREFOX.format(128)), replace(CALLER, user_agent=IPHONE)


def verified_world(**settings: Any) -> World:
    """A world with the account of Ann, whose email is verified."""
    world = World(**settings)
    world.create_account("ann", proofs=(world.verify_address(ANN),))
    return world


def notices_to(world: World, address: str) -> list[str]:
    """The notices to an address, oldest first."""
    return [outgoing.values["what"] for outgoing in world.messages_to(address) if outgoing.template == "notice"]


def last_notice(world: World, address: str) -> dict[str, str]:
    return dict([outgoing for outgoing in world.messages_to(address) if outgoing.template == "notice"][-1].values)


def test_owner_is_notified_of_a_new_password() -> None:
    world = verified_world()
    world.change_account(identity=world.log_in_as("ann"), password=OTHER_PASSWORD)
    assert notices_to(world, ANN) == ["password_changed"]

    world.clock.advance(60)
    world.reset_password(email=ANN, otp=world.send(ANN), password=PASSWORD)
    assert notices_to(world, ANN) == ["password_changed"] * 2


def test_both_addresses_are_notified_of_a_replaced_email_and_the_old_one_of_its_days_of_recovery() -> None:
    world = verified_world()

    world.change_account(identity=world.log_in_as("ann"), email=NEW)

    assert notices_to(world, ANN) == notices_to(world, NEW) == ["email_changed"]
    assert last_notice(world, ANN)["recovery_days"] == "7"
    assert "recovery_days" not in last_notice(world, NEW)


def test_unverified_address_is_notified_of_its_replacement_without_days_of_recovery() -> None:
    world = World()
    world.create_account("ann")

    world.change_account(identity=world.log_in_as("ann"), email=NEW)

    assert notices_to(world, ANN) == notices_to(world, NEW) == ["email_changed"]
    assert "recovery_days" not in last_notice(world, ANN)


def test_replaced_mobile_is_notified_and_the_new_one_if_it_is_verified() -> None:
    world = World()
    proofs = (world.verify_address(ANN), world.verify_address(MOBILE))
    world.create_account("ann", mobile=MOBILE, proofs=proofs)
    world.change_account(identity=world.log_in_as("ann"), mobile=OTHER_MOBILE)
    assert notices_to(world, ANN) == [], "the old number reads it"
    assert notices_to(world, MOBILE) == ["mobile_changed"]
    assert notices_to(world, OTHER_MOBILE) == [], "an SMS to a stranger costs money"

    proof = world.verify_address("7777777777")
    world.change_account(identity=world.log_in_as("ann"), mobile="7777777777", proofs=(proof,))
    assert notices_to(world, "7777777777") == ["mobile_changed"]


def test_first_mobile_is_notified_to_the_verified_email() -> None:
    world = verified_world()

    world.change_account(identity=world.log_in_as("ann"), mobile=MOBILE)

    assert notices_to(world, ANN) == ["mobile_changed"]
    assert notices_to(world, MOBILE) == []


def test_change_of_an_unverified_mobile_is_notified_to_the_verified_email_too() -> None:
    world = verified_world()
    world.change_account(identity=world.log_in_as("ann"), mobile=MOBILE)

    world.change_account(identity=world.log_in_as("ann"), mobile=OTHER_MOBILE)

    assert notices_to(world, ANN) == ["mobile_changed"] * 2
    assert notices_to(world, MOBILE) == ["mobile_changed"]


def test_removed_mobile_is_notified() -> None:
    world = verified_world()
    world.change_account(identity=world.log_in_as("ann"), mobile=MOBILE)
    world.change_account(identity=world.log_in_as("ann"), mobile=None)

    assert notices_to(world, MOBILE) == ["mobile_changed"]


def test_change_of_name_or_spelling_sends_no_notice() -> None:
    world = verified_world()

    world.change_account(identity=world.log_in_as("ann"), name="Another Name", email=ANN.upper())

    assert notices_to(world, ANN) == notices_to(world, ANN.upper()) == []


# --- new devices ------------------------------------------------------------------------------------------------------


def test_login_by_a_new_device_is_notified_except_the_first() -> None:
    world = verified_world()

    for caller, expected in [(LAPTOP, 0), (LAPTOP, 0), (PHONE, 1), (PHONE, 1), (CALLER, 2), (CALLER, 2)]:
        world.log_in(username="ann", password=PASSWORD, caller=caller)
        assert notices_to(world, ANN) == ["new_login"] * expected


def test_newer_version_of_a_known_browser_is_no_new_device() -> None:
    world = verified_world()

    for version in (128, 129, 130):
        world.log_in(username="ann", password=PASSWORD, caller=replace(CALLER, user_agent=FIREFOX.format(version)))

    assert notices_to(world, ANN) == []


def test_notice_of_a_new_device_names_device_network_and_time_and_no_text_of_the_caller() -> None:
    world = verified_world()
    world.clock.now = 1_800_000_000.0
    world.log_in(username="ann", password=PASSWORD, caller=LAPTOP)

    world.log_in(username="ann", password=PASSWORD, caller=replace(PHONE, user_agent=f"{IPHONE} evil.example"))

    assert last_notice(world, ANN) == {
        "what": "new_login",
        "at": "2027-01-15 08:00 UTC",
        "device": "Safari on iOS",
        "network": "198.51.100.7",
        "service": "Vestibule",
    }


# --- sessions ---------------------------------------------------------------------------------------------------------


def test_refresh_token_reuse_is_notified() -> None:
    world = verified_world()
    tokens = world.log_in(username="ann", password=PASSWORD)
    newer = world.refresh(refresh=tokens.refresh_token)
    world.refresh(refresh=newer.refresh_token)

    for _ in range(2):
        assert isinstance(outcome(lambda: world.refresh(refresh=tokens.refresh_token)), InvalidRefreshToken)

    assert notices_to(world, ANN) == ["refresh_reused"]


def test_login_that_cancels_a_deletion_is_notified() -> None:
    world = verified_world()
    account = world.log_in_as("ann").account
    world.alter(account, deletion_due_at=world.clock() + 1000)

    tokens = world.log_in(username="ann", password=PASSWORD)

    assert tokens.deletion_cancelled
    assert world.now(account).deletion_due_at is None
    assert notices_to(world, ANN) == ["deletion_cancelled"]


# --- recipients and limits --------------------------------------------------------------------------------------------


def test_notices_go_to_a_verified_address_an_email_before_a_mobile() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    world.change_account(identity=world.log_in_as("ann"), password=OTHER_PASSWORD)
    assert notices_to(world, MOBILE) == ["password_changed"]
    assert notices_to(world, ANN) == []

    world.alter(account, email_verified=True)
    world.change_account(identity=world.log_in_as("ann", OTHER_PASSWORD), password=PASSWORD)
    assert notices_to(world, MOBILE) == notices_to(world, ANN) == ["password_changed"]


def test_account_without_a_verified_address_gets_no_notice() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)

    world.change_account(identity=world.log_in_as("ann"), password=OTHER_PASSWORD)

    assert world.messages == ()


def test_registrations_with_a_strangers_email_send_no_notice() -> None:
    world = World()
    world.create_account("mallory", email="victim@mail.example.com")
    for caller in (LAPTOP, PHONE):
        world.log_in(username="mallory", password=PASSWORD, caller=caller)

    assert world.messages == ()


def test_address_gets_at_most_ten_notices_a_day_over_all_accounts() -> None:
    world = World(rate_limits=False)
    for number in range(12):
        world.create_account(f"mallory{number}", email="victim@mail.example.com")
        identity = world.log_in_as(f"mallory{number}")
        world.change_account(identity=identity, email=f"mallory{number}@mail.example.com")

    assert notices_to(world, "victim@mail.example.com") == ["email_changed"] * 10

    world.clock.advance(days=1)
    world.create_account("mallory", email="victim@mail.example.com")
    world.change_account(identity=world.log_in_as("mallory"), email="mallory@mail.example.com")
    assert len(notices_to(world, "victim@mail.example.com")) == 11


def test_account_gets_at_most_twenty_notices_a_day_over_all_addresses() -> None:
    world = World()
    world.create_account("mallory", email="victim0@mail.example.com")
    for number in range(1, 15):
        world.change_account(identity=fresh(world, "mallory"), email=f"victim{number}@mail.example.com")
        world.messages_to(ANN)

    assert len([message for message in world.notifier.messages if message.template == "notice"]) == 20


def fresh(world: World, username: str) -> Identity:
    world.clock.advance(60)
    return world.log_in_as(username)


def test_limits_of_notices_are_settings() -> None:
    world = verified_world(limits=Limits(notices_per_address=(RateLimit(1, 3600.0),)))
    identity = world.log_in_as("ann")
    for password in (OTHER_PASSWORD, PASSWORD):
        world.change_account(identity=identity, password=password)

    assert notices_to(world, ANN) == ["password_changed"]


@pytest.mark.parametrize("address", ["", None])
def test_notice_of_a_call_from_no_network_names_none(address: str | None) -> None:
    world = verified_world()
    caller = Caller(address)

    world.change_account(identity=world.log_in_as("ann"), password=OTHER_PASSWORD, caller=caller)

    assert last_notice(world, ANN).get("network") == ("unknown" if address == "" else None)
