"""Throttles to put to the test, each as if nothing had been counted yet."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex

from redis import Redis
from tests.support.redis_server import any_redis

from vestibule.adapters.rate_limiter import MemoryThrottle, RedisThrottle
from vestibule.application.ports import Throttle
from vestibule.domain.rate_limits import Limit

PATIENCE = 10.0
"""Seconds that Redis has where not its slowness is the matter, for the machine may be busy."""


class NoFallback:
    """Where Redis has to serve, nothing may stand in for it."""

    blocks = False

    def take(self, key: str, limits: tuple[Limit, ...], now: float) -> int:
        raise AssertionError("Redis did not serve")


@contextmanager
def memory_throttles() -> Iterator[Callable[[], Throttle]]:
    yield MemoryThrottle


@contextmanager
def redis_throttles() -> Iterator[Callable[[], Throttle]]:
    """One at a time: the next closes the one before."""
    own, made = f"vestibule-test:{token_hex(8)}:", list[RedisThrottle]()

    with any_redis() as url:

        def make() -> RedisThrottle:
            for throttle in made:
                throttle.close()
            made[:] = [RedisThrottle(url, NoFallback(), prefix=f"{own}{token_hex(8)}:", timeout=PATIENCE)]
            return made[0]

        try:
            yield make
        finally:
            for throttle in made:
                throttle.close()
            clear(url, own)


def clear(url: str, prefix: str) -> None:
    with Redis.from_url(url) as client:
        if names := list(client.scan_iter(f"{prefix}*", count=1000)):
            client.delete(*names)
