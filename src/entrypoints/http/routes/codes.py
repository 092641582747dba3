"""Sends one-time codes, and accepts them to verify an address, to log in or to register."""

from litestar import post

from ....application import IssuedProof, RequestedCode, TokenSet
from ....domain import errors
from ..authentication import authenticate_optional, identity_of
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Auth, Operation
from ..request_body import read_body
from ..request_schemas import CodeBody, RegisterOrLogInBody
from ..responses import (
    AsgiResponse,
    CodeSentResponse,
    CodeVerifiedResponse,
    TokenSetResponse,
    code_sent_response,
    token_response,
)


@post(
    "/otp",
    operation=Operation(
        "Codes",
        "Request a code, verify an address by it, or log in by it",
        (CodeSentResponse, CodeVerifiedResponse, TokenSetResponse),
        status=201,
        body=CodeBody,
        refusals=(errors.InvalidInput, errors.InvalidCode, errors.AddressNotVerified),
        auth=Auth.OPTIONAL,
        detail="Without `verify_otp` the call sends a code. With it, it verifies the address; with `is_login` too, it logs in "
        "to the account of the address. With an access token a verification marks the address of its account as verified, and "
        "a login clears nothing.",
    ),
)
async def otp(request: HttpRequest) -> AsgiResponse:
    match await request_or_use_code(request):
        case RequestedCode() as sent:
            return code_sent_response(sent)
        case TokenSet() as tokens:
            return token_response(201, tokens)
        case IssuedProof(proof, kind):
            without = ", without a login on no account: a registration or a change within the hour takes the proof"
            where = without if identity_of(request) is None else ""
            return AsgiResponse(201, CodeVerifiedResponse(f"This {kind} is verified{where}.", proof))


async def request_or_use_code(request: HttpRequest) -> RequestedCode | IssuedProof | TokenSet:
    """Sends a code, verifies an address by it or logs in by it, as the body says."""
    vestibule, caller = use_cases(request), caller_of(request)
    body = await read_body(request, CodeBody, code_length=vestibule.settings.code_length)
    destination, code, is_login = body.destination, body.verify_otp, body.is_login
    if code is None or not isinstance(is_login, bool):  # a bad `is_login` is refused there, with all other bad fields
        return await vestibule.request_code(destination=destination, email=body.email, is_login=is_login, caller=caller)
    identity = await authenticate_optional(request)
    if is_login:
        return await vestibule.log_in_by_code(destination=destination, verify_otp=code, identity=identity, caller=caller)
    return await vestibule.verify_code(destination=destination, verify_otp=code, identity=identity, caller=caller)


@post(
    "/otpreglogin",
    operation=Operation(
        "Codes",
        "Register or log in by a code",
        (CodeSentResponse, TokenSetResponse),
        status=201,
        body=RegisterOrLogInBody,
        refusals=(
            errors.InvalidInput,
            errors.InvalidCode,
            errors.AccountMismatch,
            errors.RegistrationClosed,
            errors.InvitationRequired,
        ),
        auth=Auth.OPTIONAL,
        detail="Without `verify_otp` the call sends one code to the email and one to the mobile; either registers or logs in.",
    ),
)
async def register_or_log_in(request: HttpRequest) -> AsgiResponse:
    result = await request_or_use_registration_code(request)
    return code_sent_response(result) if isinstance(result, RequestedCode) else token_response(201, result)


async def request_or_use_registration_code(request: HttpRequest) -> RequestedCode | TokenSet:
    """Sends a code to both addresses, or registers or logs in by one, as the body says."""
    vestibule, caller = use_cases(request), caller_of(request)
    body = await read_body(request, RegisterOrLogInBody, code_length=vestibule.settings.code_length)
    if body.verify_otp is None:
        return await vestibule.request_registration_code(name=body.name, email=body.email, mobile=body.mobile, caller=caller)
    return await vestibule.register_or_log_in(
        name=body.name,
        email=body.email,
        mobile=body.mobile,
        verify_otp=body.verify_otp,
        identity=await authenticate_optional(request),
        caller=caller,
    )
