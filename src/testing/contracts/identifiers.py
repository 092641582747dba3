"""What every reading of identifiers promises, whatever its rules."""

from collections.abc import Callable
from typing import Any

import pytest

from ...application.ports import Identifiers, InvalidText
from ...domain.account import AddressKind

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
    except InvalidText as unreadable:
        return str(unreadable)
    return None


def reads(read: Callable[[str], Any], text: str) -> bool:
    return refusal(read, text) is None


def what_was_read_is_read_the_same_again(identifiers: Identifiers, text: str) -> None:
    if reads(identifiers.username, text):
        username = identifiers.username(text)
        assert identifiers.username(username.text) == username
        assert identifiers.username(username.canonical).canonical == username.canonical
    for read in (identifiers.email, identifiers.mobile):
        if reads(read, text):
            address = read(text)
            assert read(address.text) == address
    if reads(identifiers.name, text):
        assert identifiers.name(identifiers.name(text)) == identifiers.name(text)


def no_username_is_shaped_like_an_email_or_a_mobile(identifiers: Identifiers, text: str) -> None:
    if reads(identifiers.username, text):
        username = identifiers.username(text)
        assert not reads(identifiers.destination, username.text)
        assert not reads(identifiers.destination, username.canonical)
        assert identifiers.login(username.text).address is None


def a_login_never_refuses_and_its_key_is_bounded_and_can_be_stored(identifiers: Identifiers, text: str) -> None:
    login = identifiers.login(text)
    assert len(login.canonical_username) <= 254
    assert "\0" not in login.canonical_username
    login.canonical_username.encode()


def a_login_finds_what_was_registered(identifiers: Identifiers, text: str) -> None:
    if reads(identifiers.username, text):
        assert identifiers.login(text).canonical_username == identifiers.username(text).canonical
    if reads(identifiers.destination, text):
        address = identifiers.destination(text)
        assert identifiers.login(text).address == address
        if address.kind is AddressKind.MOBILE:
            username = identifiers.username_of_mobile(address, 1)
            assert identifiers.login(username.text).canonical_username == username.canonical


class IdentifiersContract:
    """What every `Identifiers` promises, whichever texts it takes.

    Fill the fixture `identifiers`: one that takes the username `ada.lovelace`, the email `Ada@Example.org`, the mobile
    `+49 170 1234567` and the name `Ada Lovelace`.
    """

    def test_ordinary_texts_are_taken(self, identifiers: Identifiers) -> None:
        assert identifiers.username("ada.lovelace").text == "ada.lovelace"
        assert identifiers.email("Ada@Example.org").kind is AddressKind.EMAIL
        assert identifiers.mobile("+49 170 1234567").kind is AddressKind.MOBILE
        assert identifiers.name("Ada Lovelace") == "Ada Lovelace"
        assert identifiers.destination("Ada@Example.org") == identifiers.email("Ada@Example.org")
        assert identifiers.destination("+49 170 1234567") == identifiers.mobile("+49 170 1234567")

    @pytest.mark.parametrize("text", TEXTS)
    def test_any_text_is_read_or_refused_in_words(self, identifiers: Identifiers, text: str) -> None:
        for read in (identifiers.username, identifiers.email, identifiers.mobile, identifiers.name, identifiers.destination):
            said = refusal(read, text)
            assert said is None or (said and "\n" not in said)

    @pytest.mark.parametrize("text", TEXTS)
    @pytest.mark.parametrize(
        "holds",
        [
            what_was_read_is_read_the_same_again,
            no_username_is_shaped_like_an_email_or_a_mobile,
            a_login_never_refuses_and_its_key_is_bounded_and_can_be_stored,
            a_login_finds_what_was_registered,
        ],
    )
    def test_for_any_text_it_holds_that(
        self, identifiers: Identifiers, holds: Callable[[Identifiers, str], None], text: str
    ) -> None:
        holds(identifiers, text)

    def test_one_spelling_in_other_cases_is_one_username_and_one_email(self, identifiers: Identifiers) -> None:
        assert identifiers.username("ada.lovelace").canonical == identifiers.username("Ada.LOVELACE").canonical
        assert identifiers.email("Ada@Example.org").canonical == identifiers.email("ADA@EXAMPLE.ORG").canonical
        assert identifiers.mobile("+49 170 1234567").canonical == identifiers.mobile("+49 (170) 123-4567").canonical

    @pytest.mark.parametrize("text", ["", " ", "x" * 501, "Ada\nLovelace", "Ada\0", "\u202eAda", "\ud800"])
    def test_a_name_that_breaks_a_line_or_a_header_is_refused(self, identifiers: Identifiers, text: str) -> None:
        assert refusal(identifiers.name, text)

    def test_each_attempt_at_the_username_of_a_mobile_is_another(self, identifiers: Identifiers) -> None:
        mobile = identifiers.mobile("+49 170 1234567")
        usernames = [identifiers.username_of_mobile(mobile, attempt) for attempt in (1, 2, 3)]
        assert usernames[0].text == mobile.text
        assert len({username.canonical for username in usernames}) == 3
