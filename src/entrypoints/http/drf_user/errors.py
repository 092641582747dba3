"""Bodies of errors as drf-user has them, in its words where it has any."""

from collections.abc import Mapping
from typing import Any

from ....domain import errors
from ....domain.errors import ErrorCode, InvalidInput, Refusal
from ....verify.refusals import PROBLEM_URN
from ..dependencies import HttpRequest
from ..problems import MethodNotAllowed, NotFound, UnsupportedMediaType
from .bodies import empty_fields

_DETAILS: Mapping[type[Refusal], str] = {
    errors.InvalidCredentials: "username or password is invalid.",
    errors.NotAuthenticated: "Authentication credentials were not provided.",
    errors.InvalidToken: "Given token not valid for any token type",
    errors.InvalidRefreshToken: "Token is invalid or expired",
    errors.InvalidCode: "OTP Validation failed! Check the code, or ask for a new one.",
    NotFound: "Not found.",
}
_TOKEN_NOT_VALID = {"code": "token_not_valid"}
_ACCESS_TOKEN = {"token_class": "AccessToken", "token_type": "access", "message": "Token is invalid or expired"}
_MAX_QUOTED = 100
"""Characters of a caller's content type that the response repeats."""

_MESSAGES: Mapping[tuple[str, ErrorCode], str] = {
    ("username", ErrorCode.TAKEN): "User with this Unique UserName already exists.",
    ("email", ErrorCode.TAKEN): "User with this Email Address already exists.",
    ("mobile", ErrorCode.TAKEN): "User with this Mobile Number already exists.",
    ("email", ErrorCode.MALFORMED): "Enter a valid email address.",
    ("email", ErrorCode.NOT_VERIFIED): "The email must be pre-validated via OTP.",
    ("mobile", ErrorCode.NOT_VERIFIED): "The mobile must be pre-validated via OTP.",
    ("password", ErrorCode.TOO_COMMON): "This password is too common.",
    ("is_login", ErrorCode.WRONG_TYPE): "Must be a valid boolean.",
    ("profile_image", ErrorCode.REQUIRED): "No file was submitted.",
    ("profile_image", ErrorCode.WRONG_TYPE): "The submitted data was not a file. Check the encoding type on the form.",
    ("profile_image", ErrorCode.UNREADABLE_IMAGE): (
        "Upload a valid image. The file you uploaded was either not an image or a corrupted image."
    ),
}


def error_body(refusal: Refusal, request: HttpRequest) -> dict[str, Any]:
    """Returns the errors by field, or the error of all fields together, or `detail`.

    Along with `detail` goes the `type` of the problem document, which drf-user has not, for clients that know both.
    """
    match refusal:
        case InvalidInput():
            return field_errors(refusal, request)
        case errors.AccountMismatch():
            return {"non_field_errors": [_sentences(refusal)]}
        case _:
            return {"detail": _detail(refusal, request), **_more(refusal), "type": PROBLEM_URN + refusal.slug}


def field_errors(refusal: InvalidInput, request: HttpRequest) -> dict[str, list[str]]:
    """Returns the messages by field."""
    empty = empty_fields(request)
    return {
        field: [_message(field, code, message, empty) for code, message in zip(refusal.codes[field], messages, strict=True)]
        for field, messages in refusal.errors.items()
    }


def _message(field: str, code: ErrorCode, message: str, empty: Mapping[str, str]) -> str:
    if (field, code) in _MESSAGES:
        return _MESSAGES[field, code]
    match code:
        case ErrorCode.REQUIRED:
            return empty.get(field, message)
        case ErrorCode.WRONG_TYPE:
            return "Not a valid string."
        case _:
            return message


def _detail(refusal: Refusal, request: HttpRequest) -> str:
    match refusal:
        case MethodNotAllowed():
            return f'Method "{request.method}" not allowed.'
        case UnsupportedMediaType():
            return f'Unsupported media type "{request.headers.get("content-type", "")[:_MAX_QUOTED]}" in request.'
        case _:
            return _DETAILS.get(type(refusal)) or _sentences(refusal)


def _sentences(refusal: Refusal) -> str:
    """Returns title and detail in one text: clients show no other."""
    return refusal.detail if refusal.detail == refusal.title else f"{refusal.title} {refusal.detail}"


def _more(refusal: Refusal) -> dict[str, Any]:
    match refusal:
        case errors.InvalidToken():
            return {**_TOKEN_NOT_VALID, "messages": [_ACCESS_TOKEN]}
        case errors.InvalidRefreshToken():
            return _TOKEN_NOT_VALID
        case errors.AddressNotVerified():
            return {"proof": refusal.proof}
        case _:
            return {}
