"""Mobile numbers as people paste them. Input that phonenumbers silently corrects is rejected: letters, extensions."""

import re
import unicodedata
from urllib.parse import unquote

import phonenumbers

from ...application.ports import InvalidText
from ...domain.account import Address, AddressKind
from ...domain.errors import ErrorCode
from ...domain.texts import with_ascii_digits, without_invisible
from .texts import trimmed

_MAX_LENGTH = 40
_MAX_INPUT_LENGTH = 4 * _MAX_LENGTH
_SCHEME = "tel:"
_MALFORMED = "A mobile number must have 7 to 15 digits, optionally with a leading +."
_UNKNOWN = "No country has numbers like this; write the number with + and the country code."
_EXPENSIVE = frozenset({phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST})
_SHAPE = re.compile(r"[ (]*\+?[0-9 ()./-]+")
_PASTED = re.compile(f"[\t-\r]|^{_SCHEME}", re.IGNORECASE)
_OTHER_LINE = re.compile(r";(?:ext|isub|phone-context)=", re.IGNORECASE)
_MARKS = {
    **dict.fromkeys("\u2043\u2212\u30fc\uff70", "-"),
    **dict.fromkeys("\u00b7\u06d4\u2022\u2024\u2027\u2219\u22c5\u3002\u30fb\uff0e\uff61\uff65", "."),
    **dict.fromkeys("\u2044\u2215\uff0f", "/"),
    **dict.fromkeys("\ufe62\uff0b", "+"),
    "\ufe59": "(",
    "\uff08": "(",
    "\ufe5a": ")",
    "\uff09": ")",
}
"""Marks between digits that have no Unicode category of their own, each with its equal in ASCII."""

_DIGITS = re.compile(r"[0-9]{7,15}")
_SEPARATORS = str.maketrans("", "", "+ ()./-")


def known_region(region: str) -> str:
    """Returns the region in upper case (ISO 3166-1 alpha-2). Raises `ValueError` for one that phonenumbers does not know."""
    upper = region.upper()
    if upper not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{region!r} is not a region with phone numbers; use two letters, such as IN or DE.")
    return upper


def read_mobile(text: str, region: str | None) -> Address:
    """Reads 7 to 15 digits. The canonical form is E.164 if a `+`, a `00` or the region gives the country, else the digits.

    Digits of any script, dashes, slashes, dots, blanks and invisible characters are read, and so is `tel:` (RFC 3966). The text
    of the address has the same marks in ASCII.
    """
    written = trimmed(text)
    if not _SHAPE.fullmatch(written):
        written = _transcribed(written)
    if len(written) > _MAX_LENGTH or not _SHAPE.fullmatch(written):
        raise InvalidText(_MALFORMED)
    digits = written.translate(_SEPARATORS)
    is_international = "+" in written
    if not is_international and digits.startswith("00"):
        is_international, digits = True, digits[2:]
    if not _DIGITS.fullmatch(digits):
        raise InvalidText(_MALFORMED)
    return Address(AddressKind.MOBILE, written, _canonical(digits, region, is_international=is_international))


def check_mobile(mobile: Address, regions: frozenset[str]) -> None:
    """Raises `InvalidText` for a number that costs extra, and for one outside of `regions`, if there are any.

    Attackers request codes to numbers that pay them: premium-rate numbers, and those of countries without users. Digits
    without a known country are judged with a `+` before them, because SMS gateways read them so.
    """
    is_international = mobile.canonical.startswith("+")
    try:
        number = phonenumbers.parse(mobile.canonical if is_international else f"+{mobile.canonical}")
    except phonenumbers.NumberParseException:  # no country has this code
        number = phonenumbers.PhoneNumber()
    if phonenumbers.number_type(number) in _EXPENSIVE:
        raise InvalidText("Premium-rate and shared-cost numbers are not accepted.", ErrorCode.PREMIUM_RATE)
    if regions and not is_international:
        raise InvalidText("Write the number with + and the country code.", ErrorCode.UNKNOWN_COUNTRY)
    if regions and phonenumbers.region_code_for_number(number) not in regions:
        raise InvalidText("Numbers of this country are not accepted.", ErrorCode.COUNTRY_NOT_ACCEPTED)


def _transcribed(written: str) -> str:
    """Returns the number in ASCII. Raises `InvalidText` for a URI of another line than the number alone."""
    if len(written) > _MAX_INPUT_LENGTH or (written.isascii() and not _PASTED.search(written)):
        raise InvalidText(_MALFORMED)
    visible = without_invisible(written)
    if visible[: len(_SCHEME)].lower() == _SCHEME:
        if _OTHER_LINE.search(visible):
            raise InvalidText(_MALFORMED)
        visible = unquote(visible[len(_SCHEME) :].partition(";")[0])
    return "".join(map(_in_ascii, with_ascii_digits(visible))).strip()


def _in_ascii(mark: str) -> str:
    if mark.isspace():
        return " "
    return "-" if unicodedata.category(mark) == "Pd" else _MARKS.get(mark, mark)


def _canonical(digits: str, region: str | None, *, is_international: bool) -> str:
    if is_international:
        return _e164(f"+{digits}", None)
    return _e164(digits, region) if region else digits


def _e164(number: str, region: str | None) -> str:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        raise InvalidText(_UNKNOWN, ErrorCode.UNKNOWN_COUNTRY) from None
    if not phonenumbers.is_possible_number(parsed):
        raise InvalidText(_UNKNOWN, ErrorCode.UNKNOWN_COUNTRY)
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
