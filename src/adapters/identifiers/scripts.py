"""Which script a letter belongs to, by its Unicode name, and which scripts are written together (UTS #39 § 5.1)."""

import re
import unicodedata
from collections.abc import Iterable

_WRITTEN_TOGETHER = (
    frozenset({"HAN", "HIRAGANA", "KATAKANA"}),
    frozenset({"HAN", "HANGUL"}),
    frozenset({"HAN", "BOPOMOFO"}),
)
_OTHER_NAMES = {
    "CJK": "HAN",
    "IDEOGRAPHIC": "HAN",
    "HENTAIGANA": "HIRAGANA",
    "EXTENDED": "ARABIC",
}
_NAMED_BY_TWO_WORDS = frozenset({"OLD", "TAI", "LINEAR", "MEROITIC", "INSCRIPTIONAL"})
_OF_ANY_SCRIPT = frozenset({"COMBINING", "DIGIT"})
_OF_NO_SCRIPT = frozenset({"", "MODIFIER", "CARON", "VEDIC"})


def is_of_one_script(characters: Iterable[str]) -> bool:
    """Whether letters, digits and marks are of one script, or of such as one language writes together.

    ASCII digits and combining accents go with any script.
    """
    scripts = frozenset(map(_script, characters)) - _OF_ANY_SCRIPT
    if scripts & _OF_NO_SCRIPT:
        return False
    return len(scripts) <= 1 or any(scripts <= together for together in _WRITTEN_TOGETHER)


def _script(character: str) -> str:
    """The name's first word says it (`LATIN SMALL LETTER A`), but for a few."""
    first, second, *_ = [*re.split("[ -]", unicodedata.name(character, "")), ""]
    if first in _NAMED_BY_TWO_WORDS:
        return f"{first} {second}"
    return _OTHER_NAMES.get(first, first)
