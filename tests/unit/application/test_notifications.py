from dataclasses import replace

from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, World

from vestibule.application import InvalidRefreshToken

ANN = "ann@mail.example.com"
LAPTOP = replace(CALLER, user_agent="a laptop")
PHONE = replace(CALLER, user_agent="a phone")


def notices_to(world: World, address: str) -> list[str]:
    """The notices to an address, oldest first."""
    return [outgoing.values["what"] for outgoing in world.messages_to(address) if outgoing.template == "notice"]


def test_owner_is_notified_of_a_new_password() -> None:
    world = World()
    world.create_account("ann")
    world.change_account(identity=world.log_in_as("ann"), password=OTHER_PASSWORD)
    assert notices_to(world, ANN) == ["password_changed"]

    world.reset_password(email=ANN, otp=world.send(ANN), password=PASSWORD)
    assert notices_to(world, ANN) == ["password_changed"] * 2


def test_previous_address_is_notified_of_its_replacement() -> None:
    world = World()
    world.create_account("ann", mobile="9999999999")
    identity = world.log_in_as("ann")

    world.verify_address("9999999999", identity)
    world.change_account(identity=identity, email="new@mail.example.com", mobile="8888888888")

    assert notices_to(world, ANN) == ["email_changed"]
    assert notices_to(world, "9999999999") == ["mobile_changed"]
    assert notices_to(world, "new@mail.example.com") == notices_to(world, "8888888888") == []


def test_first_mobile_is_notified_to_the_email() -> None:
    world = World()
    world.create_account("ann")

    world.change_account(identity=world.log_in_as("ann"), mobile="8888888888")

    assert notices_to(world, ANN) == ["mobile_changed"]


def test_change_of_name_or_spelling_sends_no_notice() -> None:
    world = World()
    world.create_account("ann")

    world.change_account(identity=world.log_in_as("ann"), name="Another Name", email=ANN)

    assert notices_to(world, ANN) == []


def test_login_by_a_new_user_agent_is_notified_except_the_first() -> None:
    world = World()
    world.create_account("ann")

    for caller, expected in [(LAPTOP, 0), (LAPTOP, 0), (PHONE, 1), (PHONE, 1), (CALLER, 1)]:
        world.log_in(username="ann", password=PASSWORD, caller=caller)
        assert notices_to(world, ANN) == ["new_login"] * expected


def test_refresh_token_reuse_is_notified() -> None:
    world = World()
    world.create_account("ann")
    tokens = world.log_in(username="ann", password=PASSWORD)
    newer = world.refresh(refresh=tokens.refresh_token)
    world.refresh(refresh=newer.refresh_token)

    for _ in range(2):
        try:
            world.refresh(refresh=tokens.refresh_token)
        except InvalidRefreshToken:
            continue
        raise AssertionError

    assert notices_to(world, ANN) == ["refresh_reused"]


def test_notice_prefers_a_verified_address_and_needs_some_address() -> None:
    world = World()
    account = world.create_account("ann", mobile="9999999999")
    world.verify_address("9999999999", world.log_in_as("ann"))
    world.change_account(identity=world.log_in_as("ann"), password=OTHER_PASSWORD)
    assert notices_to(world, "9999999999") == ["password_changed"]
    assert notices_to(world, ANN) == []

    world.alter(account, email=None, mobile_verified=False)
    world.change_account(identity=world.log_in_as("ann", OTHER_PASSWORD), password=PASSWORD)
    assert notices_to(world, "9999999999") == ["password_changed"]


def test_unverified_mobile_gets_no_notice() -> None:
    world = World()
    world.create_account("ann", mobile="9999999999")

    world.change_account(identity=world.log_in_as("ann"), mobile="8888888888")

    assert notices_to(world, "9999999999") == notices_to(world, "8888888888") == []
    assert notices_to(world, ANN) == ["mobile_changed"]


def test_address_gets_at_most_ten_notices_a_day_over_all_accounts() -> None:
    world = World(rate_limits=False)
    for number in range(12):
        world.create_account(f"mallory{number}", email="victim@mail.example.com")
        identity = world.log_in_as(f"mallory{number}")
        world.change_account(identity=identity, email=f"mallory{number}@mail.example.com")

    assert notices_to(world, "victim@mail.example.com") == ["email_changed"] * 10


def test_owner_gets_at_most_ten_notices_a_day() -> None:
    world = World()
    world.create_account("ann")
    world.log_in(username="ann", password=PASSWORD, caller=LAPTOP)

    for number in range(12):
        world.log_in(username="ann", password=PASSWORD, caller=replace(CALLER, user_agent=f"agent {number}"))
    assert len(notices_to(world, ANN)) == 10

    world.clock.advance(86_400)
    world.log_in(username="ann", password=PASSWORD, caller=PHONE)
    assert len(notices_to(world, ANN)) == 11


def test_notice_holds_no_text_that_a_person_typed() -> None:
    world = World()
    world.create_account("ann")
    world.log_in(username="ann", password=PASSWORD, caller=LAPTOP)
    world.log_in(username="ann", password=PASSWORD, caller=PHONE)

    (outgoing,) = [message for message in world.messages_to(ANN) if message.template == "notice"]

    assert outgoing.values == {"what": "new_login", "at": "2027-01-15 08:00 UTC", "service": "Vestibule"}
