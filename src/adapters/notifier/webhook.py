"""Signed calls to a webhook (Standard Webhooks, https://www.standardwebhooks.com)."""

import base64
import hashlib
import hmac
import time
from collections.abc import Callable, Sequence
from http.client import HTTPException

from ...application.ports import OutgoingMessage, PermanentFailure, TemporaryFailure
from ..http_client import HttpClient, HttpResponse, read_url, target_of

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


class WebhookNotifier:
    """Posts the payload, signed with every secret, so that during a rotation the receiver may have either one.

    An answer of 2xx is a success, 410 (Gone) is `PermanentFailure`, every other failure `TemporaryFailure`. `timeout` is the
    limit in seconds for the whole call; `HttpClient` says how it is made. Raises `ValueError` for an invalid URL or secret.
    """

    def __init__(
        self, url: str, secrets: Sequence[str], timeout: float = 20, *, clock: Callable[[], float] = time.time
    ) -> None:
        self._url = read_url(url, "a webhook")
        self._secrets = read_secrets(secrets)
        self._clock = clock
        self._client = HttpClient(self._url, timeout)

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
        return self._client.call("HEAD", target_of(self._url), {}).headers.get("date")

    def send_decoy(self, message: OutgoingMessage) -> None:
        """Does nothing: events of accounts are no secret to the receiver, so webhooks have no decoys."""

    def _headers(self, message_id: str, body: bytes) -> dict[str, str]:
        timestamp = f"{int(self._clock())}"
        signed = f"{message_id}.{timestamp}.".encode() + body
        signatures = (hmac.digest(secret, signed, hashlib.sha256) for secret in self._secrets)
        return {
            "Content-Type": "application/json",
            "webhook-id": message_id,
            "webhook-timestamp": timestamp,
            "webhook-signature": " ".join(f"v1,{base64.b64encode(signature).decode()}" for signature in signatures),
        }

    def _post(self, body: bytes, headers: dict[str, str]) -> tuple[int, float]:
        """Returns the status and the seconds of `Retry-After`."""
        answer = self._client.call("POST", target_of(self._url), headers, body)
        return answer.status, _seconds(answer)


def _seconds(answer: HttpResponse) -> float:
    """Ignores a `Retry-After` that is a date."""
    seconds = answer.headers.get("retry-after", "")
    return float(seconds) if seconds.isascii() and seconds.isdigit() else 0.0
