"""The contract of `RateLimiter` for every adapter; further promises of the one in memory."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rate_limiters import memory_rate_limiters, node_rate_limiters, redis_rate_limiters

from vestibule.adapters.rate_limiter import MemoryRateLimiter
from vestibule.application.ports import RateLimiter
from vestibule.domain.rate_limits import RateLimit
from vestibule.testing.contracts import RateLimiterContract
from vestibule.testing.contracts.rate_limiter import NOW, agrees_with_sliding_window

ADAPTERS = {"memory": memory_rate_limiters, "node": node_rate_limiters, "redis": redis_rate_limiters}


@pytest.fixture(scope="module", params=ADAPTERS.values(), ids=list(ADAPTERS))
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], RateLimiter]]:
    """Yields a function that creates a rate limiter."""
    with request.param() as make:
        yield make


@pytest.fixture
def rate_limiter(make: Callable[[], RateLimiter]) -> RateLimiter:
    return make()


class TestEveryRateLimiter(RateLimiterContract):
    """In memory, in a file, and in Redis."""


limit = st.builds(RateLimit, st.integers(1, 5), st.sampled_from([1.0, 7.5, 60.0, 3600.0]))
gaps = st.lists(st.floats(0, 40) | st.sampled_from([0.0, 1.0, 60.0, 3600.0]), max_size=60)


@given(limits=st.lists(limit, min_size=1, max_size=3).map(tuple), gaps=gaps)
@settings(max_examples=100, deadline=None)
def test_agrees_with_sliding_window(make: Callable[[], RateLimiter], limits: tuple[RateLimit, ...], gaps: list[float]) -> None:
    agrees_with_sliding_window(make(), limits, gaps)


def test_memory_keeps_the_most_recently_used_keys() -> None:
    rate_limiter, limits = MemoryRateLimiter(max_keys=3), (RateLimit(1, 60),)
    for key in ("a", "b", "c"):
        assert rate_limiter.hit(key, limits, NOW) == 0
    assert rate_limiter.hit("a", limits, NOW) == 60
    assert rate_limiter.hit("d", limits, NOW) == 0
    assert len(rate_limiter) == 3
    assert rate_limiter.hit("a", limits, NOW) == 60
    assert rate_limiter.hit("b", limits, NOW) == 0
    assert len(rate_limiter) == 3


def test_memory_evicts_expired_keys() -> None:
    rate_limiter, limits = MemoryRateLimiter(), (RateLimit(5, 60),)
    for number in range(1000):
        rate_limiter.hit(str(number), limits, NOW)
    for number in range(1000, 1600):
        rate_limiter.hit(str(number), limits, NOW + 60)
    assert len(rate_limiter) == 600


def test_max_keys_below_one_is_rejected() -> None:
    with pytest.raises(ValueError, match="at least one key"):
        MemoryRateLimiter(max_keys=0)
