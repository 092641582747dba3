"""The port `Throttle`: a sliding window that is exact, atomic and bounded. Every adapter passes the same suite."""

import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.throttles import memory_throttles, redis_throttles

from vestibule.adapters.throttle import MemoryThrottle
from vestibule.application.ports import Throttle
from vestibule.domain.limits import Limit, Tally

NOW = 1_700_000_000.0
ADAPTERS = {"memory": memory_throttles, "redis": redis_throttles}


@pytest.fixture(scope="module", params=ADAPTERS.values(), ids=list(ADAPTERS))
def make(request: pytest.FixtureRequest) -> Iterator[Callable[[], Throttle]]:
    """Makes throttles that have counted nothing yet."""
    with request.param() as make:
        yield make


@pytest.fixture
def throttle(make: Callable[[], Throttle]) -> Throttle:
    return make()


def test_as_many_as_the_limit_says_are_let_through_and_no_more(throttle: Throttle) -> None:
    answers = [throttle.take("a", (Limit(3, 60),), NOW) for _ in range(5)]
    assert answers == [0, 0, 0, 60, 60]


def test_the_wait_is_true_to_the_second(throttle: Throttle) -> None:
    limits = (Limit(2, 60),)
    assert throttle.take("a", limits, NOW) == 0
    assert throttle.take("a", limits, NOW + 10) == 0
    assert throttle.take("a", limits, NOW + 20.5) == 40
    assert throttle.take("a", limits, NOW + 59.9) == 1
    assert throttle.take("a", limits, NOW + 60) == 0
    assert throttle.take("a", limits, NOW + 60) == 10


def test_a_refused_call_is_not_counted(throttle: Throttle) -> None:
    limits = (Limit(1, 60),)
    assert throttle.take("a", limits, NOW) == 0
    assert [throttle.take("a", limits, NOW + second) for second in range(1, 60)] == list(range(59, 0, -1))
    assert throttle.take("a", limits, NOW + 60) == 0


def test_the_window_slides_so_that_no_minute_holds_more(throttle: Throttle) -> None:
    limits = (Limit(2, 60),)
    assert [throttle.take("a", limits, NOW + 59), throttle.take("a", limits, NOW + 59)] == [0, 0]
    assert throttle.take("a", limits, NOW + 61) == 58


def test_the_strictest_of_several_limits_decides(throttle: Throttle) -> None:
    limits = (Limit(2, 10), Limit(3, 100))
    assert [throttle.take("a", limits, NOW) for _ in range(3)] == [0, 0, 10]
    assert throttle.take("a", limits, NOW + 10) == 0
    assert throttle.take("a", limits, NOW + 20) == 80
    assert throttle.take("a", limits, NOW + 100) == 0


def test_keys_do_not_know_each_other(throttle: Throttle) -> None:
    limits = (Limit(1, 60),)
    assert [throttle.take(key, limits, NOW) for key in ("a", "b", "A", "a ", "")] == [0] * 5
    assert throttle.take("a", limits, NOW) == 60


def test_a_clock_that_steps_back_shortens_no_wait(throttle: Throttle) -> None:
    limits = (Limit(1, 60),)
    assert throttle.take("a", limits, NOW) == 0
    assert throttle.take("a", limits, NOW - 30) >= 60
    assert throttle.take("a", limits, NOW + 59) == 1


def test_a_clock_that_had_been_ahead_by_more_than_a_window_holds_nobody_up(throttle: Throttle) -> None:
    limits = (Limit(2, 60), Limit(5, 3600))
    assert [throttle.take("a", limits, NOW + 86_400) for _ in range(3)] == [0, 0, 60]
    assert [throttle.take("a", limits, NOW) for _ in range(2)] == [0, 60]
    assert [throttle.take("a", limits, NOW + 60) for _ in range(3)] == [0, 0, 3540]


def test_what_was_counted_while_the_clock_was_back_is_not_forgotten_early(throttle: Throttle) -> None:
    limits = (Limit(2, 60),)
    assert [throttle.take("a", limits, NOW), throttle.take("a", limits, NOW - 30)] == [0, 0]
    assert throttle.take("b", limits, NOW + 35) == 0
    assert throttle.take("a", limits, NOW + 36) == 24


@pytest.fixture
def threads_that_switch_all_the_time() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("threads_that_switch_all_the_time")
def test_of_calls_at_once_exactly_as_many_pass_as_the_limit_says(throttle: Throttle) -> None:
    workers, rounds = 8, 200
    start = Barrier(workers)

    def storm(_worker: int) -> int:
        start.wait()
        return sum(throttle.take("a", (Limit(1000, 60),), NOW) == 0 for _ in range(rounds))

    with ThreadPoolExecutor(workers) as pool:
        assert sum(pool.map(storm, range(workers))) == 1000


limit = st.builds(Limit, st.integers(1, 5), st.sampled_from([1.0, 7.5, 60.0, 3600.0]))
gaps = st.lists(st.floats(0, 40) | st.sampled_from([0.0, 1.0, 60.0, 3600.0]), max_size=60)


@given(limits=st.lists(limit, min_size=1, max_size=3).map(tuple), gaps=gaps)
@settings(max_examples=100, deadline=None)
def test_it_answers_as_a_tally_would(make: Callable[[], Throttle], limits: tuple[Limit, ...], gaps: list[float]) -> None:
    throttle, tally, now = make(), Tally("a"), NOW
    for gap in gaps:
        now += gap
        wait = tally.wait(limits, now)
        if wait == 0:
            tally = tally.add(limits, now)
        assert throttle.take("a", limits, now) == wait


@given(limits=st.lists(limit, min_size=1, max_size=3).map(tuple), gaps=gaps)
@settings(max_examples=100, deadline=None)
def test_whoever_waits_as_told_is_let_in_and_not_a_second_sooner(
    make: Callable[[], Throttle], limits: tuple[Limit, ...], gaps: list[float]
) -> None:
    throttle, now = make(), NOW
    for gap in gaps:
        now += gap
        wait = throttle.take("a", limits, now)
        if wait:
            assert throttle.take("a", limits, now + wait - 1) > 0
            now += wait
            assert throttle.take("a", limits, now) == 0


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
