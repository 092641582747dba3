"""The common part of the two clients that fetch in a thread of their own."""

import logging
import random
from collections.abc import Callable, Mapping
from threading import Lock

from .. import forks
from .fetching import Fetch, FetchFailed, check_url

_log = logging.getLogger("vestibule.verify")
jitter = random.Random()  # noqa: S311 — not a secret; the global generator belongs to the program


class BackgroundClient:
    """A client of one URL. It logs the first of several failures in a row, and the success after them.

    `subject` is the fetched thing in the log. Raises `ValueError` for a URL that `check_url` refuses.
    """

    def __init__(
        self, url: str, headers: Mapping[str, str], *, subject: str, allow_http: bool, fetch: Fetch, clock: Callable[[], float]
    ) -> None:
        self._url = check_url(url, allow_http=allow_http)
        self._headers = headers
        self._subject = subject
        self._fetch = fetch
        self._clock = clock
        self._failures = 0
        self._reset()
        forks.watch(self)

    def renew(self) -> None:
        self._reset()
        jitter.seed()

    def _reset(self) -> None:
        self._lock = Lock()

    def _note_success(self) -> None:
        if self._failures:
            _log.info("%s can be fetched again", self._subject)
        self._failures = 0

    def _note_failure(self, error: BaseException) -> None:
        if not self._failures:
            reason = str(error) if isinstance(error, FetchFailed | ValueError) else type(error).__name__
            _log.warning("cannot fetch %s from %s: %s", self._subject, self._url.partition("?")[0], reason)
        self._failures += 1

    def _pause(self, first: float, longest: float) -> float:
        """Returns the seconds until the next attempt: `first`, doubled by each failure in a row."""
        return min(first * float(2 ** min(self._failures, 10)), longest)
