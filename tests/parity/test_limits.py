"""Rate limits: the same for known and unknown identifiers, with a true `retry_after`."""

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import ANN, REGISTRATION, WRONG_CODE, code, invalid
from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, World, wrong

WRONG = Refused("invalid-credentials")


def limited(seconds: int) -> Refused:
    return Refused("rate-limited", retry_after=seconds)


@pytest.mark.parametrize("username", ["ann", "unknown"])
def test_failed_logins_per_identifier_and_ip_address_are_limited(username: str, interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    wrong_login = {"username": username, "password": OTHER_PASSWORD}
    for _ in range(5):
        assert interface.log_in(**wrong_login) == WRONG
        world.clock.advance(10)
    assert interface.log_in(**wrong_login) == limited(250)
    assert interface.log_in(username=username.upper(), password=PASSWORD) == limited(250)
    interface.address = "203.0.113.9"
    assert interface.log_in(**wrong_login) == WRONG
    interface.address = "198.51.100.7"
    world.clock.advance(250)
    if username == "ann":
        assert isinstance(interface.log_in(username="ann", password=PASSWORD), Tokens)


def test_failed_logins_per_identifier_from_all_ip_addresses_are_limited(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    for number in range(30):
        interface.address = f"203.0.113.{number}"
        assert interface.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
    interface.address = "198.51.100.7"
    assert interface.log_in(username="ann", password=PASSWORD) == limited(900)


def test_failed_logins_per_network_are_limited(interface: Interface) -> None:
    for number in range(10):
        assert interface.log_in(username=f"person{number}", password=PASSWORD) == WRONG
    assert interface.log_in(username="another", password=PASSWORD) == limited(60)


def test_successful_login_resets_only_the_limit_per_identifier_and_ip_address(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    for _ in range(2):
        for _ in range(4):
            assert interface.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
        assert isinstance(interface.log_in(username="ann", password=PASSWORD), Tokens)
    for number in range(2):
        assert interface.log_in(username=f"person{number}", password=PASSWORD) == WRONG
    assert interface.log_in(username="another", password=PASSWORD) == limited(60)


def test_registrations_per_network_are_limited(interface: Interface, world: World) -> None:
    for _ in range(20):
        assert isinstance(interface.register(), Refused)
    assert interface.register(**REGISTRATION) == limited(60)
    world.clock.advance(60)
    assert isinstance(interface.register(**REGISTRATION), dict)


def test_uniqueness_checks_per_network_are_limited(interface: Interface) -> None:
    for _ in range(30):
        assert interface.is_unique(prop="username", value="ann") is True
    assert interface.is_unique(prop="username", value="ann") == limited(60)
    interface.address = "203.0.113.9"
    assert interface.is_unique(prop="username", value="ann") is True


def test_wrong_codes_per_network_are_limited(interface: Interface) -> None:
    sent = code(interface, ANN)
    for number in range(30):
        assert interface.verify(destination=f"person{number}@mail.example.com", verify_otp="000000") == WRONG_CODE
    assert interface.verify(destination=ANN, verify_otp=sent) == limited(300)
    interface.address = "203.0.113.9"
    assert isinstance(interface.verify(destination=ANN, verify_otp=sent), str)


def test_wrong_codes_per_destination_are_limited_for_all_callers(interface: Interface) -> None:
    """The limit is not reported: beyond it a right code is refused as invalid."""
    for number in range(6):
        interface.address = f"203.0.113.{number}"
        if number == 5:
            interface.world.clock.advance(3600)
        sent = code(interface, ANN)
        for _ in range(5):
            assert interface.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    interface.address = "198.51.100.7"
    assert interface.verify(destination=ANN, verify_otp=code(interface, ANN)) == WRONG_CODE
    interface.world.clock.advance(86_400)
    assert isinstance(interface.verify(destination=ANN, verify_otp=code(interface, ANN)), str)


def test_limits_per_identifier_apply_with_rate_limits_off(open_interface: Open) -> None:
    interface = open_interface(rate_limits=False)
    for _ in range(31):
        assert interface.register() == invalid("username", "name", "email", "password")
        assert interface.is_unique(prop="username", value="ann") is True
    interface.register(**REGISTRATION)
    for _ in range(30):
        assert interface.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
    assert interface.log_in(username="ann", password=PASSWORD) == limited(900)
    assert isinstance(interface.send(destination=ANN), str)
    assert interface.send(destination=ANN) == limited(60)
