"""The contract of the port `Codes`."""

import pytest

from ...application.ports import Codes
from ...domain.code import CodePurpose

CHALLENGE = "01hv3k5m7p9r1t3w5y7z9b2d4f"
ADA, BOB = "ada@example.org", "bob@example.org"
TEXTS = ["", "a", "é", "\0", "\ud800", "x" * 10_000, ADA, BOB]


def many(codes: Codes, purpose: CodePurpose, address: str, *, prefix: str = "") -> list[str]:
    """Returns so many codes that two lists are equal by chance in no run."""
    return [codes.code(f"{prefix}{number}", purpose, address) for number in range(20)]


class CodesContract:
    """Every implementation of `Codes` passes these tests.

    Override the fixtures `codes`, and `same_codes`: another instance with the same key, as in another process.
    """

    def test_code_is_the_same_at_each_call_and_in_each_process(self, codes: Codes, same_codes: Codes) -> None:
        challenge_id = codes.new_challenge_id(CHALLENGE)
        code = codes.code(challenge_id, CodePurpose.GENERAL, ADA)
        assert codes.code(challenge_id, CodePurpose.GENERAL, ADA) == code
        assert same_codes.code(challenge_id, CodePurpose.GENERAL, ADA) == code

    def test_code_differs_by_challenge_purpose_and_address(self, codes: Codes) -> None:
        different = [
            many(codes, CodePurpose.GENERAL, ADA),
            many(codes, CodePurpose.REGISTER_OR_LOGIN, ADA),
            many(codes, CodePurpose.GENERAL, BOB),
            many(codes, CodePurpose.GENERAL, ADA, prefix="x"),
        ]
        assert all(different.count(one) == 1 for one in different)
        assert all(len(set(one)) > 15 for one in different)

    def test_code_always_has_the_same_number_of_ascii_digits(self, codes: Codes) -> None:
        length = len(codes.code(CHALLENGE, CodePurpose.GENERAL, ADA))
        challenge_id = codes.new_challenge_id(CHALLENGE)
        for one, address in [*((challenge_id, text) for text in TEXTS), *((text, ADA) for text in TEXTS)]:
            code = codes.code(one, CodePurpose.GENERAL, address)
            assert len(code) == length
            assert code.isascii()
            assert code.isdecimal()

    def test_codes_begin_with_any_digit(self, codes: Codes) -> None:
        assert {codes.code(str(number), CodePurpose.GENERAL, ADA)[0] for number in range(500)} == set("0123456789")

    @pytest.mark.parametrize("text", TEXTS)
    def test_any_text_has_the_same_short_digest_each_time(self, codes: Codes, same_codes: Codes, text: str) -> None:
        digest = codes.keyed_digest(text)
        assert codes.keyed_digest(text) == digest
        assert same_codes.keyed_digest(text) == digest
        assert 16 <= len(digest) <= 64
        assert digest.isascii()

    def test_different_texts_have_different_digests_and_ids(self, codes: Codes) -> None:
        assert len({codes.keyed_digest(text) for text in TEXTS}) == len(TEXTS)
        assert len({codes.new_challenge_id(text) for text in TEXTS}) == len(TEXTS)
