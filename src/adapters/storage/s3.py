"""Images in a bucket of S3, or of another store with its protocol."""

import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from urllib.parse import urlsplit

from ... import forks
from ...application.ports import PresignedUrl
from ...domain.errors import Unavailable
from ..availability import Availability
from ..extras import import_extra
from .names import is_name, new_name

T = TypeVar("T")

TIMEOUT = 4.0
"""Seconds for one attempt."""
URL_SECONDS = 300
"""The lifetime of a pre-signed URL. Temporary credentials bound it too, so obstore renews them when they have as long left."""

_RETRIES = 2
_MAX_CONNECT_SECONDS = 2.0
_PAGE_SIZE = 1000
_FORM = "must be s3://bucket or s3://bucket/prefix; a bucket has 3 to 63 small letters, digits, dots and hyphens"
_URL = re.compile(r"s3://([a-z0-9][a-z0-9._-]{1,61}[a-z0-9])((?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)/?")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_ATTRIBUTES = {
    "Content-Type": "image/webp",
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Disposition": 'inline; filename="image.webp"',
}
# The only parts of an error's text that are logged: the whole text repeats the signed request, session tokens included.
_REASONS = re.compile(r"status code: (\d{3})\b|<Code>(\w{1,64})</Code>|\bkind: (\w{1,32})\b|\b(Missing \w{1,32})\b", re.ASCII)

_log = logging.getLogger("vestibule.storage")


class S3Storage:
    """A `Storage` that is shared by all processes with the same bucket and prefix; thread-safe.

    Endpoint, region and credentials come from the `AWS_…` variables; the first call connects. An endpoint `http://…` is used
    without TLS. A call takes at most 10 seconds: an attempt takes `timeout`, and a retry begins at most a second after that.
    Every failure is `Unavailable`; begin and end of an outage are logged. Raises `ValueError` if the URL or the variables are
    invalid, and `ModuleNotFoundError` if obstore is not installed.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._obstore = import_extra("obstore", "s3", "images on S3 need")
        match = _URL.fullmatch(url)
        if match is None:
            raise ValueError(_FORM)
        bucket, prefix = match[1], match[2].strip("/")
        self._where = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._store = _store(self._obstore, bucket, prefix or None, timeout)
        self._is_usable = True
        forks.watch(self)
        self._availability = Availability(_log, self._where, "images cannot be read or stored")

    def __repr__(self) -> str:
        return f"S3Storage({self._where})"

    def renew(self) -> None:
        """A process that has used obstore has its threads, without which it would wait for ever in a child."""
        self._is_usable = not _runtime.has_started

    def put(self, data: bytes) -> str:
        name = new_name()
        put = self._obstore.put
        stored = self._call(lambda: put(self._store, name, data, attributes=_ATTRIBUTES, use_multipart=False))
        if stored is None:
            raise Unavailable
        return name

    def get(self, name: str) -> bytes | None:
        if not is_name(name):
            return None
        return self._call(lambda: bytes(self._obstore.get(self._store, name).bytes()))

    def delete(self, name: str) -> None:
        if is_name(name):
            self._call(lambda: self._obstore.delete(self._store, name))

    def presigned_url(self, name: str) -> PresignedUrl | None:
        """Signs in this process; may wait for credentials that come from a metadata service."""
        if not is_name(name):
            return None
        lifetime = timedelta(seconds=URL_SECONDS)
        url = self._call(lambda: str(self._obstore.sign(self._store, "GET", name, lifetime)), contacts_s3=False)
        return None if url is None else PresignedUrl(url, URL_SECONDS)

    def names(self, *, older_than: float) -> Iterator[str]:
        before = datetime.now(UTC) - timedelta(seconds=older_than)
        pages: Iterator[list[dict[str, Any]]] = self._obstore.list(self._store, chunk_size=_PAGE_SIZE)
        while page := self._call(lambda: next(pages, [])):
            yield from (entry["path"] for entry in page if is_name(entry["path"]) and entry["last_modified"] <= before)

    def probe(self) -> None:
        """Reads an image that does not exist, so that an outage is logged before the first request finds it."""
        with suppress(Unavailable):
            self.get(new_name())

    @property
    def failure(self) -> str:
        """The reason of the last failure: an HTTP status and the code of S3, without any part of the request."""
        return self._availability.reason

    @property
    def endpoint(self) -> str:
        """The URL of the server, as the variables name it; empty for that of AWS."""
        return _endpoint(os.environ)

    def _call(self, call: Callable[[], T], *, contacts_s3: bool = True) -> T | None:
        """Returns None if S3 has no object of that name. Success shows that S3 is up only if the call `contacts_s3`."""
        if not self._is_usable:
            raise RuntimeError(_FORKED)
        _runtime.has_started = True
        result: T | None = None
        reason = ""
        try:
            result = call()
        except Exception as error:  # noqa: BLE001 — obstore raises its own errors and others; all mean that S3 has failed
            reason = "" if _is_absent(error) else _reason(error)
        if reason:
            self._availability.mark_down(reason)
            raise Unavailable  # outside of the `except`: the error's text must not reach a log as its context
        if contacts_s3:
            self._availability.mark_up()
        return result


class _Runtime:
    """The threads of obstore, which all stores of a process share."""

    has_started = False


_runtime = _Runtime()
_FORKED = (
    "This process was forked from one that had used images on S3, and cannot use them itself. Call build(…) in each process "
    "instead of before the fork."
)


def _store(obstore: Any, bucket: str, prefix: str | None, timeout: float) -> Any:
    backoff = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=0.5), "base": 2}
    try:
        return obstore.store.S3Store(
            bucket,
            prefix=prefix,
            disable_bulk_delete=True,  # deleting one object is supported everywhere, and may be retried
            client_options={
                "timeout": timedelta(seconds=timeout),
                "connect_timeout": timedelta(seconds=min(timeout, _MAX_CONNECT_SECONDS)),
                "allow_http": _endpoint(os.environ).startswith("http:"),
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=timeout + 1), "backoff": backoff},
        )
    except obstore.exceptions.BaseError as error:
        raise ValueError(f"the AWS_ variables cannot be used ({_reason(error)})") from None


def _endpoint(environment: Mapping[str, str]) -> str:
    """Returns the endpoint that obstore uses; empty for that of AWS."""
    endpoints = [(variable, environment[variable]) for variable in _ENDPOINTS if variable in environment]
    for variable, url in endpoints:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
            raise ValueError(f"{variable} must be http:// or https:// and a host")
    return endpoints[0][1] if endpoints else ""


def _is_absent(error: Exception) -> bool:
    """A bare 404 does not suffice: a missing bucket or a proxy sends one too, which says nothing about the image."""
    return isinstance(error, FileNotFoundError) and "<Code>NoSuchKey</Code>" in str(error)


def _reason(error: Exception) -> str:
    parts = [part for match in _REASONS.finditer(str(error)) for part in match.groups() if part]
    return " ".join(dict.fromkeys(parts)) or type(error).__name__
