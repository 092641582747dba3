"""Counters of one call: each key is locked and counted once."""

import pytest
from tests.support.world import World

from vestibule.application import rate_limits
from vestibule.application.rate_limits import Counter
from vestibule.domain.rate_limits import RateLimit

LIMITS = (RateLimit(2, 60.0),)


def test_counter_that_is_given_twice_counts_once() -> None:
    world = World()
    with world.database.begin() as tx:
        rate_limits.lock(tx.rate_limits, [Counter("key", LIMITS, "codes")] * 2, world.clock).hit().save(tx.rate_limits)

    assert world.database.rate_limits.get(["key"])[0].hits == 1


@pytest.mark.parametrize("other", [Counter("key", LIMITS, "logins"), Counter("key", (), "codes")])
def test_two_counters_of_one_key_are_refused(other: Counter) -> None:
    """Each would save the window without the hit of the other."""
    world = World()
    with pytest.raises(ValueError, match="same key"):
        rate_limits.read(world.database.rate_limits, [Counter("key", LIMITS, "codes"), other], world.clock)


def test_callers_in_known_networks_are_counted_by_account_and_all_others_together() -> None:
    assert rate_limits.key_by_knower("codes", 7) == "codes:known-to-7"
    assert rate_limits.key_by_knower("codes", None) == "codes:others"
