"""Passwords of known breaches, by the range protocol of Have I Been Pwned (k-anonymity)."""

import logging
from collections.abc import Callable, Sequence
from hashlib import sha1
from http.client import HTTPException
from time import monotonic
from urllib.parse import urlsplit

from ...application.ports import PasswordRules
from ...domain.errors import ErrorCode, FieldError, Unavailable
from ..availability import Availability
from ..http_client import HttpClient

_log = logging.getLogger("vestibule.passwords")
_PREFIX = 5
_OK = 200
_MAX_BYTES = 1024 * 1024
_PAUSE = 30.0
_BREACHED = FieldError(ErrorCode.BREACHED, "This password is in a published collection of stolen ones. Choose another one.")


def no_further_rules(_: str) -> Sequence[FieldError]:
    return ()


class AcceptingWhenUnavailable:
    """Rules that accept every password while the service that they ask is unavailable."""

    def __init__(self, rules: PasswordRules) -> None:
        self._rules = rules

    def __call__(self, password: str, /) -> Sequence[FieldError]:
        try:
            return self._rules(password)
        except Unavailable:
            return ()


class PwnedPasswords:
    """Refuses passwords that the service at `url` knows from breaches.

    The service gets the first five of the 40 hexadecimal digits of the SHA-1 hash, and answers all that begin so, padded to
    hide their number. Raises `Unavailable`, with a warning in the log, without a good answer within `timeout` seconds, and then
    for half a minute without asking. `HttpClient` says how it is called.
    """

    def __init__(self, url: str, timeout: float = 2.0, *, clock: Callable[[], float] = monotonic) -> None:
        parts = urlsplit(url)
        self._path = parts.path.rstrip("/")
        self._client = HttpClient(parts, timeout, max_bytes=_MAX_BYTES)
        self._clock = clock
        self._asks_again_at = float("-inf")
        self._availability = Availability(_log, "the list of breached passwords", "new passwords are not compared with it")

    def __call__(self, password: str, /) -> Sequence[FieldError]:
        if self._clock() < self._asks_again_at:
            raise Unavailable
        digest = sha1(password.encode(), usedforsecurity=False).hexdigest().upper()
        try:
            found = self._suffixes(digest[:_PREFIX])
        except (OSError, HTTPException, ValueError) as error:
            self._asks_again_at = self._clock() + _PAUSE
            self._availability.mark_down(type(error).__name__)
            raise Unavailable from error
        self._availability.mark_up()
        return (_BREACHED,) if digest[_PREFIX:] in found else ()

    def probe(self) -> None:
        """Asks for one range. Raises `OSError` or `HTTPException` without an answer, and `ValueError` for another one."""
        self._suffixes("0" * _PREFIX)

    def _suffixes(self, prefix: str) -> set[str]:
        """The rests of the hashes with that prefix. Padding has the count 0. Raises `ValueError` for any other answer."""
        lines = [line.partition(":") for line in self._get(prefix).decode("ascii").split()]
        return {suffix.upper() for suffix, _, count in lines if int(count) > 0}

    def _get(self, prefix: str) -> bytes:
        answer = self._client.call("GET", f"{self._path}/{prefix}", {"Add-Padding": "true"})
        if answer.status != _OK:
            raise ValueError(f"status {answer.status}")
        return answer.body
