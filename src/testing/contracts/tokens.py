"""The contract of the port `Tokens`."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ...application.ports import AccessClaims, Tokens

SESSION = "01hv3k5m7p9r1t3w5y7z9b2d4f"
NOW = 1_700_000_000.0
NO_TOKENS = ["", "x", ".", "..", "a.b.c", "e30.e30.", "null", "\0", "\ud800", "é", " " * 300, "a." * 500_000, "7", SESSION]


def changed(text: str) -> list[str]:
    """Returns the text with one character changed or left out at each place, or added."""
    others = [text[:place] + ("B" if character == "A" else "A") + text[place + 1 :] for place, character in enumerate(text)]
    shorter = [text[:place] + text[place + 1 :] for place in range(len(text))]
    return [*others, *shorter, f"{text}A", f"{text}=", f"{text}\n", f" {text}", f"{text}."]


class TokensContract:
    """Every implementation of `Tokens` passes these tests.

    Override the fixture `tokens`.
    """

    def test_access_token_contains_account_session_and_expiry(self, tokens: Tokens) -> None:
        for account_id in (1, 7, 2**63 - 1):
            claims = tokens.verify_access(tokens.issue_access(account_id, SESSION, NOW + 0.9), NOW + 1)
            assert claims is not None
            assert claims == AccessClaims(account_id=account_id, session_id=SESSION, expires_at=claims.expires_at)
            assert NOW + 1 < claims.expires_at <= NOW + 0.9 + tokens.access_seconds

    def test_claims_of_an_account_change_nothing_of_the_token_itself(self, tokens: Tokens) -> None:
        """Whatever they are called: the registered claims of JWT (RFC 7519 § 4.1) are the token's own."""
        foreign: dict[str, object] = {"name": "Ada 🦄", "is_staff": True, "sub": "8", "sid": "other", "exp": NOW + 10**6}
        claims = tokens.verify_access(tokens.issue_access(7, SESSION, NOW, foreign), NOW)
        assert claims is not None
        assert (claims.account_id, claims.session_id) == (7, SESSION)
        assert claims.expires_at <= NOW + tokens.access_seconds

    def test_no_two_access_tokens_are_equal(self, tokens: Tokens) -> None:
        assert len({tokens.issue_access(7, SESSION, NOW) for _ in range(20)}) == 20

    def test_each_kind_of_token_is_rejected_as_the_other(self, tokens: Tokens) -> None:
        assert tokens.verify_access(tokens.issue_refresh(SESSION, 0), NOW) is None
        assert tokens.verify_refresh(tokens.issue_access(7, SESSION, NOW)) is None

    def test_access_token_is_accepted_until_its_expiry_however_often_it_was_verified(self, tokens: Tokens) -> None:
        text = tokens.issue_access(7, SESSION, NOW)
        claims = tokens.verify_access(text, NOW)
        assert claims is not None
        for _ in range(2):
            assert tokens.verify_access(text, claims.expires_at - 0.001) == claims
            assert tokens.verify_access(text, claims.expires_at) is None

    def test_changed_access_token_is_rejected(self, tokens: Tokens) -> None:
        text = tokens.issue_access(7, SESSION, NOW)
        assert tokens.verify_access(text, NOW) is not None
        assert [one for one in changed(text) if tokens.verify_access(one, NOW) is not None] == []

    def test_refresh_token_contains_session_and_generation(self, tokens: Tokens) -> None:
        for generation in (0, 1, 3, 2**31):
            assert tokens.verify_refresh(tokens.issue_refresh(SESSION, generation)) == (SESSION, generation)

    def test_changed_refresh_token_is_rejected(self, tokens: Tokens) -> None:
        assert [one for one in changed(tokens.issue_refresh(SESSION, 3)) if tokens.verify_refresh(one) is not None] == []

    @pytest.mark.parametrize("text", NO_TOKENS)
    def test_other_text_is_rejected_as_either_kind_of_token(self, tokens: Tokens, text: str) -> None:
        assert tokens.verify_access(text, NOW) is None
        assert tokens.verify_refresh(text) is None

    def test_concurrent_tokens_keep_their_accounts_apart(self, tokens: Tokens) -> None:
        def verified(number: int) -> tuple[int, str] | None:
            claims = tokens.verify_access(tokens.issue_access(number, f"session{number}", NOW), NOW)
            return (claims.account_id, claims.session_id) if claims else None

        with ThreadPoolExecutor(8) as threads:
            assert list(threads.map(verified, range(1, 41))) == [(number, f"session{number}") for number in range(1, 41)]
