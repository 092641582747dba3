"""Mobile numbers. What phonenumbers would forgive in silence is refused before it looks: other digits than ASCII's,
`tel:`, `;ext=`, letters."""

import re

import phonenumbers

from ...application.ports import InvalidText
from ...domain.account import Address, AddressKind
from .texts import trimmed

MAX_WRITTEN = 40
_DEAR = frozenset({phonenumbers.PhoneNumberType.PREMIUM_RATE, phonenumbers.PhoneNumberType.SHARED_COST})
_SHAPE = re.compile(r"\+?[0-9 ().-]+")
_DIGITS = re.compile(r"[0-9]{7,15}")
_SEPARATORS = str.maketrans("", "", "+ ().-")


def known_region(region: str) -> str:
    """The region as phonenumbers knows it (ISO 3166-1 alpha-2). Raises `ValueError` for any other."""
    upper = region.upper()
    if upper not in phonenumbers.SUPPORTED_REGIONS:
        raise ValueError(f"{region!r} is not a region with phone numbers; use two letters, such as IN or DE.")
    return upper


def read_mobile(text: str, region: str | None) -> Address:
    """7 to 15 digits; its key is E.164 where a `+`, a `00` or the region tells the country, else the digits."""
    written = trimmed(text)
    if len(written) > MAX_WRITTEN or not _SHAPE.fullmatch(written):
        raise InvalidText("A mobile has 7 to 15 digits, perhaps with a leading +.")
    digits = written.translate(_SEPARATORS)
    is_international = written.startswith("+")
    if not is_international and digits.startswith("00"):
        is_international, digits = True, digits[2:]
    if not _DIGITS.fullmatch(digits):
        raise InvalidText("A mobile has 7 to 15 digits, perhaps with a leading +.")
    return Address(AddressKind.MOBILE, written, _key(digits, region, is_international=is_international))


def judge_mobile(mobile: Address, regions: frozenset[str]) -> None:
    """Raises `InvalidText` for a number that costs extra; and, where there are regions, for one at home in none of them.

    Who asks for codes to numbers that he is paid for chooses countries that nobody is sent to, and those numbers.
    """
    if not mobile.canonical.startswith("+"):
        if regions:
            raise InvalidText("Write the mobile with + and the country code.")
        return
    number = phonenumbers.parse(mobile.canonical)
    if phonenumbers.number_type(number) in _DEAR:
        raise InvalidText("Numbers that cost extra are not taken.")
    if regions and phonenumbers.region_code_for_number(number) not in regions:
        raise InvalidText("Mobiles of this country are not taken.")


def _key(digits: str, region: str | None, *, is_international: bool) -> str:
    if is_international:
        return _e164(f"+{digits}", None)
    return _e164(digits, region) if region else digits


def _e164(number: str, region: str | None) -> str:
    try:
        parsed = phonenumbers.parse(number, region)
    except phonenumbers.NumberParseException:
        raise InvalidText("No country has mobiles like this; write it with + and the country code.") from None
    if not phonenumbers.is_possible_number(parsed):
        raise InvalidText("No country has mobiles like this; write it with + and the country code.")
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
