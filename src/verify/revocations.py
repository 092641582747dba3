"""Which sessions have ended, as Vestibule tells those who follow: known within seconds, without a question for each call."""

import logging
import os
import random
from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from types import TracebackType
from typing import Self
from urllib.parse import quote
from weakref import WeakMethod

from .fetching import Fetch, FetchFailed, check_url, fetch
from .refusals import Unavailable
from .strict_json import read_object

_MOST_ANSWERS = 100
_LONGEST_PAUSE = 30.0
_MOST_SECONDS = 86_400

_log = logging.getLogger("vestibule.verify")


class Revocations:
    """Follows what a Vestibule tells at `url`, its `/revocations/`, showing its `VESTIBULE_REVOCATIONS_SECRET`.

    One background thread asks every so many seconds, from the first use or from `start` on, until `close`; while it gets no
    answer, after pauses that grow to half a minute. A session is remembered until no token of it can be good.

    Where nothing was heard for `patience` seconds, tokens are taken all the same: a log-out is then known when the token runs
    out. With `strict` they are not, and it is `Unavailable` until something is heard.

    `url` is https, or http on this machine, unless `insecure`. Raises `ValueError` for one that cannot be.
    """

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        every: float = 2.0,
        patience: float = 60.0,
        strict: bool = False,
        insecure: bool = False,
        fetch: Fetch = fetch,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if not secret or not secret.isascii() or not secret.isprintable() or every <= 0:
            raise ValueError("it takes a secret that a header can hold, and a time between two questions")
        self._url = check_url(url, insecure=insecure)
        self._headers = {"Accept": "application/json", "Authorization": f"Bearer {secret}"}
        self._every = every
        self._patience = patience
        self._strict = strict
        self._fetch = fetch
        self._clock = clock
        self._ended: dict[str, float] = {}
        self._after = ""
        self._heard_at = clock()
        self._failures = 0
        self._lock = Lock()
        self._polling = Lock()
        self._stopped = Event()
        self._thread: Thread | None = None
        if hasattr(os, "register_at_fork"):
            reset = WeakMethod(self._reset)
            os.register_at_fork(after_in_child=lambda: (found := reset()) and found())

    def include(self, session_id: str) -> bool:
        """Whether the session is known to have ended. Waits for nobody. Raises `Unavailable` as told above."""
        if self._thread is None:
            self.start()
        if session_id in self._ended:
            return True
        if self._strict and self._clock() - self._heard_at > self._patience:
            raise Unavailable
        return False

    def start(self) -> None:
        """Begins to ask, and does not wait for the answer."""
        with self._lock:
            if self._thread is None:
                self._heard_at = self._clock()
                self._thread = Thread(target=self._follow, args=[self._stopped], name="vestibule-revocations", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Asks no more; what is known stays known."""
        self._stopped.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    def poll(self) -> bool:
        """Asks once, as the thread does; answers whether there was an answer."""
        with self._polling:
            try:
                self._catch_up()
            except (FetchFailed, ValueError) as error:
                self._missed(error)
                return False
            if self._failures and self._clock() - self._heard_at > self._patience:
                _log.info("the sessions that end are told again")
            self._failures = 0
            self._heard_at = self._clock()
            return True

    def _follow(self, stopped: Event) -> None:
        while not stopped.is_set():
            self.poll()
            pause = min(self._every * 2 ** min(self._failures, 10), max(self._every, _LONGEST_PAUSE))
            stopped.wait(pause * random.uniform(0.8, 1.0))  # noqa: S311 — no secret

    def _catch_up(self) -> None:
        for _ in range(_MOST_ANSWERS):
            url = f"{self._url}?after={quote(self._after)}" if self._after else self._url
            if not self._take(read_object(self._fetch(url, self._headers).body)):
                break
        now = self._clock()
        for session_id in [known for known, until in self._ended.items() if until <= now]:
            del self._ended[session_id]

    def _take(self, told: dict[str, object]) -> bool:
        """Whether there is more. Raises `ValueError`, with nothing taken, where it is no answer of Vestibule."""
        sessions, after, seconds = told.get("sessions"), told.get("after"), told.get("seconds")
        if not isinstance(sessions, list) or not isinstance(after, str) or type(seconds) is not int:
            raise ValueError("the answer is none of Vestibule")
        until = self._clock() + min(max(0, seconds), _MOST_SECONDS)
        ids = [one for one in sessions if isinstance(one, str)]
        self._ended.update(dict.fromkeys(ids, until))
        self._after = after
        return told.get("more") is True

    def _missed(self, error: Exception) -> None:
        self._after = ""  # whatever is wrong, the next answer is to be whole
        was_told, self._failures = self._failures > 0, self._failures + 1
        if not was_told:
            _log.warning("the sessions that end cannot be had: %s", error)

    def _reset(self) -> None:
        """Also in a child process, where the thread is not."""
        self._lock = Lock()
        self._polling = Lock()
        self._stopped = Event()
        self._thread = None
