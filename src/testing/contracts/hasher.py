"""What every hasher promises."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ...application.ports import Hasher
from ...domain.errors import Overloaded

PASSWORD = "correct horse battery staple"


class HasherContract:
    """What every `Hasher` promises.

    Fill the fixture `hasher`: one for all tests will do, which hashes as cheaply as it may.
    """

    def test_the_password_that_was_hashed_is_right_and_any_other_is_wrong(self, hasher: Hasher) -> None:
        kept = hasher.hash(PASSWORD)
        assert hasher.verify(kept, PASSWORD)
        for wrong in (
            "",
            PASSWORD + " ",
            " " + PASSWORD,
            PASSWORD.upper(),
            PASSWORD[:-1],
            PASSWORD + "\0",
            "x" * 10_000,
            "\ud800",
        ):
            assert not hasher.verify(kept, wrong)

    def test_a_hash_does_not_hold_the_password_and_is_another_each_time(self, hasher: Hasher) -> None:
        one, other = hasher.hash(PASSWORD), hasher.hash(PASSWORD)
        assert one != other
        assert PASSWORD not in one

    def test_a_password_typed_in_another_unicode_form_is_the_same(self, hasher: Hasher) -> None:
        assert hasher.verify(hasher.hash("Zoe\u0308 \ufb01nds \uff12"), "Zo\u00eb finds 2")

    def test_a_long_password_is_not_truncated(self, hasher: Hasher) -> None:
        kept = hasher.hash("a" * 255 + "b")
        assert hasher.verify(kept, "a" * 255 + "b")
        assert not hasher.verify(kept, "a" * 255 + "c")

    def test_without_a_hash_no_password_is_right(self, hasher: Hasher) -> None:
        assert not hasher.verify(None, PASSWORD)
        assert not hasher.verify(None, "")

    @pytest.mark.parametrize(
        "kept",
        [
            "",
            "!",
            "x",
            "$",
            "$$$$$",
            PASSWORD,
            "\x00",
            "\ud800",
            "é",
            "quick$1$",
            "pbkdf2_sha256$1000$salt$hash",
            "$2b$12$abc",
            "$argon2id$",
            "$argon2id$v=19$m=8,t=1,p=1$$",
            "$argon2id$v=19$m=x,t=1,p=1$c2FsdHNhbHQ$aGFzaA",
            "$argon2id$v=19$" + "9" * 9999,
        ],
    )
    def test_a_malformed_hash_opens_to_no_password_and_is_outdated(self, hasher: Hasher, kept: str) -> None:
        assert not hasher.verify(kept, PASSWORD)
        assert not hasher.verify(kept, "")
        assert hasher.needs_rehash(kept)

    def test_a_hash_made_today_is_not_outdated(self, hasher: Hasher) -> None:
        assert not hasher.needs_rehash(hasher.hash(PASSWORD))

    def test_hashing_at_once_mixes_nothing_up_and_may_be_refused_for_now(self, hasher: Hasher) -> None:
        def proven(number: int) -> bool | None:
            try:
                kept = hasher.hash(f"password {number}")
                return hasher.verify(kept, f"password {number}") and not hasher.verify(kept, f"password {number + 1}")
            except Overloaded:
                return None

        with ThreadPoolExecutor(8) as threads:
            outcomes = set(threads.map(proven, range(16)))
        assert outcomes - {None} == {True}
