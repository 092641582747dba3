import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vestibule.domain.errors import ErrorCode, FieldError
from vestibule.domain.password import PasswordPolicy, normalised

POLICY = PasswordPolicy(frozenset({"password", "12345678", "strasse12"}))
GOOD = "a sea of green glass"


@pytest.mark.parametrize(
    "password",
    [GOOD, "        ", "ﬃﬃﬃab", "x1y2z3w4", "𝒶𝒷𝒸𝒹 ⅷ four", "a" * 256, "𐀀" * 256, "vestibules", "unassigned \u0378 one"],
)
def test_password_of_sufficient_length_is_accepted(password: str) -> None:
    assert POLICY.violations(password) == []


@pytest.mark.parametrize(
    ("password", "word"),
    [
        ("seven77", "at least 8"),
        ("ﬀﬀﬀx", "at least 8"),
        ("a" * 257, "at most 256"),
        ("ﷺ" * 15, "at most 256"),
        ("𐀀" * 256 + "a", "at most 256"),
        ("a" * 100_000, "at most 256"),
        ("e\u0301" * 200 + "\u0301" * 1000, "at most 256"),
        ("tab\tbed password", "control"),
        ("nul\0led password", "control"),
        ("surro\ud800gate word", "control"),
        ("noncharacter \ufdd0 one", "control"),
        ("noncharacter \U0001ffff one", "control"),
        ("password", "common"),
        ("PassWord", "common"),
        ("ｐａｓｓｗｏｒｄ", "common"),
        ("Straße12", "common"),
        ("vestibule", "service"),
        ("Vestibule-2024!", "service"),
    ],
)
def test_password_is_refused_for_one_reason(password: str, word: str) -> None:
    [fault] = POLICY.violations(password)
    assert word in fault.message


def test_minimum_length_is_configurable() -> None:
    assert PasswordPolicy(frozenset(), min_length=15).violations("fourteen chars") == [
        FieldError(ErrorCode.TOO_SHORT, "A password must have at least 15 characters.")
    ]


@pytest.mark.parametrize(
    "password",
    [
        "annabelle",
        "ANNABELLE1984",
        "ann@mail.example.com",
        "Ann-Abelle Bright",
        "bright!!!!",
        "12bright34",
        "9999999999",
        "example2024",
        "ａｎｎａｂｅｌｌｅ",
    ],
)
def test_password_of_personal_data_is_refused(password: str) -> None:
    own = ("annabelle", "Ann-Abelle Bright", "ann@mail.example.com", "9999999999", None)

    [fault] = POLICY.personal_data_violations(password, own)
    assert (fault.code, "the account's own" in fault.message) == (ErrorCode.PERSONAL_DATA, True)


@pytest.mark.parametrize("password", ["annabelle likes rain", "ann12345", "brightness99", "88888888", ""])
def test_password_may_contain_personal_data_among_other_words(password: str) -> None:
    own = ("annabelle", "Ann Bright", "ann@mail.example.com", "9999999999", None)

    assert POLICY.personal_data_violations(password, own) == []


@pytest.mark.slow
@given(st.text(min_size=1, max_size=300))
def test_password_is_normalised_before_it_is_checked(password: str) -> None:
    if not POLICY.violations(password):
        assert normalised(unicodedata.normalize("NFD", password)) == normalised(password)


def test_too_long_password_is_not_truncated() -> None:
    assert len(normalised("\u03b1\u0313\u0300\u0345" * 300)) > 256
