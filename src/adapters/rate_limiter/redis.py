"""Sliding windows in Redis, shared by all processes that use the same Redis.

One script checks and counts atomically, by the rule of `SlidingWindow` to the last digit. Timestamps are stored as given, by
the caller's clock: the limits are as accurate as the clocks of the nodes agree.
"""

import logging
import re
from collections.abc import Callable
from hashlib import blake2b
from time import monotonic, time
from typing import Any, NamedTuple
from urllib.parse import urlsplit

from ...application.ports import RateLimiter
from ...domain.errors import Unavailable
from ...domain.rate_limits import RateLimit, RateLimits
from ..availability import Availability
from ..extras import import_extra
from .shared import SharedRateLimiter

TIMEOUT = 0.25
"""Seconds for one answer."""

_MAX_CONNECTIONS = 16
_OPTIONS = {"username", "password", "host", "port", "db", "path"}
_DATABASE = re.compile("/?|/[0-9]+")
_FORM = "must be redis://[user:password@]host[:port][/number], rediss://… or unix:///path, with special characters as %XX"

# KEYS: the window. ARGV: now, then count and seconds of each limit.
_HIT = """
local window, now = KEYS[1], tonumber(ARGV[1])
local wait, longest, shortest, largest = 0, 0, math.huge, 0
for at = 2, #ARGV, 2 do
    local count, seconds = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local timestamp = redis.call('LINDEX', window, -count)
    local left = timestamp and seconds - (now - tonumber(timestamp)) or 0
    if left <= 2 * seconds then wait = math.max(wait, left) end
    longest, shortest, largest = math.max(longest, seconds), math.min(shortest, seconds), math.max(largest, count)
end
wait = tonumber(string.format('%.3f', wait))
if wait > 0 then return math.ceil(wait) end
local last = redis.call('LINDEX', window, -1)
if last and tonumber(last) - now > shortest then
    local kept = {}
    for at = 0, largest - 1 do
        local timestamp = redis.call('LINDEX', window, at)
        if timestamp then kept[at + 1] = tonumber(timestamp) > now and ARGV[1] or timestamp end
    end
    redis.call('LTRIM', window, 1, 0)
    redis.call('RPUSH', window, unpack(kept))
    last = ARGV[1]
end
redis.call('RPUSH', window, last and tonumber(last) > now and last or ARGV[1])
redis.call('LTRIM', window, -largest, -1)
-- A minute more, for clocks that differ slightly; a timestamp of a clock that was far ahead does not stay for ever.
redis.call('EXPIRE', window, math.ceil(longest) + 60)
return 0
"""

_log = logging.getLogger("vestibule.rate_limiter")


class RedisFacts(NamedTuple):
    """The server's address without credentials, its version, its policy where memory ends, and its clock; None: not told."""

    where: str
    version: str | None
    eviction: str | None
    time: float | None


class RedisRateLimiter(SharedRateLimiter):
    """A `RateLimiter` that is shared by all processes with the same Redis URL.

    While Redis is unavailable (down, slow, or refusing), `fallback` applies the limits, and one call in `RETRY_SECONDS` tries
    Redis again; begin and end of the outage are logged. A call waits at most `timeout` seconds for a free connection, as long
    for connecting, and as long for the answer. Raises `ValueError`, without the URL, for one that does not name a Redis, and
    `ModuleNotFoundError` if redis-py is not installed.
    """

    may_block = True

    def __init__(
        self,
        url: str,
        fallback: RateLimiter,
        *,
        prefix: str = "vestibule:limit:",
        timeout: float = TIMEOUT,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        redis = import_extra("redis", "redis", "rate limits in Redis need")
        self._redis = redis
        self._where, self._options = _read(redis, url)
        self._timeout = timeout
        self._prefix = prefix
        availability = Availability(_log, f"Redis at {self._where}", "each process applies the rate limits by itself")
        super().__init__(fallback, availability, clock)

    def __repr__(self) -> str:
        return f"RedisRateLimiter({self._where})"

    def renew(self) -> None:
        super().renew()
        self._pool = self._redis.BlockingConnectionPool(
            **self._options,
            max_connections=_MAX_CONNECTIONS,
            timeout=self._timeout,
            socket_timeout=self._timeout,
            socket_connect_timeout=self._timeout,
            protocol=2,  # every server and proxy supports it, without a round trip to negotiate
            driver_info=None,
        )
        self._script = self._redis.Redis(connection_pool=self._pool).register_script(_HIT)

    def probe(self) -> None:
        """Calls Redis, so that an outage is logged before the first request finds it."""
        self.hit("probe", (RateLimit(1, 1),), 0.0)

    def inspect(self) -> RedisFacts:
        """Counts once, as a call does, and asks for what the operator has to know. Raises `Unavailable`, from its cause."""
        try:
            client = self._redis.Redis(connection_pool=self._pool)
            self._hit("inspection", (RateLimit(1000, 1),), time())
            try:
                seconds, microseconds = client.time()
                facts = client.info()
            except self._redis.exceptions.NoPermissionError:  # a user that may run the script alone is enough
                return RedisFacts(self._where, None, None, None)
        except (self._redis.RedisError, OSError) as error:
            raise Unavailable from error
        return RedisFacts(self._where, facts.get("redis_version"), facts.get("maxmemory_policy"), seconds + microseconds / 1e6)

    def close(self) -> None:
        self._pool.disconnect()

    def _disconnect(self) -> None:
        self._pool.disconnect(inuse_connections=False)  # after a failover they lead to the wrong server

    def _hit(self, key: str, limits: RateLimits, now: float) -> int:
        name = self._prefix + blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()
        numbers = (repr(number) for limit in limits for number in (limit.count, limit.seconds))
        return int(self._script(keys=(name,), args=(repr(now), *numbers)))


def _read(redis: Any, url: str) -> tuple[str, dict[str, Any]]:
    """Returns the server's address without credentials, and the options for redis-py."""
    try:
        parts = urlsplit(url)
        options: dict[str, Any] = redis.connection.parse_url(url)
        connection_class = options.pop("connection_class", redis.Connection)
        connection_class(**options)  # raises for invalid options now and not at the first call
    except (ValueError, TypeError, redis.RedisError):
        raise ValueError(_FORM) from None
    where = parts.netloc.rpartition("@")[2] + parts.path
    has_server = parts.path if parts.scheme == "unix" else parts.hostname and _DATABASE.fullmatch(parts.path)
    unknown = {name for name in options if name not in _OPTIONS and not name.startswith("ssl_")}
    if unknown or parts.fragment or not has_server:
        raise ValueError(_FORM)
    return where, {**options, "connection_class": connection_class}
