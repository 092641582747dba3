"""Refusals as problem documents (RFC 9457), and the table of their HTTP statuses."""

import logging
from contextlib import suppress
from functools import cache
from math import ceil
from typing import Annotated, Any

from litestar import Response
from litestar.exceptions import HTTPException
from litestar.types import HTTPScope, Receive, Send
from msgspec import UNSET, Meta, Struct, UnsetType

from ... import verify
from ...domain import errors
from ...domain.errors import ErrorCode, InvalidInput, Refusal
from ...verify.refusals import PROBLEM_URN, www_authenticate
from ..facade import Closed
from .dependencies import HttpRequest, format_of

REALM = "vestibule"
UNAUTHORIZED = 401

_log = logging.getLogger("vestibule.http")


class MalformedBody(Refusal):
    """The body does not have the format of its content type."""

    slug = "malformed-body"
    title = "The body cannot be read."


class MalformedRequest(Refusal):
    """The request line or a header is malformed."""

    slug = "malformed-request"
    title = "The request cannot be read."


class UnknownHost(Refusal):
    """The `Host` header is not one of the allowed names."""

    slug = "unknown-host"
    title = "The host name is not allowed."


class DevelopmentOnly(Refusal):
    """The server runs in development mode, and the call comes from another machine or through https."""

    slug = "development-only"
    title = "This server is for development on its own machine."


class BodyTooSlow(Refusal):
    """The body did not arrive in time."""

    slug = "body-too-slow"
    title = "The body did not arrive in time."


class BodyTooLarge(Refusal):
    """The body is larger than the limit of the call."""

    slug = "body-too-large"
    title = "The body is too large."


class UnsupportedMediaType(Refusal):
    """The call does not accept the content type or encoding of the body."""

    slug = "unsupported-media-type"
    title = "The media type of the body is not supported."


class NotFound(Refusal):
    """The path or the file does not exist."""

    slug = "not-found"
    title = "The resource does not exist."


class MethodNotAllowed(Refusal):
    """The path does not support the method; `Allow` lists those it supports."""

    slug = "method-not-allowed"
    title = "The path does not support this method."


class Internal(Refusal):
    """A fault of the program, reported like a refusal. The log has the details; the response has the request id."""

    slug = "internal"
    title = "An internal error occurred."


STATUS: dict[type[Refusal], int] = {
    errors.InvalidInput: 400,
    errors.AlreadyTaken: 400,
    errors.AccountMismatch: 400,
    errors.AddressNotVerified: 400,
    errors.RegistrationClosed: 400,
    errors.InvitationRequired: 400,
    MalformedBody: 400,
    MalformedRequest: 400,
    UnknownHost: 400,
    errors.InvalidCredentials: 401,
    errors.LoginNotFresh: 401,
    errors.NotAuthenticated: 401,
    errors.InvalidToken: 401,
    errors.InvalidRefreshToken: 401,
    errors.InvalidCode: 403,
    errors.NotPermitted: 403,
    DevelopmentOnly: 403,
    NotFound: 404,
    errors.NoSuchAccount: 404,
    errors.NoSuchSession: 404,
    errors.NoSuchInvitation: 404,
    errors.NoSuchMessage: 404,
    errors.NotRetryable: 409,
    errors.ClockAhead: 409,
    errors.LastSuperuser: 409,
    MethodNotAllowed: 405,
    BodyTooSlow: 408,
    errors.ImageTooLarge: 413,
    BodyTooLarge: 413,
    UnsupportedMediaType: 415,
    errors.RateLimited: 429,
    Internal: 500,
    errors.Unavailable: 503,
    errors.Overloaded: 503,
}

_LITESTAR_ERRORS: dict[int, type[Refusal]] = {400: MalformedRequest, 404: NotFound, 405: MethodNotAllowed}


class Problem(Struct, omit_defaults=True):
    """A refusal (RFC 9457)."""

    type: Annotated[
        str,
        Meta(
            description="The stable name of the problem, for machines.",
            examples=[f"{PROBLEM_URN}invalid-input"],
            extra_json_schema={"format": "uri"},
        ),
    ]
    title: Annotated[str, Meta(description="The problem, for people.")]
    status: Annotated[int, Meta(description="The HTTP status.", examples=[400])]
    detail: Annotated[str, Meta(description="More about this one, for people.")]
    errors: Annotated[dict[str, list[str]], Meta(description="Every bad field, with the reasons.")] = {}
    codes: Annotated[
        dict[str, list[ErrorCode]], Meta(description="A code for each error of the same field, in the same order.")
    ] = {}
    proof: Annotated[str | UnsetType, Meta(description="Proves an address that its account has not verified, for an hour.")] = (
        UNSET
    )


def problem_document(refusal: Refusal) -> Problem:
    return Problem(
        type=PROBLEM_URN + refusal.slug,
        title=refusal.title,
        status=status_of(refusal),
        detail=refusal.detail,
        errors=refusal.errors if isinstance(refusal, InvalidInput) else {},
        codes=refusal.codes if isinstance(refusal, InvalidInput) else {},
        proof=refusal.proof if isinstance(refusal, errors.AddressNotVerified) else UNSET,
    )


def status_of(refusal: Refusal) -> int:
    return next(STATUS[kind] for kind in type(refusal).__mro__ if kind in STATUS)


def error_response(request: HttpRequest, refusal: Refusal, **headers: str) -> Response[Any]:
    """Returns the response to a refusal, in the format of the call."""
    form = format_of(request)
    return Response(
        form.error_body(refusal, request),
        status_code=status_of(refusal),
        media_type=form.error_type,
        headers={**problem_headers(refusal), **{name.replace("_", "-"): value for name, value in headers.items()}},
    )


async def refuse(refusal: Refusal, scope: HTTPScope, receive: Receive, send: Send) -> None:
    """Sends the response to a refusal outside of a handler."""
    scope["state"]["refusal"] = refusal.slug
    request = HttpRequest(scope, receive, send)
    response = error_response(request, refusal).to_asgi_response(app=None, request=request)
    await response(scope, receive, send)


def handle_error(request: HttpRequest, error: Exception) -> Response[Any]:
    """Returns the response to any exception of a handler or the router."""
    headers = None
    if isinstance(error, Refusal):
        refusal = error
    elif isinstance(error, Closed):  # the process is about to end
        refusal = errors.Unavailable()
    elif isinstance(error, HTTPException) and error.status_code in _LITESTAR_ERRORS:
        refusal, headers = _LITESTAR_ERRORS[error.status_code](), error.headers
    else:
        refusal = internal_error(request.scope, error)
    # The slug, not the exception: its traceback would keep the request's body alive in a reference cycle until the garbage
    # collector runs. Until then the server does not send the response to a body that has not ended.
    request.scope["state"]["refusal"] = refusal.slug
    if isinstance(refusal, InvalidInput) and any(ErrorCode.TEST_DOMAIN in codes for codes in refusal.codes.values()):
        name_setting_of_test_domains()
    return error_response(request, refusal, **(headers or {}))


@cache
def name_setting_of_test_domains() -> None:
    """Names the setting in the log of a developer, once a process. The response is for people who cannot change settings."""
    _log.info("refused an email at a domain for tests; VESTIBULE_TEST_DOMAINS=on accepts such domains, for development")


def internal_error(scope: HTTPScope, error: BaseException) -> Internal:
    """Logs an unexpected exception and returns its refusal. Raises nothing, whatever a handler of logs does with it."""
    request_id = scope["state"]["caller"].request_id
    fields = {"request_id": request_id, "route": scope.get("path_template")}
    try:
        _log.error("unhandled exception in request", extra={"fields": fields}, exc_info=error)
    except Exception:  # noqa: BLE001 — `RecursionError` leaves handlers, as may any error of a handler of the host's
        with suppress(Exception):
            _log.error("unhandled exception in request", extra={"fields": {**fields, "exception": type(error).__qualname__}})
    return Internal(f"The error is logged under the request id {request_id}.")


def problem_headers(refusal: Refusal) -> dict[str, str]:
    if status_of(refusal) == UNAUTHORIZED:
        return {"www-authenticate": www_authenticate(realm=REALM, **_challenge(refusal))}
    match refusal:
        case errors.RateLimited():
            return {"retry-after": str(refusal.retry_after), **_rate_limit_headers(refusal)}
        case errors.Unavailable():
            return {"retry-after": str(refusal.retry_after)}
        case BodyTooLarge() | BodyTooSlow() | errors.ImageTooLarge():
            return {"connection": "close"}
        case _:
            return {}


def _challenge(refusal: Refusal) -> dict[str, str]:
    """The parameters of the challenge by RFC 6750 § 3 and RFC 9470 § 3."""
    match refusal:
        case errors.InvalidToken():
            return {"error": verify.InvalidToken.error}
        case errors.LoginNotFresh():
            return {"error": "insufficient_user_authentication", "max_age": str(refusal.max_age)}
        case _:
            return {}


def _rate_limit_headers(refusal: errors.RateLimited) -> dict[str, str]:
    """`RateLimit-Policy` and `RateLimit`, structured fields of draft-ietf-httpapi-ratelimit-headers."""
    if not refusal.policy or refusal.limit is None:
        return {}
    return {
        "ratelimit-policy": f'"{refusal.policy}";q={refusal.limit.count};w={ceil(refusal.limit.seconds)}',
        "ratelimit": f'"{refusal.policy}";r=0;t={refusal.retry_after}',
    }
