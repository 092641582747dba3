"""Rate-limit windows and cursors: each key has a row, which begins empty."""

from ....application.ports import Cursor, Database
from ....domain.rate_limits import SlidingWindow
from .builders import NOW


class KeyedRowsContract:
    """Rate-limit windows and cursors: each key has a row, which begins empty."""

    def test_windows_are_returned_in_the_order_of_their_keys(self, database: Database) -> None:
        moments = (NOW, NOW + 0.1, NOW + 1 / 3)
        with database.begin() as tx:
            assert list(tx.rate_limits.lock(["b", "a"])) == [SlidingWindow("b"), SlidingWindow("a")]
            tx.rate_limits.save([SlidingWindow("a", moments)], NOW + 60)
        with database.begin() as tx:
            assert list(tx.rate_limits.lock(["c", "a"])) == [SlidingWindow("c"), SlidingWindow("a", moments)]
            tx.rate_limits.save([SlidingWindow("a")], NOW)
        assert list(database.rate_limits.get(["a", "b"])) == [SlidingWindow("a"), SlidingWindow("b")]
        assert list(database.rate_limits.get([])) == []

    def test_windows_keep_the_counts_of_merged_hits(self, database: Database) -> None:
        windows = [
            SlidingWindow("all", (NOW, NOW + 1 / 3), (7, 2)),
            SlidingWindow("some", (NOW, NOW + 1, NOW + 2, NOW + 3), (7, 1, 300)),
        ]
        with database.begin() as tx:
            tx.rate_limits.lock(["all", "some"])
            tx.rate_limits.save(windows, NOW + 60)
        assert list(database.rate_limits.get(["all", "some"])) == windows

    def test_cursor_begins_at_zero_and_advances(self, database: Database) -> None:
        crm = Cursor(name="crm")
        for moved in (
            Cursor(name="crm", position=7, moved_at=NOW, leased_until=NOW + 1 / 3),
            Cursor(name="crm", position=2**40),
        ):
            assert database.cursors.get("crm") == crm
            with database.begin() as tx:
                assert tx.cursors.lock("crm") == crm
                tx.cursors.save(moved)
                assert tx.cursors.get("crm") == moved
            crm = moved
        assert database.cursors.get("crm") == crm
        assert database.cursors.get("nul \0") == Cursor(name="nul \0")
