"""CORS (https://fetch.spec.whatwg.org/#http-cors-protocol): allows named origins, by exact match, without cookies.

Litestar's own CORS does not see the refusals of the request middleware, and sends no `Vary` to origins that are not allowed.
"""

from collections.abc import Iterable

from litestar.types import HTTPScope

Headers = tuple[tuple[bytes, bytes], ...]

_VARY = (b"vary", b"Origin")
_EXPOSED = (
    b"access-control-expose-headers",
    b"Retry-After, RateLimit, RateLimit-Policy, X-Request-ID, WWW-Authenticate, Content-Disposition, Allow",
)
ALLOWED = (
    *("Authorization", "Content-Type"),
    *("Accept", "Accept-Language", "Cache-Control", "Pragma", "X-Requested-With"),  # libraries add them; here they mean nothing
    *("traceparent", "tracestate", "baggage", "sentry-trace", "X-Request-ID", "X-Correlation-ID"),  # tracing in browsers
)
"""The request headers that a page may send without a setting."""


class Cors:
    """The headers by which a browser lets pages of the named origins read a response; other origins get none."""

    def __init__(self, origins: Iterable[str], more_headers: Iterable[str] = ()) -> None:
        self._allowed = {origin.encode(): _headers(origin.encode()) for origin in origins}
        self._preflight = (
            (b"access-control-allow-methods", b"GET, HEAD, POST, PUT, PATCH, DELETE"),
            (b"access-control-allow-headers", ", ".join((*ALLOWED, *more_headers)).encode()),
            (b"access-control-max-age", b"7200"),  # the maximum of Chromium
        )

    def headers(self, scope: HTTPScope) -> Headers:
        """Every path has a handler of OPTIONS; with these headers its response to a preflight allows the request."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        allowed = self._allowed.get(origin)
        if allowed is None:
            return (_VARY,)
        return allowed + self._preflight if scope["method"] == "OPTIONS" else allowed


def _headers(origin: bytes) -> Headers:
    return ((b"access-control-allow-origin", origin), _EXPOSED, _VARY)
