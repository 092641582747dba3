"""The port `Codes`: the same each time, different for anything different, and nothing without the secret."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vestibule.adapters.keys import CodeSecrets, HmacCodes
from vestibule.application.ports import Codes
from vestibule.domain.code import CodePurpose
from vestibule.testing.contracts import CodesContract

SECRET = bytes(range(32))
OTHER_SECRET = bytes(range(1, 33))
BLINDING = bytes(range(2, 34))
CHALLENGE = "01hv3k5m7p9r1t3w5y7z9b2d4f"

anything = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=50)


def _codes(secret: bytes = SECRET, digits: int = 6) -> HmacCodes:
    secrets = CodeSecrets.single(secret)
    return HmacCodes(lambda: secrets, digits)


@pytest.fixture
def codes() -> Codes:
    return _codes(digits=10)


@pytest.fixture
def same_codes() -> Codes:
    return _codes(digits=10)


class TestEveryKind(CodesContract):
    """Which is one so far."""


def test_a_code_is_the_same_each_time_and_after_a_restart(codes: Codes) -> None:
    code = codes.code(CHALLENGE, CodePurpose.OTP, "ada@example.org")
    assert codes.code(CHALLENGE, CodePurpose.OTP, "ada@example.org") == code
    assert _codes(digits=10).code(CHALLENGE, CodePurpose.OTP, "ada@example.org") == code


def test_a_code_differs_by_challenge_flow_address_and_secret(codes: Codes) -> None:
    different = {
        codes.code(CHALLENGE, CodePurpose.OTP, "ada@example.org"),
        codes.code("11hv3k5m7p9r1t3w5y7z9b2d4f", CodePurpose.OTP, "ada@example.org"),
        codes.code(CHALLENGE, CodePurpose.REGISTER_OR_LOGIN, "ada@example.org"),
        codes.code(CHALLENGE, CodePurpose.OTP, "bob@example.org"),
        _codes(OTHER_SECRET, 10).code(CHALLENGE, CodePurpose.OTP, "ada@example.org"),
    }
    assert len(different) == 5


def test_parts_that_join_alike_give_different_codes(codes: Codes) -> None:
    assert codes.code("ab", CodePurpose.OTP, "c") != codes.code("a", CodePurpose.OTP, "bc")
    assert codes.code("aotp", CodePurpose.OTP, "") != codes.code("a", CodePurpose.OTP, "otp")
    assert codes.code("a\0", CodePurpose.OTP, "b") != codes.code("a", CodePurpose.OTP, "\0b")


@given(anything, st.sampled_from(CodePurpose), anything, st.integers(4, 10))
def test_a_code_is_so_many_ascii_digits_whatever_goes_in(challenge_id: str, flow: CodePurpose, key: str, digits: int) -> None:
    code = _codes(digits=digits).code(challenge_id, flow, key)
    assert len(code) == digits
    assert code.isascii()
    assert code.isdecimal()


def test_a_code_has_six_digits_where_nothing_else_is_said() -> None:
    assert len(_codes().code(CHALLENGE, CodePurpose.OTP, "ada@example.org")) == 6


def test_codes_are_spread_evenly_leading_zeros_included() -> None:
    codes = _codes(digits=4)
    drawn = Counter(codes.code(str(number), CodePurpose.OTP, "ada@example.org") for number in range(20_000))
    for place in range(4):
        counts = Counter(code[place] for code in drawn.elements())
        assert set(counts) == set("0123456789")
        assert all(1800 < count < 2200 for count in counts.values())
    # 20,000 draws of 10,000 leave e**-2 of them undrawn.
    assert 8500 < len(drawn) < 8800


@pytest.mark.parametrize("digits", [-1, 0, 3, 11])
def test_a_length_that_is_no_code_is_refused(digits: int) -> None:
    with pytest.raises(ValueError, match="4 to 10 digits"):
        _codes(digits=digits)


@pytest.mark.parametrize("length", [0, 16, 31])
def test_a_short_secret_is_refused(length: int) -> None:
    with pytest.raises(ValueError, match="32 bytes or more"):
        CodeSecrets.single(SECRET[:length])
    with pytest.raises(ValueError, match="32 bytes or more"):
        CodeSecrets({1: SECRET}, 1, SECRET[:length])


@given(anything)
@example("\ud800")
@example("\0")
def test_any_text_at_all_is_blinded_the_same_each_time(text: str) -> None:
    blinded = _codes().keyed_digest(text)
    assert _codes(digits=8).keyed_digest(text) == blinded
    assert len(blinded) == 22
    assert blinded.isascii()
    assert not set(blinded) & set("+/=%")


@given(anything, anything)
def test_two_texts_are_blinded_alike_only_when_they_are_the_same(one: str, other: str) -> None:
    codes = _codes()
    assert (codes.keyed_digest(one) == codes.keyed_digest(other)) == (one == other)


def test_without_the_secret_a_digest_cannot_be_made_again() -> None:
    assert _codes().keyed_digest("ada@example.org") != _codes(OTHER_SECRET).keyed_digest("ada@example.org")


def test_no_secret_is_shown() -> None:
    assert "\\x01" not in repr(_codes()) + repr(CodeSecrets.single(SECRET))


# --- rotation ---------------------------------------------------------------------------------------------------------


class Turned:
    """Secrets that are changed by hand while they are in use."""

    def __init__(self) -> None:
        self.secrets = CodeSecrets({1: SECRET}, 1, BLINDING)

    def __call__(self) -> CodeSecrets:
        return self.secrets


def test_a_code_under_way_stays_good_over_a_rotation_and_new_ones_are_under_the_new_secret() -> None:
    source = Turned()
    codes = HmacCodes(source, digits=10)
    under_way = codes.new_challenge_id(CHALLENGE)
    sent = codes.code(under_way, CodePurpose.OTP, "ada@example.org")
    source.secrets = CodeSecrets({1: SECRET, 2: OTHER_SECRET}, 2, BLINDING)
    assert codes.code(under_way, CodePurpose.OTP, "ada@example.org") == sent
    later = codes.new_challenge_id(CHALLENGE)
    assert later != under_way
    source.secrets = CodeSecrets({2: OTHER_SECRET, 3: SECRET}, 3, BLINDING)
    assert codes.code(later, CodePurpose.OTP, "ada@example.org") == _only(2, OTHER_SECRET).code(
        later, CodePurpose.OTP, "ada@example.org"
    )


def test_a_code_under_a_secret_that_was_taken_away_is_not_right_any_more() -> None:
    source = Turned()
    codes = HmacCodes(source, digits=10)
    under_way = codes.new_challenge_id(CHALLENGE)
    sent = codes.code(under_way, CodePurpose.OTP, "ada@example.org")
    source.secrets = CodeSecrets({2: OTHER_SECRET}, 2, BLINDING)
    assert codes.code(under_way, CodePurpose.OTP, "ada@example.org") != sent


def test_what_was_blinded_is_known_again_after_a_rotation() -> None:
    source = Turned()
    codes = HmacCodes(source)
    blinded = codes.keyed_digest("ada@example.org")
    source.secrets = CodeSecrets({2: OTHER_SECRET}, 2, BLINDING)
    assert codes.keyed_digest("ada@example.org") == blinded


@given(anything)
def test_a_challenge_of_any_id_at_all_has_a_code(challenge_id: str) -> None:
    codes = HmacCodes(Turned())
    assert codes.new_challenge_id(challenge_id).startswith(challenge_id)
    assert len(codes.code(challenge_id, CodePurpose.OTP, "ada@example.org")) == 6


def test_a_secret_that_is_not_there_cannot_be_the_newest() -> None:
    with pytest.raises(ValueError, match="one of them"):
        CodeSecrets({1: SECRET}, 2, BLINDING)


def _only(number: int, secret: bytes) -> HmacCodes:
    return HmacCodes(lambda: CodeSecrets({number: secret}, number, BLINDING), digits=10)
