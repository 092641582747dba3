from dataclasses import replace
from functools import partial
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, BusyDatabase, SlowHasher, World, concurrently, outcome

from vestibule.application import (
    TRUSTED_CALLER,
    AddressKind,
    AlreadyTaken,
    InvalidInput,
    NotPermitted,
    Operator,
    RateLimited,
    Username,
)
from vestibule.domain.events import EventType
from vestibule.domain.rate_limits import DAY, RateLimit

ALL_FIELDS: dict[str, Any] = {"username": "ann", "name": "Ann Somebody", "email": "ann@mail.example.com", "password": PASSWORD}
EMAIL_FIRST = "This email must be verified by a code first."
MOBILE_FIRST = "This mobile must be verified by a code first."
BAD_PROOF = "This proof is not valid, has expired, was used, or belongs to another address."


def refused(call: Any, **fields: Any) -> dict[str, list[str]]:
    with pytest.raises(InvalidInput) as caught:
        call(**fields)
    return caught.value.errors


def test_new_account_keeps_spellings_and_is_unverified() -> None:
    world = World()

    account = world.register(**ALL_FIELDS | {"username": "Ann", "email": "Ann@Mail.Example.com", "mobile": "9999 99 99 99"})

    assert (account.username.text, account.username.canonical) == ("Ann", "ann")
    assert account.email
    assert (account.email.text, account.email.canonical) == ("Ann@Mail.Example.com", "ann@mail.example.com")
    assert account.mobile
    assert account.mobile.text == "9999 99 99 99"
    assert not any(
        (account.email_verified, account.mobile_verified, account.ever_verified, account.is_staff, account.is_superuser)
    )
    assert account.is_active
    assert account.image is None
    assert world.now(account) == account
    assert world.can_log_in("ann")


def test_registration_is_recorded_with_its_caller() -> None:
    world = World()

    account = world.register(**ALL_FIELDS, caller=CALLER)

    [event] = world.events(EventType.REGISTERED)
    assert (event.account_id, event.occurred_at, event.caller) == (account.id, world.clock(), CALLER)


def test_every_invalid_field_is_named_and_nothing_is_stored() -> None:
    world = World()

    errors = refused(
        world.register, username="a@b", name="bad\u2028name", email="nobody", mobile="12", password="password", proofs=("x",)
    )

    assert set(errors) == {"username", "name", "email", "mobile", "password", "proofs"}
    assert world.events() == []


@pytest.mark.parametrize("nothing", [None, "", "   "])
def test_missing_field_is_named(nothing: Any) -> None:
    world = World()
    expected = {"username", "name", "email"} if nothing == "   " else {"username", "name", "email", "password"}

    errors = refused(world.register, username=nothing, name=nothing, email=nothing, password=nothing)

    assert expected <= set(errors)
    assert errors["email"] == ["This field is required."]


def test_value_that_is_no_text_is_refused() -> None:
    errors = refused(World().register, username=1, name=["x"], email={}, mobile=9.5, password=True, proofs="text")

    assert {*errors} == {"username", "name", "email", "mobile", "password", "proofs"}
    assert errors["username"] == ["This must be text."]
    assert errors["proofs"] == ["This must be a list of texts."]


def test_nul_and_lone_surrogates_are_refused_in_every_field() -> None:
    fields = {"username": "a\0nn", "name": "A\ud800nn", "email": "a\0@mail.example.com", "password": f"{PASSWORD}\0"}

    errors = refused(World().register, **fields, proofs=("\0",))

    assert {*errors} == {"username", "name", "email", "password", "proofs"}


def test_proofs_may_be_none() -> None:
    nothing: Any = None

    assert World().register(**ALL_FIELDS, proofs=nothing).id


def test_mobile_is_optional() -> None:
    assert World().register(**ALL_FIELDS).mobile is None


def test_missing_mobile_is_refused_if_required() -> None:
    world = World(mobile_required=True)

    assert refused(world.register, **ALL_FIELDS) == {"mobile": ["This field is required."]}
    assert world.register(**ALL_FIELDS, mobile="9999999999").mobile


@pytest.mark.parametrize(
    ("fields", "taken"),
    [
        ({"username": "ANN"}, ("username",)),
        ({"email": "ANN@MAIL.example.COM"}, ("email",)),
        ({"mobile": "99999-99999"}, ("mobile",)),
        ({"username": "ann", "email": "ann@mail.example.com", "mobile": "9999999999"}, ("email", "mobile", "username")),
    ],
)
def test_value_of_another_account_is_taken_in_any_spelling(fields: dict[str, str], taken: tuple[str, ...]) -> None:
    world = World()
    world.create_account("ann", mobile="9999999999")

    with pytest.raises(AlreadyTaken) as caught:
        world.create_account("bob", **fields)

    assert caught.value.fields == taken
    assert len(world.events(EventType.REGISTERED)) == 1


def test_taken_value_is_one_of_the_invalid_fields_along_with_another_error() -> None:
    world = World()
    world.create_account("ann")

    with pytest.raises(InvalidInput) as caught:
        world.create_account("ann", email="nobody")

    assert not isinstance(caught.value, AlreadyTaken)
    assert set(caught.value.errors) == {"username", "email"}


@pytest.mark.parametrize("password", ["password", "annabelle1", "short", "Ann Somebody"])
def test_common_short_or_personal_password_is_refused(password: str) -> None:
    world = World()

    assert {*refused(world.register, **ALL_FIELDS | {"username": "annabelle", "password": password})} == {"password"}


def test_one_of_two_concurrent_registrations_of_one_username_succeeds() -> None:
    world = World()

    answers = concurrently([partial(world.register, **ALL_FIELDS | {"email": f"{n}@mail.example.com"}) for n in range(8)])

    assert sum(isinstance(answer, AlreadyTaken) for answer in answers) == 7
    assert len(world.events(EventType.REGISTERED)) == 1


def test_username_taken_during_hashing_is_refused() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    hasher.meanwhile = [lambda: world.register(**ALL_FIELDS)]

    with pytest.raises(AlreadyTaken) as caught:
        world.register(**ALL_FIELDS | {"email": "other@mail.example.com"})

    assert caught.value.fields == ("username",)
    assert len(world.events(EventType.REGISTERED)) == 1


# --- proofs -----------------------------------------------------------------------------------------------------------


def test_registration_with_a_proof_starts_verified() -> None:
    world = World()
    proof = world.verify_address("ann@mail.example.com")

    account = world.create_account("ann", mobile="9999999999", proofs=(proof,))

    assert (account.email_verified, account.mobile_verified, account.ever_verified) == (True, False, True)


def test_each_proof_verifies_its_own_address() -> None:
    world = World()
    proofs = (world.verify_address("9999999999"), world.verify_address("ann@mail.example.com"))

    account = world.create_account("ann", mobile="9999999999", proofs=proofs)

    assert (account.email_verified, account.mobile_verified, account.ever_verified) == (True, True, True)


def test_password_set_with_a_proof_is_kept_by_a_code_login() -> None:
    world = World()
    world.create_account("ann", proofs=(world.verify_address("ann@mail.example.com"),))

    world.log_in_with_code("ann@mail.example.com")

    assert world.can_log_in("ann")


def test_proof_of_another_address_or_of_none_is_refused() -> None:
    world = World()
    proof = world.verify_address("eve@mail.example.com")

    for proofs in ((proof,), ("made up",), (proof, "made up")):
        assert refused(world.register, **ALL_FIELDS, proofs=proofs) == {"proofs": [BAD_PROOF]}


def test_proof_expires_after_an_hour() -> None:
    world = World()
    proof = world.verify_address("ann@mail.example.com")
    world.clock.advance(3601)
    assert refused(world.register, **ALL_FIELDS, proofs=(proof,)) == {"proofs": [BAD_PROOF]}

    world.clock.advance(-1)
    assert world.register(**ALL_FIELDS, proofs=(proof,)).email_verified


def test_proof_is_spent_by_the_call_that_uses_it() -> None:
    world = World()
    proof = world.verify_address("ann@mail.example.com")
    refused(world.register, **ALL_FIELDS | {"name": ""}, proofs=(proof,))

    account = world.register(**ALL_FIELDS, proofs=(proof,))

    world.change_account(identity=world.log_in_as("ann"), email="ann@new.example.com")
    refusal = outcome(lambda: world.change_account(identity=world.log_in_as("ann"), email=account.email.text, proofs=(proof,)))  # type: ignore[union-attr]
    assert isinstance(refusal, InvalidInput)
    assert refusal.errors == {"proofs": [BAD_PROOF]}


def test_one_of_two_concurrent_registrations_by_one_proof_succeeds() -> None:
    world = World()
    proof = world.verify_address("ann@mail.example.com")

    answers = concurrently(
        [partial(world.register, **ALL_FIELDS | {"username": f"ann{number}"}, proofs=(proof,)) for number in range(6)]
    )

    assert [isinstance(answer, InvalidInput) for answer in answers].count(True) == 5
    assert len(world.events(EventType.REGISTERED)) == 1


def test_proof_spent_during_hashing_creates_no_account() -> None:
    hasher = SlowHasher()
    world = World(hasher=hasher)
    proof = world.verify_address("ann@mail.example.com")
    other = world.create_account("bob")

    def spend() -> None:
        with world.database.begin() as tx:
            assert tx.proofs.spend(world.codes.keyed_digest(f"proof:{proof}"), 0.0)

    hasher.meanwhile = [spend]

    assert refused(world.register, **ALL_FIELDS, proofs=(proof,)) == {"proofs": [BAD_PROOF]}
    assert [event.account_id for event in world.events(EventType.REGISTERED)] == [other.id]


def test_five_proofs_are_refused_before_anything_is_asked() -> None:
    world = World()
    proof = world.verify_address("ann@mail.example.com")

    assert refused(world.register, **ALL_FIELDS, proofs=(proof, "a", "b", "c", "d")) == {
        "proofs": ["A call takes at most 4 proofs."]
    }

    assert world.register(**ALL_FIELDS, proofs=(proof,) * 4).email_verified


# --- unverified addresses of other accounts ---------------------------------------------------------------------------


def test_proof_takes_an_address_from_the_account_on_which_it_is_unverified() -> None:
    world = World()
    mallory = world.create_account(
        "mallory", email="m@mail.example.com", mobile="9999999999", proofs=(world.verify_address("m@mail.example.com"),)
    )
    proof = world.verify_address("9999999999")
    assert world.check_unique(prop="mobile", value="9999999999") is False
    with pytest.raises(AlreadyTaken):
        world.register(**ALL_FIELDS, mobile="9999999999")

    account = world.register(**ALL_FIELDS, mobile="9999999999", proofs=(proof,))

    assert account.mobile_verified
    assert world.now(mallory) == replace(mallory, mobile=None)
    [event] = world.events(EventType.ADDRESS_RELEASED)
    assert (event.account_id, event.detail) == (mallory.id, "mobile")
    assert [message.values["what"] for message in world.messages_to("m@mail.example.com") if "what" in message.values] == [
        "address_released"
    ]


def test_verified_address_stays_its_accounts_whatever_proof_is_brought() -> None:
    world = World()
    world.create_account("ann", proofs=(world.verify_address("ann@mail.example.com"),))
    proof = world.verify_address("ann@mail.example.com")

    with pytest.raises(AlreadyTaken) as caught:
        world.create_account("eve", email="ann@mail.example.com", proofs=(proof,))

    assert caught.value.fields == ("email",)
    assert world.check_unique(prop="email", value="ann@mail.example.com") is False


def test_recovery_address_is_taken_for_everybody_else() -> None:
    world = World()
    world.create_account("ann", proofs=(world.verify_address("ann@mail.example.com"),))
    world.change_account(identity=world.log_in_as("ann"), email="new@mail.example.com")

    assert world.check_unique(prop="email", value="ann@mail.example.com") is False
    proof = world.verify_address("ann@mail.example.com")
    with pytest.raises(AlreadyTaken):
        world.create_account("eve", email="ann@mail.example.com", proofs=(proof,))


@pytest.mark.parametrize(("field", "value"), [("email", "ada@mail.example.com"), ("mobile", "9999999999")])
@pytest.mark.parametrize("is_proved", [True, False])
def test_address_that_is_another_accounts_username_is_taken(field: Any, value: str, is_proved: bool) -> None:
    """One space of names, however the username came to be."""
    world = World()
    world.alter(world.create_account("ada", email="other@mail.example.com"), username=Username(value, value))
    proofs = (world.verify_address(value),) if is_proved else ()

    with pytest.raises(AlreadyTaken) as caught:
        world.create_account("bob", **{field: value}, proofs=proofs)

    assert caught.value.fields == (field,)
    assert world.check_unique(prop=field, value=value) is False


# --- EMAIL_VALIDATION, MOBILE_VALIDATION ------------------------------------------------------------------------------


def test_validation_requires_every_address_to_be_verified() -> None:
    world = World(email_validation=True, mobile_validation=True)

    assert refused(world.register, **ALL_FIELDS, mobile="9999999999") == {"email": [EMAIL_FIRST], "mobile": [MOBILE_FIRST]}


@pytest.mark.parametrize("kind", [AddressKind.EMAIL, AddressKind.MOBILE])
def test_each_validation_setting_applies_to_its_own_kind(kind: AddressKind) -> None:
    world = World(email_validation=kind is AddressKind.EMAIL, mobile_validation=kind is AddressKind.MOBILE)

    assert {*refused(world.register, **ALL_FIELDS, mobile="9999999999")} == {kind}


def test_mobile_that_is_not_given_needs_no_verification() -> None:
    assert World(mobile_validation=True).register(**ALL_FIELDS).mobile is None


def test_verification_within_the_hour_satisfies_validation_but_marks_nothing() -> None:
    """Another person may have verified it; only a proof shows that the caller did."""
    world = World(email_validation=True)
    world.verify_address("ann@mail.example.com")
    world.clock.advance(3600)

    account = world.register(**ALL_FIELDS)

    assert not account.email_verified
    assert not account.ever_verified


def test_verification_satisfies_validation_only_from_the_same_network() -> None:
    world = World(email_validation=True)
    world.request_code(destination="ann@mail.example.com")
    code = world.code_for("ann@mail.example.com")
    world.verify_code(destination="ann@mail.example.com", verify_otp=code, caller=CALLER)

    for other in (TRUSTED_CALLER, replace(CALLER, ip_address="203.0.113.9")):
        assert refused(world.register, **ALL_FIELDS, caller=other) == {"email": [EMAIL_FIRST]}

    assert not world.register(**ALL_FIELDS, caller=CALLER).email_verified


def test_verification_expires_for_validation_after_an_hour() -> None:
    world = World(email_validation=True)
    world.verify_address("ann@mail.example.com")
    world.clock.advance(3601)

    assert refused(world.register, **ALL_FIELDS) == {"email": [EMAIL_FIRST]}


def test_given_proof_satisfies_validation() -> None:
    world = World(email_validation=True)

    assert world.register(**ALL_FIELDS, proofs=(world.verify_address("ann@mail.example.com"),)).email_verified


# --- superusers -------------------------------------------------------------------------------------------------------


def test_superuser_is_staff_with_a_verified_email_and_needs_no_proof() -> None:
    world = World(email_validation=True, mobile_required=True)

    account = world.create_superuser(**ALL_FIELDS)

    assert account.is_superuser
    assert account.is_staff
    assert account.email_verified
    assert account.ever_verified
    assert world.can_log_in("ann")
    assert world.events(EventType.REGISTERED)[0].caller == TRUSTED_CALLER


def test_superuser_is_recorded_with_actor_and_reason() -> None:
    world = World()
    first = world.create_superuser(**ALL_FIELDS, operator=Operator(name="command line (ada)"), reason="the first")
    assert [(event.type, event.account_id, event.detail, event.actor, event.reason) for event in world.events()] == [
        ("registered", first.id, "", "command line (ada)", "the first"),
        ("address_verified", first.id, "email", "command line (ada)", "the first"),
    ]
    boss = Operator(identity=world.log_in_as("ann"))
    other = ALL_FIELDS | {"username": "bob", "email": "bob@mail.example.com"}
    second = world.create_superuser(**other, operator=boss, caller=CALLER)
    event = world.events(EventType.REGISTERED)[-1]
    assert (event.account_id, event.actor, event.reason, event.caller) == (second.id, f"account {first.id}", None, CALLER)


@pytest.mark.parametrize("flags", [{}, {"is_staff": True}])
def test_superusers_are_created_by_superusers_alone(flags: dict[str, bool]) -> None:
    world = World()
    world.alter(world.create_account("sam"), **flags)
    operator = Operator(identity=world.log_in_as("sam"))
    assert isinstance(outcome(partial(world.create_superuser, **ALL_FIELDS, operator=operator)), NotPermitted)
    assert len(world.events(EventType.REGISTERED)) == 1


def test_operator_who_is_demoted_meanwhile_creates_no_superuser() -> None:
    database = BusyDatabase()
    world = World(database=database)
    boss = world.alter(world.create_account("boss"), is_superuser=True)
    operator = Operator(identity=world.log_in_as("boss"))
    database.meanwhile = [lambda: world.alter(boss, is_superuser=False)]
    assert isinstance(outcome(partial(world.create_superuser, **ALL_FIELDS, operator=operator)), NotPermitted)
    assert len(world.events(EventType.REGISTERED)) == 1


def test_fields_of_a_superuser_are_validated() -> None:
    assert refused(World().create_superuser, **ALL_FIELDS | {"password": "password"}) == {
        "password": ["This password is among the most common ones."]
    }


# --- uniqueness check -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prop", "value", "is_unique"),
    [
        ("username", "ANN", False),
        ("username", "bob", True),
        ("email", "Ann@MAIL.example.com", False),
        ("email", "bob@mail.example.com", True),
        ("mobile", "9999 999 999", False),
        ("mobile", "8888888888", True),
        (" mobile ", "8888888888", True),
    ],
)
def test_uniqueness_follows_registration(prop: Any, value: str, is_unique: bool) -> None:
    world = World()
    world.create_account("ann", mobile="9999999999")

    assert world.check_unique(prop=prop, value=value) is is_unique


@pytest.mark.parametrize(
    ("prop", "value", "bad"),
    [
        ("username", "12345678", {"value"}),
        ("username", "admin", {"value"}),
        ("email", "nobody", {"value"}),
        ("mobile", "12", {"value"}),
        ("name", "Ann", {"prop"}),
        ("name", "", {"prop", "value"}),
        (None, None, {"prop", "value"}),
        ("username", 7, {"value"}),
    ],
)
def test_value_that_cannot_be_registered_is_refused(prop: Any, value: Any, bad: set[str]) -> None:
    assert {*refused(World().check_unique, prop=prop, value=value)} == bad


# --- limits -----------------------------------------------------------------------------------------------------------


def test_ip_address_can_register_20_times_a_minute() -> None:
    world = World()
    for number in range(20):
        world.create_account(f"person{number}", caller=CALLER)
    world.clock.advance(20)

    refusal = outcome(lambda: world.create_account("late", caller=CALLER))
    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 40
    assert world.create_account("elsewhere", caller=replace(CALLER, ip_address="203.0.113.9")).id

    world.clock.advance(39)
    assert isinstance(outcome(lambda: world.create_account("late", caller=CALLER)), RateLimited)
    world.clock.advance(1)
    assert world.create_account("late", caller=CALLER).id


def test_failed_registrations_count_and_trusted_callers_are_not_limited() -> None:
    world = World()
    for _ in range(20):
        outcome(lambda: world.create_account("ann", password="short", caller=CALLER))

    assert isinstance(outcome(lambda: world.create_account("ann", caller=CALLER)), RateLimited)
    assert world.create_account("ann", password=OTHER_PASSWORD).id


def test_ip_address_can_check_uniqueness_30_times_a_minute() -> None:
    world = World()
    ask = partial(world.check_unique, prop="username", value="ann", caller=CALLER)
    assert [ask() for _ in range(30)] == [True] * 30

    refusal = outcome(ask)

    assert isinstance(refusal, RateLimited)
    assert refusal.retry_after == 60
    world.clock.advance(60)
    assert ask()


def test_ip_address_can_check_uniqueness_500_times_a_day() -> None:
    world = World()
    ask = partial(world.check_unique, prop="username", value="ann", caller=CALLER)
    for number in range(500):
        assert ask(), number
        world.clock.advance(2)

    refusal = outcome(ask)

    assert isinstance(refusal, RateLimited)
    assert (refusal.retry_after, refusal.policy) == (DAY - 1000, "uniqueness-checks")
    assert refusal.limit == RateLimit(500, DAY)
    world.clock.advance(refusal.retry_after)
    assert ask()
