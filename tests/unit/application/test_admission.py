"""Who may come in: every way to an account, and to an address of one, asks the admission, but for those of the operator."""

import ast
import inspect
from dataclasses import fields
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from tests.support.world import CALLER, OTHER_PASSWORD, PASSWORD, World, outcome, wrong

from vestibule import application
from vestibule.application import (
    AddressKind,
    AlreadyTaken,
    ErrorCode,
    FieldError,
    InvalidCode,
    InvalidInput,
    Refusal,
    RegistrationClosed,
)
from vestibule.application.ports import Applicant
from vestibule.domain.account import Address
from vestibule.domain.events import EventType
from vestibule.entrypoints.facade import USE_CASES

ANN: dict[str, Any] = {"username": "ann", "name": "Ann Somebody", "email": "ann@mail.example.com", "password": PASSWORD}
BY_CODE: dict[str, Any] = {"name": "Bob Other", "email": "bob@mail.example.com", "mobile": "+49 170 1234567"}
DENIED = FieldError(ErrorCode.DOMAIN_NOT_ACCEPTED, "Not here.")


class Doorkeeper:
    """An admission that records its questions, and refuses what the test tells it to."""

    may_block = False

    def __init__(self) -> None:
        self.addresses: list[str] = []
        self.applicants: list[Applicant] = []
        self.denied: set[str] = set()
        self.closed: Refusal | None = None

    def address_error(self, address: Address) -> FieldError | None:
        self.addresses.append(address.text)
        return DENIED if address.text in self.denied else None

    def refusal(self, applicant: Applicant) -> Refusal | None:
        self.applicants.append(applicant)
        return self.closed


@pytest.fixture
def door() -> Doorkeeper:
    return Doorkeeper()


@pytest.fixture
def world(door: Doorkeeper) -> World:
    return World(admission=door)


def denied(call: Any, **arguments: Any) -> dict[str, list[str]]:
    refusal = outcome(lambda: call(**arguments))
    assert isinstance(refusal, InvalidInput), refusal
    return {field: [*codes] for field, codes in refusal.codes.items()}


# --- every way --------------------------------------------------------------------------------------------------------

CHANGES_ADDRESSES = {"with_addresses", "claimed", "recovered"}
"""The functions of the domain by which an account gets an address. `accounts.add` is the only way to a new account."""

ASKS = {
    "register": "registration",
    "request_registration_code": "register_or_login",
    "register_or_log_in": "register_or_login",
    "check_unique": "registration",
    "change_account": "account",
    "replace_account": "account",
}
EXEMPT = {
    "registration.CreateSuperuser": "the operator decides alone",
    "addresses.SetAddress": "the operator decides alone",
    "ownership.AccountOpener": "puts back what the account had; the address of a claim is asked for by `RegisterOrLogIn`",
}
WAYS = {
    "registration.Register",
    "register_or_login.RegisterOrLogIn",
    "account.Changes",  # of `ChangeAccount` and `ReplaceAccount`
    *EXEMPT,
}


def callers_of(tree: ast.Module, wanted: Any) -> set[str]:
    """The names of classes and functions at the top that make such a call."""
    return {
        node.name
        for node in tree.body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
        for call in ast.walk(node)
        if isinstance(call, ast.Call) and wanted(call.func)
    }


def adds_account(function: ast.expr) -> bool:
    return ast.unparse(function).endswith("accounts.add") or ast.unparse(function) == "_add"  # of `registration`


def changes_address(function: ast.expr) -> bool:
    return ast.unparse(function).rpartition(".")[2] in CHANGES_ADDRESSES


def test_every_way_to_an_account_or_an_address_is_listed() -> None:
    found = set()
    for file in Path(inspect.getfile(application)).parent.glob("*.py"):
        tree = ast.parse(file.read_text("utf-8"))
        names = callers_of(tree, adds_account) | callers_of(tree, changes_address)
        found |= {f"{file.stem}.{name}" for name in names - {"_add"}}
    assert found == WAYS, "a new way: have it ask the admission, test that below, and list it here"


@pytest.mark.parametrize("name", ASKS)
def test_use_case_that_asks_has_the_admission(name: str, world: World, door: Doorkeeper) -> None:
    use_case = getattr(world, name)
    assert type(use_case) is USE_CASES[name].use_case
    assert import_module(type(use_case).__module__).__name__.endswith(ASKS[name])
    assert getattr(use_case, "rules", use_case).admission is door


def test_no_other_use_case_is_given_the_admission(world: World, door: Doorkeeper) -> None:
    given = {
        name
        for name in USE_CASES
        for field in fields(getattr(world, name))
        if door in (value := getattr(getattr(world, name), field.name), getattr(value, "admission", None))
    }
    assert given == {*ASKS, "invite", "create_superuser", "reset_password"}, "the last two set passwords by the same rules"


# --- addresses --------------------------------------------------------------------------------------------------------


def test_registration_asks_for_both_addresses_and_names_all_bad_fields(world: World, door: Doorkeeper) -> None:
    door.denied = {ANN["email"], "+4917012345"}

    found = denied(world.register, **ANN | {"mobile": "+4917012345", "username": "@"})

    assert found == {"username": ["malformed"], "email": ["domain-not-accepted"], "mobile": ["domain-not-accepted"]}
    assert world.events() == []


def test_refused_address_is_refused_alike_whether_it_is_taken_or_not(world: World, door: Doorkeeper) -> None:
    world.register(**ANN)
    door.denied = {ANN["email"]}

    assert denied(world.check_unique, prop="email", value=ANN["email"]) == {"value": ["domain-not-accepted"]}
    for send in (world.request_registration_code, lambda **more: world.register_or_log_in(verify_otp="123456", **more)):
        assert denied(send, **BY_CODE | {"email": ANN["email"]}) == {"email": ["domain-not-accepted"]}
    assert world.messages == ()


def test_change_asks_for_a_new_address_alone(world: World, door: Doorkeeper) -> None:
    world.register(**ANN)
    identity = world.log_in_as("ann")
    door.denied = {ANN["email"], "ann@spam.example.com"}
    door.addresses.clear()

    assert denied(world.change_account, identity=identity, email="ann@spam.example.com") == {"email": ["domain-not-accepted"]}
    complete = {**ANN, "mobile": None, "email": "ann@spam.example.com"}
    assert denied(world.replace_account, identity=identity, **complete) == {"email": ["domain-not-accepted"]}
    world.change_account(identity=identity, name="Ann Else", email=ANN["email"])

    assert set(door.addresses) == {"ann@spam.example.com"}
    assert world.now(identity.account).name == "Ann Else"


def test_account_keeps_what_it_has_and_gets_back_what_it_had(world: World, door: Doorkeeper) -> None:
    proof = world.verify_address(ANN["email"])
    world.register(**ANN, proofs=(proof,))
    identity = world.log_in_as("ann")
    world.change_account(
        identity=identity, email="other@mail.example.com", proofs=(world.verify_address("other@mail.example.com"),)
    )
    door.denied, door.closed = {ANN["email"]}, RegistrationClosed()

    changed = world.change_account(identity=world.log_in_as("ann"), email=ANN["email"])
    assert changed.email
    assert (changed.email.text, changed.email_verified) == (ANN["email"], True)


def test_code_from_a_recovery_address_asks_nothing(world: World, door: Doorkeeper) -> None:
    world.register(**ANN, proofs=(world.verify_address(ANN["email"]),))
    world.change_account(identity=world.log_in_as("ann"), email="thief@mail.example.com")
    door.denied, door.closed = {ANN["email"]}, RegistrationClosed()
    door.addresses.clear()

    tokens = world.log_in_with_code(ANN["email"])

    assert tokens.recovered
    assert door.addresses == []


def test_operator_does_not_ask(world: World, door: Doorkeeper) -> None:
    door.denied, door.closed = {ANN["email"], "boss@spam.example.com"}, RegistrationClosed()

    boss = world.create_superuser(**ANN | {"username": "boss"})
    changed = world.set_address(identifier="boss", address="boss@spam.example.com")

    assert boss.is_superuser
    assert changed.email
    assert changed.email.text == "boss@spam.example.com"
    assert (door.addresses, door.applicants) == ([], [])


# --- registration -----------------------------------------------------------------------------------------------------


def test_applicant_has_the_fields_that_are_valid(world: World, door: Doorkeeper) -> None:
    world.register(**ANN, caller=CALLER)
    outcome(lambda: world.register(username="@", name="x", email="ann@", password=PASSWORD, mobile="1"))

    whole, broken = door.applicants
    assert whole.username
    assert whole.email
    assert (whole.username.text, whole.name, whole.email.text) == ("ann", ANN["name"], ANN["email"])
    assert (whole.mobile, whole.caller) == (None, CALLER)
    assert (broken.username, broken.name, broken.email, broken.mobile) == (None, "x", None, None)


def test_closed_registration_tells_nothing_of_accounts(world: World, door: Doorkeeper) -> None:
    world.register(**ANN)
    door.closed = RegistrationClosed()

    for fields_ in (ANN, {**ANN, "username": "eve", "email": "eve@mail.example.com"}, {**ANN, "password": "short"}):
        assert isinstance(outcome(partial(world.register, **fields_)), RegistrationClosed)
    assert len(world.events(EventType.REGISTERED)) == 1


@pytest.mark.parametrize("kind", AddressKind)
def test_code_of_a_stranger_says_that_registration_is_closed_only_if_it_is_right(
    world: World, door: Doorkeeper, kind: AddressKind
) -> None:
    door.closed = RegistrationClosed()
    world.request_registration_code(**BY_CODE)
    code = world.code_for(BY_CODE[kind])

    assert isinstance(outcome(lambda: world.register_or_log_in(**BY_CODE, verify_otp=wrong(code))), InvalidCode)
    assert isinstance(outcome(lambda: world.register_or_log_in(**BY_CODE, verify_otp=code)), RegistrationClosed)
    assert isinstance(outcome(lambda: world.register_or_log_in(**BY_CODE, verify_otp=code)), InvalidCode), "it is used"
    assert world.events(EventType.REGISTERED) == []
    [applicant, *_] = door.applicants
    assert applicant.mobile
    assert (applicant.username, applicant.mobile.text) == (None, BY_CODE["mobile"])


def test_code_of_an_account_logs_in_while_registration_is_closed(world: World, door: Doorkeeper) -> None:
    world.request_registration_code(**BY_CODE)
    first = world.register_or_log_in(**BY_CODE, verify_otp=world.code_for(BY_CODE["email"]))
    door.closed = RegistrationClosed()
    world.clock.advance(60)
    world.request_registration_code(**BY_CODE)

    again = world.register_or_log_in(**BY_CODE, verify_otp=world.code_for(BY_CODE["email"]))

    assert (first.created, again.created) == (True, False)


def test_admission_may_refuse_in_words_of_its_own(world: World, door: Doorkeeper) -> None:
    door.closed = InvalidInput({"email": [FieldError(ErrorCode.DOMAIN_NOT_ACCEPTED, "You are no customer.")]})

    refusal = outcome(lambda: world.register(**ANN))

    assert refusal is door.closed
    assert not isinstance(refusal, AlreadyTaken)


def test_reset_and_login_do_not_ask(world: World, door: Doorkeeper) -> None:
    world.register(**ANN)
    door.denied, door.closed = {ANN["email"]}, RegistrationClosed()
    door.addresses.clear()

    world.reset_password(email=ANN["email"], otp=world.send(ANN["email"]), password=OTHER_PASSWORD)

    assert world.can_log_in("ann", OTHER_PASSWORD)
    assert door.addresses == []
