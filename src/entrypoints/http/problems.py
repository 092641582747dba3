"""Refusals as problem documents (RFC 9457): one status for each, in one table."""

import logging

from litestar import Response
from litestar.exceptions import HTTPException
from msgspec import Struct

from ... import verify
from ...application import (
    AccountMismatch,
    AlreadyTaken,
    ImageTooLarge,
    InvalidCode,
    InvalidCredentials,
    InvalidInput,
    InvalidRefreshToken,
    InvalidToken,
    NoSuchAccount,
    NoSuchMessage,
    NoSuchSession,
    NotAuthenticated,
    NotRetryable,
    Overloaded,
    RateLimited,
    Refusal,
    Unavailable,
)
from ...verify.refusals import MEDIA_TYPE, PROBLEM_URN, challenge
from .dependencies import Call

REALM = "vestibule"

_log = logging.getLogger("vestibule.http")


class MalformedBody(Refusal):
    """The body cannot be read as what its content type says."""

    slug = "malformed-body"
    title = "The body cannot be read."


class MalformedRequest(Refusal):
    """The request line or a header cannot be what it is."""

    slug = "malformed-request"
    title = "The request cannot be read."


class UnknownHost(Refusal):
    """The `Host` header is none of the names that the service answers to."""

    slug = "unknown-host"
    title = "The service is not known by this name."


class BodyTooSlow(Refusal):
    """The body did not arrive in time."""

    slug = "body-too-slow"
    title = "The body did not arrive in time."


class BodyTooLarge(Refusal):
    """The body has more bytes than the call takes."""

    slug = "body-too-large"
    title = "The body is too large."


class UnsupportedMediaType(Refusal):
    """The body's content type or encoding is not the one that the call takes."""

    slug = "unsupported-media-type"
    title = "The body is of a kind that this call does not take."


class NotFound(Refusal):
    """Nothing is here."""

    slug = "not-found"
    title = "There is nothing here."


class MethodNotAllowed(Refusal):
    """The path has no such method; `Allow` names those it has."""

    slug = "method-not-allowed"
    title = "This path does not take that method."


class Internal(Refusal):
    """A fault of the program, told to its log; the caller learns no more than the request id."""

    slug = "internal"
    title = "Something went wrong here."


STATUS: dict[type[Refusal], int] = {
    InvalidInput: 400,
    AlreadyTaken: 400,
    AccountMismatch: 400,
    MalformedBody: 400,
    MalformedRequest: 400,
    UnknownHost: 400,
    InvalidCredentials: 401,
    NotAuthenticated: 401,
    InvalidToken: 401,
    InvalidRefreshToken: 401,
    InvalidCode: 403,
    NotFound: 404,
    NoSuchAccount: 404,
    NoSuchSession: 404,
    NoSuchMessage: 404,
    NotRetryable: 409,
    MethodNotAllowed: 405,
    BodyTooSlow: 408,
    ImageTooLarge: 413,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    RateLimited: 429,
    Internal: 500,
    Unavailable: 503,
    Overloaded: 503,
}

_OF_LITESTAR: dict[int, type[Refusal]] = {400: MalformedRequest, 404: NotFound, 405: MethodNotAllowed}


class Problem(Struct, omit_defaults=True):
    """A refusal. Read `type`; `title` and `detail` are for people; `errors` names every field at fault."""

    type: str
    title: str
    status: int
    detail: str
    errors: dict[str, list[str]] = {}


def problem_document(refusal: Refusal) -> Problem:
    return Problem(
        type=PROBLEM_URN + refusal.slug,
        title=refusal.title,
        status=next(STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS),
        detail=refusal.detail,
        errors=refusal.errors if isinstance(refusal, InvalidInput) else {},
    )


def problem(refusal: Refusal, **headers: str) -> Response[Problem]:
    document = problem_document(refusal)
    return Response(
        document,
        status_code=document.status,
        media_type=MEDIA_TYPE,
        headers={**problem_headers(refusal), **{name.replace("_", "-"): value for name, value in headers.items()}},
    )


def answer_error(request: Call, error: Exception) -> Response[Problem]:
    """The answer to whatever a handler or the router has raised."""
    headers = None
    if isinstance(error, Refusal):
        refusal = error
    elif isinstance(error, HTTPException) and error.status_code in _OF_LITESTAR:
        refusal, headers = _OF_LITESTAR[error.status_code](), error.headers
    else:
        refusal = _fault(request, error)
    # Not the refusal itself: its traceback leads back to this scope, and what a call holds of its body would be let go of by
    # the garbage collector alone. Until then the server does not send the answer to a body that has not ended.
    request.scope["state"]["refusal"] = refusal.slug
    return problem(refusal, **(headers or {}))


def _fault(request: Call, error: Exception) -> Internal:
    request_id = request.scope["state"]["caller"].request_id
    fields = {"request_id": request_id, "route": request.scope.get("path_template")}
    _log.error("a call met a fault", extra={"fields": fields}, exc_info=error)
    return Internal(f"The fault is logged under {request_id}.")


def problem_headers(refusal: Refusal) -> dict[str, str]:
    match refusal:
        case InvalidToken():
            return {"www-authenticate": challenge(realm=REALM, error=verify.InvalidToken.error)}
        case NotAuthenticated() | InvalidCredentials() | InvalidRefreshToken():
            return {"www-authenticate": challenge(realm=REALM)}
        case RateLimited() | Unavailable():
            return {"retry-after": str(refusal.retry_after)}
        case BodyTooLarge() | BodyTooSlow() | ImageTooLarge():
            return {"connection": "close"}
        case _:
            return {}
