"""New rate limiters for tests."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from secrets import token_hex
from tempfile import TemporaryDirectory

from redis import Redis
from tests.support.redis_server import any_redis

from vestibule.adapters.rate_limiter import MemoryRateLimiter, NodeRateLimiter, RedisRateLimiter
from vestibule.application.ports import RateLimiter
from vestibule.domain.rate_limits import RateLimit

PATIENCE = 10.0
"""The timeout in seconds of tests that are not about timeouts: the machine may be busy."""


class NoFallback:
    """A fallback that must not be used."""

    may_block = False

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        raise AssertionError("the store is unavailable: the fallback was called")


@contextmanager
def memory_rate_limiters() -> Iterator[Callable[[], RateLimiter]]:
    yield MemoryRateLimiter


@contextmanager
def node_rate_limiters() -> Iterator[Callable[[], RateLimiter]]:
    """Yields a function that creates a rate limiter and closes the one before."""
    current = list[NodeRateLimiter]()

    with TemporaryDirectory() as directory:

        def make() -> NodeRateLimiter:
            for rate_limiter in current:
                rate_limiter.close()
            current[:] = [NodeRateLimiter(Path(directory, token_hex(8)), NoFallback(), timeout=PATIENCE)]
            return current[0]

        try:
            yield make
        finally:
            for rate_limiter in current:
                rate_limiter.close()


@contextmanager
def redis_rate_limiters() -> Iterator[Callable[[], RateLimiter]]:
    """Yields a function that creates a rate limiter and closes the one before."""
    prefix, current = f"vestibule-test:{token_hex(8)}:", list[RedisRateLimiter]()

    with any_redis() as url:

        def make() -> RedisRateLimiter:
            for rate_limiter in current:
                rate_limiter.close()
            current[:] = [RedisRateLimiter(url, NoFallback(), prefix=f"{prefix}{token_hex(8)}:", timeout=PATIENCE)]
            return current[0]

        try:
            yield make
        finally:
            for rate_limiter in current:
                rate_limiter.close()
            clear(url, prefix)


def clear(url: str, prefix: str) -> None:
    with Redis.from_url(url) as client:
        if names := list(client.scan_iter(f"{prefix}*", count=1000)):
            client.delete(*names)
