"""The contract of the port `RateLimiter`."""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from random import Random
from threading import Barrier

import pytest

from ...application.ports import RateLimiter
from ...domain.rate_limits import RateLimit, SlidingWindow
from .threads import FrequentThreadSwitches

NOW = 1_700_000_000.0


def agrees_with_sliding_window(rate_limiter: RateLimiter, limits: tuple[RateLimit, ...], gaps: Iterable[float]) -> None:
    """Compares a new rate limiter with `SlidingWindow`; `gaps` are the seconds between calls."""
    window, now = SlidingWindow("a"), NOW
    for gap in gaps:
        now += gap
        wait = window.retry_after(limits, now)
        if wait == 0:
            window = window.with_hit(limits, now)
        assert rate_limiter.hit("a", limits, now) == wait


def admits_after_the_returned_wait(rate_limiter: RateLimiter, limits: tuple[RateLimit, ...], gaps: Iterable[float]) -> None:
    """Checks that a call passes after the wait that was returned, and not a second earlier."""
    now = NOW
    for gap in gaps:
        now += gap
        wait = rate_limiter.hit("a", limits, now)
        if wait:
            assert rate_limiter.hit("a", limits, now + wait - 1) > 0
            now += wait
            assert rate_limiter.hit("a", limits, now) == 0


class RateLimiterContract(FrequentThreadSwitches):
    """The promises of every `RateLimiter`: an exact, atomic sliding window.

    Define the fixture `rate_limiter`: a new one for each test. Several threads use it at once.
    """

    def test_calls_above_the_limit_are_rejected(self, rate_limiter: RateLimiter) -> None:
        answers = [rate_limiter.hit("a", (RateLimit(3, 60),), NOW) for _ in range(5)]
        assert answers == [0, 0, 0, 60, 60]

    def test_wait_is_exact_to_the_second(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 60),)
        assert rate_limiter.hit("a", limits, NOW) == 0
        assert rate_limiter.hit("a", limits, NOW + 10) == 0
        assert rate_limiter.hit("a", limits, NOW + 20.5) == 40
        assert rate_limiter.hit("a", limits, NOW + 59.9) == 1
        assert rate_limiter.hit("a", limits, NOW + 60) == 0
        assert rate_limiter.hit("a", limits, NOW + 60) == 10

    def test_rejected_call_is_not_counted(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(1, 60),)
        assert rate_limiter.hit("a", limits, NOW) == 0
        assert [rate_limiter.hit("a", limits, NOW + second) for second in range(1, 60)] == list(range(59, 0, -1))
        assert rate_limiter.hit("a", limits, NOW + 60) == 0

    def test_window_slides(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 60),)
        assert [rate_limiter.hit("a", limits, NOW + 59), rate_limiter.hit("a", limits, NOW + 59)] == [0, 0]
        assert rate_limiter.hit("a", limits, NOW + 61) == 58

    def test_strictest_limit_decides(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 10), RateLimit(3, 100))
        assert [rate_limiter.hit("a", limits, NOW) for _ in range(3)] == [0, 0, 10]
        assert rate_limiter.hit("a", limits, NOW + 10) == 0
        assert rate_limiter.hit("a", limits, NOW + 20) == 80
        assert rate_limiter.hit("a", limits, NOW + 100) == 0

    def test_keys_are_independent(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(1, 60),)
        assert [rate_limiter.hit(key, limits, NOW) for key in ("a", "b", "A", "a ", "")] == [0] * 5
        assert rate_limiter.hit("a", limits, NOW) == 60

    def test_clock_stepping_back_shortens_no_wait(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(1, 60),)
        assert rate_limiter.hit("a", limits, NOW) == 0
        assert rate_limiter.hit("a", limits, NOW - 30) >= 60
        assert rate_limiter.hit("a", limits, NOW + 59) == 1

    def test_clock_that_was_far_ahead_blocks_no_call(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 60), RateLimit(5, 3600))
        assert [rate_limiter.hit("a", limits, NOW + 86_400) for _ in range(3)] == [0, 0, 60]
        assert [rate_limiter.hit("a", limits, NOW) for _ in range(2)] == [0, 60]
        assert [rate_limiter.hit("a", limits, NOW + 60) for _ in range(3)] == [0, 0, 3540]

    def test_hits_of_a_slow_clock_do_not_expire_early(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(2, 60),)
        assert [rate_limiter.hit("a", limits, NOW), rate_limiter.hit("a", limits, NOW - 30)] == [0, 0]
        assert rate_limiter.hit("b", limits, NOW + 35) == 0
        assert rate_limiter.hit("a", limits, NOW + 36) == 24

    @pytest.mark.usefixtures("frequent_thread_switches")
    def test_concurrent_calls_never_exceed_the_limit(self, rate_limiter: RateLimiter) -> None:
        workers, rounds = 8, 200
        start = Barrier(workers)

        def storm(_worker: int) -> int:
            start.wait()
            return sum(rate_limiter.hit("a", (RateLimit(1000, 60),), NOW) == 0 for _ in range(rounds))

        with ThreadPoolExecutor(workers) as pool:
            assert sum(pool.map(storm, range(workers))) == 1000

    @pytest.mark.parametrize("seed", range(8))
    def test_random_calls_agree_with_sliding_window(self, rate_limiter: RateLimiter, seed: int) -> None:
        limits, gaps = _at_random(seed)
        agrees_with_sliding_window(rate_limiter, limits, gaps)

    @pytest.mark.parametrize("seed", range(8))
    def test_random_calls_pass_after_the_returned_wait(self, rate_limiter: RateLimiter, seed: int) -> None:
        limits, gaps = _at_random(seed)
        admits_after_the_returned_wait(rate_limiter, limits, gaps)


def _at_random(seed: int) -> tuple[tuple[RateLimit, ...], list[float]]:
    """Returns limits and the seconds between calls, which depend on the seed alone."""
    dice = Random(seed)  # noqa: S311 — not a secret
    limits = tuple(RateLimit(dice.randint(1, 5), dice.choice([1.0, 7.5, 60.0, 3600.0])) for _ in range(dice.randint(1, 3)))
    return limits, [dice.choice([0.0, 1.0, 60.0, 3600.0, dice.uniform(0, 40)]) for _ in range(60)]
