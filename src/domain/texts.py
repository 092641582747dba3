"""Text that people type or paste: characters that no text may hold, invisible ones, and digits of any script."""

import re
import unicodedata

_UNSTORABLE = re.compile(r"[\x00\ud800-\udfff]")

INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u2800\u3164"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""The inside of a character class: Unicode's Default_Ignorable_Code_Point, and the empty braille pattern."""

_NONCHARACTERS = "\ufdd0-\ufdef" + "".join(chr(plane + 0xFFFE) + chr(plane + 0xFFFF) for plane in range(0, 0x110000, 0x10000))
_CONTROL = re.compile(f"[\x00-\x1f\x7f-\x9f{_NONCHARACTERS}]")
_INVISIBLE = re.compile(f"[{INVISIBLE}]")
_VISIBLE = re.compile(rf"[^\s{INVISIBLE}]")
_BLANKS_AND_DASHES = re.compile(r"[\s._/\u2212\u30fc\uff70-]")


def is_storable(text: str) -> bool:
    """Returns whether no NUL and no lone surrogate, which databases reject, is in the text."""
    return not _UNSTORABLE.search(text)


def storable(text: str) -> str:
    """Replaces characters that databases reject by U+FFFD."""
    return _UNSTORABLE.sub("\ufffd", text)


def is_visible(text: str) -> bool:
    """Returns whether any character of the text is neither white space nor invisible."""
    return bool(_VISIBLE.search(text))


def has_control(text: str) -> bool:
    """Returns whether a control character or a noncharacter is in the text.

    Letters and signs that are younger than Python's Unicode tables are neither, though the tables have no category for them.
    """
    return bool(_CONTROL.search(text))


_OTHER_LINES = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\u2028\u2029]")
"""Bidi controls, line and paragraph separators."""


def is_one_line(text: str) -> bool:
    """Returns whether the text has no control character, no line break, and no mark that turns the direction of writing."""
    return not has_control(text) and not _OTHER_LINES.search(text)


def one_line(text: str) -> str:
    """Replaces what `is_one_line` rejects, and what databases reject, by blanks."""
    return _OTHER_LINES.sub(" ", _CONTROL.sub(" ", _UNSTORABLE.sub(" ", text)))


def without_invisible(text: str) -> str:
    return text if text.isascii() else _INVISIBLE.sub("", text)


MAX_WORDS = 12
_MAX_WORD = 40
_ASCII_WORD = re.compile("[a-z0-9]+")
_APOSTROPHES = re.compile("['\u02bc\u2018\u2019\uff07]")
_NO_MARKS = str.maketrans("\u00f8\u0142\u0111\u00f0\u0127\u0131\u0167", "olddhit")  # letters that have no decomposition


def search_words(text: str) -> tuple[str, ...]:
    """The distinct words of a text as they are stored and searched: case and accents are folded, apostrophes are left out.

    Of a text the first 12 words count, and of a word its first 40 characters.
    """
    folded = _APOSTROPHES.sub("", text).casefold()
    if not folded.isascii():
        decomposed = unicodedata.normalize("NFKD", folded).casefold().translate(_NO_MARKS)
        folded = "".join(mark for mark in decomposed if not unicodedata.combining(mark))
    if folded.isascii():
        words = _ASCII_WORD.findall(folded)
    else:
        words = "".join(mark if mark.isalnum() or _is_mark(mark) else " " for mark in folded).split()
    return tuple(dict.fromkeys(word[:_MAX_WORD] for word in words[:MAX_WORDS]))


def _is_mark(character: str) -> bool:
    """Returns whether it is a vowel sign or the like, which no word ends at."""
    return unicodedata.category(character)[0] == "M"


def trimmed(text: str) -> str:
    """Removes white space and invisible characters at both ends. Takes linear time for any text."""
    if text.isascii():
        return text.strip()
    first, last = _VISIBLE.search(text), _VISIBLE.search(text[::-1])
    return text[first.start() : len(text) - last.start()] if first and last else ""


def with_ascii_digits(text: str) -> str:
    """Replaces decimal digits of other scripts by those of ASCII."""
    if text.isascii():
        return text
    return "".join(str(unicodedata.decimal(mark)) if mark.isdecimal() else mark for mark in text)


def code_digits(text: str) -> str:
    """Returns the digits of a code as people paste it: `123 456`, `123-456`, with invisible characters, in any script.

    Text that holds anything else is returned trimmed: it is a wrong code, not a malformed one.
    """
    written = trimmed(text)
    if written.isascii() and written.isdigit():
        return written
    digits = _BLANKS_AND_DASHES.sub("", "".join(map(_without_dash, with_ascii_digits(without_invisible(written)))))
    return digits if digits.isascii() and digits.isdigit() else written


def _without_dash(character: str) -> str:
    return "" if unicodedata.category(character) == "Pd" else character
