"""Spellings of one value: whatever people paste is read as that value."""

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from tests.support import spellings

from vestibule.adapters.identifiers import LibraryIdentifiers
from vestibule.application.ports import InvalidText

PLAIN = LibraryIdentifiers()
GERMAN = LibraryIdentifiers(default_region="DE")


@given(spellings.mobiles("4915112345678"))
@example("\u202d+4915112345678\u202c")
@example("+49\u00a0151\u201112345678")
@example("tel:+49-151-12345678;foo=bar")
@example("tel:%2B49%20151%2012345678")
@example("(+49) 151/123.456.78")
@example("\uff0b\uff14\uff19 \u0661\u0665\u0661 \u0967\u0968\u0969\u096a\u096b\u096c\u096d\u096e")
def test_every_spelling_of_a_mobile_is_read(text: str) -> None:
    for identifiers in (PLAIN, GERMAN):
        mobile = identifiers.mobile(text)
        assert mobile.canonical == "+4915112345678"
        assert mobile.text.isascii()
        assert identifiers.mobile(mobile.text) == mobile == identifiers.destination(text) == identifiers.login(text).address


@given(spellings.in_digits_of_a_script("01701234567"), st.sampled_from(["", "-", "\u2011", "\u30fc", "\u3000"]))
def test_every_spelling_of_a_national_number_is_read(digits: str, mark: str) -> None:
    text = f"{digits[:4]}{mark}{digits[4:]}"
    assert GERMAN.mobile(text).canonical == GERMAN.login(text).address.canonical == "+491701234567"  # type: ignore[union-attr]
    assert PLAIN.mobile(text).canonical == "01701234567"


@given(spellings.emails("ada.lovelace+b@bücher.example"))
@example("ada.lovelace+b@xn--bcher-kva.example")
@example("ada.lovelace+b@bücher\u3002example")
@example("mailto:ada.lovelace%2Bb@b%C3%BCcher.example?subject=Hello")
@example("\u2066ada.lovelace\u200b+b@bu\u0308\u00adcher.example\u2069\ufeff")
def test_every_spelling_of_an_email_is_read(text: str) -> None:
    email = PLAIN.email(text)
    assert email.canonical == "ada.lovelace+b@xn--bcher-kva.example"
    assert email.text.isascii()
    assert PLAIN.email(email.text) == email == PLAIN.destination(text) == PLAIN.login(text).address


def test_joiner_in_a_domain_is_refused_because_it_may_name_another_domain() -> None:
    PLAIN.email("ada@\u0646\u0627\u0645\u0647\u0627\u06cc.com")
    with pytest.raises(InvalidText):
        PLAIN.email("ada@\u0646\u0627\u0645\u0647\u200c\u0627\u06cc.com")


@pytest.mark.parametrize("username", ["zoë.ångström-7", "οδοσ", "иван_99"])
@given(data=st.data())
def test_every_spelling_of_a_username_is_read(username: str, data: st.DataObject) -> None:
    text = data.draw(spellings.usernames(username))
    assert PLAIN.username(text).canonical == PLAIN.login(text).canonical_username == username


@given(spellings.names("Zoë Ångström \U0001fa77"))
def test_every_spelling_of_a_name_is_read(text: str) -> None:
    assert PLAIN.name(text) == "Zoë Ångström \U0001fa77"
