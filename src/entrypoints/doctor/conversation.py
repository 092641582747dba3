"""Short HTTP conversations with other servers, which send them nothing but a question."""

import ssl
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from http.client import HTTPConnection, HTTPException
from time import monotonic, time
from urllib.parse import urlsplit

from ...adapters.deadline import connect, deadline
from .findings import Finding, clock_of

SECONDS = 6.0
"""How long one conversation may take."""

_MAX_BYTES = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer of HTTP. `own_address` is ours on that connection, `certificate_ends` the end of the server's certificate."""

    status: int
    headers: Mapping[str, str]
    body: bytes
    own_address: str
    certificate_ends: float | None

    @property
    def time(self) -> float | None:
        """The server's clock, by the header `Date`."""
        return read_date(self.headers.get("date"))


def read_date(text: str | None) -> float | None:
    try:
        return None if text is None else parsedate_to_datetime(text).timestamp()
    except ValueError:
        return None


def ask(url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None) -> Answer:
    """Follows no redirect and uses no proxy. Raises `OSError` and `HTTPException`."""
    parts = urlsplit(url)
    host, is_https = parts.hostname or "", parts.scheme == "https"
    expires_at = monotonic() + SECONDS
    with closing(HTTPConnection(host, parts.port or (443 if is_https else 80))) as connection:
        connected = connection.sock = connect(connection.host, connection.port, SECONDS / 2)
        own_address, ends = str(connected.getsockname()[0]), None
        with deadline(connected, expires_at):
            if is_https:
                secured = connection.sock = ssl.create_default_context().wrap_socket(connected, server_hostname=host)
                certificate = secured.getpeercert() or {}
                ends = ssl.cert_time_to_seconds(str(certificate["notAfter"])) if "notAfter" in certificate else None
            own_headers = {"Host": parts.netloc, "User-Agent": "Vestibule", "Connection": "close"}
            target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
            connection.request(method, target, headers={**own_headers, **(headers or {})})
            answer = connection.getresponse()
            return Answer(
                status=answer.status,
                headers={name.lower(): value for name, value in answer.getheaders()},
                body=answer.read(_MAX_BYTES),
                own_address=own_address,
                certificate_ends=ends,
            )


def clock_at(owner: str, url: str) -> Iterator[Finding]:
    """Compares our clock with that of an HTTP server. Raises `OSError` and `HTTPException`."""
    theirs = ask(url, method="HEAD").time
    if theirs is not None:
        yield from clock_of(owner, theirs, time())


def reason(error: OSError | HTTPException | ValueError) -> str:
    """Returns why a conversation failed, without anything that was sent."""
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not accepted: {error.verify_message}"
    text = str(error.strerror if isinstance(error, OSError) and error.strerror else error)
    return text or type(error).__name__
