from dataclasses import fields

from hypothesis import given
from hypothesis import strategies as st

from vestibule.domain.rate_limits import HOUR, Limits, RateLimit, SlidingWindow, network_windows, refusing_limit

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


def test_several_hits_wait_until_all_of_them_fit() -> None:
    window = SlidingWindow("key", (1.0, 2.0))
    limits = (RateLimit(3, 60.0),)
    assert window.longest_wait(limits, 10.0) == (0, None)
    assert window.longest_wait(limits, 10.0, hits=2) == (51, limits[0])
    assert window.longest_wait(limits, 61.0, hits=2) == (0, None)


def test_more_hits_than_a_limit_has_fit_into_an_empty_window() -> None:
    """Otherwise a call that needs two could never be made."""
    limits = (RateLimit(1, 60.0),)
    assert SlidingWindow("key").longest_wait(limits, 10.0, hits=2) == (0, None)
    assert SlidingWindow("key", (1.0,)).longest_wait(limits, 10.0, hits=2) == (51, limits[0])


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


@given(st.lists(st.floats(0, 5000), max_size=12).map(sorted), st.floats(0, 5000))
def test_hit_is_accepted_after_retry_after_and_not_a_second_earlier(timestamps: list[float], later: float) -> None:
    window = window_with_hits(*timestamps)
    now = max([later, *timestamps])
    wait = window.retry_after(LIMITS, now)

    assert window.retry_after(LIMITS, now + wait) == 0
    assert wait <= 1 or window.retry_after(LIMITS, now + wait - 1) > 0


# --- large counts -----------------------------------------------------------------------------------------------------

THOUSAND = (RateLimit(1000, 3600),)
large = st.builds(RateLimit, st.integers(61, 150), st.sampled_from([60.0, 300.0]))
small = st.builds(RateLimit, st.integers(20, 60), st.sampled_from([1.0, 7.5]))
mixed_limits = st.tuples(st.lists(large, min_size=1, max_size=2), st.lists(small, max_size=1)).map(
    lambda lists: (*lists[0], *lists[1])
)
bursts = st.lists(
    st.tuples(st.sampled_from([0.2, 0.9, 1.5, 4.9, 25.0]) | st.floats(0, 10), st.integers(1, 30)), min_size=30, max_size=60
)


def seconds_left(accepted: list[float], limit: RateLimit, now: float) -> float:
    """Returns how long an exact `limit` refuses after the `accepted` hits; negative since it does not."""
    return limit.seconds - (now - accepted[-limit.count]) if limit.count <= len(accepted) else -limit.seconds


@given(mixed_limits, bursts)
def test_merged_hits_never_accept_too_many_and_refuse_a_sixtieth_too_long(
    limits: tuple[RateLimit, ...], bursts: list[tuple[float, int]]
) -> None:
    window, now, accepted = SlidingWindow("key"), 1_700_000_000.0, list[float]()
    for gap, calls in bursts:
        now += gap
        for _ in range(calls):
            wait = window.retry_after(limits, now)
            exact = [seconds_left(accepted, limit, now) for limit in limits]
            longest = max(
                left + (limit.seconds / 60 if limit.count > 60 else 0) for limit, left in zip(limits, exact, strict=True)
            )
            assert max(exact) - 0.001 <= wait <= max(longest + 1.001, 0)
            if wait:
                now += wait
                assert window.retry_after(limits, now) == 0
                break
            window = window.with_hit(limits, now)
            accepted.append(now)
    for limit in limits:
        assert all(
            later - earlier > limit.seconds - 0.001 for earlier, later in zip(accepted, accepted[limit.count :], strict=False)
        )


def test_window_of_a_thousand_hits_keeps_few_timestamps() -> None:
    window, accepted = SlidingWindow("key"), 0
    for second in range(0, 4 * 3600, 2):
        if window.retry_after(THOUSAND, second) == 0:
            window, accepted = window.with_hit(THOUSAND, second), accepted + 1
        assert len(window.timestamps) <= 60 + 61
    assert 3900 <= accepted <= 4000


def test_sixty_hits_are_exact_before_and_after_they_are_merged() -> None:
    limits = (RateLimit(60, 60), RateLimit(61, 3600))
    window = SlidingWindow("key")
    for number in range(61):
        window = window.with_hit(limits, number / 1000)
    assert window.counts == ()
    assert window.longest_wait(limits, 0.06) == (3600, limits[1])
    window = window.with_hit(limits, 3601)
    assert window.counts == ()
    assert len(window.timestamps) == 60


def test_merged_hits_expire_together_and_not_early() -> None:
    limits = (RateLimit(62, 600),)
    window = SlidingWindow("key")
    for second in (1, 2, *[8] * 60):
        window = window.with_hit(limits, second)
    assert (window.timestamps[:2], window.counts) == ((2, 8), (2,))
    assert (window.retry_after(limits, 600), window.retry_after(limits, 602)) == (2, 0)


def test_clock_that_stepped_back_keeps_the_numbers_of_merged_hits() -> None:
    window = SlidingWindow("key")
    for _ in range(100):
        window = window.with_hit(THOUSAND, 10_000)
    window = window.with_hit(THOUSAND, 50)
    assert (set(window.timestamps), window.hits) == ({50}, 101)


# --- networks ---------------------------------------------------------------------------------------------------------


def test_site_of_ipv6_has_sixteen_times_the_limit_of_a_network() -> None:
    assert network_windows("calls", "192.0.2.1", LIMITS) == (("calls:192.0.2.1", LIMITS),)
    assert network_windows("calls", "unknown", LIMITS) == (("calls:unknown", LIMITS),)
    assert network_windows("calls", "2001:db8:1:2::/64", LIMITS) == (
        ("calls:2001:db8:1:2::/64", LIMITS),
        ("calls:2001:db8:1::/48", (RateLimit(32, 60), RateLimit(48, 3600))),
    )


def test_limits_at_their_default_are_lifted_for_development_but_those_of_a_codes_guesses() -> None:
    changed = (RateLimit(7, HOUR),)
    lifted = Limits(exports_per_account=changed).lifted()
    assert lifted.wrong_codes_per_code == Limits().wrong_codes_per_code
    assert lifted.exports_per_account == changed
    others = [limit for limit in fields(Limits) if limit.name not in {"wrong_codes_per_code", "exports_per_account"}]
    for limit in others:
        value = getattr(lifted, limit.name)
        assert (value if isinstance(value, int) else value[0].count) >= 100_000
