"""Reads, replaces and changes the caller's own account."""

from collections.abc import Awaitable, Callable
from functools import partial

from litestar import get, patch, put
from msgspec.structs import asdict

from ....application import Account
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


_change_operation = partial(
    Operation,
    "Account",
    responses=(AccountResponse,),
    refusals=(errors.InvalidInput, errors.AlreadyTaken),
    auth=Auth.REQUIRED,
    detail="A new password revokes all other sessions.",
)


@put("/account", operation=_change_operation("Replace every field of the caller's own account", body=ReplaceAccountBody))
async def replace_account(request: HttpRequest) -> AsgiResponse:
    return await _change(request, ReplaceAccountBody, use_cases(request).replace_account)


@patch("/account", operation=_change_operation("Change some fields of the caller's own account", body=ChangeAccountBody))
async def change_account(request: HttpRequest) -> AsgiResponse:
    return await _change(request, ChangeAccountBody, use_cases(request).change_account)


async def _change(
    request: HttpRequest, schema: type[ReplaceAccountBody | ChangeAccountBody], change: Callable[..., Awaitable[Account]]
) -> AsgiResponse:
    identity = await authenticate(request)
    body = await read_body(request, schema)
    account = await change(identity=identity, caller=caller_of(request), **asdict(body))
    return account_response(200, account, use_cases(request).settings)
