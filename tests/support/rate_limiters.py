"""Throttles to put to the test, each as if nothing had been counted yet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex

from redis import Redis
from tests.support.redis_server import any_redis

from vestibule.adapters.rate_limiter import MemoryRateLimiter, RedisRateLimiter
from vestibule.application.ports import RateLimiter
from vestibule.domain.rate_limits import RateLimit

PATIENCE = 10.0
"""Seconds that Redis has where not its slowness is the matter, for the machine may be busy."""


class NoFallback:
    """Where Redis has to serve, nothing may stand in for it."""

    may_block = False

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        raise AssertionError("Redis did not serve")


@contextmanager
def memory_rate_limiters() -> Iterator[Callable[[], RateLimiter]]:
    yield MemoryRateLimiter


@contextmanager
def redis_rate_limiters() -> Iterator[Callable[[], RateLimiter]]:
    """One at a time: the next closes the one before."""
    own, made = f"vestibule-test:{token_hex(8)}:", list[RedisRateLimiter]()

    with any_redis() as url:

        def make() -> RedisRateLimiter:
            for rate_limiter in made:
                rate_limiter.close()
            made[:] = [RedisRateLimiter(url, NoFallback(), prefix=f"{own}{token_hex(8)}:", timeout=PATIENCE)]
            return made[0]

        try:
            yield make
        finally:
            for rate_limiter in made:
                rate_limiter.close()
            clear(url, own)


def clear(url: str, prefix: str) -> None:
    with Redis.from_url(url) as client:
        if names := list(client.scan_iter(f"{prefix}*", count=1000)):
            client.delete(*names)
