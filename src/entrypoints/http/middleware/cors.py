"""Pages of other origins (CORS, https://fetch.spec.whatwg.org/#http-cors-protocol): by exact match, and without cookies.

Litestar's own does not see what the front answers, and names no `Vary` to those who are not let in.
"""

from collections.abc import Iterable

from litestar.types import HTTPScope

Headers = tuple[tuple[bytes, bytes], ...]

_VARY = (b"vary", b"Origin")
_EXPOSED = (b"access-control-expose-headers", b"Retry-After, X-Request-ID, WWW-Authenticate")
_PREFLIGHT = (
    (b"access-control-allow-methods", b"GET, POST, PUT, PATCH, DELETE"),
    (b"access-control-allow-headers", b"Authorization, Content-Type"),
    (b"access-control-max-age", b"7200"),  # Chromium keeps it no longer
)


class Cors:
    """The headers by which a browser lets a page read an answer; pages of any other origin get none."""

    def __init__(self, origins: Iterable[str]) -> None:
        self._answers = {origin.encode(): _answer(origin.encode()) for origin in origins}

    def headers(self, scope: HTTPScope) -> Headers:
        """A preflight is an OPTIONS, which every path answers by itself; these headers make it one that allows."""
        origin = next((value for name, value in scope["headers"] if name == b"origin"), b"")
        answer = self._answers.get(origin)
        if answer is None:
            return (_VARY,)
        return answer + _PREFLIGHT if scope["method"] == "OPTIONS" else answer


def _answer(origin: bytes) -> Headers:
    return ((b"access-control-allow-origin", origin), _EXPOSED, _VARY)
