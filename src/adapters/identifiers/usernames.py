"""Usernames: PRECIS UsernameCaseMapped (RFC 8265), without those that look like another one, an email or a mobile number."""

import re
import unicodedata
from collections.abc import Iterable
from itertools import pairwise

from precis_i18n import get_profile

from ...application.ports import InvalidText
from ...domain import texts
from ...domain.account import Username
from ...domain.errors import ErrorCode
from .texts import too_long, trimmed

MAX_LENGTH = 150
MAX_CANONICAL_LENGTH = 254
_MAX_INPUT_LENGTH = 2 * MAX_LENGTH
_SEPARATORS = "._-+"
_DASH_OF_KANA = "\u30fc"
"""A letter by its category, which in numbers of phones is a dash."""

_PLAIN = re.compile("[A-Za-z0-9._+-]+")
_TOO_MANY_MARKS = re.compile(r"M{5}")
_PROFILE = get_profile("UsernameCaseMapped")
_COMBINED = (frozenset({"HAN", "HIRAGANA", "KATAKANA"}), frozenset({"HAN", "HANGUL"}), frozenset({"HAN", "BOPOMOFO"}))
_ALIASES = {"CJK": "HAN", "IDEOGRAPHIC": "HAN", "HENTAIGANA": "HIRAGANA", "EXTENDED": "ARABIC"}
_TWO_WORD_NAMES = frozenset({"OLD", "TAI", "LINEAR", "MEROITIC", "INSCRIPTIONAL"})
_COMMON = frozenset({"COMBINING", "DIGIT"})
_NO_SCRIPT = frozenset({"", "MODIFIER", "CARON", "VEDIC"})
_GIVEN = re.compile(r"user-[0-9]+")  # the names that accounts get when they lose a mobile that was their username
_RESERVED = frozenset(
    {
        *("abuse", "admin", "administrator", "api", "help", "hostmaster", "info", "mail", "me", "noreply", "no-reply"),
        *("null", "postmaster", "root", "security", "support", "system", "undefined", "vestibule", "webmaster", "www"),
    }
)


def read_username(text: str, *, reserved: bool = False) -> Username:
    """Accepts 1 to 150 letters and digits of one script with `. _ - +`, at least one letter.

    With `reserved` it accepts reserved names too, but for those that accounts get without their mobile.
    """
    written = trimmed(text)
    if len(written) > _MAX_INPUT_LENGTH:
        raise too_long("A username", MAX_LENGTH)
    written = unicodedata.normalize("NFC", written)
    if len(written) > MAX_LENGTH:
        raise too_long("A username", MAX_LENGTH)
    if not written:
        raise InvalidText("A username must have at least one character.")
    try:
        canonical = _case_mapped(written)
    except ValueError:
        raise InvalidText("A username must consist of letters, digits and . _ - + only.") from None
    if len(canonical) > MAX_LENGTH:
        raise too_long("A username", MAX_LENGTH)
    _check(canonical)
    is_reserved = _without_accents(canonical) in _RESERVED or canonical in _RESERVED
    if (is_reserved and not reserved) or _GIVEN.fullmatch(canonical):
        raise InvalidText("This username is reserved.", ErrorCode.RESERVED)
    return Username(written, canonical)


def canonical_username(text: str) -> str:
    """Returns the unique form of any text, at most 254 characters long; that of `read_username` for a valid username."""
    cut = texts.storable(texts.trimmed(text)[:_MAX_INPUT_LENGTH])
    try:
        canonical = _case_mapped(unicodedata.normalize("NFC", cut))
    except ValueError:
        canonical = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", cut).casefold())
    return canonical[:MAX_CANONICAL_LENGTH]


def _case_mapped(text: str) -> str:
    """Applies PRECIS, then unifies lower-case forms that look the same: a second dot on an i or j, a final sigma.

    Raises `ValueError` for a text that PRECIS rejects, and for a long one: on some digits the work of PRECIS grows with the
    square of the length.
    """
    if len(text) > MAX_LENGTH:
        raise ValueError("a username is shorter")
    if _PLAIN.fullmatch(text):  # most usernames; PRECIS does no more to them, in 50 µs
        return text.lower()
    mapped = _PROFILE.enforce(text)
    dotted = re.sub("[j\u0237]\u0307+", "j", re.sub("[i\u0131]\u0307+", "i", mapped))
    return unicodedata.normalize("NFC", dotted).replace("\u03c2", "\u03c3")


def _check(canonical: str) -> None:
    letters = [character for character in canonical if character not in _SEPARATORS]
    categories = "".join(unicodedata.category(character)[0] for character in canonical)
    if any(not _is_letter_mark_or_digit(character) for character in letters) or not _marks_follow_letters(categories):
        raise InvalidText("A username must consist of letters, digits and . _ - + only.")
    if not _is_of_one_script(letters):
        raise InvalidText("The letters and digits of a username must be of one script.", ErrorCode.MIXED_SCRIPTS)
    if not any(category == "L" and mark != _DASH_OF_KANA for mark, category in zip(canonical, categories, strict=True)):
        raise InvalidText("A username must have at least one letter.")


def _is_letter_mark_or_digit(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd"


def _marks_follow_letters(categories: str) -> bool:
    """True if every mark follows a letter, at most four per letter (UTS #39 § 5.4)."""
    strays = any(after == "M" and before not in "LM" for before, after in pairwise(f" {categories}"))
    return not strays and not _TOO_MANY_MARKS.search(categories)


def _without_accents(canonical: str) -> str:
    """Removes accents, and separators at both ends: `_ádmin_` reads as admin."""
    letters = (letter for letter in unicodedata.normalize("NFKD", canonical) if not unicodedata.combining(letter))
    return "".join(letters).replace("\u0131", "i").strip(_SEPARATORS)


def _is_of_one_script(characters: Iterable[str]) -> bool:
    """True if letters, digits and marks are of one script, or of scripts that one language combines (UTS #39 § 5.1).

    ASCII digits and combining accents belong to every script.
    """
    scripts = frozenset(map(_script, characters)) - _COMMON
    if scripts & _NO_SCRIPT:
        return False
    return len(scripts) <= 1 or any(scripts <= combined for combined in _COMBINED)


def _script(character: str) -> str:
    """Returns the first word of the character's name (`LATIN SMALL LETTER A`), with a few exceptions."""
    first, second, *_ = [*re.split("[ -]", unicodedata.name(character, "")), ""]
    if first in _TWO_WORD_NAMES:
        return f"{first} {second}"
    return _ALIASES.get(first, first)
