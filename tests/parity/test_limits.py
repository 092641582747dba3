"""Limits: the same for known and unknown identities, with a true `retry_after`. The order is the contract's."""

from collections.abc import Iterable, Sequence
from typing import Any

import pytest
from tests.parity.conftest import Open
from tests.support.account_builders import (
    ANN,
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
from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, PNG, World, wrong

from vestibule.domain.rate_limits import Limits, RateLimit

MINUTE, HOUR, DAY = 60, 3600, 86_400
HOME = "198.51.100.7"
WRONG, OVERLOADED = Refused("invalid-credentials"), Refused("overloaded")
BY_MAIL = {"email_url": "smtp://mail.example.com"}

on_one_database = pytest.mark.parametrize("kind", ["memory", "sqlite"])
"""For tests of many calls whose counters are those of other tests: PostgreSQL would take most of the time."""


def limited(seconds: int) -> Refused:
    return Refused("rate-limited", retry_after=seconds)


def strange(number: int) -> str:
    """A network that no account knows."""
    return f"203.0.{113 + number // 250}.{number % 250}"


def stranger(number: int) -> str:
    """An address that has no account."""
    return f"person{number}@mail.example.com"


def verified(interface: Interface, *addresses: str) -> Tokens:
    """Registers Ann with these addresses verified, and logs her in at home; an hour later no code counts for it."""
    proofs = [proof(interface, address) for address in addresses or (ANN,)]
    assert isinstance(interface.register(**REGISTRATION, proofs=proofs), dict)
    interface.world.clock.advance(days=1)
    return tokens(interface)


def sent_from(interface: Interface, networks: Iterable[str], destination: str = ANN, seconds: float = 60, **more: Any) -> int:
    """Requests a code from each network after some seconds; returns how many were sent, before the others were refused."""
    answers = []
    for network in networks:
        interface.world.clock.advance(seconds)
        interface.address = network
        answers.append(isinstance(interface.send(destination=destination, **more), str))
    assert answers == sorted(answers, reverse=True)
    return sum(answers)


def fail(interface: Interface, networks: Sequence[str], username: str = "ann") -> None:
    """A wrong password from each network, at a pace that no other limit refuses."""
    for number, network in enumerate(networks):
        if number % 25 == 24:
            interface.world.clock.advance(15 * MINUTE)
        interface.address = network
        assert interface.log_in(username=username, password=OTHER_PASSWORD) == WRONG


# --- networks -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("neighbour", ["2001:db8:1:2::ffff", "2001:db8:1:3::1"])
def test_network_is_an_ipv6_64(neighbour: str, interface: Interface) -> None:
    interface.address = "2001:db8:1:2::1"
    assert sent_from(interface, ["2001:db8:1:2::1"] * 3) == 3
    assert sent_from(interface, [neighbour]) == (0 if neighbour.startswith("2001:db8:1:2:") else 1)


@on_one_database
def test_ipv6_48_has_sixteen_times_as_much(interface: Interface) -> None:
    for number in range(160):
        interface.address = f"2001:db8:1:{number:x}::1"
        assert interface.log_in(username=f"person{number}", password=PASSWORD) == WRONG
    interface.address = "2001:db8:1:ffff::1"
    assert interface.log_in(username="another", password=PASSWORD) == limited(MINUTE)
    interface.address = "2001:db8:2::1"
    assert interface.log_in(username="another", password=PASSWORD) == WRONG


def test_ipv6_48_has_no_more_of_the_hourly_totals_than_one_network(open_interface: Open) -> None:
    interface = open_interface(**BY_MAIL, emails_per_hour=10)
    for number in range(2):
        interface.address = f"2001:db8:1:{number}::1"
        assert isinstance(interface.send(destination=stranger(number)), str)
    interface.address = "2001:db8:1:ffff::1"
    assert interface.send(destination=ANN) == limited(HOUR)


@pytest.mark.parametrize(("days", "is_known"), [(29, True), (30, False)])
def test_network_is_known_for_30_days_after_a_session_began_there(
    days: int, is_known: bool, interface: Interface, world: World
) -> None:
    verified(interface)
    world.clock.advance(days=days)
    assert sent_from(interface, [strange(1)]) == 1
    assert sent_from(interface, [HOME], seconds=0) == is_known, "a known network has a cool-down of its own"


def test_network_of_an_unverified_address_is_not_known(interface: Interface) -> None:
    logged_in(interface)
    assert sent_from(interface, [strange(1)]) == 1
    assert sent_from(interface, [HOME], seconds=0) == 0


def test_codes_from_known_networks_are_limited_apart(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION, proofs=[proof(interface, ANN)])
    tokens(interface)
    world.clock.advance(60)
    home, interface.address = interface.address, "203.0.113.1"
    strangers = code(interface, ANN)
    assert interface.send(destination=ANN) == Refused("rate-limited", retry_after=60)
    interface.address = home
    assert isinstance(interface.send(destination=ANN), str)
    assert isinstance(interface.verify(destination=ANN, verify_otp=strangers), str), "neither code replaced the other"
    assert isinstance(interface.verify(destination=ANN, verify_otp=world.code_for(ANN)), str)


@pytest.mark.parametrize("call", ["password", "reset"])
def test_networks_but_the_callers_are_forgotten_by_a_new_password(call: str, interface: Interface) -> None:
    verified(interface)
    interface.address = strange(1)
    own = tokens(interface).token
    if call == "password":
        interface.change(own, password=OTHER_PASSWORD)
    else:
        interface.reset(email=ANN, otp=code(interface, ANN), password=OTHER_PASSWORD)
    assert sent_from(interface, [strange(2)]) == 1
    assert sent_from(interface, [HOME], seconds=0) == 0
    assert sent_from(interface, [strange(1)], seconds=0) == 1


# --- codes asked for ----------------------------------------------------------------------------------------------------


def test_sends_are_limited_per_minute_hour_and_day(interface: Interface, world: World) -> None:
    begun = world.clock()
    for number in range(10):
        interface.address = f"198.51.100.{number // 3}"  # a network has three an hour
        assert isinstance(interface.send(destination=ANN), str)
        if number % 3 == 2:
            assert interface.send(destination=ANN) == Refused("rate-limited", retry_after=3600 - 120)
        elif number < 9:
            assert interface.send(destination=ANN) == Refused("rate-limited", retry_after=60)
        world.clock.advance(60)
    interface.address = "198.51.100.9"
    assert interface.send(destination=ANN) == Refused("rate-limited", retry_after=round(begun + 86_400 - world.clock()))
    assert isinstance(interface.send(destination=EVE), str)


def test_network_gets_five_codes_a_day_for_one_destination(interface: Interface) -> None:
    assert sent_from(interface, [strange(1)] * 6, seconds=HOUR) == 5
    assert sent_from(interface, [strange(2)]) == 1


def test_all_known_networks_together_get_five_codes_a_day_for_one_destination(interface: Interface) -> None:
    verified(interface)
    interface.address = strange(1)
    tokens(interface)
    assert sent_from(interface, [HOME, strange(1)] * 3) == 5
    assert sent_from(interface, [strange(2)]) == 1


def test_requests_of_strangers_leave_the_codes_of_known_networks(interface: Interface) -> None:
    verified(interface)
    assert sent_from(interface, map(strange, range(11))) == 10
    assert sent_from(interface, [HOME] * 3) == 3


def test_mails_along_with_a_mobiles_code_are_five_of_the_ten(interface: Interface, world: World) -> None:
    """The refused mails are not seen by those who ask for the mobile's code."""
    for number in range(7):
        world.clock.advance(60)
        interface.address = strange(number)
        assert isinstance(interface.send(destination=f"701111111{number}", email=ANN), str)
        assert len(world.codes_at(ANN)) == min(number + 1, 5)
    assert sent_from(interface, map(strange, range(10, 16))) == 5


@on_one_database
def test_unknown_network_gets_30_codes_an_hour_in_all_and_20_to_mobiles(interface: Interface) -> None:
    for number in range(20):
        assert isinstance(interface.send(destination=f"70111111{number:02}"), str)
    assert interface.send(destination=MOBILE) == limited(HOUR)
    for number in range(10):
        assert isinstance(interface.send(destination=stranger(number)), str)
    assert interface.send(destination=ANN) == limited(HOUR)


@on_one_database
def test_network_gets_codes_where_it_is_known_beyond_its_30_an_hour(interface: Interface) -> None:
    verified(interface)
    for number in range(30):
        assert isinstance(interface.send(destination=stranger(number)), str)
    assert interface.send(destination=EVE) == limited(HOUR)
    assert isinstance(interface.send(destination=ANN), str)


@pytest.mark.parametrize(("total", "share"), [(10, 2), (3, 1)])
def test_unknown_network_gets_a_fifth_of_the_hourly_total_and_at_least_one(
    total: int, share: int, open_interface: Open
) -> None:
    interface = open_interface(**BY_MAIL, emails_per_hour=total)
    for number in range(share):
        assert isinstance(interface.send(destination=stranger(number)), str)
    assert interface.send(destination=ANN) == limited(HOUR)


def test_a_third_of_the_hourly_total_is_kept_for_known_networks(open_interface: Open) -> None:
    interface = open_interface(**BY_MAIL, emails_per_hour=6)
    verified(interface)
    for number in range(4):
        interface.address = strange(number)
        assert isinstance(interface.send(destination=stranger(number)), str)
    interface.address = strange(9)
    assert interface.send(destination=EVE) == Refused("overloaded", retry_after=HOUR)
    interface.address = HOME
    assert isinstance(interface.send(destination=ANN), str)


def test_notices_have_a_third_of_the_hourly_total(open_interface: Open) -> None:
    interface = open_interface(**BY_MAIL, emails_per_hour=6)
    own = verified(interface).token
    passwords = [OTHER_PASSWORD, PASSWORD, OTHER_PASSWORD]
    for number, password in enumerate(passwords):
        interface.address = strange(number)
        assert isinstance(interface.change(own, password=password), dict)
    assert notices(interface.world, ANN) == ["password_changed"] * 2
    interface.world.clock.advance(HOUR)
    assert notices(interface.world, ANN) == ["password_changed"] * 3, "to a verified address it is sent later"


def test_hourly_totals_are_counted_in_the_database(open_interface: Open) -> None:
    interface = open_interface(**BY_MAIL, emails_per_hour=5)
    interface.send(destination=ANN)
    with interface.world.database.begin() as tx:
        [window] = tx.rate_limits.lock(["quota:email"])
    assert window.hits == 1


def test_address_gets_ten_notices_a_day(open_interface: Open) -> None:
    interface = open_interface(fresh_login=None)
    own = verified(interface).token
    for password in [OTHER_PASSWORD, PASSWORD] * 6:
        assert isinstance(interface.change(own, password=password), dict)
    assert notices(interface.world, ANN) == ["password_changed"] * 10


@on_one_database
def test_account_gets_twenty_notices_a_day(open_interface: Open) -> None:
    interface = open_interface(fresh_login=None)
    own, world = logged_in(interface).token, interface.world
    addresses = [ANN, *map(stranger, range(14))]
    for email in addresses[1:]:
        assert interface.change(own, email=email)["email"] == email
    assert sum(len(notices(world, email)) for email in addresses) == 20


def test_notices_go_to_unverified_addresses_only_when_these_are_dropped_or_changed(interface: Interface, world: World) -> None:
    own = logged_in(interface).token
    interface.change(own, password=OTHER_PASSWORD)
    interface.change(own, username="annie")
    interface.export(own)
    assert notices(world, ANN) == notices(world, MOBILE) == []
    interface.change(own, email=EVE)
    assert (notices(world, ANN), notices(world, EVE), notices(world, MOBILE)) == (["email_changed"], ["email_changed"], [])
    interface.log_in_by_code(destination=MOBILE, verify_otp=code(interface, MOBILE))
    assert notices(world, EVE) == ["email_changed", "address_dropped"]


# --- wrong codes --------------------------------------------------------------------------------------------------------


def test_right_code_after_five_failed_attempts_is_rejected(interface: Interface) -> None:
    sent = code(interface, ANN)
    for _ in range(5):
        assert interface.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    assert interface.verify(destination=ANN, verify_otp=sent) == WRONG_CODE


def test_right_code_after_four_failed_attempts_is_accepted(interface: Interface) -> None:
    sent = code(interface, ANN)
    for _ in range(4):
        assert interface.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    assert isinstance(interface.verify(destination=ANN, verify_otp=sent), str)


def test_five_wrong_codes_from_other_networks_leave_the_code_to_the_network_that_asked(interface: Interface) -> None:
    sent, asked_from = code(interface, ANN), interface.address
    for number in range(5):
        interface.address = strange(number)
        assert interface.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    assert interface.verify(destination=ANN, verify_otp=sent) == WRONG_CODE
    interface.address = asked_from
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


def miss(interface: Interface, networks: Iterable[str], sent: str) -> None:
    """Five wrong codes for Ann from each network."""
    for network in networks:
        interface.address = network
        for _ in range(5):
            assert interface.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE


def test_wrong_codes_from_unknown_networks_leave_the_codes_of_known_ones(interface: Interface) -> None:
    verified(interface)
    for number in range(6):
        interface.address = strange(number)
        miss(interface, [strange(number)], code(interface, ANN))
    interface.address = strange(9)
    assert interface.verify(destination=ANN, verify_otp=code(interface, ANN)) == WRONG_CODE, "30 were wrong"
    interface.address = HOME
    assert isinstance(interface.verify(destination=ANN, verify_otp=code(interface, ANN)), str)


def test_ten_wrong_codes_a_day_are_compared_from_known_networks(interface: Interface, world: World) -> None:
    verified(interface)
    for _ in range(2):
        miss(interface, [HOME], code(interface, ANN))
    assert interface.verify(destination=ANN, verify_otp=code(interface, ANN)) == WRONG_CODE
    interface.address = strange(1)
    assert isinstance(interface.verify(destination=ANN, verify_otp=code(interface, ANN)), str)
    interface.address = HOME
    world.clock.advance(DAY)
    assert isinstance(interface.verify(destination=ANN, verify_otp=code(interface, ANN)), str)


def test_wrong_codes_per_network_are_limited(interface: Interface) -> None:
    sent = code(interface, ANN)
    for number in range(30):
        assert interface.verify(destination=f"person{number}@mail.example.com", verify_otp="000000") == WRONG_CODE
    assert interface.verify(destination=ANN, verify_otp=sent) == limited(300)
    interface.address = "203.0.113.9"
    assert isinstance(interface.verify(destination=ANN, verify_otp=sent), str)


# --- logins -------------------------------------------------------------------------------------------------------------


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


def test_failed_logins_from_unknown_networks_leave_those_of_known_ones(interface: Interface) -> None:
    logged_in(interface)
    fail(interface, [strange(number) for number in range(24)])
    fail(interface, [strange(number) for number in range(6)])
    assert interface.log_in(username="ann", password=PASSWORD) == limited(15 * MINUTE)
    interface.address = HOME
    assert isinstance(interface.log_in(username="ann", password=PASSWORD), Tokens)


def test_failed_logins_per_network_are_limited(interface: Interface) -> None:
    for number in range(10):
        assert interface.log_in(username=f"person{number}", password=PASSWORD) == WRONG
    assert interface.log_in(username="another", password=PASSWORD) == limited(60)


@on_one_database
def test_network_has_a_hundred_failed_logins_an_hour(interface: Interface, world: World) -> None:
    for number in range(100):
        if number % 10 == 0:
            world.clock.advance(MINUTE)
        assert interface.log_in(username=f"person{number}", password=PASSWORD) == WRONG
    world.clock.advance(MINUTE)
    assert interface.log_in(username="another", password=PASSWORD) == limited(HOUR - 10 * MINUTE)


def test_successful_login_resets_only_the_limit_per_identifier_and_ip_address(interface: Interface) -> None:
    interface.register(**REGISTRATION)
    for _ in range(2):
        for _ in range(4):
            assert interface.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
        assert isinstance(interface.log_in(username="ann", password=PASSWORD), Tokens)
    for number in range(2):
        assert interface.log_in(username=f"person{number}", password=PASSWORD) == WRONG
    assert interface.log_in(username="another", password=PASSWORD) == limited(60)


def paused(interface: Interface) -> Tokens:
    """Ann's account after 100 wrong passwords in a row from strange networks, by all of its names."""
    own = verified(interface)
    for number, name in enumerate(("ann", ANN, MOBILE, "ANN")):
        interface.world.clock.advance(15 * MINUTE)
        fail(interface, [strange(25 * number + one) for one in range(25)], name)
    interface.world.clock.advance(15 * MINUTE)
    return own


@on_one_database
def test_after_100_wrong_in_a_row_passwords_from_unknown_networks_are_answered_as_wrong(interface: Interface) -> None:
    paused(interface)
    interface.address = strange(200)
    assert interface.log_in(username="ann", password=PASSWORD) == WRONG


@on_one_database
def test_owner_is_notified_once_of_100_wrong_in_a_row(interface: Interface, world: World) -> None:
    paused(interface)
    fail(interface, [strange(200), strange(201)])
    assert notices(world, ANN) == ["password_logins_paused"]


@on_one_database
@pytest.mark.parametrize("by", ["known network", "code"])
def test_login_from_a_known_network_or_by_a_code_ends_the_pause(by: str, interface: Interface) -> None:
    paused(interface)
    if by == "code":
        interface.address = strange(201)
        interface.log_in_by_code(destination=ANN, verify_otp=code(interface, ANN))
    else:
        interface.address = HOME
        tokens(interface)
    interface.address = strange(200)
    assert isinstance(interface.log_in(username="ann", password=PASSWORD), Tokens)


@on_one_database
def test_account_has_30_successful_logins_a_minute(interface: Interface, world: World) -> None:
    logged_in(interface)
    for number in range(29):
        interface.address = strange(number)
        tokens(interface)
    assert interface.log_in(username="ann", password=PASSWORD) == limited(MINUTE)
    world.clock.advance(MINUTE)
    tokens(interface)


# --- other calls --------------------------------------------------------------------------------------------------------


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


@on_one_database
def test_network_has_500_uniqueness_checks_a_day(interface: Interface, world: World) -> None:
    for number in range(500):
        if number % 30 == 0:
            world.clock.advance(MINUTE)
        assert interface.is_unique(prop="username", value="ann") is True
    world.clock.advance(MINUTE)
    waited = interface.is_unique(prop="username", value="ann")
    assert (waited.slug, DAY - HOUR < waited.retry_after <= DAY) == ("rate-limited", True)


def test_ten_changes_an_hour_are_refused_as_taken_and_then_any_change_of_such_a_field(interface: Interface) -> None:
    interface.register(**OTHER_REGISTRATION)
    own = logged_in(interface).token
    for number in range(10):
        fields = ({"username": "eve"}, {"email": EVE}, {"mobile": EVES_MOBILE})[number % 3]
        assert interface.change(own, **fields) == taken(*fields)
    for free in ({"username": "annie"}, {"email": stranger(1)}, {"mobile": "7099999999"}):
        assert interface.change(own, **free) == limited(HOUR)
    assert interface.change(own, name="Ann King")["name"] == "Ann King"


@on_one_database
def test_thirty_changes_a_day_are_refused_as_taken(open_interface: Open) -> None:
    interface = open_interface()
    interface.register(**OTHER_REGISTRATION)
    own = logged_in(interface)
    for number in range(30):
        if number % 10 == 0:
            interface.world.clock.advance(HOUR)
            own = interface.refresh(refresh=own.refresh_token)
        assert interface.change(own.token, username="eve") == taken("username")
    interface.world.clock.advance(HOUR)
    own = interface.refresh(refresh=own.refresh_token)
    assert interface.change(own.token, username="annie") == limited(DAY - 3 * HOUR)


def test_account_has_ten_uploads_an_hour(interface: Interface, world: World) -> None:
    own = logged_in(interface)
    for _ in range(10):
        assert interface.upload(own.token, PNG) is True
    assert interface.upload(own.token, PNG) == limited(HOUR)
    world.clock.advance(HOUR)
    assert interface.upload(interface.refresh(refresh=own.refresh_token).token, PNG) is True


# --- settings -----------------------------------------------------------------------------------------------------------


def test_limits_are_settings(open_interface: Open) -> None:
    one = (RateLimit(1, 2 * HOUR),)
    interface = open_interface(
        limits=Limits(
            codes_per_destination_and_network=one,
            wrong_codes_per_code=1,
            failed_logins_per_identity_and_network=one,
            registrations_per_network=one,
            uploads_per_account=one,
        )
    )
    own = logged_in(interface).token
    assert (interface.upload(own, PNG), interface.upload(own, PNG)) == (True, limited(2 * HOUR))
    assert (interface.register(), interface.log_in(username="eve", password=PASSWORD)) == (limited(2 * HOUR), WRONG)
    assert interface.log_in(username="eve", password=PASSWORD) == limited(2 * HOUR)
    sent = code(interface, ANN)
    assert sent_from(interface, [interface.address]) == 0
    assert interface.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    assert interface.verify(destination=ANN, verify_otp=sent) == WRONG_CODE


@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_counters_that_guard_logins_and_codes_survive_a_restart(interface: Interface, world: World) -> None:
    interface.register(**REGISTRATION)
    sent = code(interface, ANN)
    for _ in range(5):
        assert interface.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
        assert interface.verify(destination=ANN, verify_otp=wrong(sent)) == WRONG_CODE
    restarted = World(database=world.database)
    restarted.clock.now = world.clock()
    with type(interface)(restarted) as again:  # type: ignore[call-arg, attr-defined]  # both are made of a world
        assert again.log_in(username="ann", password=PASSWORD) == limited(5 * MINUTE)
        assert again.send(destination=ANN) == limited(MINUTE)
        assert again.verify(destination=ANN, verify_otp=sent) == WRONG_CODE


@on_one_database
def test_rate_limits_off_lifts_those_per_network_uploads_and_successful_logins(open_interface: Open) -> None:
    interface = open_interface(rate_limits=False)
    own = logged_in(interface).token
    for _ in range(31):
        assert interface.register() == invalid("username", "name", "email", "password")
        assert interface.is_unique(prop="username", value="annie") is True
        assert interface.upload(own, PNG) is True
        tokens(interface)
    for number in range(31):
        assert interface.log_in(username=f"person{number}", password=PASSWORD) == WRONG
        assert interface.verify(destination=stranger(number), verify_otp="000000") == WRONG_CODE
        assert isinstance(interface.send(destination=stranger(number)), str)


def test_rate_limits_off_lifts_the_share_of_a_network_in_a_destination_and_no_other(open_interface: Open) -> None:
    interface = open_interface(rate_limits=False)
    assert sent_from(interface, [HOME] * 11) == 10
    assert isinstance(interface.send(destination=EVE), str)
    assert interface.send(destination=EVE) == limited(60)
    for _ in range(30):
        assert interface.log_in(username="ann", password=OTHER_PASSWORD) == WRONG
    assert interface.log_in(username="ann", password=PASSWORD) == limited(15 * MINUTE)


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
