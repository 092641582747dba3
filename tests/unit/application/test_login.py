from collections import Counter
from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, SlowHasher, World, concurrently, outcome

from vestibule.adapters.hasher import InsecureHasher
from vestibule.application import Caller, InvalidCredentials, InvalidInput, RateLimited, TokenSet
from vestibule.domain.events import EventType
from vestibule.domain.rate_limits import Limits, RateLimit
from vestibule.testing.timing.enumeration import django_hash

ELSEWHERE = replace(CALLER, ip_address="203.0.113.9")
ANN = "ann@mail.example.com"


def fail(world: World, times: int, username: str = "ann", **more: Any) -> list[Any]:
    return [outcome(lambda: world.log_in(username=username, password="not the password", **more)) for _ in range(times)]


@pytest.mark.parametrize(
    "username", ["ann", "ANN", " ann ", "ann@mail.example.com", "ANN@Mail.Example.com", "9999999999", "99999 99999"]
)
def test_login_accepts_username_email_or_mobile(username: str) -> None:
    world = World()
    account = world.create_account("ann", mobile="9999999999")

    tokens = world.log_in(username=username, password=PASSWORD, caller=CALLER)

    assert world.identity(tokens).account == account
    [event] = world.events(EventType.LOGGED_IN)
    assert (event.account_id, event.session_id, event.detail, event.caller) == (account.id, tokens.session, "password", CALLER)


def test_token_set_has_type_and_lifetime_and_hides_tokens_in_repr() -> None:
    world = World()
    world.create_account("ann")

    tokens = world.log_in(username="ann", password=PASSWORD)

    assert (tokens.token_type, tokens.expires_in) == ("Bearer", 300)
    assert tokens.access_token not in repr(tokens)
    assert tokens.refresh_token not in repr(tokens)


def test_imported_username_that_breaks_the_rules_can_log_in() -> None:
    world = World()
    account = world.create_account("ann")
    odd = replace(account.username, text="admin@old", canonical=world.identifiers.login("admin@old").canonical_username)
    world.alter(account, username=odd)

    assert world.can_log_in("ADMIN@old")


def test_password_is_normalised_and_not_trimmed() -> None:
    world = World()
    world.create_account("ann", password="caf\u00e9 of the world ")

    assert world.can_log_in("ann", "cafe\u0301 of the world ")
    assert not world.can_log_in("ann", "caf\u00e9 of the world")


def test_imported_password_of_spaces_is_accepted() -> None:
    world = World()
    world.create_account("ann", password=" " * 9)

    assert world.can_log_in("ann", " " * 9)
    assert not world.can_log_in("ann", " " * 8)


@pytest.mark.parametrize("nothing", [None, ""])
def test_missing_fields_are_named_and_not_counted(nothing: Any) -> None:
    world = World()

    with pytest.raises(InvalidInput) as caught:
        world.log_in(username=nothing, password=nothing)

    assert {*caught.value.errors} == {"username", "password"}
    assert world.events() == []


def test_wrong_unknown_inactive_and_passwordless_are_indistinguishable() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    world.create_account("wrong")
    world.alter(world.create_account("inactive"), is_active=False)
    world.alter(world.create_account("passwordless"), password_hash=None)
    seen = []

    for username, password in [
        ("wrong", OTHER_PASSWORD),
        ("unknown", PASSWORD),
        ("inactive", PASSWORD),
        ("passwordless", PASSWORD),
    ]:
        before = len(hasher.verified), len(world.events())
        refusal = outcome(partial(world.log_in, username=username, password=password, caller=CALLER))
        after = len(hasher.verified), len(world.events())
        hits = sum(len(window.timestamps) for window in world.database.rate_limits.get([f"logins:{CALLER.ip_address}"]))
        seen.append((type(refusal), str(refusal), after[0] - before[0], after[1] - before[1], hits))

    assert [observed[:4] for observed in seen] == [(InvalidCredentials, InvalidCredentials.title, 1, 1)] * 4
    assert [observed[4] for observed in seen] == [1, 2, 3, 4]
    assert [event.detail for event in world.events(EventType.LOGIN_FAILED)] == ["wrong", "unknown", "inactive", "passwordless"]


def test_inactive_account_costs_its_own_hash_and_an_unknown_or_passwordless_one_that_of_another() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    inactive = world.alter(world.create_account("inactive"), is_active=False)
    world.alter(world.create_account("passwordless"), password_hash=None)

    for username in ("inactive", "passwordless", "unknown"):
        assert not world.can_log_in(username)
    assert hasher.verified == [inactive.password_hash] * 3


def test_first_login_of_all_costs_a_hash() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)

    assert not world.can_log_in("unknown")
    assert hasher.verified == [None]


def test_unknown_names_cost_the_hashes_of_all_accounts_alike_and_each_name_always_the_same() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher, rate_limits=False)
    hashes = {world.create_account(f"account{number}").password_hash for number in range(8)}

    def costs() -> list[str | None]:
        hasher.verified.clear()
        for number in range(200):
            fail(world, 1, f"unknown{number}")
        return [*hasher.verified]

    first = costs()
    assert set(first) == hashes
    assert max(Counter(first).values()) < 3 * 200 / 8
    assert costs() == first


def test_password_of_another_account_opens_no_passwordless_one() -> None:
    world = World()
    world.create_account("ann", password=OTHER_PASSWORD)
    bob = world.alter(world.create_account("bob"), password_hash=None)

    assert not world.can_log_in("bob", OTHER_PASSWORD)
    assert not world.can_log_in("unknown", OTHER_PASSWORD)
    assert world.now(bob).password_hash is None
    assert world.can_log_in("ann", OTHER_PASSWORD)


def test_hash_of_another_system_is_replaced_at_the_first_right_login() -> None:
    world = World()
    account = world.alter(world.create_account("ann"), password_hash=django_hash(PASSWORD, iterations=2))

    fail(world, 1)
    assert world.now(account) == account
    assert world.can_log_in("ann")

    renewed = world.now(account).password_hash
    assert renewed is not None
    assert not world.hasher.needs_rehash(renewed)
    assert world.can_log_in("ann")


def test_password_that_was_changed_while_the_hash_of_another_system_was_verified_is_kept() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    account = world.alter(world.create_account("ann"), password_hash=django_hash(PASSWORD, iterations=2))
    changed = InsecureHasher().hash(OTHER_PASSWORD)
    hasher.meanwhile = [lambda: world.alter(account, password_hash=changed)]

    assert isinstance(outcome(lambda: world.log_in(username="ann", password=PASSWORD)), InvalidCredentials)
    assert world.now(account).password_hash == changed


# --- limits -----------------------------------------------------------------------------------------------------------


def test_identifier_has_5_failures_in_5_minutes_per_ip_address() -> None:
    world = World()
    world.create_account("ann")
    assert all(isinstance(answer, InvalidCredentials) for answer in fail(world, 5, caller=CALLER))
    world.clock.advance(100)

    refusal = outcome(lambda: world.log_in(username="ann", password=PASSWORD, caller=CALLER))

    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 200
    world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE)
    world.clock.advance(199)
    assert isinstance(fail(world, 1, caller=CALLER)[0], RateLimited)
    world.clock.advance(1)
    world.log_in(username="ann", password=PASSWORD, caller=CALLER)


@pytest.mark.parametrize("username", ["nobody", "nobody@mail.example.com", "7777777777"])
def test_unknown_identifier_has_the_same_limits(username: str) -> None:
    world = World()

    answers = fail(world, 6, username, caller=CALLER)

    assert [type(answer) for answer in answers] == [InvalidCredentials] * 5 + [RateLimited]
    assert answers[5].retry_after == 300


def test_spellings_of_an_identifier_share_its_limit() -> None:
    world = World()
    for spelling in ("ann", "ANN", " Ann", "aNN ", "ａｎｎ"):
        fail(world, 1, spelling, caller=CALLER)

    assert isinstance(fail(world, 1, "ann", caller=CALLER)[0], RateLimited)


def test_identifier_has_30_failures_in_15_minutes_over_all_ip_addresses() -> None:
    world = World()
    world.create_account("ann")
    for number in range(30):
        [refusal] = fail(world, 1, caller=replace(CALLER, ip_address=f"198.51.100.{number}"))
        assert isinstance(refusal, InvalidCredentials)

    refusal = outcome(lambda: world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE))

    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 900
    world.clock.advance(900)
    world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE)


def test_caller_without_an_ip_address_is_limited_by_identifier() -> None:
    world = World()
    world.create_account("ann")

    assert [type(answer) for answer in fail(world, 31)] == [InvalidCredentials] * 30 + [RateLimited]


def test_ip_address_has_10_failures_a_minute_over_all_identifiers() -> None:
    world = World()
    for number in range(10):
        assert isinstance(fail(world, 1, f"person{number}", caller=CALLER)[0], InvalidCredentials)

    [refusal] = fail(world, 1, "another", caller=CALLER)

    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 60
    world.clock.advance(60)
    assert isinstance(fail(world, 1, "another", caller=CALLER)[0], InvalidCredentials)


def test_network_has_100_failures_an_hour() -> None:
    world = World()
    for number in range(100):
        assert isinstance(fail(world, 1, f"person{number}", caller=CALLER)[0], InvalidCredentials)
        world.clock.advance(10)

    [refusal] = fail(world, 1, "another", caller=CALLER)

    assert isinstance(refusal, RateLimited)
    assert 2600 <= refusal.retry_after <= 2660, "a window of 100 hits is exact to a sixtieth of the period"


def test_success_clears_only_the_failures_of_its_identity_and_network() -> None:
    world = World()
    world.create_account("ann")
    fail(world, 4, caller=CALLER)

    world.log_in(username="ann", password=PASSWORD, caller=CALLER)

    assert [type(answer) for answer in fail(world, 5, caller=CALLER)] == [InvalidCredentials] * 5
    fail(world, 1, "other", caller=CALLER)
    [refusal] = fail(world, 1, "third", caller=CALLER)
    assert isinstance(refusal, RateLimited), "ten of the network"
    for number in range(21 + 5):  # four and those of the network that is known now are not counted for the others
        [refusal] = fail(world, 1, caller=replace(CALLER, ip_address=f"203.0.113.{number}"))
        assert isinstance(refusal, InvalidCredentials), number
    assert isinstance(fail(world, 1, caller=replace(CALLER, ip_address="192.0.2.9"))[0], RateLimited)


def test_networks_of_an_ipv6_site_have_sixteen_times_the_failures_of_one() -> None:
    world = World(limits=Limits(failed_logins_per_network=(RateLimit(1, 60),)))

    answers = [fail(world, 1, f"person{number}", caller=Caller(f"2001:db8:1:{number:x}::1"))[0] for number in range(17)]

    assert [type(answer) for answer in answers] == [InvalidCredentials] * 16 + [RateLimited]
    assert isinstance(fail(world, 1, caller=Caller("2001:db8:2::1"))[0], InvalidCredentials)
    assert isinstance(fail(world, 1, "other", caller=Caller("2001:db8:1:5::2"))[0], RateLimited)


def test_limits_by_ip_address_can_be_disabled_and_those_by_identifier_cannot() -> None:
    world = World(rate_limits=False)
    world.create_account("ann")

    assert [type(answer) for answer in fail(world, 31, caller=CALLER)] == [InvalidCredentials] * 30 + [RateLimited]


def test_attempt_beyond_the_limit_is_neither_hashed_nor_counted() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    fail(world, 5, caller=CALLER)

    fail(world, 20, caller=CALLER)

    assert len(hasher.verified) == 5
    assert len(world.events(EventType.LOGIN_FAILED)) == 5


def test_five_of_many_concurrent_wrong_passwords_are_compared_and_others_limited() -> None:
    world = World()
    world.create_account("ann")

    answers = concurrently([lambda: world.log_in(username="ann", password=OTHER_PASSWORD, caller=CALLER) for _ in range(20)])

    assert [type(answer) for answer in answers].count(InvalidCredentials) == 5
    assert [type(answer) for answer in answers].count(RateLimited) == 15


def test_right_password_beyond_the_limit_is_refused() -> None:
    """Five failures are counted while it is hashed."""
    hasher = SlowHasher()
    world = World(hasher=hasher)
    world.create_account("ann")
    hasher.meanwhile = [lambda: fail(world, 5, caller=CALLER)]

    refusal = outcome(lambda: world.log_in(username="ann", password=PASSWORD, caller=CALLER))

    assert isinstance(refusal, RateLimited)
    assert world.events(EventType.LOGGED_IN) == []


# --- known networks and strangers -------------------------------------------------------------------------------------

AT_HOME = Caller("192.0.2.1")


def stranger(number: int) -> Caller:
    return Caller(f"198.51.{number >> 8}.{number & 255}")


def world_with_ann(**settings: Any) -> World:
    """A world with Ann's account, whose email is verified and who has logged in at home."""
    world = World(**settings)
    world.create_account("ann", mobile="9999999999", proofs=(world.verify_address(ANN),))
    world.log_in(username="ann", password=PASSWORD, caller=AT_HOME)
    return world


def fail_from_strange_networks(world: World, times: int, username: str = "ann") -> list[Any]:
    """One failure from each of many networks, slowly enough for the limits of the identity."""
    answers = []
    for number in range(times):
        answers += fail(world, 1, username, caller=stranger(number))
        world.clock.advance(31)
    return answers


def notices(world: World) -> list[str]:
    return [message.values["what"] for message in world.messages_to(ANN) if message.template == "notice"]


def test_failures_of_strangers_do_not_shut_known_networks_out() -> None:
    world = world_with_ann()
    for number in range(30):
        fail(world, 1, caller=stranger(number))
    assert isinstance(outcome(lambda: world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE)), RateLimited)

    assert isinstance(world.log_in(username="ann", password=PASSWORD, caller=AT_HOME), TokenSet)


def test_failures_from_known_networks_leave_all_thirty_to_the_others() -> None:
    world = world_with_ann()
    for number in range(6):
        home = Caller(f"192.0.2.{number + 10}")
        world.log_in(username="ann", password=PASSWORD, caller=home)
        assert [type(answer) for answer in fail(world, 6, caller=home)] == [InvalidCredentials] * 5 + [RateLimited]

    answers = [fail(world, 1, caller=stranger(number))[0] for number in range(31)]

    assert [type(answer) for answer in answers] == [InvalidCredentials] * 30 + [RateLimited]


def test_100_wrong_passwords_in_a_row_pause_passwords_from_unknown_networks_and_one_notice_is_sent() -> None:
    world = world_with_ann()
    assert {type(answer) for answer in fail_from_strange_networks(world, 99)} == {InvalidCredentials}
    assert notices(world) == []
    fail_from_strange_networks(world, 20)
    world.clock.advance(900)

    refusal = outcome(lambda: world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE))

    assert isinstance(refusal, InvalidCredentials), "answered as wrong"
    assert notices(world) == ["password_logins_paused"]
    assert world.events(EventType.LOGIN_FAILED)[-1].caller == ELSEWHERE


def test_99_wrong_passwords_and_a_right_one_pause_nothing() -> None:
    world = world_with_ann()
    for _ in range(2):
        fail_from_strange_networks(world, 99)
        world.clock.advance(900)
        world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE)
    assert notices(world) == []


def test_wrong_passwords_in_a_row_are_counted_over_all_names_of_the_account() -> None:
    world = world_with_ann()
    fail_from_strange_networks(world, 50)
    fail_from_strange_networks(world, 50, ANN)
    world.clock.advance(900)

    for name in ("ann", ANN):
        answer = outcome(partial(world.log_in, username=name, password=PASSWORD, caller=ELSEWHERE))
        assert isinstance(answer, InvalidCredentials)


def test_known_network_logs_in_during_the_pause_and_ends_it() -> None:
    world = world_with_ann()
    fail_from_strange_networks(world, 100)
    world.clock.advance(900)

    assert isinstance(world.log_in(username="ann", password=PASSWORD, caller=AT_HOME), TokenSet)

    assert isinstance(world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE), TokenSet)


@pytest.mark.parametrize("by", ["login", "reset", "registration"])
def test_right_code_ends_the_pause(by: str) -> None:
    world = world_with_ann()
    fail_from_strange_networks(world, 100)
    world.clock.advance(900)
    password = OTHER_PASSWORD if by == "reset" else PASSWORD

    if by == "registration":
        world.request_registration_code(name="Ann", email=ANN, mobile="9999999999")
        code = world.code_for(ANN)
        world.register_or_log_in(name="Ann", email=ANN, mobile="9999999999", verify_otp=code)
    elif by == "reset":
        world.reset_password(email=ANN, otp=world.send(ANN), password=password)
    else:
        world.log_in_by_code(destination=ANN, verify_otp=world.send(ANN))

    assert isinstance(world.log_in(username="ann", password=password, caller=ELSEWHERE), TokenSet)


def test_owner_is_notified_of_another_pause() -> None:
    world = world_with_ann()
    for _ in range(2):
        fail_from_strange_networks(world, 100)
        world.clock.advance(900)
        world.log_in(username="ann", password=PASSWORD, caller=AT_HOME)
        world.messages_to(ANN)

    assert notices(world) == ["password_logins_paused"] * 2


def test_unknown_name_is_answered_alike_after_100_failures() -> None:
    world = world_with_ann()

    assert {type(answer) for answer in fail_from_strange_networks(world, 105, "unknown")} == {InvalidCredentials}

    assert world.messages == ()


def test_password_beyond_the_hundred_while_it_is_hashed_is_answered_as_wrong() -> None:
    hasher = SlowHasher()
    world = world_with_ann(hasher=hasher, limits=Limits(failed_logins_in_a_row=3))
    hasher.meanwhile = [lambda: fail(world, 3, caller=stranger(1))]

    refusal = outcome(lambda: world.log_in(username="ann", password=PASSWORD, caller=ELSEWHERE))

    assert isinstance(refusal, InvalidCredentials)


def test_account_has_30_logins_a_minute() -> None:
    world = world_with_ann()
    world.clock.advance(60)
    log_in = partial(world.log_in, username="ann", password=PASSWORD)
    for _ in range(30):
        log_in()

    refusal = outcome(log_in)

    assert isinstance(refusal, RateLimited)
    assert (refusal.retry_after, refusal.policy, refusal.limit) == (60, "logins", RateLimit(30, 60))
    assert isinstance(fail(world, 1)[0], InvalidCredentials), "only right passwords count"
    world.clock.advance(60)
    log_in()


def test_right_password_during_the_pause_does_not_count_as_a_login() -> None:
    """A 429 would tell that it is right."""
    world = world_with_ann(limits=Limits(failed_logins_in_a_row=3, logins_per_account=(RateLimit(1, 60),)))
    fail(world, 3, caller=stranger(1))

    for caller in (ELSEWHERE, stranger(2)):
        refusal = outcome(partial(world.log_in, username="ann", password=PASSWORD, caller=caller))
        assert isinstance(refusal, InvalidCredentials)


def test_current_password_from_an_unknown_network_is_answered_as_wrong_during_the_pause() -> None:
    world = world_with_ann(limits=Limits(failed_logins_in_a_row=3))
    identity = world.log_in_as("ann")
    fail(world, 3, caller=stranger(1))
    change = partial(world.change_account, identity=identity, name="Ann Other", current_password=PASSWORD)

    assert isinstance(outcome(partial(change, caller=ELSEWHERE)), InvalidCredentials)
    assert change(caller=AT_HOME).name == "Ann Other"


def test_limit_of_logins_is_lifted_with_those_per_network() -> None:
    world = world_with_ann(rate_limits=False)

    for _ in range(40):
        world.log_in(username="ann", password=PASSWORD)


# --- changes during hashing -------------------------------------------------------------------------------------------


def test_login_during_password_change_uses_new_hash() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    account = world.create_account("ann")
    change = lambda: world.alter(account, password_hash=InsecureHasher().hash(OTHER_PASSWORD))  # noqa: E731

    hasher.meanwhile = [change]
    assert isinstance(outcome(lambda: world.log_in(username="ann", password=PASSWORD)), InvalidCredentials)
    assert len(world.events(EventType.LOGIN_FAILED)) == 1


def test_password_rehashed_during_hashing_is_verified_again() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    account = world.create_account("ann")
    hasher.meanwhile = [lambda: world.alter(account, password_hash=InsecureHasher().hash(PASSWORD))]

    assert isinstance(world.log_in(username="ann", password=PASSWORD), TokenSet)
    assert len(hasher.verified) == 2


def test_password_that_changes_at_every_attempt_is_refused() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    account = world.create_account("ann")
    hasher.meanwhile = [lambda: world.alter(account, password_hash=InsecureHasher().hash(PASSWORD))] * 3

    assert isinstance(outcome(lambda: world.log_in(username="ann", password=PASSWORD)), InvalidCredentials)
    assert len(hasher.verified) == 3
    assert world.events(EventType.LOGGED_IN) == []


def test_account_deactivated_during_hashing_is_refused() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    account = world.create_account("ann")
    hasher.meanwhile = [lambda: world.alter(account, is_active=False)]

    assert isinstance(outcome(lambda: world.log_in(username="ann", password=PASSWORD)), InvalidCredentials)
    assert len(world.events(EventType.LOGIN_FAILED)) == 1


def test_outdated_hash_is_replaced_at_login() -> None:
    world = World(hasher=InsecureHasher("2"))
    account = world.alter(world.create_account("ann"), password_hash=InsecureHasher("1").hash(PASSWORD))

    world.log_in(username="ann", password=PASSWORD)

    renewed = world.now(account).password_hash
    assert renewed is not None
    assert not world.hasher.needs_rehash(renewed)
    assert world.can_log_in("ann")
    assert len(world.events(EventType.LOGGED_IN)) == 2


def test_wrong_password_replaces_no_hash() -> None:
    world = World(hasher=InsecureHasher("2"))
    account = world.alter(world.create_account("ann"), password_hash=InsecureHasher("1").hash(PASSWORD))

    fail(world, 1)

    assert world.now(account) == account
