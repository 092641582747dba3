"""Shares of places, so that no account and no network takes those of all others."""

from collections.abc import Hashable, Iterator
from contextlib import contextmanager
from threading import Lock

from ... import forks
from ...application import RateLimited
from ...domain.networks import subscriber_of
from .executors import CapacityLimiter


class Shares:
    """Places, `share` at most for each holder, such as a network; beyond it raises `RateLimited` of this `policy`. Thread-safe.

    `retry_after` is in seconds: the end of the calls that hold the places cannot be known.
    """

    def __init__(self, share: float, *, policy: str, retry_after: int) -> None:
        self._share = share
        self._policy = policy
        self._retry_after = retry_after
        self.renew()
        forks.watch(self)

    def renew(self) -> None:
        self._lock = Lock()
        self._held: dict[Hashable, int] = {}

    @contextmanager
    def one(self, holder: Hashable) -> Iterator[None]:
        """Holds a place for the block."""
        self.take(holder)
        try:
            yield
        finally:
            self.give_back(holder)

    def take(self, holder: Hashable) -> None:
        """Takes a place until `give_back`. For every request, since `one` costs ten times as much."""
        with self._lock:
            held = self._held.get(holder, 0)
            if held >= self._share:
                raise RateLimited(self._retry_after, policy=self._policy)
            self._held[holder] = held + 1

    def give_back(self, holder: Hashable) -> None:
        """Gives a place back that was taken."""
        with self._lock:
            held = self._held.pop(holder, 0) - 1
            if held > 0:
                self._held[holder] = held


class UploadPlaces:
    """`limit` places for the uploads that are in memory at once, from the first byte of each to its end.

    An account has one of them and a network a quarter: otherwise one account could hold all by uploads that it never completes.
    These shares are lifted if `are_shared` is false.
    """

    def __init__(self, limit: int, *, are_shared: bool = True) -> None:
        self._places = CapacityLimiter(limit)
        self._accounts = Shares(1 if are_shared else limit, policy="uploads", retry_after=5)
        self._networks = Shares(max(1, limit // 4) if are_shared else limit, policy="uploads", retry_after=5)

    @contextmanager
    def one(self, account_id: int, network: str | None) -> Iterator[None]:
        """Holds a place for the block. Raises `Overloaded` if none is free, `RateLimited` beyond the shares."""
        with self._places, self._accounts.one(account_id), self._networks.one(network and subscriber_of(network)):
            yield
