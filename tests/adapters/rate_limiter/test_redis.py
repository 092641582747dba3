"""What limits in Redis promise beyond their port: shared by nodes, and limits all the same where Redis fails."""

import logging
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from threading import Barrier
from time import monotonic
from traceback import format_exception
from urllib.parse import quote

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from redis import Redis
from tests.support.rate_limiters import PATIENCE, NoFallback
from tests.support.redis_server import RedisServer, Stranger

from vestibule.adapters.rate_limiter import MemoryRateLimiter, RedisRateLimiter
from vestibule.adapters.rate_limiter.redis import RETRY_SECONDS
from vestibule.application.ports import RateLimiter
from vestibule.domain.rate_limits import RateLimit, SlidingWindow

NOW = 1_700_000_000.0
MINUTE = (RateLimit(3, 60),)
SECRET = "s3cret/p@ss"


class ManualClock:
    """Seconds that pass when told to."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def stranger() -> Iterator[Stranger]:
    with closing(Stranger()) as stranger:
        yield stranger


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(running: RedisServer) -> RedisServer:
    """A Redis of our own, empty."""
    if running.process.poll() is not None:
        running.start()
    with Redis.from_url(running.url) as client:
        client.replicaof("no", "one")
        client.config_set("maxmemory", 0)
        client.flushall()
    return running


@contextmanager
def open_rate_limiter(
    url: str, fallback: RateLimiter | None = None, *, clock: Callable[[], float] = monotonic, timeout: float = PATIENCE
) -> Iterator[RedisRateLimiter]:
    standing_in = NoFallback() if fallback is None else fallback
    rate_limiter = RedisRateLimiter(url, standing_in, clock=clock, timeout=timeout)
    try:
        yield rate_limiter
    finally:
        rate_limiter.close()


def wait_until_alone(client: Redis) -> None:
    """Until no other is connected, for Redis learns of it in its own time."""
    deadline = monotonic() + 10
    while len(client.client_list()) > 1:
        assert monotonic() < deadline


# --- sharing ----------------------------------------------------------------------------------------------------------


def test_two_nodes_share_a_limit(redis: RedisServer) -> None:
    with open_rate_limiter(redis.url) as one, open_rate_limiter(redis.url) as other:
        assert [one.hit("a", MINUTE, NOW), other.hit("a", MINUTE, NOW + 1), one.hit("a", MINUTE, NOW + 2)] == [0, 0, 0]
        assert [one.hit("a", MINUTE, NOW + 20), other.hit("a", MINUTE, NOW + 20)] == [40, 40]


def test_of_many_threads_of_two_nodes_exactly_as_many_pass_as_the_limit_says(redis: RedisServer) -> None:
    limits, start = (RateLimit(100, 60),), Barrier(16)

    with open_rate_limiter(redis.url) as one, open_rate_limiter(redis.url) as other, ThreadPoolExecutor(16) as pool:

        def storm(node: RedisRateLimiter) -> int:
            start.wait()
            return sum(node.hit("a", limits, NOW) == 0 for _ in range(20))

        assert sum(pool.map(storm, [one, other] * 8)) == 100


def test_no_more_than_16_connections_are_held_and_none_when_closed(redis: RedisServer) -> None:
    start = Barrier(64)

    with open_rate_limiter(redis.url) as rate_limiter, ThreadPoolExecutor(64) as pool, Redis.from_url(redis.url) as client:

        def storm(number: int) -> None:
            start.wait()
            for _ in range(5):
                rate_limiter.hit(str(number), MINUTE, NOW)

        list(pool.map(storm, range(64)))
        assert 1 <= len(client.client_list()) - 1 <= 16

        rate_limiter.close()
        wait_until_alone(client)


limit = st.builds(RateLimit, st.integers(1, 5), st.sampled_from([0.5, 7.5, 60.0, 3600.0]) | st.floats(0.001, 100_000))
steps = st.lists(st.tuples(st.sampled_from("abc"), st.floats(-70, 70) | st.sampled_from([60.0, 3600.0])), max_size=40)


@settings(max_examples=100, deadline=None)
@example(limits=(RateLimit(2, 60),), steps=[("a", 0), ("a", -30), ("a", 90), ("a", -20)], start=NOW)
@example(limits=(RateLimit(1, 0.0625),), steps=[("a", 0), ("a", 0.0605), ("a", 0.0615)], start=0)
@given(limits=st.lists(limit, min_size=1, max_size=3).map(tuple), steps=steps, start=st.floats(0, 4e9))
def test_it_counts_as_a_tally_does_digit_by_digit_whichever_way_the_clock_steps(
    running: RedisServer, limits: tuple[RateLimit, ...], steps: list[tuple[str, float]], start: float
) -> None:
    tallies, now = {key: SlidingWindow(key) for key in "abc"}, start
    with Redis.from_url(running.url) as client:
        client.flushall()
    with open_rate_limiter(running.url) as rate_limiter:
        for key, step in steps:
            now += step
            wait = tallies[key].retry_after(limits, now)
            if wait == 0:
                tallies[key] = tallies[key].hit(limits, now)
            assert rate_limiter.hit(key, limits, now) == wait


# --- what is kept -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["call:198.51.100.7", "call:" + "x" * 10_000, "call:\0\udc80 é\r\n", ""])
def test_what_is_kept_is_short_anonymous_and_gone_when_no_limit_asks_for_it(redis: RedisServer, key: str) -> None:
    with open_rate_limiter(redis.url) as rate_limiter, Redis.from_url(redis.url) as client:
        for second in range(10):
            assert rate_limiter.hit(key, (RateLimit(2, 1), RateLimit(5, 8)), NOW + 2 * second) == 0
        (name,) = client.keys()

        assert name.startswith(b"vestibule:")
        assert len(name) < 64
        assert b"198.51" not in name
        assert client.llen(name) == 5
        assert 8 < client.ttl(name) <= 8 + 60


def test_a_redis_that_forgot_the_script_is_told_it_again(redis: RedisServer) -> None:
    with open_rate_limiter(redis.url) as rate_limiter, Redis.from_url(redis.url) as client:
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
        client.script_flush()
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(3)] == [0, 0, 60]


# --- faults -----------------------------------------------------------------------------------------------------------


def test_when_redis_dies_limits_go_on_for_each_process_and_are_shared_again_when_it_is_back(
    redis: RedisServer, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    clock = ManualClock()
    with open_rate_limiter(redis.url, MemoryRateLimiter(), clock=clock) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]

        redis.kill()
        assert [rate_limiter.hit("b", MINUTE, NOW) for _ in range(5)] == [0, 0, 0, 60, 60]
        clock.now += RETRY_SECONDS
        assert rate_limiter.hit("b", MINUTE, NOW) == 60
        assert [record.levelname for record in caplog.records] == ["WARNING"]

        redis.start()
        assert rate_limiter.hit("c", MINUTE, NOW) == 0, "nobody has looked yet"
        with Redis.from_url(redis.url) as client:
            assert client.dbsize() == 0
            clock.now += RETRY_SECONDS
            assert rate_limiter.hit("c", MINUTE, NOW) == 0
            assert client.dbsize() == 1
        assert [rate_limiter.hit("c", MINUTE, NOW) for _ in range(3)] == [0, 0, 60]
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 2

        redis.kill()
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 3, "a new outage is told anew"


def test_connections_that_broke_while_idle_are_no_outage(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_rate_limiter(redis.url) as rate_limiter, Redis.from_url(redis.url) as client:
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
        client.client_kill_filter(_type="normal", skipme=True)
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
    assert not caplog.records


def test_a_redis_that_hangs_costs_one_call_its_patience_and_no_other(stranger: Stranger) -> None:
    clock = ManualClock()
    with open_rate_limiter(stranger.url, MemoryRateLimiter(), clock=clock, timeout=0.05) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(100)] == [0, 0, 0] + [60] * 97
        assert stranger.visits == 1
        clock.now += RETRY_SECONDS
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(100)] == [60] * 100
        assert stranger.visits == 2


def test_of_many_calls_at_once_one_looks_whether_redis_is_back(stranger: Stranger) -> None:
    clock, start = ManualClock(), Barrier(16)
    with (
        open_rate_limiter(stranger.url, MemoryRateLimiter(), clock=clock, timeout=0.2) as rate_limiter,
        ThreadPoolExecutor(16) as pool,
    ):
        rate_limiter.probe()
        clock.now += RETRY_SECONDS

        def storm(_: int) -> int:
            start.wait()
            return rate_limiter.hit("a", MINUTE, NOW)

        assert sorted(pool.map(storm, range(16))) == [0, 0, 0] + [60] * 13
        assert stranger.visits == 2


def test_unless_told_otherwise_a_redis_that_hangs_is_waited_for_a_quarter_of_a_second(stranger: Stranger) -> None:
    with closing(RedisRateLimiter(stranger.url, MemoryRateLimiter())) as rate_limiter:
        began = monotonic()
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
        assert 0.2 < monotonic() - began < 2, "a quarter, and what a busy machine adds; redis-py would wait for five seconds"


def test_a_redis_that_is_full_takes_no_limit_away(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_rate_limiter(redis.url, MemoryRateLimiter()) as rate_limiter, Redis.from_url(redis.url) as client:
        client.config_set("maxmemory", 1)
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]
    assert "OutOfMemoryError" in caplog.text


def test_after_a_failover_no_connection_is_kept_to_what_is_now_a_replica(redis: RedisServer) -> None:
    clock = ManualClock()
    with open_rate_limiter(redis.url, MemoryRateLimiter(), clock=clock) as rate_limiter, Redis.from_url(redis.url) as client:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(3)] == [0, 0, 0]
        client.replicaof("127.0.0.1", "1")
        assert rate_limiter.hit("b", MINUTE, NOW) == 0
        wait_until_alone(client)
        client.replicaof("no", "one")
        clock.now += RETRY_SECONDS
        assert rate_limiter.hit("a", MINUTE, NOW) == 60


def test_a_server_that_knows_no_newer_protocol_serves(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--rename-command", "HELLO", "") as redis, open_rate_limiter(redis.url) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]


@pytest.mark.parametrize(
    "answer", [b":-1x\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-1\r\n", b"*0\r\n", b"\xff\0", b"+OK\r\n"]
)
def test_whatever_stands_where_redis_should_limits_hold(answer: bytes) -> None:
    with (
        closing(Stranger(answer)) as stranger,
        open_rate_limiter(stranger.url, MemoryRateLimiter(), timeout=0.1) as rate_limiter,
    ):
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]


# --- passwords --------------------------------------------------------------------------------------------------------


def test_a_password_opens_a_redis_that_has_one(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--requirepass", SECRET) as redis:
        url = redis.url.replace("//", f"//:{quote(SECRET, safe='')}@")
        with open_rate_limiter(url) as rate_limiter:
            assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]


def test_a_wrong_password_is_an_outage_that_the_log_names_and_does_not_repeat(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    with RedisServer(tmp_path, "--requirepass", "another") as redis:
        url = redis.url.replace("//", f"//somebody:{quote(SECRET, safe='')}@")
        with open_rate_limiter(url, MemoryRateLimiter()) as rate_limiter:
            assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]
    (record,) = caplog.records
    assert f"127.0.0.1:{redis.port}" in record.getMessage()
    assert "AuthenticationError" in record.getMessage()
    assert SECRET not in caplog.text


def test_a_password_that_redis_repeats_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer = f"-ERR unknown command 'AUTH', with args beginning with: '{SECRET}'\r\n".encode()
    with closing(Stranger(answer)) as stranger:
        url = stranger.url.replace("//", f"//:{quote(SECRET, safe='')}@")
        with open_rate_limiter(url, MemoryRateLimiter(), timeout=0.1) as rate_limiter:
            assert rate_limiter.hit("a", MINUTE, NOW) == 0
            assert SECRET not in repr(rate_limiter)
            assert quote(SECRET, safe="") not in repr(rate_limiter)
    assert len(caplog.records) == 1
    assert SECRET not in caplog.text


# --- what is refused --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "url",
    [
        "redis:",
        "redis://",
        "redis://:secret@",
        "redis://:sec/ret@host",
        "redis://user:12/secret@host",
        "redis://user:12#secret@host",
        "redis://host:secret",
        "redis://host:70000",
        "redis://host/secret",
        "redis://host?socket_timeout=60",
        "redis://host?db=secret",
        "redis://host?ssl_ca_certs=secret",
        "rediss://host?ssl_cert_reqs=secret",
        "rediss://host?ssl_secret=1",
        "rediss://[secret",
        "unix://",
        "http://secret",
    ],
)
def test_a_url_that_leads_to_no_redis_is_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(ValueError, match="must be redis://") as refusal:
        RedisRateLimiter(url, NoFallback())
    assert "secret" not in "".join(format_exception(refusal.value))


@pytest.mark.parametrize(
    ("url", "where"),
    [
        ("redis://host", "host"),
        ("redis://user:secret@host:7000/3", "host:7000/3"),
        ("rediss://:secret@[::1]?ssl_cert_reqs=none", "[::1]"),
        ("unix:///run/redis.sock?db=2&password=secret", "/run/redis.sock"),
    ],
)
def test_a_rate_limiter_shows_where_it_leads_and_no_more(url: str, where: str) -> None:
    assert repr(RedisRateLimiter(url, NoFallback())) == f"RedisRateLimiter({where})"


def test_where_redis_py_is_not_installed_it_is_told_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'vestibule-accounts\[redis\]'"):
        RedisRateLimiter("redis://host", NoFallback())
