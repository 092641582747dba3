"""Signed calls to a webhook (Standard Webhooks, https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import ssl
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from urllib.parse import SplitResult, urlsplit

from ...application.ports import OutgoingMessage, PermanentFailure, TemporaryFailure
from ..deadline import connect, deadline
from .hosts import is_loopback

SECRET_PREFIX = "whsec_"  # noqa: S105 — not a secret
_MIN_BYTES, _MAX_BYTES = 24, 64
_MIN_DISTINCT_BYTES = 10
_GONE = 410


def read_secrets(texts: Sequence[str]) -> tuple[bytes, ...]:
    """Parses `whsec_` and 24 to 64 bytes in base64 each. Raises `ValueError`, which repeats nothing of the texts."""
    return tuple(_secret(text) for text in texts)


def _secret(text: str) -> bytes:
    encoded = text.removeprefix(SECRET_PREFIX)
    try:
        secret = base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)
    except ValueError:
        secret = b""
    if encoded == text or not _MIN_BYTES <= len(secret) <= _MAX_BYTES or len(set(secret)) < _MIN_DISTINCT_BYTES:
        raise ValueError(f"a secret is {SECRET_PREFIX} and 24 to 64 random bytes in base64")
    return secret


def _url(text: str) -> SplitResult:
    """Raises `ValueError` without the invalid part, which may be a token."""
    if not text.isascii() or not text.isprintable() or " " in text:
        raise ValueError("the URL of a webhook must consist of visible ASCII characters; percent-encode the others")
    try:
        parts = urlsplit(text)
        is_valid = bool((parts.hostname or "").encode("idna")) and parts.port != 0
    except ValueError:
        is_valid = False
    if not is_valid or parts.scheme not in {"http", "https"} or parts.username is not None or parts.fragment:
        raise ValueError("the URL of a webhook is https://host/path, without a user or a fragment")
    if parts.scheme == "http" and not is_loopback(parts.hostname or ""):
        raise ValueError("a webhook needs https; http is for this machine alone")
    return parts


class WebhookNotifier:
    """Posts the payload, signed with every secret, so that during a rotation the receiver may have either one.

    An answer of 2xx is a success, 410 (Gone) is `PermanentFailure`, every other failure `TemporaryFailure`. Redirects are not
    followed, proxies not used. `timeout` is the limit in seconds for the whole call, apart from the DNS look-up. The
    certificate is verified against the system's authorities, or those in the file `SSL_CERT_FILE`. Raises `ValueError` for an
    invalid URL or secret.
    """

    def __init__(
        self, url: str, secrets: Sequence[str], timeout: float = 20, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._url = _url(url)
        self._secrets = read_secrets(secrets)
        self._timeout = timeout
        self._clock = clock
        self._context = ssl.create_default_context() if self._url.scheme == "https" else None

    def __repr__(self) -> str:
        return f"WebhookNotifier({self._url.scheme}://{self._url.hostname}/…)"

    def send(self, message: OutgoingMessage) -> None:
        body = message.values["payload"].encode()
        try:
            status, wait = self._post(body, self._headers(message.id, body))
        except (OSError, HTTPException) as error:
            raise TemporaryFailure(f"{self._url.hostname}: {type(error).__name__}") from None
        if status == _GONE:
            raise PermanentFailure(
                f"{self._url.hostname} answers 410 Gone and accepts no more webhooks: unset VESTIBULE_WEBHOOK_URL"
            )
        if not 200 <= status < 300:  # noqa: PLR2004 — success, RFC 9110
            raise TemporaryFailure(f"{self._url.hostname} answers {status}", retry_after=wait)

    def probe(self) -> str | None:
        """Asks for the head of the URL, without an event; returns the answer's `Date`. Raises `OSError` and `HTTPException`."""
        return self._call("HEAD", None, {"User-Agent": "Vestibule", "Connection": "close"}).getheader("Date")

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Does nothing: events of accounts are no secret to the receiver, so webhooks have no decoys."""

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        timestamp = f"{int(self._clock())}"
        signed = f"{message_id}.{timestamp}.".encode() + body
        signatures = (hmac.digest(secret, signed, hashlib.sha256) for secret in self._secrets)
        return {
            "Content-Type": "application/json",
            "User-Agent": "Vestibule",
            "Connection": "close",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
        }

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
        """Returns the status and the seconds of `Retry-After`."""
        answer = self._call("POST", body, headers)
        return answer.status, _seconds(answer)

    def _call(self, method: str, body: bytes | None, headers: dict[str, str]) -> HTTPResponse:
        """Returns the answer, of which only the head is read."""
        target = (self._url.path or "/") + (f"?{self._url.query}" if self._url.query else "")
        expires_at = time.monotonic() + self._timeout
        with closing(self._connection()) as connection:
            connected = connection.sock = connect(connection.host, connection.port, self._timeout / 2)
            with deadline(connected, expires_at):
                if self._context is not None:
                    connection.sock = self._context.wrap_socket(connected, server_hostname=connection.host)
                connection.request(method, target, body, headers)
                return connection.getresponse()

    def _connection(self) -> HTTPConnection:
        host, port = self._url.hostname or "", self._url.port
        return HTTPConnection(host, port) if self._context is None else HTTPSConnection(host, port, context=self._context)


def _seconds(answer: HTTPResponse) -> float:
    """Ignores a `Retry-After` that is a date."""
    seconds = answer.getheader("Retry-After", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else 0.0
