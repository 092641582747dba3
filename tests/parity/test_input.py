"""Bad values of every field: all bad fields are named at once, and nothing changes."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.account_builders import (
    ANN,
    CODE_REGISTRATION,
    OTHER_REGISTRATION,
    REGISTRATION,
    WRONG_CODE,
    invalid,
    logged_in,
)
from tests.support.interfaces import Interface, Refused
from tests.support.world import OTHER_PASSWORD, World

NEVER: dict[str, Any] = {"a list": ["text"], "an object": {"a": 1}, "a boolean": True, "a fraction": 1.5, "below zero": -1}
NO_TEXT: dict[str, Any] = {"a NUL": "ann\0else", "a control character": "ann\x1belse"}
BLANK: dict[str, Any] = {"null": None, "empty": "", "blank": " \t "}
TOO_LONG = {
    "username": "a" * 151,
    "name": "a" * 501,
    "email": "a" * 243 + "@example.com",
    "mobile": "1" * 16,
    "password": "a" * 257,
}

Call = Callable[[Interface, str, dict[str, Any]], Any]

CALLS: dict[str, tuple[Call, dict[str, Any]]] = {
    "register": (lambda interface, own, fields: interface.register(**fields), OTHER_REGISTRATION),
    "replace": (lambda interface, own, fields: interface.replace(own, **fields), OTHER_REGISTRATION),
    "change": (lambda interface, own, fields: interface.change(own, **fields), OTHER_REGISTRATION),
    "log in": (lambda interface, own, fields: interface.log_in(**fields), {"username": "ann", "password": OTHER_PASSWORD}),
    "send": (
        lambda interface, own, fields: interface.send(**fields),
        {"destination": OTHER_REGISTRATION["mobile"], "email": OTHER_REGISTRATION["email"]},
    ),
    "verify": (lambda interface, own, fields: interface.verify(**fields), {"destination": ANN, "verify_otp": "123456"}),
    "enter": (lambda interface, own, fields: interface.log_in_by_code(**fields), {"destination": ANN, "verify_otp": "123456"}),
    "send to register": (lambda interface, own, fields: interface.request_registration_code(**fields), CODE_REGISTRATION),
    "register or log in": (
        lambda interface, own, fields: interface.register_or_log_in(**fields),
        CODE_REGISTRATION | {"verify_otp": "123456"},
    ),
    "reset": (
        lambda interface, own, fields: interface.reset(**fields),
        {"email": ANN, "otp": "123456", "password": OTHER_PASSWORD},
    ),
    "is unique": (lambda interface, own, fields: interface.is_unique(**fields), {"prop": "username", "value": "ann"}),
    "refresh": (lambda interface, own, fields: interface.refresh(**fields), {"refresh": "text"}),
}
OPTIONAL = {("register", "mobile"), ("replace", "mobile"), ("send", "email")}
CODES = {"verify_otp", "otp"}


@pytest.fixture
def kind() -> str:
    """One database: input is validated before any query."""
    return "sqlite"


@pytest.fixture
def own(interface: Interface) -> str:
    """An access token of a registered account."""
    return logged_in(interface).token


def stored_rows(world: World) -> Any:
    return [world.database.accounts.get(number) for number in (1, 2)], world.messages, world.events()


@pytest.mark.parametrize("case", CALLS)
def test_every_field_that_is_not_text_is_named(case: str, interface: Interface, own: str) -> None:
    call, good = CALLS[case]
    before = stored_rows(interface.world)
    for what, value in NEVER.items():
        assert call(interface, own, dict.fromkeys(good, value)) == invalid(*good), what
    assert stored_rows(interface.world) == before


@pytest.mark.parametrize("case", [case for case in CALLS if case not in {"log in", "refresh"}])
def test_forbidden_character_is_refused(case: str, interface: Interface, own: str) -> None:
    call, good = CALLS[case]
    before = stored_rows(interface.world)
    for what, value in NO_TEXT.items():
        free = {"prop"} | (CODES if what != "a NUL" else set())
        fields = {name: kept if name in free else value for name, kept in good.items()}
        assert call(interface, own, fields) == invalid(*(name for name in good if name not in free)), what
    assert stored_rows(interface.world) == before


@pytest.mark.parametrize("case", CALLS)
def test_lone_surrogate_is_refused(case: str, interface: Interface, own: str) -> None:
    """HTTP refuses the body as malformed; the library names the fields."""
    call, good = CALLS[case]
    before = stored_rows(interface.world)
    assert call(interface, own, dict.fromkeys(good, "a\ud800b")) in (Refused("malformed-body"), invalid(*good))
    assert stored_rows(interface.world) == before


@pytest.mark.parametrize("case", ["register", "replace", "change", "send", "send to register"])
def test_too_long_fields_are_named(case: str, interface: Interface, own: str) -> None:
    call, good = CALLS[case]
    long = {name: TOO_LONG.get(name, value) for name, value in good.items()}
    assert call(interface, own, long) == invalid(*(name for name in good if name in TOO_LONG))


@pytest.mark.parametrize("case", [case for case in CALLS if case not in {"change", "verify", "enter", "register or log in"}])
def test_blank_field_counts_as_absent(case: str, interface: Interface, own: str) -> None:
    call, good = CALLS[case]
    for what, value in BLANK.items():
        needed = {name for name in good if (case, name) not in OPTIONAL}
        if what == "blank" and case == "log in":
            needed -= {"password"}  # a blank password is a wrong one, not an absent one
        assert call(interface, own, dict.fromkeys(good, value)) == invalid(*needed), what


def test_text_is_trimmed_but_not_a_password(interface: Interface) -> None:
    spaced = {name: f" {value} " for name, value in OTHER_REGISTRATION.items()}
    shown = interface.register(**spaced)
    assert {name: shown[name] for name in CODE_REGISTRATION} == {name: OTHER_REGISTRATION[name] for name in CODE_REGISTRATION}
    assert interface.log_in(username=" eve ", password=OTHER_PASSWORD) == Refused("invalid-credentials")
    assert not isinstance(interface.log_in(username=" eve ", password=f" {OTHER_PASSWORD} "), Refused)
    assert interface.verify(destination=f" {ANN} ", verify_otp=" 123456 ") == WRONG_CODE


@pytest.mark.parametrize("proofs", ["text", 17, {"a": 1}, [1], [None], ["unheard of"], ["\0"]])
def test_invalid_proofs_are_named(proofs: Any, interface: Interface, world: World) -> None:
    before = stored_rows(world)
    assert interface.register(**REGISTRATION, proofs=proofs) == invalid("proofs")
    assert stored_rows(world) == before
