"""The list of revoked sessions, polled from Vestibule: a log-out is known within seconds, without a request per token."""

from collections.abc import Callable
from threading import Event, Lock, Thread
from time import monotonic
from typing import Self
from urllib.parse import quote

from .background import BackgroundClient, jitter
from .claims import json_object
from .fetching import Fetch, fetch
from .refusals import Unavailable

_MAX_PAGES = 100
_MAX_PAUSE = 30.0
_MAX_LIFETIME = 86_400


class Revocations(BackgroundClient):
    """Polls `url`, Vestibule's `/revocations/`, with its `VESTIBULE_REVOCATIONS_SECRET`.

    One background thread sends a request every `interval` seconds, from the first use or from `start` on, until `close`.
    While requests fail, the pauses grow to half a minute. A revoked session is remembered until all its tokens have expired.

    When the last response is older than `max_age` seconds, tokens are accepted all the same: a log-out takes effect when the
    token expires. With `fail_closed` they are refused as `Unavailable` until a response arrives.

    `url` is https, or http on this machine; `allow_http` permits http elsewhere. Raises `ValueError` for any other URL.
    """

    _thread: Thread | None

    def __init__(
        self,
        url: str,
        secret: str,
        *,
        interval: float = 2.0,
        max_age: float = 60.0,
        fail_closed: bool = False,
        allow_http: bool = False,
        fetch: Fetch = fetch,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        if not secret or not secret.isascii() or not secret.isprintable():
            raise ValueError("the secret must be printable ASCII, because a header carries it")
        if interval <= 0:
            raise ValueError("the interval must be positive")
        headers = {"Accept": "application/json", "Authorization": f"Bearer {secret}"}
        super().__init__(url, headers, subject="revoked sessions", allow_http=allow_http, fetch=fetch, clock=clock)
        self._interval = interval
        self._max_age = max_age
        self._fail_closed = fail_closed
        self._revoked: dict[str, float] = {}
        self._after = ""
        self._updated_at = clock()

    def is_revoked(self, session_id: str) -> bool:
        """Never blocks. Raises `Unavailable` with `fail_closed` and a list that is too old."""
        if self._thread is None:
            self.start()
        if session_id in self._revoked:
            return True
        if self._fail_closed and self._clock() - self._updated_at > self._max_age:
            raise Unavailable
        return False

    def start(self) -> None:
        """Starts the thread and does not wait for a response."""
        with self._lock:
            if self._thread is None:
                self._updated_at = self._clock()
                self._thread = Thread(target=self._run, args=[self._stopped], name="vestibule-revocations", daemon=True)
                self._thread.start()

    def close(self) -> None:
        """Stops the thread; sessions that are known to be revoked stay so."""
        self._stopped.set()

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def renew(self) -> None:
        is_closed = self._stopped.is_set()
        super().renew()
        if is_closed:
            self.close()

    def poll(self) -> bool:
        """Updates the list once, as the thread does. Returns whether it succeeded."""
        with self._polling:
            try:
                self._update()
            except Exception as error:  # noqa: BLE001 — a `fetch` of the program may raise anything
                self._after = ""  # the next response is the whole list, whatever the failure was
                self._note_failure(error)
                return False
            self._note_success()
            self._updated_at = self._clock()
            return True

    def _run(self, stopped: Event) -> None:
        while not stopped.is_set():
            try:
                self.poll()
            except BaseException as error:  # noqa: BLE001 — `SystemExit`, or the timeout of a library, would end the thread
                self._note_failure(error)
            stopped.wait(self._pause(self._interval, max(self._interval, _MAX_PAUSE)) * jitter.uniform(0.8, 1.0))

    def _update(self) -> None:
        for _ in range(_MAX_PAGES):
            query = f"?after={quote(self._after)}" if self._after else ""
            if not self._add_page(json_object(self._fetch(self._url + query, self._headers).body)):
                break
        now = self._clock()
        for session_id in [known for known, until in self._revoked.items() if until <= now]:
            del self._revoked[session_id]

    def _add_page(self, page: dict[str, object]) -> bool:
        """Returns whether there is another page. Raises `ValueError`, and adds nothing, for a malformed one."""
        sessions, after, seconds = page.get("sessions"), page.get("after"), page.get("seconds")
        if not isinstance(sessions, list) or not isinstance(after, str) or type(seconds) is not int:
            raise ValueError("the response is not a list of revoked sessions")
        until = self._clock() + min(max(0, seconds), _MAX_LIFETIME)
        self._revoked.update({one: until for one in sessions if isinstance(one, str)})
        self._after = after
        return page.get("more") is True

    def _reset(self) -> None:
        super()._reset()
        self._polling = Lock()
        self._stopped = Event()
        self._thread = None
