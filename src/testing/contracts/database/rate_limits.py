"""Rate-limit windows that survive a restart."""

import pytest

from ....application.ports import Database
from ....domain.rate_limits import SlidingWindow
from .builders import NOW


class RateLimitsContract:
    """Rate-limit windows that survive a restart."""

    def test_windows_are_returned_in_the_order_of_their_keys(self, database: Database) -> None:
        moments = (NOW, NOW + 0.1, NOW + 1 / 3)
        with database.begin() as tx:
            assert tx.rate_limits.lock(["b", "a"]) == [SlidingWindow("b"), SlidingWindow("a")]
            tx.rate_limits.save([SlidingWindow("a", moments)], NOW + 60)
        with database.begin() as tx:
            assert list(tx.rate_limits.lock(["c", "a"])) == [SlidingWindow("c"), SlidingWindow("a", moments)]
            tx.rate_limits.save([SlidingWindow("a")], NOW)
        assert list(database.rate_limits.get(["a", "b"])) == [SlidingWindow("a"), SlidingWindow("b")]
        assert list(database.rate_limits.get([])) == []

    def test_unlocked_window_cannot_be_saved(self, database: Database) -> None:
        with database.begin() as tx:
            tx.rate_limits.lock(["a"])
            tx.rate_limits.get(["b"])
            with pytest.raises(LookupError):
                tx.rate_limits.save([SlidingWindow("b", (NOW,))], NOW + 60)
        assert list(database.rate_limits.get(["b"])) == [SlidingWindow("b")]
