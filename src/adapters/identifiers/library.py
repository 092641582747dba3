"""The port `Identifiers`, filled by the libraries that know the rules."""

from collections.abc import Iterable

from ...application.ports import InvalidText, LoginIdentifier
from ...domain.account import Address, Username
from .emails import read_email
from .mobiles import judge_mobile, known_region, read_mobile
from .names import read_name
from .usernames import read_username, username_key


class LibraryIdentifiers:
    """Reads usernames by PRECIS, emails by email-validator, mobiles by phonenumbers.

    `default_region` (ISO 3166-1 alpha-2, such as `IN`) is where a mobile without a country code is at home; without one
    such a mobile is unique by its digits. `special_use_domains` also takes emails at `.test`, `.local`, `.invalid` and
    `localhost`, for development. With `mobile_regions` mobiles of other countries are refused, but for logging in: who has
    one keeps it. Raises `ValueError` for a region that has no phone numbers.
    """

    def __init__(
        self,
        default_region: str | None = None,
        special_use_domains: bool = False,
        mobile_regions: Iterable[str] = (),
    ) -> None:
        self._region = known_region(default_region) if default_region else None
        self._regions = frozenset(map(known_region, mobile_regions))
        self._special_use_domains = special_use_domains

    def username(self, text: str) -> Username:
        return read_username(text)

    def email(self, text: str) -> Address:
        return read_email(text, special_use_domains=self._special_use_domains)

    def mobile(self, text: str) -> Address:
        mobile = read_mobile(text, self._region)
        judge_mobile(mobile, self._regions)
        return mobile

    def name(self, text: str) -> str:
        return read_name(text)

    def destination(self, text: str) -> Address:
        return self.email(text) if "@" in text else self.mobile(text)

    def login(self, text: str) -> LoginIdentifier:
        try:
            address = self.email(text) if "@" in text else read_mobile(text, self._region)
        except InvalidText:
            address = None
        return LoginIdentifier(address, username_key(text))

    def username_of_mobile(self, mobile: Address, attempt: int) -> Username:
        text = mobile.text if attempt == 1 else f"{mobile.text}-{attempt}"
        return Username(text, username_key(text))
