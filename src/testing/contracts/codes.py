"""What codes of every kind promise."""

import pytest

from ...application.ports import Codes
from ...domain.code import CodePurpose

CHALLENGE = "01hv3k5m7p9r1t3w5y7z9b2d4f"
OTHER_CHALLENGE = "11hv3k5m7p9r1t3w5y7z9b2d4f"
ADA, BOB = "ada@example.org", "bob@example.org"
TEXTS = ["", "a", "é", "\0", "\ud800", "x" * 10_000, ADA, BOB]


def drawn(codes: Codes, flow: CodePurpose, address: str, *, prefix: str = "") -> list[str]:
    """Many codes, so that no chance makes two such lists alike."""
    return [codes.code(f"{prefix}{number}", flow, address) for number in range(20)]


class CodesContract:
    """What `Codes` of every kind promise.

    Fill the fixtures `codes`, and `same_codes`: another one under the same key, as in another process.
    """

    def test_a_code_is_the_same_at_each_call_and_in_each_process(self, codes: Codes, same_codes: Codes) -> None:
        challenge_id = codes.new_challenge_id(CHALLENGE)
        code = codes.code(challenge_id, CodePurpose.OTP, ADA)
        assert codes.code(challenge_id, CodePurpose.OTP, ADA) == code
        assert same_codes.code(challenge_id, CodePurpose.OTP, ADA) == code

    def test_a_code_differs_by_challenge_flow_and_address(self, codes: Codes) -> None:
        different = [
            drawn(codes, CodePurpose.OTP, ADA),
            drawn(codes, CodePurpose.REGISTER_OR_LOGIN, ADA),
            drawn(codes, CodePurpose.OTP, BOB),
            drawn(codes, CodePurpose.OTP, ADA, prefix="x"),
        ]
        assert all(different.count(one) == 1 for one in different)
        assert all(len(set(one)) > 15 for one in different)

    def test_a_code_is_always_as_many_ascii_digits(self, codes: Codes) -> None:
        length = len(codes.code(CHALLENGE, CodePurpose.OTP, ADA))
        for text in TEXTS:
            for code in (
                codes.code(codes.new_challenge_id(CHALLENGE), CodePurpose.OTP, text),
                codes.code(text, CodePurpose.OTP, ADA),
            ):
                assert len(code) == length
                assert code.isascii()
                assert code.isdecimal()

    def test_codes_begin_with_each_digit(self, codes: Codes) -> None:
        assert {codes.code(str(number), CodePurpose.OTP, ADA)[0] for number in range(500)} == set("0123456789")

    def test_a_marked_id_keeps_apart_what_was_apart(self, codes: Codes) -> None:
        assert codes.new_challenge_id(CHALLENGE) != codes.new_challenge_id(OTHER_CHALLENGE)

    @pytest.mark.parametrize("text", TEXTS)
    def test_any_text_is_blinded_the_same_each_time_and_shortly(self, codes: Codes, same_codes: Codes, text: str) -> None:
        blinded = codes.keyed_digest(text)
        assert codes.keyed_digest(text) == blinded
        assert same_codes.keyed_digest(text) == blinded
        assert 16 <= len(blinded) <= 64
        assert blinded.isascii()

    def test_texts_that_differ_are_blinded_differently(self, codes: Codes) -> None:
        assert len({codes.keyed_digest(text) for text in TEXTS}) == len(TEXTS)
