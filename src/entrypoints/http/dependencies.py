"""Values that handlers take from a request, stored there by the request middleware."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from litestar import Request
from litestar.di import NamedDependency
from litestar.params import SkipValidation

from ...application import Caller, Refusal
from ..async_facade import AsyncVestibule
from ..concurrency.shares import UploadPlaces

HttpRequest = Request[Any, Any, Any]

Uploads = NamedDependency[SkipValidation[UploadPlaces]]
"""Limits how many files are in memory at once. Handlers ask for no other dependency: Litestar starts a task for each of two."""


BodyReader = Callable[[bytes], Mapping[str, Any]]
"""Reads a whole body into its members. Raises `MalformedBody`."""


@dataclass(frozen=True, slots=True)
class WireFormat:
    """The format of bodies: of all those that handlers read by `read_body`, and of all errors.

    `reader_of` returns the reader for the content type of a request, or raises `UnsupportedMediaType`. `error_body` returns the
    body of the response to a refusal, of the content type `error_type`.
    """

    reader_of: Callable[[HttpRequest], BodyReader]
    error_body: Callable[[Refusal, HttpRequest], object]
    error_type: str


def format_of(request: HttpRequest) -> WireFormat:
    """Returns the format of this call."""
    chosen: WireFormat = request.scope["state"]["format"]
    return chosen


def use_cases(request: HttpRequest) -> AsyncVestibule:
    """Returns the use cases. A dependency of Litestar instead would cost a sixth of a frequent call."""
    vestibule: AsyncVestibule = request.scope["state"]["vestibule"]
    return vestibule


def caller_of(request: HttpRequest) -> Caller:
    """Returns the IP address, user agent and request id of the caller."""
    caller: Caller = request.scope["state"]["caller"]
    return caller


def requested_path(request: HttpRequest) -> str:
    """Returns the path as it came: Litestar's router, of this app or of a host, changes the slash at the end of `path`."""
    raw: bytes | None = request.scope.get("raw_path")
    return raw.decode("latin-1").partition("?")[0] if raw else request.scope["path"]
