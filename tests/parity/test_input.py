"""Whatever a field must not be, by whichever door: it is named, with all others at fault, and nothing has changed."""

from collections.abc import Callable
from typing import Any

import pytest
from tests.support.account_builders import ADA, ANN, OTHER, PERSON, WRONG_CODE, invalid, logged_in
from tests.support.interfaces import Door, Refused
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

Ask = Callable[[Door, str, dict[str, Any]], Any]

ASKS: dict[str, tuple[Ask, dict[str, Any]]] = {
    "register": (lambda door, own, fields: door.register(**fields), OTHER),
    "replace": (lambda door, own, fields: door.replace(own, **fields), OTHER),
    "change": (lambda door, own, fields: door.change(own, **fields), OTHER),
    "log in": (lambda door, own, fields: door.log_in(**fields), {"username": "ann", "password": OTHER_PASSWORD}),
    "send": (lambda door, own, fields: door.send(**fields), {"destination": OTHER["mobile"], "email": OTHER["email"]}),
    "verify": (lambda door, own, fields: door.verify(**fields), {"destination": ANN, "verify_otp": "123456"}),
    "enter": (lambda door, own, fields: door.enter(**fields), {"destination": ANN, "verify_otp": "123456"}),
    "send to register": (lambda door, own, fields: door.send_to_register(**fields), PERSON),
    "register or log in": (lambda door, own, fields: door.register_or_log_in(**fields), PERSON | {"verify_otp": "123456"}),
    "reset": (lambda door, own, fields: door.reset(**fields), {"email": ANN, "otp": "123456", "password": OTHER_PASSWORD}),
    "is unique": (lambda door, own, fields: door.is_unique(**fields), {"prop": "username", "value": "ann"}),
    "refresh": (lambda door, own, fields: door.refresh(**fields), {"refresh": "text"}),
}
OPTIONAL = {("register", "mobile"), ("replace", "mobile"), ("send", "email")}
CODES = {"verify_otp", "otp"}


@pytest.fixture
def kind() -> str:
    """One database: input is validated before any query."""
    return "sqlite"


@pytest.fixture
def own(door: Door) -> str:
    """Somebody's access token."""
    return logged_in(door).token


def everything(world: World) -> Any:
    return [world.database.accounts.get(number) for number in (1, 2)], world.messages, world.events()


@pytest.mark.parametrize("asked", ASKS)
def test_what_is_no_text_is_named_with_all_else_that_is_not(asked: str, door: Door, own: str) -> None:
    ask, good = ASKS[asked]
    before = everything(door.world)
    for what, value in NEVER.items():
        assert ask(door, own, dict.fromkeys(good, value)) == invalid(*good), what
    assert everything(door.world) == before


@pytest.mark.parametrize("asked", [one for one in ASKS if one not in {"log in", "refresh"}])
def test_a_character_that_no_text_has_is_refused(asked: str, door: Door, own: str) -> None:
    ask, good = ASKS[asked]
    before = everything(door.world)
    for what, value in NO_TEXT.items():
        free = {"prop"} | (CODES if what != "a NUL" else set())
        fields = {name: kept if name in free else value for name, kept in good.items()}
        assert ask(door, own, fields) == invalid(*(name for name in good if name not in free)), what
    assert everything(door.world) == before


@pytest.mark.parametrize("asked", ASKS)
def test_a_lone_surrogate_is_refused_and_never_stored(asked: str, door: Door, own: str) -> None:
    """JSON with one is no JSON; by import the fields are named."""
    ask, good = ASKS[asked]
    before = everything(door.world)
    assert ask(door, own, dict.fromkeys(good, "a\ud800b")) in (Refused("malformed-body"), invalid(*good))
    assert everything(door.world) == before


@pytest.mark.parametrize("asked", ["register", "replace", "change", "send", "send to register"])
def test_what_is_too_long_is_named(asked: str, door: Door, own: str) -> None:
    ask, good = ASKS[asked]
    long = {name: TOO_LONG.get(name, value) for name, value in good.items()}
    assert ask(door, own, long) == invalid(*(name for name in good if name in TOO_LONG))


@pytest.mark.parametrize("asked", [one for one in ASKS if one not in {"change", "verify", "enter", "register or log in"}])
def test_what_is_blank_is_not_there(asked: str, door: Door, own: str) -> None:
    ask, good = ASKS[asked]
    for what, value in BLANK.items():
        needed = {name for name in good if (asked, name) not in OPTIONAL}
        if what == "blank" and asked == "log in":
            needed -= {"password"}  # blank is a password too, and a wrong one
        assert ask(door, own, dict.fromkeys(good, value)) == invalid(*needed), what


def test_text_is_trimmed_and_a_password_never(door: Door) -> None:
    spaced = {name: f" {value} " for name, value in OTHER.items()}
    shown = door.register(**spaced)
    assert {name: shown[name] for name in PERSON} == {name: OTHER[name] for name in PERSON}
    assert door.log_in(username=" eve ", password=OTHER_PASSWORD) == Refused("invalid-credentials")
    assert not isinstance(door.log_in(username=" eve ", password=f" {OTHER_PASSWORD} "), Refused)
    assert door.verify(destination=f" {ANN} ", verify_otp=" 123456 ") == WRONG_CODE


@pytest.mark.parametrize("proofs", ["text", 17, {"a": 1}, [1], [None], ["unheard of"], ["\0"]])
def test_proofs_that_are_none_are_named(proofs: Any, door: Door, world: World) -> None:
    before = everything(world)
    assert door.register(**ADA, proofs=proofs) == invalid("proofs")
    assert everything(world) == before
