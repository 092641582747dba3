from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, SlowHasher, World, concurrently, outcome

from vestibule.application import (
    MISSING,
    Account,
    AddressNotVerified,
    AlreadyTaken,
    Identity,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    InvalidToken,
    IssuedProof,
    LoginNotFresh,
    RateLimited,
    Username,
)
from vestibule.application.account import LAST_VERIFIED
from vestibule.application.validation import WRONG_PROOF
from vestibule.domain.events import EventType
from vestibule.domain.rate_limits import DAY

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

    assert (
        change(world, identity, username=nothing, name=nothing, email=nothing, mobile=nothing or "", password=password)
        == account
    )


def test_null_mobile_of_a_change_removes_it() -> None:
    world, account, identity = logged_in()

    after = change(world, identity, mobile=None)

    assert (after.mobile, after.mobile_verified) == (None, False)
    assert world.now(account) == after
    assert changes(world) == [EventType.MOBILE_CHANGED]


def test_last_verified_address_can_be_replaced_and_not_removed() -> None:
    world = World()
    account = world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    identity = world.log_in_as("ann")

    refusal = change(world, identity, mobile=None)

    assert isinstance(refusal, InvalidInput)
    assert refusal.errors == {"mobile": [LAST_VERIFIED.message]}
    assert world.now(account) == account
    assert change(world, identity, mobile="8888888888").mobile.text == "8888888888"


def test_refused_removal_is_one_of_the_invalid_fields() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))

    refusal = change(world, world.log_in_as("ann"), mobile=None, name="a\u2028b")

    assert {*refusal.errors} == {"mobile", "name"}


def test_mobile_can_be_removed_along_with_a_proof_of_the_email() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE, proofs=(world.verify_address(MOBILE),))
    proof = world.verify_address(ANN)

    after = change(world, world.log_in_as("ann"), mobile=None, proofs=(proof,))

    assert (after.mobile, after.email_verified) == (None, True)


def test_mobile_that_has_become_the_last_verified_address_meanwhile_is_not_removed() -> None:
    world, account, earlier = logged_in()
    change(world, earlier, email=NEW)
    before = world.now(account)

    refusal = change(world, earlier, mobile=None)

    assert isinstance(refusal, InvalidInput)
    assert refusal.errors == {"mobile": [LAST_VERIFIED.message]}
    assert world.now(account) == before


def test_unverified_mobile_can_be_removed() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)

    assert change(world, world.log_in_as("ann"), mobile=None).mobile is None


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


def test_new_address_is_unverified_opens_nothing_and_the_other_stays_verified() -> None:
    world, _, identity = logged_in()

    after = change(world, identity, email=NEW)

    assert (after.email_verified, after.mobile_verified) == (False, True)
    world.clock.advance(61)
    code = world.send(NEW)
    assert isinstance(outcome(lambda: world.log_in_by_code(destination=NEW, verify_otp=code)), AddressNotVerified)


def test_new_address_with_a_proof_is_verified() -> None:
    world, _, identity = logged_in()
    proof = world.verify_address(NEW)

    after = change(world, identity, email=NEW, proofs=(proof,))

    assert (after.email_verified, after.mobile_verified, after.ever_verified) == (True, True, True)
    assert world.now(after) == after


def test_verified_address_that_is_replaced_stays_the_recovery_address_until_seven_days_after_the_new_one_is_verified() -> None:
    world, account, identity = logged_in()
    change(world, identity, email=NEW)
    world.clock.advance(days=20)
    assert world.owner(ANN) == world.now(account)

    world.verify_address(NEW, world.log_in_as("ann"))
    world.clock.advance(7 * DAY - 1)
    assert world.owner(ANN) == world.now(account)

    world.clock.advance(1)
    assert world.owner(ANN) is None


def test_verified_address_that_is_removed_stays_the_recovery_address_for_seven_days() -> None:
    world, account, identity = logged_in()
    change(world, identity, mobile=None)
    world.clock.advance(7 * DAY - 1)
    assert world.owner(MOBILE) == world.now(account)

    world.clock.advance(1)
    assert world.owner(MOBILE) is None


def test_account_may_change_back_to_its_recovery_address_which_is_verified_at_once() -> None:
    world, account, identity = logged_in()
    change(world, identity, email=NEW)

    after = change(world, world.log_in_as("ann"), email=ANN)

    assert world.now(account) == after
    assert after == account
    assert world.owner(NEW) is None


def test_there_is_no_recovery_address_where_the_days_of_recovery_are_0() -> None:
    world, _, identity = logged_in(recovery_days=0)

    after = change(world, identity, email=NEW)

    assert after.recovery_addresses == ()
    assert world.create_account("eve", email=ANN).id
    assert "recovery_days" not in world.messages_to(ANN)[-1].values


def test_proof_takes_an_address_from_the_account_on_which_it_is_unverified() -> None:
    world, _, identity = logged_in()
    mallory = world.create_account("mallory", email=NEW)
    proof = world.verify_address(NEW)
    assert isinstance(change(world, identity, email=NEW), AlreadyTaken)

    after = change(world, identity, email=NEW, proofs=(proof,))

    assert after.email_verified
    assert world.now(mallory).email is None
    assert [event.account_id for event in world.events(EventType.ADDRESS_RELEASED)] == [mallory.id]


def test_proof_is_spent_by_the_change_that_uses_it() -> None:
    world, _, identity = logged_in()
    proof = world.verify_address(NEW)
    change(world, identity, email=NEW, proofs=(proof,))
    world.clock.advance(1)

    refusal = change(world, world.log_in_as("ann"), proofs=(proof,))

    assert isinstance(refusal, InvalidInput)
    assert refusal.errors == {"proofs": [WRONG_PROOF.message]}


def test_username_that_is_the_mobile_goes_with_it() -> None:
    world = World()
    world.request_registration_code(name="Ann", email=ANN, mobile=MOBILE)
    tokens = world.register_or_log_in(name="Ann", email=ANN, mobile=MOBILE, verify_otp=world.code_for(ANN))
    identity = world.identity(tokens)
    assert identity.account.username.text == MOBILE

    changed = put(world, identity, username=MOBILE, mobile="8888888888")

    assert changed.username.text == f"user-{changed.id}"
    assert EventType.USERNAME_CHANGED in changes(world)
    assert world.create_account("eve", mobile=MOBILE).id


def test_username_given_along_with_a_new_mobile_replaces_the_one_that_was_the_mobile() -> None:
    world, account, _ = logged_in()
    world.alter(account, username=Username(MOBILE, MOBILE))

    after = change(world, world.log_in_as(MOBILE), username="annie", mobile="8888888888")

    assert after.username.text == "annie"


@pytest.mark.parametrize(("field", "value"), [("email", "ada@mail.example.com"), ("mobile", "8888888888")])
def test_address_that_is_another_accounts_username_is_taken(field: str, value: str) -> None:
    world, account, identity = logged_in()
    world.alter(world.create_account("bob"), username=Username(value, value))

    refusal = change(world, identity, **{field: value})

    assert isinstance(refusal, AlreadyTaken)
    assert refusal.fields == (field,)
    assert world.now(account) == account


def test_proof_alone_verifies_an_address_of_the_account() -> None:
    world = World()
    world.create_account("ann", mobile=MOBILE)
    proofs = (world.verify_address(MOBILE),)
    identity = world.log_in_as("ann")

    after = change(world, identity, mobile=MOBILE, proofs=proofs)

    assert after.mobile_verified
    assert world.now(after) == after
    assert [(event.account_id, event.detail) for event in world.events(EventType.ADDRESS_VERIFIED)] == [(after.id, "mobile")]
    assert changes(world) == []


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


def test_new_password_revokes_codes_to_an_address_verified_meanwhile() -> None:
    world = World()
    world.create_account("ann")
    earlier = world.log_in_as("ann")
    change(world, earlier, mobile=MOBILE)
    world.verify_address(MOBILE, earlier)
    world.clock.advance(60)
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


def test_replacement_with_equal_values_changes_nothing() -> None:
    world, account, identity = logged_in()
    other, events = world.log_in(username="ann", password=PASSWORD), len(world.messages)

    assert put(world, identity) == account

    assert world.now(account) == account
    assert world.is_signed_in(other)
    assert changes(world) == []
    assert len(world.messages) == events


def test_password_equal_to_the_present_one_is_no_change_and_other_fields_change() -> None:
    world, account, identity = logged_in()
    other = world.log_in(username="ann", password=PASSWORD)
    code = world.send(MOBILE)

    after = put(world, identity, name="Ann Other")

    assert after == replace(account, name="Ann Other")
    assert changes(world) == [EventType.NAME_CHANGED]
    assert world.is_signed_in(other)
    assert world.verify_code(destination=MOBILE, verify_otp=code).proof
    assert [message for message in world.messages_to(ANN) if message.template == "notice"] == []


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
    assert {*change(world, identity, mobile=None).errors} == {"mobile"}
    assert change(world, identity, name=account.name) == account


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


def test_code_sent_before_the_address_was_added_stays() -> None:
    """It may be another person's, who asked for it."""
    world, _, identity = logged_in()
    code = world.send(NEW)

    change(world, identity, email=NEW)

    assert isinstance(outcome(lambda: world.verify_code(destination=NEW, verify_otp=code)), IssuedProof)


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


def test_validation_requires_a_proof_or_a_verification_within_the_hour_from_the_same_network() -> None:
    world, _, identity = logged_in(email_validation=True, mobile_validation=True)
    new: dict[str, Any] = {"email": NEW, "mobile": "8888888888"}
    assert {*change(world, identity, **new).errors} == {"email", "mobile"}
    assert change(world, identity, email="ANN@mail.example.com", mobile=MOBILE, name="Ann Other").name == "Ann Other"

    for destination in new.values():
        world.verify_address(destination)
    assert {*change(world, identity, **new, caller=CALLER).errors} == {"email", "mobile"}

    after = change(world, identity, **new)
    assert (after.email.text, after.mobile.text) == (NEW, "8888888888")
    assert (after.email_verified, after.mobile_verified) == (False, False)


# --- fresh logins -----------------------------------------------------------------------------------------------------

SENSITIVE: list[dict[str, Any]] = [
    {"password": OTHER_PASSWORD},
    {"password": PASSWORD},
    {"email": NEW},
    {"mobile": "8888888888"},
    {"mobile": None},
    {"email": "invalid"},
    {"email": "bob@mail.example.com"},
]


@pytest.mark.parametrize("fields", SENSITIVE, ids=str)
def test_sensitive_change_wants_a_fresh_login_and_tells_nothing_about_the_values(fields: dict[str, Any]) -> None:
    world, account, identity = logged_in()
    world.create_account("bob")
    world.clock.advance(3601)
    events = world.events()

    refusal = change(world, identity, **fields)

    assert isinstance(refusal, LoginNotFresh)
    assert refusal.max_age == 3600
    assert world.now(account) == account
    assert world.events() == events


@pytest.mark.parametrize(
    "fields", [{"name": "Ann Other"}, {"username": "annie"}, {"email": "ANN@mail.example.com"}, {"mobile": "99999 99999"}]
)
def test_other_changes_want_no_fresh_login(fields: dict[str, Any]) -> None:
    world, _, identity = logged_in()
    world.clock.advance(3601)

    assert isinstance(change(world, identity, **fields), Account)


def test_session_is_fresh_for_an_hour() -> None:
    world, _, identity = logged_in()
    world.clock.advance(3600)

    assert isinstance(change(world, identity, email=NEW), Account)


def test_fresh_login_is_a_setting_and_can_be_lifted() -> None:
    world, _, identity = logged_in(fresh_login=100)
    world.clock.advance(101)
    assert isinstance(change(world, identity, email=NEW), LoginNotFresh)

    world, _, identity = logged_in(fresh_login=None)
    world.clock.advance(days=10)
    assert isinstance(change(world, identity, email=NEW), Account)


def test_current_password_replaces_a_fresh_login() -> None:
    world, _, identity = logged_in()
    world.clock.advance(3601)

    after = change(world, identity, password=OTHER_PASSWORD, email=NEW, current_password=PASSWORD)

    assert after.email.text == NEW
    assert world.can_log_in("ann", OTHER_PASSWORD)


@pytest.mark.parametrize("is_fresh", [True, False])
@pytest.mark.parametrize("fields", [{"email": NEW}, {"name": "Ann Other"}], ids=str)
def test_wrong_current_password_is_refused_also_where_the_session_is_fresh(fields: dict[str, Any], is_fresh: bool) -> None:
    world, account, identity = logged_in()
    world.clock.advance(0 if is_fresh else 3601)

    refusal = change(world, identity, **fields, current_password=OTHER_PASSWORD, caller=CALLER)

    assert isinstance(refusal, InvalidCredentials)
    assert world.now(account) == account
    [event] = world.events(EventType.LOGIN_FAILED)
    assert (event.account_id, event.caller, event.detail) == (account.id, CALLER, "wrong")


def test_current_password_is_counted_like_a_login() -> None:
    world, _, identity = logged_in()
    guess = partial(change, world, identity, name="Ann Other", current_password=OTHER_PASSWORD, caller=CALLER)
    assert [type(guess()) for _ in range(6)] == [InvalidCredentials] * 5 + [RateLimited]

    refusal = outcome(lambda: world.log_in(username="ann", password=PASSWORD, caller=CALLER))

    assert isinstance(refusal, RateLimited)
    assert isinstance(change(world, identity, name="Ann Other", current_password=PASSWORD, caller=CALLER), RateLimited)


def test_right_current_password_clears_the_failures_of_its_caller() -> None:
    world, _, identity = logged_in()
    for password in [OTHER_PASSWORD] * 4 + [PASSWORD]:
        change(world, identity, name="Ann Other", current_password=password, caller=CALLER)

    answers = [change(world, identity, name="Ann", current_password=OTHER_PASSWORD, caller=CALLER) for _ in range(5)]

    assert {type(answer) for answer in answers} == {InvalidCredentials}


def test_current_password_beyond_the_limit_while_it_is_hashed_is_refused() -> None:
    hasher = SlowHasher()
    world, _, identity = logged_in(hasher=hasher)
    guess = partial(change, world, identity, name="Ann Other", current_password=OTHER_PASSWORD, caller=CALLER)
    hasher.meanwhile = [lambda: [guess() for _ in range(5)]]

    refusal = change(world, identity, name="Ann Other", current_password=PASSWORD, caller=CALLER)

    assert isinstance(refusal, RateLimited)


# --- taken values -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("field", "value"), [("username", "bob"), ("email", "bob@mail.example.com"), ("mobile", "8888888888")])
def test_ten_taken_values_an_hour_are_answered_and_then_any_change_of_those_fields_is_429(field: str, value: str) -> None:
    world, _, identity = logged_in()
    world.create_account("bob", mobile="8888888888")
    for _ in range(10):
        assert isinstance(change(world, identity, **{field: value}, name="a\u2028b"), InvalidInput)
        world.clock.advance(1)

    free = ({"username": "annie"}, {"email": NEW}, {"mobile": "7777777777"})
    for fields in (*free, {field: value}):
        refusal = change(world, identity, **fields, caller=CALLER)
        assert isinstance(refusal, RateLimited)
        assert (refusal.retry_after, refusal.policy) == (3590, "taken-values")
    assert change(world, identity, name="Ann Other").name == "Ann Other"
    assert change(world, identity, email="ANN@mail.example.com", username="Ann").username.text == "Ann"
    world.clock.advance(3590)
    assert isinstance(change(world, world.log_in_as("ann"), username="annie"), Account)


def test_each_taken_value_is_in_the_audit_log_without_the_value() -> None:
    world, account, identity = logged_in()
    world.create_account("bob", mobile="8888888888")

    change(world, identity, email="bob@mail.example.com", mobile="8888888888", caller=CALLER)

    [event] = world.events(EventType.VALUE_TAKEN)
    assert (event.account_id, event.session_id, event.caller) == (account.id, identity.session_id, CALLER)
    assert event.detail == "email,mobile"


def test_thirty_taken_values_a_day_are_answered() -> None:
    world, _, identity = logged_in(fresh_login=None)
    world.create_account("bob")
    for _ in range(30):
        assert isinstance(change(world, identity, username="bob"), AlreadyTaken)
        world.clock.advance(400)

    assert change(world, identity, username="bob").retry_after == DAY - 30 * 400
