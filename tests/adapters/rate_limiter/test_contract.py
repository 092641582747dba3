"""The port `Throttle`: a sliding window that is exact, atomic and bounded. Every adapter passes the same suite."""

from collections.abc import Callable, Iterator

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.support.rate_limiters import memory_throttles, redis_throttles

from vestibule.adapters.rate_limiter import MemoryThrottle
from vestibule.application.ports import Throttle
from vestibule.domain.rate_limits import Limit
from vestibule.testing.contracts import ThrottleContract
from vestibule.testing.contracts.rate_limiter import NOW, answers_as_a_tally_would, lets_in_whoever_waits_as_told

ADAPTERS = {"memory": memory_throttles, "redis": redis_throttles}


@pytest.fixture(scope="module", params=ADAPTERS.values(), ids=list(ADAPTERS))
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Throttle]]:
    """Makes throttles that have counted nothing yet."""
    with request.param() as make:
        yield make


@pytest.fixture
def throttle(make: Callable[[], Throttle]) -> Throttle:
    return make()


class TestEveryThrottle(ThrottleContract):
    """In the memory of a process, and in Redis."""


limit = st.builds(Limit, st.integers(1, 5), st.sampled_from([1.0, 7.5, 60.0, 3600.0]))
gaps = st.lists(st.floats(0, 40) | st.sampled_from([0.0, 1.0, 60.0, 3600.0]), max_size=60)


@given(limits=st.lists(limit, min_size=1, max_size=3).map(tuple), gaps=gaps)
@settings(max_examples=100, deadline=None)
def test_it_answers_as_a_tally_would(make: Callable[[], Throttle], limits: tuple[Limit, ...], gaps: list[float]) -> None:
    answers_as_a_tally_would(make(), limits, gaps)


@given(limits=st.lists(limit, min_size=1, max_size=3).map(tuple), gaps=gaps)
@settings(max_examples=100, deadline=None)
def test_whoever_waits_as_told_is_let_in_and_not_a_second_sooner(
    make: Callable[[], Throttle], limits: tuple[Limit, ...], gaps: list[float]
) -> None:
    lets_in_whoever_waits_as_told(make(), limits, gaps)


def test_memory_keeps_the_keys_that_were_asked_about_last() -> None:
    throttle, limits = MemoryThrottle(max_keys=3), (Limit(1, 60),)
    for key in ("a", "b", "c"):
        assert throttle.take(key, limits, NOW) == 0
    assert throttle.take("a", limits, NOW) == 60
    assert throttle.take("d", limits, NOW) == 0
    assert len(throttle) == 3
    assert throttle.take("a", limits, NOW) == 60
    assert throttle.take("b", limits, NOW) == 0
    assert len(throttle) == 3


def test_memory_forgets_keys_whose_time_is_over() -> None:
    throttle, limits = MemoryThrottle(), (Limit(5, 60),)
    for number in range(1000):
        throttle.take(str(number), limits, NOW)
    for number in range(1000, 1600):
        throttle.take(str(number), limits, NOW + 60)
    assert len(throttle) == 600


def test_a_throttle_that_could_remember_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one key at least"):
        MemoryThrottle(max_keys=0)
