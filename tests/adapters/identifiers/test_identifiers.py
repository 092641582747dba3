"""The contract of `Identifiers`, and the rules for each kind of identifier."""

import string
import sys
from collections.abc import Callable
from types import FrameType
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from precis_i18n import get_profile

from vestibule.adapters.identifiers import LibraryIdentifiers
from vestibule.application.ports import Identifiers, InvalidText
from vestibule.domain.account import Address, AddressKind
from vestibule.domain.errors import ErrorCode
from vestibule.testing.contracts import IdentifiersContract
from vestibule.testing.contracts.identifiers import (
    accepted,
    login_accepts_any_text,
    login_matches_registration,
    parsing_is_idempotent,
    refusal,
    username_is_never_an_address,
)

PLAIN: Identifiers = LibraryIdentifiers()
INDIAN: Identifiers = LibraryIdentifiers(default_region="IN")
GERMAN: Identifiers = LibraryIdentifiers(default_region="de")
ALPINE: Identifiers = LibraryIdentifiers(default_region="DE", mobile_regions=("DE", "at", "US"))
DEVELOPMENT: Identifiers = LibraryIdentifiers(special_use_domains=True)
ALL = (PLAIN, INDIAN, GERMAN, ALPINE, DEVELOPMENT)

ANYTHING = st.text(st.characters(), max_size=40) | st.text(st.characters(categories=["Cs", "Lu", "Mn", "Nd", "Cf", "Po"]))
NEARLY_EMAIL = st.tuples(st.text(max_size=10), st.text(max_size=20)).map("@".join) | st.from_regex(
    r"[A-Za-z0-9._+-]{1,8}@[A-Za-z0-9\u00e4\u0131\u05d0_.-]{1,12}\.(com|COM|de|test)", fullmatch=True
)
NEARLY_MOBILE = st.text("0123456789+ ()-.\u0661\uff11;x", max_size=24)
TYPED = ANYTHING | NEARLY_EMAIL | NEARLY_MOBILE


@pytest.fixture(params=ALL, ids=["plain", "indian", "german", "alpine", "development"])
def identifiers(request: pytest.FixtureRequest) -> Identifiers:
    chosen: Identifiers = request.param
    return chosen


class TestLibraryIdentifiers(IdentifiersContract):
    """The contract with each configuration."""


# --- usernames --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "key"),
    [
        ("username", "username"),
        ("updated_username", "updated_username"),
        ("dummy_username", "dummy_username"),
        ("Ada.Lovelace-1+x", "ada.lovelace-1+x"),
        ("a", "a"),
        ("A" * 150, "a" * 150),
        ("Straße", "straße"),
        ("Zoë", "zoë"),
        ("Zoe\u0308", "zoë"),
        ("\u0130stanbul", "istanbul"),
        ("ΟΔΟΣ", "οδοσ"),
        ("ａｄａ", "ada"),
        ("Иван99", "иван99"),
        ("山田はなこ", "山田はなこ"),
        ("らーめん", "らーめん"),
        ("山々", "山々"),
        ("金김치", "金김치"),
        ("देवी१", "देवी१"),
        ("देवी1", "देवी1"),
        ("ქართული", "ქართული"),
        ("שלום", "שלום"),
        ("سلام٣", "سلام٣"),
        ("สวัสดี", "สวัสดี"),
        ("தமிழ்", "தமிழ்"),
        ("\U00010300\U00010301", "\U00010300\U00010301"),
        ("admin2", "admin2"),
        ("administrators", "administrators"),
    ],
)
def test_username_keeps_its_spelling_and_has_a_canonical_form(text: str, key: str) -> None:
    assert PLAIN.username(text).canonical == key


@pytest.mark.parametrize(
    "text",
    [
        *("", " ", "\n", "a" * 151, "é" * 151, "a" * 100_000),
        *("a b", "a\tb", "a@b", "a＠b", "a/b", "a\\b", "<a>", "a'b", 'a"b', "a:b", "a%b", "l·l", "😀", "a😀", "a\u3002b"),
        *(
            "12345",
            "ー1234567",
            "１２３ー４５６７",
            "9999999999",
            "+49",
            "...",
            "1.2-3_4+5",
            "१२३",
            "٣٤",
            "１２３",
            "²³",
            "a²",
            "ⅷ",
            "Ⅷ",
        ),
        *(
            "a\x00",
            "\x00",
            "a\ud800",
            "\udfffa",
            "admin\u200b",
            "ad\u00adam",
            "a\u202eb",
            "a\u200db",
            "a\ufe0fb",
            "a\u2028b",
            "a\x85b",
        ),
        *(
            "аdmin",
            "раypal",
            "αdmin",
            "user\u0661",
            "a日本",
            "한かな",
            "ａдa",
            "русskij",
            "aא",
            "\U00010300\U00010380",
            "\U00010300\U000103a0",
        ),
        *("\u0301abc", "a.\u0301b", "1\u0301a", "x" + "\u0301" * 5, "ʻokina", "ʻʻ"),
    ],
)
def test_username_of_mixed_scripts_or_other_characters_is_rejected(text: str) -> None:
    with pytest.raises(InvalidText):
        PLAIN.username(text)


@pytest.mark.parametrize(
    "text",
    [
        *("admin", "ADMIN", "Root", "support", "postmaster", "vestibule", "me", "api", "no-reply", "null"),
        *(
            "ᴬdmin",
            "𝐚dmin",
            "ａｄｍｉｎ",
            "ádmin",
            "ADM\u0130N",
            "admi\u0307n",
            "adm\u0131\u0307n",
            "adm\u0131n",
            "_admin_",
            " admin\n",
        ),
    ],
)
def test_reserved_username_is_rejected_in_every_spelling(text: str) -> None:
    with pytest.raises(InvalidText):
        PLAIN.username(text)


@pytest.mark.parametrize("text", ["admin", "Root", "_support_"])
def test_reserved_username_is_accepted_from_operators(text: str) -> None:
    assert PLAIN.username(text, reserved=True).text == text


@pytest.mark.parametrize("text", ["user-1", "USER-1234567890"])
def test_username_that_accounts_get_without_their_mobile_is_reserved(text: str) -> None:
    for reserved in (False, True):
        with pytest.raises(InvalidText):
            PLAIN.username(text, reserved=reserved)
    assert PLAIN.username("user-one").text == "user-one"


@given(text=st.text(string.ascii_letters + string.digits + "._+-", min_size=1, max_size=150))
def test_plain_username_has_the_canonical_form_of_precis(text: str) -> None:
    assert PLAIN.login(text).canonical_username == get_profile("UsernameCaseMapped").enforce(text)


def test_username_is_trimmed_and_in_nfc() -> None:
    assert PLAIN.username("  Zoe\u0308.ADA\r\n").text == "Zoë.ADA"


@pytest.mark.parametrize(
    ("first", "second"), [("ali\u0307ce", "alice"), ("\u0130lker", "ilker"), ("ΝΙΚΟΣ", "νικοσ"), ("ΝΙΚΟΣ", "νικος")]
)
def test_lookalike_usernames_have_the_same_canonical_form(first: str, second: str) -> None:
    assert PLAIN.username(first).canonical == PLAIN.username(second).canonical


# --- emails -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "shown", "key"),
    [
        ("email@user.com", "email@user.com", "email@user.com"),
        ("email@dummy.com", "email@dummy.com", "email@dummy.com"),
        ("email@updated.com", "email@updated.com", "email@updated.com"),
        ("email@django.com", "email@django.com", "email@django.com"),
        ("email@partial_updated.com", "email@partial_updated.com", "email@partial_updated.com"),
        ("  Ada.Lovelace+tag@Example.COM\n", "Ada.Lovelace+tag@Example.COM", "ada.lovelace+tag@example.com"),
        ("ada@BÜCHER.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example", "ada@xn--bcher-kva.example"),
        ("ada@ｅxample.com", "ada@example.com", "ada@example.com"),
        ("ada@example\u3002com", "ada@example.com", "ada@example.com"),
        ("ada@\u212aiosk.example", "ada@kiosk.example", "ada@kiosk.example"),
        ("user@ıxample.org", "user@xn--xample-o9a.org", "user@xn--xample-o9a.org"),
        ("ada＠example.com", "ada@example.com", "ada@example.com"),
        ("ada﹫example.com", "ada@example.com", "ada@example.com"),
        ("ＡＤＡ@example.com", "ADA@example.com", "ada@example.com"),
        ("mailto:ada@example.com", "ada@example.com", "ada@example.com"),
        ("o'hara/x=y@example.com", "o'hara/x=y@example.com", "o'hara/x=y@example.com"),
    ],
)
def test_email_is_stored_in_deliverable_form(text: str, shown: str, key: str) -> None:
    assert PLAIN.email(text) == Address(AddressKind.EMAIL, shown, key)


@pytest.mark.parametrize(
    "text",
    [
        *("", "@", "ada", "ada@", "@example.com", "ada@example", "ada@@example.com", "a@b@example.com", "ada@example.com."),
        *("mıke@example.com", "zoë@example.com", "\u212aim@example.com"),
        *(
            '"ada"@example.com',
            '"a b"@example.com',
            "ada@[127.0.0.1]",
            "ada@[IPv6:::1]",
            "ada@127.0.0.1",
            "Ada <ada@example.com>",
        ),
        *(
            "<ada@example.com>",
            "ada@localhost",
            "ada@example.test",
            "ada@host.local",
            "ada@x.invalid",
            "ada@x.onion",
            "ada@1.in-addr.arpa",
        ),
        *(
            ".ada@example.com",
            "ada.@example.com",
            "a..da@example.com",
            "ada@-example.com",
            "ada@example-.com",
            "ada@exa mple.com",
        ),
        *("ada@_example.com", "ada@example_.com", "ada@example.c_m", "ada@xn--a.com", "ada@ab--cd.com", "ada@xn--_n.com"),
        *(
            "ada\x00@example.com",
            "ada\ud800@example.com",
            "ada@exa\udfffmple.com",
            "ada\r\nBcc: x@example.com",
            "ada,b@example.com",
        ),
        *("a" * 65 + "@example.com", "a@" + "b" * 64 + ".com", "a@" + "b." * 125 + "com", "a" * 100_000 + "@example.com"),
        *("a" * 60 + "@" + "ü" * 40 + "." + "ü" * 40 + "." + "ü" * 40 + "." + "ü" * 40 + ".example"),
    ],
)
def test_undeliverable_email_is_rejected(text: str) -> None:
    with pytest.raises(InvalidText):
        PLAIN.email(text)


def test_email_has_at_most_254_characters_in_ascii() -> None:
    domain = "@" + ".".join(["b" * 61] * 3) + ".com"
    longest = "a" * (254 - len(domain)) + domain
    assert PLAIN.email(longest).canonical == longest
    assert not accepted(PLAIN.email, "a" + longest)
    international = "@" + ".".join(["\u00fc" + "b" * 40] * 4) + ".com"
    limit = max(length for length in range(1, 65) if accepted(PLAIN.email, "a" * length + international))
    assert len(PLAIN.email("a" * limit + international).canonical) == 254


@pytest.mark.parametrize(
    "text", ["Ada@localhost", "ada@mail.localhost", "ada@example.test", "ada@printer.LOCAL", "ada@x.invalid"]
)
def test_special_use_domain_is_accepted_only_if_enabled(text: str) -> None:
    assert DEVELOPMENT.email(text) == Address(AddressKind.EMAIL, text, text.lower())
    assert not accepted(PLAIN.email, text)


@pytest.mark.parametrize(
    "text", ["ada@", "@localhost", "ada@.local", "ada@-x.local", "ada@x.onion", "zoë@localhost", "ada@intranet"]
)
def test_special_use_domains_do_not_accept_malformed_emails(text: str) -> None:
    with pytest.raises(InvalidText):
        DEVELOPMENT.email(text)


# --- mobiles ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("identifiers", "text", "key"),
    [
        (PLAIN, "9999999999", "9999999999"),
        (PLAIN, "1234567890", "1234567890"),
        (PLAIN, "1234567", "1234567"),
        (PLAIN, "123456789012345", "123456789012345"),
        (PLAIN, "(0170) 123-45.67", "01701234567"),
        (PLAIN, "+49 170 1234567", "+491701234567"),
        (PLAIN, "0049 (170) 1234567", "+491701234567"),
        (PLAIN, "+49 0170 1234567", "+491701234567"),
        (PLAIN, "+1 (202) 555-0100", "+12025550100"),
        (INDIAN, "9999999999", "+919999999999"),
        (INDIAN, "099999 99999", "+919999999999"),
        (INDIAN, "+49 170 1234567", "+491701234567"),
        (GERMAN, "0170 1234567", "+491701234567"),
        (GERMAN, "00919999999999", "+919999999999"),
    ],
)
def test_mobile_keeps_its_spelling_and_has_a_canonical_form(identifiers: Identifiers, text: str, key: str) -> None:
    assert identifiers.mobile(f" {text}\n") == Address(AddressKind.MOBILE, text, key)


@pytest.mark.parametrize("identifiers", ALL)
@pytest.mark.parametrize(
    "text",
    [
        *("", "+", "00", "()", "123456", "1234567890123456", "+1234567890123456", "9" * 100_000, "1" + " " * 50 + "234567"),
        *("99999²9999", "99999①9999", "99999५9999५999९9999९"),
        *(
            "tel:+491701234567;ext=12",
            "tel:+491701234567;ISUB=12",
            "tel:1234567;phone-context=+49",
            "tel:tel:+491701234567",
            "tel:",
            "+491701234567;ext=12",
            "+491701234567 ext 12",
            "+491701234567x12",
            "1-800-FLOWERS",
            "0x1234567",
        ),
        *("++491701234567", "49+1701234567", "1701234567+", "99999_99999", "9999999,999"),
        *(
            "9999999999\x00",
            "9999999999\ud800",
            "tel:999%0099999",
            "9" + "\u200b" * 200 + "999999999",
            "9" + " \u3000" * 30 + "999999",
        ),
        *("+0001234567", "+999 1234567", "+210 1234567", "+49 1", "0000 1234567"),
    ],
)
def test_malformed_mobile_is_rejected_in_every_region(identifiers: Identifiers, text: str) -> None:
    with pytest.raises(InvalidText):
        identifiers.mobile(text)


@pytest.mark.parametrize(
    ("identifiers", "text"), [(INDIAN, "12345678901234"), (LibraryIdentifiers("US"), "123456789012"), (PLAIN, "+1 202 555 01")]
)
def test_impossible_mobile_is_rejected(identifiers: Identifiers, text: str) -> None:
    with pytest.raises(InvalidText):
        identifiers.mobile(text)


@pytest.mark.parametrize("text", ["0170 1234567", "+49 170 1234567", "+43 664 1234567", "+1 202 555 0100"])
def test_mobile_of_an_allowed_country_is_accepted(text: str) -> None:
    assert ALPINE.mobile(text).canonical == GERMAN.mobile(text).canonical
    assert ALPINE.destination(text) == GERMAN.destination(text)


@pytest.mark.parametrize(
    "text",
    [
        "+44 7400 123456",
        "0041 78 123 45 67",
        "+1 876 210 1234",  # Jamaica, which shares the country code with the United States
        "+1 204 234 5678",  # and so does Canada
        "+881 6 1234 5678",  # a satellite
    ],
)
def test_mobile_of_another_country_is_rejected(text: str) -> None:
    assert accepted(GERMAN.mobile, text)
    assert refusal(ALPINE.mobile, text) == "Numbers of this country are not accepted."
    assert refusal(ALPINE.destination, text) == "Numbers of this country are not accepted."
    assert ALPINE.login(text) == GERMAN.login(text)


def test_mobile_without_a_country_is_rejected_if_countries_are_restricted() -> None:
    without_a_region = LibraryIdentifiers(mobile_regions=("DE",))
    assert refusal(without_a_region.mobile, "01701234567") == "Write the number with + and the country code."
    assert accepted(without_a_region.mobile, "+491701234567")


@pytest.mark.parametrize(
    "text", ["+44 909 879 0000", "+1 900 234 5678", "+979 1 2345 6789", "+44 843 123 4567", "+49 900 1 123456"]
)
@pytest.mark.parametrize("identifiers", ALL)
def test_premium_rate_number_is_rejected(identifiers: Identifiers, text: str) -> None:
    assert refusal(identifiers.mobile, text) == "Premium-rate and shared-cost numbers are not accepted."


@pytest.mark.parametrize("text", ["449098790000", "44 909 879 0000", "(44) 843-123-4567", "19002345678", "979 1 2345 6789"])
def test_premium_rate_number_without_a_plus_or_a_region_is_rejected(text: str) -> None:
    for identifiers in (PLAIN, LibraryIdentifiers(mobile_regions=("GB",))):
        for read in (identifiers.mobile, identifiers.destination):
            assert refusal(read, text) == "Premium-rate and shared-cost numbers are not accepted."
    assert PLAIN.login(text).address  # accounts of another configuration still log in


@pytest.mark.parametrize("text", ["0170 1234567", "9999999999", "0900 1234567", "4915112345678", "999123456789"])
def test_number_without_a_region_that_is_not_premium_rate_elsewhere_is_accepted(text: str) -> None:
    assert PLAIN.mobile(text).text == text


@pytest.mark.parametrize("region", ["XX", "India", "91", "001", "ZZ", "\x00"])
def test_region_without_phone_numbers_is_rejected(region: str) -> None:
    with pytest.raises(ValueError, match="not a region"):
        LibraryIdentifiers(default_region=region)
    with pytest.raises(ValueError, match="not a region"):
        LibraryIdentifiers(mobile_regions=("DE", region))


# --- names ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "name"),
    [
        ("name", "name"),
        ("some_awesome_name", "some_awesome_name"),
        ("  Ada  Lovelace \r\n", "Ada  Lovelace"),
        ("Zoe\u0308", "Zoë"),
        ("O'Hara <b> & 山田 😀", "O'Hara <b> & 山田 😀"),
        ("👩\u200d💻", "👩\u200d💻"),
        ("Ann \U0001fa77", "Ann \U0001fa77"),  # of Unicode 15
        ("\U00031350明", "\U00031350明"),  # of Unicode 15.1
        ("\U0001e5d0\u0378", "\U0001e5d0\u0378"),  # of Unicode 16, and one that has no character yet
        ("❤\ufe0f", "❤\ufe0f"),
        ("ന്\u200d", "ന്\u200d"),
        ("\ufeffAda\u200b", "Ada"),
        ("x" * 500, "x" * 500),
        ("e\u0301" * 500, "é" * 500),
    ],
)
def test_name_accepts_nearly_any_text(text: str, name: str) -> None:
    assert PLAIN.name(text) == name


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "  ",
            "x" * 501,
            "x" * 100_000,
            "\ufb2c" * 200,
            "a\x00b",
            "a\ud800",
            "a\nb",
            "a\rb",
            "a\tb",
            "a\x1b[2J",
            "a\x85b",
            "a\x0bb",
        ),
        *(
            "a\u2028b",
            "a\u2029b",
            "a\x1cb",
            "a\u202eb",
            "a\u200eb",
            "a\u061cb",
            "a\u202ab",
            "a\u2066b",
            "a\u2069b",
            "a\ufdd0b",
            "a\ufdefb",
            "a\uffffb",
            "a\U0001fffeb",
            "a\U0010ffffb",
            "\u200b",
            "\u00ad \ufe0f",
            "\u2800",
            "\u3164",
        ),
    ],
)
def test_name_with_control_characters_or_nothing_visible_is_rejected(text: str) -> None:
    with pytest.raises(InvalidText):
        PLAIN.name(text)


# --- distinguished by form -------------------------------------------------------------------------------------------


def test_destination_with_an_at_sign_is_an_email() -> None:
    assert PLAIN.destination("email@django.com").kind is AddressKind.EMAIL
    assert PLAIN.destination("1234567890").kind is AddressKind.MOBILE
    assert not accepted(PLAIN.destination, "username")
    assert PLAIN.destination("1234567890＠x.com").kind is AddressKind.EMAIL


@pytest.mark.parametrize("text", ["hello", "12", "hello1234567", "+49 170 123456x", "tel:+491701234567;ext=1"])
def test_destination_that_is_neither_email_nor_mobile_is_refused_as_neither(text: str) -> None:
    message = refusal(PLAIN.destination, text)
    assert message
    assert "neither an email address, such as name@example.com, nor a mobile number" in message
    assert refusal(PLAIN.mobile, text) != message


@pytest.mark.parametrize("text", ["Ada@localhost", "ada@company.test", "ada@printer.LOCAL", "ada@x.invalid"])
def test_email_at_a_test_domain_has_a_code_of_its_own(text: str) -> None:
    with pytest.raises(InvalidText, match="reserved for tests") as caught:
        PLAIN.email(text)
    assert caught.value.code is ErrorCode.TEST_DOMAIN


def test_login_identifier_has_address_and_username() -> None:
    email, mobile, username = (PLAIN.login(text) for text in ("Ada@Example.com", "+49 170 1234567", "Ada"))
    assert email.address == Address(AddressKind.EMAIL, "Ada@Example.com", "ada@example.com")
    assert email.canonical_username == "ada@example.com"
    assert mobile.address is not None
    assert mobile.address.canonical == "+491701234567"
    assert (username.address, username.canonical_username) == (None, "ada")


def test_username_of_a_mobile_has_a_suffix_from_the_second_attempt() -> None:
    mobile = PLAIN.mobile("+49 (170) 1234567")
    usernames = [PLAIN.username_of_mobile(mobile, variant) for variant in (1, 2, 3)]
    assert [username.text for username in usernames] == ["+49 (170) 1234567", "+49 (170) 1234567-2", "+49 (170) 1234567-3"]
    assert [PLAIN.login(username.text).canonical_username for username in usernames] == [
        username.canonical for username in usernames
    ]
    assert len({username.canonical for username in usernames}) == 3


# --- any text ---------------------------------------------------------------------------------------------------------


@given(TYPED)
@example("\ud800\udc00@\udfff")
@example("a@\u0300.com")
@example("a@xn--\u00fc.com")
@example("\u0660\u06f0")
@example("\u30fb\u00b7\u0375\u05f3\u200c\u200d")
@example("\u05d0\u06f0a1")
def test_rejection_is_a_sentence_that_does_not_repeat_the_text(text: str) -> None:
    for identifiers in ALL:
        for read in (identifiers.username, identifiers.email, identifiers.mobile, identifiers.name, identifiers.destination):
            said = refusal(read, text)
            assert said is None or (said.isascii() and said.endswith("."))


@given(TYPED)
def test_parsing_is_idempotent(text: str) -> None:
    for identifiers in ALL:
        parsing_is_idempotent(identifiers, text)


@given(TYPED)
def test_canonical_form_is_idempotent(text: str) -> None:
    for identifiers in ALL:
        if accepted(identifiers.email, text):
            key = identifiers.email(text).canonical
            assert key.isascii()
            assert key == key.lower()
            assert len(key) <= 254
        if accepted(identifiers.mobile, text):
            key = identifiers.mobile(text).canonical
            assert key.removeprefix("+").isascii()
            assert key.removeprefix("+").isdigit()


@given(TYPED)
def test_username_is_never_an_address(text: str) -> None:
    username_is_never_an_address(PLAIN, text)


@given(TYPED | st.text().map(lambda text: text * 300))
def test_login_accepts_any_text(text: str) -> None:
    for identifiers in ALL:
        login_accepts_any_text(identifiers, text)


@given(TYPED)
def test_login_matches_registration(text: str) -> None:
    for identifiers in ALL:
        login_matches_registration(identifiers, text)


# --- long texts -------------------------------------------------------------------------------------------------------

COSTLY = [
    "a",
    "0",
    ".",
    "@",
    "-",
    "a_",
    "a.",
    "\u0663",
    "\u06f3",
    "\u0663\u06f3",
    "\u0663" * 62 + ".",
    "\u30fb",
    "\u05d0\u05f3",
]
COSTLY += [
    "\ufdfa",
    "\u0301\u0323",
    "\u0915\u094d\u200d",
    "\u200d",
    "\u6f22",
    "\u1100",
    "\U00010300",
    "\U0001f600",
    "\u00ad",
    "\u00df",
]


def lines_run(read: Callable[[str], object], text: str) -> int:
    """Returns the number of lines of Python that `read` runs, the libraries' included."""
    lines, earlier = 0, sys.gettrace()

    def count(_frame: FrameType, event: str, _argument: object) -> Any:
        nonlocal lines
        lines += event == "line"
        return count

    sys.settrace(count)
    try:
        refusal(read, text)
    finally:
        sys.settrace(earlier)
    return lines


@pytest.mark.parametrize("method", ["username", "email", "mobile", "name", "destination", "login"])
@pytest.mark.parametrize("unit", COSTLY, ids=ascii)
def test_work_on_a_long_text_is_bounded_by_the_length_of_a_valid_one(unit: str, method: str) -> None:
    for form in ("{}", "a@{}", "a@{}.com", "{}@a.com"):
        for length in (150, 249, 300, 16_384):
            text = form.format((unit * length)[:length])
            assert lines_run(getattr(PLAIN, method), text) < 60_000, (form, length)


def test_long_label_of_a_domain_is_rejected_and_the_longest_one_is_accepted() -> None:
    assert accepted(PLAIN.email, f"ada@{'b' * 63}.com")
    assert refusal(PLAIN.email, f"ada@{'b' * 64}.com") == refusal(PLAIN.email, f"ada@{chr(0x663) * 64}.com")


def test_decomposed_username_of_the_greatest_length_logs_in() -> None:
    username = PLAIN.username("e\u0301" * 150)
    assert PLAIN.login("e\u0301" * 150).canonical_username == username.canonical
