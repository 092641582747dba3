"""A caching client of a JWK set URL: one fetch at a time, in the background, and rate-limited for unknown keys."""

import asyncio
import re
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from threading import Thread
from time import monotonic

from jwt import PyJWK

from .background import BackgroundClient, jitter
from .fetching import Fetch, fetch
from .keys import Keys, read_keys
from .refusals import Unavailable

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,10})", re.ASCII | re.IGNORECASE)
_MIN_FRESH = 30.0
_DEFAULT_FRESH = 300.0
_REFRESH_AT = 0.8
_FIRST_PAUSE, _MAX_PAUSE = 1.0, 60.0
_MAX_WAIT = 6.0


class JwksClient(BackgroundClient):
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
        headers = {"Accept": "application/jwk-set+json, application/json"}
        subject = "the keys that verify tokens"
        super().__init__(url, headers, subject=subject, allow_http=allow_http, fetch=fetch, clock=clock)
        self._max_age = max(_MIN_FRESH, max_age)
        self._stale_if_error = stale_if_error
        self._unknown_key_interval = unknown_key_interval
        self._keys: Keys = {}
        self._refresh_at = self._fresh_until = self._tried_at = self._not_before = float("-inf")

    def start(self) -> None:
        """Starts a fetch and does not wait for it."""
        self._start_fetch()

    def find(self, kid: str) -> PyJWK | None:
        pending = self._required_fetch(kid, self._clock())
        if pending is not None:
            with suppress(TimeoutError):
                pending.result(_MAX_WAIT)
        return self._found(kid)

    async def find_async(self, kid: str) -> PyJWK | None:
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

    def _found(self, kid: str) -> PyJWK | None:
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
                    Thread(target=self._fetch_keys, args=[pending], name="vestibule-keys", daemon=True).start()
                except RuntimeError as error:  # the system has no thread left
                    self._wait_after(error)
                else:
                    self._pending = pending
            return self._pending

    def _fetch_keys(self, pending: "Future[None]") -> None:
        try:
            response = self._fetch(self._url, self._headers)
            self._keys = read_keys(response.body, self._keys)
            fresh = self._freshness(response.headers.get("cache-control", ""), response.headers.get("age", ""))
            self._note_success()
            self._not_before, now = float("-inf"), self._clock()
            self._fresh_until, self._refresh_at = now + fresh, now + fresh * _REFRESH_AT * jitter.uniform(0.9, 1.0)
        except BaseException as error:  # noqa: BLE001 — after any failure the previous keys go on serving
            self._wait_after(error)
        finally:
            with self._lock:
                self._pending = None
            pending.set_result(None)

    def _wait_after(self, error: BaseException) -> None:
        self._not_before = self._clock() + self._pause(_FIRST_PAUSE, _MAX_PAUSE) * jitter.uniform(0.5, 1.0)
        self._note_failure(error)

    def _freshness(self, cache_control: str, age: str) -> float:
        """Returns for how many seconds the response is fresh (RFC 9111 § 4.2)."""
        directive = _MAX_AGE.search(cache_control)
        elapsed = float(age) if age.isascii() and age.isdigit() else 0.0
        fresh = float(directive[1]) - elapsed if directive else _DEFAULT_FRESH
        return min(self._max_age, max(_MIN_FRESH, fresh))

    def _reset(self) -> None:
        super()._reset()
        self._pending = None
