"""People's names: any text without line breaks, control characters and marks that change the direction of writing."""

import unicodedata

from ...application.ports import InvalidText
from .texts import trimmed

MAX_LENGTH = 500
_MAX_INPUT_LENGTH = 4 * MAX_LENGTH
_REFUSED_CATEGORIES = frozenset({"Cc", "Cs", "Cn", "Zl", "Zp"})
_BIDI_CONTROLS = frozenset("\u061c\u200e\u200f\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")


def read_name(text: str) -> str:
    """Returns 1 to 500 code points, trimmed and in NFC."""
    written = trimmed(text)
    if len(written) > _MAX_INPUT_LENGTH:
        raise InvalidText(f"A name must have at most {MAX_LENGTH} characters.")
    name = unicodedata.normalize("NFC", written)
    if not name:
        raise InvalidText("A name must have at least one character.")
    if len(name) > MAX_LENGTH:
        raise InvalidText(f"A name must have at most {MAX_LENGTH} characters.")
    if any(map(_is_refused, name)):
        raise InvalidText("A name must not contain line breaks or control characters.")
    return name


def _is_refused(character: str) -> bool:
    return character in _BIDI_CONTROLS or unicodedata.category(character) in _REFUSED_CATEGORIES
