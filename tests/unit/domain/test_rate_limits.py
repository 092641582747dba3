from hypothesis import given
from hypothesis import strategies as st

from vestibule.domain.rate_limits import RateLimit, SlidingWindow, code_sends, refusing_limit

LIMITS = (RateLimit(2, 60), RateLimit(3, 3600))


def window_with_hits(*timestamps: float) -> SlidingWindow:
    window = SlidingWindow("key")
    for timestamp in timestamps:
        window = window.with_hit(LIMITS, timestamp)
    return window


def test_hit_within_the_limits_need_not_wait() -> None:
    assert window_with_hits().retry_after(LIMITS, 0) == 0
    assert window_with_hits(10).retry_after(LIMITS, 10) == 0


def test_retry_after_is_exact_to_the_second() -> None:
    window = window_with_hits(10, 20)

    assert window.retry_after(LIMITS, 20) == 50
    assert window.retry_after(LIMITS, 69) == 1
    assert window.retry_after(LIMITS, 70) == 0


def test_retry_after_is_rounded_up() -> None:
    assert window_with_hits(10, 20).retry_after(LIMITS, 20.5) == 50
    assert window_with_hits(10, 20).retry_after(LIMITS, 69.9) == 1


def test_longest_wait_of_all_limits_counts() -> None:
    assert window_with_hits(10, 20, 80).retry_after(LIMITS, 81) == 10 + 3600 - 81


def test_longest_wait_names_its_limit() -> None:
    minute, hour = LIMITS
    assert window_with_hits(10).longest_wait(LIMITS, 10) == (0, None)
    assert window_with_hits(10, 20).longest_wait(LIMITS, 20) == (50, minute)
    assert window_with_hits(10, 20, 80).longest_wait(LIMITS, 81) == (10 + 3600 - 81, hour)


def test_refusing_limit_is_the_shortest_that_may_refuse_for_so_long() -> None:
    minute, hour = LIMITS
    waits = (0, 1, 60, 61, 3600, 7200)  # twice the period after a clock stepped back
    assert [refusing_limit((hour, minute), wait) for wait in waits] == [None, minute, minute, hour, hour, hour]


def test_text_of_a_limit_has_the_largest_unit() -> None:
    limits = ((3, 3600), (30, 300), (1, 90), (5, 86_400), (2, 172_800), (4, 1), (1, 7.5))
    texts = ["3/hour", "30/5min", "1/90s", "5/day", "2/2day", "4/s", "1/7.5s"]
    assert [str(RateLimit(count, seconds)) for count, seconds in limits] == texts


def test_window_keeps_only_the_timestamps_that_limits_need() -> None:
    assert window_with_hits(1, 2, 3, 4, 5).timestamps == (3, 4, 5)


def test_clock_that_stepped_back_shortens_no_wait() -> None:
    assert window_with_hits(100, 50).timestamps == (100, 100)


def test_timestamp_far_in_the_future_delays_no_caller() -> None:
    ahead = window_with_hits(10_000, 10_000)

    assert ahead.retry_after(LIMITS, 10_000 - 60) == 120
    assert ahead.retry_after(LIMITS, 10_000 - 61) == 0
    assert ahead.with_hit(LIMITS, 9000).timestamps == (9000, 9000, 9000)


def test_code_sends_are_limited_by_cooldown_hour_and_day() -> None:
    assert code_sends(90) == (RateLimit(1, 90), RateLimit(5, 3600), RateLimit(10, 86_400))


@given(st.lists(st.floats(0, 5000), max_size=12).map(sorted), st.floats(0, 5000))
def test_hit_is_accepted_after_retry_after_and_not_a_second_earlier(timestamps: list[float], later: float) -> None:
    window = window_with_hits(*timestamps)
    now = max([later, *timestamps])
    wait = window.retry_after(LIMITS, now)

    assert window.retry_after(LIMITS, now + wait) == 0
    assert wait <= 1 or window.retry_after(LIMITS, now + wait - 1) > 0
