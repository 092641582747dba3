"""What holds for any text that is typed: it can be stored, and its ends are trimmed."""

import re

from ...application.ports import InvalidText

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def trimmed(text: str) -> str:
    """Without white space at its ends. Raises `InvalidText` for NUL and lone surrogates, which no database keeps."""
    if _UNSTORABLE.search(text):
        raise InvalidText("There is a character in this that no text can hold.")
    return text.strip()


def storable(text: str) -> str:
    """With U+FFFD in place of what no database keeps."""
    return _UNSTORABLE.sub("\ufffd", text)
