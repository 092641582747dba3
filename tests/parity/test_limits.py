"""How often: alike for known and unknown, and with a true time to come back."""

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import ADA, ANN, WRONG_CODE, code, invalid
from tests.support.interfaces import Door, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, World, wrong

WRONG = Refused("invalid-credentials")


def waits(seconds: int) -> Refused:
    return Refused("rate-limited", retry_after=seconds)


@pytest.mark.parametrize("username", ["ann", "nobody"])
def test_five_wrong_logins_in_five_minutes_from_one_address(username: str, door: Door, world: World) -> None:
    door.register(**ADA)
    wrong_login = {"username": username, "password": OTHER_PASSWORD}
    for _ in range(5):
        assert door.log_in(**wrong_login) == WRONG
        world.clock.advance(10)
    assert door.log_in(**wrong_login) == waits(250)
    assert door.log_in(username=username.upper(), password=PASSWORD) == waits(250)
    door.address = "203.0.113.9"
    assert door.log_in(**wrong_login) == WRONG
    door.address = "198.51.100.7"
    world.clock.advance(250)
    if username == "ann":
        assert isinstance(door.log_in(username="ann", password=PASSWORD), Tokens)


def test_thirty_wrong_logins_in_fifteen_minutes_from_wherever(door: Door) -> None:
    door.register(**ADA)
    for number in range(30):
        door.address = f"203.0.113.{number}"
        assert door.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
    door.address = "198.51.100.7"
    assert door.log_in(username="ann", password=PASSWORD) == waits(900)


def test_ten_wrong_logins_a_minute_from_one_address(door: Door) -> None:
    for number in range(10):
        assert door.log_in(username=f"person{number}", password=PASSWORD) == WRONG
    assert door.log_in(username="another", password=PASSWORD) == waits(60)


def test_a_success_clears_the_first_of_these_alone(door: Door) -> None:
    door.register(**ADA)
    for _ in range(2):
        for _ in range(4):
            assert door.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
        assert isinstance(door.log_in(username="ann", password=PASSWORD), Tokens)
    for number in range(2):
        assert door.log_in(username=f"person{number}", password=PASSWORD) == WRONG
    assert door.log_in(username="another", password=PASSWORD) == waits(60)


def test_twenty_registrations_a_minute_from_one_address(door: Door, world: World) -> None:
    for _ in range(20):
        assert isinstance(door.register(), Refused)
    assert door.register(**ADA) == waits(60)
    world.clock.advance(60)
    assert isinstance(door.register(**ADA), dict)


def test_thirty_uniqueness_checks_a_minute_from_one_address(door: Door) -> None:
    for _ in range(30):
        assert door.is_unique(prop="username", value="ann") is True
    assert door.is_unique(prop="username", value="ann") == waits(60)
    door.address = "203.0.113.9"
    assert door.is_unique(prop="username", value="ann") is True


def test_thirty_wrong_codes_in_five_minutes_from_one_address(door: Door) -> None:
    sent = code(door, ANN)
    for number in range(30):
        assert door.verify(destination=f"person{number}@mail.example.com", verify_otp="000000") == WRONG_CODE
    assert door.verify(destination=ANN, verify_otp=sent) == waits(300)
    door.address = "203.0.113.9"
    assert isinstance(door.verify(destination=ANN, verify_otp=sent), str)


def test_thirty_wrong_codes_a_day_at_one_address_whoever_asks(door: Door) -> None:
    """The budget is silent: beyond it a right code is a wrong one."""
    for number in range(6):
        door.address = f"203.0.113.{number}"
        if number == 5:
            door.world.clock.advance(3600)
        sent = code(door, ANN)
        for _ in range(5):
            assert door.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    door.address = "198.51.100.7"
    assert door.verify(destination=ANN, verify_otp=code(door, ANN)) == WRONG_CODE
    door.world.clock.advance(86_400)
    assert isinstance(door.verify(destination=ANN, verify_otp=code(door, ANN)), str)


def test_without_limits_per_address_the_budgets_hold_still(open_door: Open) -> None:
    door = open_door(rate_limits=False)
    for _ in range(31):
        assert door.register() == invalid("username", "name", "email", "password")
        assert door.is_unique(prop="username", value="ann") is True
    door.register(**ADA)
    for _ in range(30):
        assert door.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
    assert door.log_in(username="ann", password=PASSWORD) == waits(900)
    assert isinstance(door.send(destination=ANN), str)
    assert door.send(destination=ANN) == waits(60)
