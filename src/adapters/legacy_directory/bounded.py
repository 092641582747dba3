"""A bound on the calls to a legacy directory: a slow one must not hold every thread that logs people in."""

from threading import Semaphore

from ... import forks
from ...application.ports import ImportRecord, LegacyDirectory, LegacyRefusal
from ...domain.errors import Overloaded

MAX_LEGACY_CALLS = 8
"""How many calls a process has at once."""


class BoundedLegacyDirectory:
    """Another directory, with at most `limit` calls at once; raises `Overloaded` beyond, without a wait."""

    def __init__(self, directory: LegacyDirectory, limit: int = MAX_LEGACY_CALLS) -> None:
        self._directory = directory
        self._limit = limit
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._free = Semaphore(self._limit)

    @property
    def name(self) -> str:
        return self._directory.name

    def check(self, identifier: str, password: str, /) -> ImportRecord | LegacyRefusal:
        free = self._free
        if not free.acquire(blocking=False):
            raise Overloaded
        try:
            return self._directory.check(identifier, password)
        finally:
            free.release()
