"""Usernames: PRECIS UsernameCaseMapped (RFC 8265), narrowed to what cannot be taken for another, an email or a mobile."""

import re
import unicodedata
from itertools import pairwise

from precis_i18n import get_profile

from ...application.ports import InvalidText
from ...domain.account import Username
from .scripts import is_of_one_script
from .texts import storable, trimmed

MAX_LENGTH = 150
MAX_KEY_LENGTH = 254
_SEPARATORS = "._-+"
_MOST_MARKS = re.compile(r"M{5}")
_PROFILE = get_profile("UsernameCaseMapped")
_RESERVED = frozenset(
    {
        *("abuse", "admin", "administrator", "api", "help", "hostmaster", "info", "mail", "me", "noreply", "no-reply"),
        *("null", "postmaster", "root", "security", "support", "system", "undefined", "vestibule", "webmaster", "www"),
    }
)


def read_username(text: str) -> Username:
    """1 to 150 letters and digits of one script with `. _ - +`, one letter at least, and not reserved."""
    written = trimmed(text)
    if len(written) > 2 * MAX_LENGTH:
        raise InvalidText(f"A username has at most {MAX_LENGTH} characters.")
    written = unicodedata.normalize("NFC", written)
    if not written:
        raise InvalidText("A username has at least one character.")
    try:
        key = _case_mapped(written)
    except ValueError:
        raise InvalidText("A username has letters, digits and . _ - + only.") from None
    if max(len(written), len(key)) > MAX_LENGTH:
        raise InvalidText(f"A username has at most {MAX_LENGTH} characters.")
    _check(key)
    return Username(written, key)


def username_key(text: str) -> str:
    """What a username is unique by, for any text at all: 254 characters at most. The key of a good one is the same."""
    cut = storable(text.strip()[:MAX_KEY_LENGTH])
    try:
        key = _case_mapped(unicodedata.normalize("NFC", cut))
    except ValueError:
        key = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", cut).casefold())
    return key[:MAX_KEY_LENGTH]


def _case_mapped(text: str) -> str:
    """By PRECIS; then what lower case leaves apart and no eye can tell apart: a second dot on an i or j, a final sigma.

    Raises `ValueError` where PRECIS refuses the text.
    """
    mapped = _PROFILE.enforce(text)
    dotted = re.sub("[j\u0237]\u0307+", "j", re.sub("[i\u0131]\u0307+", "i", mapped))
    return unicodedata.normalize("NFC", dotted).replace("\u03c2", "\u03c3")


def _check(key: str) -> None:
    letters = [character for character in key if character not in _SEPARATORS]
    categories = "".join(unicodedata.category(character)[0] for character in key)
    if any(not _is_letter_mark_or_digit(character) for character in letters) or not _marks_follow_letters(categories):
        raise InvalidText("A username has letters, digits and . _ - + only.")
    if not is_of_one_script(letters):
        raise InvalidText("A username has letters and digits of one script only.")
    if "L" not in categories:
        raise InvalidText("A username has at least one letter.")
    if _bare(key) in _RESERVED or key in _RESERVED:
        raise InvalidText("This username is reserved.")


def _is_letter_mark_or_digit(character: str) -> bool:
    category = unicodedata.category(character)
    return category[0] in "LM" or category == "Nd"


def _marks_follow_letters(categories: str) -> bool:
    """A mark stands on a letter, and no more than four on one (UTS #39 § 5.4)."""
    strays = any(after == "M" and before not in "LM" for before, after in pairwise(f" {categories}"))
    return not strays and not _MOST_MARKS.search(categories)


def _bare(key: str) -> str:
    """Without accents, and without separators around it: whoever reads `_ádmin_` reads admin."""
    letters = (letter for letter in unicodedata.normalize("NFKD", key) if not unicodedata.combining(letter))
    return "".join(letters).replace("\u0131", "i").strip(_SEPARATORS)
