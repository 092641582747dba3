"""The password policy, after NIST SP 800-63B § 3.1.1 and OWASP ASVS 6.2: a length and a blocklist of common passwords."""

import unicodedata
from collections.abc import Container, Iterable
from dataclasses import dataclass

MAX_LENGTH = 256
_MIN_WORD = 4
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Cn"})


def normalised(password: str) -> str:
    """The form of a password that is hashed and compared (NFKC), neither trimmed nor truncated."""
    return unicodedata.normalize("NFKC", password[: 4 * MAX_LENGTH + 1])


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """`common` holds the most common passwords, case-folded; `service` is a name that a password may not consist of."""

    common: Container[str]
    service: str = "vestibule"
    min_length: int = 8

    def violations(self, password: str) -> list[str]:
        """The violations of a password, whatever the account; empty if there are none."""
        text = normalised(password)
        if len(password) > 4 * MAX_LENGTH or len(text) > MAX_LENGTH:
            return [f"A password must have at most {MAX_LENGTH} characters."]
        if any(unicodedata.category(character) in _REFUSED_CATEGORIES for character in text):
            return ["A password must not contain control characters or unassigned ones."]
        if len(text) < self.min_length:
            return [f"A password must have at least {self.min_length} characters."]
        if text.casefold() in self.common:
            return ["This password is among the most common ones."]
        if _is_made_of(text, (self.service,)):
            return ["This password is made of the name of the service."]
        return []

    def personal_data_violations(self, password: str, personal: Iterable[str | None]) -> list[str]:
        """The violations by the account's own data: username, name, email, mobile."""
        words = [word for text in personal if text for word in (text, *_words(text))]
        if _is_made_of(normalised(password)[:MAX_LENGTH], words):
            return ["This password is made of the account's own username, name, email or mobile."]
        return []


def _is_made_of(text: str, words: Iterable[str]) -> bool:
    """Returns whether the password is one of the words, ignoring case and any digits and punctuation around or between."""
    whole = text.casefold()
    letters = "".join(character for character in whole if character.isalpha())
    spellings = {whole, letters} - {""}
    for word in words:
        folded = normalised(word).casefold()
        bare = "".join(character for character in folded if character.isalpha())
        if len(folded) >= _MIN_WORD and (folded in spellings or (len(bare) >= _MIN_WORD and bare in spellings)):
            return True
    return False


def _words(text: str) -> list[str]:
    """The parts of a name or an address, split at white space and at `@`, `.`, `-`, `_` and `+`."""
    for separator in "@.-_+":
        text = text.replace(separator, " ")
    return text.split()
