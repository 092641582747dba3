"""Sliding windows in Redis, shared by every process that counts there.

One script looks and counts, so that nobody comes between. It keeps the rule of `SlidingWindow` digit by digit: moments are
stored as they were given, and time is that of the caller, so the clocks of the nodes must agree as well as the limits shall.
"""

import importlib
import logging
import re
from collections.abc import Callable
from hashlib import blake2b
from threading import Lock
from time import monotonic
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from ...application.ports import RateLimiter
from ...domain.rate_limits import RateLimit

if TYPE_CHECKING:
    from types import ModuleType

TIMEOUT = 0.25
"""Seconds that Redis has for one answer."""
PAUSE = 5.0
"""Seconds between two looks at a Redis that does not serve."""

_MOST_CONNECTIONS = 16
_OPTIONS = {"username", "password", "host", "port", "db", "path"}
_DATABASE = re.compile("/?|/[0-9]+")
_FORM = "must be redis://[user:password@]host[:port][/number], rediss://… or unix:///path, with special characters as %XX"

# KEYS: the window. ARGV: now, then count and seconds of each limit.
_TAKE = """
local window, now = KEYS[1], tonumber(ARGV[1])
local wait, longest, shortest, most = 0, 0, math.huge, 0
for at = 2, #ARGV, 2 do
    local count, seconds = tonumber(ARGV[at]), tonumber(ARGV[at + 1])
    local moment = redis.call('LINDEX', window, -count)
    local left = moment and seconds - (now - tonumber(moment)) or 0
    if left <= 2 * seconds then wait = math.max(wait, left) end
    longest, shortest, most = math.max(longest, seconds), math.min(shortest, seconds), math.max(most, count)
end
wait = tonumber(string.format('%.3f', wait))
if wait > 0 then return math.ceil(wait) end
local last = redis.call('LINDEX', window, -1)
if last and tonumber(last) - now > shortest then
    local kept = {}
    for at = 0, most - 1 do
        local moment = redis.call('LINDEX', window, at)
        if moment then kept[at + 1] = tonumber(moment) > now and ARGV[1] or moment end
    end
    redis.call('LTRIM', window, 1, 0)
    redis.call('RPUSH', window, unpack(kept))
    last = ARGV[1]
end
redis.call('RPUSH', window, last and tonumber(last) > now and last or ARGV[1])
redis.call('LTRIM', window, -most, -1)
-- A minute over, for clocks that do not quite agree; after it, one that was far wrong is forgotten.
redis.call('EXPIRE', window, math.ceil(longest) + 60)
return 0
"""

_log = logging.getLogger("vestibule.throttle")


class RedisRateLimiter:
    """The port `RateLimiter` for all who name the same Redis.

    While it does not serve (down, slow, or refusing), limits are those of `fallback`, and one call in `PAUSE` seconds looks
    whether it is back; the log tells of the begin and the end. A call waits `timeout` seconds at most for a connection, as long
    for connecting, and as long for an answer. Raises `ValueError`, which does not repeat the URL, where that cannot be one of
    Redis, and `ModuleNotFoundError` where redis-py is not installed.
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
        redis = _library()
        self._where, options = _read(redis, url)
        self._pool = redis.BlockingConnectionPool(
            **options,
            max_connections=_MOST_CONNECTIONS,
            timeout=timeout,
            socket_timeout=timeout,
            socket_connect_timeout=timeout,
            protocol=2,  # understood by whatever speaks Redis, without a round trip to agree on it
            driver_info=None,
        )
        self._script = redis.Redis(connection_pool=self._pool).register_script(_TAKE)
        self._fallback = fallback
        self._prefix = prefix
        self._clock = clock
        self._lock = Lock()
        self._is_lost = False
        self._look_again_at = 0.0

    def __repr__(self) -> str:
        return f"RedisRateLimiter({self._where})"

    def hit(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        with self._lock:
            was_lost = self._is_lost
            may_ask = not was_lost or self._clock() >= self._look_again_at
            if was_lost and may_ask:
                self._look_again_at = self._clock() + PAUSE
        if not may_ask:
            return self._fallback.hit(key, limits, now)
        try:
            wait = self._ask(key, limits, now)
        except Exception as error:  # noqa: BLE001 — whatever it is, limits hold, and no call fails for them
            self._lost(error)
            return self._fallback.hit(key, limits, now)
        if was_lost:
            self._found()
        return wait

    def probe(self) -> None:
        """Asks as a call would, so that the log tells of a Redis that does not serve before the first call does."""
        self.hit("probe", (RateLimit(1, 1),), 0.0)

    def close(self) -> None:
        self._pool.disconnect()

    def _ask(self, key: str, limits: tuple[RateLimit, ...], now: float) -> int:
        name = self._prefix + blake2b(key.encode(errors="surrogatepass"), digest_size=16).hexdigest()
        numbers = (repr(number) for limit in limits for number in (limit.count, limit.seconds))
        return int(self._script(keys=(name,), args=(repr(now), *numbers)))

    def _lost(self, error: Exception) -> None:
        with self._lock:
            is_new, self._is_lost = not self._is_lost, True
            self._look_again_at = self._clock() + PAUSE
        if is_new:
            # By name alone: Redis repeats in its texts what it was sent, passwords too.
            _log.warning(
                "Redis at %s does not serve (%s); until it does, each process counts limits for itself",
                self._where,
                type(error).__name__,
            )
        self._pool.disconnect(inuse_connections=False)  # after a failover they lead to the wrong server

    def _found(self) -> None:
        with self._lock:
            is_new, self._is_lost = self._is_lost, False
        if is_new:
            _log.info("Redis at %s serves again; limits are shared", self._where)


def _read(redis: "ModuleType", url: str) -> tuple[str, dict[str, Any]]:
    """Where the URL leads, without who logs in by it, and what it says to redis-py."""
    try:
        parts = urlsplit(url)
        options: dict[str, Any] = redis.connection.parse_url(url)
        kind = options.pop("connection_class", redis.Connection)
        kind(**options)  # it would complain only when it connects
    except (ValueError, TypeError, redis.RedisError):
        raise ValueError(_FORM) from None
    where = parts.netloc.rpartition("@")[2] + parts.path
    leads_somewhere = parts.path if parts.scheme == "unix" else parts.hostname and _DATABASE.fullmatch(parts.path)
    strange = {name for name in options if name not in _OPTIONS and not name.startswith("ssl_")}
    if strange or parts.fragment or not leads_somewhere:
        raise ValueError(_FORM)
    return where, {**options, "connection_class": kind}


def _library() -> "ModuleType":
    try:
        return importlib.import_module("redis")
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            "limits in Redis need an extra: pip install 'vestibule-accounts[redis]'", name=error.name
        ) from None
