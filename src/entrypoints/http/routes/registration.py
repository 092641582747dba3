"""Registers accounts, and reports whether a username, email or mobile is free."""

from litestar import post
from msgspec.structs import asdict

from ....domain import errors
from ...account_response import AccountResponse
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Operation
from ..request_body import read_body
from ..request_schemas import CheckUniqueBody, RegisterBody
from ..responses import AsgiResponse, UniquenessResponse, account_response


@post(
    "/register",
    operation=Operation(
        "Registration",
        "Register a new account",
        (AccountResponse,),
        status=201,
        body=RegisterBody,
        refusals=(errors.InvalidInput, errors.AlreadyTaken, errors.RegistrationClosed, errors.InvitationRequired),
    ),
)
async def register(request: HttpRequest) -> AsgiResponse:
    body = await read_body(request, RegisterBody)
    account = await use_cases(request).register(caller=caller_of(request), **asdict(body))
    return account_response(201, account, use_cases(request).settings)


@post(
    "/isunique",
    operation=Operation(
        "Registration",
        "Check whether a username, email or mobile is free",
        (UniquenessResponse,),
        body=CheckUniqueBody,
        refusals=(errors.InvalidInput,),
    ),
)
async def check_unique(request: HttpRequest) -> AsgiResponse:
    body = await read_body(request, CheckUniqueBody)
    is_unique = await use_cases(request).check_unique(prop=body.prop, value=body.value, caller=caller_of(request))
    return AsgiResponse(200, UniquenessResponse(is_unique))
