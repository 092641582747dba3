"""Places for the uploads that are in memory at once, of which no account and no network takes those of all others."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

from ...application import Overloaded, RateLimited

RETRY_SECONDS = 5
"""When to try again while another upload of the same account or network is under way: its end cannot be known."""


class UploadPlaces:
    """`limit` places, from the first byte of an upload to its end: each account has one, and each network a quarter of all.

    Without these shares a single account could hold every place by uploads that it never completes. They are lifted if
    `are_shared` is false. Thread-safe.
    """

    def __init__(self, limit: int, *, are_shared: bool = True) -> None:
        self._limit = limit
        self._per_account, self._per_network = (1, max(1, limit // 4)) if are_shared else (limit, limit)
        self._lock = Lock()
        self._accounts: Counter[int] = Counter()
        self._networks: Counter[str | None] = Counter()

    @contextmanager
    def one(self, account_id: int, network: str | None) -> Iterator[None]:
        """Holds a place for the block. Raises `Overloaded` if none is free, `RateLimited` beyond the share."""
        with self._lock:
            if self._accounts.total() >= self._limit:
                raise Overloaded
            if self._accounts[account_id] >= self._per_account or self._networks[network] >= self._per_network:
                raise RateLimited(RETRY_SECONDS, policy="uploads")
            self._accounts[account_id] += 1
            self._networks[network] += 1
        try:
            yield
        finally:
            with self._lock:  # a Counter keeps keys whose count is 0, and there may be many
                self._accounts -= Counter({account_id: 1})
                self._networks -= Counter({network: 1})
