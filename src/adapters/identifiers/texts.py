"""The rule for every identifier: storable in a database, and trimmed."""

from ...application.ports import InvalidText
from ...domain import texts
from ...domain.errors import ErrorCode


def trimmed(text: str) -> str:
    """Removes white space and invisible characters at both ends. Raises `InvalidText` for text that cannot be stored."""
    check_storable(text)
    return texts.trimmed(text)


def check_storable(text: str) -> None:
    """Raises `InvalidText` for NUL and lone surrogates, which databases reject."""
    if not texts.is_storable(text):
        raise InvalidText("The text contains a character that cannot be stored.", ErrorCode.FORBIDDEN_CHARACTER)


def too_long(subject: str, limit: int) -> InvalidText:
    return InvalidText(f"{subject} must have at most {limit} characters.", ErrorCode.TOO_LONG)
