from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, SlowHasher, World, concurrently, outcome

from vestibule.application import MISSING, Account, AlreadyTaken, Identity, InvalidCode, InvalidInput, InvalidToken, Username
from vestibule.domain.events import EventType

ANN = "ann@mail.example.com"
NEW = "new@mail.example.com"
MOBILE = "9999999999"
ALL_FIELDS: dict[str, Any] = {"username": "ann", "name": "Ann Somebody", "email": ANN, "mobile": MOBILE, "password": PASSWORD}


def logged_in(**fields: Any) -> tuple[World, Account, Identity]:
    """An account with two verified addresses, and a session of its own."""
    world = World(**fields)
    proofs = (world.verify_address(ANN), world.verify_address(MOBILE))
    account = world.create_account("ann", mobile=MOBILE, proofs=proofs)
    world.clock.advance(3601)
    return world, account, world.log_in_as("ann")


def change(world: World, identity: Identity, **fields: Any) -> Any:
    return outcome(lambda: world.change_account(identity=identity, **fields))


def put(world: World, identity: Identity, **fields: Any) -> Any:
    return outcome(lambda: world.replace_account(identity=identity, **ALL_FIELDS | fields))


def changes(world: World) -> list[EventType]:
    return [event.type for event in world.events() if event.type.endswith("_changed")]


# --- PATCH: given fields change -------------------------------------------------------------------------------------


def test_empty_change_changes_nothing() -> None:
    world, account, identity = logged_in()
    events = world.events()

    assert change(world, identity) == account

    assert world.now(account) == account
    assert world.events() == events


@pytest.mark.parametrize("nothing", [None, "", "  "])
def test_null_and_blank_change_nothing(nothing: Any) -> None:
    world, account, identity = logged_in()
    password = None if nothing == "  " else nothing

    assert change(world, identity, username=nothing, name=nothing, email=nothing, mobile=nothing, password=password) == account


@pytest.mark.parametrize(
    ("fields", "events"),
    [
        ({"username": "Annie"}, [EventType.USERNAME_CHANGED]),
        ({"name": "Ann Other"}, [EventType.NAME_CHANGED]),
        ({"email": NEW}, [EventType.EMAIL_CHANGED]),
        ({"mobile": "8888888888"}, [EventType.MOBILE_CHANGED]),
        ({"password": OTHER_PASSWORD}, [EventType.PASSWORD_CHANGED]),
        ({"username": "Ann"}, [EventType.USERNAME_CHANGED]),
        ({"email": "ANN@mail.example.com"}, []),
        ({"mobile": "99999 99999"}, []),
    ],
)
def test_each_change_is_recorded_and_other_fields_stay(fields: dict[str, str], events: list[EventType]) -> None:
    world, account, identity = logged_in()

    after = change(world, identity, **fields, caller=CALLER)

    assert world.now(account) == after
    assert changes(world) == events
    assert all((event.account_id, event.caller) == (account.id, CALLER) for event in world.events() if event.type in events)
    shown = {"username": after.username.text, "name": after.name, "email": after.email.text, "mobile": after.mobile.text}
    untouched = {"username": "ann", "name": "Ann Somebody", "email": ANN, "mobile": MOBILE}
    assert shown == untouched | {field: value for field, value in fields.items() if field != "password"}


def test_new_spelling_of_an_address_stays_verified() -> None:
    world, _, identity = logged_in()

    after = change(world, identity, email="ANN@mail.example.com", mobile="99999 99999")

    assert (after.email_verified, after.mobile_verified) == (True, True)


def test_new_address_is_unverified_and_the_other_stays_verified() -> None:
    world, _, identity = logged_in()

    after = change(world, identity, email=NEW)

    assert (after.email_verified, after.mobile_verified) == (False, True)
    world.clock.advance(61)
    code = world.send(NEW)
    assert isinstance(outcome(lambda: world.log_in_by_code(destination=NEW, verify_otp=code)), InvalidCode)


def test_new_address_with_a_proof_is_verified() -> None:
    world, _, identity = logged_in()
    proof = world.verify_address(NEW)

    after = change(world, identity, email=NEW, proofs=(proof,))

    assert (after.email_verified, after.mobile_verified, after.owner_verified) == (True, True, True)


def test_proof_alone_verifies_an_address_of_the_account() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    proofs = (world.verify_address(MOBILE),)
    identity = world.log_in_as("ann")

    after = change(world, identity, proofs=proofs)

    assert after.mobile_verified
    assert world.now(after) == after


def test_proof_of_an_address_removed_meanwhile_verifies_nothing() -> None:
    """Otherwise two concurrent calls would mark another person's address as verified."""
    world = World()
    world.create_account("ann")
    proof = world.verify_address(ANN)
    earlier = world.log_in_as("ann")
    change(world, earlier, email="victim@mail.example.com")

    after = change(world, earlier, proofs=(proof,))

    assert after.email.text == "victim@mail.example.com"
    assert not after.email_verified
    assert not world.now(after).email_verified


def test_new_password_revokes_codes_to_an_address_added_meanwhile() -> None:
    world = World()
    world.create_account("ann")
    earlier = world.log_in_as("ann")
    change(world, earlier, mobile=MOBILE)
    code = world.send(MOBILE)

    change(world, earlier, password=OTHER_PASSWORD)

    with pytest.raises(InvalidCode):
        world.log_in_by_code(destination=MOBILE, verify_otp=code)


def test_proof_of_another_address_is_refused() -> None:
    world, account, identity = logged_in()

    refusal = change(world, identity, proofs=(world.verify_address(NEW),))

    assert isinstance(refusal, InvalidInput)
    assert {*refusal.errors} == {"proofs"}
    assert world.now(account) == account


def test_every_invalid_field_is_named_and_nothing_changes() -> None:
    world, account, identity = logged_in()

    bad = {"username": "a@b", "name": "a\u2028b", "email": "nobody", "mobile": "1", "password": "short", "proofs": ("x",)}

    refusal = change(world, identity, **bad)

    assert isinstance(refusal, InvalidInput)
    assert {*refusal.errors} == {"username", "name", "email", "mobile", "password", "proofs"}
    assert world.now(account) == account
    assert changes(world) == []


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"username": "BOB"}, {"username"}),
        ({"email": "BOB@mail.example.com"}, {"email"}),
        ({"mobile": "88888-88888"}, {"mobile"}),
    ],
)
def test_value_of_another_account_is_taken(fields: dict[str, str], taken: set[str]) -> None:
    world, account, identity = logged_in()
    world.create_account("bob", mobile="8888888888")

    refusal = change(world, identity, **fields)

    assert isinstance(refusal, AlreadyTaken)
    assert {*refusal.errors} == taken
    assert world.now(account) == account


def test_one_of_two_concurrent_changes_to_one_username_succeeds() -> None:
    world = World()
    names = ("ann", "bob", "cid", "dan")
    for name in names:
        world.create_account(name)
    identities = [world.log_in_as(name) for name in names]

    answers = concurrently([partial(world.change_account, identity=identity, username="wanted") for identity in identities])

    assert [isinstance(answer, AlreadyTaken) for answer in answers].count(True) == 3
    assert len(world.events(EventType.USERNAME_CHANGED)) == 1


@pytest.mark.parametrize(
    ("fields", "password"),
    [({}, "Ann Somebody"), ({"name": "Velvet Thunder"}, "thunder99!"), ({"username": "thunderbird"}, "thunderbird1")],
)
def test_password_is_checked_against_the_changed_account(fields: dict[str, str], password: str) -> None:
    world, _, identity = logged_in()

    refusal = change(world, identity, **fields, password=password)

    assert isinstance(refusal, InvalidInput)
    assert {*refusal.errors} == {"password"}


# --- PUT: all five ----------------------------------------------------------------------------------------------------


def test_replacement_sets_all_five_fields() -> None:
    world, _, identity = logged_in()

    after = put(world, identity, username="annie", name="Annie", email=NEW, mobile="8888888888", password=OTHER_PASSWORD)

    assert (after.username.text, after.name, after.email.text, after.mobile.text) == ("annie", "Annie", NEW, "8888888888")
    assert world.can_log_in("annie", OTHER_PASSWORD)
    assert (after.email_verified, after.mobile_verified) == (False, False)


def test_replacement_with_equal_values_changes_only_the_password() -> None:
    world, account, identity = logged_in()

    after = put(world, identity)

    assert after == replace(account, password_hash=after.password_hash)
    assert changes(world) == [EventType.PASSWORD_CHANGED]


@pytest.mark.parametrize("nothing", [None, ""])
def test_null_mobile_removes_it(nothing: Any) -> None:
    world, _, identity = logged_in()

    after = put(world, identity, mobile=nothing)

    assert (after.mobile, after.mobile_verified) == (None, False)
    assert EventType.MOBILE_CHANGED in changes(world)


def test_missing_mobile_is_refused_and_so_is_null_if_required() -> None:
    world, account, identity = logged_in()
    assert {*put(world, identity, mobile=MISSING).errors} == {"mobile"}

    world, account, identity = logged_in(mobile_required=True)
    assert {*put(world, identity, mobile=None).errors} == {"mobile"}
    assert change(world, identity, mobile=None) == account


def test_replacement_names_every_missing_field() -> None:
    world, account, identity = logged_in()

    refusal = put(world, identity, username=None, name="", email=MISSING, mobile=MISSING, password=None)

    assert {*refusal.errors} == {"username", "name", "email", "mobile", "password"}
    assert world.now(account) == account


def test_unchanged_username_may_break_current_rules() -> None:
    world, account, identity = logged_in()
    world.alter(account, username=Username("9999999999", "9999999999"))
    identity = world.log_in_as(MOBILE)

    kept = put(world, identity, username=" 9999999999 ", name="Ann Other")
    assert kept.username.text == "9999999999"
    assert change(world, identity, username="9999999999", name="Ann Third").name == "Ann Third"

    refusal = change(world, identity, username="8888888888")
    assert {*refusal.errors} == {"username"}


def test_account_without_an_email_can_add_one() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    identity = world.identity(world.log_in_with_code(MOBILE))

    after = put(world, identity, email=NEW)

    assert (after.email.text, after.email_verified) == (NEW, False)


# --- sessions and codes -----------------------------------------------------------------------------------------------


def test_new_password_revokes_the_other_sessions() -> None:
    world, _, identity = logged_in()
    other = world.log_in(username="ann", password=PASSWORD)

    change(world, identity, password=OTHER_PASSWORD)

    assert not world.is_signed_in(other)
    assert change(world, identity, name="Ann Other").name == "Ann Other"
    assert not world.can_log_in("ann", PASSWORD)


@pytest.mark.parametrize("fields", [{"name": "Ann Other"}, {"username": "annie"}, {"email": NEW}, {"mobile": "8888888888"}])
def test_other_changes_revoke_no_session(fields: dict[str, str]) -> None:
    world, _, identity = logged_in()
    other = world.log_in(username="ann", password=PASSWORD)

    change(world, identity, **fields)

    assert world.is_signed_in(other)


@pytest.mark.parametrize(
    ("fields", "is_revoked"),
    [
        ({"password": OTHER_PASSWORD}, True),
        ({"email": NEW}, True),
        ({"mobile": "8888888888"}, True),
        ({"name": "Ann Other"}, False),
        ({"username": "annie"}, False),
    ],
)
def test_new_password_email_or_mobile_revokes_open_codes(fields: dict[str, str], is_revoked: bool) -> None:
    world, _, identity = logged_in()
    world.request_code(destination=MOBILE)
    codes = {address: world.code_for(address) for address in (MOBILE, ANN)}

    change(world, identity, **fields)

    answers = [outcome(partial(world.verify_code, destination=a, verify_otp=codes[a])) for a in codes]
    assert [isinstance(answer, InvalidCode) for answer in answers] == [is_revoked] * 2


def test_code_sent_before_the_address_was_added_is_revoked_too() -> None:
    world, _, identity = logged_in()
    code = world.send(NEW)

    change(world, identity, email=NEW)

    assert isinstance(outcome(lambda: world.verify_code(destination=NEW, verify_otp=code)), InvalidCode)


def test_change_by_a_session_revoked_meanwhile_is_refused() -> None:
    world, account, identity = logged_in()
    with world.database.begin() as tx:
        tx.sessions.revoke_all(account.id, world.clock())

    assert isinstance(change(world, identity, name="Ann Other"), InvalidToken)
    assert world.now(account) == account


def test_change_of_a_deleted_account_is_refused() -> None:
    world, account, identity = logged_in()

    stranger = replace(identity, account=replace(account, id=99, username=Username("x1", "x1"), email=None, mobile=None))

    assert isinstance(change(world, stranger, name="Ann Other"), InvalidToken)


def test_reset_while_the_new_password_is_hashed_wins() -> None:
    hasher = SlowHasher()
    world, _, identity = logged_in(hasher=hasher)
    code = world.send(ANN)
    hasher.meanwhile = [lambda: world.reset_password(email=ANN, otp=code, password="the owners own choice")]

    assert isinstance(change(world, identity, password=OTHER_PASSWORD), InvalidToken)
    assert world.can_log_in("ann", "the owners own choice")


# --- EMAIL_VALIDATION, MOBILE_VALIDATION ------------------------------------------------------------------------------


def test_validation_requires_a_verification_within_the_hour() -> None:
    world, _, identity = logged_in()
    world = World(database=world.database, new_id=world.verify_code.new_id, email_validation=True, mobile_validation=True)

    refusal = change(world, identity, email=NEW, mobile="8888888888")
    assert {*refusal.errors} == {"email", "mobile"}
    assert change(world, identity, email="ANN@mail.example.com", mobile=MOBILE, name="Ann Other").name == "Ann Other"

    world.verify_address(NEW)
    world.verify_address("8888888888")
    after = change(world, identity, email=NEW, mobile="8888888888")
    assert (after.email.text, after.mobile.text, after.email_verified, after.mobile_verified) == (
        NEW,
        "8888888888",
        False,
        False,
    )
