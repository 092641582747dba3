"""The contract of the port `Hasher`."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from ...application.ports import Hasher
from ...domain.errors import Overloaded

PASSWORD = "correct horse battery staple"


class HasherContract:
    """The promises of every `Hasher`.

    Define the fixture `hasher`, for example with module scope and the lowest cost that the adapter allows.
    """

    def test_only_the_hashed_password_verifies(self, hasher: Hasher) -> None:
        password_hash = hasher.hash(PASSWORD)
        assert hasher.verify(password_hash, PASSWORD)
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
            assert not hasher.verify(password_hash, wrong)

    def test_new_hash_is_salted_hides_the_password_and_needs_no_rehash(self, hasher: Hasher) -> None:
        one, other = hasher.hash(PASSWORD), hasher.hash(PASSWORD)
        assert one != other
        assert PASSWORD not in one
        assert not hasher.needs_rehash(one)

    def test_unicode_forms_of_a_password_are_equal(self, hasher: Hasher) -> None:
        assert hasher.verify(hasher.hash("Zoe\u0308 \ufb01nds \uff12"), "Zo\u00eb finds 2")

    def test_long_password_is_not_truncated(self, hasher: Hasher) -> None:
        password_hash = hasher.hash("a" * 255 + "b")
        assert hasher.verify(password_hash, "a" * 255 + "b")
        assert not hasher.verify(password_hash, "a" * 255 + "c")

    def test_no_password_verifies_without_a_hash(self, hasher: Hasher) -> None:
        assert not hasher.verify(None, PASSWORD)
        assert not hasher.verify(None, "")

    @pytest.mark.parametrize(
        "password_hash",
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
    def test_malformed_hash_verifies_no_password_and_needs_rehash(self, hasher: Hasher, password_hash: str) -> None:
        assert not hasher.verify(password_hash, PASSWORD)
        assert not hasher.verify(password_hash, "")
        assert hasher.needs_rehash(password_hash)

    def test_new_hash_is_of_a_usable_kind(self, hasher: Hasher) -> None:
        kind = hasher.kind_of(hasher.hash(PASSWORD))
        assert (kind.is_usable, kind.is_weak, kind.reason) == (True, False, "")
        assert kind.name not in {"", "unusable", "unknown"}

    @pytest.mark.parametrize("text", ["", "!", "!" + "aB3" * 13 + "x"])
    def test_mark_of_an_account_without_a_password_is_unusable(self, hasher: Hasher, text: str) -> None:
        kind = hasher.kind_of(text)
        assert (kind.name, kind.is_usable) == ("unusable", False)

    @pytest.mark.parametrize("text", [PASSWORD, "!" + PASSWORD, "x", "é\0", "\ud800", "$6$salt$hash", "x" * 100_000])
    def test_text_in_no_known_format_is_unknown_and_not_repeated(self, hasher: Hasher, text: str) -> None:
        kind = hasher.kind_of(text)
        assert (kind.name, kind.is_usable) == ("unknown", False)
        assert kind.reason
        assert text == "x" or text not in kind.reason

    def test_concurrent_hashing_is_correct_or_overloaded(self, hasher: Hasher) -> None:
        def is_correct(number: int) -> bool | None:
            try:
                password_hash = hasher.hash(f"password {number}")
                return [hasher.verify(password_hash, f"password {one}") for one in (number, number + 1)] == [True, False]
            except Overloaded:
                return None

        with ThreadPoolExecutor(8) as threads:
            outcomes = set(threads.map(is_correct, range(16)))
        assert outcomes - {None} == {True}
