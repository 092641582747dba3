"""Mobile numbers. Input that phonenumbers silently corrects is rejected: non-ASCII digits, `tel:`, `;ext=`, letters."""

import re

import phonenumbers

from ...application.ports import InvalidText
from ...domain.account import Address, AddressKind
from ...domain.errors import ErrorCode
from .texts import trimmed

MAX_INPUT_LENGTH = 40
_MALFORMED = "A mobile number must have 7 to 15 digits, optionally with a leading +."
_UNKNOWN = "No country has numbers like this; write the number with + and the country code."
_EXPENSIVE = frozenset({phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST})
_SHAPE = re.compile(r"\+?[0-9 ().-]+")
_DIGITS = re.compile(r"[0-9]{7,15}")
_SEPARATORS = str.maketrans("", "", "+ ().-")


def known_region(region: str) -> str:
    """Returns the region in upper case (ISO 3166-1 alpha-2). Raises `ValueError` for one that phonenumbers does not know."""
    upper = region.upper()
    if upper not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{region!r} is not a region with phone numbers; use two letters, such as IN or DE.")
    return upper


def read_mobile(text: str, region: str | None) -> Address:
    """Reads 7 to 15 digits. The canonical form is E.164 if a `+`, a `00` or the region gives the country, else the digits."""
    written = trimmed(text)
    if len(written) > MAX_INPUT_LENGTH or not _SHAPE.fullmatch(written):
        raise InvalidText(_MALFORMED)
    digits = written.translate(_SEPARATORS)
    is_international = written.startswith("+")
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
