"""Pictures in a bucket of S3, or of whatever else speaks its protocol."""

import importlib
import logging
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from threading import Lock
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from ...application.ports import PresignedUrl
from ...domain.errors import Unavailable
from .names import is_name, new_name

if TYPE_CHECKING:
    from types import ModuleType

T = TypeVar("T")

TIMEOUT = 4.0
"""Seconds that one attempt may take."""
LINK_SECONDS = 300
"""How long a link is good for. Temporary credentials, which end what they sign, are renewed when they have as much left."""

_RETRIES = 2
_MOST_CONNECTING = 2.0
_PAGE = 1000
_FORM = "must be s3://bucket or s3://bucket/prefix"
_URL = re.compile(r"s3://([a-z0-9][a-z0-9._-]{1,61}[a-z0-9])((?:/[A-Za-z0-9_-][A-Za-z0-9._-]*)*)/?")
_ENDPOINTS = ("AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL", "AWS_ENDPOINT")
_ATTRIBUTES = {
    "Content-Type": "image/webp",
    "Cache-Control": "public, max-age=31536000, immutable",
    "Content-Disposition": 'inline; filename="image.webp"',
}
# Of an error's text no more than this may be told: it repeats what was signed, session tokens too.
_REASONS = re.compile(r"status code: (\d{3})\b|<Code>(\w{1,64})</Code>|\bkind: (\w{1,32})\b|\b(Missing \w{1,32})\b", re.ASCII)

_log = logging.getLogger("vestibule.storage")


class S3Storage:
    """Fills the port `Storage` for all who name the same bucket and prefix; safe to share between threads.

    Endpoint, region and credentials are those of the `AWS_…` variables; nothing is asked before it is needed. Plain HTTP is
    spoken where the endpoint begins with `http://`. A call takes 10 seconds at most: an attempt `timeout`, and another follows
    only within a second after that. Whatever goes wrong is `Unavailable`, and the log tells when it begins and when it ends.
    Raises `ValueError` where the URL or the variables cannot be used, and `ModuleNotFoundError` where obstore is not installed.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT) -> None:
        self._obstore = _library("obstore")
        found = _URL.fullmatch(url)
        if found is None:
            raise ValueError(_FORM)
        bucket, prefix = found[1], found[2].strip("/")
        self._where = f"s3://{bucket}/{prefix}" if prefix else f"s3://{bucket}"
        self._store = _store(bucket, prefix or None, timeout)
        self._lock = Lock()
        self._is_lost = False

    def __repr__(self) -> str:
        return f"S3Storage({self._where})"

    def put(self, data: bytes) -> str:
        name = new_name()
        put = self._obstore.put
        stored = self._ask(lambda: put(self._store, name, data, attributes=_ATTRIBUTES, use_multipart=False))
        if stored is None:
            raise Unavailable
        return name

    def get(self, name: str) -> bytes | None:
        if not is_name(name):
            return None
        return self._ask(lambda: bytes(self._obstore.get(self._store, name).bytes()))

    def delete(self, name: str) -> None:
        if is_name(name):
            self._ask(lambda: self._obstore.delete(self._store, name))

    def presigned_url(self, name: str) -> PresignedUrl | None:
        """Signed here; only credentials that are fetched from elsewhere may have to be waited for."""
        if not is_name(name):
            return None
        life = timedelta(seconds=LINK_SECONDS)
        url = self._ask(lambda: str(self._obstore.sign(self._store, "GET", name, life)), heard=False)
        return None if url is None else PresignedUrl(url, LINK_SECONDS)

    def names(self, *, older_than: float) -> Iterator[str]:
        before = datetime.now(UTC) - timedelta(seconds=older_than)
        pages: Iterator[list[dict[str, Any]]] = self._obstore.list(self._store, chunk_size=_PAGE)
        while page := self._ask(lambda: next(pages, [])):
            yield from (one["path"] for one in page if is_name(one["path"]) and one["last_modified"] <= before)

    def probe(self) -> None:
        """Asks for what is not there, so that the log tells of a bucket that cannot be had before the first call does."""
        with suppress(Unavailable):
            self.get(new_name())

    def _ask(self, ask: Callable[[], T], *, heard: bool = True) -> T | None:
        """None where S3 says that there is nothing of that name. `heard` tells whether an answer is one of S3 itself."""
        answer: T | None = None
        reason = ""
        try:
            answer = ask()
        except Exception as error:  # noqa: BLE001 — obstore raises its own, and others: whatever it is, S3 did not serve
            reason = "" if _is_absent(error) else _reason(error)
        if reason:
            self._lost(reason)
            raise Unavailable  # and not out of the error, whose text must not get into a log
        if heard:
            self._found()
        return answer

    def _lost(self, reason: str) -> None:
        with self._lock:
            was_lost, self._is_lost = self._is_lost, True
        if not was_lost:
            _log.warning("Images cannot be had: %s does not serve (%s)", self._where, reason)

    def _found(self) -> None:
        with self._lock:
            was_lost, self._is_lost = self._is_lost, False
        if was_lost:
            _log.warning("Images can be had again: %s serves", self._where)


def _store(bucket: str, prefix: str | None, timeout: float) -> Any:
    backoff = {"init_backoff": timedelta(seconds=0.1), "max_backoff": timedelta(seconds=0.5), "base": 2}
    allow_http = _endpoint(os.environ).startswith("http:")
    connecting = min(timeout, _MOST_CONNECTING)
    try:
        return _library("obstore.store").S3Store(
            bucket,
            prefix=prefix,
            disable_bulk_delete=True,  # the call for one is the one that all speak, and that may be repeated
            client_options={
                "timeout": timedelta(seconds=timeout),
                "connect_timeout": timedelta(seconds=connecting),
                "allow_http": allow_http,
            },
            retry_config={"max_retries": _RETRIES, "retry_timeout": timedelta(seconds=timeout + 1), "backoff": backoff},
        )
    except _library("obstore.exceptions").BaseError as error:
        raise ValueError(f"the AWS_ variables cannot be used ({_reason(error)})") from None


def _endpoint(environment: Mapping[str, str]) -> str:
    """The URL of the endpoint that obstore goes by, empty where it is that of AWS."""
    found = [(variable, environment[variable]) for variable in _ENDPOINTS if variable in environment]
    for variable, url in found:
        parts = urlsplit(url)
        if parts.scheme not in {"http", "https"} or not parts.hostname or "@" in parts.netloc or parts.query:
            raise ValueError(f"{variable} must be http:// or https:// and a host")
    return found[0][1] if found else ""


def _is_absent(error: Exception) -> bool:
    """Without a bucket there is a 404 too, and something in between may say it: then nothing is known about the picture."""
    return isinstance(error, FileNotFoundError) and "<Code>NoSuchKey</Code>" in str(error)


def _reason(error: Exception) -> str:
    parts = [part for found in _REASONS.finditer(str(error)) for part in found.groups() if part]
    return " ".join(dict.fromkeys(parts)) or type(error).__name__


def _library(name: str) -> "ModuleType":
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("images on S3 need an extra: pip install 'vestibule-accounts[s3]'", name=error.name) from None
