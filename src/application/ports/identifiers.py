"""Identifiers that people type: usernames, emails, mobiles and names."""

from dataclasses import dataclass
from typing import Protocol

from ...domain.account import Address, Username
from ...domain.errors import ErrorCode

__all__ = ["Identifiers", "InvalidText", "LoginIdentifier"]


class InvalidText(ValueError):
    """A text that breaks the rules of its field; the message is for the person who typed it, the code for programs."""

    def __init__(self, message: str, code: ErrorCode = ErrorCode.MALFORMED) -> None:
        super().__init__(message)
        self.code = code


class Identifiers(Protocol):
    """Parses identifiers. Each method raises `InvalidText`; the text may hold anything, NUL and lone surrogates too."""

    def username(self, text: str, *, reserved: bool = False) -> Username:
        """A username by the rules for new ones (PRECIS UsernameCaseMapped, one script); `reserved` takes reserved names too."""

    def email(self, text: str) -> Address: ...

    def mobile(self, text: str) -> Address: ...

    def name(self, text: str) -> str:
        """1–500 characters after NFC and trimming, one of them visible, without control, separator or bidi characters."""

    def destination(self, text: str) -> Address:
        """An email or a mobile, told apart by shape."""

    def login(self, text: str) -> "LoginIdentifier":
        """The identifier typed at a login; never raises."""

    def username_of_mobile(self, mobile: Address, variant: int) -> Username:
        """The username of an account that is created by its mobile: variant 1 is the mobile as written.

        Other variants are for a mobile that was another account's before, which still has that username.
        """


@dataclass(frozen=True, slots=True)
class LoginIdentifier:
    """An identifier typed at a login: matched as an address first, then as a canonical username.

    Usernames of imported accounts may look like addresses.
    """

    address: Address | None
    canonical_username: str
