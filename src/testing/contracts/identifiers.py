"""The contract of the port `Identifiers`."""

from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from ...application.ports import Identifiers, InvalidText
from ...domain.account import AddressKind

T = TypeVar("T")

TEXTS = [
    "",
    " ",
    "Ada",
    " Ada.Lovelace-1+x ",
    "Zoe\u0308",
    "Stra\u00dfe",
    "\uff41\uff44\uff41",
    "a" * 151,
    "root",
    "Ada@Example.org",
    "ada@example.org\n",
    "@",
    "a@b@c",
    "ada@xn--\u00fc.com",
    "\ud800\udc00@\udfff",
    "+49 (170) 1234567",
    "+12025550123",
    "1234567890",
    "\u0660\u06f0",
    "Ada Lovelace",
    "Ada\nLovelace",
    "\u202eAda",
    "\0",
    "ada\0",
    "\ud800",
    "x" * 10_000,
    "' OR 1=1 --",
]


def refusal(read: Callable[[str], Any], text: str) -> str | None:
    try:
        read(text)
    except InvalidText as invalid:
        return str(invalid)
    return None


def accepted(read: Callable[[str], T], text: str) -> T | None:
    return None if refusal(read, text) else read(text)


def any_text_is_accepted_or_rejected_with_a_message(identifiers: Identifiers, text: str) -> None:
    for read in (identifiers.username, identifiers.email, identifiers.mobile, identifiers.name, identifiers.destination):
        message = refusal(read, text)
        assert message is None or (message and "\n" not in message)


def parsing_is_idempotent(identifiers: Identifiers, text: str) -> None:
    if username := accepted(identifiers.username, text):
        assert identifiers.username(username.text) == username
        assert identifiers.username(username.canonical).canonical == username.canonical
    for read in (identifiers.email, identifiers.mobile):
        if address := accepted(read, text):
            assert read(address.text) == address
    if name := accepted(identifiers.name, text):
        assert identifiers.name(name) == name


def username_is_never_an_address(identifiers: Identifiers, text: str) -> None:
    if username := accepted(identifiers.username, text):
        assert refusal(identifiers.destination, username.text)
        assert refusal(identifiers.destination, username.canonical)
        assert identifiers.login(username.text).address is None


def login_accepts_any_text(identifiers: Identifiers, text: str) -> None:
    login = identifiers.login(text)
    assert len(login.canonical_username) <= 254
    assert "\0" not in login.canonical_username
    login.canonical_username.encode()


def login_matches_registration(identifiers: Identifiers, text: str) -> None:
    if username := accepted(identifiers.username, text):
        assert identifiers.login(text).canonical_username == username.canonical
    if address := accepted(identifiers.destination, text):
        assert identifiers.login(text).address == address
        if address.kind is AddressKind.MOBILE:
            username = identifiers.username_of_mobile(address, 1)
            assert identifiers.login(username.text).canonical_username == username.canonical


class IdentifiersContract:
    """The promises of every `Identifiers`, whatever its rules.

    Define the fixture `identifiers`. The adapter must accept the username `ada.lovelace`, the email `Ada@Example.org`, the
    mobile `+49 170 1234567` and the name `Ada Lovelace`.
    """

    def test_ordinary_texts_are_accepted(self, identifiers: Identifiers) -> None:
        assert identifiers.username("ada.lovelace").text == "ada.lovelace"
        assert identifiers.email("Ada@Example.org").kind is AddressKind.EMAIL
        assert identifiers.mobile("+49 170 1234567").kind is AddressKind.MOBILE
        assert identifiers.name("Ada Lovelace") == "Ada Lovelace"
        assert identifiers.destination("Ada@Example.org") == identifiers.email("Ada@Example.org")
        assert identifiers.destination("+49 170 1234567") == identifiers.mobile("+49 170 1234567")

    @pytest.mark.parametrize("text", TEXTS)
    @pytest.mark.parametrize(
        "check",
        [
            any_text_is_accepted_or_rejected_with_a_message,
            parsing_is_idempotent,
            username_is_never_an_address,
            login_accepts_any_text,
            login_matches_registration,
        ],
    )
    def test_property_holds_for_any_text(
        self, identifiers: Identifiers, check: Callable[[Identifiers, str], None], text: str
    ) -> None:
        check(identifiers, text)

    def test_canonical_form_ignores_case_and_separators(self, identifiers: Identifiers) -> None:
        assert identifiers.username("ada.lovelace").canonical == identifiers.username("Ada.LOVELACE").canonical
        assert identifiers.email("Ada@Example.org").canonical == identifiers.email("ADA@EXAMPLE.ORG").canonical
        assert identifiers.mobile("+49 170 1234567").canonical == identifiers.mobile("+49 (170) 123-4567").canonical

    @pytest.mark.parametrize("text", ["", " ", "x" * 501, "Ada\nLovelace", "Ada\0", "\u202eAda", "\ud800"])
    def test_name_with_control_characters_is_rejected(self, identifiers: Identifiers, text: str) -> None:
        assert refusal(identifiers.name, text)

    def test_attempts_yield_different_usernames_for_a_mobile(self, identifiers: Identifiers) -> None:
        mobile = identifiers.mobile("+49 170 1234567")
        usernames = [identifiers.username_of_mobile(mobile, variant) for variant in (1, 2, 3)]
        assert usernames[0].text == mobile.text
        assert len({username.canonical for username in usernames}) == 3
