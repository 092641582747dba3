"""Bad values for every field of every body: 400, the field is named, nothing changes."""

import logging
from dataclasses import dataclass
from typing import Any

import pytest
from tests.http.conftest import ADA, BOB, AppClient
from tests.support.world import OTHER_PASSWORD, PASSWORD

from vestibule.entrypoints.http.problems import name_setting_of_test_domains

NOT_TEXT: dict[str, Any] = {"a list": ["ada"], "an object": {"a": 1}, "a boolean": True, "a fraction": 1.5, "below zero": -1}
NOT_IN_TEXT = {"a NUL": "ada\0lovelace", "a control character": "ada\x1blovelace"}
BIDI = "ada\u202elovelace"
ABSENT: dict[str, Any] = {"missing": ..., "null": None, "empty": "", "blank": "  "}


@dataclass(frozen=True)
class Form:
    """A call, a valid body, and its required fields."""

    method: str
    path: str
    body: dict[str, Any]
    required: frozenset[str]
    too_long: dict[str, str]
    free_text: frozenset[str] = frozenset()
    """Fields that accept any text: malformed values are wrong, not invalid."""
    is_own: bool = False


LONG = {
    "username": "a" * 151,
    "name": "a" * 501,
    "email": "a" * 243 + "@example.com",
    "mobile": "1" * 16,
    "password": "a" * 257,
}
ALL_FIELDS = BOB | {"password": OTHER_PASSWORD}
CODE = {"destination": BOB["email"], "email": BOB["email"], "verify_otp": "123456"}
FORMS = [
    Form("POST", "/register/", ALL_FIELDS, frozenset(ALL_FIELDS) - {"mobile"}, LONG),
    Form("PUT", "/account/", ALL_FIELDS, frozenset(ALL_FIELDS) - {"mobile"}, LONG, is_own=True),
    Form("PATCH", "/account/", ALL_FIELDS, frozenset(), LONG, is_own=True),
    Form(
        "POST",
        "/login/",
        {"username": "ada", "password": PASSWORD},
        frozenset({"username", "password"}),
        {},
        frozenset({"username", "password"}),
    ),
    Form("POST", "/otp/", {"destination": BOB["email"]}, frozenset({"destination"}), {"destination": LONG["email"]}),
    Form(
        "POST",
        "/otp/",
        {"destination": BOB["mobile"], "email": BOB["email"]},
        frozenset({"destination"}),
        {"email": LONG["email"]},
    ),
    Form(
        "POST",
        "/otpreglogin/",
        {name: BOB[name] for name in ("name", "email", "mobile")},
        frozenset({"name", "email", "mobile"}),
        LONG,
    ),
    Form(
        "POST",
        "/password/reset/",
        {"email": BOB["email"], "otp": "123456", "password": OTHER_PASSWORD},
        frozenset({"email", "otp", "password"}),
        {"email": LONG["email"], "password": LONG["password"]},
        frozenset({"otp"}),
    ),
    Form("POST", "/isunique/", {"prop": "username", "value": "bob"}, frozenset({"prop", "value"}), {"value": LONG["username"]}),
    Form("POST", "/refresh-token/", {"refresh": "text"}, frozenset({"refresh"}), {}, frozenset({"refresh"})),
]


def cases() -> list[Any]:
    parameters = []
    for form in FORMS:
        for field in form.body:
            bad = dict(NOT_TEXT)
            bad |= {} if field in form.free_text else NOT_IN_TEXT
            bad |= ABSENT if field in form.required else {}
            bad |= {"too long": form.too_long[field]} if field in form.too_long else {}
            bad |= {"bidi": BIDI} if field not in {"password", *form.free_text} else {}  # a password may be of any script
            parameters += [
                pytest.param(form, field, value, id=f"{form.method} {form.path} {field} {what}") for what, value in bad.items()
            ]
    return parameters


@pytest.mark.parametrize(("form", "field", "value"), cases())
def test_bad_field_is_named_and_nothing_changes(form: Form, field: str, value: Any, client: AppClient) -> None:
    token = client.token() if form.is_own else None
    body = {name: valid for name, valid in form.body.items() if not (name == field and value is ...)}
    if value is not ...:
        body[field] = value
    before = stored_rows(client)
    answer = client.call(form.method, form.path, body, token=token)
    if (form.path, field, value) == ("/login/", "password", "  "):
        assert answer.status_code == 401  # a blank password is a wrong one, not an absent one
        return
    assert answer.status_code == 400, answer.text
    assert field in answer.json()["errors"]
    assert stored_rows(client) == before


@pytest.mark.parametrize("form", FORMS, ids=lambda form: f"{form.method} {form.path}")
def test_every_bad_field_is_named_at_once(form: Form, client: AppClient) -> None:
    token = client.token() if form.is_own else None
    answer = client.call(form.method, form.path, {name: ["no", "text"] for name in form.body}, token=token)
    assert (answer.status_code, set(answer.json()["errors"])) == (400, set(form.body))


def test_bad_code_and_bad_destination_are_named_together(client: AppClient) -> None:
    answer = client.post("/otp/", {"destination": [], "verify_otp": {}})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"destination", "verify_otp"})
    answer = client.post("/otpreglogin/", {"name": "", "email": 1, "mobile": [], "verify_otp": {}})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"name", "email", "mobile", "verify_otp"})


@pytest.mark.parametrize("proofs", ["text", 17, {"a": 1}, [1], [None], ["unheard of"], ["\0"]])
def test_invalid_proofs_are_named(proofs: Any, client: AppClient) -> None:
    answer = client.post("/register/", ADA | {"proofs": proofs})
    assert (answer.status_code, set(answer.json()["errors"])) == (400, {"proofs"})
    assert client.world.database.accounts.get(1) is None


def test_log_names_the_setting_of_test_domains_once(client: AppClient, caplog: pytest.LogCaptureFixture) -> None:
    name_setting_of_test_domains.cache_clear()
    with caplog.at_level(logging.INFO, "vestibule.http"):
        answers = [client.post("/otp/", {"destination": "me@company.test"}) for _ in range(2)]
    assert [answer.json()["codes"] for answer in answers] == [{"destination": ["test-domain"]}] * 2
    assert "VESTIBULE_" not in answers[0].text
    assert [record.message for record in caplog.records if "VESTIBULE_TEST_DOMAINS=on" in record.message] == [
        "refused an email at a domain for tests; VESTIBULE_TEST_DOMAINS=on accepts such domains, for development"
    ]


@pytest.mark.parametrize("text", ["TRUE", " true\u00a0", "\u200btrue", "\uff54\uff52\uff55\uff45", "\uff11", "\u0661"])
def test_boolean_text_is_read_as_people_paste_it(text: str, client: AppClient) -> None:
    client.registered()
    destination = ADA["email"]
    assert client.post("/otp/", {"destination": destination}).status_code == 201
    code = client.world.code_for(destination)
    answer = client.post("/otp/", {"destination": destination, "verify_otp": code, "is_login": text})
    assert (answer.status_code, "token" in answer.json()) == (201, True), answer.text


def stored_rows(client: AppClient) -> Any:
    """Returns the accounts, the messages and the events."""
    database = client.world.database
    return database.accounts.get(1), database.accounts.get(2), client.world.messages, client.world.events()


@pytest.mark.parametrize(("read_at", "kind"), [("ada@mail.example.com", "email"), (ADA["mobile"], "mobile")])
def test_verification_names_the_kind_of_address_that_it_verified(client: AppClient, read_at: str, kind: str) -> None:
    """A code to a mobile goes to an email too, and verifies that alone."""
    code = client.code(ADA["mobile"], email="ada@mail.example.com", read_at=read_at)
    answer = client.post("/otp/", {"destination": ADA["mobile"], "verify_otp": code})
    assert answer.status_code == 201
    assert answer.json()["detail"].startswith(f"This {kind} is verified, ")
