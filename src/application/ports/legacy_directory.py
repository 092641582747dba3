"""The system that had the accounts before: it knows passwords that were never imported."""

from enum import StrEnum
from typing import Protocol

from .imports import ImportRecord

__all__ = ["LegacyDirectory", "LegacyRefusal"]


class LegacyRefusal(StrEnum):
    """The answers of a legacy directory that refuse a login."""

    WRONG = "wrong"
    UNKNOWN = "unknown"


class LegacyDirectory(Protocol):
    """Checks passwords of accounts that another system has.

    Asked at a login whose identifier no account here has, or whose account has its password there alone; not by codes,
    registrations and uniqueness checks. Calls are outside of transactions and event loops, and may wait for another machine: an
    adapter ends each within seconds. A process makes eight at once at most.
    """

    @property
    def name(self) -> str:
        """The name of the source that its accounts belong to: that of their import, if they are imported too."""

    def check(self, identifier: str, password: str, /) -> ImportRecord | LegacyRefusal:
        """The account that has the identifier, if the password is right; the identifier is as it was typed.

        A record of one account has the same `key` at each call. Flags, roles, image and password hash of the record are not
        taken in. Raises `Unavailable` without a sure answer, `Overloaded` if it takes no more calls.
        """
