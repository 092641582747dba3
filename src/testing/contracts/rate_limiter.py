"""What every rate limiter promises."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest

from ...application.ports import RateLimiter
from ...domain.rate_limits import RateLimit, SlidingWindow
from .threads import SwitchingThreads

NOW = 1_700_000_000.0


def answers_as_a_tally_would(rate_limiter: RateLimiter, limits: tuple[RateLimit, ...], gaps: Iterable[float]) -> None:
    """Takes with so many seconds in between; `rate_limiter` has counted nothing yet."""
    tally, now = SlidingWindow("a"), NOW
    for gap in gaps:
        now += gap
        wait = tally.retry_after(limits, now)
        if wait == 0:
            tally = tally.hit(limits, now)
        assert rate_limiter.hit("a", limits, now) == wait


def lets_in_whoever_waits_as_told(rate_limiter: RateLimiter, limits: tuple[RateLimit, ...], gaps: Iterable[float]) -> None:
    """The same, waiting where told to; and not a second sooner."""
    now = NOW
    for gap in gaps:
        now += gap
        wait = rate_limiter.hit("a", limits, now)
        if wait:
            assert rate_limiter.hit("a", limits, now + wait - 1) > 0
            now += wait
            assert rate_limiter.hit("a", limits, now) == 0


class RateLimiterContract(SwitchingThreads):
    """What every `RateLimiter` promises: a sliding window that is exact and atomic.

    Fill the fixture `rate_limiter`: one that has counted nothing yet, another for each test. Threads use it at the same time.
    """

    def test_as_many_as_the_limit_says_are_let_through_and_no_more(self, rate_limiter: RateLimiter) -> None:
        answers = [rate_limiter.hit("a", (RateLimit(3, 60),), NOW) for _ in range(5)]
        assert answers == [0, 0, 0, 60, 60]

    def test_the_wait_is_true_to_the_second(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 60),)
        assert rate_limiter.hit("a", limits, NOW) == 0
        assert rate_limiter.hit("a", limits, NOW + 10) == 0
        assert rate_limiter.hit("a", limits, NOW + 20.5) == 40
        assert rate_limiter.hit("a", limits, NOW + 59.9) == 1
        assert rate_limiter.hit("a", limits, NOW + 60) == 0
        assert rate_limiter.hit("a", limits, NOW + 60) == 10

    def test_a_refused_call_is_not_counted(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(1, 60),)
        assert rate_limiter.hit("a", limits, NOW) == 0
        assert [rate_limiter.hit("a", limits, NOW + second) for second in range(1, 60)] == list(range(59, 0, -1))
        assert rate_limiter.hit("a", limits, NOW + 60) == 0

    def test_the_window_slides_so_that_no_minute_holds_more(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 60),)
        assert [rate_limiter.hit("a", limits, NOW + 59), rate_limiter.hit("a", limits, NOW + 59)] == [0, 0]
        assert rate_limiter.hit("a", limits, NOW + 61) == 58

    def test_the_strictest_of_several_limits_decides(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 10), RateLimit(3, 100))
        assert [rate_limiter.hit("a", limits, NOW) for _ in range(3)] == [0, 0, 10]
        assert rate_limiter.hit("a", limits, NOW + 10) == 0
        assert rate_limiter.hit("a", limits, NOW + 20) == 80
        assert rate_limiter.hit("a", limits, NOW + 100) == 0

    def test_keys_do_not_know_each_other(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(1, 60),)
        assert [rate_limiter.hit(key, limits, NOW) for key in ("a", "b", "A", "a ", "")] == [0] * 5
        assert rate_limiter.hit("a", limits, NOW) == 60

    def test_a_clock_that_steps_back_shortens_no_wait(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(1, 60),)
        assert rate_limiter.hit("a", limits, NOW) == 0
        assert rate_limiter.hit("a", limits, NOW - 30) >= 60
        assert rate_limiter.hit("a", limits, NOW + 59) == 1

    def test_a_clock_that_had_been_ahead_by_more_than_a_window_holds_nobody_up(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 60), RateLimit(5, 3600))
        assert [rate_limiter.hit("a", limits, NOW + 86_400) for _ in range(3)] == [0, 0, 60]
        assert [rate_limiter.hit("a", limits, NOW) for _ in range(2)] == [0, 60]
        assert [rate_limiter.hit("a", limits, NOW + 60) for _ in range(3)] == [0, 0, 3540]

    def test_what_was_counted_while_the_clock_was_back_is_not_forgotten_early(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 60),)
        assert [rate_limiter.hit("a", limits, NOW), rate_limiter.hit("a", limits, NOW - 30)] == [0, 0]
        assert rate_limiter.hit("b", limits, NOW + 35) == 0
        assert rate_limiter.hit("a", limits, NOW + 36) == 24

    @pytest.mark.usefixtures("threads_that_switch_all_the_time")
    def test_of_calls_at_once_exactly_as_many_pass_as_the_limit_says(self, rate_limiter: RateLimiter) -> None:
        workers, rounds = 8, 200
        start = Barrier(workers)

        def storm(_worker: int) -> int:
            start.wait()
            return sum(rate_limiter.hit("a", (RateLimit(1000, 60),), NOW) == 0 for _ in range(rounds))

        with ThreadPoolExecutor(workers) as pool:
            assert sum(pool.map(storm, range(workers))) == 1000

    @pytest.mark.parametrize("seed", range(8))
    def test_it_answers_as_an_exact_count_would_whenever_one_comes(self, rate_limiter: RateLimiter, seed: int) -> None:
        limits, gaps = _at_random(seed)
        answers_as_a_tally_would(rate_limiter, limits, gaps)

    @pytest.mark.parametrize("seed", range(8))
    def test_whoever_waits_as_told_gets_in_whenever_they_come(self, rate_limiter: RateLimiter, seed: int) -> None:
        limits, gaps = _at_random(seed)
        lets_in_whoever_waits_as_told(rate_limiter, limits, gaps)


def _at_random(seed: int) -> tuple[tuple[RateLimit, ...], list[float]]:
    """Limits, and the seconds between calls: the same for the same seed."""
    dice = Random(seed)  # noqa: S311 — an example, no secret
    limits = tuple(RateLimit(dice.randint(1, 5), dice.choice([1.0, 7.5, 60.0, 3600.0])) for _ in range(dice.randint(1, 3)))
    return limits, [dice.choice([0.0, 1.0, 60.0, 3600.0, dice.uniform(0, 40)]) for _ in range(60)]
