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
    code,
    invalid,
    logged_in,
    notices,
    proof,
    taken,
    tokens,
)
from tests.support.interfaces import Interface, Refused, Tokens
from tests.support.world import OTHER_PASSWORD, PASSWORD, World

from vestibule.application import ErrorCode

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


# --- codes of errors --------------------------------------------------------------------------------------------------

CODES_OF_FIELDS: dict[str, tuple[str, dict[str, Any], dict[str, list[str]]]] = {
    "required": ("log in", {}, {"username": ["required"], "password": ["required"]}),
    "wrong type": ("send", {"destination": ["a"], "is_login": {}}, {"destination": ["wrong-type"], "is_login": ["wrong-type"]}),
    "malformed": ("send", {"destination": "hello", "email": "@"}, {"destination": ["malformed"], "email": ["malformed"]}),
    "forbidden": ("register", REGISTRATION | {"name": "a\nb"}, {"name": ["forbidden-character"]}),
    "lengths": (
        "register",
        REGISTRATION | {"password": "short", "name": "a" * 501},
        {"name": ["too-long"], "password": ["too-short"]},
    ),
    "passwords": ("register", REGISTRATION | {"password": "password"}, {"password": ["too-common"]}),
    "personal": ("register", REGISTRATION | {"password": "Ann Person"}, {"password": ["personal-data"]}),
    "usernames": ("register", REGISTRATION | {"username": "admin"}, {"username": ["reserved"]}),
    "scripts": ("register", REGISTRATION | {"username": "ann\u0430"}, {"username": ["mixed-scripts"]}),
    "test domain": ("send", {"destination": "me@company.test"}, {"destination": ["test-domain"]}),
    "country": ("send", {"destination": "+999 1234567"}, {"destination": ["unknown-country"]}),
    "premium": ("send", {"destination": "+44 909 879 0000"}, {"destination": ["premium-rate"]}),
    "proofs": ("register", REGISTRATION | {"proofs": ["x"]}, {"proofs": ["invalid-proof"]}),
    "many proofs": ("register", REGISTRATION | {"proofs": ["x"] * 5}, {"proofs": ["too-many"]}),
    "taken": ("register", OTHER_REGISTRATION | {"email": ANN}, {"email": ["taken"]}),
    "last verified": ("change", {"mobile": None}, {"mobile": ["last-verified"]}),
    "not verified": ("strict", REGISTRATION, {"email": ["not-verified"]}),
    "country not accepted": (
        "strict",
        REGISTRATION | {"mobile": "+442079460958"},
        {"email": ["not-verified"], "mobile": ["country-not-accepted"]},
    ),
    "domain": ("strict", REGISTRATION | {"email": "ann@spam.example.com"}, {"email": ["domain-not-accepted", "not-verified"]}),
    "disposable": ("strict", REGISTRATION | {"email": "ann@mailinator.com"}, {"email": ["disposable-domain", "not-verified"]}),
}
STRICT = {
    "email_validation": True,
    "default_region": "IN",
    "mobile_regions": ("IN",),
    "email_domains": ("!spam.example.com",),
    "disposable_domains": False,
}
ELSEWHERE = {ErrorCode.UNREADABLE_IMAGE, ErrorCode.STILL_VERIFIED, ErrorCode.BREACHED}
"""Codes with tests of their own: those of uploads, of operators, and of Have I Been Pwned."""


def test_every_code_of_an_error_is_tested() -> None:
    tested = {each for *_, codes in CODES_OF_FIELDS.values() for of_field in codes.values() for each in of_field}
    assert tested | ELSEWHERE == set(ErrorCode)


@pytest.mark.parametrize("case", CODES_OF_FIELDS)
def test_error_of_a_field_has_a_code(case: str, open_interface: Callable[..., Interface]) -> None:
    call, fields, codes = CODES_OF_FIELDS[case]
    interface = open_interface(**STRICT if call == "strict" else {})
    if case == "taken":
        assert isinstance(interface.register(**REGISTRATION), dict)
    if call == "change":
        interface.register(**REGISTRATION, proofs=[proof(interface, REGISTRATION["mobile"])])
        found = interface.change(tokens(interface).token, **fields)
    elif call == "strict":
        found = interface.register(**fields)
    else:
        found = CALLS[call][0](interface, "", fields)
    assert found.codes == codes


# --- spellings --------------------------------------------------------------------------------------------------------

SPELLINGS: dict[str, dict[str, str]] = {
    "plain": {"username": "zo\u00eb", "email": "zoe@b\u00fccher.example", "mobile": "+4915112345678"},
    "turned": {
        "username": "\u200ezo\u00eb\u200f",
        "email": "\u2066zoe@b\u00fccher.example\u2069",
        "mobile": "\u202d+4915112345678\u202c",
    },
    "pasted": {
        "username": "ZO\u00cb\u00a0",
        "email": "zoe\u200b@b\u00fccher.example\ufeff",
        "mobile": "+49\u00a0151\u201112345678",
    },
    "URI": {"username": "Zoe\u0308", "email": "mailto:Zoe@bu\u0308cher.example", "mobile": "tel:+49-151-12345678"},
    "wide": {
        "username": "\uff3a\uff4f\u00eb",
        "email": "\uff5a\uff4f\uff45\uff20b\u00fccher\uff0eexample",
        "mobile": "\uff0b\uff14\uff19\uff08\uff11\uff15\uff11\uff09\uff11\uff12\uff13\uff14\u30fc\uff15\uff16\uff17\uff18",
    },
    "ASCII": {
        "username": "\u00adzoe\u0308",
        "email": "ZOE@XN--BCHER-KVA.EXAMPLE",
        "mobile": "+\u0664\u0669/\u0661\u0665\u0661.\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
    },
}
PLAIN = SPELLINGS["plain"]


def pasted(digits: str, spelling: str) -> str:
    """The code with a blank, a dash or an invisible character in it, in full-width digits, or turned."""
    if spelling == "wide":
        return "".join(chr(0xFEE0 + ord(digit)) for digit in digits)
    return {"pasted": "\u00a0", "URI": "-", "turned": "\u2060", "ASCII": " "}.get(spelling, "").join((digits[:3], digits[3:]))


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_account_is_found_by_every_spelling(spelling: str, interface: Interface, world: World) -> None:
    spelled = SPELLINGS[spelling]
    first, second = (spelled, PLAIN) if spelling in {"turned", "wide", "ASCII"} else (PLAIN, spelled)
    shown = interface.register(**first, name="Zo\u00eb", password=PASSWORD)
    assert isinstance(shown, dict), shown
    for field, value in second.items():
        assert isinstance(interface.log_in(username=value, password=PASSWORD), Tokens), field
        assert interface.is_unique(prop=field, value=value) is False
        other = OTHER_REGISTRATION | {field: value}
        assert interface.register(**other) == taken(field)
    own = tokens(interface, second["username"]).token
    for field in ("email", "mobile"):
        sent = code(interface, second[field], read_at=shown[field])
        assert interface.verify(own, destination=first[field], verify_otp=pasted(sent, spelling)) != WRONG_CODE
        sent = code(interface, first[field], read_at=shown[field])
        assert isinstance(interface.log_in_by_code(destination=second[field], verify_otp=pasted(sent, spelling)), Tokens)
    sent = code(interface, first["email"], read_at=shown["email"])
    reset = interface.reset(email=second["email"], otp=pasted(sent, spelling), password=OTHER_PASSWORD)
    assert not isinstance(reset, Refused), reset
    assert world.set_active(identifier=second["mobile"], active=False).username.text == shown["username"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_replacement_by_the_present_values_in_any_spelling_ends_and_tells_nothing(
    spelling: str, interface: Interface, world: World
) -> None:
    email = interface.register(**PLAIN, name="Zo\u00eb", password=PASSWORD)["email"]
    own, other = tokens(interface, PLAIN["username"]).token, tokens(interface, PLAIN["username"]).token
    sent, before = code(interface, email), world.messages
    shown = interface.replace(own, **SPELLINGS[spelling], name="Zo\u00eb Other", password=PASSWORD)
    assert isinstance(shown, dict), shown
    assert shown["name"] == "Zo\u00eb Other"
    assert interface.account(other) == shown
    assert world.messages == before
    assert interface.change(own, **SPELLINGS[spelling], password=PASSWORD) == shown
    assert interface.verify(own, destination=PLAIN["email"], verify_otp=sent) != WRONG_CODE
    assert notices(world, email) == notices(world, shown["email"]) == []


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_code_registers_and_logs_in_by_every_spelling(spelling: str, interface: Interface, world: World) -> None:
    fields = [
        {"name": "Zo\u00eb", "email": spelled["email"], "mobile": spelled["mobile"]} for spelled in (SPELLINGS[spelling], PLAIN)
    ]
    for sent_by, returned_by in (fields, fields[::-1]):
        world.clock.advance(60)
        assert isinstance(interface.request_registration_code(**sent_by), str)
        sent = world.code_for(PLAIN["mobile"])
        found = interface.register_or_log_in(**returned_by, verify_otp=pasted(sent, spelling))
        assert isinstance(found, Tokens), found
    assert interface.is_unique(prop="mobile", value=SPELLINGS[spelling]["mobile"]) is False
