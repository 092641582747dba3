"""The port `Codes`: the same each time, different for anything different, and nothing without the secret."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vestibule.adapters.codes import HmacCodes
from vestibule.application.ports import Codes
from vestibule.domain.code import Flow

SECRET = bytes(range(32))
OTHER_SECRET = bytes(range(1, 33))
CHALLENGE = "01hv3k5m7p9r1t3w5y7z9b2d4f"

anything = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=50)


@pytest.fixture
def codes() -> Codes:
    return HmacCodes(SECRET, digits=10)


def test_a_code_is_the_same_each_time_and_after_a_restart(codes: Codes) -> None:
    code = codes.code(CHALLENGE, Flow.OTP, "ada@example.org")
    assert codes.code(CHALLENGE, Flow.OTP, "ada@example.org") == code
    assert HmacCodes(SECRET, digits=10).code(CHALLENGE, Flow.OTP, "ada@example.org") == code


def test_a_code_differs_by_challenge_flow_address_and_secret(codes: Codes) -> None:
    different = {
        codes.code(CHALLENGE, Flow.OTP, "ada@example.org"),
        codes.code("11hv3k5m7p9r1t3w5y7z9b2d4f", Flow.OTP, "ada@example.org"),
        codes.code(CHALLENGE, Flow.REGISTER_OR_LOGIN, "ada@example.org"),
        codes.code(CHALLENGE, Flow.OTP, "bob@example.org"),
        HmacCodes(OTHER_SECRET, digits=10).code(CHALLENGE, Flow.OTP, "ada@example.org"),
    }
    assert len(different) == 5


def test_parts_that_join_alike_give_different_codes(codes: Codes) -> None:
    assert codes.code("ab", Flow.OTP, "c") != codes.code("a", Flow.OTP, "bc")
    assert codes.code("aotp", Flow.OTP, "") != codes.code("a", Flow.OTP, "otp")
    assert codes.code("a\0", Flow.OTP, "b") != codes.code("a", Flow.OTP, "\0b")


@given(anything, st.sampled_from(Flow), anything, st.integers(4, 10))
def test_a_code_is_so_many_ascii_digits_whatever_goes_in(challenge_id: str, flow: Flow, key: str, digits: int) -> None:
    code = HmacCodes(SECRET, digits).code(challenge_id, flow, key)
    assert len(code) == digits
    assert code.isascii()
    assert code.isdecimal()


def test_a_code_has_six_digits_where_nothing_else_is_said() -> None:
    assert len(HmacCodes(SECRET).code(CHALLENGE, Flow.OTP, "ada@example.org")) == 6


def test_codes_are_spread_evenly_leading_zeros_included() -> None:
    codes = HmacCodes(SECRET, digits=4)
    drawn = Counter(codes.code(str(number), Flow.OTP, "ada@example.org") for number in range(20_000))
    for place in range(4):
        counts = Counter(code[place] for code in drawn.elements())
        assert set(counts) == set("0123456789")
        assert all(1800 < count < 2200 for count in counts.values())
    # 20,000 draws of 10,000 leave e**-2 of them undrawn.
    assert 8500 < len(drawn) < 8800


@pytest.mark.parametrize("digits", [-1, 0, 3, 11])
def test_a_length_that_is_no_code_is_refused(digits: int) -> None:
    with pytest.raises(ValueError, match="4 to 10 digits"):
        HmacCodes(SECRET, digits)


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_short_secret_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes or more"):
        HmacCodes(SECRET[:length])


@given(anything)
@example("\ud800")
@example("\0")
def test_any_text_at_all_is_blinded_the_same_each_time(text: str) -> None:
    blinded = HmacCodes(SECRET).blind(text)
    assert HmacCodes(SECRET, digits=8).blind(text) == blinded
    assert len(blinded) == 22
    assert blinded.isascii()
    assert not set(blinded) & set("+/=%")


@given(anything, anything)
def test_two_texts_are_blinded_alike_only_when_they_are_the_same(one: str, other: str) -> None:
    codes = HmacCodes(SECRET)
    assert (codes.blind(one) == codes.blind(other)) == (one == other)


def test_without_the_secret_a_digest_cannot_be_made_again() -> None:
    assert HmacCodes(SECRET).blind("ada@example.org") != HmacCodes(OTHER_SECRET).blind("ada@example.org")


def test_the_secret_is_not_shown() -> None:
    assert "\\x01" not in repr(HmacCodes(SECRET))
