"""Keys at a URL, kept, and fetched again in time: by one fetch at once, and by none that a token could make too often."""

import asyncio
import logging
import os
import random
import re
from collections.abc import Callable
from concurrent.futures import Future
from concurrent.futures import TimeoutError as TooLate
from contextlib import suppress
from threading import Lock, Thread
from time import monotonic
from weakref import WeakMethod

from .fetching import Fetch, FetchFailed, check_url, fetch
from .keys import Key, Keys, read_keys
from .refusals import Unavailable

_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=\"?([0-9]{1,10})", re.ASCII | re.IGNORECASE)
_LEAST_FRESH = 30.0
_UNTOLD = 300.0
_REFRESH_AT = 0.8
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_MOST_WAIT = 6.0

_log = logging.getLogger("vestibule.verify")


class UrlKeys:
    """The JWK set at `url`: https, or http on this machine (`insecure` allows it elsewhere, for a network that you trust).

    It is fetched when a key is first asked for, or by `start`, and is fresh for as long as its `Cache-Control` says: 30 seconds
    at least, `max_age` at most, 5 minutes where it says nothing. A key that a fresh set lacks verifies nothing. Whoever asks
    when four fifths of that time have passed has it fetched again in the background; who asks later waits, 6 seconds at most.
    While it cannot be had, what was there last serves for `stale` seconds more, and it is tried again after a pause that grows
    to a minute. A key that is not known causes one fetch in `unknown_every` seconds, whatever tokens come.

    Threads and event loops share one fetch, which has a thread of its own. Raises `ValueError` for a URL that cannot be.
    """

    def __init__(
        self,
        url: str,
        *,
        max_age: float = 3600.0,
        stale: float = 3600.0,
        unknown_every: float = 30.0,
        insecure: bool = False,
        fetch: Fetch = fetch,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._url = check_url(url, insecure=insecure)
        self._max_age = max(_LEAST_FRESH, max_age)
        self._stale = stale
        self._unknown_every = unknown_every
        self._fetch = fetch
        self._clock = clock
        self._keys: Keys = {}
        self._refresh_at = self._fresh_until = self._tried_at = self._not_before = float("-inf")
        self._failures = 0
        self._lock = Lock()
        self._flight: Future[None] | None = None
        if hasattr(os, "register_at_fork"):
            forget = WeakMethod(self._forget_flight)
            os.register_at_fork(after_in_child=lambda: (found := forget()) and found())

    def start(self) -> None:
        """Begins to fetch, and does not wait for it."""
        self._take_off()

    def find(self, kid: str) -> Key | None:
        flight = self._wanted(kid, self._clock())
        if flight is not None:
            with suppress(TooLate):
                flight.result(_MOST_WAIT)
        return self._found(kid)

    async def find_awaited(self, kid: str) -> Key | None:
        flight = self._wanted(kid, self._clock())
        if flight is not None:
            with suppress(TimeoutError):
                await asyncio.wait_for(asyncio.shield(asyncio.wrap_future(flight)), _MOST_WAIT)
        return self._found(kid)

    def _wanted(self, kid: str, now: float) -> "Future[None] | None":
        """The fetch that the answer has to wait for, if any."""
        if now < self._refresh_at and kid in self._keys:
            return None
        is_fresh = now < self._fresh_until
        if is_fresh and kid in self._keys:
            self._take_off()
            return None
        if is_fresh and now - self._tried_at < self._unknown_every:
            return self._flight
        return self._take_off()

    def _found(self, kid: str) -> Key | None:
        now, key = self._clock(), self._keys.get(kid)
        if not self._keys or now >= self._fresh_until + self._stale:
            raise Unavailable
        if key is None and now >= self._fresh_until:
            raise Unavailable
        return key

    def _take_off(self) -> "Future[None] | None":
        """The fetch under way, or a new one; None during the pause after one that failed."""
        with self._lock:
            if self._flight is None and self._clock() >= self._not_before:
                self._tried_at = self._clock()
                flight = Future[None]()
                flight.set_running_or_notify_cancel()  # from here on nobody who waits can cancel it for all
                try:
                    Thread(target=self._fly, args=[flight], name="vestibule-keys", daemon=True).start()
                except RuntimeError as error:  # there is no thread to be had now
                    self._pause(error)
                else:
                    self._flight = flight
            return self._flight

    def _fly(self, flight: "Future[None]") -> None:
        try:
            answer = self._fetch(self._url, {"Accept": "application/jwk-set+json, application/json"})
            self._keys = read_keys(answer.body, self._keys)
            self._keep(self._clock(), self._age_of(answer.headers.get("cache-control", ""), answer.headers.get("age", "")))
        except Exception as error:  # noqa: BLE001 — whatever is wrong with it, what was there before goes on serving
            self._pause(error)
        finally:
            with self._lock:
                self._flight = None
            flight.set_result(None)

    def _keep(self, now: float, fresh: float) -> None:
        if self._failures:
            _log.info("the keys that tokens are checked with can be had again")
        self._failures = 0
        self._not_before = float("-inf")
        self._fresh_until = now + fresh
        self._refresh_at = now + fresh * _REFRESH_AT * random.uniform(0.9, 1.0)  # noqa: S311 — no secret

    def _pause(self, error: Exception) -> None:
        if self._failures == 0:
            why = str(error) if isinstance(error, FetchFailed | ValueError) else type(error).__name__
            _log.warning("the keys that tokens are checked with cannot be had: %s", why)
        pause = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2 ** min(self._failures, 10)) * random.uniform(0.5, 1.0)  # noqa: S311 — as above
        self._failures += 1
        self._not_before = self._clock() + pause

    def _age_of(self, control: str, age: str) -> float:
        said = _MAX_AGE.search(control)
        fresh = float(said[1]) - (float(age) if age.isascii() and age.isdigit() else 0.0) if said else _UNTOLD
        return min(self._max_age, max(_LEAST_FRESH, fresh))

    def _forget_flight(self) -> None:
        """Also in a child process, where the thread of the fetch is not."""
        self._lock = Lock()
        self._flight = None
