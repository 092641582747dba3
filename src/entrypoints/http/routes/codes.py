"""Sends one-time codes, and accepts them to verify an address, to log in or to register."""

from litestar import post

from ....domain import errors
from ..authentication import authenticate_optional
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
    vestibule, caller = use_cases(request), caller_of(request)
    body = await read_body(request, CodeBody, code_length=vestibule.settings.otp_length)
    destination, code, is_login = body.destination, body.verify_otp, body.is_login
    if code is None or not isinstance(is_login, bool):  # a bad `is_login` is refused there, with all other bad fields
        sent = await vestibule.request_code(destination=destination, email=body.email, is_login=is_login, caller=caller)
        return code_sent_response(sent)
    identity = await authenticate_optional(request)
    if is_login:
        tokens = await vestibule.log_in_by_code(destination=destination, verify_otp=code, identity=identity, caller=caller)
        return token_response(201, tokens)
    verified = await vestibule.verify_code(destination=destination, verify_otp=code, identity=identity, caller=caller)
    where = "" if identity else ", without a login on no account: a registration or a change within the hour takes the proof"
    return AsgiResponse(201, CodeVerifiedResponse(f"This {verified.kind} is verified{where}.", verified.proof))


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
    vestibule, caller = use_cases(request), caller_of(request)
    body = await read_body(request, RegisterOrLogInBody, code_length=vestibule.settings.otp_length)
    if body.verify_otp is None:
        sent = await vestibule.request_registration_code(name=body.name, email=body.email, mobile=body.mobile, caller=caller)
        return code_sent_response(sent)
    tokens = await vestibule.register_or_log_in(
        name=body.name,
        email=body.email,
        mobile=body.mobile,
        verify_otp=body.verify_otp,
        identity=await authenticate_optional(request),
        caller=caller,
    )
    return token_response(201, tokens)
