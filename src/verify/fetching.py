"""One bounded GET over HTTPS with the standard library: no redirects, a limit of bytes and a limit of seconds in all."""

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
MAX_BYTES = 1024 * 1024


_tls_context = cache(ssl.create_default_context)  # reading the system's authorities takes longer than everything else


class FetchFailed(Exception):
    """Signals the lack of a usable response; the text is the reason and repeats nothing of the request."""


@dataclass(frozen=True, slots=True)
class Response:
    """A response with status 200. Header names are in lower case."""

    body: bytes = field(repr=False)
    headers: Mapping[str, str]


Fetch = Callable[[str, Mapping[str, str]], Response]
"""Sends a GET to a URL with these headers and returns within seconds. Raises `FetchFailed`.

A function of your own goes through a proxy or trusts a certificate authority of yours.
"""


def check_url(url: str, *, allow_http: bool) -> str:
    """Raises `ValueError` for a URL whose response a network attacker could forge: plain http, except to this machine."""
    parts = urlsplit(url)
    if not parts.hostname or parts.username or parts.password or parts.fragment:
        raise ValueError("the URL must have a host, and no user, password or fragment")
    if parts.scheme != "https" and not (parts.scheme == "http" and (allow_http or _is_this_machine(parts.hostname))):
        raise ValueError("the URL must begin with https:, or name this machine")
    return url


def fetch(url: str, headers: Mapping[str, str]) -> Response:
    """The `Fetch` of the standard library. It trusts the certificate authorities of the system."""
    parts = urlsplit(url)
    target = f"{parts.path or '/'}{f'?{parts.query}' if parts.query else ''}"
    host = parts.hostname or ""
    if parts.scheme == "https":
        connection: HTTPConnection = HTTPSConnection(host, parts.port, timeout=SECONDS, context=_tls_context())
    else:
        connection = HTTPConnection(host, parts.port, timeout=SECONDS)
    try:
        connection.connect()
        with _deadline(connection.sock):
            connection.request("GET", target, headers=dict(headers))
            response = connection.getresponse()
            body = response.read(MAX_BYTES + 1)
    except (OSError, HTTPException, ValueError) as error:
        raise FetchFailed(f"there is no response ({type(error).__name__})") from None
    finally:
        connection.close()
    if response.status != 200:  # noqa: PLR2004 — HTTP's own number
        raise FetchFailed(f"the response has status {response.status}")
    if len(body) > MAX_BYTES or response.length:
        raise FetchFailed("the response is too large or incomplete")
    return Response(body, {name.lower(): value for name, value in response.getheaders()})


@contextmanager
def _deadline(connected: socket) -> Iterator[None]:
    """Ends the exchange after `SECONDS`. A socket's timeout alone begins anew with each byte, and a server may send slowly."""

    def shut_down() -> None:
        with suppress(OSError):
            socket.shutdown(connected, SHUT_RDWR)  # not of the TLS socket, which the other thread reads from

    timer = Timer(SECONDS, shut_down)
    timer.daemon = True
    timer.start()
    try:
        yield
    finally:
        timer.cancel()


def _is_this_machine(host: str) -> bool:
    try:
        return host == "localhost" or ip_address(host).is_loopback
    except ValueError:
        return False
