"""Text that has to stay on its line: in a header, an SMS, a terminal."""

import unicodedata

_BREAKING = frozenset({"Cc", "Cs", "Zl", "Zp"})
"""Unicode categories: controls, surrogates, line and paragraph separators. `EmailMessage` refuses only some of them."""


def one_line(text: str) -> str:
    """The text with every run of white space and control characters as one space: it cannot begin another line or header."""
    return " ".join("".join(" " if unicodedata.category(mark) in _BREAKING else mark for mark in text).split())
