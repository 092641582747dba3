"""Identifiers by the libraries that implement the standards."""

from collections.abc import Iterable

from ...application.ports import InvalidText, LoginIdentifier
from ...domain.account import Address, Username
from ...domain.errors import ErrorCode
from .emails import looks_like_email, read_email
from .mobiles import check_mobile, known_region, read_mobile
from .names import read_name
from .usernames import canonical_username, read_username

_NEITHER = (
    "This is neither an email address, such as name@example.com, nor a mobile number, such as +49 170 1234567 (7 to 15 digits)."
)


class LibraryIdentifiers:
    """Validates usernames by PRECIS, emails by email-validator, mobile numbers by phonenumbers.

    `default_region` (ISO 3166-1 alpha-2, such as `IN`) is the country of numbers without a country code; without it such
    numbers are unique by their digits. `special_use_domains` also accepts emails at `.test`, `.local`, `.invalid` and
    `localhost`, for development. `mobile_regions` rejects numbers of other countries, except for logging in, so that existing
    accounts keep theirs. Raises `ValueError` for a region without phone numbers.
    """

    def __init__(
        self, default_region: str | None = None, special_use_domains: bool = False, mobile_regions: Iterable[str] = ()
    ) -> None:
        self._region = known_region(default_region) if default_region else None
        self._regions = frozenset(map(known_region, mobile_regions))
        self._special_use_domains = special_use_domains

    def username(self, text: str, *, reserved: bool = False) -> Username:
        return read_username(text, reserved=reserved)

    def email(self, text: str) -> Address:
        return read_email(text, special_use_domains=self._special_use_domains)

    def mobile(self, text: str) -> Address:
        mobile = read_mobile(text, self._region)
        check_mobile(mobile, self._regions)
        return mobile

    def name(self, text: str) -> str:
        return read_name(text)

    def destination(self, text: str) -> Address:
        if looks_like_email(text):
            return self.email(text)
        try:
            return self.mobile(text)
        except InvalidText as error:
            raise (InvalidText(_NEITHER) if error.code is ErrorCode.MALFORMED else error) from None

    def login(self, text: str) -> LoginIdentifier:
        try:
            address = self.email(text) if looks_like_email(text) else read_mobile(text, self._region)
        except InvalidText:
            address = None
        return LoginIdentifier(address, canonical_username(text))

    def username_of_mobile(self, mobile: Address, variant: int) -> Username:
        text = mobile.text if variant == 1 else f"{mobile.text}-{variant}"
        return Username(text, canonical_username(text))
