"""The script of a letter, by its Unicode name, and the scripts that one language combines (UTS #39 § 5.1)."""

import re
import unicodedata
from collections.abc import Iterable

_COMBINED = (frozenset({"HAN", "HIRAGANA", "KATAKANA"}), frozenset({"HAN", "HANGUL"}), frozenset({"HAN", "BOPOMOFO"}))
_ALIASES = {"CJK": "HAN", "IDEOGRAPHIC": "HAN", "HENTAIGANA": "HIRAGANA", "EXTENDED": "ARABIC"}
_TWO_WORD_NAMES = frozenset({"OLD", "TAI", "LINEAR", "MEROITIC", "INSCRIPTIONAL"})
_COMMON = frozenset({"COMBINING", "DIGIT"})
_NO_SCRIPT = frozenset({"", "MODIFIER", "CARON", "VEDIC"})


def is_of_one_script(characters: Iterable[str]) -> bool:
    """True if letters, digits and marks are of one script, or of scripts that one language combines.

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
