"""Everything that is kept about an account, for its owner."""

from collections.abc import Iterator, Mapping
from typing import Protocol

from ...domain.account import Account
from .database import Database

__all__ = ["AccountRecords", "RecordedDatabase"]


class AccountRecords(Protocol):
    """Reads the committed rows that concern an account, whatever their table."""

    def read(self, account: Account) -> Iterator[tuple[str, Mapping[str, object]]]:
        """Yields each row as its kind and its values by name; the rows of a kind follow one another, `account` comes first.

        A kind is a name in lower case, such as `sessions`. Times are `datetime`s in UTC; other values are those of JSON. Left
        out are hashes and digests, and the ids from which codes are derived. Of codes, proofs and messages only those of
        verified addresses are read, for an unverified address may be another person's. Few rows are in memory at a time.
        """


class RecordedDatabase(Database, Protocol):
    """A `Database` with the records of accounts, for exports."""

    @property
    def records(self) -> AccountRecords: ...
