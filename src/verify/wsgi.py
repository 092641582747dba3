"""WSGI middleware that lets only requests with a valid token through."""

from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from .bearer import bearer_token
from .refusals import MEDIA_TYPE, NotAuthenticated, Refusal
from .verifier import Verifier

if TYPE_CHECKING:
    from wsgiref.types import StartResponse, WSGIApplication, WSGIEnvironment


class TokenMiddleware:
    """Puts the `Identity` into `environ["vestibule.identity"]`, or responds with 401 or 503.

    With `optional` a request without a token passes, and its identity is None; an invalid token is still refused.
    """

    def __init__(self, app: "WSGIApplication", verifier: Verifier, *, optional: bool = False) -> None:
        self._app = app
        self._verifier = verifier
        self._optional = optional

    def __call__(self, environ: "WSGIEnvironment", start_response: "StartResponse") -> Iterable[bytes]:
        header = environ.get("HTTP_AUTHORIZATION")
        try:
            environ["vestibule.identity"] = self._verifier(bearer_token([header] if header is not None else []))
        except Refusal as refusal:
            if not (self._optional and isinstance(refusal, NotAuthenticated)):
                return _refuse(refusal, start_response)
            environ["vestibule.identity"] = None
        return self._app(environ, start_response)


def _refuse(refusal: Refusal, start_response: "StartResponse") -> Iterable[bytes]:
    headers = {"Content-Type": MEDIA_TYPE, "Content-Length": str(len(refusal.body)), **refusal.headers}
    start_response(f"{refusal.status} {HTTPStatus(refusal.status).phrase}", list(headers.items()))
    return [refusal.body]
