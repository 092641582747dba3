"""Counters that survive a restart."""

import pytest

from ....application.ports import Database
from ....domain.rate_limits import Tally
from .given import (
    NOW,
)


class TalliesContract:
    """Counters that survive a restart."""

    def test_tallies_come_back_in_the_order_of_their_keys_and_empty_where_there_is_none(self, database: Database) -> None:
        moments = (NOW, NOW + 0.1, NOW + 1 / 3)
        with database.begin() as tx:
            assert tx.tallies.claim(["b", "a"]) == [Tally("b"), Tally("a")]
            tx.tallies.save([Tally("a", moments)], NOW + 60)
        with database.begin() as tx:
            assert list(tx.tallies.claim(["c", "a"])) == [Tally("c"), Tally("a", moments)]
            tx.tallies.save([Tally("a")], NOW)
        assert list(database.tallies.look(["a", "b"])) == [Tally("a"), Tally("b")]
        assert list(database.tallies.look([])) == []

    def test_a_tally_that_was_not_claimed_here_cannot_be_saved(self, database: Database) -> None:
        with database.begin() as tx:
            tx.tallies.claim(["a"])
            tx.tallies.look(["b"])
            with pytest.raises(LookupError):
                tx.tallies.save([Tally("b", (NOW,))], NOW + 60)
        assert list(database.tallies.look(["b"])) == [Tally("b")]
