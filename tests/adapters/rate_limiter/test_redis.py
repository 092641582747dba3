"""Promises of rate limits in Redis beyond the port: shared by nodes, and in force when Redis fails."""

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
from tests.support.redis_server import FakeServer, RedisServer

from vestibule.adapters.rate_limiter import MemoryRateLimiter, RedisRateLimiter
from vestibule.adapters.rate_limiter.shared import RETRY_SECONDS
from vestibule.application.ports import RateLimiter
from vestibule.domain.rate_limits import RateLimit, SlidingWindow

NOW = 1_700_000_000.0
MINUTE = (RateLimit(3, 60),)
SECRET = "s3cret/p@ss"


class ManualClock:
    """A clock that a test advances."""

    def __init__(self) -> None:
        self.now = 5000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def fake() -> Iterator[FakeServer]:
    with closing(FakeServer()) as fake:
        yield fake


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture
def redis(running: RedisServer) -> RedisServer:
    """An empty Redis."""
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
    rate_limiter = RedisRateLimiter(url, NoFallback() if fallback is None else fallback, clock=clock, timeout=timeout)
    try:
        yield rate_limiter
    finally:
        rate_limiter.close()


def wait_until_alone(client: Redis) -> None:
    """Waits until no other client is connected: Redis notices closed connections with a delay."""
    deadline = monotonic() + 10
    while len(client.client_list()) > 1:
        assert monotonic() < deadline


# --- sharing ----------------------------------------------------------------------------------------------------------


def test_two_nodes_share_a_limit(redis: RedisServer) -> None:
    with open_rate_limiter(redis.url) as first, open_rate_limiter(redis.url) as second:
        assert [first.hit("a", MINUTE, NOW), second.hit("a", MINUTE, NOW + 1), first.hit("a", MINUTE, NOW + 2)] == [0, 0, 0]
        assert [first.hit("a", MINUTE, NOW + 20), second.hit("a", MINUTE, NOW + 20)] == [40, 40]


def test_threads_of_two_nodes_never_exceed_the_limit(redis: RedisServer) -> None:
    limits, start = (RateLimit(100, 60),), Barrier(16)

    with open_rate_limiter(redis.url) as first, open_rate_limiter(redis.url) as second, ThreadPoolExecutor(16) as pool:

        def hit_many(node: RedisRateLimiter) -> int:
            start.wait()
            return sum(node.hit("a", limits, NOW) == 0 for _ in range(20))

        assert sum(pool.map(hit_many, [first, second] * 8)) == 100


def test_at_most_16_connections_are_open_and_none_after_close(redis: RedisServer) -> None:
    start = Barrier(64)

    with open_rate_limiter(redis.url) as rate_limiter, ThreadPoolExecutor(64) as pool, Redis.from_url(redis.url) as client:

        def hit_many(number: int) -> None:
            start.wait()
            for _ in range(5):
                rate_limiter.hit(str(number), MINUTE, NOW)

        list(pool.map(hit_many, range(64)))
        assert 1 <= len(client.client_list()) - 1 <= 16

        rate_limiter.close()
        wait_until_alone(client)


limit = st.builds(RateLimit, st.integers(1, 5), st.sampled_from([0.5, 7.5, 60.0, 3600.0]) | st.floats(0.001, 100_000))
steps = st.lists(st.tuples(st.sampled_from("abc"), st.floats(-70, 70) | st.sampled_from([60.0, 3600.0])), max_size=40)


@settings(max_examples=100, deadline=None)
@example(limits=(RateLimit(2, 60),), steps=[("a", 0), ("a", -30), ("a", 90), ("a", -20)], start=NOW)
@example(limits=(RateLimit(1, 0.0625),), steps=[("a", 0), ("a", 0.0605), ("a", 0.0615)], start=0)
@given(limits=st.lists(limit, min_size=1, max_size=3).map(tuple), steps=steps, start=st.floats(0, 4e9))
def test_redis_agrees_with_sliding_window_to_the_last_digit(
    running: RedisServer, limits: tuple[RateLimit, ...], steps: list[tuple[str, float]], start: float
) -> None:
    windows, now = {key: SlidingWindow(key) for key in "abc"}, start
    with Redis.from_url(running.url) as client:
        client.flushall()
    with open_rate_limiter(running.url) as rate_limiter:
        for key, step in steps:
            now += step
            wait = windows[key].retry_after(limits, now)
            if wait == 0:
                windows[key] = windows[key].with_hit(limits, now)
            assert rate_limiter.hit(key, limits, now) == wait


# --- stored entries ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["call:198.51.100.7", "call:" + "x" * 10_000, "call:\0\udc80 é\r\n", ""])
def test_key_is_hashed_bounded_and_expires(redis: RedisServer, key: str) -> None:
    with open_rate_limiter(redis.url) as rate_limiter, Redis.from_url(redis.url) as client:
        for second in range(10):
            assert rate_limiter.hit(key, (RateLimit(2, 1), RateLimit(5, 8)), NOW + 2 * second) == 0
        (name,) = client.keys()

        assert name.startswith(b"vestibule:")
        assert len(name) < 64
        assert b"198.51" not in name
        assert client.llen(name) == 5
        assert 8 < client.ttl(name) <= 8 + 60


def test_script_is_loaded_again_after_script_flush(redis: RedisServer) -> None:
    with open_rate_limiter(redis.url) as rate_limiter, Redis.from_url(redis.url) as client:
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
        client.script_flush()
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(3)] == [0, 0, 60]


# --- outages ----------------------------------------------------------------------------------------------------------


def test_fallback_limits_while_redis_is_down(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
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
        assert rate_limiter.hit("c", MINUTE, NOW) == 0, "Redis is not tried again yet"
        with Redis.from_url(redis.url) as client:
            assert client.dbsize() == 0
            clock.now += RETRY_SECONDS
            assert rate_limiter.hit("c", MINUTE, NOW) == 0
            assert client.dbsize() == 1
        assert [rate_limiter.hit("c", MINUTE, NOW) for _ in range(3)] == [0, 0, 60]
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 2

        redis.kill()
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
        assert [record.levelname for record in caplog.records] == ["WARNING"] * 3, "each outage is logged"


def test_connections_broken_while_idle_are_no_outage(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_rate_limiter(redis.url) as rate_limiter, Redis.from_url(redis.url) as client:
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
        client.client_kill_filter(_type="normal", skipme=True)
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
    assert not caplog.records


def test_hanging_redis_delays_only_one_call(fake: FakeServer) -> None:
    clock = ManualClock()
    with open_rate_limiter(fake.url, MemoryRateLimiter(), clock=clock, timeout=0.05) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(100)] == [0, 0, 0] + [60] * 97
        assert fake.connections == 1
        clock.now += RETRY_SECONDS
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(100)] == [60] * 100
        assert fake.connections == 2


def test_only_one_concurrent_call_retries_redis(fake: FakeServer) -> None:
    clock, start = ManualClock(), Barrier(16)
    with (
        open_rate_limiter(fake.url, MemoryRateLimiter(), clock=clock, timeout=0.2) as rate_limiter,
        ThreadPoolExecutor(16) as pool,
    ):
        rate_limiter.probe()
        clock.now += RETRY_SECONDS

        def hit_many(_: int) -> int:
            start.wait()
            return rate_limiter.hit("a", MINUTE, NOW)

        assert sorted(pool.map(hit_many, range(16))) == [0, 0, 0] + [60] * 13
        assert fake.connections == 2


def test_default_timeout_is_a_quarter_of_a_second(fake: FakeServer) -> None:
    with closing(RedisRateLimiter(fake.url, MemoryRateLimiter())) as rate_limiter:
        began = monotonic()
        assert rate_limiter.hit("a", MINUTE, NOW) == 0
        assert 0.2 < monotonic() - began < 2, "longer on a busy machine; the default of redis-py is five seconds"


def test_limits_hold_when_redis_is_full(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    with open_rate_limiter(redis.url, MemoryRateLimiter()) as rate_limiter, Redis.from_url(redis.url) as client:
        client.config_set("maxmemory", 1)
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]
    assert "OutOfMemoryError" in caplog.text


def test_connections_are_dropped_after_a_failover(redis: RedisServer) -> None:
    clock = ManualClock()
    with open_rate_limiter(redis.url, MemoryRateLimiter(), clock=clock) as rate_limiter, Redis.from_url(redis.url) as client:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(3)] == [0, 0, 0]
        client.replicaof("127.0.0.1", "1")
        assert rate_limiter.hit("b", MINUTE, NOW) == 0
        wait_until_alone(client)
        client.replicaof("no", "one")
        clock.now += RETRY_SECONDS
        assert rate_limiter.hit("a", MINUTE, NOW) == 60


def test_old_redis_protocol_is_supported(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--rename-command", "HELLO", "") as redis, open_rate_limiter(redis.url) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]


@pytest.mark.parametrize(
    "answer", [b":-1x\r\n", b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-1\r\n", b"*0\r\n", b"\xff\0", b"+OK\r\n"]
)
def test_limits_hold_if_the_server_is_no_redis(answer: bytes) -> None:
    with closing(FakeServer(answer)) as fake, open_rate_limiter(fake.url, MemoryRateLimiter(), timeout=0.1) as rate_limiter:
        assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]


# --- passwords --------------------------------------------------------------------------------------------------------


def test_redis_with_a_password_is_used(tmp_path: Path) -> None:
    with RedisServer(tmp_path, "--requirepass", SECRET) as redis:
        url = redis.url.replace("//", f"//:{quote(SECRET, safe='')}@")
        with open_rate_limiter(url) as rate_limiter:
            assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]


def test_wrong_password_is_logged_as_outage_and_not_repeated(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with RedisServer(tmp_path, "--requirepass", "another") as redis:
        url = redis.url.replace("//", f"//user:{quote(SECRET, safe='')}@")
        with open_rate_limiter(url, MemoryRateLimiter()) as rate_limiter:
            assert [rate_limiter.hit("a", MINUTE, NOW) for _ in range(4)] == [0, 0, 0, 60]
    (record,) = caplog.records
    assert f"127.0.0.1:{redis.port}" in record.getMessage()
    assert "AuthenticationError" in record.getMessage()
    assert SECRET not in caplog.text


def test_password_in_an_error_of_redis_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    answer = f"-ERR unknown command 'AUTH', with args beginning with: '{SECRET}'\r\n".encode()
    with closing(FakeServer(answer)) as fake:
        url = fake.url.replace("//", f"//:{quote(SECRET, safe='')}@")
        with open_rate_limiter(url, MemoryRateLimiter(), timeout=0.1) as rate_limiter:
            assert rate_limiter.hit("a", MINUTE, NOW) == 0
            assert SECRET not in repr(rate_limiter)
            assert quote(SECRET, safe="") not in repr(rate_limiter)
    assert len(caplog.records) == 1
    assert SECRET not in caplog.text


# --- configuration ------------------------------------------------------------------------------------------------------


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
def test_invalid_redis_url_is_rejected_and_not_repeated(url: str) -> None:
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
def test_repr_shows_the_server_without_credentials(url: str, where: str) -> None:
    assert repr(RedisRateLimiter(url, NoFallback())) == f"RedisRateLimiter({where})"


def test_missing_redis_py_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "redis", None)
    with pytest.raises(ModuleNotFoundError, match=r"pip install 'vestibule-accounts\[redis\]'"):
        RedisRateLimiter("redis://host", NoFallback())
