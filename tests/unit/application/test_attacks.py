"""Attacks on an account or on the whole service: the stranger gets nothing by them, and the owner goes on as before."""

from collections.abc import Callable
from functools import partial
from typing import Any

from tests.support.world import OTHER_PASSWORD, PASSWORD, BusyDatabase, SlowHasher, World, outcome

from vestibule.application import (
    Account,
    AlreadyTaken,
    Caller,
    Identity,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    IssuedProof,
    LoginNotFresh,
    Overloaded,
    RateLimited,
    RequestedCode,
    TokenSet,
)
from vestibule.application.password_attempts import key_in_a_row
from vestibule.domain.account import Username
from vestibule.domain.events import TRUSTED_CALLER, EventType
from vestibule.domain.rate_limits import HOUR

ANN, BOB, MALLORY = "ann@mail.example.com", "bob@mail.example.com", "mallory@mail.example.com"
MOBILE, OTHER_MOBILE = "9999999999", "9999999998"
AT_HOME, AT_BOBS, STRANGER = Caller("198.51.100.7"), Caller("198.51.100.8"), Caller("203.0.113.9")
GATEWAYS: dict[str, Any] = {"email_url": "smtp://mail.example.com", "sms_url": "json://sms.example.com"}
THIRD_PASSWORD = "three grey stones of the sea"


def ask(world: World, destination: str, caller: Caller, **more: Any) -> Any:
    return outcome(lambda: world.request_code(destination=destination, caller=caller, **more))


def log_in(world: World, destination: str, code: str, caller: Caller = AT_HOME) -> Any:
    return outcome(lambda: world.log_in_by_code(destination=destination, verify_otp=code, caller=caller))


def verify(world: World, destination: str, code: str, caller: Caller = TRUSTED_CALLER, **more: Any) -> Any:
    return outcome(lambda: world.verify_code(destination=destination, verify_otp=code, caller=caller, **more))


def change(world: World, identity: Identity, caller: Caller = AT_HOME, **fields: Any) -> Any:
    return outcome(lambda: world.change_account(identity=identity, caller=caller, **fields))


def join(world: World, username: str, caller: Caller, *verified: str, **fields: Any) -> Identity:
    """Creates an account, logs in from there, and verifies these addresses of it an hour ago."""
    world.create_account(username, caller=caller, **fields)
    identity = world.log_in_as(username, caller=caller)
    for address in verified:
        world.verify_address(address, identity)
    world.clock.advance(HOUR)
    return world.log_in_as(username, caller=caller)


def bob_gets_and_replaces_an_email(world: World) -> Callable[[], Any]:
    """A call after which `BOB` is the recovery address of another account."""
    proof = world.verify_address(BOB)

    def call() -> None:
        world.create_account("bob", proofs=(proof,))
        world.change_account(identity=world.log_in_as("bob"), email="robert@mail.example.com")

    return call


def notices(world: World, address: str = ANN) -> list[str]:
    return [message.values["what"] for message in world.messages_to(address) if message.template == "notice"]


def networks(number: int) -> list[Caller]:
    return [Caller(f"192.0.2.{each}") for each in range(number)]


# --- known networks ---------------------------------------------------------------------------------------------------


def test_maker_of_an_account_with_anothers_email_spends_none_of_the_codes_for_its_known_networks() -> None:
    world = World()
    join(world, "mallory", STRANGER, email=ANN)
    elsewhere = Caller("203.0.113.10")
    world.log_in(username="mallory", password=PASSWORD, caller=elsewhere)
    for caller in (STRANGER, STRANGER, STRANGER, elsewhere, elsewhere):
        assert isinstance(ask(world, ANN, caller), RequestedCode)
        world.clock.advance(61)
    ask(world, ANN, AT_HOME)
    assert isinstance(log_in(world, ANN, world.code_for(ANN)), TokenSet)

    for _ in range(2):
        assert isinstance(ask(world, ANN, AT_HOME), RequestedCode)
        world.clock.advance(61)


def test_strangers_own_changes_of_mobile_send_no_more_sms_than_a_network_has() -> None:
    world = World(**GATEWAYS)
    identity = join(world, "mallory", STRANGER)
    answers = []
    for number in range(25):
        mobile = f"99999{number:05}"
        change(world, identity, STRANGER, mobile=mobile)
        answers.append(ask(world, mobile, STRANGER))

    assert [type(answer) for answer in answers].count(RequestedCode) == 20
    assert isinstance(answers[-1], RateLimited)


def test_former_owner_of_a_number_spends_no_codes_of_its_next_owner() -> None:
    world = World(recovery_days=0)
    mallory = join(world, "mallory", STRANGER, MALLORY, MOBILE, mobile=MOBILE)
    for caller in (STRANGER, STRANGER, STRANGER):
        assert isinstance(ask(world, MOBILE, caller), RequestedCode)
        world.clock.advance(61)
    world.change_account(identity=mallory, mobile=None, caller=STRANGER)
    join(world, "bob", AT_BOBS, MOBILE, mobile=MOBILE)

    for _ in range(3):
        assert isinstance(ask(world, MOBILE, AT_BOBS), RequestedCode)
        world.clock.advance(61)


def test_thief_who_logged_in_once_is_a_stranger_after_the_new_password() -> None:
    world = World()
    join(world, "ann", AT_HOME, ANN)
    world.log_in(username="ann", password=PASSWORD, caller=STRANGER)
    world.change_account(identity=world.log_in_as("ann", caller=AT_HOME), password=OTHER_PASSWORD, caller=AT_HOME)
    holder = partial(world.database.accounts.holder, world.address(ANN))

    assert not holder(STRANGER.ip_address, world.clock()).knows_network
    assert holder(AT_HOME.ip_address, world.clock()).knows_network


# --- counters ---------------------------------------------------------------------------------------------------------


def test_requests_for_two_codes_do_not_overshoot_the_limit_of_a_network() -> None:
    world = World()
    ask(world, "first@mail.example.com", STRANGER)
    codes = 1
    for number in range(40):
        pair: dict[str, Any] = {"email": f"a{number}@mail.example.com", "mobile": f"99999{number:05}"}
        answer = outcome(partial(world.request_registration_code, name="Ann", **pair, caller=STRANGER))
        codes += 2 * isinstance(answer, RequestedCode)

    assert codes == 29, "of 30"


def test_strangers_own_code_does_not_clear_the_wrong_passwords_of_another_account() -> None:
    world = World()
    ann = join(world, "ann", AT_HOME, ANN, mobile=MOBILE)
    join(world, "mallory", STRANGER, MALLORY)
    for caller in networks(20):
        outcome(partial(world.log_in, username="ann", password=OTHER_PASSWORD, caller=caller))
    pair: dict[str, Any] = {"name": "Mallory", "email": MALLORY, "mobile": MOBILE}
    world.request_registration_code(**pair, caller=STRANGER)
    outcome(partial(world.register_or_log_in, **pair, verify_otp=world.code_for(MALLORY), caller=STRANGER))

    [window] = world.database.rate_limits.get([key_in_a_row(ann.account.id)])

    assert window.hits == 20


def test_concurrent_changes_try_ten_taken_values_an_hour() -> None:
    database = BusyDatabase()
    world = World(database=database)
    identity = join(world, "mallory", STRANGER)
    world.create_account("ann")
    tenth = partial(change, world, identity, STRANGER, email=ANN)
    for _ in range(9):
        assert isinstance(change(world, identity, STRANGER, email=ANN), AlreadyTaken)
    database.meanwhile = [tenth]

    assert isinstance(change(world, identity, STRANGER, email=ANN), RateLimited)
    assert len(world.events(EventType.VALUE_TAKEN)) == 10


# --- hourly totals ----------------------------------------------------------------------------------------------------


def test_total_holds_without_limits_per_network_and_without_a_share_of_one() -> None:
    world = World(**GATEWAYS, rate_limits=False, sms_per_hour=6)

    answers = [ask(world, f"99999{number:05}", STRANGER) for number in range(9)]

    assert [type(answer) for answer in answers] == [RequestedCode] * 4 + [Overloaded] * 5


def test_request_beyond_a_total_changes_nothing() -> None:
    world = World(**GATEWAYS, emails_per_hour=3)
    ask(world, ANN, AT_HOME)
    code = world.code_for(ANN)
    world.clock.advance(61)
    ask(world, BOB, AT_BOBS)

    assert isinstance(ask(world, ANN, STRANGER), Overloaded)
    assert isinstance(ask(world, MALLORY, STRANGER), Overloaded), "and no cool-down began"
    assert isinstance(verify(world, ANN, code), IssuedProof)


def test_one_network_has_a_fifth_of_the_codes_however_many_accounts_know_it() -> None:
    world = World(**GATEWAYS, emails_per_hour=10)
    for name in ("ann", "bob", "mallory"):
        join(world, name, STRANGER, f"{name}@mail.example.com")
    world.clock.advance(HOUR)

    answers = [ask(world, address, STRANGER) for address in (ANN, BOB, MALLORY)]

    assert [type(answer) for answer in answers] == [RequestedCode, RequestedCode, RateLimited]


def test_strangers_changes_do_not_spend_the_notices_of_others() -> None:
    world = World(**GATEWAYS, emails_per_hour=30)
    ann = join(world, "ann", AT_HOME, ANN)
    mallory = join(world, "mallory", STRANGER)
    for number in range(9):
        change(world, mallory, STRANGER, email=f"stranger{number}@mail.example.com")
    told = [message for message in world.messages if message.template == "notice"]

    change(world, ann, password=OTHER_PASSWORD)

    assert len(told) == 6, "a fifth of the mails of an hour"
    assert notices(world) == ["password_changed"]


def test_thief_with_many_browsers_leaves_the_owner_notices_of_changes() -> None:
    world = World()
    join(world, "ann", AT_HOME, ANN)
    systems = ("Windows NT 10.0", "X11; Linux x86_64", "Macintosh; Intel Mac OS X 10.15", "Android 14; Mobile")
    agents = [f"Mozilla/5.0 ({system}; rv:128.0) Gecko/20100101 Firefox/128.0" for system in systems]
    chrome = "Mozilla/5.0 ({}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/126.0.0.0 Safari/537.36"
    agents += [chrome.format(system) for system in systems]
    for agent in agents:
        thief = world.log_in_as("ann", caller=Caller("203.0.113.9", agent))

    change(world, thief, STRANGER, password=OTHER_PASSWORD, email="thief@mail.example.com")

    assert notices(world) == ["new_login"] * 5 + ["email_changed", "password_changed"]


def test_notices_name_device_and_network_to_readers_of_verified_addresses_alone() -> None:
    world = World()
    ann = join(world, "ann", AT_HOME, ANN)

    change(world, ann, email="stranger@mail.example.com")

    [to_owner] = [message for message in world.messages_to(ANN) if message.template == "notice"]
    [to_stranger] = world.messages_to("stranger@mail.example.com")
    assert to_owner.values["network"] == AT_HOME.ip_address
    assert {"network", "device"}.isdisjoint(to_stranger.values)


def test_owner_of_a_released_address_is_not_told_who_proved_it() -> None:
    world = World()
    join(world, "mallory", STRANGER, MALLORY, mobile=MOBILE)
    bob = join(world, "bob", AT_BOBS)
    proof = world.verify_address(MOBILE)

    change(world, bob, AT_BOBS, mobile=MOBILE, proofs=(proof,))

    [event] = world.events(EventType.ADDRESS_RELEASED)
    [notice] = [message for message in world.messages_to(MALLORY) if message.template == "notice"]
    assert event.caller == TRUSTED_CALLER
    assert (notice.values["what"], notice.values.get("network")) == ("address_released", None)


# --- open codes -------------------------------------------------------------------------------------------------------


def test_maker_of_an_account_with_anothers_mobile_ends_its_own_codes_alone() -> None:
    world = World()
    mallory = join(world, "mallory", STRANGER, mobile=MOBILE)
    ask(world, MALLORY, STRANGER)
    own = world.code_for(MALLORY)
    ask(world, MOBILE, AT_BOBS)

    change(world, mallory, STRANGER, password=OTHER_PASSWORD)

    assert isinstance(verify(world, MALLORY, own, STRANGER), InvalidCode)
    assert isinstance(verify(world, MOBILE, world.code_for(MOBILE), AT_BOBS), IssuedProof)


def test_changes_end_no_codes_to_an_unverified_mobile_of_an_account_with_a_verified_email() -> None:
    world = World()
    mallory = join(world, "mallory", STRANGER, MALLORY, mobile=MOBILE)
    for password in (OTHER_PASSWORD, THIRD_PASSWORD):
        ask(world, MOBILE, AT_BOBS)
        change(world, mallory, STRANGER, password=password)

        assert isinstance(verify(world, MOBILE, world.code_for(MOBILE), AT_BOBS), IssuedProof)
        world.clock.advance(61)


# --- companion mails --------------------------------------------------------------------------------------------------


def test_code_that_a_stranger_had_sent_to_the_owners_email_proves_that_email_alone() -> None:
    world = World()
    join(world, "ann", AT_HOME, ANN)
    ask(world, MOBILE, STRANGER, email=ANN)
    code = world.code_for(ANN)

    assert isinstance(log_in(world, ANN, code, STRANGER), InvalidCode)
    reset = partial(world.reset_password, email=ANN, otp=code, password=OTHER_PASSWORD, caller=STRANGER)
    assert isinstance(outcome(reset), InvalidCode)
    assert isinstance(verify(world, MOBILE, code), IssuedProof)


def test_strangers_companion_mail_does_not_replace_the_owners() -> None:
    world = World()
    join(world, "ann", AT_HOME, ANN, MOBILE, mobile=MOBILE)
    join(world, "mallory", STRANGER, MALLORY)
    ask(world, MOBILE, AT_HOME)
    code = world.code_for(ANN)

    assert isinstance(ask(world, MOBILE, STRANGER, email=MALLORY), RequestedCode)

    assert isinstance(log_in(world, MOBILE, code), TokenSet)


def test_requests_by_mobile_with_an_email_leave_half_of_its_codes() -> None:
    world = World()
    for number, caller in enumerate(networks(12)):
        assert isinstance(ask(world, f"99999{number:05}", caller, email=ANN), RequestedCode)
        assert len(world.codes_at(ANN)) == min(number + 1, 5)
        world.clock.advance(61)

    assert isinstance(ask(world, ANN, STRANGER), RequestedCode)


# --- changes ----------------------------------------------------------------------------------------------------------


def test_stale_session_does_not_undo_a_change_that_came_between() -> None:
    world = World()
    stale = join(world, "ann", AT_HOME)
    world.clock.advance(2 * HOUR)
    change(world, world.log_in_as("ann", caller=AT_HOME), email=BOB)

    answer = change(world, stale, STRANGER, name="Mallory", email=ANN)

    assert isinstance(answer, LoginNotFresh)
    assert world.owner(ANN) is None
    assert world.now(stale.account).name == stale.account.name


def test_address_that_another_account_gets_during_the_hashing_is_refused() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    identity = join(world, "mallory", STRANGER)
    bobs_change = bob_gets_and_replaces_an_email(world)
    hasher.meanwhile = [lambda: None, bobs_change]  # the comparison with the present password comes first

    answer = change(world, identity, STRANGER, email=BOB, password=OTHER_PASSWORD)

    assert isinstance(answer, AlreadyTaken)
    assert world.now(identity.account).email == identity.account.email


def test_owner_takes_the_replaced_address_back_without_a_proof() -> None:
    world = World(email_validation=True)
    proof = world.verify_address(ANN)
    ann = join(world, "ann", AT_HOME, proofs=(proof,))
    proof = world.verify_address(BOB)
    change(world, ann, email=BOB, proofs=(proof,))

    after = change(world, world.log_in_as("ann", caller=AT_HOME), email=ANN)

    assert isinstance(after, Account)
    assert (after.email_verified, after.recovery_addresses) == (True, ())


def test_current_password_is_that_of_the_account_whose_username_is_anothers_mobile() -> None:
    world = World()
    ann = join(world, "ann", AT_HOME)
    world.create_account("bob", mobile=MOBILE, password=OTHER_PASSWORD)
    world.alter(ann.account, username=Username(MOBILE, MOBILE))
    identity = world.identity(world.log_in(username=ANN, password=PASSWORD, caller=AT_HOME))

    assert isinstance(change(world, identity, current_password=PASSWORD, password=THIRD_PASSWORD), Account)
    assert isinstance(change(world, identity, current_password=OTHER_PASSWORD, password=PASSWORD), InvalidCredentials)


# --- recovery ---------------------------------------------------------------------------------------------------------


def test_thief_who_keeps_the_mobile_unverified_on_another_account_does_not_stop_its_recovery() -> None:
    world = World()
    thief = join(world, "ann", AT_HOME, ANN, MOBILE, mobile=MOBILE)
    change(world, thief, STRANGER, email="thief@mail.example.com", mobile=OTHER_MOBILE)
    world.alter(world.create_account("mallory"), mobile=world.address(MOBILE))
    ask(world, ANN, AT_HOME)

    tokens = log_in(world, ANN, world.code_for(ANN))

    assert tokens.recovered
    after = world.now(thief.account)
    assert after.mobile_verified
    assert world.owner(MOBILE) == after


# --- registration -----------------------------------------------------------------------------------------------------


def test_address_that_becomes_a_recovery_address_during_the_hashing_is_taken() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    hasher.meanwhile = [bob_gets_and_replaces_an_email(world)]

    answer = outcome(partial(world.create_account, "mallory", email=BOB, caller=STRANGER))

    assert isinstance(answer, AlreadyTaken)


def test_operator_takes_an_unverified_email_for_a_superuser() -> None:
    world = World()
    mallory = join(world, "mallory", STRANGER, MOBILE, email=ANN, mobile=MOBILE)

    boss = world.create_superuser(username="boss", name="Boss", email=ANN, password=PASSWORD)

    assert boss.email_verified
    assert world.now(mallory.account).email is None


def test_both_proofs_of_one_address_are_spent() -> None:
    world = World()
    proofs = world.verify_address(ANN), world.verify_address(ANN)
    world.create_account("ann", proofs=proofs)

    for proof in proofs:
        answer = outcome(partial(world.create_account, "mallory", email=ANN, proofs=(proof,)))
        assert isinstance(answer, InvalidInput)
        assert "proofs" in answer.errors


def test_callers_of_unknown_network_do_not_share_a_verification() -> None:
    world = World(email_validation=True)
    nowhere = Caller("unix")
    ask(world, ANN, nowhere)
    verify(world, ANN, world.code_for(ANN), nowhere)

    answer = outcome(partial(world.create_account, "mallory", email=ANN, caller=nowhere))

    assert isinstance(answer, InvalidInput)
    assert "email" in answer.errors


# --- between reading and locking --------------------------------------------------------------------------------------


def test_code_opens_no_account_that_is_deactivated_before_it_is_locked() -> None:
    database = BusyDatabase()
    world = World(database=database)
    ann = join(world, "ann", AT_HOME)
    ask(world, ANN, AT_HOME)
    code = world.code_for(ANN)
    database.meanwhile = [lambda: world.alter(ann.account, is_active=False)]

    assert isinstance(log_in(world, ANN, code), InvalidCode)
    assert world.now(ann.account).password_hash is not None
