"""A middleware for any WSGI app: nothing reaches it without a good token."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from .bearer import bearer_token
from .refusals import MEDIA_TYPE, NotAuthenticated, Refusal
from .verifier import Verifier

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class TokenMiddleware:
    """Puts who calls into `environ["vestibule.identity"]`, or answers 401 or 503 itself.

    With `optional` a call without a token passes, and its identity is None; a bad token is refused all the same.
    """

    def __init__(self, app: "WSGIApplication", verifier: Verifier, *, optional: bool = False) -> None:
        self._app = app
        self._verifier = verifier
        self._optional = optional

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        header = environ.get("HTTP_AUTHORIZATION")
        try:
            environ["vestibule.identity"] = self._verifier(bearer_token([header] if header is not None else []))
        except NotAuthenticated as refusal:
            if not self._optional:
                return _refuse(refusal, start_response)
            environ["vestibule.identity"] = None
        except Refusal as refusal:
            return _refuse(refusal, start_response)
        return self._app(environ, start_response)


def _refuse(refusal: Refusal, start_response: "StartResponse") -> Iterable[bytes]:
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(refusal.body)), **refusal.headers}
    start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", list(headers.items()))
    return [refusal.body]
