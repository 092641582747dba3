"""The password policy, after NIST SP 800-63B § 3.1.1 and OWASP ASVS 6.2: a length and a blocklist of common passwords."""

import unicodedata
from collections.abc import Container, Iterable
from dataclasses import dataclass

from .errors import ErrorCode, FieldError
from .texts import has_control, is_storable

MAX_LENGTH = 256
_MIN_WORD = 4
_MADE_OF_PERSONAL_DATA = FieldError(
    ErrorCode.PERSONAL_DATA, "This password is made of the account's own username, name, email or mobile."
)


def normalised(password: str) -> str:
    """The form of a password that is hashed and compared (NFKC), neither trimmed nor truncated."""
    return unicodedata.normalize("NFKC", password[: 4 * MAX_LENGTH + 1])


@dataclass(frozen=True, slots=True)
class PasswordPolicy:
    """`common` holds the most common passwords, case-folded; `service` is a name that a password may not consist of."""

    common: Container[str]
    service: str = "vestibule"
    min_length: int = 8

    def violations(self, password: str) -> list[FieldError]:
        """The violations of a password, whatever the account; empty if there are none."""
        text = normalised(password)
        if len(password) > 4 * MAX_LENGTH or len(text) > MAX_LENGTH:
            return [FieldError(ErrorCode.TOO_LONG, f"A password must have at most {MAX_LENGTH} characters.")]
        if not is_storable(text) or has_control(text):
            return [FieldError(ErrorCode.FORBIDDEN_CHARACTER, "A password must not contain control characters.")]
        if len(text) < self.min_length:
            return [FieldError(ErrorCode.TOO_SHORT, f"A password must have at least {self.min_length} characters.")]
        if text.casefold() in self.common:
            return [FieldError(ErrorCode.TOO_COMMON, "This password is among the most common ones.")]
        if _is_made_of(text, (self.service,)):
            return [FieldError(ErrorCode.TOO_COMMON, "This password is made of the name of the service.")]
        return []

    def personal_data_violations(self, password: str, personal: Iterable[str | None]) -> list[FieldError]:
        """The violations by the account's own data: username, name, email, mobile."""
        words = [word for text in personal if text for word in (text, *_words(text))]
        if _is_made_of(normalised(password)[:MAX_LENGTH], words):
            return [_MADE_OF_PERSONAL_DATA]
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
