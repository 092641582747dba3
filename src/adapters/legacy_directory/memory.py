"""A legacy directory in memory, for tests of programs that use one."""

from collections import deque
from unicodedata import normalize

from ...application.ports import ImportRecord, LegacyRefusal


class MemoryLegacyDirectory:
    """Knows the accounts that were added, each with its password in plain text.

    An account is found by its username, email or mobile in any case. `asked` lists the identifiers of all calls.
    """

    def __init__(self, name: str = "legacy") -> None:
        self.name = name
        self.asked: list[str] = []
        self._accounts: dict[str, tuple[ImportRecord, str]] = {}
        self._failures: deque[Exception] = deque()

    def add(self, record: ImportRecord, password: str) -> None:
        """Adds the account, or replaces the one that has the record's key."""
        self._accounts[record.key] = record, normalize("NFKC", password)

    def fail_next(self, failure: Exception, *, times: int = 1) -> None:
        """Makes the next `times` calls raise `failure`."""
        self._failures.extend([failure] * times)

    def check(self, identifier: str, password: str, /) -> ImportRecord | LegacyRefusal:
        self.asked.append(identifier)
        if self._failures:
            raise self._failures.popleft()
        wanted = identifier.strip().casefold()
        for record, known in self._accounts.values():
            if wanted in {text.casefold() for text in (record.username, record.email, record.mobile) if text}:
                return record if normalize("NFKC", password) == known else LegacyRefusal.WRONG
        return LegacyRefusal.UNKNOWN
