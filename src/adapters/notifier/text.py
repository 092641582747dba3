"""Text for a single line: a header, an SMS, a terminal."""

import unicodedata

_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, surrogates, line and paragraph separators. `EmailMessage` rejects only some of them."""


def one_line(text: str) -> str:
    """Replaces each run of white space and control characters by a space, so that no text can begin a new line or header."""
    return " ".join("".join(" " if unicodedata.category(mark) in _BREAKING else mark for mark in text).split())
