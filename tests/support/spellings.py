"""Spellings of one value that people type, paste and dictate, for hypothesis to draw from.

Every spelling of a value has to be read as that value, by every field and call.
"""

import unicodedata
from collections.abc import Callable, Sequence

from hypothesis import strategies as st

from vestibule.domain.texts import without_invisible

JOINERS = "\u200c\u200d"
INVISIBLE = "".join(mark for mark in map(chr, range(0x110000)) if not without_invisible(mark)) + "\u2800"
BLANKS = "".join(mark for mark in map(chr, range(0x3001)) if mark.isspace())
DASHES = "-\u2010\u2011\u2012\u2013\u2014\u2015\u2212\u2e3a\u30fc\ufe58\ufe63\uff0d\uff70"
DOTS = ".\u00b7\u06d4\u2022\u2024\u2027\u2219\u22c5\u3002\u30fb\uff0e\uff61"
SLASHES = "/\u2044\u2215\uff0f"
BRACKETS = "()\uff08\uff09"
ZEROS = "".join(mark for mark in map(chr, range(0x110000)) if unicodedata.decimal(mark, -1) == 0)
"""The zero of each script that has decimal digits; its others follow it."""

Text = st.SearchStrategy[str]


def at_ends(text: Text) -> Text:
    """Adds white space and invisible characters at both ends."""
    around = st.text(BLANKS + INVISIBLE, max_size=3)
    return st.tuples(around, text, around).map("".join)


def in_digits_of_a_script(digits: str) -> Text:
    return st.sampled_from(ZEROS).map(lambda zero: "".join(chr(ord(zero) + int(digit)) for digit in digits))


def between(text: Text, marks: str, *, most: int = 1) -> Text:
    """Puts up to `most` of the marks after each character but the last."""

    def with_gaps(word: str) -> Text:
        gaps = st.lists(st.text(marks, max_size=most), min_size=len(word) - 1, max_size=len(word) - 1)
        return gaps.map(lambda drawn: "".join(map("".join, zip(word, [*drawn, ""], strict=True))))

    return text.flatmap(with_gaps)


def characterwise(text: str, *forms: Callable[[str], str]) -> Text:
    """Writes each character in one of the forms, or as it is."""
    spellings = [st.sampled_from([mark, *(form(mark) for form in forms)]) for mark in text]
    return st.tuples(*spellings).map("".join)


def wide(mark: str) -> str:
    """The full-width form of an ASCII character."""
    return chr(ord(mark) + 0xFEE0) if "!" <= mark <= "~" else mark


def composed(text: Text, forms: Sequence[str] = ("NFC", "NFD")) -> Text:
    return st.tuples(st.sampled_from(forms), text).map(lambda drawn: unicodedata.normalize(*drawn))  # type: ignore[arg-type]


def mobiles(digits: str) -> Text:
    """Spellings of an international number, given as its digits without the `+`."""
    separated = between(in_digits_of_a_script(digits), BLANKS + DASHES + DOTS + SLASHES + BRACKETS)
    prefixes = st.sampled_from(["+", "\uff0b", "\ufe62", "00", "(+", "tel:+", "TEL:+"])
    parameters = st.sampled_from(["", ";foo=bar"])

    def spelled(parts: tuple[str, str, str]) -> str:
        prefix, number, parameter = parts
        return prefix + number + (parameter if prefix.endswith(":+") else "")

    return at_ends(between(st.tuples(prefixes, separated, parameters).map(spelled), INVISIBLE))


def emails(address: str) -> Text:
    """Spellings of an email. Joiners are left out: some domains contain them."""
    cased = composed(characterwise(address, str.upper, wide, lambda mark: wide(mark.upper())))
    marks = "".join(mark for mark in INVISIBLE if mark not in JOINERS)
    return at_ends(between(st.tuples(st.sampled_from(["", "mailto:", "MailTo:"]), cased).map("".join), marks))


def usernames(username: str) -> Text:
    return at_ends(composed(characterwise(username, str.upper, wide, lambda mark: wide(mark.upper()))))


def names(name: str) -> Text:
    around = st.text(BLANKS + "\u00ad\u200b\u2060\ufeff", max_size=3)
    return st.tuples(around, composed(st.just(name)), around).map("".join)


def codes(digits: str) -> Text:
    return at_ends(between(in_digits_of_a_script(digits), BLANKS + DASHES + INVISIBLE, most=2))
