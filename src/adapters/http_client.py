"""Calls of other servers over HTTP, each on a connection of its own and ended by a deadline. Shared by the adapter folders."""

import ssl
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from functools import cached_property
from http.client import HTTPConnection, HTTPSConnection
from ipaddress import ip_address
from time import monotonic
from urllib.parse import SplitResult, urlsplit

from .deadline import connect, deadline


def is_loopback(host: str) -> bool:
    """Returns whether the host is this machine: data that is sent there crosses no network."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_url(text: str, owner: str) -> SplitResult:
    """Parses a URL of https, or of http on this machine. `owner` names its server in errors, such as `a webhook`.

    Raises `ValueError`, which repeats nothing of the URL: a part of it may be a token.
    """
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError(f"the URL of {owner} must consist of visible ASCII characters; percent-encode the others")
    try:
        parts = urlsplit(text)
        is_valid = bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.scheme not in {"http", "https"} or parts.username is not None or parts.fragment:
        raise ValueError(f"the URL of {owner} is https://host/path, without a user or a fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError(f"{owner} needs https; http is for this machine alone")
    return parts


def target_of(url: SplitResult) -> str:
    """Path and query of the URL, as a request names them."""
    return (url.path or "/") + (f"?{url.query}" if url.query else "")


@dataclass(frozen=True, slots=True)
class HttpResponse:
    """A response; names of `headers` are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class HttpClient:
    """Calls the server of a URL. Redirects are not followed, proxies not used.

    `timeout` is the limit in seconds for a whole call, apart from the DNS look-up, which has the time of the system's resolver.
    Certificates are verified against the system's authorities, or those in the file `SSL_CERT_FILE`. Bodies are read up to
    `max_bytes`, and not at all without it.
    """

    def __init__(self, url: SplitResult, timeout: float, *, max_bytes: int | None = None) -> None:
        self._url = url
        self._timeout = timeout
        self._max_bytes = max_bytes

    def call(self, method: str, target: str, headers: Mapping[str, str], body: bytes | None = None) -> HttpResponse:
        """Raises `OSError`, `HTTPException`, and `ValueError` for a body that is too long."""
        expires_at = monotonic() + self._timeout
        with closing(self._connection()) as connection:
            connected = connection.sock = connect(connection.host, connection.port, self._timeout / 2)
            with deadline(connected, expires_at):
                if isinstance(connection, HTTPSConnection):
                    connection.sock = self._tls.wrap_socket(connected, server_hostname=connection.host)
                own_headers = {"User-Agent": "Vestibule", "Connection": "close"}
                connection.request(method, target, body, {**own_headers, **headers})
                with connection.getresponse() as answer:  # closes the socket if the body is not read to its end
                    read = b"" if self._max_bytes is None else answer.read(self._max_bytes + 1)
        if self._max_bytes is not None and len(read) > self._max_bytes:
            raise ValueError(f"more than {self._max_bytes} bytes")
        return HttpResponse(answer.status, {name.lower(): value for name, value in answer.getheaders()}, read)

    @cached_property
    def _tls(self) -> ssl.SSLContext:
        return ssl.create_default_context()

    def _connection(self) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        return HTTPConnection(host, port) if self._url.scheme == "http" else HTTPSConnection(host, port)
