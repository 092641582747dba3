"""The port `Codes`: deterministic, different for any different input, and impossible to compute without the secret."""

from collections import Counter

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from vestibule.adapters.keys import HmacCodes, KeySet, SymmetricKey
from vestibule.application.ports import Codes
from vestibule.domain.code import CodePurpose
from vestibule.testing.contracts import CodesContract

SECRET = bytes(range(32))
OTHER_SECRET = bytes(range(1, 33))
DIGEST_SECRET = bytes(range(2, 34))
CHALLENGE = "01hv3k5m7p9r1t3w5y7z9b2d4f"

anything = st.text(st.characters() | st.characters(categories=["Cs"]), max_size=50)


def _keys(*codes: SymmetricKey, digests: bytes = DIGEST_SECRET) -> KeySet:
    return KeySet(codes=codes, digests=(SymmetricKey(1, digests),))


def _codes(secret: bytes = SECRET, digits: int = 6) -> HmacCodes:
    return HmacCodes(_keys(SymmetricKey(1, secret), digests=secret), digits)


@pytest.fixture
def codes() -> Codes:
    return _codes(digits=10)


@pytest.fixture
def same_codes() -> Codes:
    return _codes(digits=10)


class TestEveryKind(CodesContract):
    """The contract of the port."""


def test_code_is_the_same_at_each_call_and_after_a_restart(codes: Codes) -> None:
    code = codes.code(CHALLENGE, CodePurpose.GENERAL, "ada@example.org")
    assert codes.code(CHALLENGE, CodePurpose.GENERAL, "ada@example.org") == code
    assert _codes(digits=10).code(CHALLENGE, CodePurpose.GENERAL, "ada@example.org") == code


def test_code_differs_by_challenge_purpose_address_and_secret(codes: Codes) -> None:
    different = {
        codes.code(CHALLENGE, CodePurpose.GENERAL, "ada@example.org"),
        codes.code("11hv3k5m7p9r1t3w5y7z9b2d4f", CodePurpose.GENERAL, "ada@example.org"),
        codes.code(CHALLENGE, CodePurpose.REGISTER_OR_LOGIN, "ada@example.org"),
        codes.code(CHALLENGE, CodePurpose.GENERAL, "bob@example.org"),
        _codes(OTHER_SECRET, 10).code(CHALLENGE, CodePurpose.GENERAL, "ada@example.org"),
    }
    assert len(different) == 5


def test_inputs_with_the_same_concatenation_give_different_codes(codes: Codes) -> None:
    assert codes.code("ab", CodePurpose.GENERAL, "c") != codes.code("a", CodePurpose.GENERAL, "bc")
    assert codes.code("aotp", CodePurpose.GENERAL, "") != codes.code("a", CodePurpose.GENERAL, "otp")
    assert codes.code("a\0", CodePurpose.GENERAL, "b") != codes.code("a", CodePurpose.GENERAL, "\0b")


@given(anything, st.sampled_from(CodePurpose), anything, st.integers(4, 10))
def test_code_has_the_configured_number_of_ascii_digits_for_any_input(
    challenge_id: str, purpose: CodePurpose, key: str, digits: int
) -> None:
    code = _codes(digits=digits).code(challenge_id, purpose, key)
    assert len(code) == digits
    assert code.isascii()
    assert code.isdecimal()


def test_code_has_six_digits_by_default() -> None:
    assert len(_codes().code(CHALLENGE, CodePurpose.GENERAL, "ada@example.org")) == 6


def test_codes_are_distributed_evenly_including_leading_zeros() -> None:
    codes = _codes(digits=4)
    drawn = Counter(codes.code(str(number), CodePurpose.GENERAL, "ada@example.org") for number in range(20_000))
    for place in range(4):
        counts = Counter(code[place] for code in drawn.elements())
        assert set(counts) == set("0123456789")
        assert all(1800 < count < 2200 for count in counts.values())
    # 20,000 draws of 10,000 leave e**-2 of them undrawn.
    assert 8500 < len(drawn) < 8800


@pytest.mark.parametrize("digits", [-1, 0, 3, 11])
def test_invalid_code_length_is_refused(digits: int) -> None:
    with pytest.raises(ValueError, match="4 to 10 digits"):
        _codes(digits=digits)


@given(anything)
@example("\ud800")
@example("\0")
def test_any_text_has_the_same_digest_each_time(text: str) -> None:
    digest = _codes().keyed_digest(text)
    assert _codes(digits=8).keyed_digest(text) == digest
    assert len(digest) == 22
    assert digest.isascii()
    assert not set(digest) & set("+/=%")


@given(anything, anything)
def test_digests_are_equal_only_for_equal_texts(first: str, second: str) -> None:
    codes = _codes()
    assert (codes.keyed_digest(first) == codes.keyed_digest(second)) == (first == second)


def test_digest_depends_on_the_secret() -> None:
    assert _codes().keyed_digest("ada@example.org") != _codes(OTHER_SECRET).keyed_digest("ada@example.org")


def test_no_secret_is_shown() -> None:
    assert "\\x01" not in repr(_codes()) + repr(_keys(SymmetricKey(1, SECRET)))


# --- rotation ---------------------------------------------------------------------------------------------------------


class RotatedKeys:
    """A source whose keys are replaced while they are in use."""

    def __init__(self, keys: KeySet) -> None:
        self.keys = keys

    def current(self) -> KeySet:
        return self.keys


def _code(codes: HmacCodes, challenge_id: str) -> str:
    return codes.code(challenge_id, CodePurpose.GENERAL, "ada@example.org")


def test_sent_code_survives_a_rotation_and_new_codes_use_the_new_secret() -> None:
    source = RotatedKeys(_keys(SymmetricKey(1, SECRET)))
    codes = HmacCodes(source, digits=10)
    challenge_id = codes.new_challenge_id(CHALLENGE)
    sent = _code(codes, challenge_id)
    source.keys = _keys(SymmetricKey(1, SECRET), SymmetricKey(2, OTHER_SECRET))
    assert _code(codes, challenge_id) == sent
    later = codes.new_challenge_id(CHALLENGE)
    assert later != challenge_id
    source.keys = _keys(SymmetricKey(2, OTHER_SECRET), SymmetricKey(3, SECRET))
    assert _code(codes, later) == _code(HmacCodes(_keys(SymmetricKey(2, OTHER_SECRET)), digits=10), later)


def test_pending_secret_is_not_used() -> None:
    now = 1000.0
    codes = HmacCodes(_keys(SymmetricKey(1, SECRET), SymmetricKey(2, OTHER_SECRET, active_from=1060.0)), clock=lambda: now)
    assert codes.new_challenge_id(CHALLENGE) == f"{CHALLENGE}-1"
    now = 1060.0
    assert codes.new_challenge_id(CHALLENGE) == f"{CHALLENGE}-2"


def test_code_of_a_removed_secret_is_wrong() -> None:
    source = RotatedKeys(_keys(SymmetricKey(1, SECRET)))
    codes = HmacCodes(source, digits=10)
    challenge_id = codes.new_challenge_id(CHALLENGE)
    sent = _code(codes, challenge_id)
    source.keys = _keys(SymmetricKey(2, OTHER_SECRET))
    assert _code(codes, challenge_id) != sent


def test_digest_survives_a_rotation_of_the_code_secrets() -> None:
    source = RotatedKeys(_keys(SymmetricKey(1, SECRET)))
    codes = HmacCodes(source)
    digest = codes.keyed_digest("ada@example.org")
    source.keys = _keys(SymmetricKey(2, OTHER_SECRET))
    assert codes.keyed_digest("ada@example.org") == digest


@given(anything)
def test_challenge_with_any_id_has_a_code(challenge_id: str) -> None:
    codes = HmacCodes(_keys(SymmetricKey(1, SECRET)))
    assert codes.new_challenge_id(challenge_id).startswith(challenge_id)
    assert len(_code(codes, challenge_id)) == 6
