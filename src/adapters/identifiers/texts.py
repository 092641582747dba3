"""Rules for every input text: storable in a database, and trimmed."""

import re

from ...application.ports import InvalidText

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")


def trimmed(text: str) -> str:
    """Removes white space at both ends. Raises `InvalidText` for NUL and lone surrogates, which databases reject."""
    if _UNSTORABLE.search(text):
        raise InvalidText("The text contains a character that cannot be stored.")
    return text.strip()


def storable(text: str) -> str:
    """Replaces characters that databases reject by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)
