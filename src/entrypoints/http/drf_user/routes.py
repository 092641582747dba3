"""The calls that drf-user answers in another way. Each calls what the documented one calls."""

from collections.abc import Iterable, Iterator

from litestar import post, put
from litestar.handlers import HTTPRouteHandler
from msgspec import Struct
from msgspec.structs import asdict

from ....application import MISSING, IssuedProof, RequestedCode, TokenSet
from ....domain.errors import ErrorCode, FieldError, InvalidInput
from ..authentication import authenticate
from ..dependencies import HttpRequest, Uploads, caller_of, use_cases
from ..multipart import is_multipart
from ..request_body import read_body
from ..request_schemas import CheckUniqueBody, RegisterBody, ReplaceAccountBody
from ..responses import AsgiResponse, account_response, token_response
from ..routes import codes, image, password
from .errors import field_errors

_OTP_SENT = {"otp": "OTP has been sent successfully."}


@post("/register")
async def register(request: HttpRequest) -> AsgiResponse:
    body = await read_body(request, RegisterBody)
    try:
        account = await use_cases(request).register(caller=caller_of(request), **asdict(body))
    except InvalidInput as refusal:
        if refusal.codes != {"mobile": [ErrorCode.REQUIRED]}:
            raise
        return _refused(request, refusal, 400, {"error": "Mobile is required."})
    return account_response(201, account, use_cases(request).settings)


@put("/account")
async def replace_account(request: HttpRequest) -> AsgiResponse:
    """Replaces every field; a mobile that is absent stays."""
    identity = await authenticate(request)
    fields = asdict(await read_body(request, ReplaceAccountBody))
    if fields["mobile"] is MISSING:
        present = identity.account.mobile
        fields["mobile"] = present.text if present else None
    account = await use_cases(request).replace_account(identity=identity, caller=caller_of(request), **fields)
    return account_response(200, account, use_cases(request).settings)


@post("/otp")
async def otp(request: HttpRequest) -> AsgiResponse:
    match await codes.request_or_use_code(request):
        case RequestedCode(reference):
            sent = {"success": True, "message": "Message sent successfully!", "reference": reference}
            return AsgiResponse(201, sent)
        case TokenSet() as tokens:
            return token_response(202, tokens)
        case IssuedProof(proof):
            return AsgiResponse(202, {"OTP": ["OTP Validated successfully!"], "proof": proof})


@post("/otpreglogin")
async def register_or_log_in(request: HttpRequest) -> AsgiResponse:
    match await codes.request_or_use_registration_code(request):
        case RequestedCode(reference):
            return AsgiResponse(201, {"email": _OTP_SENT, "mobile": _OTP_SENT, "reference": reference})
        case TokenSet() as tokens:
            return token_response(202, tokens)


@post("/password/reset")
async def reset_password(request: HttpRequest) -> AsgiResponse:
    effects = await password.reset_by_code(request)
    done = {"data": "Password Updated Successfully.", "status_code": 202}
    return AsgiResponse(202, {**done, "cleared": effects.cleared, "recovered": effects.recovered})


@post("/isunique")
async def check_unique(request: HttpRequest) -> AsgiResponse:
    body = await read_body(request, CheckUniqueBody)
    try:
        is_unique = await use_cases(request).check_unique(prop=body.prop, value=body.value, caller=caller_of(request))
    except InvalidInput as refusal:
        found = field_errors(refusal, request)
        if ErrorCode.MALFORMED in refusal.codes.get("prop", []):
            found["prop"] = [f'"{body.prop}" is not a valid choice.']
        return _refused(request, refusal, 422, {"data": found, "status_code": 422})
    return AsgiResponse(200, {"data": [{"unique": is_unique}, 200], "status_code": None, "unique": is_unique})


class ImageFieldBody(Struct):
    """A body that can hold no file."""

    profile_image: object


@post("/upload-image")
async def upload_image(request: HttpRequest, uploads: Uploads) -> AsgiResponse:
    if not is_multipart(request):
        await authenticate(request)
        body = await read_body(request, ImageFieldBody)
        code = ErrorCode.REQUIRED if body.profile_image is MISSING else ErrorCode.WRONG_TYPE
        raise InvalidInput({"profile_image": [FieldError(code, "")]})
    url = await image.store_image(request, uploads)
    return AsgiResponse(201, {"detail": "Profile Image Uploaded.", "profile_image": url})


def _refused(request: HttpRequest, refusal: InvalidInput, status: int, body: object) -> AsgiResponse:
    request.scope["state"]["refusal"] = refusal.slug
    return AsgiResponse(status, body)


HANDLERS: tuple[HTTPRouteHandler, ...] = (
    register,
    replace_account,
    otp,
    register_or_log_in,
    reset_password,
    check_unique,
    upload_image,
)


def in_place_of(documented: Iterable[HTTPRouteHandler]) -> tuple[HTTPRouteHandler, ...]:
    """Returns the documented handlers, those here in place of the ones with the same path and method."""
    own = {call for handler in HANDLERS for call in _calls(handler)}
    return (*(handler for handler in documented if own.isdisjoint(_calls(handler))), *HANDLERS)


def _calls(handler: HTTPRouteHandler) -> Iterator[tuple[str, str]]:
    for path in handler.paths:
        for method in handler.http_methods:
            yield path, method
