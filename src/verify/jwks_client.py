"""A caching client of a JWK set URL: one fetch at a time, in the background, and rate-limited for unknown keys."""

import asyncio
import logging
import os
import random
import re
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as FutureTimeout
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic
from weakref import WeakMethod

from .fetching import Fetch, FetchFailed, check_url, fetch
from .keys import Key, Keys, read_keys
from .refusals import Unavailable

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,10})", re.ASCII | re.IGNORECASE)
_MIN_FRESH = 30.0
_DEFAULT_FRESH = 300.0
_REFRESH_AT = 0.8
_FIRST_PAUSE, _MAX_PAUSE = 1.0, 60.0
_MAX_WAIT = 6.0

_log = logging.getLogger("vestibule.verify")
_jitter = random.Random()  # noqa: S311 — not a secret; the global generator belongs to the program


class JwksClient:
    """The JWK set at `url`: https, or http on this machine. `allow_http` permits http elsewhere, for a trusted network.

    The set is fetched on first use, or by `start`. It is fresh for as long as its `Cache-Control` says: at least 30 seconds,
    at most `max_age`, and 5 minutes without that header. A key that a fresh set lacks verifies nothing.

    After four fifths of that time the next call starts a fetch in the background. Once the set is no longer fresh, a call
    waits for the fetch, 6 seconds at most. While fetches fail, the previous set serves for `stale_if_error` seconds more, and
    the pauses between attempts grow to a minute. Unknown keys cause one fetch in `unknown_key_interval` seconds, whatever
    tokens arrive.

    Threads and event loops share one fetch, which has a thread of its own. Raises `ValueError` for any other URL.
    """

    _pending: Future[None] | None

    def __init__(
        self,
        url: str,
        *,
        max_age: float = 3600.0,
        stale_if_error: float = 3600.0,
        unknown_key_interval: float = 30.0,
        allow_http: bool = False,
        fetch: Fetch = fetch,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._url = check_url(url, allow_http=allow_http)
        self._max_age = max(_MIN_FRESH, max_age)
        self._stale_if_error = stale_if_error
        self._unknown_key_interval = unknown_key_interval
        self._get = fetch
        self._clock = clock
        self._keys: Keys = {}
        self._refresh_at = self._fresh_until = self._tried_at = self._not_before = float("-inf")
        self._failures = 0
        self._reset()
        if hasattr(os, "register_at_fork"):
            reset = WeakMethod(self._reset)
            os.register_at_fork(after_in_child=lambda: (found := reset()) and found())

    def start(self) -> None:
        """Starts a fetch and does not wait for it."""
        self._start_fetch()

    def find(self, kid: str) -> Key | None:
        pending = self._required_fetch(kid, self._clock())
        if pending is not None:
            with suppress(FutureTimeout):
                pending.result(_MAX_WAIT)
        return self._found(kid)

    async def find_async(self, kid: str) -> Key | None:
        pending = self._required_fetch(kid, self._clock())
        if pending is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(pending)), _MAX_WAIT)
        return self._found(kid)

    def _required_fetch(self, kid: str, now: float) -> "Future[None] | None":
        """Returns the fetch that the caller must wait for, if any."""
        if now < self._refresh_at and kid in self._keys:
            return None
        is_fresh = now < self._fresh_until
        if is_fresh and kid in self._keys:
            self._start_fetch()
            return None
        if is_fresh and now - self._tried_at < self._unknown_key_interval:
            return self._pending
        return self._start_fetch()

    def _found(self, kid: str) -> Key | None:
        now, key = self._clock(), self._keys.get(kid)
        if now >= self._fresh_until + (0.0 if key is None else self._stale_if_error):
            raise Unavailable
        return key

    def _start_fetch(self) -> "Future[None] | None":
        """Returns the pending fetch or a new one; None during the pause after a failed one."""
        with self._lock:
            if self._pending is None and self._clock() >= self._not_before:
                self._tried_at = self._clock()
                pending = Future[None]()
                pending.set_running_or_notify_cancel()  # so that one waiting caller cannot cancel the fetch for all others
                try:
                    Thread(target=self._fetch, args=[pending], name="vestibule-keys", daemon=True).start()
                except RuntimeError as error:  # the system has no thread left
                    self._note_failure(error)
                else:
                    self._pending = pending
            return self._pending

    def _fetch(self, pending: "Future[None]") -> None:
        try:
            response = self._get(self._url, {"Accept": "application/jwk-set+json, application/json"})
            self._keys = read_keys(response.body, self._keys)
            fresh = self._freshness(response.headers.get("cache-control", ""), response.headers.get("age", ""))
            self._note_success(self._clock(), fresh)
        except Exception as error:  # noqa: BLE001 — after any failure the previous keys go on serving
            self._note_failure(error)
        finally:
            with self._lock:
                self._pending = None
            pending.set_result(None)

    def _note_success(self, now: float, fresh: float) -> None:
        if self._failures:
            _log.info("the keys that verify tokens can be fetched again")
        self._failures = 0
        self._not_before = float("-inf")
        self._fresh_until = now + fresh
        self._refresh_at = now + fresh * _REFRESH_AT * _jitter.uniform(0.9, 1.0)

    def _note_failure(self, error: Exception) -> None:
        if self._failures == 0:
            reason = str(error) if isinstance(error, FetchFailed | ValueError) else type(error).__name__
            _log.warning("cannot fetch the keys that verify tokens: %s", reason)
        pause = min(_MAX_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10)) * _jitter.uniform(0.5, 1.0)
        self._failures += 1
        self._not_before = self._clock() + pause

    def _freshness(self, cache_control: str, age: str) -> float:
        """Returns for how many seconds the response is fresh (RFC 9111 § 4.2)."""
        directive = _MAX_AGE.search(cache_control)
        if directive is None:
            fresh = _DEFAULT_FRESH
        else:
            fresh = float(directive[1]) - (float(age) if age.isascii() and age.isdigit() else 0.0)
        return min(self._max_age, max(_MIN_FRESH, fresh))

    def _reset(self) -> None:
        """Runs in a child process after a fork as well, where the thread of the fetch does not exist."""
        self._lock = Lock()
        self._pending = None
