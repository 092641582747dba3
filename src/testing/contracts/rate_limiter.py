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
DAY = 86_400.0


def agrees_with_sliding_window(rate_limiter: RateLimiter, limits: tuple[RateLimit, ...], gaps: Iterable[float]) -> None:
    """Compares a new rate limiter with `SlidingWindow`; `gaps` are the seconds between calls.

    The calls of "b" end each wait that was returned: they pass then, and not a second earlier.
    """
    for key in ("a", "b"):
        window, now = SlidingWindow(key), NOW

        def hit(at: float) -> int:
            nonlocal window
            wait = window.retry_after(limits, at)
            if wait == 0:
                window = window.with_hit(limits, at)
            assert rate_limiter.hit(window.key, limits, at) == wait
            return wait

        for gap in gaps:
            now += gap
            wait = hit(now)
            if wait and key == "b":
                assert hit(now + wait - 1)
                now += wait
                assert hit(now) == 0


class RateLimiterContract(FrequentThreadSwitches):
    """The promises of every `RateLimiter`: an exact, atomic sliding window.

    Define the fixture `rate_limiter`: a new one for each test. Several threads use it at once.
    """

    def test_calls_above_the_limit_are_rejected(self, rate_limiter: RateLimiter) -> None:
        answers = [rate_limiter.hit("a", (RateLimit(3, 60),), NOW) for _ in range(5)]
        assert answers == [0, 0, 0, 60, 60]

    @pytest.mark.parametrize(
        ("limits", "calls"),
        [
            ([(2, 60)], [(0, 0), (10, 0), (20.5, 40), (59.9, 1), (60, 0), (60, 10)]),
            ([(1, 60)], [(0, 0), *((second, 60 - second) for second in range(1, 60)), (60, 0)]),
            ([(2, 60)], [(59, 0), (59, 0), (61, 58)]),
            ([(2, 10), (3, 100)], [(0, 0), (0, 0), (0, 10), (10, 0), (20, 80), (100, 0)]),
            ([(1, 60)], [(0, 0), (-30, 90), (59, 1)]),
            ([(2, 60), (5, 3600)], [(DAY, 0), (DAY, 0), (DAY, 60), (0, 0), (0, 60), (60, 0), (60, 0), (60, 3540)]),
        ],
        ids=["exact wait", "rejected calls", "sliding", "several limits", "clock steps back", "clock was far ahead"],
    )
    def test_wait_is_exact_to_the_second(
        self, rate_limiter: RateLimiter, limits: list[tuple[int, float]], calls: list[tuple[float, int]]
    ) -> None:
        """`calls` are seconds, and the wait that the call at that second returns."""
        all_limits = tuple(RateLimit(*limit) for limit in limits)
        assert [rate_limiter.hit("a", all_limits, NOW + at) for at, _ in calls] == [wait for _, wait in calls]

    def test_keys_are_independent(self, rate_limiter: RateLimiter) -> None:
        limits = (RateLimit(1, 60),)
        assert [rate_limiter.hit(key, limits, NOW) for key in ("a", "b", "A", "a ", "")] == [0] * 5
        assert rate_limiter.hit("a", limits, NOW) == 60

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

    @pytest.mark.parametrize("seed", range(16))
    def test_random_calls_agree_with_sliding_window(self, rate_limiter: RateLimiter, seed: int) -> None:
        dice = Random(seed)  # noqa: S311 — not a secret
        limits = tuple(RateLimit(dice.randint(1, 5), dice.choice([1.0, 7.5, 60.0, 3600.0])) for _ in range(dice.randint(1, 3)))
        gaps = [dice.choice([0.0, 1.0, 60.0, 3600.0, dice.uniform(0, 40)]) for _ in range(60)]
        agrees_with_sliding_window(rate_limiter, limits, gaps)
