"""One bounded GET over HTTPS by the standard library: no redirects, so many bytes, so many seconds in all."""

import ssl
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cache
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from ipaddress import ip_address
from socket import SHUT_RDWR, socket
from threading import Timer
from urllib.parse import urlsplit

SECONDS = 5.0
MOST_BYTES = 1024 * 1024


class FetchFailed(Exception):
    """There was no answer of use; the text says why, without what was sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered with 200. Names of headers are in lower case."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str]


Fetch = Callable[[str, Mapping[str, str]], Answer]
"""GETs a URL with these headers, within seconds. Raises `FetchFailed`. Bring your own for a proxy, or an authority of yours."""


def check_url(url: str, *, insecure: bool) -> str:
    """Raises `ValueError` for a URL that anybody on the way could answer: http is for this machine alone, or `insecure`."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        raise ValueError("it must be a URL with a host, without a user, a password or a fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and (insecure or _is_here(parts.hostname))):
        raise ValueError("it must begin with https:, or name this machine")
    return url


def fetch(url: str, headers: Mapping[str, str]) -> Answer:
    """The `Fetch` of the standard library, with the system's authorities."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    host = parts.hostname or ""
    if parts.scheme == "https":
        connection: HTTPConnection = HTTPSConnection(host, parts.port, timeout=SECONDS, context=_authorities())
    else:
        connection = HTTPConnection(host, parts.port, timeout=SECONDS)
    try:
        connection.connect()
        with _deadline(connection.sock):
            return _answer(connection, target, headers)
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(f"there was no answer ({type(error).__name__})") from None
    finally:
        connection.close()


def _answer(connection: HTTPConnection, target: str, headers: Mapping[str, str]) -> Answer:
    connection.request("GET", target, headers=dict(headers))
    response = connection.getresponse()
    if response.status != 200:  # noqa: PLR2004 — HTTP's own number
        raise FetchFailed(f"the answer was {response.status}")
    body = response.read(MOST_BYTES + 1)
    if len(body) > MOST_BYTES or response.length:
        raise FetchFailed("the answer was too large, or broke off")
    return Answer(body, {name.lower(): value for name, value in response.getheaders()})


@contextmanager
def _deadline(connected: socket) -> Iterator[None]:
    """However slowly an answer drips, it ends; a time-out begins anew with each byte."""

    def cut() -> None:
        with suppress(OSError):
            socket.shutdown(connected, SHUT_RDWR)  # the plain one: TLS is still being read from in the other thread

    timer = Timer(SECONDS, cut)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


@cache
def _authorities() -> ssl.SSLContext:
    """The system's; reading them takes longer than all the rest."""
    return ssl.create_default_context()


def _is_here(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
