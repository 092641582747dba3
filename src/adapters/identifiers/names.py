"""People's names: any text without line breaks, control characters and marks that change the direction of writing."""

import unicodedata

from ...application.ports import InvalidText
from ...domain.errors import ErrorCode
from ...domain.texts import is_one_line, is_visible
from .texts import check_storable, too_long

MAX_LENGTH = 500
_MAX_INPUT_LENGTH = 4 * MAX_LENGTH
_AT_ENDS = "".join(mark for mark in map(chr, range(0x3001)) if mark.isspace()) + "\u00ad\u200b\u2060\ufeff"
"""White space, and invisible characters without effect. Joiners and variation selectors at an end change the last letter."""


def read_name(text: str) -> str:
    """Returns 1 to 500 code points in NFC, without white space at the ends, at least one of them visible."""
    check_storable(text)
    written = text.strip(_AT_ENDS)
    if len(written) > _MAX_INPUT_LENGTH:
        raise too_long("A name", MAX_LENGTH)
    name = unicodedata.normalize("NFC", written)
    if not is_visible(name):
        raise InvalidText("A name must have at least one visible character.", ErrorCode.TOO_SHORT)
    if len(name) > MAX_LENGTH:
        raise too_long("A name", MAX_LENGTH)
    if not is_one_line(name):
        raise InvalidText("A name must not contain line breaks or control characters.", ErrorCode.FORBIDDEN_CHARACTER)
    return name
