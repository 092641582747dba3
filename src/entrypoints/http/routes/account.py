"""Reads, replaces and changes the caller's own account."""

from litestar import get, patch, put

from ....domain import errors
from ..authentication import authenticate
from ..dependencies import HttpRequest, caller_of, use_cases
from ..openapi import Auth, Operation
from ..request_body import read_body
from ..request_schemas import ChangeAccountBody, ReplaceAccountBody
from ..responses import AccountResponse, AsgiResponse, account_response


@get("/account", operation=Operation("Account", "Read the caller's own account", (AccountResponse,), auth=Auth.REQUIRED))
async def read_account(request: HttpRequest) -> AsgiResponse:
    identity = await authenticate(request)
    return account_response(200, identity.account, use_cases(request).settings)


@put(
    "/account",
    operation=Operation(
        "Account",
        "Replace every field of the caller's own account",
        (AccountResponse,),
        body=ReplaceAccountBody,
        refusals=(errors.InvalidInput, errors.AlreadyTaken),
        auth=Auth.REQUIRED,
        detail="A new password revokes all other sessions.",
    ),
)
async def replace_account(request: HttpRequest) -> AsgiResponse:
    vestibule = use_cases(request)
    identity = await authenticate(request)
    body = await read_body(request, ReplaceAccountBody)
    account = await vestibule.replace_account(
        identity=identity,
        username=body.username,
        name=body.name,
        email=body.email,
        mobile=body.mobile,
        password=body.password,
        proofs=body.proofs,
        caller=caller_of(request),
    )
    return account_response(200, account, vestibule.settings)


@patch(
    "/account",
    operation=Operation(
        "Account",
        "Change some fields of the caller's own account",
        (AccountResponse,),
        body=ChangeAccountBody,
        refusals=(errors.InvalidInput, errors.AlreadyTaken),
        auth=Auth.REQUIRED,
        detail="A new password revokes all other sessions.",
    ),
)
async def change_account(request: HttpRequest) -> AsgiResponse:
    vestibule = use_cases(request)
    identity = await authenticate(request)
    body = await read_body(request, ChangeAccountBody)
    account = await vestibule.change_account(
        identity=identity,
        username=body.username,
        name=body.name,
        email=body.email,
        mobile=body.mobile,
        password=body.password,
        proofs=body.proofs,
        caller=caller_of(request),
    )
    return account_response(200, account, vestibule.settings)
